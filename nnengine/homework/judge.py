"""Judge: which lines are right, and which mistakes, or pairs of them, give the others' numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any

import numpy as np

from .bench import Bench, Material
from .catalogue import BY_NODE
from .formulas import NODES, Terms
from .layout import Laid
from .mistake import LINE, Mistake

MOST_PAIRS = 300  # of all that is tried for one learner: a second or so

MOST_TRIALS = 2000  # of single mistakes, for one learner: what takes more stays without a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Mistakes that give a learner's numbers: `together`, one or two; `or_else` gives them too."""

    together: tuple[Mistake, ...]
    explains: tuple[str, ...]
    or_else: tuple[tuple[Mistake, ...], ...] = ()

    @property
    def names(self) -> set[str]:
        """All names that it may be."""
        return {m.name for several in (self.together, *self.or_else) for m in several}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it under the terms that suit the learner's numbers best."""

    bench: Bench
    named: tuple[Named, ...]
    unknown: tuple[str, ...]
    laid: Laid
    notes: tuple[str, ...] = field(default=())

    @property
    def cost(self) -> tuple[float, ...]:
        """How many lines are called wrong, what is left unexplained, then how much is accused."""
        families = {frozenset(named.names) for named in self.named}
        accused = sum(len(named.together) for named in self.named)
        return len(self.bench.wrong), len(self.unknown), len(families), accused


def all_terms(laid: Laid) -> Iterator[Terms]:
    """Yield every way of writing that the arrays may show, the usual ones first."""
    given = set(laid.given)
    activations = ("relu", "sigmoid", "tanh", "leaky_relu")
    outputs = (("softmax", "cross_entropy"), ("sigmoid", "cross_entropy"), ("sigmoid", "squared"))
    back = any(node.startswith("d") for node in given)
    steps = any(node.endswith("_new") for node in given)
    shares = ("gradient", "delta", "step") if back or steps else ("gradient",)
    signs = ("", "delta", "gradient") if back else ("",)
    optimizers = ("sgd", "adam") if steps else ("sgd",)
    for optimizer, output, activation, sign, share in product(
        optimizers, outputs, activations, signs, shares
    ):
        yield Terms(
            activation=activation, output=output[0], loss=output[1], share=share, sign=sign,
            optimizer=optimizer,
        )  # fmt: skip


def _worth_trying(laid: Laid) -> Iterator[Bench]:
    """Yield benches of the terms under which fewest lines are wrong, the usual first.

    One thing is changed at a time, and kept where it helps: forward lines first, for they say
    what the others begin with.
    """
    material = Material(laid)
    known: dict[Terms, int] = {}

    def wrong(terms: Terms) -> int:
        if terms not in known:
            known[terms] = material.roughly_wrong(terms)
        return known[terms]

    every = list(all_terms(laid))
    backs = list(dict.fromkeys((t.share, t.sign, t.optimizer) for t in every))
    fronts = list(dict.fromkeys((t.activation, t.output, t.loss) for t in every))
    best = every[0]
    for _ in range(2):
        if not wrong(best):
            break
        for front in fronts:
            other = replace(best, activation=front[0], output=front[1], loss=front[2])
            best = other if wrong(other) < wrong(best) else best
        for back in backs:
            other = replace(best, share=back[0], sign=back[1], optimizer=back[2])
            best = other if wrong(other) < wrong(best) else best
    order = {terms: n for n, terms in enumerate(every)}
    close = [t for t in known if known[t] <= known[best] + (2 if known[best] else 0)]
    for terms in sorted(close, key=lambda t: (known[t], order[t]))[: 6 if known[best] < 4 else 2]:
        yield Bench(material, terms)


def judged(laid: Laid) -> Verdict:
    """Return what is right, what is named and what is not, under the terms that suit best."""
    verdicts: list[Verdict] = []
    for bench in _worth_trying(laid):
        verdicts.append(_of(bench))
        if verdicts[-1].cost[1:3] <= (0, 1):
            break
    return min(verdicts, key=lambda v: v.cost)


def wrong_at_best(laid: Laid) -> int:
    """Return how many lines are wrong under the terms that suit best."""
    return len(next(iter(_worth_trying(laid))).wrong)


def in_pairs(verdict: Verdict) -> Verdict:
    """Return a verdict in which two mistakes in one line are named, too: many are tried."""
    if not verdict.unknown:
        return verdict
    return replace(_of(verdict.bench, pairs=True), notes=verdict.notes)


def _of(bench: Bench, *, pairs: bool = False) -> Verdict:
    """Name what can be named on one bench, one mistake after the other, then two in one line."""
    changes: dict[str, list[Mistake]] = {}
    left = list(bench.wrong)
    named: list[Named] = []
    room = [MOST_PAIRS if pairs else 0]
    while left:
        found = _single(bench, changes, left)
        if found is None and room[0] > 0:
            found = _pair(bench, changes, left, room)
        if found is None:
            break
        named.append(found)
        for mistake in found.together:
            changes.setdefault(mistake.node, []).append(mistake)
        left = [node for node in left if node not in found.explains]
    return Verdict(bench=bench, named=tuple(named), unknown=tuple(left), laid=bench.laid)


def _tried(
    bench: Bench, changes: dict[str, list[Mistake]], new: tuple[Mistake, ...], left: list[str]
) -> tuple[str, ...]:
    """Return which of the lines that are left these mistakes explain; none if they break others."""
    bench.material.trials += 1
    if bench.material.trials > MOST_TRIALS + MOST_PAIRS:
        return ()
    together = {node: list(several) for node, several in changes.items()}
    for mistake in new:
        together.setdefault(mistake.node, []).append(mistake)
    if any(sum(m.kind == LINE for m in several) > 1 for several in together.values()):
        return ()
    agrees = bench.trial(together)
    if any(not holds for node, holds in agrees.items() if node not in left):
        return ()
    return tuple(node for node, holds in agrees.items() if holds and node in left)


def _fitting(bench: Bench, nodes: set[str]) -> list[Mistake]:
    return [m for node in NODES if node in nodes for m in BY_NODE[node] if m.when(bench.terms)]


def _single(bench: Bench, changes: dict, left: list[str]) -> Named | None:
    """Return the mistake that explains most of what is left, with all others that do the same."""
    places = set().union(*(bench.hidden_before(node) for node in left))
    found = [
        (mistake, explains)
        for mistake in _fitting(bench, places)
        if (explains := _tried(bench, changes, (mistake,), left))
    ]
    if not found or bench.material.trials > MOST_TRIALS:  # not all were tried: nothing is certain
        return None
    most = max(len(explains) for _, explains in found)
    best = [(m, e) for m, e in found if len(e) == most]
    best.sort(key=lambda b: b[0].guessed)
    if not best[0][0].guessed:
        best = [(m, e) for m, e in best if not m.guessed]
    first, explains = best[0]
    same = [m for m, e in best if e == explains and m.name != first.name]
    once = {m.name: m for m in reversed(same)}
    return Named(together=(first,), explains=explains,
                 or_else=tuple((m,) for m in same if once[m.name] is m))  # fmt: skip


def _pair(bench: Bench, changes: dict, left: list[str], room: list[int]) -> Named | None:
    """Return two mistakes that together explain the first line that is left.

    room: how many may still be tried, which is counted down.
    """
    for node in left:
        known = _fitting(bench, bench.hidden_before(node))
        found: list[tuple[tuple[Mistake, Mistake], tuple[str, ...]]] = []
        for first, second in islice(_pairs(known, node), max(0, room[0])):
            room[0] -= 1
            explains = _tried(bench, changes, (first, second), left)
            if node in explains:
                found.append(((first, second), explains))
        if found:
            most = max(len(e) for _, e in found)
            best = [(p, e) for p, e in found if len(e) == most]
            pair, explains = best[0]
            return Named(together=pair, explains=explains,
                         or_else=tuple(p for p, e in best[1:4] if e == explains))  # fmt: skip
    return None


def _pairs(known: list[Mistake], node: str) -> Iterator[tuple[Mistake, Mistake]]:
    """Yield two at a time, those nearest to the line first."""
    near = sorted(known, key=lambda m: -NODES.index(m.node))
    for total in range(1, 2 * len(near)):
        for i in range(max(0, total - len(near) + 1), (total + 1) // 2):
            first, second = near[i], near[total - i]
            if first.name == second.name and first.node == second.node:
                continue
            if first.node == second.node and first.kind == second.kind == LINE:
                continue
            yield (second, first) if NODES.index(second.node) < NODES.index(first.node) else (
                first, second)  # fmt: skip


def updated_under_plain_names(laid: Laid, plain: dict[str, Any]) -> Laid | None:
    """Return the same with weights taken for those after the step; None where that cannot be.

    plain: the probe's own state. Whoever saves `W1` when all is done has the new ones in it.
    """
    given = dict(laid.given)
    inputs = dict(laid.inputs)
    moved = False
    for name in ("W1", "b1", "W2", "b2"):
        same = inputs[name].shape == plain[name].shape
        if (
            same
            and name + "_new" not in given
            and not np.allclose(
                inputs[name], plain[name], rtol=1e-3, atol=1e-4 if name[0] == "b" else 1e-6
            )
        ):
            given[name + "_new"] = inputs[name]
            moved = True
        if same:
            inputs[name] = plain[name]
    if not moved:
        return None
    order = {node: given[node] for node in NODES if node in given}
    return replace(laid, given=order, inputs=inputs)
