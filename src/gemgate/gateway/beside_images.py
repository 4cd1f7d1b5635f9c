"""What is kept beside a stored image, under keys that its name tells; it goes when the image goes."""

from __future__ import annotations

from collections.abc import Iterable

from gemgate.images import handle_of


def thumb_key(name: str) -> str:
    """The preview of the image of this name."""
    handle = handle_of(name)
    return f"thumbs/{handle[:2]}/{handle}.webp"


def before_key(name: str) -> str:
    """What stood in the logo's box (`imaging.logo_before`), of an image whose logo was taken off."""
    handle = handle_of(name)
    return f"logos/{handle[:2]}/{handle}.json"


def keys_of(names: Iterable[str]) -> list[str]:
    """Everything that has to be deleted with these images, and they themselves."""
    return [key for name in names for key in ("images/" + name, thumb_key(name), before_key(name))]
