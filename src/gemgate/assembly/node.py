"""The only file that knows everybody: builds a gateway from settings, runs its background loops, takes it down."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from gemgate import telemetry
from gemgate.alerts.monitor import AlertMonitor
from gemgate.assembly.accounts import _run_accounts, account_builder, address_pace, logo_profiles, names_apart, seeds_of
from gemgate.assembly.loops import _run_upkeep, alert_channels
from gemgate.assembly.service import Service
from gemgate.assembly.storage import database_url, link_key_of, open_blobs, sqlite_path
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.image_delivery import ImagePipeline
from gemgate.gateway.own_images import OwnImages
from gemgate.gateway.thumbnails import Thumbnails
from gemgate.imaging import MAX_PIXELS
from gemgate.jobs import JobRules, Jobs
from gemgate.jobs.finalizer import BatchFinalizer
from gemgate.jobs.runner import Runner
from gemgate.jobs.webhooks import WebhookSender
from gemgate.jobs.worker import Worker
from gemgate.machine import Machine
from gemgate.outbound import GuardedFetcher, GuardedSender
from gemgate.pool.pool import AccountPool
from gemgate.pool.registry import AccountRegistry
from gemgate.ports.runtime import Clock, Random
from gemgate.settings import Settings, SettingsError, config_home
from gemgate.stores import instance_lock
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.alerts import SqlAlertStore
from gemgate.stores.sql.conversations import SqlConversationStore, SqlResponseStore
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.files import SqlFileStore
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.keys import SqlKeyStore
from gemgate.stores.uploads import ResumableUploads
from gemgate.stores.vault import open_vault
from gemgate.telemetry import LogObserver, Metrics, Observers, RecentRequests, SystemClock
from gemgate.telemetry.traces import NoOtelError, Traces, exported
from gemgate.version import __version__


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    random: Random = telemetry.system_random,
    resident: bool = True,
    job_rules: JobRules | None = None,
) -> AsyncIterator[Service]:
    """Everything built and running. Never waits for Google: accounts open in the background.

    resident: it owns the accounts, keeps them alive and works on batches; a command that only passes by does not.
    StorageDown when another resident has the SQLite database.
    """
    place = sqlite_path(settings)
    guard = (
        instance_lock.instance_lock(instance_lock.lock_path(place), local_url(settings))
        if resident and place
        else nullcontext()
    )
    with guard:
        async with (
            _traced(settings) as traces,
            _opened(settings, clock or SystemClock(), random, job_rules, resident=resident, traces=traces) as service,
        ):
            if resident and settings.api_keys:
                await names_apart(settings, service.keys, service.clock.now())
            yield service


@asynccontextmanager
async def _traced(settings: Settings) -> AsyncIterator[Traces | None]:
    try:
        endpoint, node = settings.otel_exporter_otlp_endpoint, node_name(settings)
        async with exported(endpoint, version=__version__, node=node) as traces:
            yield traces
    except NoOtelError as error:
        raise SettingsError(str(error)) from None


@asynccontextmanager
async def _opened(
    settings: Settings,
    clock: Clock,
    random: Random,
    job_rules: JobRules | None,
    *,
    resident: bool,
    traces: Traces | None,
) -> AsyncIterator[Service]:
    seeds = seeds_of(settings)
    vault = open_vault(
        settings.cookie_keys.get_secret_value() if settings.cookie_keys else None,
        settings.cookie_key_file or config_home() / "cookie.key",
        settings.data_dir,
    )
    metrics = Metrics()
    ended = [metrics.ended, *([traces.ended] if traces else [])]
    recent = RecentRequests(settings.recent_requests, clock.now, ended)
    observer = Observers([metrics, recent, LogObserver()])
    limiter = MovingWindowLimiter(
        per_hour=settings.rate_limit_per_hour,
        model_interval=settings.model_interval_seconds,
        clock=clock,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        when_down=settings.redis_down,
    )
    pool = AccountPool(clock=clock, random=random)
    database = await open_database(database_url(settings))
    account_registry = AccountRegistry(
        pool,
        SqlAccountStore(database, vault),
        account_builder(settings, clock=clock, random=random, observer=observer),
        owner=node_name(settings) if resident else f"visitor-{os.getpid()}",
        clock=clock,
        observer=observer,
        rotate_every=settings.cookie_refresh_seconds,
        default_proxy=settings.proxy_url,
        pace=address_pace(settings),
    )
    store = open_blobs(settings)
    if isinstance(store, SpoolingBlobStore):
        await store.load_spool()
    machine = Machine(
        settings.data_dir,
        clock=clock,
        observer=observer,
        stores={
            "database": (lambda: database.trouble, account_registry.renew),
            "storage": (lambda: store.trouble, store.probe),
        },
    )
    files = SqlFileStore(database, store, clock, int(settings.files_per_key_mb * 1e6))
    gallery = SqlGallery(database)
    link_key = link_key_of(settings)
    own = OwnImages(store, gallery, clock=clock, public_base_url=settings.public_base_url, link_key=link_key)
    attachments = Attachments(
        GuardedFetcher(),
        files,
        max_bytes=settings.max_body_bytes,
        max_pixels=settings.max_image_pixels,
        own=own,
    )
    images = ImagePipeline(
        store,
        gallery,
        clock=clock,
        observer=observer,
        remove_logo=settings.watermark_removal,
        link_key=link_key,
        profiles=logo_profiles(settings),
        max_pixels=max(settings.max_image_pixels, MAX_PIXELS),
        fits=machine.memory.fits,
    )
    history, _, seconds = settings.history.partition(":")
    conversation_store = SqlConversationStore(database, behind=database.is_sqlite)
    conversations = Conversations(
        conversation_store,
        clock=clock,
        lease_seconds=settings.request_timeout_seconds,
        delete_after=float(seconds) if history == "delete" else None,
    )
    gateway = Gateway(
        pool,
        limiter,
        attachments,
        images,
        conversations,
        clock=clock,
        observer=observer,
        default_model=settings.default_model,
        default_image_model=settings.default_image_model,
        aliases=settings.aliases(),
        temporary_chats=settings.history == "temporary",
        model_policy=settings.model_policy,
    )
    rules = job_rules or (JobRules(idle=JobRules.alone) if database.is_sqlite else JobRules())
    owner = f"{settings.gemini_worker_id}/{uuid.uuid4().hex[:12]}"
    job_store = SqlJobStore(database)
    jobs = Jobs(
        job_store,
        Worker(
            job_store,
            Runner(gateway, attachments, clock, settings.default_model, settings.default_image_model),
            pool,
            owner,
            clock,
            random,
            observer,
            rules,
            account_registry.renew,
            ready=lambda need: machine.refuses(None) is None and not (need == "image" and store.full),
        ),
        BatchFinalizer(job_store, files, store, images, owner, clock, observer, rules),
        WebhookSender(job_store, GuardedSender(), vault, clock, observer, rules),
        gateway,
        files,
        vault,
        clock,
        settings.concurrency,
        account_registry.lanes_elsewhere,
        settings.default_image_model,
        settings.batch_tasks_per_key,
    )
    alert_store = SqlAlertStore(database, vault)
    alerts = AlertMonitor(
        pool,
        account_registry,
        list(alert_channels(settings).values()),
        store=alert_store,
        sender=GuardedSender(allowed=lambda _: True),  # the operator's own addresses may be private ones
        node=settings.gemini_worker_id,
        clock=clock,
        observer=observer,
        machine=machine,
    )
    service = Service(
        settings=settings,
        gateway=gateway,
        pool=pool,
        account_registry=account_registry,
        database=database,
        blobs=store,
        files=files,
        gallery=gallery,
        keys=SqlKeyStore(database),
        alerts=alerts,
        alert_store=alert_store,
        thumbnails=Thumbnails(store, machine.memory.fits),
        jobs=jobs,
        responses=SqlResponseStore(database),
        uploads=ResumableUploads(clock=clock, max_bytes=settings.max_body_bytes),
        own_images=own,
        limiter=limiter,
        machine=machine,
        metrics=metrics,
        recent=recent,
        observer=observer,
        clock=clock,
        random=random,
        started_at=clock.now(),
    )
    try:
        _run_accounts(service, resident=resident)
        await account_registry.start(seeds, own=resident)
        if resident:
            await alert_store.rewrap()
        _run_upkeep(service)
        service.run("conversations", conversation_store.tend)
        if resident:
            service.run("machine", machine.tend)
            service.run("alerts", service.alerts.run)
        if resident:
            service.run("jobs", jobs.worker.work)
            service.run("batch closing", jobs.closer.run)
            service.run("webhooks", jobs.webhook_sender.run)
        yield service
    finally:
        await service.close()


def node_name(settings: Settings) -> str:
    """Who we are in the leases of accounts: the same after a restart, and never that of another running node.

    Beside a SQLite file there is no other. On PostgreSQL nodes may share a GEMINI_WORKER_ID by mistake (it has a
    default), but not machine and port as well.
    """
    if sqlite_path(settings):
        return settings.gemini_worker_id
    return f"{settings.gemini_worker_id}@{socket.gethostname()}:{settings.port}"


def local_url(settings: Settings) -> str:
    """Where this machine reaches a server with these settings."""
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - not to bind to it
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
