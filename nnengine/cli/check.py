"""`nnengine check`: which line of somebody's own network is wrong, told by the numbers it made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..homework import curvetext, fromcurve, handing, lessons, reading
from ..homework.checking import check
from ..homework.probe import IMAGES, SEED, SIZES, Probe, probe
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(
        commands, "check", _check, "name the mistake in a network of your own, by its numbers"
    )
    command.add_argument(
        "file", nargs="*", metavar="FILE",
        help=".npz, .npy, .csv, .mat, .json or printed text of one step, or folders of them",
    )  # fmt: skip
    command.add_argument("--probe", metavar="DIR", help="write the batch to begin with there")
    command.add_argument(
        "--exercise", metavar="SEED", type=int,
        help="write twelve broken networks, and their solutions, into the folder --to",
    )  # fmt: skip
    command.add_argument(
        "--lesson", metavar="NAME",
        help="say what a mistake of the catalogue is, how it is seen, and what it does to training",
    )  # fmt: skip
    command.add_argument("--hide", action="store_true", help="write no solutions (--exercise)")
    command.add_argument("--to", metavar="DIR", default="exercise", help="(exercise)")
    command.add_argument(
        "--sizes", metavar="D-H-C", help="pixels, hidden units, classes of the probe (784-10-10)"
    )
    command.add_argument("--images", type=int, default=IMAGES, metavar="N", help=f"({IMAGES})")
    command.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"({SEED})")
    command.add_argument(
        "--name", action="append", metavar="OWN=MEANT", default=[],
        help="what a name of your own means, such as grad=dW1; may be given several times",
    )  # fmt: skip
    command.add_argument(
        "--effect", action="store_true", help="train with the mistake and without it, and compare"
    )
    command.add_argument(
        "--curve",
        action="store_true",
        help="FILE holds losses alone: a list, a table, or a log",
    )


def _check(arguments: argparse.Namespace) -> None:
    if arguments.probe is not None:
        _write(handing.files(_start(arguments) or probe()), Path(arguments.probe), arguments)
        return
    if arguments.exercise is not None:
        _write(lessons.exercises(arguments.exercise, hide=arguments.hide), Path(arguments.to),
               arguments)  # fmt: skip
        return
    if arguments.lesson is not None:
        found = lessons.lesson(arguments.lesson)
        answer(asdict(found), iter(found.as_text().splitlines()), arguments)
        return
    if not arguments.file:
        raise ConfigError("nothing to check: give FILE, or --probe DIR for the batch to begin with")
    if arguments.curve:
        found = fromcurve.from_curve(*curvetext.read_files(arguments.file))
        answer({"candidates": [{n: getattr(c, n) for n in fromcurve.Candidate.__slots__}
                               for c in found]}, _ranked(found), arguments)  # fmt: skip
        return
    arrays = reading.read_files(arguments.file)
    report = check(arrays, start=_start(arguments), names=_names(arguments.name))
    result = report.as_dict()
    lines = iter(report.lines())
    if arguments.effect and report.findings:
        wrong, right_one = lessons.effect(report)
        result["effect"] = {"mistaken": list(wrong.accuracy), "right": list(right_one.accuracy)}
        lines = _with_effect(lines, wrong, right_one)
    answer(result, lines, arguments)


def _start(arguments: argparse.Namespace) -> Probe | None:
    """Return the probe that options tell of; None for the usual one, unless it is to be written."""
    if (
        arguments.sizes is None
        and arguments.probe is None
        and ((arguments.images, arguments.seed) == (IMAGES, SEED))
    ):
        return None
    try:
        d, h, c = map(int, arguments.sizes.split("-")) if arguments.sizes else SIZES
    except ValueError:
        raise ConfigError(f"--sizes {arguments.sizes}: three numbers, such as 784-10-10") from None
    return probe(arguments.images, (d, h, c), arguments.seed)


def _names(words: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        own, _, meant = word.partition("=")
        pairs[own] = meant
        if not own or not meant:
            raise ConfigError(f"--name {own}={meant}: as OWN=MEANT, such as grad=dW1")
    return pairs


def _write(files: Mapping[str, bytes], folder: Path, arguments: argparse.Namespace) -> None:
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    said = f"{len(files)} files in {folder}"
    answer({"folder": str(folder), "files": sorted(files)}, iter([said]), arguments)


def _ranked(found: list[fromcurve.Candidate]) -> Iterator[str]:
    if not found:
        yield "The curve falls as it should: nothing speaks for a mistake."
        return
    yield found[0].evidence
    for rank, one in enumerate(found, 1):
        yield f"  {rank}. {one.name.replace('_', ' ')}: {one.experiment}"
    yield "A curve says no more: save one step on the probe (--probe DIR), and check that."


def _with_effect(
    lines: Iterator[str], wrong: lessons.Curves, right: lessons.Curves
) -> Iterator[str]:
    yield from lines
    steps = len(right.accuracy)
    ends = "" if len(wrong.accuracy) == steps else f", ends after step {len(wrong.accuracy)}"
    reached = wrong.accuracy[-1] if wrong.accuracy else 0.0
    yield (
        f"after {steps} steps on built-in digits: accuracy {reached:.0%} with it{ends}, "
        f"{right.accuracy[-1]:.0%} without"
    )
