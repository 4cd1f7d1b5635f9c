"""Requests and their stories, calls over time, usage, budgets."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.shapes import Moment


class BothLanguages(TypedDict):
    en: str
    zh: str


class RequestModel(TypedDict):
    """asked, as which model that counts, and whom Google named."""

    asked: str | None
    id: str | None
    served: str | None


class Timings(TypedDict):
    """Seconds by stage; work of several attempts and pictures is added up."""

    queue: float | None
    first_byte: float | None
    upstream: float | None
    download: float | None
    logo: float | None
    store: float | None
    total: float | None


class Trouble(BothLanguages):
    kind: str
    code: str


class RequestFacts(TypedDict):
    id: str
    time: Moment
    state: Literal["open", "done"]
    operation: str
    dialect: str
    key: str | None
    status: int | None
    streamed: bool
    model: RequestModel
    account: str | None
    reuse: str | None
    generations: int
    timings: Timings
    error: Trouble | None


class RequestRow(RequestFacts):
    """attempts, repairs, pictures: how many."""

    attempts: int
    repairs: int
    pictures: int


class Requests(TypedDict):
    requests: list[RequestRow]
    next_cursor: str | None


class PassedOverAccount(TypedDict):
    account: str
    state: str
    why: str | None
    why_zh: str | None
    until: Moment | None


class Attempt(TypedDict):
    """One account that was asked for one prompt. Seconds."""

    prompt: int
    number: int
    repair: str | None
    account: str | None
    why: str | None
    reuse: str | None
    offer: str | None
    served: str | None
    painter: str | None
    lowered: str | None
    outcome: str
    generated: str
    error: Trouble | None
    then: str | None
    unknown: list[str]
    stored: bool
    queue: float
    pace: float
    first_byte: float | None
    upstream: float | None
    sent_after: float | None
    ended_after: float | None
    skipped: list[PassedOverAccount]


class RequestPicture(TypedDict):
    """download, work, store, done_after: seconds."""

    id: str | None
    source: str
    size: str
    logo: str
    bytes: int
    download: float
    work: float
    store: float
    failed: str | None
    done_after: float | None


class MessageCounts(TypedDict):
    all: int
    new: int


class RequestTokens(TypedDict):
    prompt: int
    output: int
    estimated: bool


class RequestExplained(RequestFacts):
    """Everything about one request, and its story in sentences."""

    path: str | None
    task: str | None
    abandoned: str | None
    messages: MessageCounts | None
    ignored: list[str]
    filed_bytes: int
    attempts: list[Attempt]
    repairs: list[str]
    pictures: list[RequestPicture]
    tokens: RequestTokens
    beside: dict[str, int]
    in_band: bool
    kept_alive: bool
    left_out: int
    story: list[BothLanguages]


class SeriesPoint(TypedDict):
    """spread: how many calls took at most each of the `bounds`, and how many longer."""

    at: int
    calls: int
    failed: int
    images: int
    prompt_tokens: int
    output_tokens: int
    spread: list[int]


class Series(TypedDict):
    """step: seconds; kept: how many of them. since: what was before is not known. bounds: seconds."""

    now: Moment
    step: int
    kept: int
    since: Moment
    bounds: list[float]
    points: list[SeriesPoint]


class UsageSums(TypedDict):
    """tokens are estimated; bytes: of pictures and videos as they are stored; retries: prompts sent once more."""

    calls: int
    tokens_in: int
    tokens_out: int
    images: int
    videos: int
    seconds: float
    bytes: int
    generations: int
    retries: int


class UsageRow(UsageSums):
    """The sums, and what they are of."""

    day: NotRequired[str]
    hour: NotRequired[int]
    key: NotRequired[str]
    account: NotRequired[str]
    model: NotRequired[str]
    served: NotRequired[str]
    dialect: NotRequired[str]
    kind: NotRequired[str]
    outcome: NotRequired[str]


_Span = TypedDict("_Span", {"from": str, "to": str})


class UsageAnswer(_Span):
    """from, to: days in UTC, both included."""

    by: list[str]
    rows: list[UsageRow]
    total: UsageSums


class BudgetLeft(TypedDict):
    """resets_at: null for `at_once`."""

    name: str
    limit: int
    left: int
    resets_at: Moment | None


class KeyBudget(TypedDict):
    name: str
    left: list[BudgetLeft]


class Budgets(TypedDict):
    """all: of all keys together."""

    now: Moment
    all: list[BudgetLeft]
    keys: list[KeyBudget]
