"""`gemgate worker`, `gemgate gateway` and `gemgate nodes`: several machines behind one address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from gemgate.assembly import fleet
from gemgate.assembly.node import open_service
from gemgate.cli.console import err, marked, out
from gemgate.cli.serve import listening, run_server
from gemgate.cli.terminal import ConfigOption, FleetOption, JsonOption, language, load_settings, run, say, write_json
from gemgate.cli.words import span, word
from gemgate.errors import LocalText
from gemgate.fleet.registry import DEAD_AFTER, answers_probe
from gemgate.nodes import Node
from gemgate.ports.nodes import NodeRegistry
from gemgate.settings import Settings
from gemgate.web.app import create_app
from gemgate.web.relay.app import create_front_app

HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default=False)]
PortOption = Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 picks one.", show_default=False)]

DRAIN_GRACE = 2.5
"""Seconds that a leaving node still takes calls: until every gateway has read that it is OFFLINE."""


def worker(
    host: HostOption = None,
    port: PortOption = None,
    fleet: FleetOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve as a node of a fleet: registered in PostgreSQL from the start, called by `gemgate gateway`."""
    loaded = load_settings({"host": host, "port": port, "fleet": fleet}, config)
    run(_worker(loaded.settings, loaded.origins))


def gateway(
    host: HostOption = None,
    port: PortOption = None,
    fleet: FleetOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve the whole fleet at one address: every call goes to the best node. It has no accounts of its own."""
    loaded = load_settings({"host": host, "port": port, "fleet": fleet}, config)
    run(_gateway(loaded.settings, loaded.origins))


async def _worker(settings: Settings, origins: Mapping[str, str]) -> None:
    _warn(fleet.check(settings))
    with listening(settings) as (sock, bound):
        async with open_service(bound) as service, fleet.announced(service, bound, bound.port) as announcer:
            name, url = announcer.card.worker_id, announcer.card.url
            out.print(say(f"node {name} at {url}", f"节点 {name}：{url}"), highlight=False, soft_wrap=True)

            async def leave() -> None:
                await announcer.leave()
                await asyncio.sleep(DRAIN_GRACE)
                service.jobs.let_go()

            await run_server(sock, create_app(bound, service, origins), bound, leaving=leave)


async def _gateway(settings: Settings, origins: Mapping[str, str]) -> None:
    _warn(fleet.check_front(settings))
    with listening(settings) as (sock, bound):
        async with fleet.open_front(bound, origins=origins) as edge:
            await run_server(sock, create_front_app(bound, edge), bound)


def _warn(missing: list[LocalText]) -> None:
    for line in missing:
        told = marked(say("[yellow]not shared:[/yellow] {}", "[yellow]未共享：[/yellow]{}"), line.for_(language()))
        err.print(told, highlight=False, soft_wrap=True)


NODE_HEADS = "node,address,status,weight,running,lanes,prompts,beat"
NODE_HEADS_ZH = "节点,地址,状态,权重,运行中,通道,提示词,心跳"

nodes = typer.Typer(name="nodes", help="The nodes of a fleet, in the registry itself: no gateway has to run.")

NameArgument = Annotated[str, typer.Argument(help="The node's GEMINI_WORKER_ID.")]


@nodes.command("list")
def list_nodes(json: JsonOption = False, config: ConfigOption = None) -> None:
    """All nodes, dead ones too."""

    async def read() -> tuple[Node, ...]:
        async with _registry(config) as registry:
            return await registry.nodes()

    found = run(read())
    if json:
        write_json([_row(node) for node in found])
        return
    if not found:
        err.print(
            say(
                "No node has registered. Start one with `gemgate worker`.",
                "尚无节点登记。请用 `gemgate worker` 启动一个。",
            ),
            highlight=False,
        )
        return
    table = Table(*say(NODE_HEADS, NODE_HEADS_ZH).split(","))
    for node in found:
        report = node.report
        status = word("dead" if _is_dead(node) else report.status)
        if node.draining and not _is_dead(node):
            status += say(", draining", "，排空中")
        row = (node.card.worker_id, node.card.url, status, f"{node.weight:g}", report.current, report.lanes)
        table.add_row(*map(str, row), str(report.dispatched), say(f"{span(node.age)} ago", f"{span(node.age)}前"))
    out.print(table)
    for node in found:
        if node.report.why:
            why = say(f"{node.card.worker_id}: {node.report.why}", f"{node.card.worker_id}：{node.report.why}")
            out.print(why, style="dim", highlight=False, soft_wrap=True)


@nodes.command()
def drain(name: NameArgument, config: ConfigOption = None) -> None:
    """Give a node no new calls; what runs there ends. It stays so until `resume`."""
    _change(
        config,
        lambda registry: registry.drain(name, True),
        say(f"{name} takes no new calls", f"{name} 不再接收新的调用"),
    )


@nodes.command()
def resume(name: NameArgument, config: ConfigOption = None) -> None:
    """Take back `drain`."""
    _change(
        config, lambda registry: registry.drain(name, False), say(f"{name} takes calls again", f"{name} 恢复接收调用")
    )


@nodes.command()
def weight(
    name: NameArgument,
    share: Annotated[float, typer.Argument(help="Its share beside the others' weights; 0 = no calls.", min=0)],
    config: ConfigOption = None,
) -> None:
    """Set a node's share of the calls."""
    _change(
        config,
        lambda registry: registry.weigh(name, share),
        say(f"{name} has weight {share:g}", f"{name} 的权重为 {share:g}"),
    )


@nodes.command()
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Forget a node that is gone; one that lives announces itself again."""
    _change(config, lambda registry: registry.forget(name), say(f"{name} is forgotten", f"已移除 {name}"))


@asynccontextmanager
async def _registry(config: ConfigOption) -> AsyncIterator[NodeRegistry]:
    settings = load_settings({}, config).settings
    registry = fleet.Registry(fleet.registry_url(settings))
    try:
        async with answers_probe():
            opened = await registry.connect()
        yield opened
    finally:
        await registry.close()


def _change(config: ConfigOption, change: Callable[[NodeRegistry], Awaitable[None]], done: str) -> None:
    async def work() -> None:
        async with _registry(config) as registry, answers_probe():
            await change(registry)

    run(work())
    out.print(done, highlight=False)


def _is_dead(node: Node) -> bool:
    return node.report.status != "OFFLINE" and node.age >= DEAD_AFTER


def _row(node: Node) -> dict[str, object]:
    report = asdict(node.report)
    report["models"] = [offer["name"] for offer in report.pop("offers")]
    return {
        "name": node.card.worker_id,
        "url": node.card.url,
        "dead": _is_dead(node),
        "weight": node.weight,
        "draining": node.draining,
        "age": round(node.age, 1),
        **report,
    }
