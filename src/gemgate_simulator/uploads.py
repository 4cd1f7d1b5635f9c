"""Files that were uploaded: read from multipart bodies, kept by id, forgotten oldest first."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict

from gemgate_simulator.exchange import Request
from gemgate_simulator.script import Upload

DEFAULT_PUSH_ID = "feeds/mcudyrk2a4khkz"
"""What clients fall back to when the page names none."""

_MOST_BYTES = 512 << 20
_BOUNDARY = re.compile(r'^multipart/form-data;.*?\bboundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(r'\bname="([^"]*)"')
_FILENAME = re.compile(r'\bfilename="((?:[^"\\]|\\.)*)"')


class Uploads:
    """At most 512 MB of files; ids look as docs/gemini-webapi.md 5 shows them."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, Upload] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, file_id: str) -> Upload:
        return self._files[file_id]

    def get(self, file_id: str) -> Upload | None:
        return self._files.get(file_id)

    def add(self, name: str, mime: str, data: bytes, owner: str, time: float = 0.0) -> Upload:
        upload = Upload(f"/contrib_service/ttl_1d/{secrets.token_hex(20)}", name, mime, data, owner, time)
        self._files[upload.id] = upload
        self._bytes += len(data)
        while self._bytes > _MOST_BYTES and len(self._files) > 1:
            self._bytes -= len(self._files.popitem(last=False)[1].data)
        return upload


def read_multipart(request: Request) -> tuple[str, str, bytes] | str:
    """(file name, content type, bytes) of a body with the one part `file`; a sentence when it is not that."""
    found = _BOUNDARY.match(request.headers.get("content-type", ""))
    if not found:
        return "the upload is not multipart/form-data with a boundary"
    mark = b"--" + found[1].encode()
    if not request.body.startswith(mark) or not request.body.rstrip(b"\r\n").endswith(mark + b"--"):
        return "the multipart body does not begin and end with its boundary"
    pieces = request.body.split(b"\r\n" + mark)
    if len(pieces) != 2:
        return f"the upload has {len(pieces) - 1} parts, not one"
    head, _, data = pieces[0][len(mark) :].partition(b"\r\n\r\n")
    headers = head.decode("utf-8", "replace")
    name, filename = _NAME.search(headers), _FILENAME.search(headers)
    if not name or name[1] != "file" or not filename:
        return "the upload's part is not a file named `file`"
    mime = next(
        (line.partition(":")[2].strip() for line in headers.splitlines() if line.lower().startswith("content-type:")),
        "text/plain",
    )
    return filename[1].replace('\\"', '"').replace("%22", '"'), mime, data
