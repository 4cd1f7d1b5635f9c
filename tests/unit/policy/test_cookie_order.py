"""Which cookies come first after a restart."""

from __future__ import annotations

from gemgate.policy.cookie_order import cookie_order
from gemgate.ports.accounts import AccountSetup, StoredAccount
from tests.support.profiles import session

SETUP = AccountSetup("alice")
ENV, ROTATED, PASTED = session("env"), session("rotated"), session("pasted")


def test_a_first_start_takes_what_the_source_holds() -> None:
    assert cookie_order(StoredAccount(SETUP), ENV, live=False) == (ENV,)
    assert cookie_order(StoredAccount(SETUP), None, live=False) == ()


def test_renewed_cookies_win_over_the_text_they_once_came_from() -> None:
    kept = StoredAccount(SETUP, cookies=ROTATED, source_digest=ENV.digest)
    assert cookie_order(kept, ENV, live=False) == (ROTATED, ENV)


def test_a_text_that_changed_wins_over_what_is_stored() -> None:
    kept = StoredAccount(SETUP, cookies=ROTATED, source_digest=ENV.digest)
    assert cookie_order(kept, PASTED, live=False) == (PASTED, ROTATED)


def test_handed_over_cookies_stand_without_a_source() -> None:
    assert cookie_order(StoredAccount(SETUP, cookies=PASTED), None, live=False) == (PASTED,)


def test_a_live_browser_is_right_even_about_what_was_taken_before() -> None:
    kept = StoredAccount(SETUP, cookies=ROTATED, source_digest=ENV.digest)
    assert cookie_order(kept, ENV, live=True) == (ENV, ROTATED)


def test_nothing_is_tried_twice() -> None:
    kept = StoredAccount(SETUP, cookies=ENV, source_digest=ENV.digest)
    assert cookie_order(kept, ENV, live=False) == (ENV,)
