"""Stop sequences, applied by us because the web app has none."""

from __future__ import annotations

from gemgate.errors import BadRequest

MAX_CHARACTERS = 20_000
"""Of all stop sequences of a request together; the official services allow five short ones."""


class StopFilter:
    """Lets text through up to the first stop sequence; holds back what may become one. BadRequest for too many.

    `hit` is the sequence that was met; from then on nothing passes. The sequences are one automaton (Aho and Corasick,
    1975): each character is looked at once, however many there are and wherever the text is cut.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        if sum(map(len, stops)) > MAX_CHARACTERS:
            raise BadRequest(
                f"The stop sequences are longer than {MAX_CHARACTERS} characters together",
                f"停止序列总长度超过 {MAX_CHARACTERS} 个字符",
                param="stop",
            )
        self._next: list[dict[str, int]] = [{}]
        self._depth = [0]
        self._ends: list[str] = [""]
        for stop in stops:
            self._add(stop)
        self._fallback = self._fallbacks()
        self._state = 0
        self._held = ""
        self.hit: str | None = None

    def feed(self, text: str) -> str:
        """The part of everything so far that may pass now."""
        if self.hit is not None:
            return ""
        if len(self._next) == 1:
            return text
        state, held = self._state, self._held
        for at, char in enumerate(text, 1):
            while state and char not in self._next[state]:
                state = self._fallback[state]
            state = self._next[state].get(char, 0)
            if self._ends[state]:
                self.hit, self._held = self._ends[state], ""
                return (held + text[:at])[: -len(self.hit)]
        self._state = state
        whole = held + text
        passes = len(whole) - self._depth[state]
        self._held = whole[passes:]
        return whole[:passes]

    def finish(self) -> str:
        """What was held back and did not become a stop sequence."""
        held, self._held = self._held, ""
        return held

    def _add(self, stop: str) -> None:
        state = 0
        for char in stop:
            if char not in self._next[state]:
                self._next[state][char] = len(self._next)
                self._next.append({})
                self._depth.append(self._depth[state] + 1)
                self._ends.append("")
            state = self._next[state][char]
        self._ends[state] = stop

    def _fallbacks(self) -> list[int]:
        """Of each state the one of the longest proper end of its text with which a sequence begins, breadth first."""
        fallback = [0] * len(self._next)
        order = [0]
        for state in order:
            for char, target in self._next[state].items():
                order.append(target)
                if state:
                    other = fallback[state]
                    while other and char not in self._next[other]:
                        other = fallback[other]
                    fallback[target] = self._next[other].get(char, 0)
                self._ends[target] = self._ends[target] or self._ends[fallback[target]]
        return fallback
