"""Reply text as the service dresses it: with marks that are not for a reader (docs/google-wire.md 6.2).

Words go in, wire text comes out, and with it the snapshots that cut it at every place: `Answer(raw=cut(dressed(...)))`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence


def dressed(
    text: str,
    *,
    asks_next: Sequence[str] = (),
    ran: str = "",
    printed: str = "",
    cites: Sequence[int] = (),
    ends_list: bool = False,
    slips: bool = False,
    placeholder: str = "",
    tags_escaped: bool = False,
) -> str:
    """Wire text.

    asks_next: questions it suggests at the end. ran, printed: a program that was run before, and its output.
    cites: numbers of sources behind the words. ends_list: the mark behind a list. slips: a stray control mark of
    thoughts in front. placeholder: of what stands elsewhere, "card_content/0". tags_escaped: `<` of tags as an entity.
    """
    less, more = ("&lt;", "&gt;") if tags_escaped else ("<", ">")
    blocks = [f"https://googleusercontent.com/{placeholder}\n"] if placeholder else []
    if ran:
        blocks.append(f"```python?code_reference&code_event_index=2\n{html.escape(ran, quote=False)}\n```\n")
    if printed:
        blocks.append(f"```text?code_stdout&code_event_index=2\n{html.escape(printed, quote=False)}\n```\n")
    mark = f" [cite: {', '.join(map(str, cites))}]" if cites else ""
    list_end = f"\n\n{less}!-- end list --{more}" if ends_list else ""
    following = "".join(
        f'\n{less}FollowUp label="{html.escape(one[:20])}" query="{html.escape(one)}"/{more}' for one in asks_next
    )
    return f"{less}ctrl94{more}thought\n" * slips + "".join(blocks) + text + mark + list_end + following


def cut(wire: str) -> tuple[str, ...]:
    """Cumulative snapshots, one for each character: every mark is cut at every place."""
    return tuple(wire[:end] for end in range(1, len(wire) + 1))
