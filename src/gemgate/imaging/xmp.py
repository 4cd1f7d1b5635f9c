"""XMP packets: whether one names the digital source, and the same packet with that property added.

A packet is never rewritten: the property goes in as one more rdf:Description before `</rdf:RDF>`, so everything else
stays byte for byte. The parser refuses document types, and with them every entity bomb.
Source of the property and its value: IPTC Photo Metadata Standard, "Digital Source Type"; packets: XMP part 1, 7.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from gemgate.imaging.errors import UnsupportedImage

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
TRAINED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_ROOT: Final = f"{RDF} RDF"
_DESCRIPTION: Final = f"{RDF} Description"
_SOURCE_TYPE: Final = f"{IPTC} DigitalSourceType"
_EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
).encode()


def names_source(packet: bytes) -> bool:
    """Whether the packet has a DigitalSourceType, whatever its value; Unfit when it cannot be read."""
    return _Reading(packet).tagged


def with_source(packet: bytes = _EMPTY, *, room: int = 0) -> bytes:
    """The packet with DigitalSourceType = trainedAlgorithmicMedia added.

    room: the most bytes it may have, 0 = any; padding is given up before it is refused. Unfit when it cannot be read,
    is not UTF-8, or does not fit.
    """
    reading = _Reading(packet)
    tagged = reading.before + _description(reading.about) + reading.behind
    if room and len(tagged) > room:
        tagged = _without_padding(tagged)
    if room and len(tagged) > room:
        raise UnsupportedImage(
            "the file's XMP packet has no room for the provenance tag", "文件的 XMP 数据包没有空间写入来源标记"
        )
    return tagged


def _description(about: str) -> bytes:
    """A property block that declares its own prefixes, whatever the packet calls its namespaces."""
    names = f'xmlns:rdf="{RDF}" xmlns:Iptc4xmpExt="{IPTC}"'
    return f'<rdf:Description rdf:about={quoteattr(about)} {names} Iptc4xmpExt:DigitalSourceType="{TRAINED}"/>'.encode()


def _without_padding(packet: bytes) -> bytes:
    at = packet.rfind(b"<?xpacket")
    return packet if at < 0 else packet[:at].rstrip() + packet[at:]


class _Reading:
    """What one pass over a packet finds.

    tagged: it has the property; about: what its descriptions are about; before, behind: the packet, cut at the end of
    rdf:RDF's content.
    """

    def __init__(self, packet: bytes) -> None:
        self.tagged, self.about = False, ""
        self._path: list[str] = []
        self._start = self._end = -1
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._opened
        self._parser.EndElementHandler = self._closed
        text = packet.rstrip(b"\0")
        try:
            text.decode("utf-8")
            self._parser.Parse(text, True)
        except (expat.ExpatError, UnicodeDecodeError) as broken:
            raise UnsupportedImage("the file's XMP packet cannot be read", "无法读取文件的 XMP 数据包") from broken
        finally:
            del self._parser  # it and we hold each other
        if self._end < 0:
            raise UnsupportedImage("the file's XMP packet holds no RDF", "文件的 XMP 数据包中没有 RDF")
        self.before, self.behind = self._cut(packet)

    def _refuse(self, *_: object) -> None:
        raise UnsupportedImage(
            "the file's XMP packet has a document type and is not read", "文件的 XMP 数据包含有文档类型声明，不予读取"
        )

    def _opened(self, name: str, attributes: dict[str, str]) -> None:
        if name == _ROOT and self._start < 0:
            self._start = self._parser.CurrentByteIndex
        top = self._path[-1:] == [_ROOT]
        if name == _DESCRIPTION and top:
            self.about = self.about or attributes.get(f"{RDF} about", "")
            self.tagged |= _SOURCE_TYPE in attributes
        self.tagged |= name == _SOURCE_TYPE and self._path[-2:] == [_ROOT, _DESCRIPTION]
        self._path.append(name)

    def _closed(self, name: str) -> None:
        self._path.pop()
        if name == _ROOT and self._end < 0:
            self._end = self._parser.CurrentByteIndex

    def _cut(self, packet: bytes) -> tuple[bytes, bytes]:
        """Before and behind the end tag; the slash of an element without one gives way to a real end tag."""
        if packet.startswith(b"</", self._end):
            return packet[: self._end], packet[self._end :]
        assert packet[self._end - 2 : self._end] == b"/>", "expat tells the end of an empty element"
        name = packet[self._start + 1 : self._end - 2].split(maxsplit=1)[0]
        return packet[: self._end - 2] + b">", b"</" + name + b">" + packet[self._end :]
