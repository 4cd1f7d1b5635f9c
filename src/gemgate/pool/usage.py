"""What is left of one account: Google's windows as they were told, and what our calls were seen to take of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from gemgate.accounts import Capability, Tier, UsageReport, UsageWindow
from gemgate.frozen import frozen
from gemgate.policy import usage_windows
from gemgate.ports.usage_windows import UsageReading

MOST_READINGS = 2000
"""Readings of an account that are kept at hand."""
SAID_AGAIN = 3600.0
"""Seconds after which a window that did not change is written down all the same."""
UNMEASURED_CALLS = 10
"""Calls after which a window is read anew while it is not known what one of them takes of it."""
NOTED_FOR = 60.0
"""Seconds for which what every answer tells of a window is written down once."""
LEAST_LENGTH = 3600.0
"""Resets that are nearer to each other are one that Google tells less exactly."""


@frozen
class Standing:
    """The window that binds a kind of call. left: the share that is left of it now; cost: that one call takes, None
    unknown.
    """

    window: UsageWindow
    left: float
    cost: float | None


class AccountUsage:
    """One account's windows. All times are epoch seconds."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.tier: Tier = "unknown"
        self.overage: bool | None = None
        self.read_at = 0.0
        self.wanted = False
        """Whether Google shall be asked before it is due: it refused a call, or nobody knows what calls take."""
        self._wide: tuple[UsageWindow, ...] = ()
        self._told: dict[Capability, tuple[UsageWindow, ...]] = {}
        self._calls: Counter[Capability] = Counter()
        self._costs: dict[str, dict[Capability, float]] = {}
        self._series: dict[str, deque[UsageReading]] = {}
        self._unsaved: deque[UsageReading] = deque(maxlen=MOST_READINGS)
        self._noted: dict[tuple[str, str], UsageReading] = {}
        self._lengths: dict[tuple[str, str], float] = {}
        """Seconds from one reset to the next, as they were seen: the shortest."""
        self._wrong: set[tuple[Capability, str, str]] = set()
        """Windows with nothing left that took calls all the same: they do not bind those."""

    @property
    def windows(self) -> tuple[UsageWindow, ...]:
        """All that Google has told, each once."""
        told = {(one.name, one.model): one for windows in self._told.values() for one in windows}
        return (*self._wide, *told.values())

    @property
    def calls(self) -> int:
        """Calls since the last reading."""
        return self._calls.total()

    def restore(self, readings: Iterable[UsageReading]) -> None:
        """Go on with the series as it is stored."""
        for one in readings:
            if not one.window.model:
                self._line(one.window.name).append(one)
            self._noted[one.window.name, one.window.model] = one
        self._measure()

    def read(self, report: UsageReport, now: float) -> None:
        """Google was asked and said this. An empty report changes nothing but that it was asked."""
        self.wanted = False
        if not report.windows:
            return
        self.tier, self.overage = report.tier, report.overage
        self._wide, self.read_at = report.windows, now
        calls, self._calls = dict(self._calls), Counter()
        for window in report.windows:
            reading = UsageReading(self.account, now, window, calls)
            self._line(window.name).append(reading)
            self._note(reading, needed=any(calls.values()))
        self._measure()

    def told(self, capability: Capability, left: Sequence[UsageWindow], now: float) -> None:
        """Google said behind an answer how much of the account's actions is used."""
        if not left:
            return
        before = {(one.name, one.model): one for one in self._told.get(capability, ())}
        for one in left:
            was = before.get((one.name, one.model))
            self._learn_length(was, one)
            if one.used < 1:
                self._wrong.discard((capability, one.name, one.model))
            elif was is not None and was.used >= 1 and was.resets_at == one.resets_at:
                self._wrong.add((capability, one.name, one.model))
            self._note(UsageReading(self.account, now, one))
        fresh = {(one.name, one.model): one for one in left}
        self._told = {
            other: tuple(fresh.get((one.name, one.model), one) for one in windows)
            for other, windows in self._told.items()
        }
        self._told[capability] = tuple(left)

    def stale(self, now: float) -> bool:
        """Whether a window has begun anew since Google was asked: nobody knows how it stands."""
        return any(self.read_at < (one.resets_at or 0.0) <= now for one in self._wide)

    def length(self, window: UsageWindow) -> float | None:
        """Seconds from one reset of a window to the next, None unknown."""
        return usage_windows.LENGTHS.get(window.name) or self._lengths.get((window.name, window.model))

    def _learn_length(self, was: UsageWindow | None, now: UsageWindow) -> None:
        if was is None or was.resets_at is None or now.resets_at is None:
            return
        key, seen = (now.name, now.model), now.resets_at - was.resets_at
        if seen >= LEAST_LENGTH and now.used <= was.used:
            self._lengths[key] = min(seen, self._lengths.get(key, seen))

    def answered(self, capability: Capability) -> None:
        """A call of ours was answered."""
        self._calls[capability] += 1
        if self.calls % UNMEASURED_CALLS == 0:
            self.wanted |= any(capability not in self._costs.get(one.name, {}) for one in self._wide)

    def refused(self) -> None:
        """Google refused a call for what is used: how things stand has changed."""
        self.wanted = True

    def standings(self, needs: Sequence[Capability], now: float) -> list[Standing]:
        """Every window that bounds calls which need these, as it stands after the calls since it was read."""
        found: list[Standing] = []
        for one in usage_windows.live(self._wide, now):
            taken = sum(self._costs.get(one.name, {}).get(c, 0.0) * n for c, n in self._calls.items())
            cost = self._costs.get(one.name, {}).get(needs[0]) if needs else None
            found.append(Standing(one, max(0.0, one.share_left - taken), usage_windows.step(one, cost)))
        for capability in needs:
            told = usage_windows.live(self._told.get(capability, ()), now)
            found += [
                Standing(one, one.share_left, usage_windows.step(one, None))
                for one in told
                if (capability, one.name, one.model) not in self._wrong
            ]
        return found

    def binding(self, needs: Sequence[Capability], now: float) -> Standing | None:
        """The one of which least is left; None where nothing is known."""
        return min(self.standings(needs, now), key=lambda one: one.left, default=None)

    def held(self, needs: Sequence[Capability], busy: int, reserve: float, now: float) -> Standing | None:
        """The window whose reserve one more call behind `busy` others would take of, None when none."""
        for one in self.standings(needs, now):
            if usage_windows.reserved(one.left, (one.cost or 0.0) * (busy + 1), reserve):
                return one
        return None

    def costs(self) -> Mapping[str, Mapping[Capability, float]]:
        """What a call of each capability was seen to take of each window, as shares."""
        return self._costs

    def drain(self, window: str, capability: Capability, now: float, seconds: float) -> float:
        """The share a second that all else than calls of this capability took of a window, over the last readings."""
        line = [one for one in self._line(window) if one.at >= now - seconds]
        cost = self._costs.get(window, {}).get(capability, 0.0)
        grown = 0.0
        for before, after in pairwise(line):
            if usage_windows.same_period(before.window, after.window, after.at):
                grown += max(0.0, after.window.used - before.window.used - cost * after.calls.get(capability, 0))
        return grown / (line[-1].at - line[0].at) if len(line) > 1 and line[-1].at > line[0].at else 0.0

    def unsaved(self) -> list[UsageReading]:
        """What is not written down yet."""
        return list(self._unsaved)

    def saved(self, readings: Sequence[UsageReading]) -> None:
        """These are written down."""
        done = set(map(id, readings))
        self._unsaved = deque((one for one in self._unsaved if id(one) not in done), MOST_READINGS)

    def _note(self, reading: UsageReading, *, needed: bool = False) -> None:
        """Put it into the series where it says something new; what every answer tells at most once a minute."""
        key = reading.window.name, reading.window.model
        before = self._noted.get(key)
        if before is not None and not needed:
            changed = before.window != reading.window and reading.at - before.at >= NOTED_FOR
            if not changed and reading.at - before.at < SAID_AGAIN:
                return
        self._noted[key] = reading
        self._unsaved.append(reading)

    def _line(self, name: str) -> deque[UsageReading]:
        return self._series.setdefault(name, deque(maxlen=MOST_READINGS // 4))

    def _measure(self) -> None:
        """What calls take of each window. One that cannot be told any more keeps its last figure."""
        for name, line in self._series.items():
            if name != usage_windows.CREDITS:
                self._costs[name] = self._costs.get(name, {}) | usage_windows.costs(
                    list(line)[-usage_windows.MOST_SPANS :]
                )
