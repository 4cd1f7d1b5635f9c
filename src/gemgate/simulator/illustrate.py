"""The pictures of an answer: each order becomes a work, goes on show for its account, and stands in the record."""

from __future__ import annotations

import secrets

from gemgate.simulator.encode import size_of
from gemgate.simulator.gallery import Picture
from gemgate.simulator.paint import Painting
from gemgate.simulator.record import Drawn
from gemgate.simulator.script import Answer, Brush, Prompt
from gemgate.simulator.streaming import Telling
from gemgate.simulator.studio import Painted, Reference, Sitting, Work, pictures_among
from gemgate.simulator.world import World

_ALT = 120


def illustrate(world: World, told: Telling, answer: Answer) -> tuple[Picture, ...]:
    """Put the pictures of `answer` on show, in their order."""
    return tuple(_shown(world, told, brush, answer.fetch_delay) for brush in answer.images)


def _shown(world: World, told: Telling, brush: Brush, delay: float) -> Picture:
    prompt, turn = told.prompt, told.turn
    order = brush(prompt) if callable(brush) else brush
    number = world.record.generations
    about = {"generation": number, "account": prompt.account, "prompt": prompt.text[:500]}
    work: Work
    if isinstance(order, Painting):
        tier = world.accounts[prompt.account].tier if prompt.account else "free"
        sitting = Sitting(prompt.text, prompt.account, tier, prompt.model, number, about, first=told.kept == 0)
        work = world.studio.work(order, sitting, _reference(world, order, prompt))
    else:
        work = world.studio.given(order)
    picture = world.gallery.show(
        work,
        alt=prompt.text[:_ALT],
        owner=prompt.account,
        cid=told.chat.cid,
        rid=turn.rid,
        delay=delay,
        token="" if world.switches.bare_pictures else f"${secrets.token_urlsafe(16)}",
    )
    about["image"] = picture.id
    picture.drawn = _drawn(picture, work, told, number)
    world.record.pictures.append(picture.drawn)
    return picture


def _reference(world: World, order: Painting, prompt: Prompt) -> Reference | None:
    """What the painting is an edit of: what it names, else the first picture that came with the prompt."""
    if order.of and (earlier := world.gallery.find(order.of)):
        return Reference(earlier.id, earlier.work.size, earlier.work.plain)
    files = [world.uploads[order.of]] if order.of else [] if order.kind else pictures_among(prompt.files)
    if not files:
        return None
    file = files[0]
    size = size_of(file.data)
    return Reference(file.id, size, lambda: file.data, len(file.data)) if size else None


def _drawn(picture: Picture, work: Work, told: Telling, number: int) -> Drawn:
    painting = work.painting if isinstance(work, Painted) else Painting()
    return Drawn(
        id=picture.id,
        prompt=told.prompt.text,
        account=told.prompt.account,
        model=told.prompt.model,
        number=number,
        width=work.size[0],
        height=work.size[1],
        mime=work.mime,
        logo=work.logo,
        kind=("edit" if painting.of else painting.kind) or "given",
        seed=painting.seed or 0,
        of=painting.of,
        cid=picture.cid,
        rid=picture.rid,
    )
