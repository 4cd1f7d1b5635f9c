"""One of several processes that change the same rows: `python -m tests.contract.lost_updates URL ROUNDS`.

Says "ready", waits for a line, then prints `wins counted`: rounds of keep_cookies that were not stale, and rounds of
a read-then-write counter.
"""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import select, update

from gemgate.accounts import Cookies
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.schema import account
from gemgate.stores.vault import Vault

KEY = "WqnxjgkX8W1sKHh0VKl8cGCiCuB3m4yA3B5L0nJ0sZM="
COUNTER, CONTESTED = "counter", "contested"


async def count_up(database: Database, rounds: int) -> None:
    """Read a number and write it plus one, as code does that cannot say it in one statement."""
    for _ in range(rounds):
        async with database.writing() as connection:
            mine = account.c.name == COUNTER
            lanes = (await connection.execute(select(account.c.lanes).where(mine).with_for_update())).scalar_one()
            await connection.execute(update(account).where(mine).values(lanes=lanes + 1))


async def contend(store: SqlAccountStore, rounds: int) -> int:
    """Store cookies on top of what was seen; only the ones that were not stale count."""
    wins = 0
    for number in range(rounds):
        seen = await store.get(CONTESTED)
        new = await store.keep_cookies(CONTESTED, Cookies(f"psid{number}"), generation=seen.version, at=float(number))
        wins += new is not None
    return wins


async def main(url: str, rounds: int) -> None:
    database = await open_database(url)
    store = SqlAccountStore(database, Vault([KEY]))
    await store.all()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(count_up(database, rounds) for _ in range(2)))
    wins = await contend(store, rounds)
    await database.close()
    print(wins, rounds * 2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
