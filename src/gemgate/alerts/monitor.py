"""Tells an operator, off the path of any call, when an account needs them: by any kind of channel, in English and
Chinese.

An alert follows how an account stands, not how often something happened: one for an episode, none for a flap, the same
one not again within an hour, and a restart remembers from the audit what was told. What nobody took, for want of a
channel or because they all refused, is noted there as well. No cookie is ever in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from gemgate.alerts.channels import ANSWER, Channel, channel_of
from gemgate.alerts.texts import WIRE, Alert, AlertKey, Incident, Kind, alert_of, incidents_of, subject_of
from gemgate.errors import GatewayError, LocalText
from gemgate.frozen import frozen
from gemgate.machine import Machine
from gemgate.pool.pool import AccountPool
from gemgate.pool.registry import AccountRegistry
from gemgate.ports.accounts import AuditLine
from gemgate.ports.alerts import AlertStore
from gemgate.ports.outbound import Sender
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

POLL_INTERVAL = 2.0
FORECAST_INTERVAL = 60.0
REPEAT_AFTER = 3600.0
"""Seconds within which the same trouble of the same account is told once."""
RESOLVE_AFTER = 60.0
"""Seconds that it must be over before that is told."""
FIRE_AFTER = {"needs_login": 15.0, "error": 60.0, "machine": 5.0}
"""Seconds that a trouble may mend itself before it is told; the others are told at once."""
DIES_SOON = 3600.0
"""Seconds before a tenth of the sessions like this one are dead: so nine of ten are told of in time."""
RETRY_DELAYS = (2.0, 10.0, 60.0)
AFTER_FAILURE = 300.0
"""Seconds until an alert that nobody took is tried again."""
_ACTOR = "alerts"
_ACTIONS = {
    "alert": (False, True),
    "alert over": (True, True),
    "no alert": (False, False),
    "no alert over": (True, False),
}
"""How the audit spells whether a trouble is over, and whether anybody took the alert."""
_ACTION_OF = {meaning: action for action, meaning in _ACTIONS.items()}


@frozen
class SentAlert:
    """An alert as the audit remembers it. of: the capability or address it was about; taken: by a channel."""

    at: float
    account: str
    kind: Kind
    of: str
    over: bool
    taken: bool


@dataclass(slots=True)
class _OpenIncident:
    """A subject's trouble from its beginning until it is over and told so. noted: in the audit, and taken by nobody."""

    trouble: Incident
    since: float
    active: bool = True
    ended: float = 0.0
    sent: bool = False
    told_at: float = float("-inf")
    noted: bool = False
    noted_at: float = float("-inf")
    not_before: float = 0.0

    def take_up(self, at: float, *, over: bool, taken: bool) -> None:
        """What was told, or could not be, at that moment."""
        if over:
            self.sent = self.noted = False
        elif taken:
            self.sent, self.noted, self.told_at = True, False, at
        else:
            self.noted, self.noted_at = True, at


class AlertMonitor:
    """`run` looks, decides and tells until it is cancelled. It watches statuses, not facts: a fact that was missed
    would leave an episode open for ever, and a look costs next to nothing.

    channels: those of the settings; `store` has those that were set up on the page.
    """

    def __init__(
        self,
        pool: AccountPool,
        account_registry: AccountRegistry,
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
        self._account_registry = account_registry
        self._fixed = channels
        self._store = store
        self._sender = sender
        self._node = node
        self._clock = clock
        self._observer = observer
        self._episodes: dict[AlertKey, _OpenIncident] = {}
        self._dying: dict[str, Incident] = {}
        self._forecast_at = float("-inf")
        self._wire: Incident | None = None

    def wire_checked(self, changed: Sequence[str]) -> None:
        """What the canary found changed about Google's wire; nothing = as believed (docs/google-wire.md)."""
        facts = ", ".join(changed)
        self._wire = Incident(WIRE, LocalText(facts, facts)) if changed else None

    async def run(self) -> None:
        """Remember what was told before, then look after everything for ever."""
        await self._restore()
        while True:
            await self.step()
            await self._clock.sleep(POLL_INTERVAL)

    async def step(self) -> None:
        """Look at how everything stands, and tell what is due."""
        now = self._clock.now()
        if now - self._forecast_at >= FORECAST_INTERVAL:
            self._forecast_at = now
            self._dying = dict(self._likely_to_die())
        self._follow(now)
        await asyncio.gather(*(self._send_if_due(subject, now) for subject in list(self._episodes)))

    # How things stand

    def _follow(self, now: float) -> None:
        """Begin and end episodes. What cannot be judged now (an account that signs in, a probe to come) stays."""
        troubles: dict[AlertKey, Incident] = {}
        unsure: set[AlertKey] = set()
        silent: set[str] = set()
        for account in self._pool.accounts:
            if account.paused:
                silent.add(account.name)
                continue
            for trouble, sure in incidents_of(account, now, self._account_registry.desktop(account)):
                if sure:
                    troubles[trouble.subject] = trouble
                else:
                    unsure.add(trouble.subject)
            if (dying := self._dying.get(account.name)) and account.is_open:
                troubles[dying.subject] = dying
        if self._wire is not None:
            troubles[WIRE] = self._wire
        for short in self._machine.shortages if self._machine else ():
            subject = AlertKey("machine", address=short.part)
            troubles[subject] = Incident(subject, LocalText(short.en, short.zh))
        starting = {m.name for m in self._pool.accounts if m.status().state == "starting"}
        present = {m.name for m in self._pool.accounts}
        for subject, trouble in troubles.items():
            episode = self._episodes.setdefault(subject, _OpenIncident(trouble, now))
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

    def _likely_to_die(self) -> Iterator[tuple[str, Incident]]:
        for account in self._pool.accounts:
            forecast = self._account_registry.forecast(account)
            if forecast is not None and min(forecast.seconds, forecast.early or forecast.seconds) <= DIES_SOON:
                yield account.name, Incident(AlertKey("dies_soon", account.name), LocalText(forecast.en, forecast.zh))

    # What is told

    async def _send_if_due(self, subject: AlertKey, now: float) -> None:
        incident = self._episodes[subject]
        if incident.active:
            grace = incident.since + FIRE_AFTER.get(subject.kind, 0.0)
            if not incident.sent and now >= max(grace, incident.told_at + REPEAT_AFTER, incident.not_before):
                await self._send(incident, over=False)
        elif incident.sent or incident.noted:
            if now < max(incident.ended + RESOLVE_AFTER, incident.not_before if incident.sent else 0.0):
                return
            if subject.kind == "dies_soon":
                incident.sent = incident.noted = False
            elif incident.sent:
                await self._send(incident, over=True)
            else:  # nobody heard of it, so nobody wants to hear that it is over
                await self._record(incident, over=True, taken=False)
        elif now >= max(incident.told_at, incident.noted_at) + REPEAT_AFTER:
            del self._episodes[subject]

    async def _send(self, episode: _OpenIncident, *, over: bool) -> None:
        alert, channels = self._alert(episode.trouble, over=over), await self._channels()
        taken = any(await asyncio.gather(*(self._sent(channel, alert) for channel in channels)))
        now = self._clock.now()
        if not taken:
            episode.not_before = now + AFTER_FAILURE
            again = episode.noted or now < episode.noted_at + REPEAT_AFTER
            if (channels and over) or (again and not over):
                return
        await self._record(episode, over=over, taken=taken)

    def _alert(self, trouble: Incident, *, over: bool = False) -> Alert:
        return alert_of(trouble, over=over, at=self._clock.now(), node=self._node)

    async def _channels(self) -> Sequence[Channel]:
        """Those of the settings, and those of the page as far as they can be read now."""
        try:
            kept = await self._store.channels() if self._store else ()
        except GatewayError as error:
            self._observer.emit(TelemetryEvent("alert.not_kept", data={"why": error.kind}))
            kept = ()
        return [*self._fixed, *(channel_of(one) for one in kept if one.url)]

    async def send_test(self, channel: Channel) -> str:
        """Tell a channel that this is a test, once; why it was not taken, "" when it was."""
        return await self._post(channel, self._alert(Incident(AlertKey("test"))))

    async def sent(self, limit: int = 50) -> list[SentAlert]:
        """What was told lately, or should have been, newest first. StorageDown."""
        return [
            SentAlert(line.at, subject.account, subject.kind, subject.capability or subject.address, over, taken)
            for line, subject, over, taken in self._lines(
                await self._account_registry.store.audit_lines(actor=_ACTOR, limit=1000)
            )
        ][:limit]

    def _lines(self, lines: Iterable[AuditLine]) -> Iterator[tuple[AuditLine, AlertKey, bool, bool]]:
        """Our own lines with their subjects, whether the trouble was over, and whether the alert was taken."""
        for line in lines:
            if line.action in _ACTIONS and (subject := subject_of(line)) is not None:
                yield line, subject, *_ACTIONS[line.action]

    async def _post(self, channel: Channel, alert: Alert) -> str:
        """Why it was not taken; "" when it was."""
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "gemgate"}
        message = channel.message(alert)
        try:
            posted = await self._sender.post(message.url, orjson.dumps(message.body), headers, read=ANSWER)
        except GatewayError as error:
            return error.kind
        return channel.refusal(posted)

    async def _sent(self, channel: Channel, alert: Alert) -> bool:
        """Whether the channel took it, at the first try or a later one. An address is never logged: it is a secret."""
        data: dict[str, str | int | float | bool | None] = {
            "channel": channel.kind,
            "event": alert.event,
            "account": alert.subject.account,
        }
        why = ""
        for pause in (0.0, *RETRY_DELAYS):
            if pause:
                await self._clock.sleep(pause)
            if not (why := await self._post(channel, alert)):
                self._observer.emit(TelemetryEvent("alert.sent", data=data))
                return True
        self._observer.emit(TelemetryEvent("alert.failed", data={**data, "why": why}))
        return False

    # What a restart remembers

    async def _record(self, episode: _OpenIncident, *, over: bool, taken: bool) -> None:
        now, subject = self._clock.now(), episode.trouble.subject
        episode.take_up(now, over=over, taken=taken)
        line = AuditLine(now, _ACTOR, _ACTION_OF[over, taken], subject.account, subject.detail)
        try:
            await self._account_registry.store.audit(line)
        except GatewayError as error:
            self._observer.emit(TelemetryEvent("alert.not_kept", data={"account": subject.account, "why": error.kind}))

    async def _restore(self) -> None:
        """Take up the episodes that were told and not yet over when the process ended."""
        try:
            lines = await self._account_registry.store.audit_lines(actor=_ACTOR, limit=1000)
        except GatewayError as error:
            self._observer.emit(TelemetryEvent("alert.not_kept", data={"why": error.kind}))
            return
        for line, subject, over, taken in self._lines(sorted(lines, key=lambda line: line.at)):
            episode = self._episodes.setdefault(subject, _OpenIncident(Incident(subject), line.at))
            episode.take_up(line.at, over=over, taken=taken)
            episode.active = not over
