"""`nnengine doctor`: what is wrong with a run, from what its network remembers of it."""

from __future__ import annotations

import argparse
from typing import Any

from ..analysis import doctor
from ..core.network import Network
from ..errors import FormatError
from ..storage.runs import Store
from . import report
from .files import Word, emptied, exists, network
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(
        commands, "doctor", _doctor, "say what is wrong with a run, and what helps"
    )
    command.add_argument(
        "file", metavar="FILE", help="model or checkpoint, or the id of a run that was kept"
    )


def found(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings about a run by its record, the cause first."""
    return [finding.as_dict() for finding in doctor.examine(record)]


def last_record(trained: Network) -> dict[str, Any]:
    """Return what a network remembers of its last run, nothing of one that was never trained."""
    return dict(trained.training[-1]) if trained.training else {}


def _doctor(arguments: argparse.Namespace) -> None:
    (word,) = emptied([arguments.file])
    record = _record(word)
    try:
        findings = found(record)
    except FormatError as fault:
        raise FormatError(f"{word}: {fault}") from None
    history = record["history"]
    result = {
        "name": str(word),
        "outcome": record.get("outcome"),
        "steps": record.get("steps"),
        "train_accuracy": history["train_accuracy"][-1],
        "test_accuracy": history["val_accuracy"][-1],
        "findings": findings,
    }
    answer(result, report.doctor_lines(result), arguments)


def _record(word: Word) -> dict[str, Any]:
    """Return what is remembered of the last run of a model, a checkpoint or a kept run."""
    if isinstance(word, str) and not exists(word):
        with Store() as store:
            return store.run(word, "").record
    return last_record(network(word))
