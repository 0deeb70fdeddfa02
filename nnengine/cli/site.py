"""`nnengine site`: the dashboard as a folder of static files that run in a browser tab."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from .app import check_installed


def add(commands: Any) -> None:
    """Add the command; its options are those of the builder, which is not imported before."""
    command = commands.add_parser(
        "site", help="make the dashboard a folder of static files", add_help=False
    )
    command.set_defaults(run=_site, passed_on=[])


def _site(arguments: argparse.Namespace) -> int:
    check_installed()
    web = importlib.import_module("dashboard.web.__main__")
    return web.main(["build", *arguments.passed_on], name="nnengine site")
