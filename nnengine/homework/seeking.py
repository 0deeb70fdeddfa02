"""Seeking: which mistakes give the numbers of wrong lines, alone or two in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from .bench import Bench, near, worked
from .catalogue import BY_NODE
from .formulas import NODES
from .mistake import LINE, Mistake

Changes = dict[str, list[Mistake]]
WAYS = 3  # lines in which one mistake may have been made that are followed, where several may be
DIGITS = 12  # digits that an array must have in all, for thousands of pairs to be held to it
_CLOSELY = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A mistake that gives a learner's numbers; those in `or_else` give the same."""

    mistake: Mistake
    explains: tuple[str, ...]
    or_else: tuple[Mistake, ...] = ()

    @property
    def names(self) -> set[str]:
        """All names that it may be."""
        return {m.name for m in (self.mistake, *self.or_else)}


def found(bench: Bench, left: list[str]) -> tuple[list[Named], list[str]]:
    """Return the mistakes, one a line, that leave fewest of these lines, and what they leave.

    The mistake that explains most is taken first. One that may have been made in several lines,
    the pixels' before the sums or in them, is followed through each: what stands behind tells.
    """
    return _followed(bench, {}, left)


def alone(bench: Bench, named: Sequence[Named], node: str) -> list[Named]:
    """Return the mistake in a line itself that gives its numbers, if no other does."""
    changes: Changes = {}
    for one in named:
        changes = _with(changes, one.mistake)
    fits = [one for one in _single(bench, changes, [node]) if one.explains == (node,)]
    return [one for one in fits if len(fits) == len(one.names) == 1 and one.mistake.node == node]


def _followed(bench: Bench, changes: Changes, left: list[str]) -> tuple[list[Named], list[str]]:
    best: tuple[list[Named], list[str]] = ([], left)
    for named in _single(bench, changes, left) if left else ():
        rest = [node for node in left if node not in named.explains]
        more, unknown = _followed(bench, _with(changes, named.mistake), rest)
        if len(unknown) < len(best[1]):
            best = [named, *more], unknown
        if not unknown or bench.material.budget.refused:
            break
    return best


def _with(changes: Changes, *new: Mistake) -> Changes:
    together = {node: list(several) for node, several in changes.items()}
    for mistake in new:
        together.setdefault(mistake.node, []).append(mistake)
    return together


def _possible(changes: Changes) -> bool:
    """Tell whether a program can have these mistakes: a line is written in one way alone."""
    return all(sum(m.kind == LINE for m in several) < 2 for several in changes.values())


def _tried(bench: Bench, together: Changes, left: list[str]) -> tuple[str, ...]:
    """Return which of the lines that are left mistakes explain; none if they break others."""
    if not _possible(together):
        return ()
    agrees = bench.trial(together)
    if any(not holds for node, holds in agrees.items() if node not in left):
        return ()
    return tuple(node for node, holds in agrees.items() if holds and node in left)


def _fitting(bench: Bench, nodes: set[str]) -> list[Mistake]:
    return [m for node in NODES if node in nodes for m in BY_NODE[node] if m.when(bench.terms)]


def _single(bench: Bench, changes: Changes, left: list[str]) -> list[Named]:
    """Return the mistake that explains most of what is left, with all others that do the same.

    As many times as there are lines in which it may have been made. None where no mistake does,
    and where the budget ends: what was not tried might explain it as well.
    """
    places = set().union(*(bench.hidden_before(node) for node in left))
    fits: list[tuple[Mistake, tuple[str, ...]]] = []
    for mistake in _fitting(bench, places):
        if not bench.material.budget.spend():
            return []
        if explains := _tried(bench, _with(changes, mistake), left):
            fits.append((mistake, explains))
    if not fits:
        return []
    most = max(len(explains) for _, explains in fits)
    best = [(m, e) for m, e in fits if len(e) == most]
    best.sort(key=lambda b: b[0].guessed)
    if not best[0][0].guessed:
        best = [(m, e) for m, e in best if not m.guessed]
    ways: dict[str, Named] = {}
    for first, explains in best:
        same = {m.name: m for m, e in reversed(best) if e == explains and m.name != first.name}
        ways.setdefault(first.node, Named(mistake=first, explains=explains,
                                          or_else=tuple(reversed(same.values()))))  # fmt: skip
    return list(ways.values())[:WAYS]


def two_in_one(bench: Bench, named: Sequence[Named], left: list[str]) -> list[Named]:
    """Return what was named, and pairs of mistakes that explain what is left, two a line."""
    changes: Changes = {}
    for one in named:
        changes = _with(changes, one.mistake)
    more = list(named)
    for node in left:
        if any(node in one.explains for one in more) or not _tells_pairs(bench, node):
            continue
        rest = [n for n in left if not any(n in one.explains for one in more)]
        if pair := _double(bench, changes, node, rest):
            changes = _with(changes, *(one.mistake for one in pair))
            more += pair
    return more


def _tells_pairs(bench: Bench, node: str) -> bool:
    """Tell whether an array has digits enough: of few, some pair would always be near."""
    array = np.asarray(bench.given[node], np.float64)
    finite = np.abs(array[np.isfinite(array) & (array != 0)])
    if not finite.size:
        return False
    grain = bench.grains[node]
    fine = max(grain.relative, bench.usual.relative, grain.absolute / float(finite.max()))
    return bool(finite.size * -np.log10(fine) > DIGITS)


def _double(bench: Bench, changes: Changes, node: str, left: list[str]) -> list[Named]:
    """Return two mistakes that give a line's numbers together; none where the budget ends."""
    fits: list[tuple[tuple[Mistake, Mistake], tuple[str, ...]]] = []
    for pair in _near_pairs(bench, changes, node):
        explains = _tried(bench, _with(changes, *pair), left)
        if node in explains:
            fits.append((pair, explains))
    if not fits or bench.material.budget.refused:
        return []
    most = max(len(explains) for _, explains in fits)
    (one, other), explains = next(f for f in fits if len(f[1]) == most)
    ones, others = {one.name: one}, {other.name: other}
    for (a, b), also in fits:
        if also != explains:
            continue
        turned = a.name in others or b.name in ones
        a, b = (b, a) if turned and not (a.name in ones or b.name in others) else (a, b)
        ones.setdefault(a.name, a)
        others.setdefault(b.name, b)
    return [
        Named(mistake=first, explains=explains, or_else=tuple(rest))
        for first, *rest in (ones.values(), others.values())
    ]


def _near_pairs(bench: Bench, changes: Changes, node: str) -> Iterator[tuple[Mistake, Mistake]]:
    """Yield pairs of mistakes that give about a line's numbers, by one look at each."""
    places = bench.hidden_before(node)
    candidates = [m for m in _fitting(bench, places) if not m.guessed]
    candidates.sort(key=lambda m: m.node != node)  # both in the line itself first
    own, budget = bench.material.own[node], bench.material.budget
    for first, second in combinations(candidates, 2):
        pairs = [(first, second)]
        if first.node == second.node and first.kind == second.kind != LINE:
            pairs.append((second, first))
        for pair in pairs:
            together = _with(changes, *pair)
            if not _possible(together):
                continue
            if not budget.spend_pair():
                return
            value = _line(bench, together, places, node)
            if value is not None and near(own, np.asarray(value), bench.material, _CLOSELY):
                yield pair


def _line(bench: Bench, changes: Changes, places: set[str], node: str) -> Any:
    """Return what a line gives with mistakes in it and in the lines before it that are hidden."""
    state = dict(bench.sides[0])
    value = None
    with np.errstate(all="ignore"):
        for name in NODES:
            if name in places:
                value = worked(name, state, bench.terms, changes.get(name, ()))
                if value is None:
                    return None
                state[name] = value
            if name == node:
                return value
    return value
