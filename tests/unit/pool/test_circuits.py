"""Why a circuit is open is a type of its own, and a restart knows it again."""

from __future__ import annotations

import pytest

from gemgate.errors import Blocked, Broken, Spent
from gemgate.policy.circuit_breaker import Cause, Rules
from gemgate.pool.circuits import AccountCircuits
from gemgate.pool.record import from_stored, to_stored
from gemgate.pool.status import Egress, outcome_of, reason_of, resting
from gemgate.testing import FakeClock


class Silent:
    def emit(self, fact: object) -> None:
        return None


@pytest.mark.parametrize(
    ("error", "times", "cause", "quota"),
    [
        (Spent("used up"), 1, "limit", True),
        (Spent("limit: of its own words"), 1, "limit", True),
        (Broken("limit: words that only look like one"), 3, "failures", False),
    ],
)
def test_the_error_says_the_cause_and_never_its_words(error: Exception, times: int, cause: Cause, quota: bool) -> None:
    clock, egress = FakeClock(), Egress("direct")
    made = AccountCircuits("a", egress, rules=Rules(), clock=clock, random=lambda: 0.0, observer=Silent())
    for _ in range(times):
        made.started(("text",), clock.now())
        made.ended(("text",), "text", outcome_of(error), reason_of(error), None)
    circuit = made.by_capability["text"]
    assert (circuit.cause, resting(circuit, clock.now()).quota) == (cause, quota)
    assert egress.circuit.cause == ""


def test_a_restart_knows_every_cause_again() -> None:
    clock, egress = FakeClock(), Egress("direct")
    made = AccountCircuits("a", egress, rules=Rules(failures=1), clock=clock, random=lambda: 0.0, observer=Silent())
    for need, error in (("text", Spent("used up")), ("image", Broken("reset"))):
        made.ended((need,), need, outcome_of(error), reason_of(error), None)  # type: ignore[arg-type]
    made.lower("pro", "Flash answered", None)
    made.ended(("upload",), "upload", "blocked", reason_of(Blocked("captcha")), None)
    causes = {capability: circuit.cause for capability, circuit in made.by_capability.items()}
    assert causes == {
        "text": "limit",
        "image": "failures",
        "pro": "lowered",
        "video": "",
        "music": "",
        "research": "",
        "upload": "",
    }
    for circuit in made.by_capability.values():
        assert from_stored(to_stored(circuit)) == circuit
    assert egress.circuit.cause == "blocked"
    assert from_stored(to_stored(egress.circuit), "blocked") == egress.circuit
