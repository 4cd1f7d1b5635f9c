"""Accounts as operators see them: their state, usage, cookies (never a value), sessions, gems, chats at Google."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.accounts import Capability, Renewal, State, Tier
from gemgate.dialects.shapes import Moment

Phase = Literal["closed", "open", "half_open"]
"""Of a circuit breaker: calls go through, none does, one finds out."""


class Remedy(TypedDict):
    """What a person can do; url: where, opens: what that opens."""

    title: str
    text: str
    url: str | None
    opens: str | None


class Lanes(TypedDict):
    """Calls at once."""

    max: int
    busy: int


class AccountWindow(TypedDict):
    """One of Google's usage windows: used of 1; remaining and total in what Google counts, null where not said."""

    window: str
    used: float
    resets_at: Moment | None
    remaining: float | None
    total: float | None
    model: str | None


class WindowLeft(TypedDict):
    """The window that binds, and what is left of it, of 1."""

    window: str
    left: float
    resets_at: Moment | None


class AccountReads(TypedDict):
    """How much of a prompt it reads, in UTF-8 bytes, null: any number. temporary_share: of that in temporary chats."""

    known_by: Literal["set", "measured", "assumed"]
    bytes: int | None
    with_files_bytes: int | None
    temporary_share: float
    measured_at: Moment | None
    measured_tier: str | None
    resolution_bytes: int | None


class AccountPace(TypedDict):
    """delay: seconds between two prompts."""

    delay: float
    rpm_limit: float
    consecutive_429s: int


class AccountUsageFacts(TypedDict):
    """What Google says is left of it; binding: the window that binds first."""

    tier: Tier
    overage: bool | None
    usage: list[AccountWindow]
    usage_at: Moment | None
    binding: WindowLeft | None
    left: dict[Capability, WindowLeft]


class AccountFacts(AccountUsageFacts):
    """state, why: its word and the sentence to it. kind: web, or an official key. google: whose it is, cut short."""

    name: str
    kind: str
    google: str | None
    state: State
    why: str
    reason: str | None
    remedy: Remedy | None
    desktop: str | None
    lanes: Lanes
    weight: float
    fallback: bool
    number: int
    language: str
    source: str
    live_browser: bool
    rotate: bool
    address: str
    models: list[str]
    signed_in_at: Moment | None
    renewed_at: Moment | None
    renewal: Renewal | None
    forecast: str | None
    reads: AccountReads
    notice: str | None
    last_error: str | None
    pace: AccountPace


class AddressRest(TypedDict):
    """How the way out is: it is shared by the accounts that have it."""

    phase: Phase
    seconds_left: float
    reason: str
    per_minute: float
    at_once: float
    at_once_warm: float


class Cooldown(TypedDict):
    capability: Capability
    phase: Phase
    seconds_left: float
    reason: str


class Account(AccountFacts):
    """seconds_left: until it thaws; forecast_seconds: until its session is expected to end."""

    seconds_left: float | None
    forecast_seconds: int | None
    address_rest: AddressRest
    cooldowns: list[Cooldown]


class Accounts(TypedDict):
    """waiting: calls that wait for a lane."""

    accounts: list[Account]
    waiting: int


class AuditLine(TypedDict):
    at: Moment
    actor: str
    action: str
    detail: str


class AccountAndAudit(Account):
    audit: list[AuditLine]


class UsageReading(AccountWindow):
    """A window as it was read; calls: how many of each kind came since the reading before."""

    at: Moment
    calls: dict[Capability, int]


class AccountUsage(TypedDict):
    name: str
    readings: list[UsageReading]


class RemovedAccount(TypedDict):
    name: str
    removed: bool


class PairingCode(TypedDict):
    """code: counts once, for so many seconds."""

    account: str
    code: str
    expires_at: Moment
    seconds: float
    gateway: str


class Rhythm(TypedDict):
    """How often a browser should be heard of, and after which silence we rotate the cookies ourselves."""

    sign_of_life_seconds: float
    silent_after_seconds: float


class Paired(Rhythm):
    """key: the only time that it is told."""

    account: str
    key: str
    key_id: str


class PairedState(Rhythm):
    """How the account is, and the last push; rotates: who renews the cookies."""

    account: str
    state: State
    why: str
    seconds_left: float | None
    google: str | None
    signed_in_at: Moment | None
    renewed_at: Moment | None
    forecast: str | None
    forecast_seconds: int | None
    notice: str | None
    last_error: str | None
    rotates: Literal["browser", "gemgate"]
    version: int
    pushed_at: Moment | None
    seen_at: Moment | None
    user_agent: str
    language: str


class PushTaken(PairedState):
    taken: bool


class SignedIn(TypedDict):
    """Who is signed in: account: where it is one of ours, why: where it cannot be used."""

    google: str | None
    source: str
    number: int
    account: str | None
    why: str | None


class Identities(TypedDict):
    identities: list[SignedIn]
    chosen: NotRequired[SignedIn]


class EndedBy(TypedDict):
    reason: str
    title: str
    deaths: int


class LifeStep(TypedDict):
    """A step of the curve: age in seconds; alive, error, low and high of 1."""

    age: float
    at_risk: int
    deaths: int
    alive: float
    error: float
    low: float
    high: float


class Arm(TypedDict):
    """Sessions that were kept alive in one way. Seconds; null where too few have ended."""

    arm: str
    name: str
    n: int
    deaths: int
    alive: int
    replaced: int
    seen: float
    median: float | None
    median_low: float | None
    median_high: float | None
    ended_by: list[EndedBy]
    steps: list[LifeStep]


class LifeScore(TypedDict):
    """How good forecasts were: Brier's score, and that of who always says the base rate."""

    brier: float
    base: float
    asked: int
    horizon: float


class Lives(TypedDict):
    arms: list[Arm]
    score: LifeScore | None


class GemState(TypedDict):
    """model: its name as a model."""

    id: str
    account: str
    model: str
    name: str
    description: str
    prompt: str


class Gems(TypedDict):
    """problems: account -> why its gems are not among them."""

    gems: list[GemState]
    problems: dict[str, str]


class DeletedGem(TypedDict):
    id: str
    account: str
    deleted: bool


class ChatEntry(TypedDict):
    """title: null where the chat is not open to the caller. made_by, key: where this gateway made it, and for whom."""

    id: str
    account: str
    title: str | None
    pinned: bool
    updated_at: Moment | None
    made_by: Literal["gateway"] | None
    key: str | None
    open: bool


class ChatPage(TypedDict):
    """next: the cursor of the page behind; problems: account -> why it is not told."""

    data: list[ChatEntry]
    next: str | None
    problems: dict[str, str]


class FoundChats(ChatPage):
    by: Literal["titles", "google"]


class ChatTurn(TypedDict):
    """A prompt and its answer; what there is none of is left out. images: how many."""

    id: str
    at: Moment | None
    prompt: str
    answer: str
    model: str
    whole: bool
    thoughts: NotRequired[str]
    images: NotRequired[int]
    sources: NotRequired[list[dict[str, Any]]]
    documents: NotRequired[list[dict[str, Any]]]
    web_images: NotRequired[list[dict[str, Any]]]
    media: NotRequired[list[dict[str, Any]]]


class ReadChat(ChatEntry):
    """The newest turn first; next: the cursor of older ones."""

    turns: list[ChatTurn]
    next: str | None


class WholeChat(ChatEntry):
    """As they were said; cut: older ones are missing."""

    cut: bool
    turns: list[ChatTurn]


class MissingChat(TypedDict):
    account: str
    id: str | None
    error: str


class ChatExport(TypedDict):
    """next: the cursor to go on from; null at the end."""

    chats: list[WholeChat]
    missing: list[MissingChat]
    next: str | None


class ChangedChat(TypedDict):
    """confirmed: whether Google shows it so now, null where it does not tell."""

    id: str
    account: str
    title: NotRequired[str]
    pinned: NotRequired[bool]
    confirmed: bool | None


class DeletedChat(TypedDict):
    id: str
    account: str
    deleted: bool
