"""Tells the address that came with an order that its batch has ended: a few tries, signed if a secret was given.

The signature is that of Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,BASE64`, an
HMAC-SHA256 over `id.timestamp.body` with the secret (its base64 part when it begins with whsec_).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gemgate.batches import Batch, BatchKind
from gemgate.dialects import image_tasks, responses
from gemgate.dialects.wire import rfc3339
from gemgate.errors import GatewayError, StorageDown
from gemgate.jobs.payloads import loads
from gemgate.jobs.resting import until_due
from gemgate.jobs.rules import JobRules
from gemgate.ports.jobs import JobStore, webhook_secret_subject
from gemgate.ports.outbound import Sender
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.vault import Sealed, Vault
from gemgate.ports.wakeup import Wakeup

OPERATORS: tuple[BatchKind, ...] = ("response", "video", "music")
"""Kinds of whose ends the address in the settings is told."""
SENDING = 60.0
"""Seconds within which one try is over."""


@dataclass(slots=True)
class WebhookSender:
    """own_sender: reaches the address that the operator set for responses, which may be a private one."""

    store: JobStore
    sender: Sender
    vault: Vault
    clock: Clock
    observer: Observer
    rules: JobRules
    own_sender: Sender
    _wakeup: Wakeup = field(init=False)

    def __post_init__(self) -> None:
        self._wakeup = Wakeup(self.clock)

    def wake(self) -> None:
        """A batch changed: its end may have to be told soon."""
        self._wakeup.wake()

    def check(self, url: str) -> None:
        """BadRequest for an address that we would never tell."""
        self.sender.check(url)

    async def run(self) -> None:
        """Tell what is due, for ever."""
        while True:
            await until_due(self.store, self._wakeup, self.rules)
            try:
                while batch := await self.store.hook_due(self.clock.now(), SENDING):
                    await self._deliver(batch)
            except StorageDown as error:
                self.observer.emit(TelemetryEvent("batches.waiting", data={"why": error.en}))
            await self._wakeup.wait(self.rules.poll)

    async def _deliver(self, batch: Batch) -> None:
        hook, why = batch.hook, ""
        sender = self.own_sender if batch.told_as in OPERATORS else self.sender
        try:
            async with asyncio.timeout(SENDING / 2):
                posted = await sender.post(hook.url, *await self._message(batch))
            if not posted.ok:
                why = f"HTTP {posted.status}"
        except TimeoutError:
            why = "no answer in time"
        except GatewayError as error:
            why = error.en
        if not why:
            hook = replace(hook, at=0.0, outcome="delivered")
        elif hook.tries < len(self.rules.hooks):
            hook = replace(hook, at=self.clock.now() + self.rules.hooks[hook.tries], tries=hook.tries + 1)
        else:
            hook = replace(hook, at=0.0, tries=hook.tries + 1, outcome=f"given up: {why}"[:300])
        await self.store.hook_told(batch, hook)
        data: dict[str, str | int | float | bool | None] = {"batch": batch.id, "tries": hook.tries, "why": why}
        self.observer.emit(TelemetryEvent("webhook.failed" if why else "webhook.delivered", data=data))

    async def _message(self, batch: Batch) -> tuple[bytes, dict[str, str]]:
        """Body and headers; the same id on every try, so that the receiver can tell repetitions."""
        message_id = f"msg_{batch.id}_{int(batch.closed_at * 1000)}"
        body = orjson.dumps(await self._event(batch))
        moment = str(int(self.clock.now()))
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": moment,
        }
        if batch.hook.secret:
            sealed = Sealed(batch.hook.secret_key, batch.hook.secret)
            secret = (await self.vault.open(webhook_secret_subject(batch.id), sealed))["secret"]
            headers["webhook-signature"] = signature(secret, message_id, moment, body)
        return body, headers

    async def _event(self, batch: Batch) -> dict[str, Any]:
        match batch.told_as:
            case "response":
                tasks = await self.store.tasks(batch.id, limit=1)
                reason = loads(tasks[0].result).get("reason", "") if batch.tally.done and tasks else ""
                answered = "incomplete" if reason in responses.CUT else "completed"
                return openai_event_of(
                    batch, answered if batch.tally.done else "failed" if batch.tally.failed else "cancelled"
                )
            case "video" | "music":
                return openai_event_of(batch, "completed" if batch.tally.done else "failed")
            case "image_call":
                return image_task_event_of(batch)
            case _:
                return event_of(batch)


def event_of(batch: Batch) -> dict[str, Any]:
    """What is told: how it ended, and where the rest can be asked for."""
    base = loads(batch.metadata).get("base_url", "")
    ended = {"cancelled": "cancelled", "expired": "expired"}.get(batch.state, "completed")
    if ended == "completed" and not batch.tally.done:
        ended = "failed"
    return {
        "type": f"batch.{ended}",
        "timestamp": rfc3339(batch.closed_at),
        "data": {
            "batch_id": batch.id,
            "status": ended,
            "total": batch.tally.total,
            "completed": batch.tally.done,
            "failed": batch.tally.failed,
            "cancelled": batch.tally.cancelled,
            "created_at": rfc3339(batch.created_at),
            "status_url": f"{base}/v1/batch/{batch.id}/status",
            "archive_url": f"{base}/v1/batch/{batch.id}/archive",
        },
    }


def openai_event_of(batch: Batch, ended: str) -> dict[str, Any]:
    """What is told of a background response, a video or music: OpenAI's event, which names it and no more."""
    return {
        "id": f"evt_{batch.id.partition('_')[2]}",
        "object": "event",
        "created_at": int(batch.closed_at),
        "type": f"{batch.told_as}.{ended}",
        "data": {"id": batch.id},
    }


def image_task_event_of(batch: Batch) -> dict[str, Any]:
    """What is told of an image task: how it stands, without what was made, and where that is asked for."""
    task = image_tasks.task_of(batch, loads(batch.metadata).get("base_url", ""))
    return {
        "type": image_tasks.event_name(task),
        "timestamp": rfc3339(batch.closed_at),
        "data": image_tasks.write_task(task, "en"),
    }


def signature(secret: str, message_id: str, moment: str, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True) if secret.startswith("whsec_") else None
    except binascii.Error:
        key = None
    signed = f"{message_id}.{moment}.".encode() + body
    digest = hmac.new(secret.encode() if key is None else key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
