"""The promises of `ports.ChatHistory`, which only the web app keeps (`ports.HistoryKeeper`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gemgate.accounts import Cookies
from gemgate.errors import BadRequest, GatewayError
from gemgate.ports.history import HistoryKeeper
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator
from tests.support.kept_chats import DAY, kept

ENDS = ("no_token", "no_record")


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(("alice", "bob")) as simulator:
        yield simulator
        assert simulator.record.generations == 0
        assert not simulator.record.violations


@pytest.fixture
async def keeper(sim: Simulator) -> AsyncIterator[WebUpstream]:
    upstream = WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file), lanes=2)
    await upstream.open(Cookies.of(sim.google.cookies("alice")))
    yield upstream
    await upstream.close()


async def walked(ask: Callable[[str], Awaitable[Any]], rows: str) -> tuple[list[Any], int]:
    """All rows page by page, and how many pages there were."""
    found: list[Any] = []
    token, pages = "", 0
    while True:
        page = await ask(token)
        assert page is not None
        found += getattr(page, rows)
        token, pages = page.token, pages + 1
        if not token:
            return found, pages


@pytest.mark.parametrize("end", ENDS)
async def test_every_chat_is_listed_once_the_last_first(sim: Simulator, keeper: WebUpstream, end: Any) -> None:
    sim.google.world.switches.list_end = end
    ids = [kept(sim, f"chat {n}", at=DAY + n) for n in range(25)]
    pins = [kept(sim, f"pin {n}", pinned=True, at=DAY + n) for n in range(3)]
    kept(sim, "somebody else's", account="bob")
    found, pages = await walked(lambda token: keeper.history.chats(10, token), "chats")
    assert [chat.id for chat in found] == ids[::-1]
    assert (found[0].title, found[0].updated_at, found[0].pinned, pages) == ("chat 24", DAY + 24, False, 3)
    pinned, _ = await walked(lambda token: keeper.history.chats(3, token, pinned=True), "chats")
    assert [chat.id for chat in pinned] == pins[::-1]
    assert all(chat.pinned for chat in pinned)


@pytest.mark.parametrize("end", ENDS)
async def test_turns_come_newest_first_with_all_that_they_have(sim: Simulator, keeper: WebUpstream, end: Any) -> None:
    sim.google.world.switches.list_end = end
    cid = kept(sim, "long", [(f"prompt {n}", f"answer {n}") for n in range(12)])
    found, pages = await walked(lambda token: keeper.history.turns(cid, 4, token), "turns")
    assert [turn.prompt for turn in found] == [f"prompt {n}" for n in reversed(range(12))]
    assert (found[0].answer, found[0].model, found[0].whole, found[0].at) == ("answer 11", "3.6 Flash", True, DAY)
    assert pages == (3 if end == "no_token" else 4)
    await keeper.delete_chat(cid)
    assert await keeper.history.turns(cid, 4) is None


async def test_changes_are_told_afterwards(sim: Simulator, keeper: WebUpstream) -> None:
    cid = kept(sim, "before", at=DAY)
    await keeper.history.rename(cid, "after")
    await keeper.history.pin(cid, pinned=True)
    one = await keeper.history.chat(cid)
    assert one is not None
    assert (one.title, one.pinned, one.updated_at) == ("after", True, DAY)
    await keeper.history.pin(cid, pinned=False)
    assert [chat.id for chat in (await keeper.history.chats(10)).chats] == [cid]
    sim.google.world.switches.one_chat = False
    assert await keeper.history.chat(cid) is None


@pytest.mark.parametrize(("habit", "hits"), [("third", 45), ("second", 20)])
async def test_what_google_finds(sim: Simulator, keeper: WebUpstream, habit: Any, hits: int) -> None:
    """Where the cursor stands in another place than believed, the first page is all, and nobody goes in circles."""
    sim.google.world.switches.search = habit
    for number in range(45):
        kept(sim, f"chat {number}", [("about Tides", "salt")])
    kept(sim, "other", [("about bread", "flour")])
    found, _ = await walked(lambda token: keeper.history.search("tides", token), "chats")
    assert len({chat.id for chat in found}) == hits


async def test_an_account_without_search_is_told_apart_from_one_that_finds_nothing(
    sim: Simulator, keeper: WebUpstream
) -> None:
    page = await keeper.history.search("nothing")
    assert page is not None
    assert page.chats == ()
    sim.google.world.switches.search = "absent"
    assert await keeper.history.search("nothing") is None


async def test_a_refusal_is_an_error_and_leaves_the_session_open(sim: Simulator, keeper: WebUpstream) -> None:
    cid = kept(sim, "one")
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "MaZiqc": lambda: keeper.history.chats(10),
        "hNvQHb": lambda: keeper.history.turns(cid, 10),
        "MUAZcd": lambda: keeper.history.rename(cid, "x"),
    }
    for rpc, call in calls.items():
        sim.google.fault(rpc, "reject7")
        with pytest.raises(GatewayError) as caught:
            await call()
        assert caught.value.generated == "no"
    assert len((await keeper.history.chats(10)).chats) == 1


async def test_a_cursor_that_google_refuses_is_the_callers_mistake(sim: Simulator, keeper: WebUpstream) -> None:
    for call in (lambda: keeper.history.chats(10, "bm9uZQ=="), lambda: keeper.history.turns(kept(sim, "x"), 10, "zzz")):
        with pytest.raises(BadRequest) as caught:
            await call()
        assert caught.value.code == "invalid_cursor"
    assert len(sim.record.violations) == 2
    sim.record.violations.clear()


def test_the_official_api_has_none() -> None:
    assert isinstance(WebUpstream(proxy=None), HistoryKeeper)
    assert not isinstance(OfficialUpstream(KeyPlace("env:KEY", environ={})), HistoryKeeper)
