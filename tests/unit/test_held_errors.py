"""An error that somebody keeps, or is done with, holds nothing of the call that met it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy

import pytest

from gemgate.errors import GatewayError, forget_frames
from gemgate.gateway.gateway import at_least_one


class Body:
    """Stands for what a call holds."""


def raised(make: Callable[[], BaseException], watched: list[weakref.ref[Body]]) -> BaseException:
    """An error that was raised where a body was, by a frame that names it."""
    body = Body()
    watched.append(weakref.ref(body))
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        raise make()
    kept = caught.value
    del caught
    return kept


@contextmanager
def no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _caused(watched: list[weakref.ref[Body]]) -> BaseException:
    error = GatewayError("outer")
    error.__cause__ = raised(lambda: ValueError("inner"), watched)
    error.__context__ = raised(lambda: KeyError("beside"), watched)
    return error


@pytest.mark.parametrize(
    "make",
    [
        lambda watched: GatewayError("plain"),
        _caused,
        lambda watched: ExceptionGroup("several", [raised(lambda: OSError("one"), watched), ValueError("two")]),
    ],
)
def test_who_is_done_with_an_error_lets_go_of_its_call(
    make: Callable[[list[weakref.ref[Body]]], BaseException],
) -> None:
    watched: list[weakref.ref[Body]] = []
    with no_collector():
        error = raised(lambda: make(watched), watched)
        assert all(body() for body in watched)
        forget_frames(error)
        del error
        assert [body() for body in watched] == [None] * len(watched)


def test_of_images_that_all_failed_the_error_holds_no_call() -> None:
    watched: list[weakref.ref[Body]] = []

    def called() -> None:
        body = Body()
        watched.append(weakref.ref(body))
        at_least_one([GatewayError("one"), GatewayError("two", generated="maybe")])

    with no_collector():
        with pytest.raises(GatewayError, match="two") as caught:
            called()
        assert watched[0]()
        del caught
        assert watched[0]() is None


def test_causes_in_a_circle_end() -> None:
    one, other = raised(lambda: ValueError("one"), []), raised(lambda: ValueError("other"), [])
    one.__cause__, other.__cause__ = other, one
    forget_frames(one)
    assert (one.__traceback__, other.__traceback__) == (None, None)


def _kinds(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for more in kind.__subclasses__():
        yield from _kinds(more)


@pytest.mark.parametrize("kind", sorted({*_kinds(GatewayError)}, key=lambda kind: kind.__name__))
def test_every_error_can_be_copied_whole(kind: type[GatewayError]) -> None:
    error = kind("en", "zh", code="c", retry_after=3.0, details={"a": 1})
    error.capability = "upload"
    twin = copy(error)
    assert type(twin) is kind
    assert (twin.args, vars(twin)) == (error.args, vars(error))
