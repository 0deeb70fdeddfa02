"""Judge: which lines are right, and which mistakes give the others' numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from .bench import Bench, Budget, Material
from .formulas import NODES, Terms
from .layout import Laid
from .seeking import Named, alone, found, two_in_one


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it under the terms that suit the learner's numbers best.

    overwritten: lines that are right by what a wrong array before them should have been, with it.
    cut_short: whether the budget ended before all that is known was tried.
    """

    bench: Bench
    named: tuple[Named, ...]
    unknown: tuple[str, ...]
    laid: Laid
    overwritten: Mapping[str, str] = field(default_factory=dict)
    cut_short: bool = False

    @property
    def cost(self) -> tuple[float, ...]:
        """How many lines are called wrong, what is left unexplained, then how much is accused."""
        families = {frozenset(named.names) for named in self.named}
        wrong = len(self.bench.wrong) - len(self.overwritten)
        # Nothing speaks for sigmoid outputs where these are none: a wrong delta may look like it.
        wrong += self.bench.terms.output == "sigmoid" and "A2" in self.bench.wrong
        return wrong, len(self.unknown), len(families), len(self.named)


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


def _worth_trying(laid: Laid, budget: Budget) -> Iterator[Bench]:
    """Yield benches of the terms under which fewest lines are wrong, the usual first.

    One thing is changed at a time, and kept where it helps: forward lines first, for they say
    what the others begin with.
    """
    material = Material(laid, budget)
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


def judged_best(ways: Sequence[Laid]) -> Verdict:
    """Return the verdict on the way of reading the arrays that leaves least wrong, then unknown.

    Where several leave as many lines wrong, the mistakes decide that are found, in one budget.
    """
    budget = Budget()
    if len(ways) > 1:
        wrong = [wrong_at_best(laid) for laid in ways]
        ways = [laid for laid, count in zip(ways, wrong, strict=True) if count == min(wrong)]
    verdicts: list[Verdict] = []
    for laid in ways:
        verdicts.append(judged(laid, budget))
        if not verdicts[-1].unknown or budget.refused:
            break
    return min(verdicts, key=lambda v: v.cost)


def judged(laid: Laid, budget: Budget) -> Verdict:
    """Return what is right, what is named and what is not, under the terms that suit best."""
    verdicts: list[Verdict] = []
    for bench in _worth_trying(laid, budget):
        verdicts.append(_of(bench))
        if verdicts[-1].cost[1:3] <= (0, 1) or budget.refused:
            break
    best = min(verdicts, key=lambda v: v.cost)
    return _with_pairs(best) if best.unknown and not budget.refused else best


def wrong_at_best(laid: Laid) -> int:
    """Return how many lines are wrong under the terms that suit best."""
    return len(unsearched(laid).unknown)


def unsearched(laid: Laid) -> Verdict:
    """Return what is right and what is wrong, and look for no mistake."""
    bench = next(iter(_worth_trying(laid, Budget())))
    return Verdict(bench=bench, named=(), unknown=bench.wrong, laid=laid)


def _of(bench: Bench) -> Verdict:
    """Name what can be named on one bench by one mistake a line."""
    left = [node for node in bench.wrong if not _flat(bench.given[node])]
    named, left = found(bench, left)
    named += _of_flat(bench, named)
    overwritten = {node: by for node in left if (by := bench.before_overwritten(node))}
    return _verdict(bench, named, overwritten)


def _verdict(bench: Bench, named: list[Named], overwritten: Mapping[str, str]) -> Verdict:
    explained = {node for one in named for node in one.explains} | overwritten.keys()
    unknown = tuple(node for node in bench.wrong if node not in explained)
    passed = any(_flat(bench.given[node]) for node in unknown)  # of one number: not looked for
    return Verdict(
        bench=bench, named=tuple(named), unknown=unknown, laid=bench.laid, overwritten=overwritten,
        cut_short=passed or (bool(unknown) and bench.material.budget.refused),
    )  # fmt: skip


def _of_flat(bench: Bench, named: Sequence[Named]) -> list[Named]:
    """Return what was done in lines whose arrays are one number: where one mistake alone gives it.

    Zeros say nothing.
    """
    flat = [node for node in bench.wrong if _flat(bench.given[node]) and bench.given[node].any()]
    return [one for node in flat for one in alone(bench, named, node)]


def _with_pairs(verdict: Verdict) -> Verdict:
    """Return a verdict in which what is left is looked for as two mistakes in one line."""
    bench = verdict.bench
    left = [node for node in verdict.unknown if not _flat(bench.given[node])]
    return _verdict(bench, two_in_one(bench, verdict.named, left), verdict.overwritten)


def _flat(array: np.ndarray) -> bool:
    """Tell whether an array is one number all over, which too many mistakes would give."""
    return array.ndim == 2 and array.size > 1 and not np.ptp(array)


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


def starting_at_zero(laid: Laid) -> Laid | None:
    """Return the same with weights of zero, where the sums say that all of them are; else None.

    Without any weight the sums of every image are the biases, those of the probe or zero. Weights
    that were given are looked at themselves.
    """
    inputs = dict(laid.inputs)
    for layer, own in (("1", laid.given.get("Z1")), ("2", laid.given.get("Z2"))):
        w, b = inputs[f"W{layer}"], inputs[f"b{layer}"]
        if w.any():
            if own is None or own.shape != (len(inputs["P"]), len(b)):
                return None
            bias = next((bias for bias in (0 * b, b) if np.allclose(own, bias, 1e-6, 1e-9)), None)
            if bias is None:
                return None
            inputs[f"b{layer}"] = bias
        inputs[f"W{layer}"] = np.zeros_like(w)
    return replace(laid, inputs=inputs)
