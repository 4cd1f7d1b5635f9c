"""Machine-readable provenance: every delivered image says that a trained algorithm made it.

IPTC `DigitalSourceType = trainedAlgorithmicMedia` stands in XMP. A tag that is there is left. A C2PA manifest is bound
to the bytes: with unchanged pixels nothing is touched at all, with changed ones it no longer holds and is dropped, and
XMP says what it said (docs/decisions.md 15, docs/adr). SynthID lies in the pixels and is not touched.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from gemgate.errors import NO_TEXT, ClientError, LocalText
from gemgate.frozen import frozen
from gemgate.imaging.containers import Container, open_container
from gemgate.imaging.errors import UnsupportedImage, why_not
from gemgate.imaging.header import measure
from gemgate.imaging.xmp import names_source, with_source

DROPPED = LocalText(
    "the C2PA manifest no longer matched the changed pixels and was dropped", "像素已更改，C2PA 清单不再匹配，已移除"
)
COVERED = LocalText(
    "left as it is: its C2PA manifest says where it comes from and covers every byte",
    "保持原样：其 C2PA 清单已说明来源，并覆盖每个字节",
)


@frozen
class Tagged:
    """What became of an image's provenance.

    data:       the new file, or the very object that was given when nothing changed.
    provenance: "kept" = it had a tag; "added"; "left" = it has none and none could or should be added, `note` says why.
    c2pa:       "none", "kept" or "dropped".
    """

    data: bytes = field(repr=False)
    provenance: Literal["kept", "added", "left"]
    c2pa: Literal["none", "kept", "dropped"] = "none"
    note: LocalText = NO_TEXT


def tag_provenance(data: bytes, changed: bool) -> Tagged:
    """Keep or add the provenance tag of a PNG, JPEG or WebP file, at container level.

    changed: whether pixels were changed since the file was made (a lifted logo, a resampling). Nothing is raised.
    """
    try:
        container = open_container(data, measure(data, max_pixels=0))
    except (UnsupportedImage, ClientError) as why:
        return Tagged(data, "left", note=why_not(why))
    drop = changed and container.has_c2pa
    try:
        packet = _packet(container)
    except UnsupportedImage as why:
        return _left(data, container, drop, why.text)
    if packet is None:
        written = container.write(None, drop_c2pa=True) if drop else data
        return Tagged(written, "kept", _c2pa(container, drop), DROPPED if drop else NO_TEXT)
    if container.has_c2pa and not changed:
        return Tagged(data, "left", "kept", COVERED)
    return Tagged(
        container.write(packet, drop_c2pa=drop), "added", _c2pa(container, drop), DROPPED if drop else NO_TEXT
    )


def _packet(container: Container) -> bytes | None:
    """The packet to be written, or None when the file's own names its source; Unfit when it cannot be read."""
    own = container.xmp
    if own is None or not own.strip(b"\0 \n\r\t"):
        return with_source(room=container.room)
    return None if names_source(own) else with_source(own, room=container.room)


def _left(data: bytes, container: Container, drop: bool, why: LocalText) -> Tagged:
    written = container.write(None, drop_c2pa=True) if drop else data
    note = LocalText.joined(why, DROPPED) if drop else why
    return Tagged(written, "left", _c2pa(container, drop), note)


def _c2pa(container: Container, drop: bool) -> Literal["none", "kept", "dropped"]:
    if not container.has_c2pa:
        return "none"
    return "dropped" if drop else "kept"
