"""Making: one step of a network with mistakes in it on purpose, and what its program would save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bench import worked
from .formulas import NODES, Terms
from .mistake import Mistake
from .probe import Probe, probe

_BETRAY = ("X", "T", "Z1", "dZ2", "dW1")  # by these a shuffled order is guessed: here it is drawn


def step(
    mistakes: Sequence[Mistake],
    terms: Terms,
    begun: dict[str, Any],
    known: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray] | None:
    """Return all arrays of a step with mistakes in it, rows; None where it could not be run.

    known: what mistakes may look at ahead of its line, weights after the step.
    """
    given = {node: array for node, array in (known or {}).items() if node not in _BETRAY}
    state: dict[str, Any] = {**(known or {}), **begun, "given": given}
    made: dict[str, np.ndarray] = {}
    for node in NODES:
        here = [m for m in mistakes if m.node == node]
        with np.errstate(all="ignore"):
            value = worked(node, state, terms, here)
        if value is None:
            return None
        state[node] = made[node] = np.asarray(value, np.float64)
    return made


def settled(
    mistakes: Sequence[Mistake], terms: Terms, begun: dict[str, Any]
) -> dict[str, np.ndarray] | None:
    """Return all arrays of a step whose mistakes may use what only later lines make.

    Such a program has its lines in another order: the numbers of the lines that do not use each
    other are the same, so that working through them anew with what came of them settles it.
    """
    made = step(mistakes, terms, begun)
    if made is not None and len(mistakes) < 2:
        return made
    known = made or step((), terms, begun)
    for _ in range(2 if known else 0):
        known = made = step(mistakes, terms, begun, known)
        if made is None:
            break
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

    columns: images are columns. bent: by what weights are multiplied, which are then saved as well:
    the second layer's, the first's for a mistake in their step. None where such a program could not
    be run.
    """
    begun = dict((start or probe()).state())
    larger = "W1" if any(m.node == "W1_new" and m.bent != 1 for m in mistakes) else "W2"
    begun[larger] = begun[larger] * bent
    made = settled(mistakes, terms or Terms(), begun)
    if made is None:
        return None
    if bent != 1:
        made[larger] = np.asarray(begun[larger])
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What a program with one mistake saves, by the usual names, and the probe it began with."""

    saved: dict[str, np.ndarray]
    start: Probe
    terms: Terms


def suiting(mistake: Mistake) -> Terms:
    """Return the most usual terms under which a mistake can be made at all."""
    ways = (Terms(), *(Terms(activation=a) for a in ("sigmoid", "tanh", "leaky_relu")),
            *(Terms(share=s) for s in ("delta", "step")))  # fmt: skip
    return next(terms for terms in ways if mistake.when(terms))


def example(
    mistake: Mistake, *, start: Probe | None = None, columns: bool = True
) -> Example | None:
    """Return a program with this mistake, on the usual probe or a start of one's own.

    None for a start of whose shapes no such program can be run. Without one, a probe is taken that
    has as many images as units, or as many pixels, where a mistake fits nothing else.
    """
    terms = suiting(mistake)
    others = (probe(), probe(10), probe(20, (10, 10, 10)))
    for begun in others if start is None else (start,):
        saved = broken([mistake], terms, start=begun, columns=columns, bent=mistake.bent)
        if saved is None and mistake.node == "T":  # no line takes such targets
            target = mistake.make(begun.state(), terms)
            saved = {"Y": target.T if columns else target}
        if saved is not None:
            return Example(saved=saved, start=begun, terms=terms)
    return None
