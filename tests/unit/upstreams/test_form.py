"""Query and form of a prompt: as the library's own encoding, whatever is in them."""

from __future__ import annotations

from urllib.parse import quote_plus, urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from gemgate.accounts import Cookies
from gemgate.upstreams.web.client import HardenedClient
from gemgate.upstreams.web.generation import quoted
from gemgate.upstreams.web.page import Page


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"an ASCII text with a control\x7fcharacter")
def test_a_text_is_quoted_as_the_library_quotes_it(text: bytes):
    assert quoted(text) == quote_plus(text).encode()


def test_a_page_is_named_as_the_library_names_it():
    page = Page("zh-CN", "boq_a b", "-458&1", "AK: /1")
    asked = {"hl": "zh-CN", "_reqid": 120345, "rt": "c", "bl": "boq_a b", "f.sid": "-458&1"}
    assert page.query(120345) == urlencode(asked)
    assert page.form == urlencode({"at": "AK: /1", "f.req": ""}).encode()


def test_what_a_page_does_not_tell_is_left_out_and_no_token_is_an_empty_one():
    page = Page("en", None, None, None)
    assert (page.query(7), page.form) == ("hl=en&_reqid=7&rt=c", b"at=&f.req=")


def test_requests_name_the_page_that_is_loaded_now():
    client = HardenedClient(Cookies("psid", "psidts"), proxy=None, ca_file=None, lanes=1)
    client.session_id, client.access_token = "-1", "old"
    before = client.page
    assert client.page is before
    client.session_id, client.access_token = "-2", "new"
    assert client.page.query(1).endswith("&f.sid=-2")
    assert client.page.form == b"at=new&f.req="
