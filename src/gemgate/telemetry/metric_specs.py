"""Every metric there is: its name, kind, labels and meaning. docs/metrics.md is written from this table.

Names follow OpenTelemetry's GenAI conventions where those exist, in Prometheus' spelling; the others begin with
gemgate_. Labels hold only what an operator has named or what this code spells out: never an id, never free text.
"""

from __future__ import annotations

from typing import Literal

from gemgate.frozen import frozen

Kind = Literal["counter", "gauge", "histogram"]

PROVIDER = "gcp.gemini"
"""`gen_ai.provider.name` of everything here."""

SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
RESEARCH_SPANS = (15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3840.0)
SPANS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68)
"""Seconds: the conventions' buckets, and two more because an image or a long answer takes minutes."""
LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
ADDED = (0.001, 0.0025, *SHORT)
TOKENS = tuple(float(4**power) for power in range(14))

_MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")


@frozen
class MetricSpec:
    """One metric. Counters are shown with `_total` behind their name."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SHORT

    @property
    def shown(self) -> str:
        """The name as Prometheus shows it."""
        return self.name + "_total" if self.kind == "counter" else self.name


EVENT_METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "gen_ai_server_request_duration_seconds",
        "histogram",
        "Time of a call for an answer, from its arrival to its last byte",
        (*_MODEL[:3], "error_type"),
        SPANS,
    ),
    MetricSpec(
        "gen_ai_server_time_to_first_token_seconds",
        "histogram",
        "Time from a call's arrival to Google's first word",
        _MODEL[:3],
        SPANS,
    ),
    MetricSpec(
        "gen_ai_client_operation_duration_seconds",
        "histogram",
        "Time of one prompt at Google, from its sending to the end of the answer",
        (*_MODEL, "error_type"),
        SPANS,
    ),
    MetricSpec(
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "histogram",
        "Time from the sending of a prompt to Google's first word",
        _MODEL,
        SPANS,
    ),
    MetricSpec(
        "gen_ai_client_token_usage",
        "histogram",
        "Tokens of a call, estimated: Google does not count them for web accounts",
        (*_MODEL[:3], "gen_ai_token_type"),
        TOKENS,
    ),
    MetricSpec("gemgate_http_requests", "counter", "Answered HTTP requests", ("operation", "status")),
    MetricSpec("gemgate_http_request_duration_seconds", "histogram", "Time of an HTTP request", ("operation",)),
    MetricSpec(
        "gemgate_overhead_seconds",
        "histogram",
        "What we added to a request until its answer began, Google's time taken off; waiting for a lane included",
        ("operation",),
        ADDED,
    ),
    MetricSpec("gemgate_http_requests_active", "gauge", "HTTP requests under way"),
    MetricSpec("gemgate_streams_open", "gauge", "Streamed answers under way"),
    MetricSpec("gemgate_limiter_refusals", "counter", "Calls refused by our own limits", ("rule",)),
    MetricSpec("gemgate_prompts_sent", "counter", "Prompts sent to Google", ("account",)),
    MetricSpec(
        "gemgate_generations",
        "counter",
        "How prompts ended: answered, stopped, or the kind of the error; and whether Google made something",
        ("account", "outcome", "generated"),
    ),
    MetricSpec(
        "gemgate_models_lowered",
        "counter",
        "Answers by another model than was asked for, and why: guest, spent, unknown",
        ("account", "cause"),
    ),
    MetricSpec("gemgate_failures_handled", "counter", "What was done after a prompt failed", ("then",)),
    MetricSpec(
        "gemgate_wire_unknown", "counter", "Parts of Google's answers that this version does not know", ("field",)
    ),
    MetricSpec(
        "gemgate_answers_kept_alive",
        "counter",
        "Whole answers that took longer than KEEPALIVE_SECONDS: their 200 went ahead",
    ),
    MetricSpec("gemgate_answers_not_stored", "counter", "Whole answers whose conversation Google did not keep"),
    MetricSpec("gemgate_repairs", "counter", "Answers that were asked for once more to mend their form", ("what",)),
    MetricSpec("gemgate_conversations_reused", "counter", "How answers began: hit, miss, fork or replay", ("reuse",)),
    MetricSpec(
        "gemgate_queue_seconds", "histogram", "Waiting for a free lane, or for an account's next start", ("stage",)
    ),
    MetricSpec(
        "gemgate_abandoned_calls",
        "counter",
        "Calls for pictures whose caller left: finished all the same, failed, or cancelled",
        ("outcome",),
    ),
    MetricSpec("gemgate_pictures", "counter", "Delivered pictures by what became of the logo", ("logo", "size")),
    MetricSpec("gemgate_pictures_failed", "counter", "Pictures that could not be delivered", ("kind",)),
    MetricSpec("gemgate_picture_seconds", "histogram", "Steps of a picture: download, work, store", ("stage",)),
    MetricSpec("gemgate_picture_downloaded_bytes", "counter", "Bytes of pictures fetched from Google"),
    MetricSpec("gemgate_picture_stored_bytes", "counter", "Bytes of pictures delivered"),
    MetricSpec(
        "gemgate_videos",
        "counter",
        "Videos delivered, and what kept them from it: the kind of each error",
        ("outcome",),
    ),
    MetricSpec("gemgate_video_bytes", "counter", "Bytes of videos fetched from Google and stored"),
    MetricSpec(
        "gemgate_video_fetch_seconds", "histogram", "Fetching, measuring and storing a finished video", (), SPANS
    ),
    MetricSpec(
        "gemgate_music",
        "counter",
        "Music delivered, and what kept it from being so: the kind of each error",
        ("outcome",),
    ),
    MetricSpec("gemgate_music_bytes", "counter", "Bytes of music, sound and film, fetched from Google and stored"),
    MetricSpec("gemgate_music_fetch_seconds", "histogram", "Fetching, measuring and storing finished music", (), SPANS),
    MetricSpec(
        "gemgate_researches",
        "counter",
        "Deep research: plans and reports delivered, and what kept them from it: the kind of each error",
        ("outcome",),
    ),
    MetricSpec(
        "gemgate_research_seconds", "histogram", "From the start of a deep research to its report", (), RESEARCH_SPANS
    ),
    MetricSpec(
        "gemgate_history_calls",
        "counter",
        "Calls to Google for an account's own chats: list, search, look, read, rename, pin, delete; and how they ended",
        ("account", "what", "outcome"),
    ),
    MetricSpec("gemgate_account_state_changes", "counter", "Changes of an account's state", ("account", "state")),
    MetricSpec("gemgate_session_ends", "counter", "Ends of sessions, by what ended them", ("account", "reason")),
    MetricSpec("gemgate_circuit_openings", "counter", "Circuits that opened", ("account", "capability")),
    MetricSpec("gemgate_address_blocks", "counter", "Times that Google blocked an address of ours"),
    MetricSpec(
        "gemgate_cookie_rotations",
        "counter",
        "Rotations of cookies: rotated, withheld, refused, failed",
        ("account", "outcome"),
    ),
    MetricSpec(
        "gemgate_cookie_pushes",
        "counter",
        "Pushes of paired browsers: new (cookies that signed in), known (those in use already), alive (no change)",
        ("account", "outcome"),
    ),
    MetricSpec("gemgate_event_loop_lag_seconds", "histogram", "How late the event loop runs what is due", (), LAGS),
)
"""Metrics that facts move."""

GAUGES: tuple[MetricSpec, ...] = (
    MetricSpec("gemgate_info", "gauge", "1, with the version", ("version",)),
    MetricSpec("gemgate_accounts", "gauge", "Accounts by their state", ("state",)),
    MetricSpec("gemgate_account_ready", "gauge", "1 while a call may start on the account now or soon", ("account",)),
    MetricSpec("gemgate_lanes", "gauge", "Calls that an account takes at once", ("account",)),
    MetricSpec("gemgate_lanes_in_use", "gauge", "Calls under way on an account", ("account",)),
    MetricSpec("gemgate_queue_waiting", "gauge", "Calls that wait for a lane"),
    MetricSpec("gemgate_circuit_open", "gauge", "0 closed, 0.5 half open, 1 open", ("account", "capability")),
    MetricSpec(
        "gemgate_circuit_thaw_seconds", "gauge", "Seconds until an open circuit thaws", ("account", "capability")
    ),
    MetricSpec(
        "gemgate_usage_used_ratio",
        "gauge",
        "Used of Google's window (5h, weekly, credits, or the fullest of actions), 0 to 1",
        ("account", "window"),
    ),
    MetricSpec("gemgate_usage_reset_seconds", "gauge", "Seconds until that window begins anew", ("account", "window")),
    MetricSpec(
        "gemgate_usage_left_ratio",
        "gauge",
        "Left of what binds calls of a capability, 0 to 1",
        ("account", "capability"),
    ),
    MetricSpec("gemgate_address_blocked", "gauge", "0 free, 0.5 to be tried, 1 blocked by Google", ("address",)),
    MetricSpec("gemgate_address_thaw_seconds", "gauge", "Seconds until a blocked address is tried again", ("address",)),
    MetricSpec("gemgate_cookie_age_seconds", "gauge", "Since the account's cookies were renewed", ("account",)),
    MetricSpec("gemgate_session_age_seconds", "gauge", "Since the account signed in", ("account",)),
    MetricSpec("gemgate_pace_delay_seconds", "gauge", "Pause between two prompts of an account", ("account",)),
    MetricSpec(
        "gemgate_batch_tasks",
        "gauge",
        "Tasks of batches, background answers and durable calls, by what was ordered and their status",
        ("kind", "status"),
    ),
    MetricSpec("gemgate_limits_degraded", "gauge", "1 while limits are counted per process because Redis is away"),
    MetricSpec(
        "gemgate_short", "gauge", "1 while it is short or away: memory, descriptors, disk, database, storage", ("part",)
    ),
    MetricSpec("gemgate_storage_waiting", "gauge", "Pictures that wait for the bucket to come back"),
    MetricSpec("gemgate_usage_unwritten", "gauge", "Rows of usage that wait for the database, a moment's worth"),
)
"""Metrics that are read where they are decided, at the moment of the scrape."""

METERS = EVENT_METRICS + GAUGES
