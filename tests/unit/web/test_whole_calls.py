"""A fleet's gateway tells whole answers from streams by the body: a stream must never get the head of a JSON answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gemgate.catalog import DEFAULT_IMAGE_MODEL, DEFAULT_MODEL
from gemgate.web.relay import call_info
from gemgate.web.relay.routes import all_routes

ROUTES = all_routes()
DEFAULTS = call_info.Defaults(DEFAULT_MODEL, DEFAULT_IMAGE_MODEL, ())
TURN = [{"role": "user", "content": "hi"}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
MODELS = "/v1beta/models/gemini-3-flash-preview"
FORM = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\ntrue\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("path", "body", "whole"),
    [
        ("/v1/chat/completions", {"messages": TURN}, True),
        ("/v1/chat/completions", {"messages": TURN, "stream": True}, False),
        ("/v1/responses", {"input": "hi"}, True),
        ("/v1/responses", {"input": "hi", "stream": True}, False),
        ("/v1/responses", {"input": "hi", "previous_response_id": "resp_1"}, True),
        ("/v1/responses", {"input": "hi", "previous_response_id": "resp_1", "stream": True}, False),
        ("/v1/messages", {"model": DEFAULT_MODEL, "max_tokens": 9, "messages": TURN}, True),
        ("/v1/messages", {"model": DEFAULT_MODEL, "max_tokens": 9, "messages": TURN, "stream": True}, False),
        ("/v1/messages/count_tokens", {"messages": TURN}, False),
        ("/v1beta/interactions", {"model": DEFAULT_MODEL, "input": "hi"}, True),
        ("/v1beta/interactions", {"model": DEFAULT_MODEL, "input": "hi", "stream": True}, False),
        ("/v1beta/interactions", {"input": "hi", "previous_interaction_id": "int_1", "stream": True}, False),
        (f"{MODELS}:generateContent", CONTENTS, True),
        (f"{MODELS}:streamGenerateContent", CONTENTS, False),
        (f"{MODELS}:countTokens", CONTENTS, False),
        ("/v1beta/models/gemini-2.5-flash-image:predict", {"instances": [{"prompt": "hi"}]}, True),
        ("/v1/generate", {"prompt": "hi"}, True),
        ("/v1/generate-images", {"prompt": "hi"}, True),
        ("/v1/images/generations", {"prompt": "hi"}, True),
        ("/v1/images/generations", {"prompt": "hi", "stream": False}, True),
        ("/v1/images/generations", {"prompt": "hi", "stream": True}, False),
        ("/v1/images/generations", {"prompt": "hi", "stream": "true"}, False),
        ("/v1/images/generations", {"prompt": "hi", "async": True}, False),
        ("/v1/images/edits", FORM % b"prompt", True),
        ("/v1/images/edits", FORM % b"stream", False),
        ("/v1/audio/transcriptions", FORM % b"language", True),
        ("/v1/audio/transcriptions", FORM % b"stream", False),
        ("/v1/audio/translations", FORM % b"response_format", False),
        ("/v1/batch/images", {"prompts": ["hi"]}, False),
        ("/v1/chat/completions", {"messages": TURN, "model": "no-such-model"}, False),
        ("/v1/chat/completions", b"{broken", False),
    ],
)
def test_which_answers_come_whole(path: str, body: Any, whole: bool) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert call_info.read(ROUTES.find("POST", path), raw, "key", DEFAULTS).whole is whole
