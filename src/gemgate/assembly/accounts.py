"""Settings become accounts: cookie sources, upstreams, pacers; each is kept signed in by its refresher."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gemgate.accounts import Walls
from gemgate.assembly.service import Service
from gemgate.cookies import accounts_file
from gemgate.cookies.sources import source_of
from gemgate.errors import BadRequest, Conflict, GatewayError, SettingsError, system_words
from gemgate.imaging import PROFILES, Profile, profiles_from_json
from gemgate.lazy_import import later, load
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.policy.token_bucket import Bucket
from gemgate.pool.account import Account
from gemgate.pool.record import AccountRecord
from gemgate.pool.refresher import SessionRefresher
from gemgate.pool.registry import LEASE_SECONDS, Build
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup
from gemgate.ports.cookies import CookieSource
from gemgate.ports.keys import KeyStore
from gemgate.ports.runtime import Clock, Observer, Random, TelemetryEvent
from gemgate.ports.upstream import Deadlines, Upstream
from gemgate.settings import Settings
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web import facts

if TYPE_CHECKING:
    from gemgate.upstreams.web import upstream as web
else:
    web = later("gemgate.upstreams.web.upstream")

SERIES_SECONDS = 7 * 86_400.0
"""How far back what calls took of Google's windows is looked at after a start."""


async def names_apart(settings: Settings, keys: KeyStore, now: float) -> None:
    """Keep the names of API_KEY for it. SettingsError when one of them was made on the page: it would own what that
    one made.
    """
    try:
        await keys.reserve([key.name for key in settings.api_keys], now)
    except Conflict as error:
        raise SettingsError(
            f"API_KEY has a key named {error.param}, as one made on the page is or was, and would get its files and "
            f"batches; give it another name: API_KEY=othername:SECRET (an entry without a name is called key1, key2 …)",
            f"API_KEY 中名为 {error.param} 的密钥与页面上创建（或曾经创建）的密钥同名，会得到后者的文件和批量任务；"
            f"请换一个名称：API_KEY=别的名称:密钥（没有名称的项依次称为 key1、key2……）",
        ) from None


def account_builder(settings: Settings, *, clock: Clock, random: Random, observer: Observer) -> Build:
    """How an account is made."""
    rules = rules_of(settings)
    session = facts.load(settings.wire_facts).session

    async def build(setup: AccountSetup, address: Egress, keep: AccountRecord) -> Account:
        lanes = setup.lanes or settings.concurrency
        source: CookieSource | None = None
        if setup.source and setup.kind == "web":
            folder = settings.accounts_path.parent
            source = source_of(setup.source, environment=settings.environment_cookies, folder=folder)
        return Account(
            setup.name,
            await upstream_of(setup, settings, lanes),
            source,
            lanes=lanes,
            weight=setup.weight,
            fallback=setup.fallback,
            walls=walls_of(setup, settings),
            stated=(setup.prompt_max_bytes, setup.prompt_with_files_max_bytes),
            number=setup.number,
            language=setup.language,
            rotate=setup.rotate,
            superseded_within=session.superseded_seconds,
            pacer=Pacer(settings.rpm_limit),
            rules=rules,
            address=address,
            clock=clock,
            random=random,
            observer=observer,
            keep=keep,
        )

    return build


def rules_of(settings: Settings) -> Rules:
    """When an account or its way out rests, and for how long."""
    return Rules(
        failure_seconds=settings.cooldown_auth_seconds,
        limit_seconds=settings.cooldown_429_seconds,
        blocked_seconds=address_rest(settings),
    )


def walls_of(setup: AccountSetup, settings: Settings) -> Walls:
    """How much of a prompt an account is assumed to read: the settings, else the facts of the web app's wire."""
    if setup.kind == "official":
        return Walls()
    known = facts.load(settings.wire_facts).prompt
    plain, both = settings.prompt_max_bytes, settings.prompt_with_files_max_bytes
    return Walls(
        known.plain_bytes if plain is None else plain,
        known.with_files_bytes if both is None else both,
        known.temporary_share,
    )


def address_rest(settings: Settings) -> float:
    """Seconds that a blocked way out rests: the settings, else as long as blocks were measured to last."""
    wished = settings.cooldown_address_seconds
    return facts.load(settings.wire_facts).address.rest_seconds if wished is None else wished


def address_pace(settings: Settings) -> Callable[[], Bucket]:
    """Makes the pace of one way out: the settings, else what one was measured to bear."""
    known = facts.load(settings.wire_facts).address
    wished = settings.address_rpm_limit
    return partial(Bucket, known.calls_per_minute if wished is None else wished, known.burst_calls)


async def upstream_of(setup: AccountSetup, settings: Settings, lanes: int) -> Upstream:
    """An account's way to Google: the web app with cookies, or the official API with a key. The first loads its
    library.
    """
    proxy = setup.proxy or settings.proxy_url
    ca_file = str(settings.proxy_ca_file) if settings.proxy_ca_file else None
    limits = deadlines(settings)
    if setup.kind == "official":
        key = KeyPlace(setup.source, settings.accounts_path.parent)
        return OfficialUpstream(key, base_url=settings.official_api_url, proxy=proxy, ca_file=ca_file, deadlines=limits)
    known = facts.load(settings.wire_facts)
    await load(web)
    return web.WebUpstream(
        proxy=proxy,
        ca_file=ca_file,
        lanes=lanes,
        deadlines=limits,
        facts=known,
        number=setup.number,
        language=setup.language,
        account=setup.name,
    )


def seeds_of(settings: Settings) -> list[AccountSetup]:
    """The accounts that the settings name: the single one, and those of accounts.toml. SettingsError for a bad file."""
    seeds: list[AccountSetup] = []
    if settings.environment_cookies is not None or settings.cookie_source != "env":
        # Where accounts stand in one database, every node's own one needs a name of its own.
        name = settings.gemini_worker_id if settings.shared_database else "default"
        seeds.append(AccountSetup(name, source=settings.cookie_source, origin="environment"))
    path = settings.accounts_path
    if settings.accounts_file is not None and not path.is_file():
        raise SettingsError(f"ACCOUNTS_FILE {path} does not exist", f"ACCOUNTS_FILE {path} 不存在")
    if path.is_file():
        try:
            seeds += accounts_file.read(path)
        except BadRequest as error:
            raise SettingsError(error.en, error.zh) from None
    return seeds


def run_accounts(service: Service, *, resident: bool) -> None:
    """A refresher for every account that joins; a leaving one is drained before it is closed."""
    settings, account_registry = service.settings, service.account_registry
    refreshers: dict[str, asyncio.Task[None]] = {}

    def on_added(account: Account) -> None:
        if not resident:
            return
        service.run_once(f"usage of {account.name}", partial(_restore_usage, service, account))
        refresher = SessionRefresher(
            account,
            rotate_gap=facts.load(settings.wire_facts).session.rotate_gap_seconds,
            keep=service.windows.add,
            rotate_every=settings.cookie_refresh_seconds if account.upstream.kind == "web" and account.rotate else 0.0,
            clock=service.clock,
            random=service.random,
            observer=service.observer,
        )
        refreshers[account.name] = service.run(f"account {account.name}", refresher.run)

    def on_removed(account: Account) -> None:
        if refresher := refreshers.pop(account.name, None):
            refresher.cancel()

        async def drain() -> None:
            over = service.clock.monotonic() + settings.request_timeout_seconds
            while account.busy and service.clock.monotonic() < over:
                await service.clock.sleep(0.2)
            await account.upstream.close()

        service.run_once(f"drain {account.name}", drain)

    account_registry.on_added, account_registry.on_removed = on_added, on_removed

    async def renew() -> None:
        while True:
            await service.clock.sleep(LEASE_SECONDS / 3)
            try:
                async with asyncio.timeout(LEASE_SECONDS / 3):
                    await account_registry.renew()
            except (GatewayError, TimeoutError) as error:
                # What we run, we go on running: nobody else can take it over without the database either.
                service.observer.emit(TelemetryEvent("accounts.not_renewed", data={"why": str(error) or "no answer"}))

    if resident:
        service.run("account leases", renew)


async def _restore_usage(service: Service, account: Account) -> None:
    """Go on with the series of the account's windows; without the database it begins anew."""
    try:
        readings = await service.windows.since(account.name, service.clock.now() - SERIES_SECONDS)
    except GatewayError as error:
        data: dict[str, str | int | float | bool | None] = {"account": account.name, "why": error.en}
        service.observer.emit(TelemetryEvent("usage.not_restored", data=data))
        return
    if not account.usage.read_at:
        account.usage.restore(readings)


def deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        first_byte=settings.first_byte_timeout_seconds,
        idle=settings.idle_timeout_seconds,
        total=settings.request_timeout_seconds,
    )


def logo_profiles(settings: Settings) -> tuple[Profile, ...]:
    """Where the visible logo is looked for: LOGO_PROFILES first, then what is known. SettingsError for a bad file."""
    if settings.logo_profiles is None:
        return PROFILES
    try:
        return (*profiles_from_json(settings.logo_profiles.read_text()), *PROFILES)
    except (OSError, ValueError) as error:
        why, name = system_words(error), f"LOGO_PROFILES {settings.logo_profiles}"
        raise SettingsError(f"{name}: {why.en}", f"{name}：{why.zh}") from None
