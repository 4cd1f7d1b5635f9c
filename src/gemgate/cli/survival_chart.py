"""Survival curves as a picture: an SVG file, or lines of a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gemgate.cli.terminal import say
from gemgate.cli.words import span

_COLOURS = ("#1a73e8", "#d93025", "#188038", "#e37400", "#9334e6", "#5f6368")
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 360, 56, 20
_BARS = " ▁▂▃▄▅▆▇█"
Facts = Mapping[str, Any]


def alive_at(arm: Facts, age: float, key: str = "alive") -> float:
    """The share that lives longer than `age` seconds; key: or an end of its interval."""
    found = 1.0
    for step in arm["steps"]:
        if step["age"] > age:
            break
        found = step[key]
    return found


def in_terminal(arm: Facts, longest: float, columns: int = 60) -> str:
    """One line: each column is what is alive at its age."""
    shown = []
    for column in range(columns):
        age = longest * (column + 0.5) / columns
        shown.append(_BARS[round(alive_at(arm, age) * 8)] if age <= arm["seen"] else "·")
    return "".join(shown)


def svg(arms: Sequence[Facts]) -> str:
    """The curves with their intervals, to the age of the longest life."""
    longest = max((arm["seen"] for arm in arms), default=0.0) or 1.0
    wide, high = _WIDTH + 20, _HEIGHT + 60
    box = f'viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH}" stroke="#ddd"/><text x="8" y="{y + 4}">{share:.0%}</text>')
    for part in range(5):
        age = longest * part / 4
        parts.append(f'<text x="{_x(age, longest) - 12}" y="{_HEIGHT + 40}">{span(age)}</text>')
    for number, arm in enumerate(arms):
        colour = _COLOURS[number % len(_COLOURS)]
        band = _path(arm, "high", longest) + _path(arm, "low", longest, back=True) + "Z"
        parts.append(f'<path d="{band}" fill="{colour}" fill-opacity=".12"/>')
        parts.append(f'<path d="{_path(arm, "alive", longest)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        median, n, deaths = span(arm["median"]), arm["n"], arm["deaths"]
        told = say(f": n {n}, {deaths} died, median {median}", f"：数量 {n}，已失效 {deaths}，中位数 {median}")
        label = arm["name"] + told
        parts.append(f'<text x="{_LEFT + 8}" y="{_TOP + 14 + 16 * number}" fill="{colour}">{escape(label)}</text>')
    return "".join([*parts, "</svg>\n"])


def _x(age: float, longest: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT) * age / longest, 2)


def _y(share: float) -> float:
    return round(_TOP + _HEIGHT * (1 - share), 2)


def _path(arm: Facts, key: str, longest: float, *, back: bool = False) -> str:
    """A staircase; back: from its end to its beginning, to close a band."""
    points, share = [(0.0, 1.0)], 1.0
    for step in arm["steps"]:
        points += [(step["age"], share), (step["age"], step[key])]
        share = step[key]
    points.append((arm["seen"], share))
    points = points[::-1] if back else points
    drawn = [f"{_x(age, longest)} {_y(part)}" for age, part in points]
    return ("L" if back else "M") + "L".join(drawn)
