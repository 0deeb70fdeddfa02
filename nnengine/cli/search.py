"""`nnengine search`: settings drawn from ranges, and the best of them by races."""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import nullcontext
from typing import Any

from .. import kernels
from ..core.metrics import evaluate
from ..core.network import Network
from ..data.dataset import Dataset
from ..errors import ConfigError
from ..searching import Candidate, Range, read_range, rounds, searching
from ..training.settings import SETTINGS
from . import report
from .data import Righting, train_data
from .ends import note
from .files import emptied, keep_apart
from .options import add_command, add_data, add_settings, answer, settings_said
from .train import usual

_LIKE = "tcp://10.0.0.5:8786"
_PATIENCE_S = 10  # for a scheduler to answer
EPOCHS = 9  # of who is in the last round, where nobody says it


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "search", _search, "search for settings that suit the data")
    add_data(
        command, "its training images are searched on, the best is measured with its test ones"
    )
    add = command.add_argument
    add(
        "--range",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        dest="ranges",
        help="what a setting may be, once for each: learning-rate=0.0003..0.03, "
        "optimizer=adam|sgd, or layers='64|128, 32|conv 8 5x5, pool 2, dense 64'",
    )
    add("--candidates", type=int, default=9, metavar="N", help="how many settings are drawn (9)")
    add(
        "--factor",
        type=int,
        default=3,
        metavar="N",
        help="one in so many goes on to the next round, which is so many times as long; 1: all are "
        "trained to the end (3)",
    )
    add(
        "--hold-out",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of the training images, held out to compare with (0.1)",
    )
    add("--layers", metavar="LAYERS", help="hidden layers of all candidates, as text (128)")
    add("--out", metavar="FILE", help="save the best network as .npz or .nnm")
    add("--dask", metavar="ADDRESS", help=f"of a Dask scheduler whose workers train: {_LIKE}")
    add_settings(command, usual())


def _search(arguments: argparse.Namespace) -> None:
    ranges = [read_range(text) for text in arguments.ranges]
    words = emptied(arguments.data)
    if arguments.out is not None:
        keep_apart(arguments.out, words, "--out")
    if arguments.iterations is not None:
        raise ConfigError("a search counts in epochs: give --epochs, the length of the last round")
    data, test = train_data(words, [], Righting.asked(arguments))
    rest, held_out = data.split(arguments.hold_out, rng=arguments.seed)
    with _cluster(arguments.dask) as client:
        found = _run(arguments, ranges, rest, held_out, client)
    best = found[0]
    if math.isnan(best.loss):
        raise ConfigError(f"all candidates diverged: {best.fault}")
    if arguments.out is not None:
        best.network.save(arguments.out)
    result = _result(found, best.network, test) | {"out": arguments.out}
    answer(result, report.search_lines(result), arguments, beside=arguments.out)


def _cluster(address: str | None) -> Any:
    """Return a client of a Dask cluster, to be left again, or what stands for none."""
    if address is None:
        return nullcontext()
    try:
        from distributed import Client  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError(
            "--dask needs dask.distributed, which is not installed: pip install distributed"
        ) from None
    try:
        return Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError, TypeError) as fault:  # a timeout is an OSError
        raise ConfigError(
            f"--dask {address}: no scheduler answers there ({str(fault)[:80]}): start one with "
            f"`dask scheduler` and give the address it prints, such as {_LIKE}"
        ) from None


def _run(
    arguments: argparse.Namespace,
    ranges: list[Range],
    rest: Dataset,
    held_out: Dataset,
    client: Any,
) -> list[Candidate]:
    """Return all candidates, the best first; tell a terminal of each as it comes to a rest."""
    fixed = settings_said(arguments)
    for name in ("epochs", "iterations", "seed"):
        fixed.pop(name)
    if arguments.layers is not None:
        fixed["layers"] = arguments.layers
    epochs = arguments.epochs or EPOCHS
    search = searching(
        rest,
        held_out,
        ranges,
        fixed,
        candidates=arguments.candidates,
        epochs=epochs,
        factor=arguments.factor,
        seed=arguments.seed,
        client=client,
    )
    if sys.stderr.isatty():
        plan = rounds(arguments.candidates, epochs, arguments.factor)
        note("rounds: " + ", then ".join(f"{n} to epoch {until}" for n, until in plan))
    if client is None:
        kernels.warm_up()
    while True:
        try:
            one = next(search)
        except StopIteration as end:
            return end.value
        if sys.stderr.isatty():
            note(report.candidate_line(_told(one)))


def _told(one: Candidate) -> dict[str, Any]:
    """Return a candidate as JSON has it."""
    return {
        "number": one.number,
        "settings": {name: _plain(name, value) for name, value in one.settings.items()},
        "rounds": one.rounds,
        "epochs": one.epochs,
        "accuracy": None if math.isnan(one.accuracy) else one.accuracy,
        "loss": None if math.isnan(one.loss) else one.loss,
        "seconds": round(one.seconds, 3),
        "fault": one.fault or None,
    }


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON can have it: distortions as the text that asks for them."""
    plain = value is None or isinstance(value, str | int | float)
    return value if plain else SETTINGS[name].write(value)


def _result(found: list[Candidate], best: Network, test: Dataset | None) -> dict[str, Any]:
    measured = None if test is None else evaluate(best, test)
    return {
        "candidates": [_told(one) for one in found],
        "description": best.description,
        "test_accuracy": measured and measured.accuracy,
        "test_loss": measured and measured.loss,
        "kernels": kernels.name,
        "kernels_remark": kernels.remark() or None,
    }
