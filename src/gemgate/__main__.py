"""Where the command begins: as `gemgate`, and as `python -m gemgate`. Nothing is imported before Ctrl-C is quiet.

Ctrl-C ends the process where it is, with 130 and not a word: an exception would be told, or swallowed, by whatever is
half imported or half built (pydantic's core, say). Who has something to tidy up hears Ctrl-C meanwhile in its own way
(`cli.interruption`). A command that has ended keeps its exit code, whatever comes while the interpreter goes down.

What comes before is the interpreter's own start (`site`, and `runpy` for `-m`), some hundredths of a second in which
Ctrl-C is Python's to tell: no code of a package runs so early.
"""

import _signal  # type: ignore[import-not-found]  # there already, where `signal` brings `enum` and all it needs
import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def _leave(_number: int, _frame: "FrameType | None") -> None:
    drafts = sys.modules.get("gemgate.stores.drafts")
    if drop := getattr(drafts, "drop_unfinished", None):  # not there while it is imported, when nothing is written
        drop()
    os._exit(130)


def main() -> None:
    """Run the command line."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        atexit.register(_signal.signal, _signal.SIGINT, _signal.SIG_IGN)  # the first that comes in is the last to go
        _signal.signal(_signal.SIGINT, _leave)
    from gemgate.cli import main as run  # noqa: PLC0415 - it takes a while, and is interrupted quietly

    run()


if __name__ == "__main__":
    main()
