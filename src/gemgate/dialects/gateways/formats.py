"""All formats, and which one a text is of."""

from __future__ import annotations

from typing import Literal, get_args

from gemgate.dialects.gateways import (
    cli_proxy_api,
    gemini2api,
    gemini_fastapi,
    gemini_web2api,
    gemini_web_to_api,
    litellm,
    one_api,
)
from gemgate.dialects.gateways.document import Format, parse
from gemgate.dialects.gateways.taken import Taken
from gemgate.errors import BadRequest

FORMATS: tuple[Format, ...] = (
    gemini_fastapi.FORMAT,
    gemini2api.FORMAT,
    gemini_web_to_api.FORMAT,
    gemini_web2api.FORMAT,
    litellm.FORMAT,
    cli_proxy_api.FORMAT,
    one_api.FORMAT,
)
"""In the order in which they are tried: each has names that no other has."""
Name = Literal[
    "gemini-fastapi", "gemini2api", "gemini-web-to-api", "gemini-web2api", "litellm", "cli-proxy-api", "one-api"
]
NAMES: tuple[Name, ...] = get_args(Name)
LARGEST = 1_000_000
"""Bytes of a configuration that is read."""


def read(text: str, name: Name | None = None) -> Taken:
    """What a configuration has. name: of the format, None = the one it looks like. BadRequest, never with what stands
    in the text.
    """
    if len(text) > LARGEST:
        raise BadRequest(
            f"The file is larger than {LARGEST // 1000} kB; a configuration is not",
            f"文件超过 {LARGEST // 1000} kB，不像是配置文件",
        )
    document = parse(text)
    for form in FORMATS:
        if form.name == name or (not name and form.is_it(document)):
            return form.read(document)
    raise BadRequest(
        f"No known gateway's configuration; say whose it is with --from: {', '.join(NAMES)}. Cookies alone are read by "
        "gemgate accounts add",
        f"无法识别是哪个网关的配置；请用 --from 指定：{'、'.join(NAMES)}。仅有 Cookie 时请用 gemgate accounts add",
        code="unknown_format",
    )
