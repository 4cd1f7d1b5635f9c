"""What a conversation holds is read by its id: a finished answer with its image, one that is being written, none."""

from __future__ import annotations

from gemgate.ports.upstream import Accepted, Completed, ImageReady
from gemgate_simulator import Painting, Simulator
from tests.integration.upstream.conftest import SignIn, pieces, prompt
from tests.support.patience import until


async def test_a_chat_is_read_back_with_its_image_and_tells_whether_it_is_still_being_written(
    sim2: Simulator, signed_in: SignIn
) -> None:
    upstream = await signed_in(sim2)
    sim2.google.reply("a cat", "Here it is.", image=Painting("gradient", size=(64, 48)))
    said = await pieces(upstream, "draw a cat")
    (ref,) = [piece.ref for piece in said if isinstance(piece, ImageReady)]
    again = await upstream.read_chat(ref.cid)
    assert again is not None
    (found,) = [piece.ref for piece in again if isinstance(piece, ImageReady)]
    assert (found.image_id, found.cid, found.rid, found.rcid) == (ref.image_id, ref.cid, ref.rid, ref.rcid)
    assert isinstance(again[-1], Completed)
    assert (await upstream.fetch_image(found, None)).data == sim2.google.original(ref.image_id)
    sim2.google.reply("slowly", "abc " * 50, chars=4, pace=0.2)
    stream = upstream.stream(prompt(upstream, "slowly"))
    accepted = await anext(stream)
    assert isinstance(accepted, Accepted)
    running = await upstream.read_chat(accepted.cid)
    assert running is not None
    assert not any(isinstance(piece, Completed) for piece in running)
    await stream.aclose()
    await until(lambda: not sim2.record.open_streams)
    assert await upstream.read_chat(accepted.cid) is None
    assert not sim2.record.violations


async def test_whether_a_temporary_chat_can_be_read_is_google_s_affair(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    stream = upstream.stream(prompt(upstream, "hello", temporary=True))
    accepted = [piece async for piece in stream if isinstance(piece, Accepted)]
    assert await upstream.read_chat(accepted[0].cid) is None
    sim2.google.world.reads_temporary = True
    assert await upstream.read_chat(accepted[0].cid) is not None
    assert not sim2.record.violations
