"""What the service may do one way or another: facts that changed, that sources dispute, or that nobody has proved.

The defaults are today's wire as it was measured. Each switch names the section of docs/google-wire.md it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gemgate_simulator.attached import FileHabits
from gemgate_simulator.films import CardForm


@dataclass(slots=True)
class Switches:
    """One setting per fact.

    positional:  what is said beside the answer stands by place, as until 2026 (6.1).
    counts_turns: the turn index of a continuation has to be right (2.6); else anything goes.
    stalls_ahead: a turn index ahead of the chat's makes it think for ten minutes (2.6, disputed).
    silent:      a chat that is not kept ends without the code that says so, as before (4.1).
    files:       which shape of a file's reference counts, and how long a token does for files (8.1).
    bare_pictures: rows of images carry neither token nor size, and the full-size route takes "" for both (3.4).
    closing:     what becomes of a turn whose client closed its connection before the end (9.2): thrown away, or kept as
                 far as it was told. `world.carries_on` finishes it instead.
    early_end:   whether a turn that the service itself broke off is kept as far as it came, which is not sure (9.2).
    hides_running: a turn is in no list before it is stored (9.2); stored_after: seconds from its end until it is.
    silent_status: otAQ7b does not say how an account stands (7.2).
    terse:       models without extended thinking tell no thoughts when it is asked for (2.5).
    actions:     what becomes of a prompt for a model of whose actions none is left: answered, or code 1037. Nobody has
                 measured it (7.3, 6.1).
    music_card:  how the card of music lists its files (6.7, unseen).
    list_end:    how a list of chats or turns ends: its last page names no next one; or it does, and asking for that
                 says that there is no record (4.1, 7.2).
    search:      what unqWSc takes: its cursor in the third place or in the second (7.2, disputed); absent: nothing.
    one_chat:    whether MaZiqc can be asked for a single chat (7.2, one source).
    keeps_deleted: GzXR5e answers and deletes nothing, so that a client has to look (7.2).
    usage:       what jSf9Qc answers: rows; an empty object; a row of a kind that nobody knows among the others (7.3).
    """

    positional: bool = False
    silent_status: bool = False
    terse: bool = False
    usage: Literal["rows", "empty", "new_kind"] = "rows"
    actions: Literal["told", "refused"] = "told"
    silent: bool = False
    list_end: Literal["no_token", "no_record"] = "no_token"
    search: Literal["third", "second", "absent"] = "third"
    one_chat: bool = True
    keeps_deleted: bool = False
    counts_turns: bool = True
    stalls_ahead: bool = False
    files: FileHabits = field(default_factory=FileHabits)
    bare_pictures: bool = False
    closing: Literal["discards", "keeps"] = "discards"
    early_end: Literal["keeps", "discards"] = "keeps"
    hides_running: bool = False
    stored_after: float = 0.0
    music_card: CardForm = "rows"
