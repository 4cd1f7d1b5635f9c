"""Tells an operator, off the path of any call, when an account needs them: by webhook or Bark, in English and Chinese.

An alert follows how an account stands, not how often something happened: one for an episode, none for a flap, the same
one not again within an hour, and a restart remembers from the audit what was told. No cookie is ever in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

import orjson

from gemgate.accounts import Capability
from gemgate.errors import GatewayError
from gemgate.machine import Machine
from gemgate.member import Member
from gemgate.pool import AccountPool
from gemgate.ports import AlertChannel, AlertStore, AuditLine, Clock, Fact, Observer, Sender
from gemgate.roster import Roster

LOOK_EVERY = 2.0
FORECAST_EVERY = 60.0
QUIET = 3600.0
"""Seconds within which the same trouble of the same account is told once."""
STEADY = 60.0
"""Seconds that it must be over before that is told."""
GRACE = {"needs_login": 15.0, "error": 60.0, "machine": 5.0}
"""Seconds that a trouble may mend itself before it is told; the others are told at once."""
DIES_SOON = 3600.0
RETRIES = (2.0, 10.0, 60.0)
AFTER_FAILURE = 300.0
"""Seconds until an alert that nobody took is tried again."""

Kind = Literal["needs_login", "error", "cooling", "blocked", "dies_soon", "wire", "machine", "test"]
_MAKING: tuple[Capability, ...] = ("text", "pro", "image")
_WHAT = {"text": "text", "pro": "Pro text", "image": "pictures", "upload": "uploads"}
_WHAT_ZH = {"text": "文本", "pro": "Pro 文本", "image": "图片", "upload": "上传"}
_OF_MACHINE = {
    "memory": ("memory", "内存"),
    "descriptors": ("room for connections", "连接数"),
    "disk": ("the disk", "磁盘"),
    "database": ("the database", "数据库"),
    "storage": ("the picture store", "图片存储"),
}
_ACTOR, _TOLD, _OVER = "alerts", "alert", "alert over"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an episode is about. account: "" when `address`, a way out, is in trouble for all accounts behind it."""

    kind: Kind
    account: str = ""
    capability: str = ""
    address: str = ""

    @property
    def detail(self) -> str:
        """How the audit spells it beside the account's name."""
        return ":".join(part for part in (self.kind, self.capability or self.address) if part)


_WIRE = Subject("wire", address="google")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A subject that is in trouble now. until: epoch seconds, 0 = unknown."""

    subject: Subject
    why: str = ""
    why_zh: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told. over: the trouble has ended."""

    subject: Subject
    over: bool
    at: float
    node: str
    title: str
    title_zh: str
    text: str
    text_zh: str
    until: float = 0.0

    @property
    def event(self) -> str:
        """`account.needs_login`, `account.recovered`, `address.blocked`, `wire.changed`, ...; `test` of a channel."""
        if self.subject.kind == "test":
            return "test"
        if self.subject.kind == "wire":
            return "wire.as_believed" if self.over else "wire.changed"
        if self.subject.kind == "machine":
            return "machine.recovered" if self.over else "machine.short"
        what = "account" if self.subject.account else "address"
        return f"{what}.{'recovered' if self.over else self.subject.kind}"


class Channel(Protocol):
    """One place that is told: what to POST where."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    def body(self, alert: Alert) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """JSON for machines; `text` is what chat services show."""

    url: str = field(repr=False)
    name: str = "webhook"

    def body(self, alert: Alert) -> bytes:
        return orjson.dumps(
            {
                "event": alert.event,
                "kind": alert.subject.kind,
                "account": alert.subject.account or None,
                "capability": alert.subject.capability or None,
                "address": alert.subject.address or None,
                "node": alert.node,
                "time": datetime.fromtimestamp(alert.at, UTC).isoformat(timespec="seconds"),
                "until": datetime.fromtimestamp(alert.until, UTC).isoformat(timespec="seconds")
                if alert.until
                else None,
                "title": alert.title,
                "title_zh": alert.title_zh,
                "text": f"{alert.text}\n{alert.text_zh}",
                "text_en": alert.text,
                "text_zh": alert.text_zh,
            }
        )


@dataclass(frozen=True, slots=True)
class Bark:
    """A push to a phone: `https://SERVER/KEY`."""

    url: str = field(repr=False)
    name: str = "bark"

    def body(self, alert: Alert) -> bytes:
        return orjson.dumps(
            {
                "title": f"{alert.title} / {alert.title_zh}",
                "body": f"{alert.text}\n{alert.text_zh}",
                "group": "gemgate",
                "level": "active" if alert.over else "timeSensitive",
            }
        )


def channel_of(kept: AlertChannel) -> Channel:
    return Bark(kept.url) if kept.kind == "bark" else Webhook(kept.url)


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that was taken, as the audit remembers it. of: the capability or address it was about."""

    at: float
    account: str
    kind: Kind
    of: str
    over: bool


@dataclass(slots=True)
class _Episode:
    """A subject's trouble from its beginning until it is over and told so."""

    trouble: Trouble
    since: float
    active: bool = True
    ended: float = 0.0
    told: bool = False
    told_at: float = float("-inf")
    not_before: float = 0.0


class Alerts:
    """`tend` looks, decides and tells until it is cancelled. It watches standings, not facts: a fact that was missed
    would leave an episode open for ever, and a look costs next to nothing.

    channels: those of the settings; `store` has those that were set up on the page.
    """

    def __init__(
        self,
        pool: AccountPool,
        roster: Roster,
        channels: Sequence[Channel],
        *,
        store: AlertStore | None = None,
        sender: Sender,
        node: str,
        clock: Clock,
        observer: Observer,
        machine: Machine | None = None,
    ) -> None:
        self._machine = machine
        self._pool = pool
        self._roster = roster
        self._fixed = channels
        self._store = store
        self._sender = sender
        self._node = node
        self._clock = clock
        self._observer = observer
        self._episodes: dict[Subject, _Episode] = {}
        self._dying: dict[str, Trouble] = {}
        self._forecast_at = float("-inf")
        self._wire: Trouble | None = None

    def wire_looked_at(self, changed: Sequence[str]) -> None:
        """What the canary found changed about Google's wire; nothing = as believed (docs/google-wire.md)."""
        facts = ", ".join(changed)
        self._wire = Trouble(_WIRE, facts, facts) if changed else None

    async def tend(self) -> None:
        """Remember what was told before, then look after everything for ever."""
        await self._restore()
        while True:
            await self.step()
            await self._clock.sleep(LOOK_EVERY)

    async def step(self) -> None:
        """Look at how everything stands, and tell what is due."""
        now = self._clock.now()
        if now - self._forecast_at >= FORECAST_EVERY:
            self._forecast_at = now
            self._dying = dict(self._likely_to_die())
        self._follow(now)
        for subject in list(self._episodes):
            await self._tell_if_due(subject, now)

    # How things stand

    def _follow(self, now: float) -> None:
        """Begin and end episodes. What cannot be judged now (an account that signs in, a probe to come) stays."""
        troubles: dict[Subject, Trouble] = {}
        unsure: set[Subject] = set()
        silent: set[str] = set()
        for member in self._pool.members:
            if member.paused:
                silent.add(member.name)
                continue
            for trouble, sure in _troubles_of(member, now):
                if sure:
                    troubles[trouble.subject] = trouble
                else:
                    unsure.add(trouble.subject)
            if (dying := self._dying.get(member.name)) and member.is_open:
                troubles[dying.subject] = dying
        if self._wire is not None:
            troubles[_WIRE] = self._wire
        for short in self._machine.shortages if self._machine else ():
            subject = Subject("machine", address=short.part)
            troubles[subject] = Trouble(subject, short.en, short.zh)
        starting = {m.name for m in self._pool.members if m.standing().state == "starting"}
        present = {m.name for m in self._pool.members}
        for subject, trouble in troubles.items():
            episode = self._episodes.setdefault(subject, _Episode(trouble, now))
            if not episode.active:
                episode.active, episode.since = True, now
            episode.trouble = trouble
        for subject, episode in list(self._episodes.items()):
            if subject.account and (subject.account in silent or subject.account not in present):
                del self._episodes[subject]  # paused or gone: nobody wants to hear more of it
            elif (
                episode.active and subject not in troubles and subject not in unsure and subject.account not in starting
            ):
                episode.active, episode.ended = False, now

    def _likely_to_die(self) -> Iterator[tuple[str, Trouble]]:
        for member in self._pool.members:
            forecast = self._roster.forecast(member)
            if forecast is not None and forecast.seconds <= DIES_SOON:
                yield member.name, Trouble(Subject("dies_soon", member.name), forecast.en, forecast.zh)

    # What is told

    async def _tell_if_due(self, subject: Subject, now: float) -> None:
        episode = self._episodes[subject]
        if episode.active:
            grace = episode.since + GRACE.get(subject.kind, 0.0)
            if not episode.told and now >= max(grace, episode.told_at + QUIET, episode.not_before):
                await self._tell(episode, over=False)
        elif episode.told and now >= max(episode.ended + STEADY, episode.not_before):
            if subject.kind == "dies_soon":
                episode.told = False
            else:
                await self._tell(episode, over=True)
        elif not episode.told and now >= episode.told_at + QUIET:
            del self._episodes[subject]

    async def _tell(self, episode: _Episode, *, over: bool) -> None:
        alert = _alert(episode.trouble, over=over, at=self._clock.now(), node=self._node)
        taken = await asyncio.gather(*(self._sent(channel, alert) for channel in await self._channels()))
        now = self._clock.now()
        if not any(taken):
            episode.not_before = now + AFTER_FAILURE
            return
        episode.told = not over
        if not over:
            episode.told_at = now
        await self._write_down(alert, now)

    async def _channels(self) -> Sequence[Channel]:
        """Those of the settings, and those of the page as far as they can be read now."""
        try:
            kept = await self._store.channels() if self._store else ()
        except GatewayError as error:
            self._observer.note(Fact("alert.not_kept", data={"why": error.kind}))
            kept = ()
        return [*self._fixed, *(channel_of(one) for one in kept if one.url)]

    async def try_out(self, channel: Channel) -> str:
        """Tell a channel that this is a test, once; why it was not taken, "" when it was."""
        alert = _alert(Trouble(Subject("test")), over=False, at=self._clock.now(), node=self._node)
        try:
            status = await self._post(channel, alert)
        except GatewayError as error:
            return error.kind
        return "" if 200 <= status < 300 else f"HTTP {status}"

    async def told(self, limit: int = 50) -> list[Told]:
        """What was told lately, newest first. StorageDown."""
        lines = await self._roster.store.audit_lines(limit=1000)
        found = ((line, _subject(line)) for line in lines if line.actor == _ACTOR)
        return [
            Told(line.at, subject.account, subject.kind, subject.capability or subject.address, line.action == _OVER)
            for line, subject in found
            if subject is not None
        ][:limit]

    async def _post(self, channel: Channel, alert: Alert) -> int:
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "gemgate"}
        return await self._sender.post(channel.url, channel.body(alert), headers)

    async def _sent(self, channel: Channel, alert: Alert) -> bool:
        """Whether the channel took it, at the first try or a later one. An address is never logged: it is a secret."""
        data: dict[str, str | int | float | bool | None] = {
            "channel": channel.name,
            "event": alert.event,
            "account": alert.subject.account,
        }
        why = ""
        for pause in (0.0, *RETRIES):
            if pause:
                await self._clock.sleep(pause)
            try:
                status = await self._post(channel, alert)
            except GatewayError as error:
                why = error.kind
                continue
            if 200 <= status < 300:
                self._observer.note(Fact("alert.sent", data=data))
                return True
            why = f"HTTP {status}"
        self._observer.note(Fact("alert.failed", data={**data, "why": why}))
        return False

    # What a restart remembers

    async def _write_down(self, alert: Alert, now: float) -> None:
        action = _OVER if alert.over else _TOLD
        line = AuditLine(now, _ACTOR, action, alert.subject.account, alert.subject.detail)
        try:
            await self._roster.store.audit(line)
        except GatewayError as error:
            self._observer.note(Fact("alert.not_kept", data={"account": alert.subject.account, "why": error.kind}))

    async def _restore(self) -> None:
        """Take up the episodes that were told and not yet over when the process ended."""
        try:
            lines = await self._roster.store.audit_lines(limit=1000)
        except GatewayError as error:
            self._observer.note(Fact("alert.not_kept", data={"why": error.kind}))
            return
        for line in sorted((line for line in lines if line.actor == _ACTOR), key=lambda line: line.at):
            subject = _subject(line)
            if subject is None:
                continue
            episode = self._episodes.setdefault(subject, _Episode(Trouble(subject), line.at))
            episode.told = line.action == _TOLD
            episode.active = episode.told
            if episode.told:
                episode.told_at = line.at


def _troubles_of(member: Member, now: float) -> Iterator[tuple[Trouble, bool]]:
    """What is wrong with an account and its way out; False beside what a probe has yet to show."""
    standing = member.standing()
    if standing.state in ("needs_login", "error"):
        kinds: tuple[Kind, Kind] = ("needs_login", "error")
        for kind in kinds:  # neither is over as long as the other holds
            yield Trouble(Subject(kind, member.name), standing.why, standing.why_zh), kind == standing.state
    way = member.address.circuit
    if way.until:
        blocked = Subject("blocked", address=member.address.name)
        yield Trouble(blocked, way.reason, "Google 暂时封锁了该地址", way.until), way.phase(now) == "open"
    making = [member.circuits[capability] for capability in _MAKING]
    if all(circuit.until for circuit in making):
        first = min(making, key=lambda circuit: circuit.until)
        sure = first.phase(now) == "open"
        yield Trouble(Subject("cooling", member.name), first.reason, _why_zh(first.reason), first.until), sure
    for capability, circuit in member.circuits.items():
        if circuit.until:
            subject = Subject("cooling", member.name, capability)
            sure = circuit.phase(now) == "open" and not all(one.until for one in making)
            yield Trouble(subject, circuit.reason, _why_zh(circuit.reason), circuit.until), sure


def _why_zh(reason: str) -> str:
    return "已达到使用上限" if reason.startswith("limit: ") else "连续失败"


def _alert(trouble: Trouble, *, over: bool, at: float, node: str) -> Alert:
    subject = trouble.subject
    words = _recovered(subject) if over else _in_trouble(trouble, at)
    return Alert(subject, over, at, node, *words, until=0.0 if over else trouble.until)


def _in_trouble(trouble: Trouble, now: float) -> tuple[str, str, str, str]:
    """Title and text, each in English and Chinese."""
    subject, name = trouble.subject, trouble.subject.account
    wait, wait_zh = _wait(trouble.until - now)
    match subject.kind:
        case "needs_login":
            title, title_zh = f"gemgate: {name} needs a login", f"{name} 需要重新登录"
            text, text_zh = f"Account {name} is signed out", f"账号 {name} 已退出登录"
        case "error":
            title, title_zh = f"gemgate: {name} cannot be used", f"{name} 无法使用"
            text, text_zh = f"Account {name} cannot be used", f"账号 {name} 无法使用"
        case "blocked":
            title, title_zh = "gemgate: the address is blocked", "地址被封锁"
            text = f"Google blocks the address ({subject.address}); its accounts rest{wait}"
            text_zh = f"Google 封锁了出口地址（{subject.address}），其账号暂停使用{wait_zh}"
        case "wire":
            title, title_zh = "gemgate: Google's wire has changed", "Google 的接口有变化"
            text = "The canary saw something else than this version believes; look for an update"
            text_zh = "探测结果与当前版本的预期不同，请检查更新"
        case "machine":
            what, what_zh = _OF_MACHINE[subject.address]
            title, title_zh = f"gemgate: {what} is short or away", f"{what_zh}不足或不可用"
            text, text_zh = "The machine is in trouble", "运行环境异常"
        case "test":
            return (
                "gemgate: a test",
                "gemgate 测试",
                "This is a test; real alerts come here",
                "这是一条测试消息，告警将发送到这里",
            )
        case "dies_soon":
            title, title_zh = f"gemgate: {name} will need a login soon", f"{name} 即将需要重新登录"
            text, text_zh = f"The session of account {name}", f"账号 {name} 的会话"
            return (
                title,
                title_zh,
                f"{text} {trouble.why}; sign in again in time",
                f"{text_zh}{trouble.why_zh}，请及时重新登录",
            )
        case "cooling" if subject.capability:
            what, what_zh = _WHAT[subject.capability], _WHAT_ZH[subject.capability]
            title, title_zh = f"gemgate: {name} rests for {what}", f"{name} 暂停{what_zh}"
            text, text_zh = f"Account {name} takes no {what}{wait}", f"账号 {name} 暂停处理{what_zh}{wait_zh}"
        case "cooling":
            title, title_zh = f"gemgate: {name} rests", f"{name} 暂停使用"
            text, text_zh = f"Account {name} rests{wait}", f"账号 {name} 暂停使用{wait_zh}"
    return title, title_zh, f"{text}: {trouble.why}", f"{text_zh}：{trouble.why_zh}"


def _recovered(subject: Subject) -> tuple[str, str, str, str]:
    if subject.kind == "wire":
        return (
            "gemgate: Google's wire is as believed again",
            "Google 的接口恢复正常",
            "The canary sees what this version believes",
            "探测结果与当前版本的预期一致",
        )
    if subject.kind == "machine":
        what, what_zh = _OF_MACHINE[subject.address]
        text, text_zh = f"There is nothing wrong with it any more: {what}", f"{what_zh}已恢复正常"
        return f"gemgate: {what} is back", f"{what_zh}已恢复", text, text_zh
    if subject.address:
        text, text_zh = (
            f"The address ({subject.address}) is not blocked any more",
            f"出口地址（{subject.address}）已解除封锁",
        )
        return "gemgate: the address is free again", "地址已恢复", text, text_zh
    name = subject.account
    what, what_zh = (_WHAT.get(subject.capability, ""), _WHAT_ZH.get(subject.capability, ""))
    text = f"Account {name} takes {what} again" if what else f"Account {name} works again"
    text_zh = f"账号 {name} 恢复处理{what_zh}" if what else f"账号 {name} 已恢复"
    return f"gemgate: {name} is back", f"{name} 已恢复", text, text_zh


def _wait(seconds: float) -> tuple[str, str]:
    if seconds <= 0:
        return "", ""
    minutes = max(1, round(seconds / 60))
    return f" for about {minutes} minute{'' if minutes == 1 else 's'}", f"约 {minutes} 分钟"


def _subject(line: AuditLine) -> Subject | None:
    """The subject of a line that `Subject.detail` spelled; None for one of another version."""
    kind, _, rest = line.detail.partition(":")
    match kind:
        case "needs_login" | "error" | "dies_soon":
            return Subject(kind, line.account)
        case "cooling" if rest in ("", *_WHAT):
            return Subject(kind, line.account, rest)
        case "blocked" if rest:
            return Subject(kind, address=rest)
        case "machine" if rest in _OF_MACHINE:
            return Subject("machine", address=rest)
        case "wire":
            return _WIRE
    return None
