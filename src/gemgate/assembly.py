"""The only file that knows everybody: builds a gateway from settings, runs its background loops, takes it down."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from pydantic import SecretStr

from gemgate import telemetry, thumbnails
from gemgate.accounts import Offer, Walls
from gemgate.alerts import Alerts, Bark, Channel, Webhook
from gemgate.attachments import Attachments
from gemgate.conversations import Conversations
from gemgate.cookies import accounts_file
from gemgate.cookies.sources import source_of
from gemgate.errors import BadRequest, Conflict, GatewayError
from gemgate.fetcher import GuardedFetcher, GuardedSender
from gemgate.fleet.announcer import Announcer
from gemgate.gateway import Gateway
from gemgate.image_pipeline import ImagePipeline
from gemgate.imaging import MAX_PIXELS, PROFILES, Profile, profiles_from_json
from gemgate.jobs import JobRules, Jobs
from gemgate.jobs.closing import Closer
from gemgate.jobs.hooks import Herald
from gemgate.jobs.runner import Runner
from gemgate.jobs.worker import Worker
from gemgate.keepalive import Keeper
from gemgate.machine import Machine
from gemgate.member import Address, Keep, Member
from gemgate.own_pictures import OwnPictures
from gemgate.policy.breaker import Rules
from gemgate.policy.bucket import Bucket
from gemgate.policy.pacer import Pacer
from gemgate.pool import AccountPool
from gemgate.ports import (
    AccountSetup,
    BlobStore,
    Caller,
    Clock,
    CookieSource,
    Deadlines,
    Dice,
    Fact,
    Observer,
    Upstream,
)
from gemgate.roster import LEASE_SECONDS, Build, Roster
from gemgate.settings import Settings, SettingsError, config_home
from gemgate.stores import blobs, ownership
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.stores.limits import MovingWindowLimiter
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.alerts import SqlAlertStore
from gemgate.stores.sql.conversations import SqlConversationStore, SqlResponseStore
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.database import database_url as parsed_url
from gemgate.stores.sql.files import SqlFileStore
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.keys import SqlKeyStore
from gemgate.stores.vault import open_vault
from gemgate.telemetry import LogLines, Metrics, Observers, RecentRequests, SystemClock
from gemgate.telemetry.traces import NoOtelError, Traces, exported
from gemgate.thumbnails import Thumbnails
from gemgate.uploads import ResumableUploads
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web import WebUpstream, facts
from gemgate.version import __version__

LOOP_WATCH = 1.0
"""Seconds between two looks at how late the event loop is."""
RESPONSE_DAYS = 30
"""How long answers of the Responses API can be continued, as OpenAI keeps them."""


async def supervise(name: str, loop: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a background loop for ever: what it did not foresee is logged, and it starts again after a while."""
    pause = 1.0
    while True:
        began = clock.monotonic()
        try:
            await loop()
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the one place that may
            structlog.stdlib.get_logger("gemgate").exception("loop.failed", loop=name)
        pause = 1.0 if clock.monotonic() - began > 60 else min(60.0, pause * 2)
        await clock.sleep(pause)


@dataclass(slots=True)
class Service:
    """A running gateway with what its doors need beside it."""

    settings: Settings
    gateway: Gateway
    pool: AccountPool
    roster: Roster
    database: Database
    blobs: BlobStore
    files: SqlFileStore
    gallery: SqlGallery
    keys: SqlKeyStore
    alerts: Alerts
    alert_store: SqlAlertStore
    thumbnails: Thumbnails
    jobs: Jobs
    responses: SqlResponseStore
    uploads: ResumableUploads
    own_pictures: OwnPictures
    limiter: MovingWindowLimiter
    machine: Machine
    metrics: Metrics
    recent: RecentRequests
    observer: Observers
    clock: Clock
    dice: Dice
    started_at: float
    loops: set[asyncio.Task[None]] = field(default_factory=set)
    announcer: Announcer | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting came from, when that is known."""

    @property
    def fleet(self) -> None:
        """A node does not know the others; its gateway does."""
        return None

    @property
    def degraded(self) -> str:
        return self.limiter.degraded

    def troubles(self, language: str = "en") -> list[str]:
        """What is amiss but for accounts, a sentence each."""
        return [
            *(text for text in (self.limiter.degraded,) if text),
            *(shortage.text(language) for shortage in self.machine.shortages),
        ]

    def offers(self) -> tuple[Offer, ...]:
        return self.pool.offers()

    async def measure(self, name: str, caller: Caller) -> Member:
        """Find out how much of a prompt an account reads, with the default text model."""
        model = self.gateway.resolve(self.settings.default_model, caller.tenant)
        return await self.roster.measure(name, model, lambda: f"zv{secrets.token_hex(4)}", caller)

    async def audit(self, caller: Caller, action: str, account: str, detail: str = "") -> None:
        await self.roster.note(caller, action, account, detail)

    def run(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Start a supervised background loop that ends with the service."""
        return self._started(asyncio.create_task(supervise(name, loop, self.clock), name=name))

    def run_once(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """Something in the background that ends by itself."""
        return self._started(asyncio.create_task(work(), name=name))

    def _started(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self.loops.add(task)
        task.add_done_callback(self.loops.discard)
        return task

    async def close(self) -> None:
        for task in tuple(self.loops):
            task.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)
        for member in self.pool.members:
            await member.upstream.close()
        await self.roster.close()
        await self.limiter.close()
        self.gateway.pictures.close()
        await self.database.close()


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    dice: Dice = telemetry.system_dice,
    resident: bool = True,
    job_rules: JobRules | None = None,
) -> AsyncIterator[Service]:
    """Everything built and running. Never waits for Google: accounts open in the background.

    resident: it owns the accounts, keeps them alive and works on batches; a command that only passes by does not.
    StorageDown when another resident has the SQLite database.
    """
    place = sqlite_path(settings)
    guard = ownership.owned(ownership.lock_path(place), local_url(settings)) if resident and place else nullcontext()
    with guard:
        async with (
            _traced(settings) as traces,
            _opened(settings, clock or SystemClock(), dice, job_rules, resident=resident, traces=traces) as service,
        ):
            if resident and settings.api_keys:
                await names_apart(settings, service.keys, service.clock.now())
            yield service


async def names_apart(settings: Settings, keys: SqlKeyStore, now: float) -> None:
    """Keep the names of API_KEY for it. SettingsError when one of them was made on the page: it would own what that
    one made.
    """
    try:
        await keys.reserve([key.name for key in settings.api_keys], now)
    except Conflict as error:
        raise SettingsError(
            f"API_KEY has a key named {error.param}, as one made on the page is or was, and would get its files and "
            f"batches; give it another name: API_KEY=othername:SECRET (an entry without a name is called key1, key2 …)"
        ) from None


@asynccontextmanager
async def _traced(settings: Settings) -> AsyncIterator[Traces | None]:
    try:
        endpoint, node = settings.otel_exporter_otlp_endpoint, node_name(settings)
        async with exported(endpoint, version=__version__, node=node) as traces:
            yield traces
    except NoOtelError as error:
        raise SettingsError(str(error)) from None


@asynccontextmanager
async def _opened(
    settings: Settings,
    clock: Clock,
    dice: Dice,
    job_rules: JobRules | None,
    *,
    resident: bool,
    traces: Traces | None,
) -> AsyncIterator[Service]:
    seeds = seeds_of(settings)
    vault = open_vault(
        settings.cookie_keys.get_secret_value() if settings.cookie_keys else None,
        settings.cookie_key_file or config_home() / "cookie.key",
        settings.data_dir,
    )
    metrics = Metrics()
    ended = [metrics.ended, *([traces.ended] if traces else [])]
    recent = RecentRequests(settings.recent_requests, clock.now, ended)
    observer = Observers([metrics, recent, LogLines()])
    limiter = MovingWindowLimiter(
        per_hour=settings.rate_limit_per_hour,
        model_interval=settings.model_interval_seconds,
        clock=clock,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        when_down=settings.redis_down,
    )
    pool = AccountPool(clock=clock, dice=dice)
    database = await open_database(database_url(settings))
    roster = Roster(
        pool,
        SqlAccountStore(database, vault),
        member_builder(settings, clock=clock, dice=dice, observer=observer),
        owner=node_name(settings) if resident else f"visitor-{os.getpid()}",
        clock=clock,
        observer=observer,
        rotate_every=settings.cookie_refresh_seconds,
        default_proxy=settings.proxy_url,
        pace=address_pace(settings),
    )
    store = open_blobs(settings)
    if isinstance(store, SpoolingBlobStore):
        await store.recall()
    machine = Machine(
        settings.data_dir,
        clock=clock,
        observer=observer,
        stores={
            "database": (lambda: database.trouble, roster.renew),
            "storage": (lambda: store.trouble, store.probe),
        },
    )
    files = SqlFileStore(database, store, clock, int(settings.files_per_key_mb * 1e6))
    gallery = SqlGallery(database)
    link_key = link_key_of(settings)
    own = OwnPictures(store, gallery, clock=clock, public_base_url=settings.public_base_url, link_key=link_key)
    attachments = Attachments(
        GuardedFetcher(),
        files,
        clock=clock,
        max_bytes=settings.max_body_bytes,
        max_pixels=settings.max_image_pixels,
        own=own,
    )
    pictures = ImagePipeline(
        store,
        gallery,
        clock=clock,
        observer=observer,
        remove_logo=settings.watermark_removal,
        link_key=link_key,
        profiles=logo_profiles(settings),
        max_pixels=max(settings.max_image_pixels, MAX_PIXELS),
        fits=machine.memory.fits,
    )
    history, _, seconds = settings.history.partition(":")
    conversation_store = SqlConversationStore(database, behind=database.is_sqlite)
    conversations = Conversations(
        conversation_store,
        clock=clock,
        lease_seconds=settings.request_timeout_seconds,
        delete_after=float(seconds) if history == "delete" else None,
    )
    gateway = Gateway(
        pool,
        limiter,
        attachments,
        pictures,
        conversations,
        clock=clock,
        observer=observer,
        default_model=settings.default_model,
        default_image_model=settings.default_image_model,
        aliases=settings.aliases(),
        temporary_chats=settings.history == "temporary",
        model_policy=settings.model_policy,
    )
    rules = job_rules or (JobRules(idle=JobRules.alone) if database.is_sqlite else JobRules())
    owner = f"{settings.gemini_worker_id}/{uuid.uuid4().hex[:12]}"
    job_store = SqlJobStore(database)
    jobs = Jobs(
        job_store,
        Worker(
            job_store,
            Runner(gateway, attachments, clock, settings.default_model, settings.default_image_model),
            pool,
            owner,
            clock,
            dice,
            observer,
            rules,
            roster.renew,
            ready=lambda need: machine.refuses(None) is None and not (need == "image" and store.full),
        ),
        Closer(job_store, files, store, pictures, owner, clock, observer, rules),
        Herald(job_store, GuardedSender(), vault, clock, observer, rules),
        gateway,
        files,
        vault,
        clock,
        settings.concurrency,
        roster.lanes_elsewhere,
        settings.default_image_model,
        settings.batch_tasks_per_key,
    )
    alert_store = SqlAlertStore(database, vault)
    alerts = Alerts(
        pool,
        roster,
        list(alert_channels(settings).values()),
        store=alert_store,
        sender=GuardedSender(allowed=lambda _: True),  # the operator's own addresses may be private ones
        node=settings.gemini_worker_id,
        clock=clock,
        observer=observer,
        machine=machine,
    )
    service = Service(
        settings=settings,
        gateway=gateway,
        pool=pool,
        roster=roster,
        database=database,
        blobs=store,
        files=files,
        gallery=gallery,
        keys=SqlKeyStore(database),
        alerts=alerts,
        alert_store=alert_store,
        thumbnails=Thumbnails(store, machine.memory.fits),
        jobs=jobs,
        responses=SqlResponseStore(database),
        uploads=ResumableUploads(clock=clock, max_bytes=settings.max_body_bytes),
        own_pictures=own,
        limiter=limiter,
        machine=machine,
        metrics=metrics,
        recent=recent,
        observer=observer,
        clock=clock,
        dice=dice,
        started_at=clock.now(),
    )
    try:
        _run_accounts(service, resident=resident)
        await roster.start(seeds, own=resident)
        if resident:
            await alert_store.rewrap()
        _run_upkeep(service)
        service.run("conversations", conversation_store.tend)
        if resident:
            service.run("machine", machine.tend)
            service.run("alerts", service.alerts.tend)
        if resident:
            service.run("jobs", jobs.worker.work)
            service.run("batch closing", jobs.closer.tend)
            service.run("webhooks", jobs.herald.tend)
        yield service
    finally:
        await service.close()


def member_builder(settings: Settings, *, clock: Clock, dice: Dice, observer: Observer) -> Build:
    """How an account's member is made."""
    rules = Rules(
        failure_seconds=settings.cooldown_auth_seconds,
        limit_seconds=settings.cooldown_429_seconds,
        blocked_seconds=address_rest(settings),
    )

    session = facts.load(settings.wire_facts).session

    def build(setup: AccountSetup, address: Address, keep: Keep) -> Member:
        lanes = setup.lanes or settings.concurrency
        source: CookieSource | None = None
        if setup.source and setup.kind == "web":
            folder = settings.accounts_path.parent
            source = source_of(setup.source, environment=settings.environment_cookies, folder=folder)
        return Member(
            setup.name,
            upstream_of(setup, settings, lanes),
            source,
            lanes=lanes,
            weight=setup.weight,
            fallback=setup.fallback,
            walls=walls_of(setup, settings),
            stated=(setup.prompt_max_bytes, setup.prompt_with_files_max_bytes),
            number=setup.number,
            language=setup.language,
            superseded_within=session.superseded_seconds,
            pacer=Pacer(settings.rpm_limit),
            rules=rules,
            address=address,
            clock=clock,
            dice=dice,
            observer=observer,
            keep=keep,
        )

    return build


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


def upstream_of(setup: AccountSetup, settings: Settings, lanes: int) -> Upstream:
    """An account's way to Google: the web app with cookies, or the official API with a key."""
    proxy = setup.proxy or settings.proxy_url
    ca_file = str(settings.proxy_ca_file) if settings.proxy_ca_file else None
    limits = deadlines(settings)
    if setup.kind == "official":
        key = KeyPlace(setup.source, settings.accounts_path.parent)
        return OfficialUpstream(key, base_url=settings.official_api_url, proxy=proxy, ca_file=ca_file, deadlines=limits)
    known = facts.load(settings.wire_facts)
    return WebUpstream(
        proxy=proxy,
        ca_file=ca_file,
        lanes=lanes,
        deadlines=limits,
        facts=known,
        number=setup.number,
        language=setup.language,
    )


def node_name(settings: Settings) -> str:
    """Who we are in the leases of accounts: the same after a restart, and never that of another running node.

    Beside a SQLite file there is no other. On PostgreSQL nodes may share a GEMINI_WORKER_ID by mistake (it has a
    default), but not machine and port as well.
    """
    if sqlite_path(settings):
        return settings.gemini_worker_id
    return f"{settings.gemini_worker_id}@{socket.gethostname()}:{settings.port}"


def alert_channels(settings: Settings) -> dict[str, Channel]:
    """Whom ALERT_WEBHOOK_URL and ALERT_BARK_URL name, by the setting."""
    channels: dict[str, Channel] = {}
    if settings.alert_webhook_url:
        channels["ALERT_WEBHOOK_URL"] = Webhook(settings.alert_webhook_url.get_secret_value())
    if settings.alert_bark_url:
        channels["ALERT_BARK_URL"] = Bark(settings.alert_bark_url.get_secret_value())
    return channels


def seeds_of(settings: Settings) -> list[AccountSetup]:
    """The accounts that the settings name: the single one, and those of accounts.toml. SettingsError for a bad file."""
    seeds: list[AccountSetup] = []
    if settings.environment_cookies is not None or settings.cookie_source != "env":
        # Where accounts stand in one database, every node's own one needs a name of its own.
        name = settings.gemini_worker_id if settings.shared_database else "default"
        seeds.append(AccountSetup(name, source=settings.cookie_source, origin="environment"))
    path = settings.accounts_path
    if settings.accounts_file is not None and not path.is_file():
        raise SettingsError(f"ACCOUNTS_FILE {path} does not exist")
    if path.is_file():
        try:
            seeds += accounts_file.read(path)
        except BadRequest as error:
            raise SettingsError(error.en) from None
    return seeds


def _run_accounts(service: Service, *, resident: bool) -> None:
    """A keeper for every account that joins; a leaving one is drained before it is closed."""
    settings, roster = service.settings, service.roster
    keepers: dict[str, asyncio.Task[None]] = {}

    def joined(member: Member) -> None:
        if not resident:
            return
        keeper = Keeper(
            member,
            rotate_gap=facts.load(settings.wire_facts).session.rotate_gap_seconds,
            rotate_every=settings.cookie_refresh_seconds if member.upstream.kind == "web" else 0.0,
            clock=service.clock,
            dice=service.dice,
            observer=service.observer,
        )
        keepers[member.name] = service.run(f"account {member.name}", keeper.tend)

    def parted(member: Member) -> None:
        if keeper := keepers.pop(member.name, None):
            keeper.cancel()

        async def drain() -> None:
            over = service.clock.monotonic() + settings.request_timeout_seconds
            while member.busy and service.clock.monotonic() < over:
                await service.clock.sleep(0.2)
            await member.upstream.close()

        service.run_once(f"drain {member.name}", drain)

    roster.joined, roster.parted = joined, parted

    async def renew() -> None:
        while True:
            await service.clock.sleep(LEASE_SECONDS / 3)
            try:
                async with asyncio.timeout(LEASE_SECONDS / 3):
                    await roster.renew()
            except (GatewayError, TimeoutError) as error:
                # What we run, we go on running: nobody else can take it over without the database either.
                service.observer.note(Fact("accounts.not_renewed", data={"why": str(error) or "no answer"}))

    async def probe() -> None:
        while True:
            await service.clock.sleep(5.0)
            await service.limiter.probe()

    if resident:
        service.run("account leases", renew)
        if settings.redis_url:
            service.run("limits", probe)


CANARY_FIRST, CANARY_EVERY = 300.0, 86_400.0
"""Seconds from the start to the first look at the wire, and between two."""


async def _watch_wire(service: Service) -> None:
    """Once a day on the first account that is open; what has changed is an alert."""
    believed = facts.load(service.settings.wire_facts)
    await service.clock.sleep(CANARY_FIRST)
    while True:
        member = next((m for m in service.pool.members if m.is_open and isinstance(m.upstream, WebUpstream)), None)
        if member is not None and isinstance(member.upstream, WebUpstream):
            try:
                findings = await member.upstream.watch_wire(believed)
            except GatewayError as error:
                service.observer.note(Fact("canary.failed", data={"account": member.name, "why": error.kind}))
            else:
                changed = [finding.fact for finding in findings if finding.verdict == "changed"]
                new = [finding.fact for finding in findings if finding.verdict == "new"]
                service.alerts.wire_looked_at(changed)
                service.observer.note(
                    Fact(
                        "canary.done", data={"account": member.name, "changed": ",".join(changed), "new": ",".join(new)}
                    )
                )
        await service.clock.sleep(CANARY_EVERY)


def _run_upkeep(service: Service) -> None:
    """Background loops that are not an account's."""
    clock, settings = service.clock, service.settings

    async def delete_chats() -> None:
        while True:
            await service.gateway.conversations.delete_due(service.pool)
            await clock.sleep(2.0)

    async def drain() -> None:
        while isinstance(service.blobs, SpoolingBlobStore):
            await service.blobs.drain()
            await clock.sleep(15.0)

    async def watch_loop() -> None:
        while True:
            due = clock.monotonic() + LOOP_WATCH
            await clock.sleep(LOOP_WATCH)
            service.observer.note(Fact("loop.lag", data={"seconds": max(0.0, clock.monotonic() - due)}))

    async def retain() -> None:
        while True:
            kept_from = clock.now() - settings.retention_days * 86_400 if settings.retention_days else 0.0
            await service.files.sweep(kept_from)
            await service.responses.forget_before(max(kept_from, clock.now() - RESPONSE_DAYS * 86_400))
            while kept_from and (old := await service.gallery.older_than(kept_from, 200)):
                previews = [thumbnails.key_of(name) for name in old]
                await service.blobs.delete(["images/" + name for name in old] + previews)
                await service.gallery.forget(old)
            if kept_from:
                await service.jobs.forget_before(kept_from)
            await clock.sleep(3600.0)

    service.run("watch the event loop", watch_loop)
    if settings.canary:
        service.run("canary", lambda: _watch_wire(service))
    if settings.history.startswith("delete"):
        service.run("delete chats", delete_chats)
    if isinstance(service.blobs, SpoolingBlobStore):
        service.run("drain spool", drain)
    service.run("retention", retain)


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
        raise SettingsError(f"LOGO_PROFILES {settings.logo_profiles}: {error}") from None


def database_url(settings: Settings) -> str | Path:
    """DATABASE_URL, in a fleet also DB_*, else a SQLite file in DATA_DIR."""
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return settings.db_url if settings.shared_database else settings.data_dir / "gemgate.sqlite3"


def sqlite_path(settings: Settings) -> Path | None:
    """The SQLite file, or None on PostgreSQL. GatewayError for a DATABASE_URL that is neither."""
    url = parsed_url(database_url(settings))
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def local_url(settings: Settings) -> str:
    """Where this machine reaches a server with these settings."""
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - not to bind to it
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def open_blobs(settings: Settings) -> BlobStore:
    """The picture store: a folder, or a bucket with a folder beside it for what the bucket cannot take now."""
    primary = open_bucket(settings)
    if primary is None:
        return blobs.folder(settings.data_dir / "blobs")
    return SpoolingBlobStore(primary, blobs.folder(settings.data_dir / "spool"))


def open_bucket(settings: Settings) -> blobs.ObjectBlobStore | None:
    """The bucket alone, None when pictures go into a folder. SettingsError for what it lacks."""
    kind = settings.storage or ("r2" if settings.r2_bucket else "s3" if settings.s3_bucket else "folder")
    if kind == "folder":
        return None
    if kind == "r2":
        return blobs.bucket(
            endpoint=f"https://{needed(settings, 'r2_account_id')}.r2.cloudflarestorage.com",
            name=needed(settings, "r2_bucket"),
            key_id=needed(settings, "r2_access_key_id"),
            secret=needed(settings, "r2_secret_access_key"),
            public_url=settings.r2_public_url,
        )
    return blobs.bucket(
        endpoint=settings.s3_endpoint,
        name=needed(settings, "s3_bucket"),
        key_id=needed(settings, "s3_access_key_id"),
        secret=needed(settings, "s3_secret_access_key"),
        region=settings.s3_region or "us-east-1",
        addressing=settings.s3_addressing,
        creating=settings.s3_creating,
    )


def needed(settings: Settings, name: str) -> str:
    """A setting that the chosen storage cannot do without; one clear line when it is missing."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not value:
        raise SettingsError(f"STORAGE={settings.storage or 'auto'} needs {name.upper()}")
    return str(value)


def link_key_of(settings: Settings) -> bytes | None:
    """The key that signs links to pictures; None where pictures are open: on loopback without keys."""
    if not settings.api_keys and (settings.on_loopback or settings.auth == "none"):
        return None
    if settings.internal_token:
        return hashlib.sha256(b"gemgate links " + settings.internal_token.get_secret_value().encode()).digest()
    path = settings.data_dir / "links.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = secrets.token_bytes(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        return key
