"""One path for every spelling that clients use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.web.paths import canonical
from gemgate.web.relay.routes import all_routes
from gemgate.web.routes import all_operations

SPELLINGS = {
    "/v1/chat/completions": (
        *("/v1beta/openai/chat/completions", "/gemini/v1beta/openai/chat/completions", "/openai/v1/chat/completions"),
        *("/openai/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "/api/v1/chat/completions"),
        *(
            "//v1/chat/completions",
            "/v1//chat/completions",
            "/v1/chat/completions/",
            "/v1beta/openai//chat/completions/",
        ),
        "/v1/openai/chat/completions",
    ),
    "/v1/messages": ("/anthropic/v1/messages", "/anthropic/messages", "/messages", "/v1/v1/messages"),
    "/v1/messages/count_tokens": ("/anthropic/v1/messages/count_tokens",),
    "/v1/responses/input_tokens": ("/responses/input_tokens", "/openai/v1/responses/input_tokens"),
    "/v1/models": ("/models", "/models/", "/v1beta/openai/models", "/api/v1/models", "/openai/v1/models"),
    "/v1/models/gemini-3.0-pro:generateContent": ("/models/gemini-3.0-pro:generateContent",),
    "/v1beta/models/gemini-3.0-pro:generateContent": (
        *("/v1/v1beta/models/gemini-3.0-pro:generateContent", "/v1beta/v1beta/models/gemini-3.0-pro:generateContent"),
    ),
    "/v1/images/generations": (
        "/images/generations",
        "/v1beta/openai/images/generations",
        "/api/v1/images/generations",
    ),
    "/v1/audio/transcriptions": ("/audio/transcriptions", "/openai/v1/audio/transcriptions", "/audio/transcriptions/"),
    "/v1/images/edits": ("/images/edits", "/openai/v1/images/edits/"),
}


@pytest.mark.parametrize(("meant", "spelt"), [(m, one) for m, all_ in SPELLINGS.items() for one in (*all_, m)])
def test_every_spelling_is_the_one_path(meant: str, spelt: str) -> None:
    assert canonical(spelt) == meant


@pytest.mark.parametrize("path", ["/", "/images/202611/20261128/a.png", "/api/keys", "/openai/api/keys", "/api/v1/keys",
                                  "/upload", "/v1beta/models/x", "/v1/batch/images", "/v1/files/f", "/health",
                                  "/gemini/v1/models", "/upload/v1beta/files",
                                  "/anthropic", "/openai/images/202611/x.png"])  # fmt: skip
def test_other_paths_are_left_alone(path: str) -> None:
    assert canonical(path) == path


def test_no_route_of_ours_is_led_elsewhere() -> None:
    all_routes()
    for one in all_operations():
        assert canonical(one.path) == one.path


def test_the_path_of_the_public_address_is_taken_off() -> None:
    assert canonical("/gem/v1/models", "/gem") == "/v1/models"
    assert canonical("/gem/", "/gem") == canonical("/gem", "/gem") == "/"
    assert canonical("/gems/v1/models", "/gem") == "/gems/v1/models"


PIECES = st.sampled_from(["v1", "v1beta", "openai", "api", "anthropic", "gemini", "models", "chat", "completions",
                          "images", "edits", "files", "", "x:y", "gem", ".."])  # fmt: skip


@given(st.lists(PIECES, max_size=7), st.sampled_from(["", "/gem"]))
def test_twice_is_once_so_that_a_gateway_and_its_node_agree(pieces: list[str], below: str) -> None:
    once = canonical("/" + "/".join(pieces), below)
    assert canonical(once) == once
    assert once.startswith("/")
    assert "//" not in once
