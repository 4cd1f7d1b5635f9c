"""`gemgate` on a machine whose clock is SKEW seconds off: `python skewed.py GEMGATE COMMAND ...`.

The clock is Python's; sockets, certificates and the database go by the right one.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":
    off, right = float(os.environ["SKEW"]), time.time
    time.time = lambda: right() + off

    from gemgate import cli

    del sys.argv[0]
    cli.main()
