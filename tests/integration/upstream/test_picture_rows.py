"""An image's own row: token and prompt for the full-size route, its size as announced, silence before it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gemgate.errors import Stalled
from gemgate.ports.upstream import ImageReady, ImageRef
from gemgate.upstreams.web.answer import Answer
from gemgate.upstreams.web.facts import shipped
from gemgate_simulator import Painting, Simulator
from gemgate_simulator.encode import size_of
from tests.integration.upstream.conftest import FAR, SignIn, answered, joined, pieces

ROW = [[None, None, None, [None, 1, "cat.png", "https://lh3.googleusercontent.com/gg/x", None, "$tok", *[None] * 5,
       "image/png", None, None, None, [1408, 768, 99_000]]], ["0123456789abcdef", 0]]  # fmt: skip


def refs(found: list[Any]) -> list[ImageRef]:
    return [piece.ref for piece in found if isinstance(piece, ImageReady)]


def frame(rich: Any) -> str:
    candidate = ["rc_1", ["Here."], *[None] * 6, [2], *[None] * 3, rich]
    return json.dumps([["wrb.fr", None, json.dumps([None, ["c_1", "r_1"], None, None, [candidate]])]])


@pytest.mark.parametrize(
    "rich",
    [[*[None] * 7, [[ROW]]], [{"8": [[ROW]]}], [None, {"8": [[ROW]]}]],
    ids=["by place", "the dict alone", "the dict behind"],
)
def test_rows_are_read_in_every_form(rich: Any) -> None:
    answer = Answer("m", None, exact=True, prompt="a cat")
    (ref,) = refs(answer.feed([frame(rich)]))
    assert (ref.image_id, ref.token, ref.prompt, ref.announced) == (
        "0123456789abcdef", "$tok", "a cat", (1408, 768, 99_000),
    )  # fmt: skip
    assert "tok" not in repr(ref)


@pytest.mark.parametrize("bare", [False, True], ids=["today's row", "the old row"])
async def test_the_full_size_route_works_with_both_rows(sim2: Simulator, signed_in: SignIn, bare: bool) -> None:
    sim2.google.world.switches.bare_pictures = bare
    upstream = await signed_in(sim2)
    sim2.google.reply("a cat", "Here.", image=Painting("gradient", size=(64, 48)))
    (ref,) = refs(await pieces(upstream, "a cat"))
    assert ref.announced[:2] == (() if bare else (64, 48))
    fetched = await upstream.fetch_image(ref, None)
    assert (fetched.source, fetched.data) == ("full_size", sim2.google.original(ref.image_id))
    again = await upstream.read_chat(ref.cid)
    assert again is not None
    assert (refs(again)[0].token, refs(again)[0].prompt) == (ref.token, ref.prompt)
    assert not sim2.record.violations


async def test_the_unlimited_link_comes_between_the_full_size_and_the_suffixes(
    sim2: Simulator, signed_in: SignIn
) -> None:
    upstream = await signed_in(sim2)
    sim2.google.reply("a cat", "Here.", image=Painting("gradient", size=(64, 48)))
    (ref,) = refs(await pieces(upstream, "a cat"))
    sim2.google.fault("c8o8Fe", "status", status=500, times=-1)
    fetched = await upstream.fetch_image(ref, None)
    assert fetched.source == "s0"
    assert [fetch.options for fetch in sim2.record.images[-1].fetches if fetch.route == "preview"] == ["s0"]


async def test_a_long_silence_before_a_image_is_waited_out_and_only_there(sim2: Simulator, signed_in: SignIn) -> None:
    facts = shipped().model_copy(update={"pictures": shipped().pictures.model_copy(update={"idle_seconds": 15.0})})
    limits = replace(FAR, idle=0.8)
    upstream = await signed_in(sim2, deadlines=limits, facts=facts)
    sim2.google.reply("a cat", "Here.", image=Painting("gradient", size=(64, 48)), progress=1)
    sim2.google.fault("generate", "stall", after_frames=1, seconds=2.4, times=-1)
    found = await pieces(upstream, "a cat", images=True)
    assert len(refs(found)) == 1
    with pytest.raises(Stalled):
        await pieces(upstream, "a cat", temporary=True)
    assert sim2.record.generations == 2


@pytest.mark.parametrize("tool", [0, 14])
async def test_the_image_tool_is_asked_for_only_where_the_operator_says_so(
    sim2: Simulator, signed_in: SignIn, tool: int
) -> None:
    facts = shipped().model_copy(update={"pictures": shipped().pictures.model_copy(update={"tool": tool})})
    assert shipped().pictures.tool == 0
    upstream = await signed_in(sim2, facts=facts)
    sim2.google.reply("a cat", "Here.", image=Painting("gradient", size=(64, 48)))
    assert len(refs(await pieces(upstream, "a cat", images=True))) == 1
    await pieces(upstream, "words only")
    assert [call.tool for call in sim2.record.calls] == [tool, 0]
    assert not sim2.record.violations


async def test_thoughts_without_a_image_are_an_answer_without_one(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.reply("a cat", "", thoughts="A cat, sitting.")
    found = await pieces(upstream, "a cat", images=True)
    assert (refs(found), joined(found)) == ([], "")


async def test_the_first_image_of_a_chat_is_doubled_and_further_ones_are_not(
    sim2: Simulator, signed_in: SignIn
) -> None:
    """The row tells what was painted, and that is what every other link gives (docs/google-wire.md 3.4)."""
    upstream = await signed_in(sim2)
    sim2.google.images(enlarges=True, most_side=256, kind="gradient")
    sim2.google.reply("draw", "Here.", image=Painting())
    found = await pieces(upstream, "draw a cat")
    (first,) = refs(found)
    (further,) = refs(await pieces(upstream, "draw another", thread=answered(found).thread))
    assert [ref.announced[:2] for ref in (first, further)] == [(128, 128), (128, 128)]
    for ref, side in ((first, 256), (further, 128)):
        full = await upstream.fetch_image(ref, None)
        assert (full.source, size_of(full.data)) == ("full_size", (side, side))
    assert further.announced[2] == len(full.data)  # not made up
    sim2.google.fault("c8o8Fe", "status", status=500, times=-1)
    unlimited = await upstream.fetch_image(first, None)
    assert (unlimited.source, size_of(unlimited.data)) == ("s0", (128, 128))
    assert first.announced[2] == len(unlimited.data)
    assert not sim2.record.violations
