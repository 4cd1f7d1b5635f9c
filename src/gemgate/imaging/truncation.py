"""Whether an image file is all there, judged by its container alone: half a download decodes to half an image."""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"


def looks_like_image(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG, JPEG, WebP or GIF, whatever a header said."""
    return data.startswith((_PNG, b"\xff\xd8\xff", b"GIF8")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def is_whole(data: bytes) -> bool:
    """Whether the file has its end: PNG's IEND, JPEG's EOI, the length that RIFF names, GIF's trailer."""
    if data.startswith(_PNG):
        return data[-64:].rfind(b"IEND") >= 0
    if data.startswith(b"\xff\xd8\xff"):
        return data[-64:].rfind(b"\xff\xd9") >= 0
    if data[:4] == b"RIFF":
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    return data.startswith(b"GIF8") and data.rstrip(b"\0")[-1:] == b";"


def is_truncated(data: bytes) -> bool:
    """Whether the file certainly lacks its end; cameras and editors put things of their own behind it."""
    if data.startswith(_PNG):
        return b"IEND" not in data
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in data
    return data[:4] == b"RIFF" and len(data) < int.from_bytes(data[4:8], "little") + 8
