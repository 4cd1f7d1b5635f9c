"""Admin routes: the accounts' own chats at Google, where ACCOUNT_HISTORY opens them. Nothing of them is kept here."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.responses import Response

from gemgate.dialects import account_history as shapes
from gemgate.dialects.rows import JSON
from gemgate.dialects.wire import dumps
from gemgate.errors import BadRequest
from gemgate.policy.history_place import read_cursor
from gemgate.pool.history import Exported, ExportEnd, HistoryPage, KeptChat, NotExported, WholeChat
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with, whole_number
from gemgate.web.streaming import StreamingResponse
from gemgate.web.zip_stream import Outlet, zip_entry

router = Router()

BODY = 20_000
MOST = 10_000
"""Chats of one export."""
HEARTBEAT_SECONDS = 10.0
"""A chat of many turns is read in many calls: white space tells meanwhile that the export goes on."""
PRIVATE = {"cache-control": "no-store"}
LISTED = {"limit": "integer", "cursor": "string"}
EXPORTS = ("application/jsonl", JSON, "application/zip")
"""What an export is, by its `format`."""
EXPORTED = {**LISTED, "format": "string"}


@operation(
    router,
    "GET",
    "/api/history",
    "history.list",
    group="any",
    answers="accounts.ChatPage",
    level="admin",
    query=LISTED,
    summary="The chats that all accounts keep at Google, one account after the other",
)
async def everywhere(context: NodeContext) -> Response:
    return await _listing(context, "")


@operation(
    router,
    "POST",
    "/api/history/search",
    "history.search",
    group="any",
    answers="accounts.FoundChats",
    level="admin",
    body=shapes.SearchRequest,
    summary="Chats in which words are found, by Google's own search or by their titles",
)
async def search_all(context: NodeContext) -> Response:
    return await _search(context, "")


@operation(
    router,
    "GET",
    "/api/history/export",
    "history.export",
    group="any",
    answers="accounts.ChatExport",
    level="admin",
    query=EXPORTED,
    produces=EXPORTS,
    summary="Write down the chats of all accounts: `format` jsonl, json or markdown (a ZIP)",
)
async def export_all(context: NodeContext) -> Response:
    return await _export(context, "")


@operation(
    router,
    "GET",
    "/api/history/{name}",
    "accounts.history.list",
    group="any",
    answers="accounts.ChatPage",
    level="admin",
    query=LISTED,
    summary="The chats that an account keeps at Google: pinned ones, then the others, last changed first",
)
async def listing(context: NodeContext) -> Response:
    return await _listing(context, context.request.path_params["name"])


@operation(
    router,
    "POST",
    "/api/history/{name}/search",
    "accounts.history.search",
    group="any",
    answers="accounts.FoundChats",
    level="admin",
    body=shapes.SearchRequest,
    summary="Chats of one account in which words are found",
)
async def search(context: NodeContext) -> Response:
    return await _search(context, context.request.path_params["name"])


@operation(
    router,
    "GET",
    "/api/history/{name}/export",
    "accounts.history.export",
    group="any",
    answers="accounts.ChatExport",
    level="admin",
    query=EXPORTED,
    produces=EXPORTS,
    summary="Write down the chats of one account",
)
async def export(context: NodeContext) -> Response:
    return await _export(context, context.request.path_params["name"])


@operation(
    router,
    "GET",
    "/api/history/{name}/{chat_id}",
    "accounts.history.read",
    group="any",
    answers="accounts.ReadChat",
    level="admin",
    query=LISTED,
    summary="What was said in a chat, the newest turn first",
)
async def read(context: NodeContext) -> Response:
    name, chat_id = _named(context)
    limit = whole_number(context.request, "limit", 20, least=1, most=100)
    token = context.request.query_params.get("cursor", "")
    if len(token) > BODY:
        raise BadRequest("cursor is too long", "cursor 过长", param="cursor", code="invalid_cursor")
    history, caller = context.service.history, context.caller
    kept = await history.one(name, chat_id, caller)
    page = await history.turns(name, chat_id, limit, token, caller)
    told = {
        **_entry(context, kept),
        "turns": [shapes.write_turn(turn) for turn in page.turns],
        "next": page.token or None,
    }
    return json_response(told, headers=PRIVATE)


@operation(
    router,
    "PATCH",
    "/api/history/{name}/{chat_id}",
    "accounts.history.change",
    group="any",
    answers="accounts.ChangedChat",
    level="admin",
    body=shapes.ChatChange,
    summary="Give a chat another title, pin it or take it down",
)
async def change(context: NodeContext) -> Response:
    """`confirmed` is whether Google shows it so now, null where it does not tell."""
    body, _ = await read_with(context.request, BODY, model_reader(shapes.ChatChange, lambda body: body))
    name, chat_id = _named(context)
    history, caller = context.service.history, context.caller
    told: dict[str, Any] = {"id": chat_id, "account": name}
    confirmed: list[bool | None] = []
    if body.title is not None:
        told["title"] = body.title.strip()
        confirmed.append(await history.rename(name, chat_id, told["title"], caller))
    if body.pinned is not None:
        told["pinned"] = body.pinned
        confirmed.append(await history.pin(name, chat_id, caller, pinned=body.pinned))
    if not confirmed:
        raise BadRequest("Say what shall change: title or pinned", "请指定要修改的内容：title 或 pinned", param="title")
    told["confirmed"] = None if None in confirmed else all(confirmed)
    return json_response(told, headers=PRIVATE)


@operation(
    router,
    "DELETE",
    "/api/history/{name}/{chat_id}",
    "accounts.history.delete",
    group="any",
    answers="accounts.DeletedChat",
    level="admin",
    summary="Delete at Google, for good, a chat that this gateway has made; any other is refused",
)
async def delete(context: NodeContext) -> Response:
    name, chat_id = _named(context)
    await context.service.history.delete(name, chat_id, context.caller)
    return json_response({"id": chat_id, "account": name, "deleted": True})


@operation(
    router,
    "GET",
    "/api/history/{name}/{chat_id}/export",
    "accounts.history.export_one",
    group="any",
    answers="accounts.WholeChat",
    produces=(JSON, "text/markdown"),
    level="admin",
    query={"format": "string"},
    summary="Write down one chat: `format` json or markdown",
)
async def export_one(context: NodeContext) -> Response:
    name, chat_id = _named(context)
    form = _format(context, "json", "markdown")
    pieces = await context.service.history.export(context.caller, None, 1, name, chat_id)
    told: dict[str, Any] = {}
    async for one in pieces:
        if isinstance(one, WholeChat):
            told = _chat(context, one)
    if form == "json":
        return json_response(told, headers={**PRIVATE, **_attached(f"{shapes.safe(chat_id)}.json")})
    text = await asyncio.to_thread(shapes.write_markdown, told, chinese=_chinese(context))
    return Response(
        text.encode(), headers={**PRIVATE, **_attached(f"{shapes.safe(chat_id)}.md")}, media_type="text/markdown"
    )


async def _listing(context: NodeContext, name: str) -> Response:
    limit = whole_number(context.request, "limit", 50, least=1, most=100)
    place = read_cursor(context.request.query_params.get("cursor", ""))
    page = await context.service.history.page(place, limit, name)
    return json_response(_page(context, page, page.chats), headers=PRIVATE)


async def _search(context: NodeContext, name: str) -> Response:
    body, _ = await read_with(context.request, BODY, model_reader(shapes.SearchRequest, lambda body: body))
    place = read_cursor(body.cursor)
    page = await context.service.history.page(place, body.limit, name, body.query.strip())
    kept = [one for one in page.chats if one.is_open_to(context.caller)]  # a hit would tell what is said in it
    return json_response(
        {**_page(context, page, kept), "by": "titles" if page.by_titles else "google"}, headers=PRIVATE
    )


async def _export(context: NodeContext, name: str) -> Response:
    form = _format(context, "jsonl", "json", "markdown")
    most = whole_number(context.request, "limit", MOST, least=1, most=MOST)
    place = read_cursor(context.request.query_params.get("cursor", ""))
    found = await context.service.history.export(context.caller, place, most, name)
    match form:
        case "jsonl":
            pieces, kind, ending = _beating(_lines(context, found), b"\n"), "application/jsonl", "jsonl"
        case "json":
            pieces, kind, ending = _beating(_document(context, found), b" "), "application/json", "json"
        case _:
            pieces, kind, ending = _zipped(context, found), "application/zip", "zip"
    attached = _attached(f"history{'-' + shapes.safe(name) if name else ''}.{ending}")
    return StreamingResponse(pieces, headers={**PRIVATE, **attached}, media_type=kind)


async def _lines(context: NodeContext, found: AsyncIterator[Exported]) -> AsyncGenerator[bytes, None]:
    """A line for each chat, one for each that is missing, and a last one: without it the export was broken off."""
    async for one in found:
        yield dumps(_told(context, one)) + b"\n"


async def _document(context: NodeContext, found: AsyncIterator[Exported]) -> AsyncGenerator[bytes, None]:
    """One JSON object, a chat of it in memory at a time."""
    missing: list[dict[str, Any]] = []
    yield b'{"chats":['
    first = True
    async for one in found:
        told = _told(context, one)
        if isinstance(one, WholeChat):
            yield (b"" if first else b",") + dumps(told)
            first = False
        elif isinstance(one, NotExported):
            missing.append(told)
        else:
            yield b'],"missing":' + dumps(missing) + b',"next":' + dumps(told["next"]) + b"}"


async def _zipped(context: NodeContext, found: AsyncIterator[Exported]) -> AsyncGenerator[bytes, None]:
    """A Markdown file for each chat in a folder of its account, and what is missing."""
    outlet, missing, place = Outlet(), [], None
    now = context.service.clock.now()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as zipped:
        async for one in found:
            told = _told(context, one)
            if isinstance(one, WholeChat):
                text = await asyncio.to_thread(shapes.write_markdown, told, chinese=_chinese(context))
                info = zip_entry(f"{shapes.safe(told['account'])}/{shapes.file_name(told)}", told["updated_at"] or now)
                info.compress_type = zipfile.ZIP_DEFLATED
                await asyncio.to_thread(zipped.writestr, info, text.encode())
                yield outlet.take()
            elif isinstance(one, NotExported):
                missing.append(told)
            else:
                place = told["next"]
        zipped.writestr(zip_entry("export.json", now), dumps({"missing": missing, "next": place}))
    yield outlet.take()


def _told(context: NodeContext, one: Exported) -> dict[str, Any]:
    match one:
        case WholeChat():
            return _chat(context, one)
        case NotExported(account, chat_id, error):
            return {**shapes.write_missing(account, chat_id, error, context.caller.language)}
        case ExportEnd(place):
            return {"end": True, "next": place.cursor if place else None}


async def _beating(pieces: AsyncGenerator[bytes, None], beat: bytes) -> AsyncGenerator[bytes, None]:
    """The pieces, and white space while the next one takes long."""
    coming = asyncio.ensure_future(anext(pieces, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield beat
                continue
            if (piece := coming.result()) is None:
                return
            yield piece
            coming = asyncio.ensure_future(anext(pieces, None))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await pieces.aclose()


def _page(context: NodeContext, page: HistoryPage, kept: tuple[KeptChat, ...] | list[KeptChat]) -> dict[str, Any]:
    entries = [_entry(context, one) for one in kept]
    return shapes.write_list(entries, page.place.cursor if page.place else None, page.problems, context.caller.language)


def _entry(context: NodeContext, kept: KeptChat) -> dict[str, Any]:
    return {**shapes.write_entry(kept.account, kept.chat, kept.tenant, is_open=kept.is_open_to(context.caller))}


def _chat(context: NodeContext, whole: WholeChat) -> dict[str, Any]:
    return shapes.write_chat(_entry(context, whole.kept), whole.turns, cut=whole.cut)


def _named(context: NodeContext) -> tuple[str, str]:
    return context.request.path_params["name"], context.request.path_params["chat_id"]


def _format(context: NodeContext, *known: str) -> str:
    """`?format=`, the first one unless it is said; BadRequest."""
    wanted = context.request.query_params.get("format", known[0])
    if wanted not in known:
        raise BadRequest(f"format is one of {', '.join(known)}", f"format 只能是 {'、'.join(known)}", param="format")
    return wanted


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _chinese(context: NodeContext) -> bool:
    return context.caller.language.lower().startswith("zh")
