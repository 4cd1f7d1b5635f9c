"""The tag is kept or added, once; a manifest that no longer holds is dropped; nothing else in the file moves."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zlib

import pytest
from PIL import Image

from gemgate.imaging import clean, jpeg, measure, tag_provenance, webp
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL
from gemgate.imaging.provenance import COVERED, DROPPED
from tests.support.image_files import chunks_of, decoded, encoded, png
from tests.support.image_kinds import paint

VALUE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
TAG = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
C2PA = b"\0\0\0\x47jumb\0\0\0\x1fjumd" + bytes.fromhex("63327061 0011 0010 8000 00aa00389b71") + b"\3c2pa\0" + b"claim"
OWN_XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="uuid:1"'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>a \xe7\x8c\xab</dc:title></rdf:Description></rdf:RDF>'
    b"</x:xmpmeta>" + b" " * 200 + b'<?xpacket end="w"?>'
)
TAGGED_XMP = OWN_XMP.replace(
    b"<dc:title>",
    b'<e:DigitalSourceType xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">http://cv.iptc.org/newscodes/'
    b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia</e:DigitalSourceType><dc:title>",
)
PIXELS = paint("leaves", 51, 90, 110)
FORMS = ("png", "jpeg", "webp", "webp lossless", "webp alpha")


def file_with(form, xmp=None, manifest=None):
    """A file of each form with an XMP packet and a manifest at their places, among other metadata."""
    if form == "png":
        before = [(b"tEXt", b"Title\0kept")]
        before += [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)] if xmp is not None else []
        before += [(b"caBX", manifest)] if manifest else []
        return png(PIXELS, before=before, after=[(b"prVt", b"kept")])
    if form == "jpeg":
        data = encoded(PIXELS, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", comment=b"kept")
        added = jpeg.segment(jpeg.APP1, b"http://ns.adobe.com/xap/1.0/\0" + xmp) if xmp is not None else b""
        added += jpeg.segment(jpeg.APP11, b"JP\0\7\0\0\0\1" + b"\0\0\0\x20jumb" + b"another box, kept")
        for number, piece in enumerate((manifest[:40], manifest[40:]) if manifest else ()):
            head = b"JP\0\1" + (number + 1).to_bytes(4, "big") + (manifest[:8] if number else b"")
            added += jpeg.segment(jpeg.APP11, head + piece)
        return data[:20] + added + data[20:]
    options = {"webp": {}, "webp lossless": {"lossless": True}, "webp alpha": {"lossless": True}}[form]
    image = Image.fromarray(PIXELS)
    if form == "webp alpha":
        image.putalpha(100)
    data = encoded(image, "WEBP", **options, **({"exif": b"Exif\0\0MM\0*"} if xmp is not None else {}))
    found = list(webp.chunks(data))
    if xmp is not None:
        found[0] = webp.Chunk(b"VP8X", bytes([found[0].body[0] | webp.HAS_XMP]) + found[0].body[1:])
        found.append(webp.Chunk(b"XMP ", xmp))
    return webp.assemble([*found, *([webp.Chunk(b"C2PA", manifest)] if manifest else [])])


def packets(data):
    """Every XMP packet of the file, read independently of the code under test."""
    if data.startswith(b"\x89PNG"):
        start = b"XML:com.adobe.xmp\0\0\0\0\0"
        return [body[len(start) :] for kind, body in chunks_of(data) if kind == b"iTXt" and body.startswith(start)]
    if data.startswith(b"\xff\xd8"):
        start = b"http://ns.adobe.com/xap/1.0/\0"
        bodies = [data[each.start + 4 : each.end] for each in jpeg.segments(data) if each.marker == jpeg.APP1]
        return [body[len(start) :] for body in bodies if body.startswith(start)]
    return [each.body for each in webp.chunks(data) if each.kind == b"XMP "]


def sources(packet):
    """Every DigitalSourceType of a packet."""
    values = []
    for description in ET.fromstring(packet.strip(b"\0")).iter(f"{RDF}Description"):
        values += [description.attrib[TAG]] if TAG in description.attrib else []
        values += [child.text for child in description.findall(TAG)]
    return values


def assert_sound(after, before):
    """It opens, is of the same type and size, and its pixels are the same."""
    assert measure(after) == measure(before)
    assert decoded(after, "RGBA").tolist() == decoded(before, "RGBA").tolist()


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_without_a_tag_gets_one_packet_with_it(form, changed):
    before = file_with(form)
    stamped = tag_provenance(before, changed)
    assert (stamped.provenance, stamped.c2pa, stamped.note.en) == ("added", "none", "")
    assert_sound(stamped.data, before)
    (packet,) = packets(stamped.data)
    assert sources(packet) == [VALUE]
    assert tag_provenance(stamped.data, changed).data is stamped.data


@pytest.mark.parametrize("form", FORMS)
def test_a_tag_joins_the_packet_that_is_there(form):
    before = file_with(form, OWN_XMP)
    stamped = tag_provenance(before, changed=True)
    assert stamped.provenance == "added"
    assert_sound(stamped.data, before)
    (packet,) = packets(stamped.data)
    assert sources(packet) == [VALUE]
    at = OWN_XMP.index(b"</rdf:RDF>")
    assert packet.startswith(OWN_XMP[:at])
    assert packet.endswith(OWN_XMP[at:])
    assert b'rdf:about="uuid:1"' in packet[at:]


@pytest.mark.parametrize("manifest", [None, C2PA])
@pytest.mark.parametrize("form", FORMS)
def test_a_tag_that_is_there_is_left_whatever_it_says(form, manifest):
    before = file_with(form, TAGGED_XMP, manifest)
    stamped = tag_provenance(before, changed=False)
    assert (stamped.provenance, stamped.c2pa) == ("kept", "kept" if manifest else "none")
    assert stamped.data is before


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_over_unchanged_pixels_is_not_touched(form):
    before = file_with(form, manifest=C2PA)
    stamped = tag_provenance(before, changed=False)
    assert (stamped.provenance, stamped.c2pa, stamped.note) == ("left", "kept", COVERED)
    assert stamped.data is before


@pytest.mark.parametrize("xmp", [None, OWN_XMP, TAGGED_XMP], ids=["no packet", "own packet", "tagged packet"])
@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_over_changed_pixels_is_dropped_and_everything_else_stays(form, xmp):
    before = file_with(form, xmp, C2PA)
    stamped = tag_provenance(before, changed=True)
    assert (stamped.provenance, stamped.c2pa) == ("kept" if xmp == TAGGED_XMP else "added", "dropped")
    assert DROPPED.en in stamped.note.en
    assert_sound(stamped.data, before)
    assert b"c2pa" not in stamped.data
    (packet,) = packets(stamped.data)
    assert len(sources(packet)) == 1
    same = tag_provenance(file_with(form, xmp), changed=True)
    assert stamped.data == same.data


def test_the_chunks_of_a_png_keep_their_order():
    stamped = tag_provenance(file_with("png", OWN_XMP, C2PA), changed=True)
    kinds = [kind for kind, _ in chunks_of(stamped.data)]
    assert kinds[:3] == [b"IHDR", b"tEXt", b"iTXt"]
    assert kinds[-2:] == [b"prVt", b"IEND"]


def test_a_jpegs_packet_stands_behind_jfif_and_exif_and_other_boxes_stay():
    stamped = tag_provenance(file_with("jpeg", None, C2PA), changed=True)
    markers = [each.marker for each in jpeg.segments(stamped.data)]
    assert markers[: markers.index(jpeg.TABLES)] == [*(jpeg.APP0, jpeg.APP11, jpeg.APP1, jpeg.APP1, jpeg.COMMENT)]
    assert b"another box, kept" in stamped.data


def test_a_simple_webp_becomes_an_extended_one_with_the_right_flags():
    for form, flags in (("webp", 0x04), ("webp lossless", 0x04), ("webp alpha", 0x14)):
        first = webp.chunks(tag_provenance(file_with(form), changed=False).data)[0]
        assert (first.kind, first.body[0]) == (b"VP8X", flags)
        assert first.body[4:] == (109).to_bytes(3, "little") + (89).to_bytes(3, "little")


@pytest.mark.parametrize(
    "packet",
    [
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        b"not xml at all",
        OWN_XMP[:150],
        "<a>ü</a>".encode("utf-16"),
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + b"<x>&b;</x>",
        OWN_XMP.replace(b"a \xe7\x8c\xab", b"\xff\xfe"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_packet_that_cannot_be_read_is_left_and_no_second_one_is_made(form, packet):
    before = file_with(form, packet)
    stamped = tag_provenance(before, changed=True)
    assert stamped.provenance == "left"
    assert stamped.data is before
    assert "XMP packet" in stamped.note.en
    dropped = tag_provenance(file_with(form, packet, C2PA), changed=True)
    assert (dropped.provenance, dropped.c2pa) == ("left", "dropped")
    assert b"c2pa" not in dropped.data
    assert packets(dropped.data) == [packet]


@pytest.mark.parametrize(
    "packet",
    [
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
        b"<r:RDF a='/>' xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' />",
        b'<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><Description about=""/></RDF>',
        b"  \n" + OWN_XMP + b"\0\0\0",
        OWN_XMP.replace(b"uuid:1", b"a &amp; &quot;b&quot;"),
        b"",
        b"   \n\0",
    ],
)
def test_unusual_packets_are_extended_too(packet):
    stamped = tag_provenance(file_with("jpeg", packet), changed=True)
    assert stamped.provenance == "added"
    (after,) = packets(stamped.data)
    assert sources(after.strip(b" \n\0")) == [VALUE]


def test_a_tag_inside_something_else_is_not_the_images_own():
    nested = OWN_XMP.replace(
        b"</dc:title>",
        b'<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType="x"/></dc:title>',
    )
    stamped = tag_provenance(file_with("png", nested), changed=True)
    assert stamped.provenance == "added"
    assert VALUE in sources(packets(stamped.data)[0])


def test_a_jpegs_packet_gives_up_its_padding_before_it_is_refused():
    room = 65_533 - len(b"http://ns.adobe.com/xap/1.0/\0")
    padded = OWN_XMP.replace(b" " * 200, b" " * (200 + room - len(OWN_XMP)))
    assert len(padded) == room
    stamped = tag_provenance(file_with("jpeg", padded), changed=True)
    assert stamped.provenance == "added"
    assert len(packets(stamped.data)[0]) < 2000
    full = OWN_XMP.replace(b"<dc:title>", b"<dc:title>" + b"x" * (room - len(OWN_XMP)))
    stamped = tag_provenance(file_with("jpeg", full), changed=True)
    assert stamped.provenance == "left"
    assert "room" in stamped.note.en


def test_a_compressed_png_packet_is_read_and_a_bomb_is_not():
    for text, provenance in ((OWN_XMP, "added"), (TAGGED_XMP, "kept"), (b" " * (5 << 20), "left")):
        body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text)
        before = png(PIXELS, before=[(b"iTXt", body)])
        stamped = tag_provenance(before, changed=True)
        assert stamped.provenance == provenance
        assert (stamped.data is before) == (provenance != "added")


@pytest.mark.parametrize(
    ("data", "word"), [(encoded(PIXELS, "GIF"), "image/gif"), (b"text", "not a picture"), (b"\xff\xd8\xff", "damaged")]
)
def test_other_files_are_left_with_the_reason(data, word):
    stamped = tag_provenance(data, changed=False)
    assert (stamped.provenance, stamped.c2pa) == ("left", "none")
    assert stamped.data is data
    assert word in stamped.note.en


def test_clean_leaves_the_manifest_to_stamp():
    marked = draw(paint("leaves", 52, 300, 300), V1_SMALL)
    cleaned = clean(png(marked, before=[(b"caBX", C2PA)]))
    assert cleaned.logo == "removed"
    assert (b"caBX", C2PA) in chunks_of(cleaned.data)
    stamped = tag_provenance(cleaned.data, changed=True)
    assert (stamped.provenance, stamped.c2pa) == ("added", "dropped")
    assert "XML:com.adobe.xmp" in Image.open(io.BytesIO(stamped.data)).info
