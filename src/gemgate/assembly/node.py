"""Builds a node from settings, runs its background loops, takes it down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gemgate import telemetry
from gemgate.assembly.accounts import names_apart, run_accounts, seeds_of
from gemgate.assembly.limits import open_limiter, run_probe, settles
from gemgate.assembly.live_settings import LiveSettings
from gemgate.assembly.loops import run_upkeep
from gemgate.assembly.parts import Parts, node_name
from gemgate.assembly.service import Service
from gemgate.assembly.storage import Storage, open_storage
from gemgate.gateway.thumbnails import Thumbnails
from gemgate.jobs import JobRules
from gemgate.jobs.background import BackgroundAnswers
from gemgate.jobs.research import Researches
from gemgate.pool.paired import PairedBrowsers
from gemgate.pool.pool import AccountPool
from gemgate.ports.runtime import Clock, Random
from gemgate.settings import Settings
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.stores.uploads import ResumableUploads
from gemgate.telemetry import CallSeries, LogObserver, Metrics, Observers, RecentRequests, SystemClock
from gemgate.telemetry.traces import Traces, exported
from gemgate.telemetry.usage import UsageLedger
from gemgate.version import __version__


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    random: Random = telemetry.system_random,
    resident: bool = True,
    exclusive: bool = False,
    job_rules: JobRules | None = None,
) -> AsyncIterator[Service]:
    """Everything built and running. Never waits for Google: accounts open in the background.

    resident: it owns the accounts, keeps them alive and works on batches; a command that only passes by does not.
    exclusive: no resident may have the SQLite database meanwhile, nor may one where a resident is opened: StorageDown.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        url = local_url(settings) if resident else ""
        opening = open_storage(settings, exclusive=resident or exclusive, holder_url=url, clock=clock)
        storage = await stack.enter_async_context(opening)
        live = LiveSettings(settings, storage.setting_changes, clock, Observers([LogObserver()]))
        if resident:  # a command that passes by has options of its own
            storage.settings = await live.load()
        traces = await stack.enter_async_context(_traced(settings))
        service = await _built(stack, storage, live, random, job_rules, resident=resident, traces=traces)
        live.attach(service)
        await _start(service, storage, resident=resident)
        yield service


@asynccontextmanager
async def _traced(settings: Settings) -> AsyncIterator[Traces | None]:
    endpoint, node = settings.otel_exporter_otlp_endpoint, node_name(settings)
    async with exported(endpoint, version=__version__, node=node) as traces:
        yield traces


async def _built(
    stack: AsyncExitStack,
    storage: Storage,
    live: LiveSettings,
    random: Random,
    job_rules: JobRules | None,
    *,
    resident: bool,
    traces: Traces | None,
) -> Service:
    """All parts, none of them running; what has to be closed is on the stack."""
    settings, clock = storage.settings, storage.clock
    metrics = Metrics()
    series = CallSeries(clock.now)
    log = LogObserver()
    ended = [metrics.ended, series.ended, log.ended, *([traces.ended] if traces else [])]
    recent = RecentRequests(settings.recent_requests, clock.now, ended)
    usage = UsageLedger(storage.usage, clock.now, settles(storage.budgets))
    observer = Observers([metrics, recent, series, usage, log])
    make = Parts(settings, storage, clock, random, observer)
    limiter = open_limiter(settings, clock)
    stack.push_async_callback(limiter.close)
    pool = AccountPool(clock=clock, random=random)
    pool.reserve = settings.reserve_percent / 100
    account_registry = make.account_registry(pool, resident=resident)
    if isinstance(storage.blobs, SpoolingBlobStore):
        await storage.blobs.load_spool()
    machine = make.machine(account_registry)
    own_images = make.own_images()
    attachments = make.attachments(own_images)
    gateway = make.gateway(pool, limiter, attachments, machine)
    stack.callback(gateway.images.close)
    event_log = make.event_log()
    jobs = make.jobs(gateway, attachments, account_registry, machine, event_log, job_rules)
    answers = make.answers(jobs, event_log)
    researches = Researches(answers)
    service = Service(
        settings=settings,
        live=live,
        gateway=gateway,
        pool=pool,
        account_registry=account_registry,
        history=make.history(pool, account_registry),
        database=storage.database,
        blobs=storage.blobs,
        files=storage.files,
        gallery=storage.gallery,
        keys=storage.keys,
        paired=PairedBrowsers(account_registry, storage.pairings, clock=clock, observer=observer),
        alerts=make.alerts(pool, account_registry, machine),
        alert_store=storage.alerts,
        thumbnails=Thumbnails(storage.blobs, machine.memory.fits),
        jobs=jobs,
        answers=answers,
        background=BackgroundAnswers(answers),
        windows=storage.windows,
        researches=researches,
        responses=storage.responses,
        interactions=storage.interactions,
        chat_share=storage.chat_share,
        media_share=storage.media_share,
        uploads=ResumableUploads(clock=clock, max_bytes=settings.max_body_bytes),
        own_images=own_images,
        limiter=limiter,
        machine=machine,
        metrics=metrics,
        recent=recent,
        series=series,
        usage=usage,
        budgets=storage.budgets,
        observer=observer,
        clock=clock,
        random=random,
        started_at=clock.now(),
    )
    jobs.worker.given_up = lambda batch_id: service.finish(asyncio.ensure_future(researches.stop(batch_id)))
    stack.push_async_callback(service.close)
    return service


async def _start(service: Service, storage: Storage, *, resident: bool) -> None:
    """Accounts and loops, until the service is closed."""
    settings = service.settings
    run_accounts(service, resident=resident)
    await service.account_registry.start(seeds_of(settings), own=resident)
    if resident:
        await storage.alerts.rewrap()
        await storage.jobs.rewrap()
    run_upkeep(service)
    service.run("conversations", storage.conversations.tend)
    service.run("usage", service.usage.tend)
    service.run("budgets", storage.budgets.tend)
    if not resident:
        return
    if settings.redis_url:
        run_probe(service, service.limiter)
    service.run("machine", service.machine.tend)
    service.run("alerts", service.alerts.run)
    if not storage.database.is_sqlite:  # nobody else may have that file
        service.run("settings", service.live.tend)
    service.run("jobs", service.jobs.worker.work)
    service.run("batch closing", service.jobs.closer.run)
    service.run("webhooks", service.jobs.webhook_sender.run)
    if settings.api_keys:
        await names_apart(settings, service.keys, service.clock.now())


def local_url(settings: Settings) -> str:
    """Where this machine reaches a server with these settings."""
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - not to bind to it
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
