"""Every rule the simulator judges by: a request that keeps it passes, one that breaks it is recorded and refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gemgate_simulator.google import Google
from tests.support.handmade_calls import NEW_CHAT, Hand, code, mark, metadata, parts, referred, texts

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkaGhgwAaYGHCAwSkBAMyIARAUbW44AAAAAElFTkSuQmCC"
)

FLASH, PRO = "56fdd199312815e2", "e6fa609c3fa255c0"


def test_a_faithful_request_breaks_no_rule(google: Google) -> None:
    hand = Hand(google)
    assert texts(hand.say("say hello"))[-1] == "hello"
    found = hand.google.handle(hand.rpc(("otAQ7b", "[]")))
    assert found.status == 200
    assert list(google.record.violations) == []
    assert (google.record.received, google.record.generations, google.record.open_streams) == (1, 1, 0)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("X-Same-Domain", None, "X-Same-Domain"),
        ("Origin", "https://evil.example", "Origin"),
        ("Referer", None, "Referer"),
        ("Content-Type", "application/json", "Content-Type"),
        ("x-goog-ext-525005358-jspb", '["5104AEBE-71AF-4112-AC36-2BF5817AB943",1]', "slot 59 differs"),
        ("x-goog-ext-525001261-jspb", "[1,2]", "wrong shape"),
    ],
)
def test_a_wrong_header_is_recorded_and_refused(google: Google, name: str, value: str | None, told: str) -> None:
    hand = Hand(google)
    response = google.handle(hand.generate(headers={name: value}))
    assert response.status == 400
    assert told in google.record.violations[-1]
    assert (google.record.received, google.record.generations) == (1, 0)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("rt", None, "rt=c"),
        ("bl", "boq_yesterday", "bl is"),
        ("f.sid", "123", "f.sid was never given out"),
        ("f.sid", None, "f.sid is missing"),
        ("hl", "zh", "hl is"),
        ("_reqid", "x", "_reqid is not a number"),
    ],
)
def test_a_wrong_query_is_recorded_and_refused(google: Google, name: str, value: str | None, told: str) -> None:
    hand = Hand(google)
    assert google.handle(hand.generate(query={name: value})).status == 400
    assert told in " ".join(google.record.violations)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (7, 0, "slot 7"),
        (7, True, "slot 7"),
        (5, 1, "slot 5 is not null"),
        (17, [1], "slot 17"),
        (68, None, "slot 68"),
        (0, ["hello"], "slot 0"),
        (0, ["hello", 0, None, [["id", "name"]], None, None, 0], "files of slot 0"),
        (1, ["zh"], "slot 1"),
        (2, ["", "", ""], "slot 2"),
        (45, 2, "slot 45"),
        (49, 1, "deep research"),
        (59, "not-a-uuid", "slot 59"),
        (79, 3, "slot 79"),
        (80, 0, "slot 80"),
    ],
)
def test_a_wrong_slot_is_recorded_and_refused(google: Google, place: int, value: object, told: str) -> None:
    hand = Hand(google)
    slots = hand.slots("hello")
    slots[place] = value
    assert google.handle(hand.generate(slots=slots)).status == 400
    assert told in google.record.violations[-1]


@pytest.mark.parametrize("count", [69, 81, 97, 99])
def test_lists_of_any_length_that_was_seen_are_answered(google: Google, count: int) -> None:
    hand = Hand(google)
    slots = [*hand.slots("hello"), *[None] * 17, 1][:count]
    assert google.handle(hand.generate(slots=slots, headers=hand.model_headers(FLASH, 1))).status == 200
    assert not google.record.violations


@pytest.mark.parametrize("turn", [0, 2])
def test_a_continuation_counts_its_turns(google: Google, turn: int) -> None:
    hand = Hand(google)
    kept = metadata(hand.say("hello"))
    slots = hand.slots("again", kept)
    assert slots[17] == [[1]]
    slots[17] = [[turn]]
    google.handle(hand.generate(slots=slots))
    assert "slot 17" in google.record.violations[-1]


@pytest.mark.parametrize("count", [68, 100])
def test_no_list_has_fewer_slots_or_more(google: Google, count: int) -> None:
    hand = Hand(google)
    slots = [*hand.slots("hello"), *[None] * 19][:count]
    assert google.handle(hand.generate(slots=slots)).status == 400
    assert f"{count} slots" in google.record.violations[-1]


@pytest.mark.parametrize("freq", ["nonsense", "[]", '["x","[]"]', '[null,"{"]', None])
def test_f_req_must_be_framed_as_the_app_frames_it(google: Google, freq: str | None) -> None:
    hand = Hand(google)
    assert google.handle(hand.generate(form={"f.req": freq})).status == 400
    assert "no slots" in google.record.violations[-1]


def test_the_token_must_be_the_pages_own(google: Google) -> None:
    hand, other = Hand(google), Hand(google)
    for token, told in [
        ("", "missing"),
        (None, "missing"),
        ("AKwrong:1", "not the one"),
        (other.page["SNlM0e"], "not the one"),
    ]:
        assert google.handle(hand.generate(form={"at": token})).status == 400
        assert told in google.record.violations[-1]
    assert google.record.generations == 0


def test_a_token_nobody_gave_out_is_refused_without_cookies_too(google: Google) -> None:
    guest = Hand(google, None)
    assert google.handle(guest.generate(form={"at": "AKwrong:1"})).status == 400
    assert "never given out" in google.record.violations[-1]


def test_cookies_of_two_accounts_do_not_mix(google: Google) -> None:
    mixed = {**google.cookies("alice"), "__Secure-1PSIDTS": google.cookies("bob")["__Secure-1PSIDTS"]}
    hand = Hand(google, cookies=mixed)
    assert "SNlM0e" not in hand.page
    assert "cookies of two accounts mixed: alice and bob" in google.record.violations[-1]
    good = Hand(google)
    good.cookies = mixed
    assert google.handle(good.generate()).status == 401


def test_two_values_of_one_cookie_are_a_broken_rule(google: Google) -> None:
    hand = Hand(google)
    request = hand.request("GET", "gemini.google.com", "/app", {})
    request.headers["cookie"] += "; __Secure-1PSID=g.a000other"
    google.handle(request)
    assert "two different __Secure-1PSID" in google.record.violations[-1]


def test_no_cookie_value_is_ever_recorded(google: Google) -> None:
    hand = Hand(
        google, cookies={**google.cookies("alice"), "__Secure-1PSIDTS": google.cookies("bob")["__Secure-1PSIDTS"]}
    )
    google.handle(hand.generate())
    text = json.dumps(google.record.as_dict(), default=str)
    for value in (*google.cookies("alice").values(), *google.cookies("bob").values()):
        assert value not in text


def test_an_unknown_model_is_1052_and_a_broken_rule(google: Google) -> None:
    hand = Hand(google)
    assert code(hand.say("hello", headers=hand.model_headers("0123456789abcdef", 1))) == 1052
    assert "unknown model" in google.record.violations[-1]
    assert google.record.generations == 0


@pytest.mark.parametrize(
    ("number", "slot", "capacity", "told"),
    [(3, 1, "2", "slot 79"), (3, 3, "1", "capacity"), (1, 1, "2", "number is 3"), (3, 3, "null,2", "capacity")],
)
def test_the_model_header_must_fit_model_slots_and_tier(
    google: Google, number: int, slot: int, capacity: str, told: str
) -> None:
    hand = Hand(google)
    slots = hand.slots("hello")
    slots[79] = slot
    headers = hand.model_headers(PRO, number, capacity)
    assert google.handle(hand.generate(slots=slots, headers=headers)).status == 400
    assert told in google.record.violations[-1]


def test_the_thinking_flag_must_agree_with_slot_80(google: Google) -> None:
    hand = Hand(google)
    headers = hand.model_headers(FLASH, 1, thinking=2)
    assert google.handle(hand.generate(headers=headers)).status == 400
    assert "slot 80" in google.record.violations[-1]


def test_another_model_than_the_chats_is_1050(google: Google) -> None:
    hand = Hand(google)
    kept = metadata(hand.say("hello", headers=hand.model_headers(FLASH, 1)))
    slots = hand.slots("again", kept)
    slots[79] = 3
    found = parts(google.handle(hand.generate(slots=slots, headers=hand.model_headers(PRO, 3))))
    assert code(found) == 1050
    assert google.record.generations == 1
    assert texts(hand.say("say again", kept))[-1] == "again"  # without a header the chat keeps its model


@pytest.mark.parametrize("place", [0, 1, 2, 9])
def test_a_conversation_is_continued_with_its_own_ids_only(google: Google, place: int) -> None:
    hand = Hand(google)
    kept = metadata(hand.say("hello"))
    kept[place] = "x_unknown"
    assert code(hand.say("again", kept)) == 1096
    assert "StreamGenerate: " in google.record.violations[-1]
    assert google.record.generations == 1


def test_a_conversation_of_another_account_is_a_broken_rule(google: Google) -> None:
    kept = metadata(Hand(google, "alice").say("hello"))
    assert code(Hand(google, "bob").say("again", kept)) == 1096
    assert "belongs to another account" in google.record.violations[-1]


def test_half_an_address_of_a_conversation_is_a_broken_rule(google: Google) -> None:
    hand = Hand(google)
    kept = metadata(hand.say("hello"))
    assert code(hand.say("again", [*kept[:2], "", *kept[3:]])) == 1096
    assert code(hand.say("again", ["", *kept[1:]])) == 1096
    assert len(google.record.violations) == 2


def test_files_must_be_uploaded_and_ones_own(google: Google) -> None:
    alice, bob = Hand(google, "alice"), Hand(google, "bob")
    file = google.handle(alice.upload(b"data", "notes.txt")).body.decode()
    for hand, upload_id, expected in [
        (alice, file, None),
        (alice, "/contrib_service/ttl_1d/none", 1003),
        (bob, file, 1003),
    ]:
        slots = hand.slots("look")
        slots[0][3] = [referred(upload_id, "notes.txt")]
        assert code(parts(google.handle(hand.generate(slots=slots)))) == expected
    assert [file.data for file in google.record.calls[0].files] == [b"data"]
    assert len(google.record.violations) == 2


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        (lambda ref: referred(ref, "cat.png"), True),
        (lambda ref: [[ref, 1, None, "image/png", "5A0C"], "cat.png", *[None] * 6, [0]], True),
        (lambda ref: referred(ref, "cat.png", "image/jpeg", 1), False),
        (lambda ref: referred(ref, "cat.jpg", "image/jpeg", 1), False),
        (lambda ref: referred(ref, "cat.png", "image/png", 3), False),
        (lambda ref: referred(ref, "cat.txt", "image/png", 1), False),
        (lambda ref: [[ref], "cat.png"], False),
    ],
)
def test_a_file_that_does_not_fit_its_reference_is_dropped_without_a_word(
    google: Google, entry: Any, seen: bool
) -> None:
    hand = Hand(google)
    slots = hand.slots("look")
    slots[0][3] = [entry(google.handle(hand.upload(PNG, "cat.png")).body.decode())]
    google.reply("look", lambda prompt: f"I see {[file.name for file in prompt.files]}")
    assert texts(parts(google.handle(hand.generate(slots=slots))))[-1] == ("I see ['cat.png']" if seen else "I see []")
    assert not google.record.violations


def test_short_references_are_ignored_refused_or_taken(google: Google) -> None:
    for how, expected, files in [("ignored", None, 0), ("refused", 1100, 0), ("taken", None, 1)]:
        google.world.switches.files.short = how
        hand = Hand(google)
        slots = hand.slots("look")
        slots[0][3] = [[[google.handle(hand.upload(b"data", "notes.txt")).body.decode()], "notes.txt"]]
        assert code(parts(google.handle(hand.generate(slots=slots)))) == expected
        assert len(google.record.calls[-1].files) == files


def test_references_die_after_a_day_and_old_tokens_and_guests_have_none(google: Google, clock: Any) -> None:
    hand = Hand(google)
    slots = hand.slots("look")
    slots[0][3] = [referred(google.handle(hand.upload(b"data", "notes.txt")).body.decode(), "notes.txt")]
    google.world.switches.files.token_seconds = 3600
    clock.now += 3601
    assert code(parts(google.handle(hand.generate(slots=slots)))) == 1100
    assert texts(hand.say("no file, so it passes"))[-1]
    google.world.switches.files.token_seconds = 0
    clock.now += 24 * 3600
    assert code(parts(google.handle(hand.generate(slots=slots)))) == 1003


def test_an_eleventh_file_is_refused(google: Google) -> None:
    hand = Hand(google)
    slots = hand.slots("look")
    file = google.handle(hand.upload(b"data", "notes.txt")).body.decode()
    slots[0][3] = [referred(file, "notes.txt")] * 11
    assert google.handle(hand.generate(slots=slots)).status == 400
    slots[0][3].pop()
    assert code(parts(google.handle(hand.generate(slots=slots)))) is None


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-Tenant-Id": None}, "X-Tenant-Id"),
        ({"Push-ID": "feeds/wrong"}, "Push-ID"),
        ({"Origin": None}, "Origin"),
        ({"Content-Type": "application/json"}, "multipart"),
        ({"Content-Type": "multipart/form-data; boundary=YY"}, "boundary"),
    ],
)
def test_a_wrong_upload_is_recorded_and_refused(google: Google, headers: dict[str, str | None], told: str) -> None:
    assert google.handle(Hand(google).upload(**headers)).status == 400
    assert told in google.record.violations[-1]
    assert len(google.uploads) == 0


def test_request_numbers_grow(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(google)
    google.handle(hand.generate())
    first = hand.reqid
    monkeypatch.setattr("gemgate_simulator.state._SETTLED", 0.0)
    for number, told in [(first, "sent twice"), (first - 100_000, "lower"), (first + 7, "multiple")]:
        google.handle(hand.generate(query={"_reqid": str(number)}))
        assert told in google.record.violations[-1]
    assert google.record.generations == 4  # recorded, but served: the service itself would hardly mind


def test_requests_that_begin_together_may_overtake_each_other(google: Google) -> None:
    hand = Hand(google)
    for n in (5, 1, 4, 2, 3):
        google.handle(hand.generate(query={"_reqid": str(hand.reqid + 10_000_000 * n)}))
    assert list(google.record.violations) == []


def test_the_clients_uuid_stays_the_same_within_a_page(google: Google) -> None:
    hand = Hand(google)
    google.handle(hand.rpc(("otAQ7b", "[]")))
    hand.client = mark()
    assert google.handle(hand.rpc(("otAQ7b", "[]"))).status == 400
    assert "uuid changed" in google.record.violations[-1]


@pytest.mark.parametrize(
    ("bent", "told"),
    [
        ({"form": {"f.req": "[]"}}, "f.req"),
        ({"form": {"f.req": '[[["otAQ7b",[],null,"generic"]]]'}}, "f.req"),
        ({"query": {"rpcids": "ESY5D"}}, "differs"),
        ({"query": {"source-path": "/"}}, "source-path"),
        ({"headers": {"x-goog-ext-525001261-jspb": "[1]"}}, "wrong shape"),
        ({"form": {"at": ""}}, "missing"),
    ],
)
def test_a_wrong_batch_is_recorded_and_refused(google: Google, bent: dict, told: str) -> None:
    hand = Hand(google)
    assert google.handle(hand.rpc(("otAQ7b", "[]"), **bent)).status == 400
    assert told in google.record.violations[-1]


def test_an_unknown_rpc_and_a_wrong_payload_are_broken_rules(google: Google) -> None:
    hand = Hand(google)
    google.handle(hand.rpc(("XXXXXX", "[]")))
    assert google.record.violations[-1] == "XXXXXX: unknown RPC XXXXXX"
    assert hand.ask("MaZiqc", "[13]") == {"status": 3}
    assert hand.ask("hNvQHb", '["c_1",10]') == {"status": 3}
    assert hand.ask("jSf9Qc", "[1]") == {"status": 3}
    assert hand.ask("otAQ7b", "{") == {"status": 3}
    assert len(google.record.violations) == 5


def test_an_unknown_path_of_the_api_is_a_broken_rule_and_a_favicon_is_not(google: Google) -> None:
    hand = Hand(google)
    assert google.handle(hand.request("POST", "gemini.google.com", "/_/BardChatUi/data/other", {})).status == 404
    assert google.handle(hand.request("GET", "gemini.google.com", "/favicon.ico", {})).status == 404
    assert len(google.record.violations) == 1


def test_knocking_on_a_dead_session_for_ever_is_hammering(google: Google) -> None:
    hand = Hand(google)
    google.expire("alice")
    for _ in range(google.world.patience):
        assert google.handle(hand.generate()).status == 401
    assert list(google.record.violations) == []
    google.handle(hand.generate())
    google.handle(hand.generate())
    assert [rule for rule in google.record.violations if "hammering" in rule] == [
        "hammering: more than 20 requests on a dead session of alice"
    ]


def test_a_gem_must_exist(google: Google) -> None:
    hand = Hand(google)
    slots = hand.slots("hello", NEW_CHAT)
    slots[19] = "no-such-gem"
    assert code(parts(google.handle(hand.generate(slots=slots)))) == 1096
    slots = hand.slots("hello")
    slots[19] = "coding-partner"
    assert code(parts(google.handle(hand.generate(slots=slots)))) is None
