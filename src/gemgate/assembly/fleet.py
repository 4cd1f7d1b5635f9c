"""How a fleet is put together: where nodes find each other, what has to be shared, the parts of workers and gateways.

What is missing for a fleet stops the start with one clear line when FLEET is on, and is warned about otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from gemgate.accounts import AccountModel
from gemgate.assembly.accounts import names_apart
from gemgate.assembly.limits import open_limiter, run_probe
from gemgate.assembly.live_settings import LiveSettings
from gemgate.assembly.service import Loops, Service
from gemgate.assembly.storage import Storage
from gemgate.caller import Caller
from gemgate.errors import LocalText, SettingsError, StorageDown
from gemgate.fleet.affinity import Affinity
from gemgate.fleet.heartbeat import Heartbeat
from gemgate.fleet.nodes import Fleet
from gemgate.fleet.registry import Connect, node_signature
from gemgate.machine import Machine
from gemgate.nodes import NodeCard
from gemgate.pool.registry import actor_of
from gemgate.ports.accounts import AuditLine
from gemgate.ports.nodes import NodeRegistry
from gemgate.ports.runtime import Clock
from gemgate.settings import TOKEN_LENGTH, Settings
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.stores.sql.accounts import write_audit
from gemgate.stores.sql.database import Database, bring_up, unopened
from gemgate.stores.sql.nodes import SqlNodeRegistry
from gemgate.telemetry import LogObserver, Observers, SystemClock
from gemgate.version import __version__

if TYPE_CHECKING:
    from gemgate.ports.keys import KeyStore


def registry_url(settings: Settings) -> str:
    """Where the nodes are registered: DATABASE_URL, else the DB_* variables. SettingsError when neither is set."""
    if settings.database_url:
        url = settings.database_url.get_secret_value()
        if url.startswith("postgres"):
            return url
        raise SettingsError(
            "DATABASE_URL must name a PostgreSQL database: the nodes of a fleet find each other there",
            "DATABASE_URL 必须指向 PostgreSQL 数据库：集群的节点在其中互相发现",
        )
    if url := settings.db_url:
        return url
    raise SettingsError(
        "The nodes of a fleet find each other in PostgreSQL: set DATABASE_URL, or DB_HOST and the rest",
        "集群的节点通过 PostgreSQL 互相发现：请设置 DATABASE_URL，或 DB_HOST 等",
    )


_OWN_LIMITS = LocalText(
    "limits are counted by each process for itself: set REDIS_URL", "限额由每个进程各自计数：请设置 REDIS_URL"
)


def check(settings: Settings) -> list[LocalText]:
    """What of a fleet's state is not shared, one line each. SettingsError: what no fleet can do without.

    With FLEET on, everything that is not shared stops the start.
    """
    registry_url(settings)
    token = settings.internal_token.get_secret_value() if settings.internal_token else ""
    if len(token) < TOKEN_LENGTH:
        raise SettingsError(
            f"INTERNAL_TOKEN needs at least {TOKEN_LENGTH} characters, the same on the gateway and all nodes; "
            "make one with: openssl rand -hex 32",
            f"INTERNAL_TOKEN 至少需要 {TOKEN_LENGTH} 个字符，网关与所有节点相同；可用 openssl rand -hex 32 生成",
        )
    missing: list[LocalText] = []
    if not settings.shared_database:
        missing.append(
            LocalText(
                "conversations, files and batches stay on each node: set DATABASE_URL, or FLEET=on beside DB_*",
                "对话、文件和批量任务只保存在各自的节点上：请设置 DATABASE_URL，或在 DB_* 之外设置 FLEET=on",
            )
        )
    if not settings.redis_url and (settings.rate_limit_per_hour or settings.model_interval_seconds):
        missing.append(_OWN_LIMITS)
    if not (settings.storage or settings.r2_bucket or settings.s3_bucket):
        missing.append(
            LocalText(
                "pictures and uploads lie in a folder of each node: set STORAGE=r2 or s3, or STORAGE=folder when all "
                "nodes have DATA_DIR/blobs in common",
                "图片和上传的文件保存在各自节点的文件夹中：请设置 STORAGE=r2 或 s3；所有节点共用 DATA_DIR/blobs 时设置 "
                "STORAGE=folder",
            )
        )
    if settings.fleet and missing:
        raise SettingsError(
            "FLEET is on, but " + "; ".join(one.en for one in missing),
            "FLEET 已开启，但" + "；".join(one.zh for one in missing),
        )
    if not (settings.cookie_keys or settings.cookie_key_file):
        missing.append(
            LocalText(
                "cookies are sealed under a key of this machine: set the same COOKIE_KEYS on all nodes",
                "Cookie 用本机的密钥加密：请在所有节点上设置相同的 COOKIE_KEYS",
            )
        )
    return missing


def check_front(settings: Settings) -> list[LocalText]:
    """The same for a gateway, which keeps no state of its own; nobody may call it by accident."""
    if not settings.on_loopback and not settings.api_key and settings.auth != "none":
        raise SettingsError(
            f"HOST={settings.host} can be reached from elsewhere: set API_KEY, or AUTH=none to leave the gateway open "
            "on purpose",
            f"HOST={settings.host} 可以从其他机器访问：请设置 API_KEY；若有意开放网关，请设置 AUTH=none",
        )
    return [line for line in check(settings) if line is _OWN_LIMITS]


def node_url(settings: Settings, port: int) -> str:
    """Where a gateway reaches this node: EXTERNAL_IP and EXTERNAL_PORT, else what we listen on."""
    host = settings.external_ip or _own_address(settings)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.external_port or port}"


def _own_address(settings: Settings) -> str:
    """The address that we listen on; of all of them the one that leads to the registry."""
    try:
        if not ipaddress.ip_address(settings.host).is_unspecified:
            return settings.host
    except ValueError:
        return settings.host
    away = make_url(registry_url(settings)).host or "192.0.2.1"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket sends nothing: it only asks the routing table.
            probe.connect((away, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


class Registry:
    """Opens the registry when it is first asked for, and again while it is away. `reuse`: a database that is open."""

    def __init__(self, url: str, reuse: Database | None = None) -> None:
        self._url = url
        self._owns = reuse is None
        self.database = unopened(url) if reuse is None else reuse
        self._ready = reuse is not None
        self._opening: asyncio.Task[None] | None = None

    async def connect(self) -> NodeRegistry:
        """Whoever gives up waiting does not stop the schema from coming up: on a slow machine it would never."""
        if not self._ready:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.ensure_future(bring_up(self._url))
            await asyncio.shield(self._opening)
            self._ready = True
        return SqlNodeRegistry(self.database)

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._owns:
            await self.database.close()


@asynccontextmanager
async def announced(service: Service, settings: Settings, port: int) -> AsyncIterator[Heartbeat]:
    """A node that tells the registry of itself for as long as this lasts."""
    registry = Registry(registry_url(settings), service.database if settings.shared_database else None)
    announcer = _announcer(service, settings, port, registry.connect)
    service.observer.add(announcer)
    service.announcer = announcer
    service.run("registry", announcer.run)
    try:
        yield announcer
    finally:
        await announcer.leave()
        await registry.close()


def _announcer(service: Service, settings: Settings, port: int, connect: Connect) -> Heartbeat:
    url = node_url(settings, port)
    token = settings.internal_token.get_secret_value() if settings.internal_token else ""
    return Heartbeat(
        connect,
        NodeCard(url, settings.gemini_worker_id, settings.gemini_weight, node_signature(token, url)),
        service.pool,
        clock=service.clock,
        observer=service.observer,
        version=__version__,
    )


@dataclass(slots=True, kw_only=True)
class FleetFront(Loops):
    """The parts of a gateway: everything but accounts."""

    settings: Settings
    live: LiveSettings
    fleet: Fleet
    affinity: Affinity
    limiter: MovingWindowLimiter
    keys: KeyStore
    registry: Registry
    observer: Observers
    started_at: float
    machine: Machine
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def degraded(self) -> str:
        return self.limiter.degraded

    def troubles(self, language: str = "en") -> list[str]:
        """What is amiss but for the nodes, a sentence each."""
        found = (self.fleet.degraded, self.limiter.degraded, *(one.text(language) for one in self.machine.shortages))
        return [text for text in found if text]

    def models(self) -> tuple[AccountModel, ...]:
        return self.fleet.models()

    async def audit(self, caller: Caller, action: str, account: str, detail: str = "") -> None:
        """Who changed what; it stands in the shared database with what nodes note."""
        line = AuditLine(self.clock.now(), actor_of(caller), action, account, detail)
        await write_audit(self.registry.database, line)


@asynccontextmanager
async def open_front(
    settings: Settings, *, clock: Clock | None = None, origins: Mapping[str, str] | None = None
) -> AsyncIterator[FleetFront]:
    """A gateway's parts, running. It starts whether or not the registry can be reached."""
    clock = clock or SystemClock()
    observer = Observers([LogObserver()])
    token = settings.internal_token.get_secret_value() if settings.internal_token else ""
    async with AsyncExitStack() as stack:
        registry = Registry(registry_url(settings))
        stack.push_async_callback(registry.close)
        storage = Storage(settings, registry.database, clock)
        live = LiveSettings(settings, storage.setting_changes, clock, observer)
        limiter = open_limiter(settings, clock)
        stack.push_async_callback(limiter.close)
        fleet = Fleet(registry.connect, token=token, clock=clock, observer=observer)
        front = FleetFront(
            settings=settings,
            live=live,
            fleet=fleet,
            affinity=Affinity(lambda: fleet.registry),
            limiter=limiter,
            keys=storage.keys,
            registry=registry,
            observer=observer,
            clock=clock,
            started_at=clock.now(),
            machine=Machine(settings.data_dir, clock=clock, observer=observer),
            origins=origins or {},
        )
        live.attach(front)
        stack.push_async_callback(front.stop)
        await _start(front)
        yield front


async def _start(front: FleetFront) -> None:
    """Its loops, until it is stopped. What the database cannot be asked now is asked once it can be."""

    async def ask_names() -> None:
        if front.fleet.registry is None:
            raise StorageDown("The database is away, or has no tables yet", "数据库不可用，或尚未建表")
        await names_apart(front.settings, front.keys, front.clock.now())

    async def reserve() -> None:
        while True:
            with contextlib.suppress(StorageDown):
                await ask_names()
                return
            await front.clock.sleep(5.0)

    await front.fleet.refresh()
    try:
        await ask_names()
    except StorageDown:
        front.run("names", reserve)
    with contextlib.suppress(StorageDown):
        await front.live.refresh()
    front.run("settings", front.live.tend)
    front.run("nodes", front.fleet.watch)
    front.run("machine", front.machine.tend)
    if front.settings.redis_url:
        run_probe(front, front.limiter)
