"""Early: whoever presses Ctrl-C while the command line is still being imported ends it in silence.

Importing takes most of a second, and Python would tell where it had got to. This is asked for
first of all; a program that imports the engine for itself is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def is_command() -> bool:
    """Tell whether this process is `nnengine` or `python -m nnengine`, and nothing else."""
    script = sys.argv[0] if sys.argv else ""
    if script == "-m":  # as long as Python looks for what it is to run
        return bool({"nnengine", "-mnnengine"} & set(sys.orig_argv))
    return os.path.basename(script).removesuffix(".exe") == "nnengine"


if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)
