"""The promises of `ports.AccountStore`, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from gemgate.accounts import GoogleAccount, Known, MeasuredWalls
from gemgate.errors import NotFound, SignedOut
from gemgate.ports.accounts import AccountSetup, AuditLine, StoredAccount, StoredCircuit
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import account
from gemgate.stores.vault import Vault
from tests.support.profiles import session

KEY = Fernet.generate_key().decode()
ALICE = AccountSetup(
    "alice", source="browser:firefox", proxy="http://me:pw@proxy:1", lanes=3, weight=2.5, origin="file", rotate=False
)
DEAD = SignedOut("The session is dead", "会话已失效")


@pytest.fixture
async def store(database: Database) -> SqlAccountStore:
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(ALICE)
    return store


async def with_cookies(store: SqlAccountStore, mark: str, at: float = 100.0) -> int:
    """Cookies of alice that signed in; the generation."""
    before = (await store.get("alice")).version
    new = await store.keep_cookies("alice", session(mark), generation=before, at=at)
    assert new is not None
    return new


async def test_what_was_set_up_comes_back(store: SqlAccountStore) -> None:
    found = await store.get("alice")
    assert found == StoredAccount(ALICE)
    assert found.name == "alice"


async def test_what_was_measured_stays_whatever_is_set_up(store: SqlAccountStore) -> None:
    walls = MeasuredWalls(120_000, 150_000, 10_000, 99.5, "pro")
    await store.keep_walls("alice", walls)
    assert (await store.get("alice")).walls == walls
    await store.set_up(replace(ALICE, weight=2.0))
    assert (await store.get("alice")).walls == walls
    with pytest.raises(NotFound):
        await store.keep_walls("nobody", walls)


async def test_what_google_told_of_the_account_stays_whatever_is_set_up(store: SqlAccountStore) -> None:
    known = Known(GoogleAccount("0123456789ab", "al…e@gmail.example"), "abcdef012345/u/1", 99.5)
    assert await store.keep_state("alice", "ready", None, {}, owner="n", at=1.0, known=known)
    assert await store.keep_state("alice", "ready", None, {}, owner="n", at=2.0)
    assert (await store.get("alice")).known == known
    await store.set_up(replace(ALICE, weight=2.0))
    assert (await store.all())[0].known == known


async def test_all_accounts_come_by_name(store: SqlAccountStore) -> None:
    await store.set_up(AccountSetup("Zoë 张", kind="official", source="env:KEY", fallback=True))
    await store.set_up(AccountSetup("aaron"))
    assert [one.name for one in await store.all()] == sorted(["Zoë 张", "aaron", "alice"])
    assert (await store.get("Zoë 张")).setup == AccountSetup("Zoë 张", "official", "env:KEY", fallback=True)


async def test_setting_up_again_changes_the_setup_and_nothing_else(store: SqlAccountStore) -> None:
    generation = await with_cookies(store, "a")
    circuits = {"image": StoredCircuit(0, 900.0, 100.0, "limit: used up")}
    assert await store.keep_state("alice", "cooling", DEAD, circuits, owner="n", at=1.0)  # type: ignore[arg-type]
    await store.pause("alice", True)
    before = await store.get("alice")
    changed = AccountSetup("alice", source="env", proxy=None, lanes=None, weight=1.0, origin="environment")
    assert await store.set_up(changed) is False
    assert await store.get("alice") == replace(before, setup=changed)
    assert before.version == generation
    assert before.paused


async def test_unknown_accounts_are_named_as_such(store: SqlAccountStore) -> None:
    for call in (
        store.get("bob"),
        store.remove("bob"),
        store.pause("bob", True),
        store.keep_cookies("bob", session("b"), generation=0, at=1.0),
        store.keep_state("bob", "ready", None, {}, owner="n", at=1.0),
        store.claim("bob", "n", 30),
    ):
        with pytest.raises(NotFound, match="no account bob"):
            await call


async def test_a_removed_account_takes_its_circuits_along_and_leaves_its_history(store: SqlAccountStore) -> None:
    await with_cookies(store, "a")
    await store.keep_state("alice", "ready", None, {"text": StoredCircuit(1)}, owner="n", at=1.0)
    await store.audit(AuditLine(5.0, "admin", "removed", "alice"))
    await store.remove("alice")
    assert await store.all() == ()
    (life,) = await store.lives("alice")
    assert life.ended_at is not None, "it is not seen any more, and does not live for ever"
    assert not life.died
    assert len(await store.audit_lines("alice")) == 1
    await store.set_up(ALICE)
    assert await store.get("alice") == StoredAccount(ALICE)


# Cookies


async def test_cookies_come_back_and_count_generations(store: SqlAccountStore) -> None:
    for generation, mark in enumerate(("a", "b", "c"), 1):
        assert await with_cookies(store, mark) == generation
        found = await store.get("alice")
        assert (found.cookies, found.version) == (session(mark), generation)


async def test_a_stale_writer_changes_nothing_and_is_told(store: SqlAccountStore) -> None:
    seen = await with_cookies(store, "a")
    await with_cookies(store, "b")
    before = await store.get("alice")
    assert await store.keep_cookies("alice", session("late"), generation=seen, at=9.0) is None
    assert await store.get("alice") == before
    assert len(await store.lives()) == 2


async def test_what_was_taken_from_the_source_and_whose_it_is_are_kept(store: SqlAccountStore) -> None:
    taken = session("a").digest
    generation = await store.keep_cookies("alice", session("a"), generation=0, taken=taken, identity="1234", at=1.0)
    await store.keep_cookies("alice", session("rotated"), generation=generation or 0, at=2.0)
    found = await store.get("alice")
    assert (found.source_digest, found.identity) == (taken, "1234")


async def test_no_cookie_and_no_proxy_password_is_readable_in_the_database(
    store: SqlAccountStore, database: Database
) -> None:
    await with_cookies(store, "a")
    await store.keep_cookies("alice", session("b"), generation=1, at=1.0)
    async with database.reading() as connection:
        row = (await connection.execute(select(account))).one()
    text = " ".join(map(str, row))
    assert not any(value in text for mark in "ab" for value in session(mark).as_dict().values())
    assert "pw@proxy" not in text


async def test_a_row_put_under_another_name_does_not_open(store: SqlAccountStore, database: Database) -> None:
    await with_cookies(store, "a")
    async with database.writing() as connection:
        await connection.execute(account.update().values(name="mallory"))
    found = await store.get("mallory")
    assert found.cookies is None
    assert found.trouble is not None
    assert found.trouble.code == "cookies_damaged"


async def test_a_lost_key_is_told_and_new_cookies_and_proxy_mend_it(store: SqlAccountStore, database: Database) -> None:
    await with_cookies(store, "a")
    other = SqlAccountStore(database, Vault([Fernet.generate_key().decode()]))
    found = await other.get("alice")
    assert (found.cookies, found.setup.proxy) == (None, None)
    assert found.trouble is not None
    assert found.trouble.code == "cookie_key_lost"
    assert await other.rewrap() == 0
    assert (await store.get("alice")).cookies == session("a"), "what could not be opened was changed"
    await other.keep_cookies("alice", session("b"), generation=found.version, at=1.0)
    assert (await other.get("alice")).trouble is not None, (
        "the proxy is still sealed, going without it would show our address"
    )
    await other.set_up(ALICE)
    found = await other.get("alice")
    assert (found.cookies, found.setup, found.trouble) == (session("b"), ALICE, None)


async def test_a_new_key_takes_everything_over(store: SqlAccountStore, database: Database) -> None:
    await with_cookies(store, "a")
    await store.keep_cookies("alice", session("b"), generation=1, at=1.0)
    await store.set_up(AccountSetup("bare"))
    new = Fernet.generate_key().decode()
    both = SqlAccountStore(database, Vault([new, KEY]))
    assert await both.rewrap() == 2
    assert await both.rewrap() == 0
    found = await SqlAccountStore(database, Vault([new])).get("alice")
    assert (found.cookies, found.setup, found.trouble) == (session("b"), ALICE, None)


# State


async def test_state_error_and_circuits_survive(store: SqlAccountStore) -> None:
    circuits = {
        "text": StoredCircuit(2, 0.0, 0.0, "HTTP 502"),
        "image": StoredCircuit(0, 1_795_261_000.25, 1_795_257_400.5, "limit: 图片额度已用完"),
    }
    assert await store.keep_state("alice", "cooling", DEAD, circuits, owner="n", at=1.0)  # type: ignore[arg-type]
    found = await store.get("alice")
    assert found.state == "cooling"
    assert (found.error_en, found.error_zh) == (DEAD.en, DEAD.zh)
    assert found.circuits == circuits
    assert await store.keep_state("alice", "ready", None, {}, owner="n", at=2.0)
    found = await store.get("alice")
    assert (found.state, found.error_en, found.circuits) == ("ready", "", {})


async def test_circuits_of_one_account_are_not_anothers(store: SqlAccountStore) -> None:
    await store.set_up(AccountSetup("bob"))
    await store.keep_state("bob", "cooling", None, {"pro": StoredCircuit(0, 9.0, 1.0, "x")}, owner="n", at=1.0)
    await store.keep_state("alice", "ready", None, {}, owner="n", at=1.0)
    assert [sorted(one.circuits) for one in await store.all()] == [[], ["pro"]]


async def test_only_the_owner_writes_state(store: SqlAccountStore) -> None:
    assert await store.claim("alice", "one", 30)
    assert await store.keep_state("alice", "ready", None, {"text": StoredCircuit(1)}, owner="one", at=1.0)
    assert not await store.keep_state("alice", "error", DEAD, {}, owner="two", at=2.0)
    found = await store.get("alice")
    assert (found.state, found.circuits) == ("ready", {"text": StoredCircuit(1)})


async def test_the_circuit_of_an_address_belongs_to_its_node(store: SqlAccountStore) -> None:
    blocked = StoredCircuit(0, 900.0, 1.0, "captcha")
    await store.keep_address("node-1", "direct", StoredCircuit(0, 800.0, 1.0, "captcha"))
    await store.keep_address("node-1", "direct", blocked)
    await store.keep_address("node-2", "direct", StoredCircuit(0, 5.0, 1.0, "x"))
    assert await store.addresses("node-1") == {"direct": blocked}
    await store.keep_address("node-1", "direct", StoredCircuit())
    assert await store.addresses("node-1") == {}
    assert len(await store.addresses("node-2")) == 1


# Owners


async def test_one_node_owns_an_account_until_it_lets_go(store: SqlAccountStore) -> None:
    assert await store.claim("alice", "one", 30)
    assert await store.claim("alice", "one", 30)
    assert not await store.claim("alice", "two", 30)
    found = await store.get("alice")
    assert found.owner == "one"
    await store.release("two")
    assert not await store.claim("alice", "two", 30)
    await store.release("one", "alice")
    assert await store.claim("alice", "two", 30)


async def test_an_expired_lease_is_taken_over_and_its_old_owner_told(store: SqlAccountStore) -> None:
    await store.set_up(AccountSetup("bob"))
    for name in ("alice", "bob"):
        assert await store.claim(name, "one", -1)
    assert await store.claim("alice", "two", 30)
    assert await store.renew("one", 30) == {"bob"}
    assert not await store.claim("bob", "two", 30)
    await store.release("one")
    assert await store.renew("one", 30) == frozenset()
    assert await store.renew("two", 30) == {"alice"}


async def test_of_many_nodes_that_claim_at_once_one_wins(store: SqlAccountStore) -> None:
    won = await asyncio.gather(*(store.claim("alice", f"node-{number}", 30) for number in range(20)))
    assert sum(won) == 1
    assert (await store.get("alice")).owner == f"node-{won.index(True)}"


# History


async def test_a_session_lives_from_its_sign_in_over_its_renewals_to_its_death(store: SqlAccountStore) -> None:
    generation = await with_cookies(store, "a", at=100.0)
    renewed = replace(session("a"), psidts="sidts-new")
    await store.keep_cookies("alice", renewed, generation=generation, at=700.0)
    (life,) = await store.lives("alice")
    assert (life.account, life.began_at, life.renewed_at, life.ended_at) == ("alice", 100.0, 700.0, None)
    for at in (900.0, 950.0):
        await store.keep_state("alice", "needs_login", DEAD, {}, owner="n", at=at)
    (life,) = await store.lives("alice")
    assert (life.renewed_at, life.ended_at, life.died) == (700.0, 900.0, True)


async def test_another_sign_in_replaces_a_session_and_that_is_no_death(store: SqlAccountStore) -> None:
    await with_cookies(store, "a", at=100.0)
    await with_cookies(store, "b", at=500.0)
    new, old = await store.lives("alice")
    assert (old.began_at, old.ended_at, old.died) == (100.0, 500.0, False)
    assert (new.began_at, new.ended_at) == (500.0, None)


async def test_a_session_that_was_taken_for_dead_and_signs_in_again_lives_on(store: SqlAccountStore) -> None:
    generation = await with_cookies(store, "a", at=100.0)
    await store.keep_state("alice", "needs_login", DEAD, {}, owner="n", at=200.0)
    await store.keep_cookies("alice", session("a"), generation=generation, at=300.0)
    (life,) = await store.lives()
    assert (life.began_at, life.renewed_at, life.ended_at, life.died) == (100.0, 300.0, None, False)


async def test_a_life_has_what_kept_it_and_what_ended_it(store: SqlAccountStore) -> None:
    one = await store.keep_cookies("alice", session("1"), generation=0, at=100.0, arm="frozen")
    assert one is not None
    await store.keep_cookies("alice", session("1"), generation=one, at=150.0, arm="paired")
    await store.keep_state("alice", "needs_login", DEAD, {}, owner="", at=300.0, ended_by="revoked")
    (life,) = await store.lives("alice")
    assert (life.arm, life.died, life.ended_by) == ("paired", True, "revoked")
    await store.keep_cookies("alice", session("1"), generation=one + 1, at=400.0, arm="paired")
    (life,) = await store.lives("alice")
    assert (life.ended_at, life.ended_by) == (None, "")


async def test_what_a_dead_sessions_page_says_takes_the_place_of_what_was_inferred(store: SqlAccountStore) -> None:
    one = await store.keep_cookies("alice", session("1"), generation=0, identity=session("1").identity, at=100.0)
    assert one is not None

    async def ends(word: str) -> str:
        await store.keep_state("alice", "needs_login", DEAD, {}, owner="", at=300.0, ended_by=word)
        return (await store.lives("alice"))[0].ended_by

    words = ("superseded", "expired", "another_identity", "revoked", "guest", "expired")
    assert [await ends(word) for word in words] == [*["superseded"] * 3, *["revoked"] * 3]
    assert (await store.lives("alice"))[0].ended_at == 300.0


async def test_a_way_out_is_kept_to_and_known_since_its_first_use(store: SqlAccountStore) -> None:
    assert (await store.get("alice")).way == ""
    await store.keep_way("alice", "http://proxy:1")
    await store.set_up(replace(ALICE, desktop="https://desk.example:6901"))
    kept = await store.get("alice")
    assert (kept.way, kept.setup.desktop) == ("http://proxy:1", "https://desk.example:6901")
    with pytest.raises(NotFound):
        await store.keep_way("nobody", "direct")
    assert await store.first_used("n", "http://proxy:1", 100.0) == 100.0
    assert await store.first_used("n", "http://proxy:1", 900.0) == 100.0
    assert await store.first_used("m", "http://proxy:1", 900.0) == 900.0
    assert await store.first_used("n", "http://proxy:1", 950.0, anew=True) == 950.0
    assert await store.first_used("n", "http://proxy:1", 999.0) == 950.0


async def test_lives_come_newest_first_and_bounded(store: SqlAccountStore) -> None:
    for number in range(5):
        await with_cookies(store, str(number), at=float(number))
    assert [life.began_at for life in await store.lives(limit=3)] == [4.0, 3.0, 2.0]
    assert await store.lives("nobody") == ()


async def test_who_did_what_is_written_down(store: SqlAccountStore) -> None:
    lines = [AuditLine(float(n), "admin", "circuit.reset", "alice", "image") for n in range(3)]
    for line in [*lines, AuditLine(9.0, "张三", "account.paused", "bob")]:
        await store.audit(line)
    assert await store.audit_lines("alice") == tuple(reversed(lines))
    assert [line.actor for line in await store.audit_lines(limit=2)] == ["张三", "admin"]
    assert await store.audit_lines(actor="admin", limit=2) == (lines[2], lines[1])
    assert await store.audit_lines("bob", actor="admin") == ()


async def test_old_lines_of_the_audit_are_forgotten(store: SqlAccountStore) -> None:
    for at in (1.0, 2.0, 3.0):
        await store.audit(AuditLine(at, "admin", "cookies", "alice"))
    await store.forget_audit(2.0)
    assert [line.at for line in await store.audit_lines()] == [3.0, 2.0]
