"""Recordings made by hand, of every kind that is told apart, each as long as it is asked to be."""

from __future__ import annotations

import io
import struct
import wave


def wav(seconds: float = 1.5) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(b"\0\0" * int(16_000 * seconds))
    return file.getvalue()


def streamed_wav(seconds: float = 1.5) -> bytes:
    """As a recorder writes it that cannot go back: the sizes are those of no file."""
    data = bytearray(wav(seconds))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    return bytes(data)


MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)
"""128 kbit/s, 44 100 Hz, 1152 samples: 417 bytes."""


def mp3(frames: int = 100, *, head: bytes = b"", tail: bytes = b"") -> bytes:
    return head + MP3_FRAME * frames + tail


def id3(size: int = 300) -> bytes:
    return b"ID3\x04\0\0" + bytes([0, 0, size >> 7, size & 0x7F]) + bytes(size)


def xing() -> bytes:
    return (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing").ljust(417, b"\0")


def flac(seconds: float = 2.0, rate: int = 48_000) -> bytes:
    facts = rate << 44 | 1 << 41 | 15 << 36 | int(rate * seconds)
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + struct.pack(">Q", facts) + bytes(16)
    return b"fLaC" + bytes([0x80, 0, 0, len(info)]) + info + bytes(64)


def _page(body: bytes, position: int, serial: int = 7) -> bytes:
    return b"OggS\0\0" + struct.pack("<qIII", position, serial, 0, 0) + bytes([1, len(body)]) + body


def opus(seconds: float = 3.0) -> bytes:
    head = b"OpusHead\x01\x01" + struct.pack("<HIHB", 312, 48_000, 0, 0)
    return _page(head, 0) + _page(bytes(90), 4_800) + _page(bytes(90), int(48_000 * seconds) + 312)


def vorbis(seconds: float = 3.0) -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBI", 0, 2, 44_100) + bytes(14)
    return _page(head, 0) + _page(bytes(90), int(44_100 * seconds))


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def mp4(seconds: float = 4.0, *, handler: bytes = b"soun", brand: bytes = b"M4A ") -> bytes:
    length = _box(b"mvhd", bytes(12) + struct.pack(">II", 1000, int(1000 * seconds)) + bytes(80))
    track = _box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8) + handler + bytes(12))))
    return _box(b"ftyp", brand + bytes(4)) + _box(b"mdat", bytes(100)) + _box(b"moov", length + track)


def webm() -> bytes:
    return b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + bytes(60)
