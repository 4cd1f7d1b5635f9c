"""Every interface of the house on one page, with the small values that cross them.

The story (`gateway.py`, `pool.py`, ...) knows these and never an adapter; adapters know these and never each other.
Each port has one contract test suite that runs over every adapter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from gemgate.accounts import (
    Capability,
    Cookies,
    GoogleAccount,
    Kind,
    Known,
    MeasuredWalls,
    Offer,
    Opened,
    Rotated,
    State,
    UsageWindow,
)
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.errors import AccountError, GatewayError
from gemgate.files import Inline, StoredFile
from gemgate.findings import NOTHING_FOUND, Findings
from gemgate.images import GeneratedImage, handle_of
from gemgate.work import (
    Batch,
    BatchKind,
    BatchState,
    Claim,
    Hook,
    Need,
    Node,
    NodeCard,
    NodeReport,
    Settled,
    Tally,
    Task,
    TaskDraft,
    TaskStatus,
    Trail,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the door found out.

    tenant:   the name of the API key, or "" when keys are off; conversations and batches never cross tenants.
    client:   what limits count by: the key's name, else the address (IPv6 by /64).
    per_hour: the key's own hourly limit, None for the general one.
    admin:    may see all tenants and the account names.
    models:   ids that the key is limited to, empty for all.
    operations: groups of operations that the key is limited to, empty for all.
    quota:    what is left, when the call was counted before it came here: it is not counted again.
    host:     our own name and port as the caller called them, so that our links are known when they come back.
    """

    tenant: str = ""
    client: str = "local"
    address: str = ""
    per_hour: int | None = None
    admin: bool = False
    language: str = "en"
    request_id: str = ""
    models: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    quota: Quota | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a web conversation stands: the ten metadata slots (protocol.md 5, index 2), and after how many turns.

    turns: 0 where nobody counted.
    """

    metadata: tuple[str | None, ...]
    turns: int = 0

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


class SentFile(NamedTuple):
    """An upload as a prompt refers to it; type and name as its bytes showed them (see `fitting`)."""

    handle: str
    name: str
    mime: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One generation.

    files:     uploads, each already sent up by this upstream.
    thread:    the conversation it continues, or None for a new one.
    exact:     nobody reads along: hold the text back until it is final.
    temporary: the chat shall not stand in the account's history.
    long_side: pixels that the model id promises, for upstreams that can be asked for a size.
    pictures:  a picture is wanted, for which Google may be silent for longer.
    """

    text: str
    offer: Offer
    files: tuple[SentFile, ...] = ()
    thread: Thread | None = None
    temporary: bool = False
    extended_thinking: bool = False
    exact: bool = False
    long_side: int | None = None
    pictures: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """Google took the prompt into this conversation; nothing is said yet. What is stored now can be read back later."""

    cid: str


@dataclass(frozen=True, slots=True)
class Answering:
    """Google speaks: comes before anything it says. `cid` may be empty for temporary chats."""

    cid: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Google said something that this version does not know: counted and explained, never shown as an answer.

    field: where it stood, of few different values: "code 1234", "status 9", "frame 27", "rich 99"; never a content.
    """

    field: str


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A generated picture that still has to be fetched, on the session that made it.

    token, prompt: what Google's full-size route wants to hear of it. announced: width, height and bytes as Google says,
    empty when it does not.
    """

    url: str
    image_id: str
    cid: str
    rid: str
    rcid: str
    alt: str = ""
    painter: str = ""
    """What Google called the maker while it worked, or ""."""
    token: str = field(default="", repr=False)
    prompt: str = field(default="", repr=False)
    announced: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageFound:
    ref: ImageRef


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer is complete. `text` is the whole final text, `revised` says that sent text was changed later.

    stored: False when Google said that the conversation was not kept: nothing can be gone on with (1096).
    findings: what it brought besides its words and pictures.
    served, served_id: Google's own name and id of the model that answered, "" where it said nothing.
    painter: what it calls the maker of the pictures.
    left: how much of the account's actions is used, as the answer says.
    """

    thread: Thread
    text: str
    revised: bool = False
    stored: bool = True
    findings: Findings = NOTHING_FOUND
    served: str = ""
    served_id: str = ""
    painter: str = ""
    left: tuple[UsageWindow, ...] = ()


Piece: TypeAlias = Accepted | Answering | TextDelta | ThoughtDelta | ImageFound | Unknown | Answered


@dataclass(frozen=True, slots=True)
class Fetched:
    """A picture's bytes as they came.

    source: by which route: "full_size", "s0" (the link without limit), "s4096", "s2048", "s1024", "preview", or
    "inline" when the answer brought it.
    """

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


Accept = Callable[[GoogleAccount], None]


class Upstream(Protocol):
    """One account. Every method raises only GatewayErrors, whose `generated` says whether a second try is safe."""

    kind: Kind

    async def open(self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False) -> Opened:
        """Sign in (again) with these cookies. SignedOut, Rejected, Blocked, Stalled, Unreachable, Broken, Drift.

        accept: is told whose the session is before it takes the place of the one before; what it raises ends the
        sign-in. had_chats: whether the account is known to have chats, so that a session without any is a phantom.
        """
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Send the prompt once and tell what comes: Accepted, Answering, then deltas and pictures, then Answered.

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
        """The last answer of a conversation as pieces; None when it holds none, or one that was cut off.

        Without an Answered at the end Google is still writing it.
        """
        ...

    async def knows(self, cid: str) -> bool:
        """Whether a conversation still stands in the account's history."""
        ...

    async def delete_chat(self, cid: str) -> None: ...

    async def ping(self) -> Opened:
        """A cheap status check of the open session; raises as `open` does."""
        ...

    async def rotate(self) -> Rotated:
        """Ask for new cookies of the session; what came of it, and the cookies as they are now, to be kept at once.

        That none came says nothing of the session: ask `ping`. GatewayError when Google could not be asked.
        """
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

    async def put_file(self, key: str, path: Path, mime: str) -> None:
        """Store a file of this machine without having all of it in memory."""
        ...

    async def get(self, key: str) -> Blob:
        """The whole object; NotFound."""
        ...

    def chunks(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, which is not included, piece by piece; NotFound before the first.

        0 <= start < end <= size, and None is the size.
        """
        ...

    async def stat(self, key: str) -> BlobFacts | None: ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget these objects; missing ones are no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobFacts]: ...

    def url(self, key: str, seconds: int) -> str | None:
        """An address at which anybody can get the object for `seconds`; None when only we can serve it."""
        ...

    def waits(self, key: str) -> bool:
        """Whether the object stands on this machine only, until a store that is away comes back."""
        ...


class FileStore(Protocol):
    """Uploaded files: bytes in the blob store, facts in the database; never seen by another owner."""

    async def add(self, file: StoredFile, data: bytes) -> None: ...

    async def add_from(self, file: StoredFile, path: Path) -> None:
        """The same for a file of this machine that may be large."""
        ...

    async def get(self, file_id: str, owner: str) -> StoredFile | None: ...

    async def read(self, file: StoredFile) -> bytes: ...

    def chunks(self, file: StoredFile) -> AsyncIterator[bytes]:
        """The bytes piece by piece."""
        ...

    async def list(self, owner: str, purpose: str | None = None) -> Sequence[StoredFile]:
        """Newest first."""
        ...

    async def delete(self, file: StoredFile) -> None: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A delivered picture as the gallery keeps it: facts without bytes, whose it is, and what it was made from.

    references: sha256 of the pictures that went into an edit; batch: the batch it belongs to, or "".
    """

    image: GeneratedImage
    tenant: str
    created_at: float
    references: tuple[str, ...] = ()
    batch: str = ""

    @property
    def handle(self) -> str:
        """Names the picture without a word of its prompt, which its file name has."""
        return handle_of(self.image.name)


class Gallery(Protocol):
    """The facts of all delivered pictures."""

    async def remember(self, picture: Picture) -> None: ...

    async def find(self, name: str) -> Picture | None: ...

    async def latest(self, tenant: str | None, limit: int, before: float | None = None) -> Sequence[Picture]:
        """Newest first; `tenant` None for all of them."""
        ...

    async def forget(self, names: Sequence[str]) -> None: ...

    async def older_than(self, moment: float, limit: int) -> Sequence[str]:
        """Names of pictures made before `moment`."""
        ...

    async def count(self) -> int: ...


class Fetcher(Protocol):
    """Gets what a user's link points at, and nothing that is not public."""

    async def fetch(self, url: str, max_bytes: int) -> Inline:
        """BadRequest when the address is not public, not found, too large, or too slow."""
        ...


class Sender(Protocol):
    """Tells an address that a caller named, and none that is not public."""

    def check(self, url: str) -> None:
        """BadRequest for what can be told at once: no http(s) address, credentials in it, a private number."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The HTTP status of the answer; BadRequest when the address is not public, Unreachable when nobody answers."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of the rule that binds: a limit of 0 means none. Seconds for `reset`."""

    limit: int = 0
    remaining: int = 0
    reset: float = 0.0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A web conversation that can be continued: where it stands at Google, and by which history it is known.

    tip:        fingerprint of the whole history up to and with the last answer; length: messages in it.
    identity:   the Google session's owner; another identity cannot continue it.
    sentinel:   of the tool grammar that stands in it.
    named:      the caller knows it by its id (`conversation_id`); transcript: then its messages as JSON, for a replay.
    delete_at:  epoch seconds after which it is deleted at Google (HISTORY), 0 = never.
    """

    id: str
    tenant: str
    tip: str
    length: int
    account: str
    identity: str
    offer: str
    thread: Thread
    created_at: float
    updated_at: float
    sentinel: str = ""
    named: bool = False
    transcript: str = field(default="", repr=False)
    delete_at: float = 0.0


class ConversationStore(Protocol):
    """Conversations never cross tenants: every question names one."""

    async def find(self, tenant: str, tips: Sequence[str]) -> Conversation | None:
        """The longest of the histories that is known and not being continued right now; one query for all."""
        ...

    async def get(self, tenant: str | None, conversation_id: str) -> Conversation | None:
        """By id; `tenant` None is an admin's."""
        ...

    async def lease(self, conversation_id: str, owner: str, now: float, seconds: float) -> bool:
        """The right to continue it; False when somebody else does."""
        ...

    async def release(self, conversation_id: str, owner: str) -> None: ...

    async def save(self, conversation: Conversation) -> None:
        """Write it as it stands now, and end the lease."""
        ...

    async def forget(self, conversation_id: str) -> None: ...

    async def latest(self, tenant: str | None, limit: int, offset: int = 0) -> tuple[Sequence[Conversation], int]:
        """Newest first, with how many there are in all."""
        ...

    async def due(self, now: float, limit: int) -> Sequence[Conversation]:
        """Those whose time to be deleted at Google has come."""
        ...

    async def forget_before(self, moment: float) -> int:
        """Drop what was not continued since `moment`; how many."""
        ...

    async def count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer of the Responses API that can be asked for again and continued; `transcript` ends with the answer."""

    id: str
    tenant: str
    body: str = field(repr=False)
    transcript: str = field(repr=False)
    created_at: float


class ResponseStore(Protocol):
    async def save(self, response: StoredResponse) -> None: ...

    async def get(self, response_id: str, tenant: str) -> StoredResponse | None: ...

    async def delete(self, response_id: str, tenant: str) -> bool: ...

    async def forget_before(self, moment: float) -> int: ...


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


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted text, and which key it is under (an id that tells nothing of the key)."""

    key_id: str
    text: str = field(repr=False)


class Vault(Protocol):
    """Encrypts secrets at rest, each bound to its subject."""

    async def seal(self, subject: str, plain: Mapping[str, str]) -> Sealed: ...

    async def open(self, subject: str, sealed: Sealed) -> dict[str, str]:
        """AccountError when the key is lost, or the text is damaged or another subject's."""
        ...

    async def rewrap(self, subject: str, sealed: Sealed) -> Sealed | None:
        """The same under the first key; None when it is that already."""
        ...


Origin = Literal["environment", "file", "admin"]
"""Who set an account up: the settings, accounts.toml, or a person at run time."""


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """How an account is set up.

    source:   as `COOKIE_SOURCE` is spelled, "" = cookies are handed over by hand; of an official one where its API key
              stands, `env:NAME` or `file:PATH`.
    lanes:    calls at once, None = the general setting.
    fallback: used only while no other account can take the call.
    number:   which of the accounts of its cookies, counted from 0 as in gemini.google.com/u/N; language: what it is
              asked to speak (`en`), "" = its own (docs/google-wire.md 5.6).
    prompt_max_bytes, prompt_with_files_max_bytes: how much of a prompt it reads, in UTF-8 bytes, 0 = any number;
              None = as measured, else the general setting.
    """

    name: str
    kind: Kind = "web"
    source: str = ""
    proxy: str | None = field(default=None, repr=False)
    lanes: int | None = None
    weight: float = 1.0
    origin: Origin = "admin"
    fallback: bool = False
    number: int = 0
    language: str = ""
    prompt_max_bytes: int | None = None
    prompt_with_files_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class KeptCircuit:
    """A circuit that a restart must not close. Epoch seconds."""

    failures: int = 0
    until: float = 0.0
    opened_at: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """An account as it is stored.

    generation: counts every change of the cookies; writers name the one they saw, and a stale one loses.
    proven:     whether the cookies have signed in; while they have not, `previous` holds the last good ones.
    taken:      digest of the source's cookies when they were last taken (`Cookies.digest`), "" = never.
    identity:   what tells the Google account behind it from others, "" = unknown.
    owner:      the node that may refresh and generate, "" = nobody; until `lease_until`.
    walls:      how much of a prompt it reads, if that was measured.
    known:      what Google told of the account behind it.
    trouble:    why the stored secrets cannot be opened; the account must not run on what is left.
    """

    setup: AccountSetup
    paused: bool = False
    cookies: Cookies | None = None
    proven: bool = False
    previous: Cookies | None = None
    generation: int = 0
    taken: str = ""
    identity: str = ""
    state: State = "starting"
    error_en: str = ""
    error_zh: str = ""
    circuits: Mapping[Capability, KeptCircuit] = field(default_factory=dict)
    owner: str = ""
    lease_until: float = 0.0
    trouble: AccountError | None = None
    walls: MeasuredWalls | None = None
    known: Known = field(default_factory=Known)

    @property
    def name(self) -> str:
        return self.setup.name


@dataclass(frozen=True, slots=True)
class SessionLife:
    """One session of an account from its sign-in on. Epoch seconds; ended_at None = it lives.

    died: it ended by itself (not replaced by another sign-in), so its length says how long sessions last.
    """

    account: str
    began_at: float
    renewed_at: float
    ended_at: float | None = None
    died: bool = False


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what to an account, and when (epoch seconds)."""

    at: float
    actor: str
    action: str
    account: str = ""
    detail: str = ""


class AccountStore(Protocol):
    """What a restart must not forget of the accounts. Names of unknown accounts are NotFound; StorageDown anywhere."""

    async def all(self) -> tuple[KeptAccount, ...]:
        """Every account, by name."""
        ...

    async def get(self, name: str) -> KeptAccount: ...

    async def set_up(self, setup: AccountSetup) -> bool:
        """Add an account or change how it is set up; its state and cookies stay. Whether it is new."""
        ...

    async def remove(self, name: str) -> None: ...

    async def pause(self, name: str, paused: bool) -> None: ...

    async def keep_walls(self, name: str, walls: MeasuredWalls) -> None:
        """Store what was measured of how much the account reads."""
        ...

    async def keep_cookies(
        self,
        name: str,
        cookies: Cookies,
        *,
        generation: int,
        proven: bool,
        taken: str | None = None,
        identity: str | None = None,
        at: float,
    ) -> int | None:
        """Store cookies if `generation` is still the account's; the new generation, or None for a stale writer.

        Unproven ones keep the last good ones beside them. Proven ones of the same session count as a renewal at `at`,
        those of another begin a new life.
        """
        ...

    async def prove(self, name: str, *, generation: int, at: float) -> int | None:
        """The unproven cookies signed in: forget the ones before."""
        ...

    async def fall_back(self, name: str, *, generation: int) -> int | None:
        """The unproven cookies are no good: the last good ones are in force again."""
        ...

    async def keep_state(
        self,
        name: str,
        state: State,
        error: GatewayError | None,
        circuits: Mapping[Capability, KeptCircuit],
        *,
        owner: str,
        at: float,
        known: Known | None = None,
    ) -> bool:
        """Store state word, last error and all circuits that are not closed; False when another node owns it now.

        "needs_login" ends the life of the session. known: what Google told of the account, None leaves it.
        """
        ...

    async def claim(self, name: str, owner: str, seconds: float) -> bool:
        """Become the account's node for so long, unless another one is; the database's clock decides."""
        ...

    async def renew(self, owner: str, seconds: float) -> frozenset[str]:
        """Extend all leases of `owner`, an expired one too until somebody takes it; the accounts it still holds."""
        ...

    async def release(self, owner: str, name: str | None = None) -> None:
        """Give one account back, or all."""
        ...

    async def keep_address(self, node: str, address: str, circuit: KeptCircuit) -> None:
        """Store the circuit of a way out; a closed one is forgotten."""
        ...

    async def addresses(self, node: str) -> dict[str, KeptCircuit]: ...

    async def lives(self, name: str | None = None, *, limit: int = 200) -> tuple[SessionLife, ...]:
        """Session lives of one account or all, newest first."""
        ...

    async def audit(self, line: AuditLine) -> None: ...

    async def audit_lines(self, name: str | None = None, *, limit: int = 100) -> tuple[AuditLine, ...]:
        """Newest first."""
        ...

    async def rewrap(self) -> int:
        """Bring every secret under the first key; how many were not. What cannot be opened stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """A task whose lease still stands: the number of its run, and whether its batch was given up meanwhile."""

    attempt: int
    given_up: bool = False


class JobStore(Protocol):
    """Batches and their tasks. A run of a task is fenced by owner and attempt: whoever lost it changes nothing.

    Leases and waits are judged by the database's clock. StorageDown anywhere.
    """

    async def submit(self, batch: Batch, tasks: Sequence[TaskDraft]) -> Batch:
        """Enter a batch with its tasks, all or nothing; or the one that came under the same idempotency key before."""
        ...

    async def open_tasks(self, tenant: str) -> int:
        """How many tasks of the tenant's batches have not ended."""
        ...

    async def get(self, tenant: str | None, batch_id: str) -> Batch | None:
        """By id; `tenant` None is an admin's."""
        ...

    async def under_key(self, tenant: str, key: str) -> Batch | None: ...

    async def latest(
        self, tenant: str | None, kinds: Sequence[BatchKind], limit: int, after: str | None = None
    ) -> tuple[Sequence[Batch], int]:
        """Newest first, those older than the batch `after`; with how many there are in all. NotFound for `after`."""
        ...

    async def tasks(
        self, batch_id: str, *, status: Sequence[TaskStatus] = (), after: int = -1, limit: int = 500
    ) -> Sequence[Task]:
        """In their order, those behind number `after`; of any status, or of those named."""
        ...

    async def ended(self, batch_id: str, after: int, limit: int) -> Sequence[Task]:
        """Tasks in the order in which they ended, those behind `Task.settled` = `after`."""
        ...

    async def claim(
        self, owner: str, needs: Collection[Need], seconds: float, accounts: Collection[str] = ()
    ) -> Claim | None:
        """Take the task whose turn it is and hold it for so long; None when there is none to run now.

        The batch of the highest priority first, batches of one priority in turns, never more at once than the batch
        allows. A task that left an answer in a chat goes to the node that has its account among `accounts`, for a
        minute or until that node is dead.
        """
        ...

    async def renew(self, owner: str, task_ids: Collection[str], seconds: float) -> Mapping[str, Held]:
        """Extend the leases of `owner` on these tasks; those it still holds."""
        ...

    async def note(self, claim: Claim, trail: Trail) -> bool:
        """Write down what the run leaves behind; False when it lost the task and must not go on."""
        ...

    async def settle(self, claim: Claim, outcome: Settled) -> bool:
        """How the run ended; False when it had lost the task, and nothing was changed."""
        ...

    async def expire(self) -> int:
        """Queue the tasks again whose leases ran out; how many."""
        ...

    async def sole(self) -> bool:
        """Whether no other process can hold a lease, now and as long as this one lives."""
        ...

    async def free(self) -> int:
        """Queue all running tasks again, whoever held them; how many. Only for a sole process before it begins."""
        ...

    async def change(self, batch_id: str, state: BatchState) -> Batch | None:
        """Pause, resume, cancel or expire a batch that is still open; how it stands now, None when there is none.

        What waits in a cancelled or expired batch is cancelled at once; what runs, by those who run it.
        """
        ...

    async def again(self, batch_id: str) -> Batch | None:
        """Queue what failed or was cancelled once more, with all its tries."""
        ...

    async def overdue(self, now: float) -> Sequence[str]:
        """Open batches whose time is up."""
        ...

    async def closing(self, owner: str, seconds: float) -> Batch | None:
        """A batch that has ended and is not closed, to be closed by `owner` within so many seconds."""
        ...

    async def close(self, batch_id: str, owner: str, about: str, at: float) -> bool:
        """Nothing follows any more, and its hook is due; False when somebody else was closing it."""
        ...

    async def hook_due(self, now: float, seconds: float) -> Batch | None:
        """A batch whose end has to be told now; it is not due again for so many seconds."""
        ...

    async def hook_told(self, batch_id: str, hook: Hook) -> None: ...

    async def at_rest(self) -> bool:
        """Whether nothing is open and nothing has to be told, and who changes that is in this process, or rarely not.

        False where other processes share the store: there every look counts.
        """
        ...

    async def stats(self) -> Tally:
        """All tasks of all batches."""
        ...

    async def forget_before(self, moment: float) -> int:
        """Drop batches that were closed before `moment`, with their tasks; how many."""
        ...

    def changes(self) -> AsyncGenerator[str, None]:
        """Ids of batches that change in any process, as long as it goes well; ends at once where nobody tells."""
        ...


class NodeRegistry(Protocol):
    """The nodes of a fleet, judged by the database's clock alone. StorageDown anywhere; NotFound for unknown names."""

    async def announce(self, card: NodeCard, report: NodeReport) -> None:
        """A node begins, or its row was lost. An operator's weight stays unless the node's own setting changed.

        Conflict: another node that lives goes by the same worker_id. A dead one's row is taken over.
        """
        ...

    async def beat(self, card: NodeCard, report: NodeReport) -> bool:
        """The node lives, and how it is; False when its row is gone and it has to announce itself again."""
        ...

    async def leave(self, url: str) -> None:
        """OFFLINE from now on, until it announces itself again."""
        ...

    async def nodes(self) -> tuple[Node, ...]:
        """All of them, dead ones too, by worker_id."""
        ...

    async def weigh(self, worker_id: str, weight: float) -> None: ...

    async def drain(self, worker_id: str, draining: bool) -> None: ...

    async def forget(self, worker_id: str) -> None:
        """Drop the row of a node; one that lives announces itself again."""
        ...

    async def holder(self, tenant: str, conversation_id: str, tips: Sequence[str]) -> str:
        """The worker whose account holds a conversation, by its id or by the longest of these histories; "" = none."""
        ...

    async def runs(self, account: str) -> str:
        """The worker that runs an account; "" = nobody."""
        ...


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key that was made on the page. Its secret is shown once and stored as a digest; it is never an admin's.

    name:       the tenant of its callers. hint: the secret's last characters, to tell keys apart.
    models:     ids it may use, operations: groups of them (chat, images, batches, files); empty for all.
    expires_at, revoked_at, used_at: epoch seconds, 0 = never.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    hint: str
    created_at: float
    models: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    per_hour: int | None = None
    expires_at: float = 0.0
    revoked_at: float = 0.0
    used_at: float = 0.0

    def holds(self, now: float) -> bool:
        """Whether it still opens anything."""
        return not self.revoked_at and (not self.expires_at or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class PageSession:
    """A signed-in browser. digest: of its cookie's value, under the admin key; address and agent: for the person."""

    id: str
    digest: str = field(repr=False)
    created_at: float
    expires_at: float
    address: str = ""
    agent: str = ""


class KeyStore(Protocol):
    """Keys made on the page, and its sessions. Few of each: they are read all at once. StorageDown anywhere."""

    async def keys(self) -> Sequence[ClientKey]:
        """All of them, also those that are over; newest first."""
        ...

    async def add_key(self, key: ClientKey) -> None:
        """Conflict when the name was ever taken: its conversations and pictures stay its own."""
        ...

    async def reserve(self, names: Sequence[str], now: float) -> None:
        """Keep the names of API_KEY for it, for ever; Conflict (`param`: the name) when one was made here before."""
        ...

    async def revoke_key(self, key_id: str, at: float) -> bool: ...

    async def used(self, moments: Mapping[str, float]) -> None:
        """Key id -> when it was last used."""
        ...

    async def sessions(self, now: float) -> Sequence[PageSession]:
        """Those that have not expired."""
        ...

    async def add_session(self, session: PageSession) -> None:
        """Also forgets the expired ones."""
        ...

    async def end_session(self, session_id: str) -> bool: ...

    async def end_sessions(self) -> int: ...


@dataclass(frozen=True, slots=True)
class AlertChannel:
    """Somebody who is told, as set up on the page. url: a secret; "" when the key that sealed it is lost."""

    id: str
    kind: Literal["webhook", "bark"]
    host: str
    url: str = field(repr=False)
    created_at: float = 0.0


class AlertStore(Protocol):
    """Channels of alerts. StorageDown anywhere."""

    async def channels(self) -> Sequence[AlertChannel]:
        """All of them, oldest first."""
        ...

    async def add(self, channel: AlertChannel) -> None: ...

    async def remove(self, channel_id: str) -> bool: ...


Dice = Callable[[], float]
"""A random number in [0, 1)."""

__all__ = [
    "Accepted",
    "AccountSetup",
    "AccountStore",
    "AlertChannel",
    "AlertStore",
    "Answered",
    "Answering",
    "AuditLine",
    "Caller",
    "ClientKey",
    "Clock",
    "CookieSource",
    "Deadlines",
    "Dice",
    "Fact",
    "Fetched",
    "Held",
    "ImageFound",
    "ImageRef",
    "JobStore",
    "KeptAccount",
    "KeptCircuit",
    "KeyStore",
    "Limiter",
    "NodeRegistry",
    "Observer",
    "Origin",
    "PageSession",
    "Piece",
    "Prompt",
    "Quota",
    "Sealed",
    "Sequence",
    "SessionLife",
    "Thread",
    "Unknown",
    "Upload",
    "Upstream",
    "Vault",
]
