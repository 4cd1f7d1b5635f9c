"""The collector walks through what is new, and still finds what is let go."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from gemgate import collector

class Circle:
    def __init__(self):
        self.itself = self

gc.set_threshold(0)
built = [Circle() for _ in range(1000)]
collector.collect_rarely()
gc.set_threshold(0)
assert len(gc.get_objects()) < 1000

loaded, lost = [Circle() for _ in range(1000)], weakref.ref(Circle())
gc.collect(1)
assert lost() is None
assert len(gc.get_objects()) > 1000, "a young collection keeps nothing"
lost = weakref.ref(Circle())
gc.collect()
assert lost() is None
assert len(gc.get_objects()) < 1000, "what survived a whole one is not walked through again"

held = weakref.ref(built[0])
built[0].itself = None
del built[0]
assert held() is None, "what nothing holds goes all the same"
"""


def test_what_survives_a_whole_collection_is_not_walked_through_again() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
