"""The images of an answer: each order becomes a work, goes on show for its account, and stands in the record."""

from __future__ import annotations

import secrets

from gemgate_simulator.encode import size_of
from gemgate_simulator.gallery import SimulatedImage
from gemgate_simulator.paint import Painting
from gemgate_simulator.record import Drawn
from gemgate_simulator.script import Answer, ImageSource, Prompt
from gemgate_simulator.state import ServiceState
from gemgate_simulator.streaming import Telling
from gemgate_simulator.studio import Painted, Reference, Sitting, Work, images_among

_ALT = 120


def illustrate(world: ServiceState, telling: Telling, answer: Answer) -> tuple[SimulatedImage, ...]:
    """Put the images of `answer` on show, in their order."""
    return tuple(_shown(world, telling, brush, answer.fetch_delay) for brush in answer.images)


def _shown(world: ServiceState, telling: Telling, brush: ImageSource, delay: float) -> SimulatedImage:
    prompt, turn = telling.prompt, telling.turn
    order = brush(prompt) if callable(brush) else brush
    number = world.record.generations
    about = {"generation": number, "account": prompt.account, "prompt": prompt.text[:500]}
    work: Work
    if isinstance(order, Painting):
        tier = world.accounts[prompt.account].tier if prompt.account else "free"
        sitting = Sitting(prompt.text, prompt.account, tier, prompt.model, number, about, first=telling.kept == 0)
        work = world.studio.work(order, sitting, _reference(world, order, prompt))
    else:
        work = world.studio.given(order)
    image = world.gallery.show(
        work,
        alt=prompt.text[:_ALT],
        owner=prompt.account,
        cid=telling.chat.cid,
        rid=turn.rid,
        delay=delay,
        token="" if world.switches.bare_pictures else f"${secrets.token_urlsafe(16)}",
    )
    about["image"] = image.id
    image.drawn = _drawn(image, work, telling, number)
    world.record.images.append(image.drawn)
    return image


def _reference(world: ServiceState, order: Painting, prompt: Prompt) -> Reference | None:
    """What the painting is an edit of: what it names, else the first image that came with the prompt."""
    if order.of and (earlier := world.gallery.find(order.of)):
        return Reference(earlier.id, earlier.work.size, earlier.work.plain)
    files = [world.uploads[order.of]] if order.of else [] if order.kind else images_among(prompt.files)
    if not files:
        return None
    file = files[0]
    size = size_of(file.data)
    return Reference(file.id, size, lambda: file.data, len(file.data)) if size else None


def _drawn(image: SimulatedImage, work: Work, telling: Telling, number: int) -> Drawn:
    painting = work.painting if isinstance(work, Painted) else Painting()
    return Drawn(
        id=image.id,
        prompt=telling.prompt.text,
        account=telling.prompt.account,
        model=telling.prompt.model,
        number=number,
        width=work.size[0],
        height=work.size[1],
        mime=work.mime,
        logo=work.logo,
        kind=("edit" if painting.of else painting.kind) or "given",
        seed=painting.seed or 0,
        of=painting.of,
        cid=image.cid,
        rid=image.rid,
    )
