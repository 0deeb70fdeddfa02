"""Lessons: a network with a mistake in it, on purpose: its numbers, its training, and exercises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from .bench import worked
from .catalogue import CATALOGUE
from .checking import Report, check
from .formulas import NODES, Terms, log_of_right
from .handing import npz
from .mistake import Mistake
from .probe import Probe, probe

STEPS, IMAGES, EXERCISES = 120, 100, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """How training went: loss, None where it is no number, and accuracy in [0, 1] before each step.

    Both are measured rightly, by the network's own answers.
    """

    loss: tuple[float | None, ...]
    accuracy: tuple[float, ...]


def step(
    mistakes: Sequence[Mistake],
    terms: Terms,
    begun: dict[str, Any],
    known: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray] | None:
    """Return all arrays of a step with mistakes in it, rows; None where it could not be run.

    known: what mistakes may look at ahead of its line, weights after the step.
    """
    state: dict[str, Any] = {**(known or {}), **begun, "given": known or {}}
    made: dict[str, np.ndarray] = {}
    for node in NODES:
        here = [m for m in mistakes if m.node == node]
        with np.errstate(all="ignore"):
            value = worked(node, state, terms, here)
        if value is None:
            return None
        state[node] = made[node] = np.asarray(value, np.float64)
    return made


def broken(
    mistakes: Sequence[Mistake] = (),
    terms: Terms | None = None,
    *,
    start: Probe | None = None,
    columns: bool = True,
    bent: float = 1.0,
) -> dict[str, np.ndarray] | None:
    """Return what a learner with these mistakes would save, by the usual names.

    columns: images are columns. bent: by what the second layer's weights are multiplied, which
    are then saved as well. None where such a program could not be run.
    """
    begun = dict((start or probe()).state())
    begun["W2"] = begun["W2"] * bent
    terms = terms or Terms()
    made = step(mistakes, terms, begun)
    if made is None and (rightly := step((), terms, begun)):  # what a step before this one left
        made = step(mistakes, terms, begun, rightly)
    if made is None:
        return None
    if bent != 1:
        made["W2"] = np.asarray(begun["W2"])
    saved = {}
    for node, array in made.items():
        if node in ("X", "T"):
            continue
        if columns and array.ndim == 2:
            array = array.T
        if columns and array.ndim == 1 and "b" in node:
            array = array[:, None]
        saved[node] = array
    return saved


def curves(
    mistakes: Sequence[Mistake] = (), terms: Terms | None = None, *, steps: int = STEPS
) -> Curves:
    """Return how a network with these mistakes learns built-in digits, whole batches of 100.

    It ends early where weights are no numbers any more, or have another shape.
    """
    begun: dict[str, Any] = dict(probe(images=IMAGES).state())
    losses: list[float | None] = []
    right: list[float] = []
    for _ in range(steps):
        made = step(mistakes, terms or Terms(), begun)
        if made is None:
            break
        answers, labels = made["A2"], begun["L"]
        target = (labels[:, None] == np.arange(answers.shape[1])).astype(float)
        with np.errstate(all="ignore"):
            loss = float(-log_of_right(answers, target).mean())
        losses.append(loss if np.isfinite(loss) else None)
        right.append(float((np.nan_to_num(answers).argmax(axis=1) == labels).mean()))
        new = {w: made[w + "_new"] for w in ("W1", "b1", "W2", "b2")}
        if any(a.shape != begun[w].shape or not np.isfinite(a).all() for w, a in new.items()):
            break
        begun |= new
    return Curves(loss=tuple(losses), accuracy=tuple(right))


def effect(report: Report) -> tuple[Curves, Curves]:
    """Return how a learner's network would learn, by what was recognised, and how a right one."""
    verdict = report.verdict
    mistakes = [named.mistake for named in verdict.named]
    terms = verdict.bench.terms
    return curves(mistakes, terms), curves((), terms)


def exercises(seed: int, *, hide: bool = False) -> dict[str, bytes]:
    """Return twelve broken networks to hand out, and what is wrong with each, as files by name.

    Each has one mistake of the catalogue that is recognised by its numbers alone. hide: without
    the solutions. Raises ConfigError for a seed that is none.
    """
    if seed < 0:
        raise ConfigError(f"--exercise {seed}: a seed is a whole number from 0")
    rng = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    solved = [f"# Solutions of exercise {seed}", ""]
    used: set[str] = set()
    for at in rng.permutation(len(CATALOGUE)):
        mistake = CATALOGUE[at]
        if len(used) == EXERCISES:
            break
        if mistake.name in used or mistake.bent != 1 or not mistake.when(Terms()):
            continue
        columns = bool(len(used) % 2)
        saved = broken([mistake], columns=columns)
        report = check(saved) if saved else None
        if saved is None or report is None or report.names != (mistake.name,):
            continue
        used.add(mistake.name)
        name = f"network_{len(used):02}.npz"
        files[name] = npz(saved)
        found = report.findings[0]
        solved += [
            f"## {name}: {mistake.title}", "", f"{mistake.what[0].upper()}{mistake.what[1:]}.", "",
            f"- first wrong: {report.first_wrong}", f"- wrong: `{found.wrote[0]}`",
            f"- right: `{found.write[0]}`", "",
        ]  # fmt: skip
    files["tasks.md"] = _TASKS.encode()
    if not hide:
        files["solutions.md"] = "\n".join(solved).encode()
    return files


_TASKS = """# Twelve networks, a mistake in each

Each file holds what a network of one hidden layer made in its first step on the probe
(`nnengine check --probe DIR`), saved by the names of its sheet. In each, one line is wrong.

1. Find the first array that is wrong: work out each line from the file's own arrays before it.
2. Say which line gives the numbers that are there, and write the right one.
3. Say what training would come to with it.

`nnengine check FILE` knows the answer.
"""
