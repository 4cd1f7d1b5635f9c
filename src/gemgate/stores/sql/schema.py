"""Every table. Alembic compares this with the migrations, and a test holds them together.

Times are epoch seconds (UTC) as doubles, names are text keys, secrets are `Sealed` texts. A new table takes a new
migration; others refer to an account by its name without a foreign key when they must outlive it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    false,
    func,
    text,
    true,
)

from gemgate.stores.sql.media_total import make_triggers

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

serial = BigInteger().with_variant(Integer, "sqlite")
"""An id that counts up by itself; SQLite only does that for INTEGER."""

account = Table(
    "account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("proxy", Text, comment="Sealed: a proxy's URL may hold a password"),
    Column("proxy_key", Text),
    Column("lanes", Integer),
    Column("weight", Double, nullable=False),
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("cookies", Text, comment="Sealed"),
    Column("cookies_key", Text),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("taken", Text, nullable=False, server_default=""),
    Column("identity", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="starting"),
    Column("error_en", Text, nullable=False, server_default=""),
    Column("error_zh", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    Column("lease_until", Double, nullable=False, server_default="0"),
    Column("changed_at", Double, nullable=False, server_default="0"),
    Column("fallback", Boolean, nullable=False, server_default=false()),
    Column("wall_plain", Integer),
    Column("wall_with_files", Integer),
    Column("wall_resolution", Integer),
    Column("wall_at", Double),
    Column("wall_tier", Text),
    Column("number", Integer, nullable=False, server_default="0", comment="Which account of its cookies"),
    Column("language", Text, nullable=False, server_default=""),
    Column("prompt_max_bytes", Integer, comment="As the operator says; wall_* is what was measured"),
    Column("prompt_with_files_max_bytes", Integer),
    Column("google_id", Text, nullable=False, server_default="", comment="Digest of Google's own number for it"),
    Column("google_label", Text, nullable=False, server_default="", comment="Its address, cut short"),
    Column("google_seat", Text, nullable=False, server_default="", comment="The session that google_id was told for"),
    Column("chats_at", Double, nullable=False, server_default="0", comment="When chats of it were last seen"),
    Column("desktop", Text, nullable=False, server_default="", comment="Where its browser is reached"),
    Column("way", Text, nullable=False, server_default="", comment="The way out that it went last, no password in it"),
    Column("rotate", Boolean, nullable=False, server_default=true(), comment="Whether we renew its cookies"),
)

account_circuit = Table(
    "account_circuit",
    metadata,
    Column("account", Text, ForeignKey("account.name", ondelete="CASCADE"), primary_key=True),
    Column("capability", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
)

address_circuit = Table(
    "address_circuit",
    metadata,
    Column("node", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
)

way_out = Table(
    "way_out",
    metadata,
    Column("node", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("first_at", Double, nullable=False, comment="When it was first used: a new one is warmed"),
)

session_life = Table(
    "session_life",
    metadata,
    Column("id", serial, primary_key=True),
    Column("account", Text, nullable=False),
    Column("session", Text, nullable=False, comment="Cookies.identity: tells sessions apart, tells no cookie"),
    Column("began_at", Double, nullable=False),
    Column("renewed_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("died", Boolean, nullable=False, server_default=false()),
    Column("arm", Text, nullable=False, server_default="", comment="What kept it alive when it was last renewed"),
    Column("ended_by", Text, nullable=False, server_default="", comment="A word of policy.session_end"),
    Index("ix_session_life_account_session", "account", "session", unique=True),
)

audit_line = Table(
    "audit_line",
    metadata,
    Column("id", serial, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("account", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_audit_line_account_at", "account", "at"),
    Index("ix_audit_line_actor_at", "actor", "at"),
    Index("ix_audit_line_at", "at"),
)

stored_file = Table(
    "stored_file",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, server_default="0"),
    Index("ix_stored_file_owner_created_at", "owner", "created_at"),
)

image = Table(
    "picture",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("mime", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("logo", Text, nullable=False),
    Column("requested", Integer),
    Column("resampled", Boolean, nullable=False, server_default=false()),
    Column("note", Text, nullable=False, server_default=""),
    Column("note_zh", Text, nullable=False, server_default=""),
    Column("origins", Text, nullable=False, server_default=""),
    Column("batch", Text, nullable=False, server_default=""),
    Column("handle", Text, nullable=False, server_default="", comment="Names it without a word of its prompt"),
    Column("painter", Text, nullable=False, server_default="", comment="Google's own name of what painted it"),
    Index("ix_picture_created_at", "created_at"),
    Index("ix_picture_handle", "handle"),
    Index("ix_picture_tenant_created_at", "tenant", "created_at"),
    Index("ix_picture_sha256", "sha256"),
)

client_key = Table(
    "client_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("models", Text, nullable=False, server_default=""),
    Column("operations", Text, nullable=False, server_default=""),
    Column("per_hour", Integer),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, server_default="0"),
    Column("revoked_at", Double, nullable=False, server_default="0"),
    Column("used_at", Double, nullable=False, server_default="0"),
    Column("account", Text, nullable=False, server_default=""),
    Column("budget", Text, nullable=False, server_default=""),
    Index("ix_client_key_name", "name", unique=True),
    Index("ix_client_key_digest", "digest", unique=True),
)

pairing_code = Table(
    "pairing_code",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.name", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Double, nullable=False),
)

account_push = Table(
    "account_push",
    metadata,
    Column("account", Text, ForeignKey("account.name", ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("agent", Text, nullable=False, server_default=""),
    Column("language", Text, nullable=False, server_default=""),
)

page_session = Table(
    "page_session",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default=""),
)

alert_channel = Table(
    "alert_channel",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("url_key", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

conversation = Table(
    "conversation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("tip", Text, nullable=False),
    Column("length", Integer, nullable=False),
    Column("account", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("offer", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("sentinel", Text, nullable=False, server_default=""),
    Column("named", Boolean, nullable=False, server_default=false()),
    Column("transcript", Text, nullable=False, server_default=""),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="Of the transcript, in UTF-8"),
    Column("lease_owner", Text, nullable=False, server_default=""),
    Column("lease_until", Double, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("delete_at", Double, nullable=False, server_default="0"),
    Column("cid", Text, nullable=False, server_default="", comment="The chat at Google, of metadata"),
    Index("ix_conversation_cid", "cid"),
    Index("ix_conversation_tip", "tip"),
    Index("ix_conversation_tenant_updated_at", "tenant", "updated_at"),
    Index("ix_conversation_delete_at", "delete_at"),
    Index("ix_conversation_tenant_bytes", "tenant", "bytes"),
)

stored_response = Table(
    "stored_response",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("transcript", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="Of body and transcript, in UTF-8"),
    Index("ix_stored_response_created_at", "created_at"),
    Index("ix_stored_response_tenant_created_at_bytes", "tenant", "created_at", "bytes"),
)

batch = Table(
    "batch",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("need", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("queued", Integer, nullable=False),
    Column("running", Integer, nullable=False, server_default="0"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    Column("settled", Integer, nullable=False, server_default="0"),
    Column("sent", Integer),
    Column("model", Text, nullable=False),
    Column("as_base64", Boolean, nullable=False),
    Column("defaults", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("digest", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double, nullable=False, server_default="0"),
    Column("claimed_at", Double, nullable=False, server_default="0"),
    Column("ended_at", Double, nullable=False, server_default="0"),
    Column("closed_at", Double, nullable=False, server_default="0"),
    Column("expires_at", Double, nullable=False, server_default="0"),
    Column("closer", Text, nullable=False, server_default=""),
    Column("closer_until", Double, nullable=False, server_default="0"),
    Column("data_key", Text, nullable=False, server_default="", comment="Sealed"),
    Column("data_key_id", Text, nullable=False, server_default=""),
    Column("hook_url", Text, nullable=False, server_default=""),
    Column("hook_secret", Text, nullable=False, server_default="", comment="Sealed"),
    Column("hook_secret_key", Text, nullable=False, server_default=""),
    Column("hook_tries", Integer, nullable=False, server_default="0"),
    Column("hook_at", Double, nullable=False, server_default="0"),
    Column("hook_outcome", Text, nullable=False, server_default=""),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="Of what was asked and said, as stored"),
    Column("media_bytes", BigInteger, nullable=False, server_default="0", comment="Of its files of video or music"),
    Index("ix_batch_hook_at", "hook_at"),
    Index("ix_batch_tenant_created_at", "tenant", "created_at"),
    Index("ix_batch_tenant_closed_at_hook_at_bytes", "tenant", "closed_at", "hook_at", "bytes"),
    Index("ix_batch_tenant_idempotency_key", "tenant", "idempotency_key", unique=True),
    Index("ix_batch_turn", "closed_at", "state", "need", text("priority DESC"), "claimed_at", "created_at", "id"),
)

task = Table(
    "task",
    metadata,
    Column("id", Text, primary_key=True),
    Column("batch", Text, ForeignKey("batch.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("lapses", Integer, nullable=False, server_default="0", comment="Runs in a row that ended without a word"),
    Column("run_after", Double, nullable=False, server_default="0"),
    Column("lease_owner", Text, nullable=False, server_default=""),
    Column("lease_until", Double, nullable=False, server_default="0"),
    Column("account", Text, nullable=False, server_default=""),
    Column("identity", Text, nullable=False, server_default=""),
    Column("cid", Text, nullable=False, server_default=""),
    Column("picture", Text, nullable=False, server_default=""),
    Column("part", Integer, nullable=False, server_default="0"),
    Column("result", Text, nullable=False, server_default=""),
    Column("code", Text, nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
    Column("error_zh", Text, nullable=False, server_default=""),
    Column("retryable", Boolean, nullable=False, server_default=false()),
    Column("settled", Integer, nullable=False, server_default="0"),
    Column("started_at", Double, nullable=False, server_default="0"),
    Column("finished_at", Double, nullable=False, server_default="0"),
    Index("ix_task_batch_seq", "batch", "seq"),
    Index("ix_task_cid", "cid"),
    Index("ix_task_batch_status_seq", "batch", "status", "seq"),
    Index("ix_task_batch_settled", "batch", "settled"),
    Index("ix_task_status_lease_until", "status", "lease_until"),
)

response_event = Table(
    "response_event",
    metadata,
    Column("response", Text, ForeignKey("batch.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("events", Text, nullable=False, comment="Sealed"),
)

usage_reading = Table(
    "usage_reading",
    metadata,
    Column("account", Text, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("model", Text, primary_key=True, server_default=""),
    Column("used", Double, nullable=False),
    Column("resets_at", Double),
    Column("remaining", Double),
    Column("total", Double),
    Column("calls", Text, nullable=False, server_default="", comment="JSON: calls of ours since the reading before"),
    Index("ix_usage_reading_at", "at"),
)
"""How Google's windows went. An account's rows outlive it for as long as the series is kept."""

node = Table(
    "gemini_service_nodes",
    metadata,
    Column("node_url", Text, primary_key=True),
    Column("worker_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("weight", Double, nullable=False, server_default="1"),
    Column("last_heartbeat", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("dispatched_tasks", BigInteger, nullable=False, server_default="0"),
    Column("current_tasks", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_gemini_service_nodes_worker_id", "worker_id"),
)
"""A contract with other programs (docs/fleet.md): these columns and no more, times as timestamps."""

node_detail = Table(
    "node_detail",
    metadata,
    Column("node_url", Text, ForeignKey("gemini_service_nodes.node_url", ondelete="CASCADE"), primary_key=True),
    Column("proof", Text, nullable=False, server_default="", comment="HMAC of node_url under INTERNAL_TOKEN"),
    Column("own_weight", Double, nullable=False, server_default="1", comment="GEMINI_WEIGHT as last announced"),
    Column("draining", Boolean, nullable=False, server_default=false()),
    Column("report", Text, nullable=False, server_default="{}"),
)

usage = Table(
    "usage",
    metadata,
    Column("hour", Integer, primary_key=True, comment="-1: the whole day"),
    Column("day", Integer, primary_key=True, comment="Since 1970, UTC"),
    *(
        Column(name, Text, primary_key=True)
        for name in ("key", "model", "account", "kind", "outcome", "served", "dialect")
    ),
    Column("calls", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False),
    Column("videos", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("generations", BigInteger, nullable=False),
    Column("retries", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

usage_writer = Table(
    "usage_writer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("written", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
)

budget_use = Table(
    "budget_use",
    metadata,
    Column("scope", Text, primary_key=True, comment="key:NAME, or all"),
    Column("period", Text, primary_key=True, comment="2026-11-29 or 2026-11, UTC"),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in ("calls", "tokens", "images", "videos")),
)

budget_charge = Table(
    "budget_charge",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("at", Double, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in ("calls", "images", "videos")),
    Column("owner", Text, nullable=False),
    Column("until", Double, nullable=False, comment="In flight until then unless renewed; 0 = not"),
    Index("ix_budget_charge_until", "until"),
)

chat_made = Table(
    "chat_made",
    metadata,
    Column("cid", Text, primary_key=True, comment="A chat at Google of which we have forgotten all else"),
    Column("tenant", Text, nullable=False),
    sqlite_with_rowid=False,
)

media_total = Table(
    "media_total",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False, comment="Of pictures, videos and music; triggers keep it"),
    sqlite_with_rowid=False,
)
event.listen(metadata, "after_create", lambda _metadata, connection, **_: make_triggers(connection))

setting_change = Table(
    "setting_change",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, comment="The newest of a name is in force"),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("before", Text, comment="JSON; null is what file, environment and options say"),
    Column("after", Text),
)
