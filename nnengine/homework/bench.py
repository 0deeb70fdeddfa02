"""Bench: the lines worked through with a learner's own numbers, with mistakes in them or not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from .formulas import NEEDS, NODES, RIGHT, Terms, also_right
from .layout import Laid
from .mistake import INPUT, LINE, Mistake
from .rounding import DOUBLE, Grain, agree, grain, shaken, spread

SHAKES = 3
_BEGIN = ("P", "W1", "b1", "W2", "b2")
_ROUGHLY = 1e-4
_AT_ONCE = 1e-2  # what is off by more than this, of the largest number, is not looked at closely


MOST_TRIALS = 2000  # of mistakes, in one check
MOST_PAIRS = 6000  # of mistakes in one line, in one check
CLOCK_EVERY = 40  # trials
MOST_SECONDS = 1.5  # of the processor's time, for all that is tried in one check


# Of this thread alone: on a server others train meanwhile. A tab has one, and no clock of it.
_clock = getattr(time, "thread_time", time.process_time)


@dataclass(slots=True, kw_only=True)
class Budget:
    """How much one check may try: so many mistakes, and until this thread's clock is `until`."""

    trials: int = field(default_factory=lambda: MOST_TRIALS)
    pairs: int = field(default_factory=lambda: MOST_PAIRS)
    until: float = field(default_factory=lambda: _clock() + MOST_SECONDS)
    refused: bool = False

    def spend(self) -> bool:
        """Take one trial out of it; False, and `refused` from then on, once nothing is left."""
        self.refused = self.refused or self.trials <= 0 or self._late(self.trials)
        self.trials -= 1
        return not self.refused

    def spend_pair(self) -> bool:
        """Take one pair of mistakes out of it; as `spend`."""
        self.refused = self.refused or self.pairs <= 0 or self._late(self.pairs)
        self.pairs -= 1
        return not self.refused

    def _late(self, count: int) -> bool:
        # The clock takes as long as a trial (0.4 ms where calls to the system are watched).
        return count % CLOCK_EVERY == 0 and _clock() > self.until


class Material:
    """What one learner gave, and how fine it is: the same under all terms."""

    def __init__(self, laid: Laid, budget: Budget) -> None:
        self.laid, self.budget = laid, budget
        self.grains = {node: grain(array) for node, array in laid.given.items()}
        made = [g for node, g in self.grains.items() if node not in ("X", "T", "loss")]
        self.usual = Grain(max([g.relative for g in made] or [DOUBLE]))
        self.printed = max([g.absolute for g in self.grains.values()] or [0.0])
        self.own = {node: np.asarray(a, np.float64) for node, a in laid.given.items()}
        self.states = [self._begun(None)] + [
            self._begun(np.random.default_rng(seed)) for seed in range(SHAKES)
        ]

    def _begun(self, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return what lines begin with and what was given, all of it shaken where rng is given."""
        state = dict(self.laid.inputs)
        own = dict(self.own)
        if rng is not None:
            for name in _BEGIN:
                state[name] = shaken(state[name], self.usual, rng)
            for node in own.keys() - {"T"}:
                by = self.grains[node]
                by = Grain(max(by.relative, self.usual.relative), by.absolute)
                own[node] = shaken(own[node], by, rng)
        state |= {"given": own, "memo": {}}
        return {**own, **state}  # mistakes may look at lines that come later

    def roughly_wrong(self, terms: Terms) -> int:
        """Return how many lines are wrong under some terms, by one look at each."""
        state, values, wrong = dict(self.states[0]), {}, 0
        work(state, {}, NODES, terms, values)
        for node, found in self.own.items():
            several = chain([values[node]], self._also(node, state, terms))
            wrong += not any(
                one is not None and near(found, np.asarray(one), self, _ROUGHLY) for one in several
            )
        return wrong

    @staticmethod
    def _also(node: str, state: dict[str, Any], terms: Terms) -> Iterator[Any]:
        yield from also(node, state, terms)  # only once the usual form does not agree


def also(node: str, state: dict[str, Any], terms: Terms) -> list[Any]:
    """Return other right values; none where what was given has shapes that fit no line."""
    try:
        return also_right(node, state, terms)
    except ValueError:
        return []


def also_on(node: str, states: Sequence[dict[str, Any]], terms: Terms) -> list[list[Any]]:
    """Return other right values of a node, each on all of these states."""
    each = [also(node, state, terms) for state in states]
    return [list(values) for values in zip(*each, strict=True)]


def work(
    state: dict[str, Any], changes: dict[str, list[Mistake]], nodes: Iterable[str], terms: Terms,
    values: dict[str, Any],
) -> None:  # fmt: skip
    """Work through these lines: `state` gets what follows, `values` what each should have given.

    What a learner gave stands in the place of what a line gives, for all lines after it.
    """
    own = state["given"]
    for node in nodes:
        with np.errstate(all="ignore"):
            value = values[node] = worked(node, state, terms, changes.get(node, ()))
        fits = node in own and (value is None or own[node].shape == np.shape(value))
        if fits or (node in own and node.startswith(("db", "dW"))):  # steps broadcast any shape
            state[node] = own[node]
        elif value is not None:
            state[node] = value


def near(found: np.ndarray, right: np.ndarray, material: Material, loose: float) -> bool:
    """Tell quickly whether two arrays may agree, to a share of the largest number."""
    if found.shape != right.shape:
        return False
    finite = np.isfinite(right) & np.isfinite(found)
    if not finite.any():
        return bool((np.isnan(found) == np.isnan(right)).all())
    largest = max(float(np.abs(right[finite]).max()), 1e-300)
    share = max(loose, 200 * material.usual.relative)
    return float(np.abs(found - right)[finite].max()) <= share * largest + 1e3 * material.printed


class Bench:
    """One learner's arrays under some terms: which lines are right, and what a mistake explains."""

    def __init__(self, material: Material, terms: Terms) -> None:
        self.material, self.laid, self.terms = material, material.laid, terms
        self.given, self.grains, self.usual = self.laid.given, material.grains, material.usual
        self._own = material.own
        self._others: dict[str, list[list[Any]]] = {}
        self.sides = [dict(state) for state in material.states]
        self.values = [self._work(side, {}, NODES) for side in self.sides]
        self.right = tuple(node for node in self.given if self.holds(node, self.values, {}))
        self.wrong = tuple(node for node in self.given if node not in self.right)

    def _work(
        self, state: dict[str, Any], changes: dict[str, list[Mistake]], nodes: Iterable[str]
    ) -> dict[str, Any]:
        """Work through these lines in place; return what each should have given."""
        values: dict[str, Any] = {}
        work(state, changes, nodes, self.terms, values)
        return values

    def holds(
        self, node: str, values: Sequence[dict[str, Any]], changes: dict,
        states: Sequence[dict[str, Any]] | None = None,
    ) -> bool:  # fmt: skip
        """Tell whether what was given for a node agrees with what the line gives.

        states: what mistakes in the lines before it have left, for equal forms of this line.
        """
        found, right = self._own[node], values[0][node]
        if right is None:
            return False
        right = np.asarray(right)
        if self._near(found, right) and agree(found, right, self._off(node, values)):
            return True
        if changes.get(node):
            return False
        for several in self._also(node) if states is None else also_on(node, states, self.terms):
            if self._near(found, np.asarray(several[0])):
                off = self._off(node, [{node: value} for value in several])
                if agree(found, np.asarray(several[0]), off):
                    return True
        return False

    def _also(self, node: str) -> list[list[Any]]:
        """Return other right values of a node, each on all sides; worked out once."""
        if node not in self._others:
            self._others[node] = also_on(node, self.sides, self.terms)
        return self._others[node]

    def _near(self, found: np.ndarray, right: np.ndarray) -> bool:
        if right.size == 1:  # a sum may be near 0, and small beside what it was made of
            return found.shape == right.shape
        return near(found, right, self.material, _AT_ONCE)

    def _off(self, node: str, values: Sequence[dict[str, Any]]) -> np.ndarray:
        """Return by how much each number of a node may be off."""
        right = np.asarray(values[0][node], np.float64)
        others = [np.asarray(v[node], np.float64) for v in values[1:]]
        own = self.grains[node]
        fine = max(own.relative, self.usual.relative)
        off = spread(right, others, self._terms_of(node))
        with np.errstate(invalid="ignore"):
            return off + 8 * fine * np.abs(right) + 1.01 * own.absolute + self._floor(node, right)

    def _floor(self, node: str, right: np.ndarray) -> float:
        """Return what is rounding even where a number should be zero: of the largest beside it."""
        finite = np.abs(right[np.isfinite(right)])
        return 4 * self.usual.relative * float(finite.max()) if finite.size else 0.0

    def _terms_of(self, node: str) -> int:
        n, (d, h) = len(self.laid.inputs["P"]), self.laid.inputs["W1"].shape
        return {"Z1": d, "Z2": h, "dW1": n, "dW2": n, "db1": n, "db2": n, "dA1": h}.get(node, 16)

    def hidden_before(self, node: str) -> set[str]:
        """Return a node and the lines before it that were not given: where it may be wrong."""
        found, left = {node}, [node]
        while left:
            for need in NEEDS[left.pop()]:
                if need not in self.given and need not in found:
                    found.add(need)
                    left.append(need)
        return found

    def before_overwritten(self, node: str) -> str | None:
        """Return the wrong array that a line is right by as it should have been; None for none.

        Who changes an array in place after it was used keeps what it is then, and a right line.
        """
        for need in NEEDS[node]:
            if need in self.wrong:
                values = []
                for side, made in zip(self.sides, self.values, strict=True):
                    with np.errstate(all="ignore"):
                        values.append({node: worked(node, {**side, need: made[need]},
                                                    self.terms, ())})  # fmt: skip
                if self.holds(node, values, {}):
                    return need
        return None

    def behind(self, node: str) -> list[str]:
        """Return a node and all lines that change with it, up to those that were given."""
        changed = {node}
        for later in NODES[NODES.index(node) + 1 :]:
            if any(need in changed and (need not in self.given) for need in NEEDS[later]):
                changed.add(later)
        return [name for name in NODES if name in changed]

    def trial(self, changes: dict[str, list[Mistake]]) -> dict[str, bool]:
        """Return, for each given node that the mistakes touch, whether it then agrees."""
        nodes = sorted({n for node in changes for n in self.behind(node)}, key=NODES.index)
        judged = [node for node in nodes if node in self.given]
        states = [dict(side) for side in self.sides]
        first = self._work(states[0], changes, nodes)
        near = {
            node: first[node] is not None and self._near(self._own[node], np.asarray(first[node]))
            for node in judged
        }
        if not any(near[node] for node in judged if node in self.wrong):
            return near
        values = [first, *(self._work(state, changes, nodes) for state in states[1:])]
        return {
            node: self.holds(node, values, changes, states if self._moved(node, changes) else None)
            for node in judged
        }

    def _moved(self, node: str, changes: dict[str, list[Mistake]]) -> bool:
        """Tell whether mistakes change what a line is made of."""
        return any(n in self.hidden_before(node) for n in changes)


def worked(node: str, state: Any, terms: Terms, mistakes: Sequence[Mistake]) -> Any:
    """Return what a line gives with these mistakes in it; None where it cannot be made."""
    view = state
    line = next((m.make for m in mistakes if m.kind == LINE), RIGHT[node])
    try:
        for mistake in mistakes:
            if mistake.kind == INPUT:
                seen = mistake.make(view, terms)
                if not seen:
                    return None
                view = {**view, **seen}
        value = line(view, terms)
        for mistake in mistakes:
            if mistake.kind not in (INPUT, LINE) and value is not None:
                value = mistake.make(value, view, terms)
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
    ):  # shapes that do not fit: nobody could have run it
        return None
    return value
