"""Cookies as people copy them: from tables, commands, scripts and exports of every kind."""

from __future__ import annotations

import pytest

from gemgate.accounts import Cookies
from gemgate.errors import BadRequest

ONE, TWO = "__Secure-1PSID", "__Secure-1PSIDTS"
PASTED = {
    "raw names": f'[{{"Host raw":"https://.google.com/","Name raw":"{ONE}","Path raw":"/","Content raw":"a1b"}},'
    f'{{"Host raw":"https://.google.com/","Name raw":"{TWO}","Path raw":"/","Content raw":"c2d"}}]',
    "table": f"{ONE}\ta1b\t.google.com\t/\t2027-12-01T00:00:00Z\t150\t✓\t✓\t\tHigh\n"
    f"{TWO}\tc2d\t.google.com\t/\t2027-12-01T00:00:00Z\t80\t✓\t✓\t\tHigh",
    "blanks for tabs": f".google.com TRUE / TRUE 1829817571 {ONE} a1b\n.google.com TRUE / TRUE 1829817571 {TWO} c2d",
    "small header": f"cookie: {ONE}=a1b; NID=5; {TWO}=c2d",
    "curl": f"curl 'https://gemini.google.com/app' \\\n  -b '{ONE}=a1b; NID=5; {TWO}=c2d' \\\n  -H 'accept: */*'",
    "powershell": f'(New-Object System.Net.Cookie("{ONE}", "a1b", "/", ".google.com"))\n("{TWO}", "c2d", "/", "x")',
    "python": f"{{'{ONE}': 'a1b', '{TWO}': 'c2d'}}",
    "comma at the end": f'{{"{ONE}": "a1b", "{TWO}": "c2d",}}',
    "objects": f'{{"{ONE}": {{"value": "a1b"}}, "{TWO}": {{"value": "c2d"}}}}',
    "by domain": f'{{".google.com": {{"{ONE}": "a1b", "{TWO}": "c2d"}}}}',
    "har": f'{{"log":{{"entries":[{{"cookies":[{{"name":"{ONE}","value":"a1b"}},'
    f'{{"name":"{TWO}","value":"c2d"}}]}}]}}}}',
    "lines": f"{ONE}\na1b\n{TWO}\nc2d\n",
    "encoded": f"{ONE}%3Da1b%3B%20{TWO}%3Dc2d",
    "csv": f"name,value,domain\n{ONE},a1b,.google.com\n{TWO},c2d,.google.com",
}


@pytest.mark.parametrize("form", PASTED)
def test_cookies_are_found_in_whatever_was_copied(form: str) -> None:
    cookies = Cookies.parse(PASTED[form])
    assert (cookies.psid, cookies.psidts) == ("a1b", "c2d")


@pytest.mark.parametrize("between", ["\n", " ", "\r\n\r\n", ", "])
def test_the_two_values_alone_are_told_apart_by_how_they_begin(between: str) -> None:
    one, two = "g.a000" + "Ab-_9" * 20, "sidts-" + "Xy-_8" * 12
    assert Cookies.parse(one + between + two).psid == one
    assert Cookies.parse(one + between + two).psidts == two
    with pytest.raises(BadRequest):
        Cookies.parse(f"{one}{between}{one}")


@pytest.mark.parametrize("text", ["", "hello", f"{ONE}", f"{TWO} c2d", f"{ONE} a\nand {ONE} b", f"{ONE},.google.com,x"])
def test_what_holds_none_or_two_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        Cookies.parse(text)
