"""The body of a prompt: as the library's own encoding, whatever the text is."""

from __future__ import annotations

from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from gemgate.upstreams.web.generation import quoted


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_text_is_quoted_as_the_library_quotes_it(text: bytes):
    assert quoted(text) == quote_plus(text).encode()
