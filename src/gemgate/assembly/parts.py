"""Settings and storage become the parts of a node; each method makes one of them, and nothing runs yet."""

from __future__ import annotations

import os
import socket
import uuid

from gemgate.alerts.monitor import AlertMonitor
from gemgate.assembly.accounts import account_builder, address_pace, logo_profiles
from gemgate.assembly.loops import alert_channels
from gemgate.assembly.storage import Storage, link_key_of, sqlite_path
from gemgate.frozen import frozen
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.image_delivery import ImagePipeline
from gemgate.gateway.own_images import OwnImages
from gemgate.imaging import MAX_PIXELS
from gemgate.jobs import JobRules, Jobs
from gemgate.jobs.answers import Answers
from gemgate.jobs.event_log import EventLog
from gemgate.jobs.finalizer import BatchFinalizer
from gemgate.jobs.media_runner import MediaRunner
from gemgate.jobs.research_runner import ResearchRunner
from gemgate.jobs.runner import Runner
from gemgate.jobs.webhooks import WebhookSender
from gemgate.jobs.worker import Worker
from gemgate.machine import Machine
from gemgate.outbound import GuardedFetcher, GuardedSender
from gemgate.pool.history import History
from gemgate.pool.pool import AccountPool
from gemgate.pool.registry import AccountRegistry
from gemgate.ports.limits import Limiter
from gemgate.ports.runtime import Clock, Observer, Random
from gemgate.settings import Settings
from gemgate.stores.sql.chat_ledger import SqlChatLedger


@frozen
class Parts:
    """What every part is made with."""

    settings: Settings
    storage: Storage
    clock: Clock
    random: Random
    observer: Observer

    def account_registry(self, pool: AccountPool, *, resident: bool) -> AccountRegistry:
        settings = self.settings
        return AccountRegistry(
            pool,
            self.storage.accounts,
            account_builder(settings, clock=self.clock, random=self.random, observer=self.observer),
            owner=node_name(settings) if resident else f"visitor-{os.getpid()}",
            clock=self.clock,
            observer=self.observer,
            rotate_every=settings.cookie_refresh_seconds,
            default_proxy=settings.proxy_url,
            pace=address_pace(settings),
        )

    def machine(self, account_registry: AccountRegistry) -> Machine:
        database, blobs = self.storage.database, self.storage.blobs
        return Machine(
            self.settings.data_dir,
            clock=self.clock,
            observer=self.observer,
            stores={
                "database": (lambda: database.trouble, account_registry.renew),
                "storage": (lambda: blobs.trouble, blobs.probe),
            },
        )

    def own_images(self) -> OwnImages:
        return OwnImages(
            self.storage.blobs,
            self.storage.gallery,
            clock=self.clock,
            public_base_url=self.settings.public_base_url,
            link_key=link_key_of(self.settings),
        )

    def attachments(self, own_images: OwnImages) -> Attachments:
        return Attachments(
            GuardedFetcher(),
            self.storage.files,
            max_bytes=self.settings.max_body_bytes,
            max_pixels=self.settings.max_image_pixels,
            own=own_images,
        )

    def gateway(self, pool: AccountPool, limiter: Limiter, attachments: Attachments, machine: Machine) -> Gateway:
        settings = self.settings
        return Gateway(
            pool,
            limiter,
            attachments,
            self._images(machine),
            self._conversations(),
            clock=self.clock,
            observer=self.observer,
            default_model=settings.default_model,
            default_image_model=settings.default_image_model,
            aliases=settings.aliases(),
            temporary_chats=settings.history == "temporary",
            model_policy=settings.model_policy,
            budgets=self.storage.budgets,
            media_room=self.storage.media_share,
        )

    def _images(self, machine: Machine) -> ImagePipeline:
        return ImagePipeline(
            self.storage.blobs,
            self.storage.gallery,
            clock=self.clock,
            observer=self.observer,
            remove_logo=self.settings.watermark_removal,
            link_key=link_key_of(self.settings),
            profiles=logo_profiles(self.settings),
            max_pixels=max(self.settings.max_image_pixels, MAX_PIXELS),
            fits=machine.memory.fits,
            room=self.storage.media_share,
        )

    def _conversations(self) -> Conversations:
        history, _, seconds = self.settings.history.partition(":")
        return Conversations(
            self.storage.conversations,
            clock=self.clock,
            lease_seconds=self.settings.request_timeout_seconds,
            delete_after=float(seconds) if history == "delete" else None,
            tracks=self.settings.account_history,
        )

    def history(self, pool: AccountPool, registry: AccountRegistry) -> History:
        return History(
            pool,
            registry,
            self._ledger(),
            clock=self.clock,
            observer=self.observer,
            enabled=self.settings.account_history,
        )

    def _ledger(self) -> SqlChatLedger:
        return SqlChatLedger(self.storage.database, self.storage.conversations)

    def event_log(self) -> EventLog:
        return EventLog(self.storage.response_log)

    def answers(self, jobs: Jobs, event_log: EventLog) -> Answers:
        secrets = self.settings.responses_webhook_url, self.settings.responses_webhook_secret
        url, secret = (one.get_secret_value() if one else "" for one in secrets)
        return Answers(jobs, event_log, self.storage.blobs, (url, secret))

    def jobs(
        self,
        gateway: Gateway,
        attachments: Attachments,
        account_registry: AccountRegistry,
        machine: Machine,
        event_log: EventLog,
        rules: JobRules | None,
    ) -> Jobs:
        settings, storage, store, blobs = self.settings, self.storage, self.storage.jobs, self.storage.blobs
        clock, observer = self.clock, self.observer
        own_sender = GuardedSender(allowed=lambda _: True)
        rules = rules or (JobRules(idle=JobRules.alone) if storage.database.is_sqlite else JobRules())
        owner = f"{settings.gemini_worker_id}/{uuid.uuid4().hex[:12]}"
        return Jobs(
            store,
            Worker(
                store,
                Runner(
                    gateway,
                    attachments,
                    clock,
                    storage.responses,
                    event_log,
                    self._media(gateway, attachments, rules),
                    ResearchRunner(gateway, event_log, storage.files, clock, observer, rules, self._ledger()),
                ),
                gateway.pool,
                owner,
                clock,
                self.random,
                observer,
                rules,
                account_registry.renew,
                ready=lambda need: machine.refuses(None) is None and not ("text" not in need and blobs.full),
            ),
            BatchFinalizer(store, storage.files, blobs, gateway.images, owner, clock, observer, rules),
            WebhookSender(store, GuardedSender(), storage.vault, clock, observer, rules, own_sender),
            gateway,
            storage.files,
            storage.vault,
            clock,
            settings.concurrency,
            account_registry.lanes_elsewhere,
            settings.batch_tasks_per_key,
        )

    def _media(self, gateway: Gateway, attachments: Attachments, rules: JobRules) -> MediaRunner:
        folder = self.settings.data_dir / "downloads"
        return MediaRunner(
            gateway, attachments, self.storage.blobs, self.clock, self.observer, rules, folder, self.storage.jobs
        )

    def alerts(self, pool: AccountPool, account_registry: AccountRegistry, machine: Machine) -> AlertMonitor:
        return AlertMonitor(
            pool,
            account_registry,
            list(alert_channels(self.settings).values()),
            store=self.storage.alerts,
            sender=GuardedSender(allowed=lambda _: True),  # the operator's own addresses may be private ones
            node=self.settings.gemini_worker_id,
            clock=self.clock,
            observer=self.observer,
            machine=machine,
        )


def node_name(settings: Settings) -> str:
    """Who we are in the leases of accounts: the same after a restart, and never that of another running node.

    Beside a SQLite file there is no other. On PostgreSQL nodes may share a GEMINI_WORKER_ID by mistake (it has a
    default), but not machine and port as well.
    """
    if sqlite_path(settings):
        return settings.gemini_worker_id
    return f"{settings.gemini_worker_id}@{socket.gethostname()}:{settings.port}"
