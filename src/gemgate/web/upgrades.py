"""A call that asks for another protocol (`Upgrade: h2c`) is answered as the HTTP/1.1 that it is (RFC 9110, 7.8).

Java's HttpClient, and with it Spring, LangChain4j, Ktor and JetBrains' editors, asks for HTTP/2 with every first call,
as `curl --http2` does. The parser stops behind such a head, and what follows, the body, would be refused as no request.
"""

from __future__ import annotations

from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FRAMING = (b"content-length", b"transfer-encoding")
WHOLE: Final = "gemgate.whole"
"""In the scope of a request whose body is here to its end, so that nothing needs to be awaited of it."""


class StaysHttp1(HttpToolsProtocol):
    """The server's protocol, which never changes to another one."""

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            while True:
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as upgrade:
                    data = data[upgrade.args[0] :]
                    self._go_on()
                else:
                    return
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _go_on(self) -> None:
        """Have the rest of the connection read by a parser that was told the same head without its wish."""
        method = self.scope["method"].encode()
        framing = b"".join(b"%b: %b\r\n" % (name, value) for name, value in self.scope["headers"] if name in FRAMING)
        rest = _Rest(self)
        self.parser = httptools.HttpRequestParser(rest)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"%b / HTTP/1.1\r\nhost: -\r\n%b\r\n" % (method, framing))
        rest.head_is_known = False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # else its body is still to come
            cast("dict[str, Any]", self.scope)[WHOLE] = True
            super().on_message_complete()


class _Rest:
    """Tells a protocol what a fresh parser reads, but for the head that it was told, so as to know how the body is
    framed.
    """

    def __init__(self, protocol: StaysHttp1) -> None:
        self.head_is_known = True
        self._protocol = protocol
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self.head_is_known:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self.head_is_known:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_is_known:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.head_is_known:
            self._protocol.on_headers_complete()
