"""What a node does on a timer: upkeep of stores, the watch over the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gemgate.alerts.channels import Channel
from gemgate.assembly.service import Service
from gemgate.errors import GatewayError, StorageDown
from gemgate.gateway import beside_images
from gemgate.jobs.answers import BACKGROUND, KEYED
from gemgate.jobs.media_runner import FOLDERS, key_of
from gemgate.lazy_import import later
from gemgate.media import ENDINGS
from gemgate.ports.runtime import TelemetryEvent
from gemgate.settings import Settings
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.upstreams.web import facts

if TYPE_CHECKING:
    from gemgate.upstreams.web import upstream as web
else:
    web = later("gemgate.upstreams.web.upstream")

CANARY_FIRST, CANARY_EVERY = 300.0, 86_400.0
"""Seconds from the start to the first look at the wire, and between two."""
LOOP_WATCH = 1.0
"""Seconds between two looks at how late the event loop is."""
RESPONSE_DAYS = 30
"""How long answers of the Responses API can be continued, as OpenAI keeps them."""
READING_DAYS = 35
"""How long the series of Google's usage windows is kept: five of its weeks."""
RETAINED_EVERY, RETAINED_AGAIN = 3600.0, 60.0
"""Seconds between two looks for what is too old; the second, after one that a store stopped."""
KEY_HOURS = 24
"""How long a call for words is known by its idempotency key, from its end on."""


def alert_channels(settings: Settings) -> dict[str, Channel]:
    """Whom ALERT_WEBHOOK_URL, ALERT_BARK_URL and ALERT_URLS name, by the setting; of the last `ALERT_URLS:1` and on."""
    channels: dict[str, Channel] = {}
    if settings.alert_webhook_url:
        channels["ALERT_WEBHOOK_URL"] = Channel("webhook", settings.alert_webhook_url.get_secret_value())
    if settings.alert_bark_url:
        channels["ALERT_BARK_URL"] = Channel("bark", settings.alert_bark_url.get_secret_value())
    for number, (kind, url) in enumerate(settings.more_alerts, 1):
        channels[f"ALERT_URLS:{number}"] = Channel(kind, url)
    return channels


async def _watch_wire(service: Service) -> None:
    """Once a day on the first account that is open; what has changed is an alert."""
    believed = facts.load(service.settings.wire_facts)
    await service.clock.sleep(CANARY_FIRST)
    while True:
        account = next((m for m in service.pool.accounts if m.is_open and m.upstream.kind == "web"), None)
        if account is not None and isinstance(account.upstream, web.WebUpstream):
            try:
                findings = await account.upstream.watch_wire(believed)
            except GatewayError as error:
                service.observer.emit(
                    TelemetryEvent("canary.failed", data={"account": account.name, "why": error.kind})
                )
            else:
                changed = [finding.fact for finding in findings if finding.verdict == "changed"]
                new = [finding.fact for finding in findings if finding.verdict == "new"]
                service.alerts.wire_checked(changed)
                service.observer.emit(
                    TelemetryEvent(
                        "canary.done",
                        data={"account": account.name, "changed": ",".join(changed), "new": ",".join(new)},
                    )
                )
        await service.clock.sleep(CANARY_EVERY)


async def _forget_media(service: Service, made_before: float) -> None:
    """Files of videos and music that are older, known or not."""
    for folder in FOLDERS.values():
        old = [facts.key async for facts in service.blobs.list(folder) if facts.modified < made_before]
        if old:
            await service.blobs.delete(old)


async def _measure_media(service: Service) -> None:
    """Count the bytes of videos and music that are here from before they were counted."""
    while some := await service.media_share.unmeasured(200):
        for job, kind in some:
            found = [await service.blobs.stat(key_of(job, kind, mime)) for mime in ENDINGS]
            nbytes = sum(facts.size for facts in found if facts is not None)
            await service.media_share.measured(job, nbytes or 1)  # one that somebody took away is not looked for again


async def _forget_images(service: Service, made_before: float) -> None:
    while old := await service.gallery.older_than(made_before, 200):
        await service.blobs.delete(beside_images.keys_of(old))
        await service.gallery.forget(old)


async def _forget_rows(service: Service, kept_from: float) -> None:
    """What is only in the database. kept_from: 0 without RETENTION_DAYS."""
    clock, settings = service.clock, service.settings
    await service.responses.forget_before(max(kept_from, clock.now() - RESPONSE_DAYS * 86_400))
    await service.gateway.conversations.store.forget_beyond()
    if kept_from:
        await service.gateway.conversations.store.forget_before(kept_from)
        await service.jobs.forget_before(kept_from)
    if settings.usage_days:
        await service.usage.store.forget_before(int(clock.now() // 86_400) - settings.usage_days)
    if settings.audit_days:
        await service.account_registry.store.forget_audit(clock.now() - settings.audit_days * 86_400)
    await service.windows.forget_before(clock.now() - READING_DAYS * 86_400)
    await service.jobs.forget_before(clock.now() - RESPONSE_DAYS * 86_400, BACKGROUND)
    await service.jobs.forget_before(clock.now() - KEY_HOURS * 3600, KEYED)


async def retained(service: Service) -> bool:
    """Forget once what is too old; whether all of it went. A store that is away keeps only what stands in it."""
    settings = service.settings
    kept_from = service.clock.now() - settings.retention_days * 86_400 if settings.retention_days else 0.0
    steps: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("rows", lambda: _forget_rows(service, kept_from)),
        ("files", lambda: service.files.sweep(kept_from)),
        ("media sizes", lambda: _measure_media(service)),
    ]
    if kept_from:
        steps.append(("images", lambda: _forget_images(service, kept_from)))
        steps.append(("media", lambda: _forget_media(service, kept_from)))
    whole = True
    for what, forget in steps:
        try:
            await forget()
        except StorageDown as error:
            whole = False
            service.observer.emit(TelemetryEvent("retention.later", data={"what": what, "why": error.text("en")}))
    return whole


def run_upkeep(service: Service) -> None:
    """Background loops that are not an account's."""
    clock, settings = service.clock, service.settings

    async def delete_chats() -> None:
        while True:
            await service.gateway.conversations.delete_due(service.pool)
            await clock.sleep(2.0)

    async def drain() -> None:
        while isinstance(service.blobs, SpoolingBlobStore):
            await service.blobs.flush_spool()
            await clock.sleep(15.0)

    async def watch_loop() -> None:
        while True:
            due = clock.monotonic() + LOOP_WATCH
            await clock.sleep(LOOP_WATCH)
            service.observer.emit(TelemetryEvent("loop.lag", data={"seconds": max(0.0, clock.monotonic() - due)}))

    async def retain() -> None:
        while True:
            await clock.sleep(RETAINED_EVERY if await retained(service) else RETAINED_AGAIN)

    service.run("watch the event loop", watch_loop)
    if settings.canary:
        service.run("canary", lambda: _watch_wire(service))
    if settings.history.startswith("delete"):
        service.run("delete chats", delete_chats)
    if isinstance(service.blobs, SpoolingBlobStore):
        service.run("drain spool", drain)
    service.run("retention", retain)
