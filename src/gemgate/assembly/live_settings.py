"""Settings that can be changed while a gateway runs: the one list of them, and how a change reaches the parts.

A change is a row of the database: it counts before file, environment and options, survives a restart, and is taken up
by every node of that database. What is not in the list needs a restart.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gemgate.accounts import AccountModel
from gemgate.assembly.accounts import account_builder, rules_of
from gemgate.assembly.service import Service
from gemgate.caller import Budget
from gemgate.catalog import resolve
from gemgate.errors import BadRequest, GatewayError, NotFound, StorageDown, said
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.settings import SettingChange, SettingStore
from gemgate.settings import Settings
from gemgate.settings.changes import with_values
from gemgate.stores.rate_limits import MovingWindowLimiter

EVERY = 2.0
"""Seconds until a node has taken up what was changed on another."""
Apply = Callable[[Any, Settings], None]


class State(Protocol):
    """A running node, or the front of a fleet."""

    settings: Settings
    limiter: MovingWindowLimiter

    def models(self) -> tuple[AccountModel, ...]: ...


def _read_at_each_call(state: State, settings: Settings) -> None:
    """Whoever needs it reads `state.settings`, which has been replaced."""


def _limits(state: State, settings: Settings) -> None:
    state.limiter.per_hour, state.limiter.interval = settings.rate_limit_per_hour, settings.model_interval_seconds


def _models(state: State, settings: Settings) -> None:
    if isinstance(state, Service):
        gateway = state.gateway
        gateway.default_model, gateway.default_image_model = settings.default_model, settings.default_image_model
        gateway.aliases, gateway.model_policy = settings.aliases(), settings.model_policy


def _budgets(service: Service, settings: Settings) -> None:
    service.budgets.overall, service.budgets.each = Budget.parse(settings.budget), Budget.parse(settings.key_budget)


def _reserve(service: Service, settings: Settings) -> None:
    service.pool.reserve = settings.reserve_percent / 100


def _accounts(service: Service, settings: Settings) -> None:
    """Those that there are, and those to come. A rest that has begun keeps its end."""
    service.account_registry.build = account_builder(
        settings, clock=service.clock, random=service.random, observer=service.observer
    )
    for account in service.pool.accounts:
        account.pacer.rpm = settings.rpm_limit
        account.breakers.rules = rules_of(settings)


def _logo(service: Service, settings: Settings) -> None:
    service.gateway.images.remove_logo = settings.watermark_removal


def _shares(service: Service, settings: Settings) -> None:
    service.jobs.open_per_key = settings.batch_tasks_per_key
    service.files.per_owner = int(settings.files_per_key_mb * 1e6)
    service.chat_share.most = int(settings.chats_per_key_mb * 1e6)
    service.media_share.most = int(settings.media_per_key_mb * 1e6)
    service.gateway.conversations.store.per_key = settings.conversations_per_key


ANYWHERE: Mapping[str, Apply] = {
    "rate_limit_per_hour": _limits,
    "model_interval_seconds": _limits,
    "default_model": _models,
    "default_image_model": _models,
    "model_aliases": _models,
    "keepalive_seconds": _read_at_each_call,
}
"""Those that the front of a fleet has parts for as well."""
LIVE: Mapping[str, Apply] = {
    **ANYWHERE,
    "budget": _budgets,
    "key_budget": _budgets,
    "reserve_percent": _reserve,
    "rpm_limit": _accounts,
    "cooldown_429_seconds": _accounts,
    "cooldown_address_seconds": _accounts,
    "cooldown_auth_seconds": _accounts,
    "model_policy": _models,
    "watermark_removal": _logo,
    "abandoned": _read_at_each_call,
    "files_per_key_mb": _shares,
    "chats_per_key_mb": _shares,
    "media_per_key_mb": _shares,
    "conversations_per_key": _shares,
    "batch_tasks_per_key": _shares,
}
"""Every setting for which a change in a running process is safe, and what it takes for the parts to have it."""


class LiveSettings:
    """The settings in force in this process. base: what file, environment and options say."""

    def __init__(self, base: Settings, store: SettingStore, clock: Clock, observer: Observer) -> None:
        self.base = base
        self.store = store
        self._clock = clock
        self._observer = observer
        self._state: State | None = None
        self._stored: Mapping[str, str] = {}
        self.changed: Mapping[str, Any] = {}
        """Those that the database has a value for."""

    async def load(self) -> Settings:
        """What is in force by the database as well. StorageDown."""
        self._stored = dict(await self.store.values())
        return self._merged()

    def attach(self, state: State) -> None:
        """From now on changes reach the parts of this one, which was made with what `load` said."""
        self._state = state

    def _merged(self) -> Settings:
        """What another version stored and this one cannot read counts for nothing, and is told."""
        merged, changed = self.base, dict[str, Any]()
        for name, text in self._stored.items():
            try:
                value = json.loads(text)
                if name in LIVE:
                    merged = with_values(merged, {name: value})
                    changed[name] = value
            except (GatewayError, ValueError) as error:
                self._observer.emit(TelemetryEvent("settings.unread", data={"name": name, "why": str(error)}))
        self.changed = changed
        return merged

    async def refresh(self) -> None:
        """Take up what the database says now. StorageDown."""
        stored = dict(await self.store.values())
        if stored != self._stored:
            self._stored = stored
            self._apply(self._merged())

    def _apply(self, settings: Settings) -> None:
        state = self._state
        assert state is not None
        before, state.settings = state.settings, settings
        table = LIVE if isinstance(state, Service) else ANYWHERE
        new = [name for name in table if getattr(before, name) != getattr(settings, name)]
        for apply in dict.fromkeys(table[name] for name in new):
            apply(state, settings)
        if new:
            self._observer.emit(TelemetryEvent("settings.changed", data={"names": ", ".join(map(str.upper, new))}))

    async def tend(self) -> None:
        """Look for changes made on other nodes, for ever."""
        while True:
            with contextlib.suppress(StorageDown):  # the machine's own watch tells of it
                await self.refresh()
            await self._clock.sleep(EVERY)

    async def change(self, wanted: Mapping[str, Any], actor: str) -> Sequence[SettingChange]:
        """Names as settings are written, values of JSON, None = as file, environment and options say. BadRequest,
        Conflict, StorageDown.
        """
        values = {_live_name(name): value for name, value in wanted.items()}
        self._check({name: value for name, value in values.items() if value is not None})
        stored = {name: None if value is None else json.dumps(value) for name, value in values.items()}
        return await self._made(await self.store.change(stored, actor, self._clock.now()))

    async def undo(self, name: str, version: int, actor: str) -> Sequence[SettingChange]:
        """Put back what stood before a change, if it is the last of its setting. NotFound, Conflict, StorageDown."""
        lines = await self.store.changes(UNDONE)
        found = [line for line in lines if line.name == name.lower() and line.version == version]
        if not found:
            raise NotFound("There is no such change", "没有该变更记录", code="change_not_found")
        (line,) = found
        if line.before is not None:
            self._check({line.name: json.loads(line.before)})
        wanted = {line.name: line.before}
        return await self._made(await self.store.change(wanted, actor, self._clock.now(), undoes=line))

    async def _made(self, changes: Sequence[SettingChange]) -> Sequence[SettingChange]:
        await self.refresh()
        return changes

    def _check(self, values: Mapping[str, Any]) -> None:
        """BadRequest for what cannot be in force, a default model that nobody can have among it."""
        checked = with_values(self._state.settings if self._state else self.base, values)
        for name in ("default_model", "default_image_model"):
            if name in values and self._state is not None:
                try:
                    resolve(getattr(checked, name), self._state.models(), checked.aliases())
                except GatewayError as error:
                    raise BadRequest(error.en, error.zh, param=name.upper(), code="invalid_setting") from None


UNDONE = 200
"""So many of the last changes can be taken back."""


def _live_name(name: str) -> str:
    lower = name.lower()
    if lower in LIVE:
        return lower
    shown = said(name.upper(), 60)
    if lower in Settings.model_fields:
        raise BadRequest(
            f"{shown} cannot be changed while the gateway runs; set it where it comes from, and restart",
            f"{shown} 不能在运行时更改；请在其来源处设置并重启",
            param=shown,
            code="setting_not_live",
        )
    raise BadRequest(f"There is no setting {shown}", f"没有名为 {shown} 的设置", param=shown, code="unknown_setting")
