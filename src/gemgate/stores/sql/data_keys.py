"""Envelope encryption of what batches hold: each has a data key of its own, which the vault seals into the batch's row.

The texts of its tasks are under the data key (AES-256-GCM, each bound to its row and column), so that a claim decrypts
in microseconds and a rotated vault key touches one row per batch. Rows of older versions have no data key: their texts
stand plain, and stay so until they are deleted.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select, update

from gemgate.batches import Claim, Done, Failed, Task, TaskDraft, TaskOutcome
from gemgate.errors import AccountError, StorageDown
from gemgate.lazy_import import later
from gemgate.offload import offload
from gemgate.ports.jobs import webhook_secret_subject
from gemgate.ports.vault import Sealed, Vault
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import batch

if TYPE_CHECKING:
    from cryptography import exceptions
    from cryptography.hazmat.primitives.ciphers import aead
else:
    exceptions, aead = later("cryptography.exceptions"), later("cryptography.hazmat.primitives.ciphers.aead")

NONCE = 12
KEPT = 256
"""Data keys that stay opened."""
SEALED_AT_ONCE = 1 << 16
"""Characters that are sealed or opened on the event loop; it takes less than a millisecond."""
PAGE = 500
"""Rows that are read at a time."""


class DataKey:
    """Seals and opens the texts of one batch. Without a key (an older row) texts stay as they are."""

    def __init__(self, raw: bytes | None) -> None:
        self._cipher = aead.AESGCM(raw) if raw else None

    def seal(self, subject: str, text: str) -> str:
        if self._cipher is None or not text:
            return text
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), subject.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, subject: str, text: str) -> str:
        """StorageDown when the text is damaged or another row's."""
        if self._cipher is None or not text:
            return text
        try:
            sealed = base64.b64decode(text, validate=True)
            plain = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], subject.encode())
        except (binascii.Error, exceptions.InvalidTag, ValueError):
            raise StorageDown(
                f"The stored text {subject} is damaged", f"已存储的内容 {subject} 已损坏", code="stored_text_damaged"
            ) from None
        return plain.decode("utf-8", "surrogatepass")

    def sealed_draft(self, task_id: str, draft: TaskDraft) -> TaskDraft:
        return TaskDraft(self.seal(f"{task_id} prompt", draft.prompt), self.seal(f"{task_id} payload", draft.payload))

    def sealed_outcome(self, task_id: str, outcome: TaskOutcome) -> TaskOutcome:
        if isinstance(outcome, Done | Failed):
            return replace(outcome, result=self.seal(f"{task_id} result", outcome.result))
        return outcome

    def opened(self, task: Task) -> Task:
        if self._cipher is None:
            return task
        return replace(
            task,
            prompt=self.open(f"{task.id} prompt", task.prompt),
            payload=self.open(f"{task.id} payload", task.payload),
            result=self.open(f"{task.id} result", task.result),
        )

    async def opened_all(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Many, in a thread when they are large."""
        if self._cipher is None:
            return tasks
        size = sum(len(task.prompt) + len(task.payload) + len(task.result) for task in tasks)
        return await offload(size, lambda: [self.opened(task) for task in tasks], small=SEALED_AT_ONCE)

    async def opened_claim(self, claim: Claim) -> Claim:
        order = claim.batch
        defaults = self.open(f"{order.id} defaults", order.defaults)
        (task,) = await self.opened_all([claim.task])
        return replace(claim, task=task, batch=replace(order, defaults=defaults))


PLAIN = DataKey(None)


class DataKeys:
    """The data keys of batches, as their rows hold them: sealed by the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: OrderedDict[str, DataKey] = OrderedDict()

    async def make(self, batch_id: str) -> tuple[DataKey, Sealed]:
        """A new one, and how it is stored."""
        raw = secrets.token_bytes(32)
        sealed = await self._vault.seal(_subject(batch_id), {"key": base64.b64encode(raw).decode()})
        return DataKey(raw), sealed

    async def open(self, batch_id: str, sealed: Sealed) -> DataKey:
        """StorageDown when the vault has lost the key that it is under."""
        if not sealed.text:
            return PLAIN
        if (known := self._opened.get(sealed.text)) is not None:
            self._opened.move_to_end(sealed.text)
            return known
        try:
            plain = await self._vault.open(_subject(batch_id), sealed)
        except AccountError:
            raise StorageDown(
                f"What {batch_id} holds was encrypted with key {sealed.key_id}, which is not among the keys of this "
                "gateway; bring that key back (COOKIE_KEYS or COOKIE_KEY_FILE)",
                f"{batch_id} 的内容由密钥 {sealed.key_id} 加密，而此网关没有该密钥；"
                "请恢复该密钥（COOKIE_KEYS 或 COOKIE_KEY_FILE）",
                code="data_key_lost",
            ) from None
        key = self._opened[sealed.text] = DataKey(base64.b64decode(plain["key"]))
        if len(self._opened) > KEPT:
            self._opened.popitem(last=False)
        return key


KEY_COLUMNS = (batch.c.id, batch.c.data_key, batch.c.data_key_id)


async def rewrap_batches(database: Database, vault: Vault) -> int:
    """Bring the data keys and webhook secrets of all batches under the vault's first key; how many rows changed.

    What is under a lost key stays as it is. The texts themselves are not touched.
    """
    changed, after = 0, ""
    held = or_(batch.c.data_key != "", batch.c.hook_secret != "")
    query = select(*KEY_COLUMNS, batch.c.hook_secret, batch.c.hook_secret_key).where(held).order_by(batch.c.id)
    while True:
        async with database.reading() as connection:
            rows = (await connection.execute(query.where(batch.c.id > after).limit(PAGE))).all()
        for row in rows:
            key = await _rewrapped(vault, _subject(row.id), Sealed(row.data_key_id, row.data_key))
            hook = Sealed(row.hook_secret_key, row.hook_secret)
            secret = await _rewrapped(vault, webhook_secret_subject(row.id), hook)
            if key is None and secret is None:
                continue
            values = {"data_key": key.text, "data_key_id": key.key_id} if key else {}
            values |= {"hook_secret": secret.text, "hook_secret_key": secret.key_id} if secret else {}
            same = and_(batch.c.id == row.id, batch.c.data_key == row.data_key, batch.c.hook_secret == row.hook_secret)
            async with database.writing() as connection:
                changed += (await connection.execute(update(batch).where(same).values(values))).rowcount
        if len(rows) < PAGE:
            return changed
        after = rows[-1].id


async def _rewrapped(vault: Vault, subject: str, sealed: Sealed) -> Sealed | None:
    """The same under the vault's first key; None when it is that already, nothing, or its key is lost."""
    try:
        return await vault.rewrap(subject, sealed) if sealed.text else None
    except AccountError:
        return None


def _subject(batch_id: str) -> str:
    return f"data key of {batch_id}"
