"""What lives in the memory of each node, told as one: the accounts, whether all is well, the last requests.

A node that does not answer in time is named, and the others are shown.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from starlette.responses import Response

from gemgate.accounts import CAPABILITIES, State
from gemgate.errors import BadRequest, GatewayError, LocalText
from gemgate.fleet.nodes import Fleet, NodeView
from gemgate.frozen import frozen
from gemgate.pool.status import AccountStatus
from gemgate.telemetry.series import series_json
from gemgate.version import __version__
from gemgate.web.auth import forwarded_caller
from gemgate.web.context import FrontContext, RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.relay.node_client import Broken, NodeClient, Unsent
from gemgate.web.request_body import whole_number
from gemgate.web.routes import overview
from gemgate.web.routes.series import step_of

router = Router()

NODE_TIMEOUT = 3.0
"""Seconds that one node may take."""
LARGEST = 4_000_000
COUNTED = ("ended", "failed", "under_way")
USABLE = ("ready", "busy", "starting")


@frozen
class Gathered:
    """What the nodes answered, by their names; silent: those that did not, and why."""

    answers: Mapping[str, dict[str, Any]]
    missing: Mapping[str, str]


Tell = Callable[[Gathered], dict[str, Any]]
"""What a route answers; raises where a node's answer is not what it should be."""


async def query_all(context: FrontContext, tell: Tell) -> Gathered:
    """Ask every node that can be asked the same question at once; one whose answer cannot be told is silent."""
    fleet = context.fleet
    nodes = [one for one in fleet.nodes if one.serves]
    hop: NodeClient = context.request.app.state.hop
    answers = await asyncio.gather(*(_ask(hop, one, context, tell) for one in nodes))
    answered = {one.name: answer for one, answer in zip(nodes, answers, strict=True) if isinstance(answer, dict)}
    silent = {one.name: answer for one, answer in zip(nodes, answers, strict=True) if isinstance(answer, str)}
    return Gathered(answered, silent)


async def _ask(hop: NodeClient, one: NodeView, context: RequestContext, tell: Tell) -> dict[str, Any] | str:
    """The node's answer, or why there is none."""
    stated = forwarded_caller.ForwardedCaller(context.caller, "admin", context.request.url.scheme)
    received = b""
    try:
        async with (
            asyncio.timeout(NODE_TIMEOUT),
            hop.exchange(one.node.card.url, context.request, stated, None, fresh=True) as exchange,
        ):
            async for chunk in exchange.chunks():
                received += chunk
                if len(received) > LARGEST:
                    return "its answer is too large"
            if exchange.head.status != 200:
                return f"it answered {exchange.head.status}"
        return readable(one.name, orjson.loads(received), tell)
    except (Unsent, Broken, TimeoutError, GatewayError, orjson.JSONDecodeError) as error:
        return str(error) or type(error).__name__


def readable(node: str, answer: Any, tell: Tell) -> dict[str, Any] | str:
    """A node's answer if it can be told by itself, so that those of others can be told beside it; else what is wrong.

    Numbers have 53 bits: those of all nodes can be added up.
    """
    try:
        orjson.dumps(tell(Gathered({node: answer}, {})), option=orjson.OPT_STRICT_INTEGER)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return "its answer is of another kind: is it of another version?"
    found: dict[str, Any] = answer
    return found


@operation(
    router, "GET", "/api/accounts", "accounts.list", group="any", level="admin", summary="All accounts of all nodes"
)
async def accounts(context: FrontContext) -> Response:
    return json_response(accounts_of(await query_all(context, accounts_of)))


def accounts_of(gathered: Gathered) -> dict[str, Any]:
    return {
        "accounts": _rows(gathered, "accounts"),
        "waiting": sum(told["waiting"] for told in gathered.answers.values()),
        "silent": gathered.missing,
    }


@operation(
    router, "GET", "/api/gems", "gems.list", group="any", level="admin", summary="The gems of all accounts of all nodes"
)
async def gems(context: FrontContext) -> Response:
    return json_response(gems_of(await query_all(context, gems_of)))


def gems_of(gathered: Gathered) -> dict[str, Any]:
    problems = {name: why for told in gathered.answers.values() for name, why in told["problems"].items()}
    return {"gems": _rows(gathered, "gems"), "problems": problems, "silent": gathered.missing}


async def account_by_account(context: FrontContext) -> Response:
    """A cursor goes on at one node, and a node knows its own accounts only."""
    raise BadRequest(
        "A fleet's history is asked for account by account: /api/history/NAME",
        "集群中的历史记录须按账号查询：/api/history/账号名",
        param="account",
        code="account_needed",
    )


for _method, _path, _name in (
    ("GET", "/api/history", "history.list"),
    ("POST", "/api/history/search", "history.search"),
    ("GET", "/api/history/export", "history.export"),
):
    operation(router, _method, _path, _name, group="any", level="admin")(account_by_account)


@operation(
    router,
    "GET",
    "/api/overview",
    "overview",
    group="any",
    level="admin",
    summary="Whether everything is all right, and why",
)
async def summary(context: FrontContext) -> Response:
    fleet, language, now = context.fleet, context.caller.language, context.state.clock.now()

    def tell(gathered: Gathered) -> dict[str, Any]:
        troubles = [one.for_(language) for one in _troubles(fleet, gathered)]
        return overview_of(gathered, [*context.state.troubles(language), *troubles], now)

    facts = tell(await query_all(context, tell))
    if not fleet.nodes:
        facts |= {"level": "setup", "sentence": {"en": "No node has registered yet.", "zh": "尚无节点注册。"}}
    facts |= {"version": __version__, "node": "gateway", "nodes": dict(fleet.words())}
    etag = f'W/"{hashlib.sha256(orjson.dumps(facts)).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "accept-language, cookie, authorization"}
    if context.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps({"now": now, **facts}), headers=headers, media_type="application/json")


def overview_of(gathered: Gathered, degraded: list[str], now: float) -> dict[str, Any]:
    """What all nodes say together; degraded: what is wrong beside that."""
    rows = _rows(gathered, "accounts")
    for told in gathered.answers.values():
        degraded += [str(text) for text in told["degraded"]]
    said = overview.summary_of([_account(row) for row in rows], list(dict.fromkeys(degraded)), now)
    requests = [told["requests"] for told in gathered.answers.values()]
    return {
        "level": said.level,
        "sentence": {"en": said.en, "zh": said.zh},
        "degraded": degraded,
        "accounts": rows,
        "waiting": sum(told["waiting"] for told in gathered.answers.values()),
        "requests": {name: sum(one[name] for one in requests) for name in COUNTED},
        "started_at": min((0 + told["started_at"] for told in gathered.answers.values()), default=0),
    }


def _troubles(fleet: Fleet, gathered: Gathered) -> list[LocalText]:
    """What of the nodes is not as it should be."""
    gone = [one.name for one in fleet.nodes if not one.alive and one.node.report.status != "OFFLINE"]
    foreign = [one.name for one in fleet.nodes if one.alive and not one.proven]
    other = {one.name: one.node.report.version or "(unknown)" for one in fleet.nodes if one.serves}
    empty = [name for name, told in gathered.answers.items() if not told["accounts"]]
    return [
        *(LocalText(f"node {name} is gone", f"节点 {name} 已失联") for name in gone),
        *(
            LocalText(f"node {name} has another INTERNAL_TOKEN", f"节点 {name} 的 INTERNAL_TOKEN 不同")
            for name in foreign
        ),
        *(
            LocalText(
                f"node {name} runs gemgate {version}, this gateway {__version__}",
                f"节点 {name} 运行 gemgate {version}，本网关为 {__version__}",
            )
            for name, version in other.items()
            if version != __version__
        ),
        *(LocalText(f"node {name} has no account", f"节点 {name} 没有账号") for name in empty),
        *(
            LocalText(f"node {name} does not answer: {why}", f"节点 {name} 没有响应：{why}")
            for name, why in gathered.missing.items()
        ),
    ]


def _account(row: Mapping[str, Any]) -> overview.AccountOverview:
    """Each value of its kind, whatever of it is looked at: what is said of one depends on the others."""
    state = str(row["state"])
    status = AccountStatus(
        cast("State", state), state in USABLE, LocalText(str(row["why"])), until=float(row["until"] or 0)
    )
    resting = [one["capability"] for one in row["cooldowns"] if one["capability"] != "text"]
    lanes = row["lanes"]
    return overview.AccountOverview(
        str(row["name"]),
        status,
        int(lanes["max"]),
        int(lanes["busy"]),
        tuple(one for one in CAPABILITIES if one in resting),
    )


@operation(
    router,
    "GET",
    "/api/requests",
    "requests.list",
    group="any",
    level="admin",
    summary="The last requests of all nodes, newest first",
)
async def requests(context: FrontContext) -> Response:
    """The same filters as on a node. There is one page: `limit` rows at most, 200 with every node's newest."""
    limit = whole_number(context.request, "limit", 50, least=1, most=200)
    told = requests_of(await query_all(context, requests_of))
    return json_response({**told, "requests": told["requests"][:limit], "next_cursor": None})


def requests_of(gathered: Gathered) -> dict[str, Any]:
    rows = sorted(_rows(gathered, "requests"), key=lambda row: -row["time"])
    return {"requests": rows, "silent": gathered.missing}


@operation(
    router,
    "GET",
    "/api/series",
    "series",
    group="any",
    level="admin",
    query={"step": "string"},
    summary="Calls, failures, images, tokens and durations of all nodes over time",
)
async def series(context: FrontContext) -> Response:
    """As on a node, added up; since: from when on all of them count."""
    step, now = step_of(context.request), context.state.clock.now()

    def tell(gathered: Gathered) -> dict[str, Any]:
        since = max((0 + told["since"] for told in gathered.answers.values()), default=now)
        points = [point for told in gathered.answers.values() for point in told["points"]]
        return {**series_json(step, now, since, points), "silent": gathered.missing}

    return json_response(tell(await query_all(context, tell)))


def _rows(gathered: Gathered, name: str) -> Sequence[dict[str, Any]]:
    return [{**row, "node": node} for node, told in gathered.answers.items() for row in told[name]]
