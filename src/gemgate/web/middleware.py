"""The outermost middleware: request ids, facts, CORS (pure ASGI, once round everything), and the handler of errors."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gemgate.dialects.not_offered import not_offered
from gemgate.digits import whole
from gemgate.errors import BadRequest, GatewayError, MethodNotAllowed, NotFound, forget_frames, said
from gemgate.machine import crowded
from gemgate.telemetry.logs import REQUEST_ID, get_logger
from gemgate.web import errors, paths
from gemgate.web.context import AppState, RequestContext, context_of
from gemgate.web.disconnect import ClientDisconnected
from gemgate.web.header_text import header_text, stamped
from gemgate.web.interim import CROWDED, PromptSentNotifier
from gemgate.web.keepalive import KeepAlive
from gemgate.web.request import DoorRequest
from gemgate.web.request_body import BODY_SECONDS
from gemgate.web.routes import methods_at
from gemgate.web.routes.models import verbs_of_models
from gemgate.web.sse import internal_error

CLIENT_CLOSED = 499
"""What the log and the counters say of a request whose client went away (nginx's number)."""


class RequestMiddleware:
    """Serves `app`; `begin` makes the context of each request, with what exists only while the app runs.

    notices: of a node, whose gateway may state who calls; None at the edge, where nobody stands before it.
    """

    def __init__(
        self, app: ASGIApp, begin: Callable[[str], RequestContext], notices: PromptSentNotifier | None = None
    ) -> None:
        self._app = app
        self._begin = begin
        self._notices = notices

    @staticmethod
    def _room(state: AppState, scope: Scope, headers: Headers, context: RequestContext) -> int:
        """Bytes of memory that the call may take. Busy when there is no room for it; operators are always heard."""
        if scope.get(CROWDED):
            context.headers["connection"] = "close"
            raise crowded()
        if scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE") or scope["path"].startswith("/api/"):
            return 0
        length = _length(headers)
        if (busy := state.machine.refuses(length)) is not None:
            raise busy
        return state.machine.cost(length)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = self._begin("req_" + secrets.token_hex(12))
        state, access = context.state, context.access
        context.request = request = DoorRequest(scope, receive)
        headers = request.headers
        context.below = access.below(request)
        paths.settle(scope, context.below)
        context.policy_wanted = headers.get("x-gemgate-model-policy", "")
        scope["gemgate.context"], scope["gemgate.app"] = context, self
        app, promised, unread, patience = self._app, 0, False, state.settings.keepalive_seconds
        try:
            if self._notices is not None and (stated := access.accept_forwarded(request)):
                context.request_id = stated.caller.request_id
                self._notices.expect(context.request_id, scope)
                patience = 0.0  # a gateway sends its client the blanks, and may ask another node meanwhile
            promised = self._room(state, scope, headers, context)
        except GatewayError as error:
            unread = error.code == "out_of_memory"
            app = errors.answer(error, request, context.request_id)
        origin = headers.get("origin")
        cors = access.cors_headers(origin, scope["path"]) if origin else {}

        async def send_stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._notices is not None:
                    self._notices.over(context.request_id)
                context.begins()
                request_id = context.request_id
                ours = {"x-request-id": request_id, "request-id": request_id, **context.headers, **cors}
                message["headers"] = stamped(message.get("headers", ()), ours)
            await send(message)

        answer = context.keepalive = KeepAlive(send_stamped, patience, lambda: context.note("answer.kept_alive"))
        context.note("request.begun", method=scope["method"], traceparent=headers.get("traceparent", "")[:55])
        REQUEST_ID.set(context.request_id)
        try:
            if scope["method"] == "OPTIONS" and cors:
                await preflight(headers, answer.send)
            else:
                if unread:
                    await _let_go_by(receive)
                with state.machine.memory.promised(promised):
                    await app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the last net there is; `refused` logs what it does not know
            await _catch(error, request, answer.send, begun=answer.begun)
            forget_frames(error)
        finally:
            answer.close()
            if self._notices is not None:
                self._notices.over(context.request_id)
            del scope["gemgate.context"]  # the context holds the request, and with it the scope: neither would go
            # Paths name images and files; only one that led nowhere helps to find out what was wrong.
            path = scope["path"][:200] if context.operation == "none" else ""
            context.note(
                "request.done", operation=context.operation, status=_status(answer), seconds=context.seconds(),
                path=path, added=context.added,
            )  # fmt: skip


def _status(answer: KeepAlive) -> int:
    """What the log and the counters say: the status that the client read, unless it left before there was more."""
    if not answer.begun or answer.status == CLIENT_CLOSED:
        return CLIENT_CLOSED
    return 200 if answer.opened else answer.status


_FORESEEN = (GatewayError, HTTPException, ClientDisconnected, ClientDisconnect)
"""What is raised to be answered; anything else is a bug of ours."""


async def _catch(error: Exception, request: Request, send: Send, *, begun: bool) -> None:
    """Answer what was raised while no answer had begun; note what nobody foresaw, or what broke an answer off."""
    if not begun or not isinstance(error, _FORESEEN):
        answer = await exception_handler(request, error)
        if not begun:
            await answer(request.scope, request.receive, send)
    if begun or not isinstance(error, _FORESEEN):
        context_of(request).note("request.crashed", why=type(error).__name__)


async def _let_go_by(receive: Receive) -> None:
    """Take the body of a refused request and keep none of it: most clients read no answer before they have sent all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while (await receive()).get("more_body"):
                pass


def _length(headers: Headers) -> int | None:
    """How long the body is; None when it does not say."""
    if "transfer-encoding" in headers:
        return None
    return whole(headers.get("content-length", "0"))


async def exception_handler(request: Request, error: Exception) -> Response:
    """The answer to anything that was raised while a request was served."""
    context = context_of(request)
    match error:
        case ClientDisconnected() | ClientDisconnect():
            return Response(status_code=CLIENT_CLOSED)
        case GatewayError():
            problem = error
        case HTTPException():
            problem = of_http(error, request.scope)
            if error.status_code == 405:
                context.headers["allow"] = ", ".join(_allowed(request.scope))
        case _:
            get_logger().exception("request.failed", request_id=context.request_id, exc_info=error)
            problem = internal_error(error)
    context.failed(problem, in_band=context.keepalive.opened)
    return errors.answer(problem, request, context.request_id)


_VERB = re.compile(r"/v1(?:beta)?/models/[^:]+:(\w{1,40})$", re.ASCII)
"""What is asked of one of Google's models; GET has the rest of the path, so that a POST here is an unknown verb."""


def of_http(error: HTTPException, scope: Scope) -> GatewayError:
    """The framework's own refusals (unknown route, wrong method, broken form) as ours."""
    path = said(scope["path"])
    if error.status_code in (404, 405) and (absent := not_offered(scope["path"], taken=error.status_code == 405)):
        return absent
    if error.status_code == 404:
        return NotFound(
            f"There is nothing at {path}; see /docs for the routes",
            f"路径 {path} 不存在；全部路径见 /docs",
            code="route_not_found",
        )
    if error.status_code == 405 and scope["method"] == "POST" and (verb := _VERB.search(scope["path"])):
        verbs = ", ".join(verbs_of_models())
        return NotFound(
            f"Models have no :{verb[1]} here; use {verbs}",
            f"这里的模型没有 :{verb[1]}；请使用 {verbs}",
            code="unknown_verb",
        )
    if error.status_code == 405:
        allowed = [method for method in _allowed(scope) if method != "HEAD"]
        return MethodNotAllowed(
            f"{scope['method']} is not allowed at {path}; use {' or '.join(allowed)}",
            f"{path} 不支持 {scope['method']}，请使用 {' 或 '.join(allowed)}",
        )
    return BadRequest(str(error.detail), str(error.detail))


def _allowed(scope: Scope) -> list[str]:
    """What may be asked at this path, where it may not be asked by the method at hand."""
    given = ("GET", "HEAD") if scope["method"] in ("GET", "HEAD") else (scope["method"],)
    return [method for method in methods_at(scope["path"]) if method not in given]


async def preflight(asked: Headers, send: Send) -> None:
    """A browser asks what it may send: anything, from the origins that are named in CORS_ORIGINS."""
    wanted = asked.get("access-control-request-headers", "*")
    headers = {
        "access-control-allow-methods": "GET, POST, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": wanted,
        "access-control-max-age": "600",
    }
    raw = [(name.encode(), header_text(value)) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
