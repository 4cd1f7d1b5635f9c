"""The headers of a request are the framework's, whatever came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from gemgate.web.request import DoorRequest, netloc_of

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


HOSTS = st.sampled_from(
    [b"localhost", b"localhost:8000", b"[::1]:80", b"a b", b"x:99999", b"\xff", b"", b"evil/path", b"n" * 300]
)


@given(st.none() | HOSTS, st.sampled_from(["http", "https"]), st.sampled_from([None, ("gate", 80), ("::1", 8000)]))
def test_who_was_called_is_what_the_framework_says(host: bytes | None, scheme: str, server: object) -> None:
    headers = [] if host is None else [(b"host", host), (b"host", b"second")]
    scope = {"type": "http", "headers": headers, "scheme": scheme, "server": server, "path": "/v1", "query_string": b""}
    asked = DoorRequest(scope)
    assert netloc_of(asked) == asked.url.netloc
