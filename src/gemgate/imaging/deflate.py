"""Surgery on a zlib stream: its start stays as it is, only what lies behind a change is deflated again.

Python's zlib does not tell where deflate blocks end, so inflating goes through ctypes to the very library that Python's
module is linked with. Where that cannot be found everything still works: the whole stream is then deflated again.
How (docs/logo.md 5): keep the bytes up to the last block boundary before the change, close that with an empty stored
block so that the next starts on a byte, deflate the rest with the 32 KiB before it as dictionary, carry the checksum
on.
"""

from __future__ import annotations

import ctypes
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

from gemgate.errors import LocalText
from gemgate.frozen import frozen
from gemgate.imaging.errors import UnsupportedImage
from gemgate.lazy_import import later

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

else:
    np = later("numpy")

Z_NO_FLUSH, Z_BLOCK, Z_OK, Z_STREAM_END = 0, 5, 0, 1
AT_BOUNDARY: Final = 128
UNUSED_BITS: Final = 7
MAX_BOUNDARIES: Final = 50_000
"""A file of nothing but empty blocks must not cost more than a file of image."""
LEVEL: Final = 2
DENSE: Final = 0.45
"""Compressed share above which looking for repetitions saves one or two percent and costs most of the time: photos."""
DAMAGED: Final = LocalText("the compressed pixels are damaged", "压缩的像素数据已损坏")
SHORT: Final = LocalText(
    "the compressed pixels are more or fewer than the header says", "压缩的像素数据与文件头所述不符"
)


@frozen
class Boundary:
    """End of a deflate block: bytes of output before it and their adler32; input before it as whole bytes, then so
    many bits of one more, and these bits.
    """

    out: int
    adler: int
    keep: int
    bits: int
    last: int


@frozen
class Inflated:
    """The bytes of a whole stream, writable, and where its blocks end, in order."""

    raw: NDArray[np.uint8]
    boundaries: tuple[Boundary, ...]
    window: int
    compressed: int


@frozen
class Splice:
    """A changed stream: the first `keep` bytes of the old one, then `tail`."""

    keep: int
    tail: bytes


def inflate(data: bytes, parts: Sequence[tuple[int, int]], size: int) -> Inflated:
    """Inflate the stream that stands in `parts` (start, end) of `data`; it must give exactly `size` bytes.

    Memory is `size` and a little, whatever the stream claims. Unfit when it is damaged, too short or too long.
    """
    library = _library()
    if library is None:
        return _inflate_plainly(data, parts, size)
    return _inflate_watching(library, data, parts, size)


def splice(stream: Inflated, first_changed: int) -> Splice:
    """Deflate again from the last block boundary before `first_changed`, after `stream.raw` was edited there."""
    at = bisect_right(stream.boundaries, first_changed, key=lambda each: each.out) - 1
    if at < 0 or stream.window < 9:
        return Splice(0, zlib.compress(stream.raw.data, LEVEL))
    cut = stream.boundaries[at]
    rest = stream.raw[cut.out :].data
    dictionary = stream.raw[max(0, cut.out - (1 << stream.window)) : cut.out].tobytes()
    dense = stream.compressed - cut.keep > DENSE * len(rest)
    strategy = zlib.Z_HUFFMAN_ONLY if dense else zlib.Z_DEFAULT_STRATEGY
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, -stream.window, 9, strategy, dictionary)
    tail = [
        _to_a_byte(cut),
        deflater.compress(rest),
        deflater.flush(),
        zlib.adler32(rest, cut.adler).to_bytes(4, "big"),
    ]
    return Splice(cut.keep, b"".join(tail))


def _to_a_byte(cut: Boundary) -> bytes:
    """The bits of the last byte begun, then an empty stored block, whose length stands on a byte."""
    if not cut.bits:
        return b""
    return bytes([cut.last]) + (b"\0" if cut.bits > 5 else b"") + b"\0\0\xff\xff"


def _inflate_watching(library: ctypes.CDLL, data: bytes, parts: Sequence[tuple[int, int]], size: int) -> Inflated:
    raw = np.empty(size, np.uint8)
    state = _State(next_out=raw.ctypes.data, avail_out=size)
    if library.inflateInit2_(ctypes.byref(state), 15, library.zlibVersion(), ctypes.sizeof(state)) != Z_OK:
        raise MemoryError
    try:
        boundaries = _run(library, state, data, parts)
    finally:
        library.inflateEnd(ctypes.byref(state))
    if state.avail_out:
        raise UnsupportedImage(SHORT.en, SHORT.zh)
    return Inflated(raw, boundaries, (data[parts[0][0]] >> 4) + 8, state.total_in)


def _run(library: ctypes.CDLL, state: _State, data: bytes, parts: Sequence[tuple[int, int]]) -> tuple[Boundary, ...]:
    """Inflate everything, stopping at the end of every block to note it."""
    source = np.frombuffer(data, np.uint8)
    boundaries: list[Boundary] = []
    for start, end in parts:
        state.next_in, state.avail_in = source.ctypes.data + start, end - start
        while state.avail_in:
            flush = Z_BLOCK if len(boundaries) < MAX_BOUNDARIES else Z_NO_FLUSH
            status = library.inflate(ctypes.byref(state), flush)
            if status == Z_STREAM_END and not state.avail_in and end == parts[-1][1]:
                return tuple(boundaries)
            if status != Z_OK:
                raise UnsupportedImage(DAMAGED.en, DAMAGED.zh)
            if state.data_type & AT_BOUNDARY:
                boundaries.append(_boundary(state, data[end - state.avail_in - 1]))
    raise UnsupportedImage(SHORT.en, SHORT.zh)


def _boundary(state: _State, byte: int) -> Boundary:
    bits = -(state.data_type & UNUSED_BITS) % 8
    return Boundary(state.total_out, state.adler, state.total_in - bool(bits), bits, byte & ((1 << bits) - 1))


def _inflate_plainly(data: bytes, parts: Sequence[tuple[int, int]], size: int) -> Inflated:
    inflater = zlib.decompressobj()
    stream = b"".join(data[start:end] for start, end in parts)
    try:
        raw = inflater.decompress(stream, size)
        too_much = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise UnsupportedImage(DAMAGED.en, DAMAGED.zh) from error
    if too_much or len(raw) != size or not inflater.eof or inflater.unused_data:
        raise UnsupportedImage(SHORT.en, SHORT.zh)
    return Inflated(np.frombuffer(bytearray(raw), np.uint8), (), (stream[0] >> 4) + 8, len(stream))


class _State(ctypes.Structure):
    """`z_stream` of zlib.h."""

    _fields_: ClassVar = [
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    ]


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """The zlib that Python's own module is linked with, else the system's, else None."""
    for name in (getattr(zlib, "__file__", None), "libz.so.1", "libz.1.dylib"):
        try:
            if name:
                return _declared(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue
    return None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library with its functions' types; AttributeError when it is not a zlib."""
    library.zlibVersion.restype = ctypes.c_char_p
    library.inflateInit2_.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.inflate.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.inflateEnd.argtypes = [ctypes.c_void_p]
    return library
