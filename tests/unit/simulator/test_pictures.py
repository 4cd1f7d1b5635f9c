"""Generated images as the service hands them out: without a socket, by requests made by hand."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gemgate.imaging.logo_profiles import V1_SMALL
from gemgate_simulator.encode import caption, encoded
from gemgate_simulator.exchange import Response
from gemgate_simulator.google import Google
from gemgate_simulator.paint import Painting, decoded, fingerprint, frame_width, painted, read_mark
from gemgate_simulator.record import Drawn, Record
from gemgate_simulator.refusals import WORDINGS
from gemgate_simulator.script import Answer, Prompt
from tests.support.handmade_calls import Clock, Hand, code, metadata, parts, referred, snapshots, texts, whole

PLACEHOLDER = "http://googleusercontent.com/image_generation_content/0"


def images(found: list[Any]) -> list[Any]:
    """The entries of rich field 7 in the last snapshot, wherever it stands."""
    return rich(snapshots(found)[-1], 7)[0]


def rich(inner: list[Any], number: int) -> Any:
    row = inner[4][0][12] or []
    if row and isinstance(row[-1], dict) and str(number + 1) in row[-1]:
        return row[-1][str(number + 1)]
    return row[number] if len(row) > number and not isinstance(row[number], dict) else None


def get(hand: Hand, address: str, cookies: dict[str, str] | None = None) -> Response:
    host, _, target = address.removeprefix("https://").partition("/")
    request = hand.request("GET", host, f"/{target}", {})
    if cookies is not None:
        request.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return hand.google.handle(request)


def download(hand: Hand, image_id: str, ids: list[str]) -> Any:
    """c8o8Fe, with the picture's own token and prompt; ids: rid, rcid, cid."""
    known = hand.google.gallery.find(image_id)
    token, prompt = (known.token, known.drawn.prompt) if known and known.drawn else ("", "")
    row = [[None] * 3 + [[None] * 5 + [token]], [image_id, 0], None, [19, prompt], None, None, None, None, None, ""]
    return hand.ask("c8o8Fe", json.dumps([row, [*ids, None, ""], 1, 0, 1]))


def ids_of(found: list[Any]) -> list[str]:
    last = snapshots(found)[-1]
    return [last[1][1], last[4][0][0], last[1][0]]


def fetched(hand: Hand, found: list[Any]) -> bytes:
    """The first image of an answer, the whole way."""
    address = download(hand, images(found)[0][1][0], ids_of(found))[0] + "=d-I?alr=yes"
    for _ in range(2):
        address = whole(get(hand, address)).decode()
    return whole(get(hand, address))


def ask_for(google: Google, account: str, image_id: str) -> Response:
    hand = Hand(google, account)
    row = [[None, None, None, [None] * 5 + [""]], [image_id, 0], None, [19, ""], None, None, None, None, None, ""]
    return google.handle(hand.rpc(("c8o8Fe", json.dumps([row, ["r", "rc", "c", None, ""], 1, 0, 1]))))


def drawn(google: Google) -> Drawn:
    return google.record.images[-1]


@pytest.mark.parametrize("seed", range(6))
def test_a_progress_frame_comes_before_the_image(seed: int) -> None:
    google = Google(("alice",), seed=seed)
    found = Hand(google).say("draw a cat")
    inners = [inner for inner in snapshots(found) if inner[4]]
    assert rich(inners[0], 6) is not None
    assert rich(inners[0], 7) is None
    assert inners[0][4][0][8] == [1]
    assert rich(inners[-1], 6) is None
    assert inners[-1][4][0][8] == [2]
    (item,) = images(found)
    assert item[0][3][2] == "draw a cat"
    assert item[0][3][3].startswith("https://lh3.googleusercontent.com/gg/")
    assert texts(found)[-1].removeprefix(PLACEHOLDER + "\n\n") == "Here is your picture."


def test_the_seed_decides_between_both_forms_and_the_placeholder() -> None:
    sparse, linked = set(), set()
    for seed in range(12):
        found = Hand(Google(("alice",), seed=seed)).say("draw a cat")
        sparse.add(isinstance(snapshots(found)[-1][4][0][12][-1], dict))
        linked.add(texts(found)[-1].startswith("http"))
    assert sparse == linked == {True, False}


def test_the_full_size_is_the_painting_with_its_logo(google: Google) -> None:
    google.images(logo="v1")
    hand = Hand(google)
    data = fetched(hand, hand.say("draw a cat"))
    image = drawn(google)
    assert data == google.original(image.id)
    plain = google.plain(image.id)
    assert decoded(data).shape == (1024, 1024, 3) == (image.height, image.width, 3)
    changed = (decoded(data) != decoded(plain)).any(axis=2)
    assert 0 < changed.sum() < 48 * 48
    assert changed[-80:-32, -80:-32].sum() == changed.sum()
    assert (image.logo, image.mime, image.prompt, image.account) == (
        "v1-48",
        "image/png",
        "draw a cat",
        "alice",
    )
    assert caption(data) == {"generation": 1, "account": "alice", "prompt": "draw a cat", "image": image.id}
    assert [fetch.route for fetch in image.fetches] == ["c8o8Fe", "hop1", "hop2", "original"]
    assert {fetch.status for fetch in image.fetches} == {200}
    assert {fetch.outcome for fetch in image.fetches} == {"complete"}
    assert list(google.record.violations) == []


def test_the_same_prompt_gives_the_same_images_in_the_same_order() -> None:
    def three(prompt: str) -> list[str]:
        google = Google(("alice",))
        hand = Hand(google)
        for _ in range(3):
            hand.say(prompt)
        return [fingerprint(google.plain(image.id)) for image in google.record.images]

    assert three("draw a cat") == three("draw a cat")
    assert len(set(three("draw a cat") + three("draw a dog"))) == 6


def test_a_prompt_repeated_for_ever_costs_four_paintings(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(
        "gemgate_simulator.studio.painted", lambda kind, seed, size: made.append(seed) or painted(kind, seed, size)
    )
    google.reply("cat", image=Painting(size=(600, 600)))
    hand = Hand(google)
    files = {fetched(hand, hand.say("cat")) for _ in range(20)}
    assert len(set(made)) == len(made) == 4
    assert len(files) == 20, "each still says which generation it came from"
    assert sorted(caption(file)["generation"] for file in files) == list(range(1, 21))  # type: ignore[index]


def test_sizes_follow_model_aspect_and_rules(google: Google) -> None:
    google.add_account("uma", tier="ultra")
    google.images(logo="v1")
    google.images(tier="ultra", logo="none")
    google.images(tier="ultra", model="gemini-pro", resolution="4K")
    google.images(account="bob", most_side=640)

    def size(account: str, model: int, prompt: str) -> tuple[int, int, str]:
        hand = Hand(google, account)
        row = hand.ask("otAQ7b")[15][model]
        capacity = "null,2" if account == "uma" else "2"
        slots = hand.slots(prompt)
        slots[79] = row[17]
        headers = hand.model_headers(row[0], row[17], capacity)
        assert code(parts(google.handle(hand.generate(slots=slots, headers=headers)))) is None
        return drawn(google).width, drawn(google).height, drawn(google).logo

    assert size("alice", 0, "draw a cat") == (1024, 1024, "v1-48")
    assert size("alice", 0, "draw a cat, 16:9") == (1376, 768, "v1-48")
    assert size("alice", 1, "draw a cat") == (2048, 2048, "v1-96")
    assert size("alice", 1, "draw a cat, aspect ratio 16:9") == (2816, 1536, "v1-96")
    assert size("uma", 1, "draw a cat") == (4096, 4096, "")
    assert size("uma", 0, "draw a cat") == (1024, 1024, "")
    assert size("bob", 1, "draw a cat, 16:9") == (640, 349, "v1-48")
    google.clear()
    assert size("bob", 1, "draw a cat")[:2] == (2048, 2048)


def test_logos_are_those_that_are_reported(google: Google) -> None:
    """By default of every anchor, each where it belongs, and some images without (docs/google-wire.md 3.6)."""
    google.add_account("uma", tier="ultra")
    for account in ("alice", "uma"):
        hand = Hand(google, account)
        for n in range(60):
            hand.say(f"draw cat {n}")
    seen = {image.account: set() for image in google.record.images}
    for image in google.record.images:
        seen[image.account].add(image.logo)
    assert seen == {"alice": {"v2-48", "v2-48-corner", "v2-42-30", "v1-48", "v1-96", ""}, "uma": {""}}


def test_a_script_brings_paintings_bytes_and_functions(google: Google) -> None:
    mine = encoded(painted("vector", 1, (300, 200)), Painting(mime="image/jpeg"))
    google.reply("painting", "Here", image=Painting("page", seed=1, size=(700, 500), logo="v2", mime="image/webp"))
    google.reply("bytes", image=mine, fetch_delay=0.5)
    google.reply("function", image=lambda prompt: Painting("noise", seed=len(prompt.text), size=(64, 64)))
    google.reply("all", image=[mine, Painting(size=(99, 64)), b"no picture at all"])
    google.reply("answer", Answer("text", images=(Painting(size=(98, 64)),)))
    google.reply("speaker", lambda prompt: Answer("text", images=(Painting(size=(97, 64)),)))
    hand = Hand(google)
    found = hand.say("painting")
    assert texts(found)[-1].removeprefix(PLACEHOLDER + "\n\n") == "Here"
    assert fetched(hand, found).startswith(b"RIFF")
    assert (drawn(google).kind, drawn(google).logo) == ("page", "v2-48")
    found = hand.say("bytes")
    assert (drawn(google).width, drawn(google).height, drawn(google).mime) == (300, 200, "image/jpeg")
    assert (drawn(google).kind, drawn(google).logo) == ("given", "")
    assert fetched(hand, found) == mine
    assert get(hand, images(found)[0][0][3][3]).delay == 0.5
    hand.say("function")
    assert (drawn(google).kind, drawn(google).seed, drawn(google).logo) == ("noise", len("function"), "")
    assert [google.image(item[1][0]).work.size for item in images(hand.say("all"))] == [
        (300, 200),
        (99, 64),
        (0, 0),
    ]
    for word, width in (("answer", 98), ("speaker", 97)):
        hand.say(word)
        assert drawn(google).width == width
    with pytest.raises(ValueError, match="brings its own"):
        google.reply("x", Answer("y"), image=Painting())
    assert list(google.record.violations) == []


def test_a_logo_may_stand_elsewhere(google: Google) -> None:
    moved = replace(V1_SMALL, name="moved", right=300, bottom=10)
    google.images(logo=moved)
    Hand(google).say("draw a cat")
    image = drawn(google)
    changed = np.argwhere(decoded(google.original(image.id)) != decoded(google.plain(image.id)))
    assert image.logo == "moved"
    assert changed[:, 0].min() >= 1024 - 58
    assert changed[:, 1].max() < 1024 - 300


def test_previews_come_in_the_sizes_that_links_ask_for(google: Google) -> None:
    hand = Hand(google)
    address = images(hand.say("draw a cat, 16:9"))[0][0][3][3]
    for suffix, kind, size in (
        ("", "PNG", (512, 286)),
        ("=s512", "PNG", (512, 286)),
        ("=s1024-rj", "JPEG", (1024, 572)),
        ("=s2048-rj", "JPEG", (1376, 768)),
        ("=s4096-rj", "JPEG", (1376, 768)),
        ("=s2048", "PNG", (1376, 768)),
    ):
        response = get(hand, address + suffix)
        with Image.open(io.BytesIO(whole(response))) as image:
            assert (image.format, image.size) == (kind, size)
        assert dict(response.headers)["content-type"] == f"image/{kind.lower()}"
    assert google.record.fetches_of("preview") == 6
    assert google.record.requests_of("image") == 6
    assert [fetch.options for fetch in drawn(google).fetches][2] == "s1024-rj"


def test_only_the_session_of_the_account_gets_the_full_size(google: Google) -> None:
    alice = Hand(google)
    found = alice.say("draw a cat")
    address = download(alice, images(found)[0][1][0], ids_of(found))[0] + "=d-I?alr=yes"
    assert address.startswith("https://lh3.googleusercontent.com/gg-dl/")
    relay = whole(get(alice, address)).decode()
    assert relay.startswith("https://work.fife.usercontent.google.com/rd-gg-dl/")
    assert get(alice, relay, cookies={}).status == 403
    google.expire("alice")
    assert get(alice, relay).status == 403
    google.revive("alice")
    assert list(google.record.violations) == []
    assert get(alice, relay, cookies=google.cookies("bob")).status == 403
    assert "another account" in google.record.violations[-1]
    assert get(alice, relay).status == 200
    assert [fetch.status for fetch in drawn(google).fetches][-4:] == [403, 403, 403, 200]


def test_a_foreign_image_cannot_be_asked_for(google: Google) -> None:
    found = Hand(google).say("draw a cat")
    assert ask_for(google, "bob", images(found)[0][1][0]).status == 403
    assert "another account" in google.record.violations[-1]
    assert google.record.fetches_of("c8o8Fe") == 0


def test_an_answer_must_be_the_images_own(google: Google) -> None:
    hand = Hand(google)
    first, second = hand.say("draw a cat"), hand.say("draw a dog")
    assert download(hand, images(first)[0][1][0], ids_of(second)) == {"status": 5}
    assert "not one of the answer" in google.record.violations[-1]
    assert download(hand, "image_unknown", ids_of(second)) == {"status": 5}
    assert "unknown picture" in google.record.violations[-1]


def test_session_cookies_do_not_belong_on_the_public_host(google: Google) -> None:
    hand = Hand(google)
    address = images(hand.say("draw a cat"))[0][0][3][3]
    assert get(hand, address, cookies=hand.cookies).status == 200
    assert list(google.record.violations) == ["session cookies were sent to lh3.googleusercontent.com"]


def test_links_end_and_history_gives_new_ones(google: Google, clock: Clock) -> None:
    hand = Hand(google)
    found = hand.say("draw a cat")
    address = images(found)[0][0][3][3]
    assert get(hand, address).status == 200
    clock.now += 7 * 3600
    assert get(hand, address).status == 403
    cid = snapshots(found)[-1][1][0]
    turn = hand.ask("hNvQHb", f'["{cid}",10,null,1,[1],[4],null,1]')[0][0]
    (item,) = rich([None, None, None, None, turn[3][0]], 7)[0]
    assert item[1][0] == drawn(google).id
    assert get(hand, item[0][3][3]).status == 200
    assert list(google.record.violations) == []


@pytest.mark.parametrize(
    ("end", "status"),
    [("=x9", 400), ("=d-I", 302), ("=d", 302), ("=s1024-rj", 403), ("", 403)],
)
def test_the_way_is_walked_as_it_is_meant(google: Google, end: str, status: int) -> None:
    hand = Hand(google)
    found = hand.say("draw a cat")
    base = download(hand, images(found)[0][1][0], ids_of(found))[0]
    assert get(hand, base + end).status == status


def test_links_cannot_be_made_up(google: Google) -> None:
    hand = Hand(google)
    found = hand.say("draw a cat")
    address = images(found)[0][0][3][3]
    assert get(hand, address.replace("/gg/", "/gg-dl/") + "=d-I?alr=yes").status == 403
    assert get(hand, address[:-4] + "AAAA").status == 403
    assert get(hand, "https://lh3.googleusercontent.com/gg/abcde").status == 403
    assert len(google.record.violations) == 3
    assert get(hand, "https://lh3.googleusercontent.com/elsewhere/abc").status == 404


def uploaded(hand: Hand, data: bytes, name: str) -> str:
    return whole(hand.google.handle(hand.upload(data, name))).decode()


def with_files(hand: Hand, prompt: str, *files: tuple[str, str], **bent: Any) -> list[Any]:
    slots = hand.slots(prompt, **bent)
    slots[0][3] = [referred(file_id, name) for file_id, name in files]
    return parts(hand.google.handle(hand.generate(slots=slots)))


def test_the_full_size_route_wants_the_row_s_own_token_and_prompt(google: Google) -> None:
    hand = Hand(google)
    found = hand.say("draw a cat")
    facts = images(found)[0][0][3]
    image = drawn(google)
    assert (facts[5], facts[15][:2]) == (google.image(image.id).token, [image.width, image.height])
    assert facts[11] == image.mime
    for token, prompt in [("", ""), (facts[5], ""), ("", "draw a cat"), (facts[5], "draw a dog")]:
        row = [[None] * 3 + [[None] * 5 + [token]], [image.id, 0], None, [19, prompt], *[None] * 5, ""]
        assert hand.ask("c8o8Fe", json.dumps([row, [*ids_of(found), None, ""], 1, 0, 1])) == {"status": 3}
    assert len(google.record.violations) == 4
    assert download(hand, image.id, ids_of(found))
    google.world.switches.bare_pictures = True
    found = hand.say("draw a dog")
    assert len(images(found)[0][0][3]) == 4
    row = [[None] * 3 + [[None] * 5 + [""]], [drawn(google).id, 0], None, [19, ""], *[None] * 5, ""]
    assert hand.ask("c8o8Fe", json.dumps([row, [*ids_of(found), None, ""], 1, 0, 1]))


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/webp"])
def test_an_edit_is_made_of_the_first_image_that_came(google: Google, mime: Any) -> None:
    hand, name = Hand(google), f"a.{mime.partition('/')[2]}"
    reference = encoded(painted("photo", 5, (777, 555)), Painting(mime=mime))
    notes, sent = uploaded(hand, b"notes", "n.txt"), uploaded(hand, reference, name)
    other = uploaded(hand, encoded(painted("photo", 6, (64, 64)), Painting()), "b.png")
    with_files(hand, "make the sky blue", (notes, "n.txt"), (sent, name), (other, "b.png"))
    image = drawn(google)
    assert (image.kind, image.of, image.width, image.height) == ("edit", sent, 777, 555)
    assert google.record.calls[-1].files[1].data == reference
    edge = frame_width((777, 555))
    inside = (slice(edge, -edge), slice(edge, -edge))
    assert np.array_equal(decoded(google.plain(image.id))[inside], 255 - decoded(reference)[inside])
    assert (decoded(google.original(image.id)) != decoded(google.plain(image.id))).any()


@pytest.mark.parametrize(("size", "edited"), [((1, 1), (8, 8)), ((2, 9000), (8, 4096)), ((9, 7), (9, 8))])
def test_an_edit_of_a_tiny_image_has_the_least_size(
    google: Google, size: tuple[int, int], edited: tuple[int, int]
) -> None:
    """The image everybody tries first has one pixel."""
    hand = Hand(google)
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    with_files(hand, "make it blue", (uploaded(hand, file.getvalue(), "a.png"), "a.png"))
    [image] = google.record.images
    assert (image.kind, image.width, image.height) == ("edit", *edited)


def test_a_script_may_edit_or_paint_anew(google: Google) -> None:
    hand = Hand(google)
    sent = uploaded(hand, encoded(painted("photo", 5, (320, 200)), Painting()), "a.png")
    google.reply("edit", image=Painting())
    google.reply("anew", image=Painting("vector"))
    with_files(hand, "edit", (sent, "a.png"))
    assert (drawn(google).of, drawn(google).width) == (sent, 320)
    with_files(hand, "anew", (sent, "a.png"))
    assert (drawn(google).of, drawn(google).width) == ("", 1024)


def test_a_file_that_only_begins_like_a_image_is_painted_over(google: Google) -> None:
    hand = Hand(google)
    sent = uploaded(hand, encoded(painted("photo", 5, (320, 200)), Painting())[:200], "a.png")
    found = with_files(hand, "remove the tree", (sent, "a.png"))
    assert decoded(fetched(hand, found)).shape == (200, 320, 3)


def test_a_image_of_the_chat_is_edited_without_its_logo(google: Google) -> None:
    hand = Hand(google)
    first = hand.say("draw a cat")
    hand.say("make it darker", metadata(first))
    before, after = google.record.images
    assert (after.kind, after.of) == ("edit", before.id)
    edge = frame_width((1024, 1024))
    inside = (slice(edge, -edge), slice(edge, -edge))
    plain = decoded(google.plain(before.id))
    assert np.array_equal(decoded(google.plain(after.id))[inside], 255 - plain[inside])


def test_drafts_show_the_images_too(google: Google) -> None:
    google.reply("go", "text", image=Painting(size=(64, 64)), candidates=2)
    hand = Hand(google)
    found = hand.say("go")
    rcid = snapshots(found)[-1][4][1][0]
    rid, _, cid = ids_of(found)
    assert download(hand, images(found)[0][1][0], [rid, rcid, cid])[0].startswith("https://")


def test_words_come_in_their_turn_instead_of_a_image(google: Google) -> None:
    hand = Hand(google)
    google.refuse("cat", "quota", language="zh")
    google.refuse("dog", wording=1, times=1)
    said = [texts(hand.say("draw a cat"))[-1] for _ in range(4)]
    assert said == [*WORDINGS["quota"]["zh"], WORDINGS["quota"]["zh"][0]]
    assert texts(hand.say("draw a dog"))[-1] == WORDINGS["refusal"]["en"][1]
    assert not google.record.images
    hand.say("draw a dog")
    assert len(google.record.images) == 1
    with pytest.raises(ValueError, match="one of"):
        google.refuse("x", "refusal", language="tlh")


def test_cheap_images_are_small_and_all_different(google: Google) -> None:
    google.images(cheap=True, logo="v1")
    hand = Hand(google)
    marks = []
    for n in range(30):
        data = fetched(hand, hand.say(f"draw cat {n}"))
        assert len(data) < 20_000
        about = caption(data)
        assert about is not None
        assert (about["prompt"], about["generation"]) == (f"draw cat {n}", n + 1)
        marks.append(read_mark(data))
    assert marks == list(range(1, 31))
    assert (drawn(google).width, drawn(google).logo) == (256, "v1-48")


def test_rules_may_change_the_file(google: Google) -> None:
    google.images(mime="image/jpeg", quality=90, icc=True, c2pa=True, xmp=b"<x/>", kind="page", model="gemini-flash")
    hand = Hand(google)
    data = fetched(hand, hand.say("draw a cat"))
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert image.info["icc_profile"]
        assert image.info["xmp"] == b"<x/>"
    assert drawn(google).kind == "page"
    assert decoded(google.plain(drawn(google).id)).shape == (1024, 1024, 3)
    with pytest.raises(ValueError, match="unknown wish"):
        google.images(colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="resolution"):
        google.images(resolution="8K")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="nobody"):
        google.images(account="nobody", cheap=True)


def test_an_unnamed_model_may_be_refused_images(google: Google) -> None:
    google.images(named_model=True)
    hand = Hand(google)
    assert "limit" in texts(hand.say("draw a cat"))[-1]
    row = hand.ask("otAQ7b")[15][0]
    assert images(hand.say("draw a cat", headers=hand.model_headers(row[0], row[17])))


@pytest.mark.parametrize("place", ["image", "preview"])
def test_faults_strike_the_images_they_are_meant_for(google: Google, place: str) -> None:
    hand = Hand(google)
    cat, dog = (images(hand.say(f"draw a {animal}"))[0][0][3][3] for animal in ("cat", "dog"))
    google.fault(place, "expired", match="dog", account="alice")
    google.fault(place, "html", match="cat", times=2)
    google.fault("original", "status", status=500)
    assert get(hand, dog).status == 403
    assert get(hand, dog).status == 200
    assert dict(get(hand, cat).headers)["content-type"].startswith("text/html")
    assert get(hand, cat).status == 200
    assert dict(get(hand, cat).headers) == {}, "not made yet: Later decides"
    assert google.record.fetches_of("preview", prompt="cat") == 3


@pytest.mark.parametrize(
    ("kind", "place", "message"),
    [
        ("expired", "c8o8Fe", "only at"),
        ("html", "generate", "only at"),
        ("truncated", "any", "only at"),
        ("reset", "hop3", "unknown place"),
    ],
)
def test_faults_only_images_have_happen_only_there(google: Google, kind: Any, place: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        google.fault(place, kind)
    with pytest.raises(ValueError, match="early"):
        google.fault("hop1", "reset", early=True)


def test_the_record_travels(google: Google) -> None:
    hand = Hand(google)
    fetched(hand, hand.say("draw a cat"))
    copy = Record.from_dict(json.loads(json.dumps(google.record.as_dict())))
    assert list(copy.images) == list(google.record.images)
    assert copy.fetches_of("original", account="alice") == 1
    google.record.clear()
    assert not google.record.images


def test_a_guest_is_asked_to_sign_in(google: Google) -> None:
    hand = Hand(google, None)
    assert "signed in" in texts(hand.say("draw a cat"))[-1]
    google.reply("", lambda prompt: Answer("", images=(Painting(size=(64, 64)),)) if not prompt.account else "")
    found = hand.say("draw a cat")
    assert get(hand, images(found)[0][0][3][3]).status == 200


def test_what_is_on_show_is_bounded(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemgate_simulator.gallery._MOST", 5)
    monkeypatch.setattr("gemgate_simulator.gallery._MOST_BYTES", 2_500)
    hand = Hand(google)
    for _ in range(8):
        hand.say("draw a cat")
    assert len([one for one in google.record.images if google.gallery.find(one.id)]) == 5
    google.reply("mine", image=bytes(1_000))
    for _ in range(4):
        hand.say("mine")
    assert len([one for one in google.record.images if google.gallery.find(one.id)]) == 2
    with pytest.raises(KeyError, match="no picture"):
        google.plain(google.record.images[0].id)


def test_a_prompt_is_what_a_brush_looks_at(google: Google) -> None:
    seen: list[Prompt] = []
    google.reply("", image=lambda prompt: seen.append(prompt) or Painting(size=(64, 64)))
    Hand(google).say("anything")
    assert (seen[0].text, seen[0].account, seen[0].paints) == ("anything", "alice", True)
