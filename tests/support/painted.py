"""Images for tests of the whole service, and a simulator that paints a given one."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from gemgate_simulator import Answer, Simulator


def png(width: int = 320, height: int = 200, seed: int = 1) -> bytes:
    """A busy image without any logo."""
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG", compress_level=1)
    return out.getvalue()


def paints(sim: Simulator, data: bytes, pattern: str = "", text: str = "Here you are.") -> None:
    """Let Google answer with this image from now on, a new one each time."""

    def answer(_: object) -> Answer:
        image = sim.google.gallery.add(data)
        return Answer(text, rich={7: [[image.item()]]})

    sim.google.reply(pattern, answer)
