"""Which cookies an account signs in with, best first (docs/decisions.md 13).

The stored ones win, because they have been renewed since; unless the source's text has changed since it was
taken, for then a person or a browser has signed in anew. With a live browser the browser is right: it rotates.
"""

from __future__ import annotations

from gemgate.accounts import Cookies
from gemgate.ports.accounts import StoredAccount


def cookie_order(kept: StoredAccount, fresh: Cookies | None, *, live: bool) -> tuple[Cookies, ...]:
    """Cookies to try in turn until one set signs in; empty when there are none.

    fresh: what the source holds now. live: a running browser is the source.
    """
    stored = [kept.cookies] if kept.cookies is not None else []
    if fresh is None:
        order = stored
    elif live or fresh.digest != kept.source_digest:
        order = [fresh, *stored]
    else:
        order = [*stored, fresh]
    return tuple(dict.fromkeys(order))
