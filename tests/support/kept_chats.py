"""Chats that an account of the simulated Google has kept, as if its owner had had them in the app."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from gemgate_simulator import Simulator
from gemgate_simulator.chats import Chat, Turn
from gemgate_simulator.model_names import Named

DAY = 1_795_000_000.0


def kept(
    sim: Simulator,
    title: str,
    said: Iterable[tuple[str, str]] = (("hello", "hi"),),
    *,
    account: str = "alice",
    pinned: bool = False,
    at: float = DAY,
) -> str:
    """A chat with these prompts and answers, the last one at `at`; its id."""
    world = sim.google.world
    chat = Chat(f"c_{secrets.token_hex(8)}", account, "m", title, pinned=pinned)
    turns = list(said)
    for number, (prompt, answer) in enumerate(turns):
        turn = Turn(
            f"r_{secrets.token_hex(8)}",
            (f"rc_{secrets.token_hex(8)}",),
            "",
            prompt,
            "m",
            at - (len(turns) - 1 - number) * 60,
            texts=(answer,),
            state="whole",
            named=Named("3.6 Flash", "fbb127bbb056c959"),
        )
        world.chats.add(chat, turn, number, len(prompt) + len(answer))
    return chat.cid
