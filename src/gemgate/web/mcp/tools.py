"""The tools, over whatever way there is to the API."""

from __future__ import annotations

import base64
import functools
import mimetypes
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, ParamSpec, Protocol, TypeVar
from urllib.parse import quote, unquote, urlsplit

import orjson
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ImageContent, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

from gemgate import imaging
from gemgate.dialects.wire import inline_image
from gemgate.errors import ClientError, GatewayError
from gemgate.images import handle_of
from gemgate.offload import offload
from gemgate.version import __version__

P = ParamSpec("P")
T = TypeVar("T")

MOST_FILES: Final = 10
LONGEST_WAIT: Final = 50
"""Seconds that a job is waited for in one call; agents give a tool a minute or two."""
PREVIEW: Final = "image/webp"
INSTRUCTIONS: Final = (
    "Gemini through the operator's own account. Images take 30 to 120 seconds each: for several, or where calls are "
    "cut off early, use start_job and then job. Facts that may be newer than you: search_web, and cite its sources."
)


class Api(Protocol):
    """A way to a gateway's API, and to the files of the machine that the agent runs on, where that is this one."""

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The answer's JSON; GatewayError with what the gateway said."""
        ...

    async def fetch(self, address: str) -> bytes:
        """The bytes at a path of the API, or of an image that an answer of the gateway links to. GatewayError."""
        ...

    async def read(self, path: str) -> bytes:
        """A file; BadRequest when it cannot be had, or when the agent is elsewhere."""
        ...

    async def write_beside(self, path: str, data: bytes) -> str:
        """Keep what was made of a file that was read, and not write over it; where it is."""
        ...


Prompt = Annotated[str, Field(min_length=1, max_length=1_000_000)]
Model = Annotated[str, Field(description="A model's id, as GET /v1/models lists them; empty for the default.")]
_WHERE: Final = (
    "A public link, a data: URL, the id of an uploaded file (file-…) or, where this server runs on your own machine, a "
    "path."
)
File = Annotated[str, Field(description=_WHERE)]
Files = Annotated[list[str], Field(max_length=MOST_FILES, description=f"Of each: {_WHERE}")]
Content = list[TextContent | ImageContent | ResourceLink]

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=True)
_MAKES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)


def _told(tool: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """What the gateway refuses is told to the model in its words."""

    @functools.wraps(tool)
    async def telling(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await tool(*args, **kwargs)
        except (GatewayError, ClientError) as error:
            raise ToolError(str(error)) from None

    return telling


def mcp_server(api_of: Callable[[Context[Any, Any]], Api]) -> MCPServer[Any]:
    """A server of all tools. api_of: the way to the API for the caller of a tool."""
    server: MCPServer[Any] = MCPServer("gemgate", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")

    def tool(annotations: ToolAnnotations) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        def register(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            server.add_tool(_told(function), annotations=annotations, structured_output=False)
            return function

        return register

    @tool(_READS)
    async def ask(
        prompt: Prompt, ctx: Context[Any, Any], system: str = "", model: Model = "", files: Files | None = None
    ) -> str:
        """Ask Gemini. One question, no memory of earlier ones: put what it must know into the prompt."""
        return await _answer(api_of(ctx), prompt, system, model, files or ())

    @tool(_READS)
    async def search_web(query: Prompt, ctx: Context[Any, Any], model: Model = "") -> str:
        """Search the web and answer from what was found, with the sources' titles and links at the end."""
        return await _answer(api_of(ctx), query, _SEARCH, model, (), tools=[{"type": "web_search"}])

    @tool(_READS)
    async def read_file(file: File, question: Prompt, ctx: Context[Any, Any], model: Model = "") -> str:
        """Have Gemini read a document, image, audio or video file and answer a question about it."""
        return await _answer(api_of(ctx), question, "", model, (file,))

    @tool(_MAKES)
    async def make_image(
        prompt: Prompt,
        ctx: Context[Any, Any],
        size: Annotated[str, Field(description="As 1536x1024; a wish, the answer says what came.")] = "",
        count: Annotated[int, Field(ge=1, le=4)] = 1,
        model: Model = "",
    ) -> Content:
        """Make images: a link to each, its true size, and a small preview to look at."""
        body = {"prompt": prompt, "n": count, "response_format": "url", "model": model, "size": size}
        return await _shown(api_of(ctx), await _post(api_of(ctx), "/v1/images/generations", body))

    @tool(_MAKES)
    async def edit_image(images: Files, prompt: Prompt, ctx: Context[Any, Any], model: Model = "") -> Content:
        """Change images in words: say what shall be different and where. Ten images at most."""
        api = api_of(ctx)
        body = {
            "prompt": prompt,
            "image": [await _link(api, one) for one in images],
            "response_format": "url",
            "model": model,
        }
        return await _shown(api, await _post(api, "/v1/images/edits", body))

    @tool(_MAKES)
    async def clean_image(image: File, ctx: Context[Any, Any]) -> Content:
        """Take Gemini's visible logo off an image, where there is evidence of it; SynthID and provenance stay. Of a
        local path the result is written beside it, and the original is kept.
        """
        return await _cleaned(api_of(ctx), image)

    @tool(_MAKES)
    async def start_job(
        kind: Literal["image", "answer"], prompt: Prompt, ctx: Context[Any, Any], model: Model = "", size: str = ""
    ) -> str:
        """Start something long and return at once with its id; it survives restarts of the gateway. Then use job."""
        if kind == "image":
            body = {"prompt": prompt, "response_format": "url", "async": True, "model": model, "size": size}
            begun = await _post(api_of(ctx), "/v1/images/generations", body)
            return _dumps({"id": begun["id"], "status": begun["status"]})
        body = {"input": prompt, "background": True, "model": model}
        begun = await _post(api_of(ctx), "/v1/responses", body)
        return _dumps({"id": begun["id"], "status": begun["status"]})

    @tool(_READS)
    async def job(
        job_id: str, ctx: Context[Any, Any], wait_seconds: Annotated[int, Field(ge=0, le=LONGEST_WAIT)] = 0
    ) -> Content:
        """How a job stands, and its result when it has ended. wait_seconds: wait so long for its end."""
        return await _job(api_of(ctx), job_id, wait_seconds)

    @tool(_MAKES)
    async def cancel_job(job_id: str, ctx: Context[Any, Any]) -> str:
        """Give a job up. What is made already stays."""
        path = _place(job_id)
        api = api_of(ctx)
        told = await (api.ask("DELETE", path) if path.startswith("/v1/images") else api.ask("POST", path + "/cancel"))
        return _dumps({"id": told["id"], "status": told["status"]})

    return server


_SEARCH: Final = "Search the web before you answer. Name for each fact where it is from."


_LINKS: Final = ("http://", "https://", "data:", "file-")


async def _post(api: Api, path: str, body: dict[str, Any]) -> Any:
    """Empty values are what the gateway chooses by itself."""
    return await api.ask("POST", path, orjson.dumps({name: value for name, value in body.items() if value != ""}))


async def _answer(api: Api, prompt: str, system: str, model: str, files: Sequence[str], **more: Any) -> str:
    """The words of one answer, its sources behind them."""
    parts = [await _part(api, file) for file in files] + [{"type": "input_text", "text": prompt}]
    body = {"input": [{"role": "user", "content": parts}], "instructions": system, "model": model, "store": False}
    return _words(await _post(api, "/v1/responses", {**body, **more}))


def _words(response: Any) -> str:
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    text = "".join(part.get("text", "") for part in parts)
    cited = {note["url"]: note.get("title") or note["url"] for part in parts for note in part.get("annotations", ())
             if note.get("type") == "url_citation"}  # fmt: skip
    missing = [f"- [{title}]({url})" for url, title in cited.items() if url not in text]
    return "\n".join([text, *(("", "Sources:", *missing) if missing else ())])


async def _part(api: Api, file: str) -> dict[str, str]:
    """An input of the Responses API."""
    link = await _link(api, file)
    if link.startswith("file-"):
        return {"type": "input_file", "file_id": link}
    mime = link[5:].partition(";")[0] if link.startswith("data:") else mimetypes.guess_type(link.partition("?")[0])[0]
    if (mime or "").startswith("image/"):
        return {"type": "input_image", "image_url": link}
    if link.startswith("data:"):
        return {"type": "input_file", "file_data": link, "filename": PurePath(file).name if link != file else "file"}
    return {"type": "input_file", "file_url": link}


async def _link(api: Api, file: str) -> str:
    """A link, data URL or id as it is; a path of this machine as a data URL, where the agent runs on it."""
    if file.startswith(_LINKS):
        return file
    data = await api.read(file)
    return f"data:{_mime(file)};base64,{base64.b64encode(data).decode()}"


def _mime(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


async def _shown(api: Api, answer: Any) -> Content:
    """Links, true sizes and previews of the images of an answer, and what failed."""
    shown: Content = []
    for at, image in enumerate(answer.get("data", ()), 1):
        place = unquote(urlsplit(image["url"]).path.rpartition("/images/")[2])
        name = place.rpartition("/")[2]
        shown.append(ResourceLink(type="resource_link", uri=image["url"], name=name, mime_type=image.get("mime")))
        shown.append(TextContent(type="text", text=_dumps({"image": at, **image})))
        with suppress(GatewayError, ClientError):  # it is made, and shown by its link all the same
            preview = await api.fetch(f"/api/gallery/{handle_of(place)}/thumb")
            shown.append(ImageContent(type="image", data=base64.b64encode(preview).decode(), mime_type=PREVIEW))
    if failed := answer.get("errors"):
        shown.append(TextContent(type="text", text=_dumps({"errors": failed})))
    return shown


async def _cleaned(api: Api, image: str) -> Content:
    if image.startswith("data:"):
        data = await offload(len(image), lambda: inline_image(image, "image").data)
    elif image.startswith(("http://", "https://")):
        data = await api.fetch(image)
    else:
        data = await api.read(image)
    logo, new = await offload(len(data), functools.partial(_without_logo, data), small=0)
    told = {"logo": logo}
    if logo != "removed":
        return [TextContent(type="text", text=_dumps(told))]
    if not image.startswith(_LINKS):
        return [TextContent(type="text", text=_dumps({**told, "written": await api.write_beside(image, new)}))]
    shown = ImageContent(type="image", data=base64.b64encode(new).decode(), mime_type=imaging.measure(new).mime)
    return [TextContent(type="text", text=_dumps(told)), shown]


def _without_logo(data: bytes) -> tuple[str, bytes]:
    """What became of the logo, and the file; a changed one still says that a trained algorithm made it."""
    done = imaging.clean(data)
    return done.logo, imaging.tag_provenance(done.data, changed=True).data if done.logo == "removed" else data


def _place(job_id: str) -> str:
    """Where a job is asked for, by the beginning of its id."""
    known = {"imgtask_": "/v1/images/tasks/", "resp_": "/v1/responses/"}
    return next((path for start, path in known.items() if job_id.startswith(start)), "/api/jobs/") + quote(
        job_id, safe=""
    )


async def _job(api: Api, job_id: str, wait: int) -> Content:
    path = _place(job_id)
    told = await api.ask("GET", path + (f"?wait={wait}" if wait else ""))
    if told.get("object") == "response":
        words = _words(told) if told["status"] == "completed" else ""
        facts = {"id": job_id, "status": told["status"], "error": told.get("error")}
        return [
            TextContent(type="text", text=_dumps(facts)),
            *([TextContent(type="text", text=words)] if words else ()),
        ]
    result = told.pop("result", None)
    head: Content = [TextContent(type="text", text=_dumps(told))]
    return [*head, *(await _shown(api, result) if isinstance(result, dict) else ())]


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
