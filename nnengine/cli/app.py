"""`nnengine app`: the dashboard in a browser, served from wherever this package is installed."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .options import add_command

# The dashboard lies beside the engine, in a checkout as in an installed wheel.
SCRIPT = Path(__file__).resolve().parents[2] / "dashboard" / "server.py"
NEEDED = ("streamlit", "streamlit_drawable_canvas", "plotly", "PIL", "threadpoolctl")


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "app", _app, "open the dashboard", answers=False)
    command.add_argument("--port", type=int, metavar="N", help="(8501, or the next that is free)")
    command.add_argument(
        "--host", metavar="ADDRESS", help="listen there: 0.0.0.0 lets other machines in (localhost)"
    )
    command.add_argument(
        "--name", action="append", metavar="NAME",
        help="a name that visitors reach it by, such as digits.example.org; may be given several "
        "times, and other names are refused (localhost, this machine's name, any IP address)",
    )  # fmt: skip
    command.add_argument("--headless", action="store_true", help="open no browser")
    command.epilog = (
        "Streamlit's own options are passed on, each as one word: --server.maxUploadSize=10."
    )
    command.set_defaults(passed_on=[])


def _app(arguments: argparse.Namespace) -> None:
    check_installed()
    _become([sys.executable, *_streamlit(arguments)])


def check_installed() -> None:
    """Raise ConfigError unless what the dashboard is made with is there."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing or not SCRIPT.is_file():
        raise ConfigError(
            f"the dashboard is not installed ({', '.join(missing) or SCRIPT} is missing): "
            "pip install 'nnengine[dashboard]'"
        )


def _streamlit(arguments: argparse.Namespace) -> list[str]:
    """Return what Python is to run; Streamlit's options come last, so that they have their way."""
    for word in arguments.passed_on:
        if not (word.startswith("--") and "." in word.partition("=")[0]):
            raise ConfigError(f"unrecognized argument: {word} (see nnengine app --help)")
    given = {
        "port": arguments.port,
        "address": arguments.host,
        "headless": "true" if arguments.headless else None,
    }
    own = [f"--server.{name}={value}" for name, value in given.items() if value is not None]
    own += [f"--server.allowedHosts={name}" for name in arguments.name or ()]
    # -P: what lies in the folder one happens to be in is not imported.
    return ["-P", "-m", "streamlit", "run", str(SCRIPT), *own, *arguments.passed_on]


# What -m does, but Ctrl-C ends it in silence until Streamlit answers for itself, after a second or
# two of imports.
_QUIETLY = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)


def _become(command: list[str]) -> None:
    """Run a command in place of this process: NumPy is to be imported anew, with one thread.

    Signals then reach the server itself. Windows cannot replace a process; there it is waited for.
    """
    sys.stdout.flush()
    at = command.index("-m")
    command = [*command[:at], "-c", _QUIETLY.format(module=command[at + 1]), *command[at + 2 :]]
    if os.name == "posix":
        os.execv(command[0], command)
    if status := subprocess.call(command):
        raise ConfigError(f"the dashboard ended with status {status}")
