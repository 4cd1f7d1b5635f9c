"""What the pretended service does for those who keep its rules, without a socket: sessions, chats, history, gems."""

from __future__ import annotations

import html
import json
import re

import pytest

from gemgate.accounts import PSID, PSIDTS
from gemgate_simulator.frames import PLAIN, Style
from gemgate_simulator.google import Google
from gemgate_simulator.script import Answer, Prompt
from tests.support.handmade_calls import Clock, Hand, beside, code, inners, metadata, parts, snapshots, texts, whole


def test_whoever_is_not_signed_in_gets_the_guests_page(google: Google) -> None:
    for cookies in ({}, {PSID: "g.a000unknown"}, {PSID: google.cookies("alice")[PSID]}):
        page = Hand(google, cookies=cookies).page
        assert "SNlM0e" not in page
        assert page["qKIAYe"] == "feeds/mcudyrk2a4khkz"
    signed_in = Hand(google).page
    assert signed_in["SNlM0e"]
    assert signed_in["oPEP7c"] == "alice@gmail.example"


def test_a_guest_may_use_the_first_model_and_no_account(google: Google) -> None:
    guest = Hand(google, None)
    assert texts(guest.say("say hi"))[-1] == "hi"
    assert guest.ask("otAQ7b")[14] == 1016
    assert guest.ask("jSf9Qc") == {"status": 7}
    assert google.record.calls[0].account == ""
    slots = guest.slots("hi")
    slots[79] = 3
    bent = {"slots": slots, "headers": guest.model_headers("9d8ca3786ebdfbea", 3, "1")}
    assert code(parts(google.handle(guest.generate(**bent)))) == 1052


def test_the_rotating_cookie_is_rotated_and_the_old_one_counts_for_a_while(google: Google, clock: Clock) -> None:
    hand = Hand(google)
    old = google.cookies("alice")[PSIDTS]
    response = google.handle(hand.rotate())
    assert response.status == 200
    new = google.cookies("alice")[PSIDTS]
    assert new != old
    assert any(name == "set-cookie" and value.startswith(f"{PSIDTS}={new};") for name, value in response.headers)
    assert "SNlM0e" in hand.open()
    clock.now += google.account("alice").grace + 1
    assert "SNlM0e" not in hand.open()
    assert google.handle(hand.rotate()).status == 401
    hand.cookies = google.cookies("alice")
    assert "SNlM0e" in hand.open()


def test_a_session_dies_unless_it_is_rotated_in_time(google: Google, clock: Clock) -> None:
    google.account("alice").lifetime = 100.0
    hand = Hand(google)
    for _ in range(3):
        clock.now += 90
        assert google.handle(hand.rotate()).status == 200
        hand.cookies = google.cookies("alice")
    clock.now += 101
    assert "SNlM0e" not in hand.open()
    assert google.handle(hand.rotate()).status == 401
    assert google.handle(hand.generate()).status == 401
    google.advance(-150)
    assert google.handle(hand.rotate()).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b'[0,"-0"]', {}, "the body"),
        (b'[000,"-0000000000000000000"]', {"Content-Type": "text/plain"}, "Content-Type"),
        (b'[000,"-0000000000000000000"]', {"Origin": None}, "Origin"),
    ],
)
def test_rotation_is_asked_for_in_one_way_only(google: Google, body: bytes, headers: dict, told: str) -> None:
    assert google.handle(Hand(google).rotate(body, **headers)).status == 400
    assert told in google.record.violations[-1]


def test_expired_and_revived(google: Google) -> None:
    hand = Hand(google)
    google.expire("alice")
    assert google.handle(hand.generate()).status == 401
    assert google.handle(hand.rotate()).status == 401
    assert hand.ask("otAQ7b") == {"status": 7}
    assert "SNlM0e" not in hand.open()
    assert google.record.generations == 0
    google.revive("alice")
    assert texts(hand.say("say back"))[-1] == "back"


def test_a_new_sign_in_does_not_wake_the_dead_session(google: Google) -> None:
    old = google.cookies("alice")
    google.expire("alice")
    assert google.account("alice").expired
    new = google.sign_in("alice")
    assert "SNlM0e" not in Hand(google, cookies=old).page
    assert "SNlM0e" in Hand(google, cookies=new).page
    assert not google.account("alice").expired


def test_new_cookies_are_given_once_in_a_minute(google: Google, clock: Clock) -> None:
    hand = Hand(google)
    assert google.handle(hand.rotate()).status == 200
    held = google.cookies("alice")
    clock.now += 59
    assert google.handle(hand.rotate()).status == 429
    assert google.cookies("alice") == held
    clock.now += 1
    assert google.handle(hand.rotate()).status == 200


def test_a_refused_rotation_changes_nothing_and_a_lost_one_does(google: Google) -> None:
    hand, before = Hand(google), google.cookies("alice")
    google.fault("rotate", "status", status=429)
    assert google.handle(hand.rotate()).status == 429
    assert google.cookies("alice") == before
    google.fault("rotate", "reset")
    google.handle(hand.rotate())
    assert google.cookies("alice")[PSIDTS] != before[PSIDTS]
    google.advance(60)
    assert google.handle(hand.rotate()).status == 200  # with the old value, in its grace period


def test_a_fault_for_nobody_is_a_mistake(google: Google) -> None:
    with pytest.raises(KeyError, match="there is no account 'alcie'"):
        google.fault("generate", "reset", account="alcie")


def test_after_expiry_a_guests_token_is_answered_as_a_guest(google: Google) -> None:
    google.expire("alice")
    hand = Hand(google)  # the page is a guest's now, the dead cookies still go along
    assert texts(hand.say("say hi"))[-1] == "hi"
    assert google.record.calls[-1].account == "alice"
    assert google.world.chats.of("alice") == []


def test_a_second_sign_in_makes_a_second_session(google: Google) -> None:
    first = google.cookies("alice")
    second = google.sign_in("alice")
    assert first[PSID] != second[PSID]
    assert google.cookies("alice") == second
    for cookies in (first, second):
        assert Hand(google, cookies=cookies).page["S06Grb"] == google.account("alice").number
    assert Hand(google, "bob").page["S06Grb"] != google.account("alice").number


def test_the_sign_in_form_sets_the_cookies_of_the_chosen_account(google: Google) -> None:
    hand = Hand(google, None)
    form = whole(google.handle(hand.request("GET", "accounts.google.com", "/ServiceLogin?account=bob", {}))).decode()
    assert "Sign in as bob" in form
    assert "alice" not in form
    response = google.handle(hand.request("POST", "accounts.google.com", "/ServiceLogin", {}, b"account=bob"))
    cookies = [value for name, value in response.headers if name == "set-cookie"]
    assert response.status == 302
    assert cookies[0].startswith(f"{PSID}={google.cookies('bob')[PSID]}; Domain=.google.com; Path=/;")
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in cookies)
    assert google.handle(hand.request("POST", "accounts.google.com", "/ServiceLogin", {}, b"account=x")).status == 404


def test_a_page_can_be_asked_to_rotate_its_cookies(google: Google) -> None:
    hand = Hand(google)
    page = whole(google.handle(hand.request("GET", "gemini.google.com", "/app?rotate=2", {}))).decode()
    assert "https://accounts.google.com/RotateCookiesPage?every=2" in html.unescape(page)
    frame = google.handle(hand.request("GET", "accounts.google.com", "/RotateCookiesPage?every=2", {}))
    assert "2000" in whole(frame).decode()


def test_an_answer_grows_and_ends_with_the_final_marks(google: Google) -> None:
    google.reply("grow", "abcdefghij", chars=4)
    said = Hand(google).say("grow")
    found = snapshots(said)
    assert [inner[4][0][1][0] for inner in found] == ["abcd", "abcdefgh", "abcdefghij"]
    assert [inner[4][0][8][0] for inner in found] == [1, 1, 2]
    cid, rid = found[0][1]
    first = inners(said)[0]
    assert first == [None, [None, rid], {"18": rid}]  # the ids come first, rid before cid
    assert [list(inner[2]) for inner in inners(said)[-3:]] == [["11"], ["28"], ["26"]]
    assert all(inner[1] == [cid, rid] for inner in inners(said)[1:])
    assert beside(said)["11"] == ["grow"]


def test_what_is_said_beside_an_answer_stood_by_place_before(google: Google) -> None:
    google.world.switches.positional = True
    google.account("alice").tier = "free"
    found = inners(Hand(google).say("hello"))
    assert all(inner[2] is None for inner in found)
    last = found[-1]
    assert (last[4][0][8], last[10], isinstance(last[25], str)) == ([2], ["hello"], True)
    assert last[27][0][0][3][0] > 1_700_000_000


def test_the_quota_counts_down_with_every_answer(google: Google) -> None:
    hand = Hand(google)
    assert beside(hand.say("prompt"))["28"][0] == []  # what a paid plan has of this model was never seen
    google.account("alice").tier = "free"
    left = [beside(hand.say(f"prompt {n}"))["28"][0][1] for n in range(3)]
    assert [(row[2], row[4], row[5]) for row in left] == [(1, 200, 198), (2, 200, 197), (2, 200, 196)]


def test_a_window_ends_once_and_begins_anew(google: Google) -> None:
    hand, alice = Hand(google), google.account("alice")
    alice.used, alice.spends = (0.5, 0.5), (0.25, 0.0)
    (_, _, _, [[end]]), *_ = hand.ask("jSf9Qc")[1]
    hand.say("one")
    google.world.ahead += 3600
    assert hand.ask("jSf9Qc")[1][0] == [25, 0.75, 1, [[end]]]
    google.world.ahead += 4 * 3600
    assert [row[1] for row in hand.ask("jSf9Qc")[1]][:2] == [0.0, 0.5]
    assert hand.ask("jSf9Qc")[1][0][3] == [[end + 5 * 3600]]


def test_what_becomes_of_a_prompt_without_an_action_left_is_a_switch(google: Google) -> None:
    hand, alice = Hand(google), google.account("alice")
    alice.tier = "free"
    alice.taken["gemini-flash"] = 15
    assert code(hand.say("told")) is None
    google.world.switches.actions = "refused"
    assert code(hand.say("refused")) == 1037


def test_a_chat_that_is_not_kept_ends_with_its_code_instead_of_a_context(google: Google) -> None:
    kept, hand = Hand(google, "bob").say("hello"), Hand(google)
    google.account("alice").stores = False
    lost = hand.say("hello")
    assert (code(kept), code(lost)) == (None, 1096)
    assert texts(lost)[-1] == texts(kept)[-1]
    assert "26" in beside(kept)
    assert "26" not in beside(lost)


def test_thoughts_come_before_the_text_and_stay(google: Google) -> None:
    google.reply("think", "answer", thoughts="a thought <b>", chars=6)
    found = [inner[4][0] for inner in snapshots(Hand(google).say("think")) if inner[4]]
    assert [(row[37][0][0], row[1][0]) for row in found] == [
        ("a thou", ""),
        ("a thought &l", ""),
        ("a thought &lt;b>", ""),
        ("a thought &lt;b>", "answer"),
    ]


def test_frames_are_told_literally_and_raw_is_not_touched(google: Google) -> None:
    google.reply("revise", frames=["one two", "one <2>", "zero"])
    google.reply("wire", raw=["a &lt;", "a &lt;b \\*"])
    hand = Hand(google)
    assert texts(hand.say("revise")) == ["one two", "one &lt;2>", "zero"]
    assert texts(hand.say("wire")) == ["a &lt;", "a &lt;b \\*"]


def test_several_candidates(google: Google) -> None:
    google.reply("two", "text", candidates=2)
    google.reply("named", "text", candidates=("other",))
    hand = Hand(google)
    for prompt, expected in [("two", ["text", "text (draft 2)"]), ("named", ["text", "other"])]:
        found = hand.say(prompt)
        last = snapshots(found)[-1][4]
        assert [row[1][0] for row in last] == expected
        kept = metadata(found)
        kept[2] = last[1][0]
        assert code(hand.say("go on", kept)) is None  # the other draft may be chosen


def test_waiting_parts_come_before_the_first_candidate(google: Google) -> None:
    google.reply("wait", "done", queued=2, busy=1)
    found = [part for part in Hand(google).say("wait") if part[0] == "wrb.fr"]
    assert [bool(part[5]) for part in found][:7] == [False, False, False, True, True, False, False]
    assert json.loads(found[5][2])[2] == {"7": [None] * 5 + [["Analyzing..."]]}
    google.world.switches.positional = True
    found = [part for part in Hand(google).say("wait") if part[0] == "wrb.fr"]
    assert [bool(part[5]) for part in found] == [False, True, True, False, False]
    assert json.loads(found[3][2])[6][1][0] == "data_analysis_tool"


def test_rich_fields_stand_in_the_last_snapshot(google: Google) -> None:
    google.reply("rich", Answer("see", rich={7: [["picture"]]}))
    last = snapshots(Hand(google).say("rich"))[-1][4][0]
    assert "picture" in json.dumps(last[12])


def test_an_empty_prompt_gets_no_answer(google: Google) -> None:
    found = Hand(google).say("")
    assert texts(found) == []
    assert code(found) is None


def test_replies_by_expression_model_count_and_function(google: Google) -> None:
    def speak(prompt: Prompt) -> str:
        return f"{prompt.account} {prompt.model} {prompt.thinking} {[said.prompt for said in prompt.history]}"

    google.reply(re.compile(r"h[ea]llo"), "by expression")
    google.reply("hello", "pro only", model="gemini-pro")
    google.reply("once", "first", times=1)
    google.reply("who", speak)
    hand = Hand(google)
    assert texts(hand.say("hallo"))[-1] == "by expression"
    assert texts(hand.say("hello"))[-1] == "by expression"
    slots = hand.slots("hello")
    slots[79] = 3
    bent = {"slots": slots, "headers": hand.model_headers("e6fa609c3fa255c0", 3)}
    assert texts(parts(google.handle(hand.generate(**bent))))[-1] == "pro only"
    assert [texts(hand.say("say once"))[-1] for _ in range(2)] == ["first", "once"]
    found = hand.say("who")
    assert texts(found)[-1] == "alice gemini-flash False []"
    assert texts(hand.say("who", metadata(found)))[-1] == "alice gemini-flash False ['who']"
    google.clear()
    assert texts(hand.say("hallo"))[-1] == "You said: hallo"


def test_history_is_read_newest_first_and_deleted(google: Google) -> None:
    hand = Hand(google)
    google.reply("", "I <3 you")
    first = hand.say("one")
    second = hand.say("two", metadata(first))
    cid = metadata(second)[0]
    turns = hand.ask("hNvQHb", f'["{cid}",10,null,1,[1],[4],null,1]')[0]
    assert [turn[2][0][0] for turn in turns] == ["two", "one"]
    assert turns[0][0] == [cid, metadata(second)[1]]
    assert turns[0][3][0][0][1][0] == "I &lt;3 you"
    assert turns[0][3][0][0][8][0] == 2
    assert len(hand.ask("hNvQHb", f'["{cid}",1,null,1,[1],[4],null,1]')[0]) == 1
    assert [row[:2] for row in hand.ask("MaZiqc", "[13,null,[0,null,1]]")[2]] == [[cid, "one"]]
    assert hand.ask("MaZiqc", "[13,null,[1,null,1]]")[2] == []
    assert hand.ask("GzXR5e", f'["{cid}"]') == []
    assert hand.ask("qWymEb", f'["{cid}",[1,null,0,1]]') == []
    assert hand.ask("hNvQHb", f'["{cid}",10,null,1,[1],[4],null,1]') == {"status": 13}
    assert code(hand.say("three", metadata(second))) == 1096
    assert list(google.record.violations) == []  # a deleted chat is nobody's fault


def test_going_on_from_an_older_turn_forgets_the_later_ones(google: Google) -> None:
    hand = Hand(google)
    first = hand.say("one")
    hand.say("two", metadata(first))
    found = hand.say("what did I just say", metadata(first))
    assert texts(found)[-1] == "Before this you said: one"


def test_temporary_chats_are_not_in_the_history_but_go_on(google: Google) -> None:
    hand = Hand(google)
    slots = hand.slots("my name is Ada")
    slots[45] = 1
    found = parts(google.handle(hand.generate(slots=slots)))
    slots = hand.slots("what is my name", metadata(found))
    slots[45] = 1
    assert texts(parts(google.handle(hand.generate(slots=slots))))[-1] == "Your name is Ada."
    assert hand.ask("MaZiqc", "[13,null,[0,null,1]]")[2] == []
    assert hand.ask("hNvQHb", f'["{metadata(found)[0]}",10,null,1,[1],[4],null,1]') == {"status": 13}
    left = hand.say("what is my name", metadata(found))
    assert texts(left)[-1] == "You have not told me your name yet."
    assert metadata(left)[0] != metadata(found)[0]


def test_usage_spent_is_1037_and_no_generation(google: Google) -> None:
    hand = Hand(google)
    google.account("alice").used = (1.0, 0.3)
    assert code(hand.say("hello")) == 1037
    assert google.record.generations == 0
    assert hand.ask("jSf9Qc")[1][0][1] == 1.0


@pytest.mark.parametrize(("status", "answer"), [(1060, 1060), (1040, 403)])
def test_an_account_with_a_bad_status_generates_nothing(google: Google, status: int, answer: int) -> None:
    google.account("alice").status = status
    hand = Hand(google)
    assert hand.ask("otAQ7b")[14] == status
    response = google.handle(hand.generate())
    assert answer in (response.status, code(parts(response)) if response.status == 200 else None)
    assert google.record.generations == 0


@pytest.mark.parametrize(
    ("tier", "number", "capacity"), [("free", 1, "1"), ("plus", 4, "4"), ("pro", 2, "2"), ("ultra", 3, "null,2")]
)
def test_every_tier_has_its_models_and_its_capacity(google: Google, tier: str, number: int, capacity: str) -> None:
    google.add_account("carol", tier=tier)
    hand = Hand(google, "carol")
    model, *_ = hand.ask("otAQ7b")[15]
    assert hand.ask("jSf9Qc")[0] == number
    assert code(hand.say("hello", headers=hand.model_headers(model[0], model[17], capacity))) is None
    assert list(google.record.violations) == []


def test_gems_are_made_changed_used_and_deleted(google: Google) -> None:
    hand = Hand(google)
    assert len(hand.ask("CNgdBe", "[3,['en'],0]")[2]) == 2
    gem = hand.ask("oMH3Zd", '[["Name","About","Be brief",null]]')[0]
    assert hand.ask("CNgdBe", "[2,['en'],0]")[2] == [[gem, ["Name", "About"], ["Be brief"]]]
    hand.ask("kHv0Vd", f'["{gem}",["New","About","Be long",null]]')
    assert hand.ask("CNgdBe", "[2,['en'],0]")[2][0][1] == ["New", "About"]
    hand.ask("UXcSJb", f'["{gem}"]')
    assert hand.ask("CNgdBe", "[2,['en'],0]")[2] == []


def test_the_full_size_image_is_three_texts_away(google: Google) -> None:
    hand = Hand(google)
    image = google.gallery.add(b"PNG...", alt="a cat")
    payload = [
        [[None, None, None, [None] * 5 + [""]], [image.id, 0], None, [19, ""], None, None, None, None, None, ""],
        ["r_1", "rc_1", "c_1", None, ""],
        1,
        0,
        1,
    ]
    address = hand.ask("c8o8Fe", json.dumps(payload))[0] + "=d-I?alr=yes"
    for _ in range(2):
        host, _, target = address.removeprefix("https://").partition("/")
        address = whole(google.handle(hand.request("GET", host, f"/{target}", {}))).decode()
    host, _, target = address.removeprefix("https://").partition("/")
    response = google.handle(hand.request("GET", host, f"/{target}", {}))
    assert whole(response) == b"PNG..."
    assert ("content-type", "image/png") in response.headers
    preview = image.preview.removeprefix("https://").partition("/")
    assert whole(google.handle(hand.request("GET", preview[0], f"/{preview[2]}=s1024-rj", {}))) == b"PNG..."
    assert image.item()[0][3][3] == image.preview
    assert google.record.requests_of("image") == 4


def test_the_same_seed_spells_the_same_answers_the_same_way() -> None:
    def styles(seed: int | None) -> list[Style]:
        world = Google(seed=seed).world
        return [world.style(world.dice("generate", "alice", "hello")) for _ in range(20)]

    assert styles(1) == styles(1)
    assert styles(1) != styles(2)
    assert len(set(styles(1))) > 10
    assert set(styles(None)) == {PLAIN}


def test_counters_tell_received_from_generated(google: Google) -> None:
    alice, bob = Hand(google, "alice"), Hand(google, "bob")
    alice.say("say apples")
    bob.say("say pears")
    google.fault("generate", "status", status=429, match="apples")
    google.handle(alice.generate(slots=alice.slots("say apples")))
    record = google.record
    assert (record.received, record.generations) == (3, 2)
    assert (record.received_of("alice"), record.generations_of("alice")) == (2, 1)
    assert (record.received_of(prompt="apples"), record.generations_of(prompt="pears")) == (2, 1)
    assert record.by_account == {"alice": 2, "bob": 1}
    assert record.peak == {"alice": 1, "bob": 1}
    assert [call.outcome for call in record.calls] == ["complete", "complete", "complete"] or record.calls[
        2
    ].fault == "status"
    record.clear()
    assert (record.received, record.generations, list(record.calls)) == (0, 0, [])


def test_what_is_kept_is_bounded_and_what_is_counted_is_not(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemgate_simulator.record._CALL_BYTES", 1000)
    monkeypatch.setattr("gemgate_simulator.chats._MOST_CHARACTERS", 1000)
    hand = Hand(google)
    for n in range(50):
        hand.say(f"say {n} " + "x" * 100)
    assert google.record.received == google.record.generations == 50
    assert len(google.record.calls) <= 11
    assert len(google.world.chats) <= 10
    assert google.record.calls[-1].prompt.startswith("say 49")


def test_a_function_that_raises_is_not_swallowed(google: Google) -> None:
    def broken(prompt: Prompt) -> str:
        raise LookupError(prompt.text)

    google.reply("", broken)
    with pytest.raises(LookupError):
        Hand(google).say("hello")
    assert google.record.open_streams == 0
