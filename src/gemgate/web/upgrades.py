"""A call that asks for another protocol (`Upgrade: h2c`) is answered as the HTTP/1.1 that it is (RFC 9110, 7.8).

Java's HttpClient, and with it Spring, LangChain4j, Ktor and JetBrains' editors, asks for HTTP/2 with every first call,
as `curl --http2` does. The parser stops behind such a head, and what follows, the body, would be refused as no request.
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FRAMING = (b"content-length", b"transfer-encoding")


class StaysHttp1(HttpToolsProtocol):
    """The server's protocol, which never changes to another one."""

    _repeating = False
    """A head that was heard is told to a fresh parser, so that it knows how the body is framed."""

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
        framing = b"".join(b"%b: %b\r\n" % (name, value) for name, value in self.headers if name in FRAMING)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._repeating = True
        try:
            self.parser.feed_data(b"%b / HTTP/1.1\r\nhost: -\r\n%b\r\n" % (method, framing))
        finally:
            self._repeating = False

    def on_message_begin(self) -> None:
        if not self._repeating:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._repeating:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._repeating:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._repeating:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # else its body is still to come
            super().on_message_complete()
