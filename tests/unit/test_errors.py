"""An error that was made is never changed: who knows more of it raises a copy."""

from __future__ import annotations

import ast
import gc
import weakref
from pathlib import Path

import pytest

import gemgate
from gemgate import errors
from gemgate.errors import GatewayError, NoAccount, Refused, Spent, Stalled

SOURCE = Path(gemgate.__file__).parent
OF_ERRORS = {*vars(GatewayError("x")), "args", "resets_at", "answer", "stage", "quota"}
NAMED = {"error", "failure", "refused", "foreign", "explained", "exc", "why"}


def every_kind() -> list[type[GatewayError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GatewayError)]


@pytest.mark.parametrize("kind", every_kind())
def test_every_error_can_be_copied_and_stays_as_it_was(kind: type[GatewayError]) -> None:
    made = kind("why", "为何", retry_after=1.0, code="c", details={"a": 1}, quoted="q")
    before = dict(vars(made))
    copied = made.with_(generated="maybe", capability="upload", remedy="again", retry_after=2.0)
    assert type(copied) is kind
    assert vars(made) == before
    assert vars(copied) == {
        **before, "generated": "maybe", "capability": "upload", "remedy": "again", "retry_after": 2.0,
    }  # fmt: skip
    assert str(made.with_(en="other")) == "other"
    assert made.with_(en="other").zh == "为何"


def test_a_copy_keeps_what_only_its_kind_carries() -> None:
    assert Spent("x", resets_at=5.0).with_(generated="maybe").resets_at == 5.0
    assert Refused("x", answer="no").with_(code="c").answer == "no"
    assert Stalled("x", stage="first byte").with_(code="c").stage == "first byte"
    assert NoAccount("x", quota=True).with_(code="c").quota is True
    assert GatewayError("x", generated="maybe").with_(remedy="").generated == "maybe"


class Prompt:
    """Something that a frame holds."""


def test_who_keeps_a_copy_keeps_no_frame_alive() -> None:
    seen: list[weakref.ref[Prompt]] = []

    def fails() -> None:
        prompt = Prompt()
        seen.append(weakref.ref(prompt))
        try:
            raise ValueError("first")
        except ValueError:
            raise GatewayError("then") from None

    kept = None
    try:
        fails()
    except GatewayError as error:
        kept = error.with_(generated="maybe")
    gc.collect()
    assert kept is not None
    assert (kept.__traceback__, kept.__context__, kept.__cause__) == (None, None, None)
    assert seen[0]() is None


def assigned(path: Path) -> list[str]:
    """Assignments to what an error carries, on a name that an error has."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                if not isinstance(one, ast.Attribute) or not isinstance(one.value, ast.Name):
                    continue
                if one.value.id in NAMED and one.attr in OF_ERRORS:
                    found.append(f"{path.name}:{one.lineno} {one.value.id}.{one.attr}")
    return found


def test_nothing_assigns_to_an_error_and_the_look_finds_it_where_it_is(tmp_path: Path) -> None:
    assert [line for path in sorted(SOURCE.rglob("*.py")) for line in assigned(path)] == []
    planted = tmp_path / "planted.py"
    planted.write_text("error.generated, other.x = 'maybe', 1\nerror.en += 'x'\nself.generated = 'no'\n")
    assert len(assigned(planted)) == 2
