"""Chats at Google outlive what we forget of them: they are still known as ours, and stay their tenants'.

Each statement is carried out in the transaction that forgets the rows.
"""

from __future__ import annotations

from sqlalchemy import Column, ColumnElement, Insert, Select, Table, exists, func, insert, literal, not_, select

from gemgate.stores.sql.schema import batch, chat_made, conversation, task


def of(cid: str, tenant: str) -> Insert:
    """Keep one chat, unless it is known."""
    one = select(literal(cid), literal(tenant)).where(not_(exists().where(chat_made.c.cid == cid)))
    return insert(chat_made).from_select(["cid", "tenant"], one)


def of_batches(forgotten: ColumnElement[bool]) -> Insert:
    """Keep the chats of all tasks of these batches."""
    chats = select(task.c.cid, func.max(batch.c.tenant)).join(batch, batch.c.id == task.c.batch)
    return _kept(chats.where(forgotten), task)


def of_conversations(forgotten: ColumnElement[bool]) -> Insert:
    """Keep the chats of these conversations."""
    return _kept(select(conversation.c.cid, func.max(conversation.c.tenant)).where(forgotten), conversation)


def _kept(chats: Select[tuple[str, str]], table: Table) -> Insert:
    cid: Column[str] = table.c.cid
    known = exists().where(chat_made.c.cid == cid)
    return insert(chat_made).from_select(["cid", "tenant"], chats.where(cid != "", not_(known)).group_by(cid))
