"""Every end of a session is told apart by what Google shows, and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.errors import Blocked, SignedOut
from gemgate.policy.session_end import ENDS, Past, Reason, Sign, explained, of, of_rest, of_word, seen

DEAD = SignedOut("not signed in", "未登录", code="cookie_expired")


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        (Sign(200, "https://gemini.google.com/app", "<h1>Gemini</h1>"), None),
        (Sign(200, "https://www.google.com/sorry/index?continue=x"), "captcha"),
        (Sign(429, page="Our systems have detected unusual traffic"), "captcha"),
        (Sign(200, page='<form id="captcha-form">'), "captcha"),
        (Sign(200, page="WIZ_global_data = {}; <script src=https://www.google.com/recaptcha/enterprise.js>"), None),
        (Sign(429), "ip_block"),
        (Sign(200, "https://consent.google.com/m?continue=x"), "consent"),
        (Sign(200, page='<form action="https://consent.google.com/save">'), "consent"),
        (Sign(200, "https://myaccount.google.com/age-verification"), "age_check"),
        (Sign(200, "https://accounts.google.com/v3/signin/challenge/pwd?TL=x"), "revoked"),
        (Sign(200, "https://accounts.google.com/ServiceLogin?continue=https://gemini.google.com"), "expired"),
        (Sign(401), "expired"),
        (Sign(status=1016), "expired"),
        (Sign(status=1016, named=True), "guest"),
        (Sign(status=1021), "rejected"),
        (Sign(status=1033), "untrusted"),
        (Sign(status=1042), "terms"),
        (Sign(status=1057), "age_check"),
        (Sign(status=1060), "region"),
        (Sign(status=1000, named=True), None),
        (Sign(status=1014), None),
        (Sign(url="https://evil.example/age-verification"), None),
        (Sign(url="https://[broken"), None),
    ],
)
def test_each_sign_is_one_end(sign: Sign, reason: Reason | None) -> None:
    assert seen(sign) == reason


@given(st.integers(0, 599), st.text(max_size=300), st.text(max_size=300), st.integers(0, 2000), st.booleans())
def test_whatever_is_shown_has_an_answer(http: int, url: str, page: str, status: int, named: bool) -> None:
    found = seen(Sign(http, url, page, status, named))
    assert found is None or found in ENDS


def test_every_end_says_in_both_languages_what_it_is_and_what_to_do() -> None:
    for reason, end in ENDS.items():
        for text in (end.title, end.remedy):
            assert text.en
            assert text.zh != text.en
        assert end.page.startswith("https://"), reason
    assert len({end.title.en for end in ENDS.values()}) == len(ENDS)


def test_a_death_is_explained_by_what_was_known_before() -> None:
    for past, reason in [
        (Past(60.0), "superseded"),
        (Past(1200.0), "expired"),
        (Past(-1.0), "expired"),
        (Past(60.0, bound="Chrome 148 (Windows)"), "device_bound"),
        (Past(7000.0, renewal="refused"), "device_bound"),
        (Past(7000.0, renewal="withheld"), "expired"),
        (Past(7000.0, renewal="renewed"), "expired"),
    ]:
        assert of(explained(DEAD, past, 1200.0)) == reason, past


def test_what_google_said_itself_is_not_explained_away() -> None:
    for reason in ("revoked", "guest", "consent"):
        error = DEAD.with_(reason=reason)
        assert explained(error, Past(10.0, "Chrome"), 1200.0) is error
    blocked = Blocked("blocked", code="ip_blocked")
    assert explained(blocked, Past(10.0), 1200.0) is blocked


def test_found_dead_once_more_it_keeps_its_reason() -> None:
    first = explained(DEAD, Past(60.0), 1200.0)
    again = explained(DEAD, Past(-1.0, told=first), 1200.0)
    assert of(again) == "superseded"
    assert of(explained(DEAD, Past(-1.0, told=Blocked("x", code="ip_blocked")), 1200.0)) == "expired"


def test_the_reason_of_a_rest_outlives_a_restart() -> None:
    assert of_rest("captcha: Google blocks this address") == "captcha"
    assert of_rest("region: what") == "region"
    assert of_rest("Google blocks this address for a while") == "ip_block"  # as older versions stored it
    assert of_word("nonsense") is None
