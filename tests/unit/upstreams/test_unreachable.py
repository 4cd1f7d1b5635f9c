"""Why Google cannot be reached is told in words: a stranger does not know the numbers of libcurl."""

from __future__ import annotations

import pytest
from curl_cffi.const import CurlECode
from curl_cffi.requests.exceptions import RequestException

from gemgate.errors import Unreachable
from gemgate.upstreams.web.errors import _NOT_THERE, of_exception


@pytest.mark.parametrize("code", _NOT_THERE, ids=lambda code: code.name)
def test_every_cause_has_its_words_in_both_languages(code: CurlECode) -> None:
    told = of_exception(RequestException("as libcurl says it", code), sent=False)
    assert isinstance(told, Unreachable)
    for text, why in ((told.en, _NOT_THERE[code].en), (told.zh, _NOT_THERE[code].zh)):
        assert why in text
        assert str(int(code)) in text


def test_a_name_that_is_not_known_is_not_the_proxys_fault() -> None:
    told = of_exception(RequestException("x", CurlECode.COULDNT_RESOLVE_HOST), sent=False)
    assert isinstance(told, Unreachable)
    assert "DNS" in told.en
