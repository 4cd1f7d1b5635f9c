"""From cumulative snapshots of wire text to deltas that join to the text.

Google repeats the whole text in every frame, writes `<` as `&lt;`, leaves placeholder links in it, and sometimes
changes what it wrote (a closing fence that goes again, a corrected word). The rules (docs/gemini-webapi.md 6 and 7):
entities are decoded once, in both modes alike; escaped Markdown stays as sent; marks go (`marks.py`); nothing that may
still change is sent while something else can be; cost is linear in what is new, plus one memory comparison a frame.
"""

from __future__ import annotations

from gemgate.upstreams.web import marks
from gemgate.upstreams.web.marks import clean

HOLD = 48
"""Characters kept back from the end while more is to come: room for Google's changes of mind. Never more than half."""


class TextDeltas:
    """Turns growing snapshots of one text into deltas.

    `revised` becomes true when Google changed something that had been sent already; what follows then continues after
    the place that corresponds to the sent text. `exact` callers wait for the end and never meet this.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact
        self._sent = ""
        self._raw = ""
        self._told = False
        self.revised = False

    @property
    def raw(self) -> str:
        """The last snapshot as it came."""
        return self._raw

    @property
    def text(self) -> str:
        """The whole text of the last snapshot, cleaned."""
        return clean(self._raw)

    def feed(self, raw: str, *, final: bool = False) -> str:
        """The text to send now that the snapshot stands at `raw`; everything that is left when `final`."""
        self._raw = raw
        if self._exact and not final:
            return ""
        if not raw.startswith(self._sent):
            self._realign(raw)
        said = self._read(raw, final=final) if raw != self._sent else ""
        if final and raw and not said and not self._told:
            said = marks.alone(raw)
        self._told = self._told or bool(said)
        return said

    def finish(self) -> str:
        """What is still held back of the last snapshot."""
        return self.feed(self._raw, final=True)

    def _read(self, raw: str, *, final: bool) -> str:
        """Go on in `raw` up to what may still change, or may still become a mark; what that gives to a reader."""
        at = len(self._sent)
        stop = len(raw) if final else max(at, len(raw) - min(HOLD, len(raw) // 2))
        said: list[str] = []
        looking = -1 if final and marks.plain(raw) else marks.place(raw, at, stop)
        while looking >= 0 and (mark := marks.first(raw, looking, stop, final=final)):
            said.append(raw[at : mark.start()])
            at = mark.start()
            whole = mark.lastgroup is not None and (final or mark.end() < len(raw))
            if not whole or mark.end() > stop:
                stop = at
                break
            said.append(marks.instead(mark))
            at = looking = mark.end()
        if at < stop:
            said.append(raw[at:stop])
            at = stop
        self._sent = raw[:at]
        return "".join(said)

    def _realign(self, raw: str) -> None:
        """Sent text was changed: go on after the place in `raw` that corresponds to its end."""
        self.revised = True
        sent = self._sent
        common = next((i for i, (a, b) in enumerate(zip(sent, raw, strict=False)) if a != b), min(len(sent), len(raw)))
        for length in (32, 16, 8):
            anchor = sent[-length:]
            if len(anchor) < length or len(sent) - length < common:
                continue
            found = raw.find(anchor, common)
            if found >= 0:
                self._sent = raw[: found + length]
                return
        self._sent = raw[: min(len(sent), len(raw))]
