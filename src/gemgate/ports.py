"""Every interface of the house on one page, with the small values that cross them.

The story (`gateway.py`, `pool.py`, ...) knows these and never an adapter; adapters know these and never each other.
Each port has one contract test suite that runs over every adapter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from gemgate.accounts import Cookies, Kind, Offer, Opened, UsageWindow
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.files import Inline


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the door found out.

    tenant:   the name of the API key, or "" when keys are off; conversations and batches never cross tenants.
    client:   what limits count by: the key's name, else the address (IPv6 by /64).
    per_hour: the key's own hourly limit, None for the general one.
    admin:    may see all tenants and the account names.
    """

    tenant: str = ""
    client: str = "local"
    address: str = ""
    per_hour: int | None = None
    admin: bool = False
    language: str = "en"
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a web conversation stands: the ten metadata slots (protocol.md 5, index 2)."""

    metadata: tuple[str | None, ...]

    @property
    def cid(self) -> str:
        return (self.metadata[0] if self.metadata else None) or ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way up, with the name and type that Google shall see."""

    name: str
    mime: str
    data: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One generation.

    files:     uploads, each already sent up by this upstream: (handle, name).
    thread:    the conversation it continues, or None for a new one.
    exact:     nobody reads along: hold the text back until it is final.
    temporary: the chat shall not stand in the account's history.
    """

    text: str
    offer: Offer
    files: tuple[tuple[str, str], ...] = ()
    thread: Thread | None = None
    temporary: bool = False
    extended_thinking: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Answering:
    """Google took the prompt and speaks: always the first piece. `cid` may be empty for temporary chats."""

    cid: str


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A generated picture that still has to be fetched, on the session that made it."""

    url: str
    image_id: str
    cid: str
    rid: str
    rcid: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class ImageFound:
    ref: ImageRef


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer is complete. `text` is the whole final text, `revised` says that sent text was changed later."""

    thread: Thread
    text: str
    revised: bool = False


Piece: TypeAlias = Answering | TextDelta | ThoughtDelta | ImageFound | Answered


@dataclass(frozen=True, slots=True)
class Fetched:
    """A picture's bytes as they came; `source` names the route: "full_size", "s4096", "s2048", "s1024", "preview"."""

    data: bytes = field(repr=False)
    mime: str
    source: str


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. `total` is per generation; `first_byte` and `idle` bound silence; `connect` the way there."""

    connect: float = 10.0
    first_byte: float = 90.0
    idle: float = 60.0
    total: float = 300.0


class Upstream(Protocol):
    """One account. Every method raises only GatewayErrors, whose `generated` says whether a second try is safe."""

    kind: Kind

    async def open(self, cookies: Cookies | None) -> Opened:
        """Sign in (again) with these cookies. SignedOut, Rejected, Blocked, Stalled, Unreachable, Broken, Drift."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Send the prompt once and tell what comes: Answering, then deltas and pictures, then Answered.

        Closing the generator stops the upstream call at once and frees its place.
        """
        ...

    async def upload(self, upload: Upload) -> str:
        """Send a file up under its real name and type; the handle to put into `Prompt.files`."""
        ...

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        """The picture's original: the full-size route first, then the size suffix."""
        ...

    async def read_chat(self, cid: str) -> list[Piece] | None:
        """The last answer of a conversation as pieces, or None when it holds no finished answer."""
        ...

    async def delete_chat(self, cid: str) -> None: ...

    async def ping(self) -> Opened:
        """A cheap status check of the open session; raises as `open` does."""
        ...

    async def rotate(self) -> Cookies:
        """Renew the session's cookies; the new ones, to be kept at once."""
        ...

    async def usage(self) -> tuple[UsageWindow, ...]:
        """Google's usage windows of the account, empty when it does not say."""
        ...

    async def close(self) -> None: ...


class CookieSource(Protocol):
    """`live`: a running browser rotates the cookies, so we must not. `watched`: they may change by themselves, so
    whoever keeps the account signed in reads again every few seconds; a read costs little while nothing changed.
    `missing`: why the last read found none, in plain words.
    """

    name: str
    live: bool
    watched: bool
    missing: str

    async def read(self) -> Cookies | None:
        """The cookies as they stand now; None when the source holds none (yet). AccountError: it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What is known of a stored object; `modified` in epoch seconds."""

    key: str
    size: int
    modified: float
    etag: str


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored object with its bytes."""

    facts: BlobFacts
    data: bytes = field(repr=False)


class BlobStore(Protocol):
    """Pictures and uploads as whole objects under keys with slashes. StorageDown when it cannot be reached."""

    async def put(self, key: str, data: bytes, mime: str, *, replace: bool = True) -> bool:
        """Store the bytes atomically: a reader sees all or nothing. False when `replace` is off and the key exists."""
        ...

    async def get(self, key: str) -> Blob:
        """The whole object; NotFound."""
        ...

    async def stat(self, key: str) -> BlobFacts | None: ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget these objects; missing ones are no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobFacts]: ...

    def url(self, key: str, seconds: int) -> str | None:
        """An address at which anybody can get the object for `seconds`; None when only we can serve it."""
        ...


class Fetcher(Protocol):
    """Gets what a user's link points at, and nothing that is not public."""

    async def fetch(self, url: str, max_bytes: int) -> Inline:
        """BadRequest when the address is not public, not found, too large, or too slow."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of the rule that binds: a limit of 0 means none. Seconds for `reset`."""

    limit: int = 0
    remaining: int = 0
    reset: float = 0.0


class Limiter(Protocol):
    """Our own limits towards clients; exact under concurrency."""

    @property
    def degraded(self) -> str:
        """Empty, or why limits are counted per process only at the moment."""
        ...

    async def take(self, caller: Caller, model: str) -> Quota:
        """Count one call; RateLimited with the seconds when it is one too many."""
        ...


class Clock(Protocol):
    """Time as a collaborator, so that tests can turn it."""

    def now(self) -> float:
        """Epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds for measuring spans."""
        ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a request or an account; observers count, log and keep it.

    name:  dotted, e.g. "request.done", "attempt.failed", "account.state"; data: plain values, never a secret.
    """

    name: str
    request_id: str = ""
    data: dict[str, str | int | float | bool | None] = field(default_factory=dict)


class Observer(Protocol):
    def note(self, fact: Fact) -> None: ...


Dice = Callable[[], float]
"""A random number in [0, 1)."""

__all__ = [
    "Answered",
    "Answering",
    "Caller",
    "Clock",
    "CookieSource",
    "Deadlines",
    "Dice",
    "Fact",
    "Fetched",
    "ImageFound",
    "ImageRef",
    "Limiter",
    "Observer",
    "Piece",
    "Prompt",
    "Quota",
    "Sequence",
    "Thread",
    "Upload",
    "Upstream",
]
