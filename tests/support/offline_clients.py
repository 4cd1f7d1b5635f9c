"""The official SDKs on canned answers: their own parsers and types judge what we write, and no socket is opened."""

from __future__ import annotations

from functools import cache

import anthropic
import httpx2
import openai


class Canned:
    """Answers every request with the same bytes."""

    def __init__(self) -> None:
        self.response = (200, "text/event-stream", b"")

    def __call__(self, _: httpx2.Request) -> httpx2.Response:
        status, content_type, body = self.response
        return httpx2.Response(status, headers={"content-type": content_type}, content=body)


@cache
def _openai() -> tuple[Canned, openai.OpenAI]:
    canned = Canned()
    client = openai.OpenAI(
        api_key="k",
        base_url="http://gate.test/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(canned)),
        _strict_response_validation=True,
    )
    return canned, client


@cache
def _anthropic() -> tuple[Canned, anthropic.Anthropic]:
    canned = Canned()
    client = anthropic.Anthropic(
        api_key="k",
        base_url="http://gate.test",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(canned)),
        _strict_response_validation=True,
    )
    return canned, client


def openai_client(body: bytes, content_type: str = "text/event-stream", status: int = 200) -> openai.OpenAI:
    """A client whose next calls are answered with `body`; what does not fit its types is an error."""
    canned, client = _openai()
    canned.response = (status, content_type, body)
    return client


def anthropic_client(body: bytes, content_type: str = "text/event-stream", status: int = 200) -> anthropic.Anthropic:
    """The same for Anthropic."""
    canned, client = _anthropic()
    canned.response = (status, content_type, body)
    return client
