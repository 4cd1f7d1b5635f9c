"""The gateway that watches itself sees what has stayed, and what the collector found is gone."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from gemgate import collector
from tests.support import watched_serve

class Kept: ...

class Circle:
    def __init__(self):
        self.itself = self

collector.collect_rarely()
kept = [Kept() for _ in range(1000)]
gc.collect()
assert watched_serve.there()["Kept"] == 1000
assert watched_serve.there()["Kept"] == 1000
assert len(gc.get_objects()) < 1000, "what has stayed is not walked through again and again"

gc.disable()
lost = weakref.ref(Circle())
assert watched_serve.there()["Circle"] == 1
assert watched_serve._garbage()[0]["Circle"] == 1
assert lost() is None
assert "Circle" not in watched_serve._garbage()[0]
"""


def test_it_sees_what_has_stayed_and_keeps_nothing_that_was_lost() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
