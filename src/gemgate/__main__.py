"""Where the command begins: as `gemgate`, and as `python -m gemgate`. Nothing is imported before Ctrl-C is quiet.

What comes before is the interpreter's own start (`site`, and `runpy` for `-m`), some hundredths of a second in which
Ctrl-C is Python's to tell: no code of a package runs so early.
"""

import _signal  # type: ignore[import-not-found]  # there already, where `signal` brings `enum` and all it needs
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def _leave(_number: int, _frame: "FrameType | None") -> None:
    os._exit(130)  # an exception would be told, or swallowed, by whatever is half imported


def main() -> None:
    """Run the command line. Ctrl-C ends it with 130 without a word, also while its modules are still coming in."""
    heard = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if heard:
        _signal.signal(_signal.SIGINT, _leave)
    from gemgate.cli import main as run  # noqa: PLC0415 - it takes a while, and is interrupted quietly

    if heard:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
