"""A service that answers prompts: Google's web app, or its official API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from gemgate.accounts import (
    AccountModel,
    Cookies,
    Gem,
    GoogleAccount,
    Kind,
    Rotated,
    SignInResult,
    UsageReport,
    UsageWindow,
)
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.findings import NOTHING_FOUND, Findings, Media
from gemgate.frozen import frozen
from gemgate.media import MediaRequest
from gemgate.research import ResearchBudget, ResearchState, ResearchTurn


@frozen
class Thread:
    """Where a web conversation stands: the ten metadata slots (docs/gemini-webapi.md 5, index 2), and after how many
    turns.

    turns: 0 where nobody counted.
    """

    metadata: tuple[str | None, ...]
    turns: int = 0

    @property
    def cid(self) -> str:
        return (self.metadata[0] if self.metadata else None) or ""


@frozen
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


@frozen
class Prompt:
    """One generation.

    files:     uploads, each already sent up by this upstream.
    thread:    the conversation it continues, or None for a new one.
    exact:     nobody reads along: hold the text back until it is final.
    temporary: the chat shall not stand in the account's history.
    long_side: pixels that the model id promises, for upstreams that can be asked for a size.
    images:  an image is wanted, for which Google may be silent for longer.
    searches: a search of the web was offered, for upstreams that do not search by themselves.
    making: a video or music is wanted, which the chat gets later; None for neither.
    research: a turn of a deep research, whose report the chat gets later; "" for none.
    """

    text: str
    offer: AccountModel
    files: tuple[SentFile, ...] = ()
    thread: Thread | None = None
    temporary: bool = False
    extended_thinking: bool = False
    exact: bool = False
    long_side: int | None = None
    images: bool = False
    searches: bool = False
    making: MediaRequest | None = None
    research: ResearchTurn = ""


@frozen
class Accepted:
    """Google took the prompt into this conversation; nothing is said yet. What is stored now can be read back later."""

    cid: str


@frozen
class Started:
    """Google speaks: comes before anything it says. `cid` may be empty for temporary chats."""

    cid: str


@frozen
class Unknown:
    """Google said something that this version does not know: counted and explained, never shown as an answer.

    field: where it stood, of few different values: "code 1234", "status 9", "frame 27", "rich 99"; never a content.
    """

    field: str


@frozen
class ImageRef:
    """A generated image that still has to be fetched, on the session that made it; or one of the web (`found`) that
    only the account can fetch.

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
    found: bool = False


@frozen
class ImageReady:
    ref: ImageRef


@frozen
class Completed:
    """The answer is complete. `text` is the whole final text, `revised` says that sent text was changed later.

    stored: False when Google said that the conversation was not kept: nothing can be gone on with (1096).
    findings: what it brought besides its words and images.
    served, served_id: Google's own name and id of the model that answered, "" where it said nothing.
    painter: what it calls the maker of the images.
    left: how much of the account's actions is used, as the answer says.
    research: what the answer says of a deep research, None for nothing.
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
    research: ResearchState | None = None


UpstreamEvent: TypeAlias = Accepted | Started | TextDelta | ThoughtDelta | ImageReady | Unknown | Completed


@frozen
class Fetched:
    """An image's bytes as they came.

    source: by which route: "full_size", "s0" (the link without limit), "s4096", "s2048", "s1024", "preview",
    "inline" when the answer brought it, or "web" when it was found there.
    """

    data: bytes = field(repr=False)
    mime: str
    source: str


@frozen
class Deadlines:
    """Seconds. `total` is per generation; `first_byte` and `idle` bound silence; `connect` the way there."""

    connect: float = 10.0
    first_byte: float = 90.0
    idle: float = 60.0
    total: float = 300.0


Accept = Callable[[GoogleAccount], None]


@runtime_checkable
class GemKeeper(Protocol):
    """An upstream whose account has gems; the official API's has none. GatewayErrors."""

    async def gems(self) -> tuple[Gem, ...]:
        """All gems that the account's owner has made."""
        ...

    async def save_gem(self, gem: Gem) -> str:
        """Make a gem, or change the one with its id; the id."""
        ...

    async def delete_gem(self, gem_id: str) -> None: ...


@runtime_checkable
class MediaSource(Protocol):
    """An upstream whose account can be asked for videos and music; the official API's cannot. GatewayErrors."""

    async def fetch_media(self, media: Media, path: Path) -> int:
        """Write the file to `path` piece by piece, without what it came wrapped in; its bytes. Broken where it is cut
        off.
        """
        ...


@runtime_checkable
class Researcher(Protocol):
    """An upstream whose account can be asked for deep research; the official API's cannot. GatewayErrors."""

    async def research_budget(self) -> ResearchBudget | None:
        """Whether another research may begin; None where Google does not say."""
        ...

    async def read_research(self, cid: str) -> ResearchState | None:
        """How far the research of a chat has come; None while there is no such chat. Sends nothing."""
        ...

    async def find_chats(self, prompt: str, since: float) -> Sequence[str]:
        """Ids of the chats that began with exactly this prompt at `since` (epoch seconds) or later."""
        ...

    async def stop_chat(self, cid: str) -> None:
        """Ask for the end of what is being made in the last turn of a chat."""
        ...


class Upstream(Protocol):
    """One account. Every method raises only GatewayErrors, whose `generated` says whether a second try is safe."""

    kind: Kind

    async def open(
        self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False
    ) -> SignInResult:
        """Sign in (again) with these cookies. SignedOut, Rejected, Blocked, Stalled, Unreachable, Broken, Drift.

        accept: is told whose the session is before it takes the place of the one before; what it raises ends the
        sign-in. had_chats: whether the account is known to have chats, so that a session without any is a phantom.
        """
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        """Send the prompt once and tell what comes: Accepted, Answering, then deltas and images, then Answered.

        Closing the generator stops the upstream call at once and frees its place.
        """
        ...

    async def upload(self, upload: Upload) -> str:
        """Send a file up under its real name and type; the handle to put into `Prompt.files`."""
        ...

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        """The picture's original: the full-size route first, then the size suffix."""
        ...

    async def read_chat(self, cid: str) -> list[UpstreamEvent] | None:
        """The last answer of a conversation as pieces; None when it holds none, or one that was cut off.

        Without an Answered at the end Google is still writing it.
        """
        ...

    async def has_chat(self, cid: str) -> bool:
        """Whether a conversation still stands in the account's history."""
        ...

    async def delete_chat(self, cid: str) -> None: ...

    async def ping(self) -> SignInResult:
        """A cheap status check of the open session; raises as `open` does."""
        ...

    async def rotate(self) -> Rotated:
        """Ask for new cookies of the session; what came of it, and the cookies as they are now, to be kept at once.

        That none came says nothing of the session: ask `ping`. GatewayError when Google could not be asked.
        """
        ...

    async def usage(self) -> UsageReport:
        """What Google says of the account's usage windows; nothing in it when it does not say."""
        ...

    async def close(self) -> None: ...
