"""Files of prompts as people have them: lines of text, tables (CSV, TSV), objects (JSONL). One reader for all ways in.

Pure. What cannot be read is refused line by line, before anything is ordered.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from gemgate.dialects import simple_batches
from gemgate.errors import BadRequest, GatewayError
from gemgate.frozen import frozen

Form = Literal["lines", "table", "objects"]

SHOWN = 20
"""Refusals that an error lists."""
COLUMNS = ("prompt", "model", "size", "aspect", "quality", "size_policy", "model_policy", "references")
COLUMNS_KNOWN = frozenset(
    alias for name, field in simple_batches.BatchItemBody.model_fields.items() for alias in (name, field.alias or name)
)
_FORMS: dict[str, Form] = {
    "jsonl": "objects",
    "ndjson": "objects",
    "csv": "table",
    "tsv": "table",
    "application/jsonl": "objects",
    "application/x-ndjson": "objects",
    "text/csv": "table",
    "text/tab-separated-values": "table",
}
_MARKS = ("\t", ";", ",")


@frozen
class Refused:
    """A line that cannot be ordered; numbers begin with 1."""

    line: int
    en: str
    zh: str


@frozen
class PromptFile:
    """What a file holds. items: fields as `items` of a batch takes them, each with the line it came from."""

    form: Form
    items: tuple[tuple[int, dict[str, Any]], ...]
    refused: tuple[Refused, ...]

    def orders(self) -> list[dict[str, Any]]:
        """The items of a batch; BadRequest naming the lines that cannot be ordered, or when there are none."""
        if self.refused:
            listed = self.refused[:SHOWN]
            more = len(self.refused) - len(listed)
            rest, rest_zh = (f"; and {more} more", f"；另有 {more} 处") if more else ("", "")
            raise BadRequest(
                "; ".join(f"line {one.line}: {one.en}" for one in listed) + rest,
                "；".join(f"第 {one.line} 行：{one.zh}" for one in listed) + rest_zh,
                param="prompts",
                code="invalid_prompt_file",
            )
        if not self.items:
            raise BadRequest("There are no prompts: write one a line", "没有提示词：每行写一个", param="prompts")
        return [item for _, item in self.items]


def is_file(kind: str) -> bool:
    """Whether a media type is a file of prompts rather than the JSON of an order."""
    name = kind.partition(";")[0].strip().lower()
    return name == "text/plain" or name in _FORMS


def read(data: bytes, kind: str = "", local: Callable[[str], str] | None = None) -> PromptFile:
    """Read a file. kind: its name or media type, as far as known; without one the first line tells.

    local: how a reference that is no link becomes one that a batch takes; a BadRequest of it refuses the line.
    BadRequest when it is no text at all.
    """
    text = _text(data)
    form = _form(text, kind)
    if form == "objects":
        rows = _objects(text)
    elif form == "table":
        rows = _table(text)
    else:
        rows = ((number, {"prompt": line}) for number, line in _lines(text) if not line.startswith("#"))
    return _checked(form, rows, local)


def of_order(value: Any) -> PromptFile:
    """The same judgement of an order in JSON: its `prompts`, then its `items`; "lines" are their numbers."""
    given = value if isinstance(value, dict) else {}
    rows: list[Any] = [{"prompt": prompt} for prompt in _list(given, "prompts")]
    rows += _list(given, "items")
    return _checked("objects", ((at, _object(at, row)) for at, row in enumerate(rows, 1)), None)


def _list(given: dict[str, Any], name: str) -> list[Any]:
    found = given.get(name)
    if found is not None and not isinstance(found, list):
        raise BadRequest(f"{name} must be a list", f"{name} 必须是列表", param=name)
    return found or []


def _checked(
    form: Form, rows: Iterable[tuple[int, dict[str, Any] | Refused]], local: Callable[[str], str] | None
) -> PromptFile:
    items: list[tuple[int, dict[str, Any]]] = []
    refused: list[Refused] = []
    for count, (number, row) in enumerate(rows):
        if count == simple_batches.MAX_PROMPTS:
            raise BadRequest(
                f"There are more than {count} prompts; order them in several batches",
                f"提示词超过 {count} 条，请分多个批次提交",
                param="prompts",
                code="too_many_items",
            )
        problem = row if isinstance(row, Refused) else _problem(number, row, local)
        if problem is None and isinstance(row, dict):
            items.append((number, row))
        elif isinstance(problem, Refused):
            refused.append(problem)
    return PromptFile(form, tuple(items), tuple(refused))


def _text(data: bytes) -> str:
    if b"\0" in data[:4096]:
        raise BadRequest(
            "This is no file of prompts but a binary one", "这不是提示词文件，而是二进制文件", param="prompts"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"This is no UTF-8 text (byte {error.start}); save it as UTF-8",
            f"文件不是 UTF-8 编码（第 {error.start} 字节），请另存为 UTF-8",
            param="prompts",
        ) from None


def _form(text: str, kind: str) -> Form:
    name = kind.partition(";")[0].strip().lower()
    if form := _FORMS.get(name) or _FORMS.get(name.rpartition(".")[2]):
        return form
    first = next((line for _, line in _lines(text)), "")
    if first.startswith("{") and first.endswith("}"):
        return "objects"
    names = [name.strip().lower() for name in _cells(first)]
    return "table" if "prompt" in names and set(names) <= set(COLUMNS) and len(names) > 1 else "lines"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line.strip()) for number, line in enumerate(io.StringIO(text), 1) if line.strip())


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    for number, line in _lines(text):
        try:
            value = json.loads(line)
        except ValueError:
            yield number, Refused(number, "this is no JSON", "不是有效的 JSON")
            continue
        except RecursionError:
            yield number, Refused(number, "this JSON is nested too deeply", "JSON 嵌套过深")
            continue
        yield number, _object(number, value)


def _object(number: int, value: Any) -> dict[str, Any] | Refused:
    if isinstance(value, dict):
        return value
    return Refused(number, 'needs an object with "prompt"', "需要含有 prompt 的对象")


def _table(text: str) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """Rows of a table whose first line names the columns (RFC 4180; commas, semicolons or tabs)."""
    head = text.partition("\n")[0]
    names: list[str] = []
    for number, row in _rows(text, _mark(head)):
        if isinstance(row, Refused):
            yield number, row
            return
        if not any(cell.strip() for cell in row):
            continue
        if not names:
            names = [cell.strip().lower() for cell in row]
            if problem := _heading(names):
                yield number, problem
                return
            continue
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False) if cell.strip()}
        if len(row) > len(names):
            yield (
                number,
                Refused(
                    number,
                    f"has {len(row)} cells, the heading {len(names)}: quote a prompt that holds the separator",
                    f"有 {len(row)} 列，而表头只有 {len(names)} 列：含分隔符的提示词请加引号",
                ),
            )
            continue
        item: dict[str, Any] = dict(cells)
        if references := cells.get("references"):
            item["references"] = references.split()
        yield number, item


def _rows(text: str, mark: str) -> Iterator[tuple[int, list[str] | Refused]]:
    """The rows of a table, each with the line it ends on.

    A quotation mark that is never closed would take all that follows for one prompt: it is refused, with the line its
    row begins on.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    while True:
        began = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield (
                began,
                Refused(
                    began,
                    f'this row cannot be read ({error}): quotation marks go in pairs, one in a prompt is written ""',
                    f'无法读取此行（{error}）：引号须成对，提示词中的引号请写成 ""',
                ),
            )
            return
        yield reader.line_num, row


def _heading(names: list[str]) -> Refused | None:
    if "prompt" not in names:
        return Refused(
            1,
            f"the first line has to name the columns, one of them prompt; it has: {', '.join(names)[:200]}",
            f"首行必须是列名，且其中一列为 prompt；现为：{'、'.join(names)[:200]}",
        )
    if unknown := [name for name in names if name not in COLUMNS]:
        return Refused(
            1,
            f"unknown column {', '.join(unknown)[:200]}; there are {', '.join(COLUMNS)}",
            f"未知列 {'、'.join(unknown)[:200]}；可用：{'、'.join(COLUMNS)}",
        )
    return None


def _mark(head: str) -> str:
    return next((mark for mark in _MARKS if mark in head), ",")


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=_mark(line)), [])
    except csv.Error:
        return []


def _problem(line: int, item: dict[str, Any], local: Callable[[str], str] | None) -> Refused | None:
    """Why an item cannot be ordered: judged as the batch will judge it. Its references become what a batch takes."""
    if unknown := [name for name in item if name not in COLUMNS_KNOWN]:
        known = ", ".join(COLUMNS)
        names = ", ".join(unknown)[:200]
        return Refused(line, f"unknown field {names}; there are {known}", f"未知字段 {names}；可用：{known}")
    if not str(item.get("prompt") or "").strip():
        return Refused(line, "has no prompt", "没有提示词")
    try:
        if local is not None and isinstance(references := item.get("references"), list):
            item["references"] = [local(str(reference)) for reference in references]
        simple_batches.read_item(item)
    except GatewayError as error:
        return Refused(line, error.en, error.zh)
    return None
