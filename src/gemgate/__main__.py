"""Where the command begins: as `gemgate`, and as `python -m gemgate`. Nothing is imported before Ctrl-C is quiet."""

import os
import signal
from types import FrameType


def _leave(_signal: int, _frame: FrameType | None) -> None:
    os._exit(130)  # an exception would be told, or swallowed, by whatever is half imported


def main() -> None:
    """Run the command line. Ctrl-C ends it with 130 without a word, also while its modules are still coming in."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, _leave)
    from gemgate.cli import main as run  # noqa: PLC0415 - it takes a while, and is interrupted quietly

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
