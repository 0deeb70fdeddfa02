"""The command: `python -m dashboard.web gather | build | serve`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboard.web import build, gather, serve
from nnengine.cli import ends
from nnengine.cli.options import Parser


def parser(name: str | None = None) -> Parser:
    """Return the command line; name: what `build` is called where it is a command of its own."""
    top = Parser(
        prog=name or "python -m dashboard.web",
        description="Make the dashboard a folder of static files that runs in a browser tab.",
    )
    commands = top.add_subparsers(dest="command", required=True)
    made = commands.add_parser("build", help="collect the site into a folder", prog=name)
    made.add_argument("--out", type=_folder, default=Path("site"), help="the folder (site)")
    whence = made.add_mutually_exclusive_group()
    whence.add_argument(
        "--cdn", action="store_true", help="Python and wheels from the public CDN (as usual)"
    )
    whence.add_argument(
        "--vendored", type=Path, metavar="DIR", nargs="?", const=gather.cache(),
        help="everything from a gathered folder, for places without the internet; "
        "without DIR the user's cache, filled where it is not",
    )  # fmt: skip
    made.add_argument(
        "--allow-data-from", action="append", default=[], metavar="HOST", dest="data_from",
        help="another host whose data sets may be loaded by a link; may be given several times",
    )  # fmt: skip
    fetched = commands.add_parser("gather", help="fetch the pieces of a vendored site")
    fetched.add_argument("folder", type=Path, nargs="?", default=gather.cache())
    served = commands.add_parser("serve", help="serve a built site on this machine")
    served.add_argument("--dir", type=Path, default=Path("site"), help="the site's folder (site)")
    served.add_argument("--port", type=int, default=8000)
    return top


def main(arguments: list[str] | None = None, name: str | None = None) -> int:
    """Run one command; return the exit status. name: as `parser` has it."""
    return ends.run(lambda: _command(parser(name).parse_args(arguments)))


def _command(given: argparse.Namespace) -> int:
    try:
        if given.command == "gather":
            print(gather.gather(given.folder, print))
        elif given.command == "serve":
            serve.serve(given.dir, given.port)
        else:
            if given.vendored:
                gather.gather(given.vendored, print)
            site = build.build(given.out, given.vendored, given.data_from)
            print(f"{given.out}: {site.files:,} files, {site.nbytes / 1e6:.1f} MB; "
                  f"a visitor fetches {site.fetched / 1e6:.1f} MB to open it")  # fmt: skip
            if site.slow:
                ends.note(f"It computes by NumPy alone, some ten times slower: {site.slow}")
    except (gather.GatherError, build.BuildError) as fault:
        ends.note(f"nnengine: {fault}")
        return ends.FAULT
    return 0


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty: give the name of a folder")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
