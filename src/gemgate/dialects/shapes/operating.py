"""What operators ask: pictures kept, keys, sign-ins, alerts, settings, nodes, health, conversations."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.accounts import Capability, State
from gemgate.dialects.shapes import Moment
from gemgate.dialects.shapes.accounts import AccountFacts, Phase
from gemgate.dialects.shapes.figures import BothLanguages
from gemgate.dialects.shapes.pictures import PictureFacts


class GalleryPicture(TypedDict):
    """own: whether the caller's own key made it. references: how many pictures it was made from."""

    id: str
    created_at: Moment
    key: str | None
    own: bool
    prompt: str
    url: str
    batch: str | None
    references: int
    thumb: str
    file: str
    details: PictureFacts


class GalleryPage(TypedDict):
    """next: the `after` of the page behind."""

    pictures: list[GalleryPicture]
    next: str | None
    total: int


class GalleryPictureWithKin(GalleryPicture):
    made_from: list[GalleryPicture]
    made_into: list[GalleryPicture]


class GalleryLogo(TypedDict):
    """Where the logo stood, as shares of the picture, and its pixels as a PNG in base64."""

    left: float
    top: float
    width: float
    height: float
    png: str


class DeletedPicture(TypedDict):
    id: str
    deleted: bool


KeyState = Literal["active", "revoked", "expired"]


class ClientKey(TypedDict):
    """origin: `page`, or API_KEY for one of the settings, of which no more is told. Empty models or operations: all.
    per_hour: calls, null for the general limit. budget: limits by name.
    """

    name: str
    origin: str
    state: KeyState
    per_hour: int | None
    id: NotRequired[str]
    hint: NotRequired[str]
    models: NotRequired[list[str]]
    operations: NotRequired[list[str]]
    budget: NotRequired[dict[str, int]]
    created_at: NotRequired[Moment]
    expires_at: NotRequired[Moment | None]
    revoked_at: NotRequired[Moment | None]
    used_at: NotRequired[Moment | None]


class NewKey(ClientKey):
    """key: the only time that it is told."""

    key: str


class KeyLimits(TypedDict):
    """Limits in force; degraded: empty, or why they are not shared by all processes."""

    per_hour: int
    model_interval_seconds: float
    rpm_limit: int
    budget: dict[str, int]
    key_budget: dict[str, int]
    concurrency: int
    degraded: str


class Keys(TypedDict):
    keys: list[ClientKey]
    limits: KeyLimits
    needed: bool


class RevokedKey(TypedDict):
    id: str
    revoked: bool


class ProgramsNeed(TypedDict):
    """key: whether programs need one; address: PUBLIC_BASE_URL."""

    key: bool
    address: str | None


class SessionState(TypedDict):
    """how: open (nothing is needed from here), key (sign in), closed (ADMIN_KEY has to be set first), session."""

    signed_in: bool
    how: Literal["open", "key", "closed", "session"]
    csrf: str | None
    expires_at: Moment | None
    api: NotRequired[ProgramsNeed]


class SignedOut(TypedDict):
    signed_in: bool


class BrowserSession(TypedDict):
    id: str
    created_at: Moment
    expires_at: Moment
    address: str
    agent: str
    this: bool


class BrowserSessions(TypedDict):
    sessions: list[BrowserSession]


class EndedSession(TypedDict):
    id: str
    ended: bool


class AlertChannel(TypedDict):
    """origin: `page`, or the setting that has it. usable: whether its address can be opened."""

    id: str
    kind: str
    host: str
    origin: str
    usable: bool
    created_at: NotRequired[Moment]


class SentAlert(TypedDict):
    """over: that it has ended. taken: false where no channel took it."""

    at: Moment
    account: str | None
    kind: str
    of: str
    over: bool
    taken: bool


class Alerts(TypedDict):
    channels: list[AlertChannel]
    told: list[SentAlert]


class AlertTest(TypedDict):
    taken: bool
    why: str


class RemovedAlert(TypedDict):
    id: str
    removed: bool


class AddressRestUntil(TypedDict):
    phase: Phase
    until: int | None
    reason: str
    per_minute: float
    at_once: float
    at_once_warm: float


class CooldownUntil(TypedDict):
    capability: Capability
    phase: Phase
    until: int | None
    reason: str


class AccountOverview(AccountFacts):
    """until: when it thaws; dies_at: when its session is expected to end."""

    until: int | None
    dies_at: int | None
    address_rest: AddressRestUntil
    cooldowns: list[CooldownUntil]


class RequestCounts(TypedDict):
    """Of the last hour."""

    ended: int
    failed: int
    under_way: int


class Overview(TypedDict):
    """Moments instead of seconds left, so that it changes only when something happens."""

    now: Moment
    level: Literal["ok", "starting", "warn", "down", "setup"]
    sentence: BothLanguages
    degraded: list[str]
    accounts: list[AccountOverview]
    waiting: int
    requests: RequestCounts
    version: str
    node: str
    started_at: int


class SettingControl(TypedDict):
    """What a form needs to change a setting: the kind of its value, what a choice can be, and the value itself."""

    kind: Literal["boolean", "number", "text", "choice"]
    choices: list[str]
    value: Any


class SettingInForce(TypedDict):
    """origin: where it came from. A secret's value is only whether it is set. live: null where PATCH does not take
    it.
    """

    name: str
    value: Any
    origin: str
    secret: bool
    about: str | None
    live: SettingControl | None


class SettingChanged(TypedDict):
    """before, after: null for what file, environment and options say. version: counted for each setting."""

    name: str
    version: int
    at: Moment
    actor: str
    before: Any
    after: Any


class SettingsInForce(TypedDict):
    """changes: the last ones, newest first; null while the database is away."""

    settings: list[SettingInForce]
    changes: list[SettingChanged] | None


class SettingsChanged(TypedDict):
    changes: list[SettingChanged]


class NodeState(TypedDict):
    """trusted: whether it proved that it is of this fleet. cooling: capability -> seconds until it is back, 0 not
    known. age: seconds since its last beat.
    """

    name: str
    url: str
    status: str
    alive: bool
    trusted: bool
    why: str
    weight: float
    draining: bool
    age: float
    inflight: int
    current: int
    lanes: int
    taken: int
    dispatched: int
    cooling: dict[Capability, float]
    models: list[str]
    version: str
    created_at: Moment


class Nodes(TypedDict):
    """fleet: false on a single node. degraded: empty, or why the list may be out of date."""

    fleet: bool
    degraded: str
    nodes: list[NodeState]


class RemovedNode(TypedDict):
    name: str
    removed: bool


class RateLimiterState(TypedDict):
    current_delay: float
    requests_last_minute: int
    consecutive_429s: int
    rpm_limit: int


class TaskStats(TypedDict):
    pending: int
    processing: int
    completed: int
    failed: int
    total: int


class LaneStats(TypedDict):
    max: int
    available: int


class StorageStats(TypedDict):
    total_images: int


class ConversationStats(TypedDict):
    total: int
    active_in_memory: int


class Health(TypedDict):
    """accounts: how many are in which state; capabilities: whether somebody can answer."""

    status: Literal["ok"]
    version: str
    client_ready: bool
    watermark_removal: bool
    rate_limiter: RateLimiterState
    task_stats: TaskStats
    concurrency: LaneStats
    storage: StorageStats
    conversations: ConversationStats
    degraded: list[str]
    accounts: dict[State, int]
    capabilities: dict[Capability, bool]


class Ready(TypedDict):
    """degraded: what is not as it should be all the same. reasons: why it is not ready."""

    ready: bool
    degraded: NotRequired[list[str]]
    reasons: NotRequired[list[str]]


class Features(TypedDict):
    chat: bool
    streaming: bool
    watermark_removal: bool


class Info(TypedDict):
    service: Literal["gemgate"]
    version: str
    features: Features
    endpoints: dict[str, str]


class KeptConversation(TypedDict):
    """account: for an admin."""

    id: str
    messages: int
    created_at: Moment
    updated_at: Moment
    account: str | None


class FoundConversation(KeptConversation):
    """excerpt: where the first word of a search was found."""

    title: str
    excerpt: str | None


class FoundConversations(TypedDict):
    conversations: list[FoundConversation]
    next_offset: int | None


class SaidPart(TypedDict, total=False):
    """One of these; of pictures and files their names, types and sizes."""

    text: str
    thought: str
    image: dict[str, Any]
    file: dict[str, Any]
    call: dict[str, Any]
    result: dict[str, Any]


class SaidMessage(TypedDict):
    role: str
    parts: list[SaidPart]


class ReadConversation(KeptConversation):
    said: list[SaidMessage]


class JsonRpcMessage(TypedDict):
    """An answer of the Model Context Protocol."""

    jsonrpc: Literal["2.0"]
    id: NotRequired[str | int | None]
    result: NotRequired[dict[str, Any]]
    error: NotRequired[dict[str, Any]]
