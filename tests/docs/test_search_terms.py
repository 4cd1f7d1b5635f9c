"""A stranger who searches for the field's term finds the module that does it, and not many others."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gemgate

SOURCE = Path(gemgate.__file__).parent
TERMS = {
    "circuit breaker": {"policy/circuit_breaker.py", "pool/circuits.py"},
    "failover": {"gateway/dispatch.py", "web/relay/relay.py"},
    "middleware": {"web/middleware.py"},
    "ssrf": {"outbound.py"},
    "load balanc": {"policy/node_choice.py", "policy/account_choice.py"},
    "rate limit": {"stores/rate_limits.py", "policy/pacer.py"},
    "retry": {"policy/backoff.py"},
    "health check": {"web/routes/status.py"},
}


def docstrings() -> dict[str, str]:
    """Of every module, by its path, in lower case."""
    return {
        path.relative_to(SOURCE).as_posix(): " ".join(
            (ast.get_docstring(ast.parse(path.read_text())) or "").split()
        ).lower()
        for path in SOURCE.rglob("*.py")
    }


@pytest.mark.parametrize("term", TERMS)
def test_the_term_stands_where_the_thing_is_done(term: str) -> None:
    found = {path for path, text in docstrings().items() if term in text.replace("retry-after", "")}
    assert found >= TERMS[term]
    assert len(found) <= len(TERMS[term]) + 2, f"{term} leads to {sorted(found)}"
