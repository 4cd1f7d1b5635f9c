"""The headers of a request are the framework's, whatever came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from gemgate.web.request import DoorRequest

names = st.sampled_from(["host", "cookie", "x-api-key", "x-one"])


@given(st.lists(st.tuples(names, st.text(st.characters(max_codepoint=255)))))
def test_headers_are_found_as_the_framework_finds_them(sent: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent]
    scope = {"type": "http", "headers": raw}
    ours, theirs = DoorRequest(scope).headers, Headers(raw=raw)
    assert ours == theirs
    for name in ("host", "Host", "COOKIE", "x-api-key", "x-one", "absent"):
        assert (name in ours) == (name in theirs)
        assert ours.get(name) == theirs.get(name)
        assert ours.get(name, "none") == theirs.get(name, "none")
        assert ours.getlist(name) == theirs.getlist(name)
    assert [ours[name] for name in ours] == [theirs[name] for name in theirs]
    assert (list(ours.items()), len(ours)) == (list(theirs.items()), len(theirs))
