"""The prompt for an image: what the web app has no fields for is said in words."""

from __future__ import annotations

from gemgate.images import ImageOptions


def image_prompt(prompt: str, options: ImageOptions, *, references: int) -> str:
    """What is sent for one image: the caller's own words last and unchanged, hints before them."""
    hints: list[str] = []
    if references == 1:
        hints.append("Edit the attached picture as described and return the edited picture.")
    elif references:
        hints.append(f"Use the {references} attached pictures as described and return one picture.")
    else:
        hints.append("Generate an image.")
    hints.append(image_hints(options))
    return " ".join(filter(None, hints)) + "\n\n" + prompt


def image_hints(options: ImageOptions, *, demanded: bool = False) -> str:
    """How the image is wanted, in words; "" when it does not matter. In a chat this stands after the system text.

    demanded: a chat is not to end in words.
    """
    hints = ["Generate an image."] if demanded else []
    if options.aspect:
        hints.append(f"Aspect ratio {options.aspect}.")
    if options.quality in ("high", "hd"):
        hints.append("High quality, fine detail.")
    return " ".join(hints)
