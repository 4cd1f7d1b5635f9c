"""The nodes of a fleet, for operators: how each one is, its share, draining. A single node answers that it is none.

What an operator says is written to the registry, so that every gateway obeys, and read back at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from starlette.responses import Response

from gemgate.dialects import wire
from gemgate.errors import Conflict, NotFound, StorageDown
from gemgate.fleet.nodes import Fleet, NodeView
from gemgate.fleet.registry import answers_probe
from gemgate.ports.nodes import NodeRegistry
from gemgate.web.context import FrontContext, RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

BODY = 10_000


class DrainRequest(wire.Body):
    """Body of POST /api/nodes/{name}/drain: no new calls, what runs may end; false takes it back."""

    draining: bool = True


class WeightRequest(wire.Body):
    """Body of POST /api/nodes/{name}/weight: the node's share beside the others' weights; 0 = no calls."""

    weight: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)


@operation(
    router,
    "GET",
    "/api/nodes",
    "nodes.list",
    group="any",
    answers="operating.Nodes",
    level="admin",
    summary="The nodes of the fleet and how they are",
)
async def listing(context: RequestContext) -> Response:
    if not isinstance(context, FrontContext):
        return json_response({"fleet": False, "degraded": "", "nodes": []})
    fleet = context.fleet
    rows = [node_of(one) for one in fleet.nodes]
    return json_response({"fleet": True, "degraded": fleet.degraded, "nodes": rows})


@operation(
    router, "POST", "/api/nodes/{name}/drain", "nodes.drain", group="any", level="admin",
    body=DrainRequest, answers="operating.NodeState",
    summary="Let a node finish what it does and take nothing new; or take that back",
)  # fmt: skip
async def drain(context: RequestContext) -> Response:
    body, _ = await read_with(context.request, BODY, model_reader(DrainRequest, lambda body: body))
    fleet, registry, name = await _addressed(context)
    async with answers_probe():
        await registry.drain(name, body.draining)
    await context.state.audit(context.caller, "node drained" if body.draining else "node resumed", "", name)
    return await _shown(fleet, name)


@operation(
    router, "POST", "/api/nodes/{name}/weight", "nodes.weight", group="any", level="admin",
    body=WeightRequest, answers="operating.NodeState",
    summary="Set a node's share of the calls",
)  # fmt: skip
async def weigh(context: RequestContext) -> Response:
    body, _ = await read_with(context.request, BODY, model_reader(WeightRequest, lambda body: body))
    fleet, registry, name = await _addressed(context)
    async with answers_probe():
        await registry.weigh(name, body.weight)
    await context.state.audit(context.caller, "node weighed", "", f"{name}: {body.weight:g}")
    return await _shown(fleet, name)


@operation(
    router,
    "DELETE",
    "/api/nodes/{name}",
    "nodes.remove",
    group="any",
    answers="operating.RemovedNode",
    level="admin",
    summary="Forget a node that is gone",
)
async def remove(context: RequestContext) -> Response:
    fleet, registry, name = await _addressed(context)
    if fleet.node(name).serves:
        raise Conflict(
            f"The node {name} lives and would announce itself again; stop it first, or drain it",
            f"节点 {name} 仍在运行，会重新注册；请先停止它，或将其排空",
            code="node_alive",
        )
    async with answers_probe():
        await registry.forget(name)
    await context.state.audit(context.caller, "node removed", "", name)
    await fleet.refresh()
    return json_response({"name": name, "removed": True})


async def _addressed(context: RequestContext) -> tuple[Fleet, NodeRegistry, str]:
    """The fleet, its registry and the node that the path names, as they are now. NotFound, StorageDown."""
    if not isinstance(context, FrontContext):
        raise NotFound(
            "This is a single node; nodes are looked after by `gemgate gateway`",
            "这是单个节点；节点由 `gemgate gateway` 管理",
            code="no_fleet",
        )
    fleet = context.fleet
    await fleet.refresh()
    name = fleet.node(context.request.path_params["name"]).name
    if fleet.registry is None:
        raise StorageDown(
            "The registry of nodes is away; try again when it is back", "节点注册库不可用，请稍后重试", retry_after=5.0
        )
    return fleet, fleet.registry, name


async def _shown(fleet: Fleet, name: str) -> Response:
    await fleet.refresh()
    return json_response(node_of(fleet.node(name)))


def node_of(one: NodeView) -> shapes.NodeState:
    """A node as the page and the API show it."""
    node, report = one.node, one.node.report
    return {
        "name": one.name,
        "url": node.card.url,
        "status": report.status,
        "alive": one.alive,
        "trusted": one.proven,
        "why": report.why,
        "weight": node.weight,
        "draining": node.draining,
        "age": round(node.age, 1),
        "inflight": one.inflight,
        "current": report.current,
        "lanes": report.lanes,
        "taken": one.taken,
        "dispatched": report.dispatched,
        "cooling": dict(report.cooling),
        "models": [offer.name for offer in report.offers],
        "version": report.version,
        "created_at": node.created_at,
    }
