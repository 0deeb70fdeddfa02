"""Checking: a learner's arrays in, a report out: what is right, what is wrong, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import FormatError
from .alike import OTHER_IMAGES, OTHER_SIZES, told_by_sizes, why_alike
from .folding import unfoldings
from .formulas import NODES, Terms
from .judge import (
    Verdict,
    judged_best,
    starting_at_zero,
    unsearched,
    updated_under_plain_names,
    wrong_at_best,
)
from .layout import Laid, flat, numbers
from .mistake import SOURCES, Mistake
from .naming import renamed
from .probe import Probe, probe
from .rounding import HALF
from .saying import how, line_to_write, own_way
from .seeking import Named

MOST_NUMBERS = 50_000_000
_WIDTH = 98


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake.

    names: of the mistakes that give exactly these numbers, several that cannot be told apart.
    arrays: the learner's arrays that it explains, the first first. what: in plain words. wrote: the
    line that gives these numbers. write: the right one; none of these where there are several
    names. source: where the mistake was met. certain: whether there is one name alone.
    """

    names: tuple[str, ...]
    arrays: tuple[str, ...]
    what: tuple[str, ...]
    wrote: tuple[str, ...]
    write: tuple[str, ...]
    source: tuple[str, ...]
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check found. `right`, `wrong`: arrays by the names they came under, in order.

    findings: mistakes that were recognised. unknown: what is wrong and matches nothing known, with
    how it is wrong. how: the same of all that is wrong, which names no mistake. notes: conventions
    that were noticed, and what the numbers leave open.
    cut_short: whether the search for mistakes ended before all that is known was tried.
    """

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    findings: tuple[Finding, ...]
    unknown: Mapping[str, str]
    notes: tuple[str, ...]
    passed_over: tuple[str, ...] = ()
    cut_short: bool = False
    how: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict = field(repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all mistakes that were recognised, once each."""
        return tuple(dict.fromkeys(name for found in self.findings for name in found.names))

    @property
    def first_wrong(self) -> str | None:
        """The array in which the first mistake shows."""
        return self.wrong[0] if self.wrong else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as words and lists, for JSON."""
        return {
            "right": list(self.right), "wrong": list(self.wrong), "unknown": dict(self.unknown),
            "notes": list(self.notes), "passed_over": list(self.passed_over),
            "cut_short": self.cut_short,
            "findings": [
                {name: (value if isinstance(value, bool) else list(value))
                 for name in Finding.__slots__ for value in [getattr(one, name)]}
                for one in self.findings
            ],
        }  # fmt: skip

    def lines(self) -> list[str]:
        """Return it as at most fourteen lines to read."""
        said: list[str] = []
        if self.right:
            said.append(f"right: {', '.join(self.right)}")
        shown = self.findings[: 3 if len(self.findings) > 2 else 2]
        for one in shown:
            said += _said(one, brief=len(self.findings) > 2)
        if more := len(self.findings) - len(shown):
            names = ", ".join(n for one in self.findings[len(shown) :] for n in one.names)
            said.append(f"and {more} more: {names}"[:_WIDTH])
        for name, words in list(self.unknown.items())[:2]:
            why = "not looked for further" if self.cut_short else "no mistake known here gives it"
            said.append(f"{name} is wrong, {why}: {words}")
        if not self.wrong:
            said.append("No mistake was found." if self.right else "There was nothing to judge.")
        room = 14 - len(said)
        said += [f"note: {note}" for note in self.notes[: max(0, min(3, room))]]
        if self.passed_over and len(said) < 14:
            said.append(f"not known by name: {', '.join(self.passed_over)}"[:_WIDTH])
        return said[:14]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def _said(one: Finding, brief: bool) -> list[str]:
    """Return a finding as lines."""
    where = ", ".join(one.arrays[:6])
    found = [f"{where}: {' or '.join(n.replace('_', ' ') for n in one.names)}"]
    if not brief:
        found += [f"    {what[0].upper()}{what[1:]}." for what in one.what]
        found += [f"    it gives what  {line}  would" for line in one.wrote]
    return found + [f"    write          {line}" for line in one.write]


def check(
    arrays: Mapping[str, Any] | None = None,
    /,
    *,
    start: Probe | None = None,
    names: Mapping[str, str] | None = None,
    **more: Any,
) -> Report:
    """Hold the arrays of one training step to the formulas, each by the learner's own inputs.

    arrays, more: by any usual name: Z1, A1, Z2, A2, loss, dZ2, dW2, db2, dA1, dZ1, dW1, db1, and
    W1_new, b1_new, W2_new, b2_new after the step; images as rows or columns. X, Y, W1, b1, W2, b2
    and learning_rate are those of the probe unless they are given. start: another probe. names:
    what names of one's own mean, such as {"grad": "dW1"}. Raises FormatError where an array is
    none, or nothing fits.
    """
    held = {name: numbers(array, name) for name, array in {**(arrays or {}), **more}.items()}
    if sum(array.size for array in held.values()) > MOST_NUMBERS:
        raise FormatError(f"more than {MOST_NUMBERS:,} numbers: save one small batch")
    meanings = renamed(held, names)
    twice = _twice(meanings)
    if twice:
        raise FormatError(f"{' and '.join(twice)} both mean {meanings[twice[0]]}: leave one out")
    by_meaning = {meaning: flat(meaning, held[name]) for name, meaning in meanings.items()}
    passed_over = tuple(name for name in held if name not in meanings)
    ways = [_begun(way.laid(meanings, start), start) for way in unfoldings(by_meaning, start)]
    laid = ways[0] if len(ways) == 1 else min(ways, key=wrong_at_best)
    if zero := starting_at_zero(laid):
        return _at_zero(laid, unsearched(zero), passed_over)
    return reported(judged_best(ways), passed_over)


def _begun(laid: Laid, start: Probe | None) -> Laid:
    """Return what was given, plain W and b as those after the step where that suits better."""
    moved = updated_under_plain_names(laid, (start or probe()).state())
    if moved and (not laid.given or wrong_at_best(moved) < wrong_at_best(laid)):
        said = "W and b under plain names are taken for what they are after the step"
        return replace(moved, notes=[said, *moved.notes])
    return laid


def _at_zero(laid: Laid, verdict: Verdict, passed_over: tuple[str, ...]) -> Report:
    """Return the report of a network all of whose weights are zero: no mistake is looked for."""
    report = reported(verdict, passed_over)
    weights = [w for w in ("W1", "W2") if w in laid.names]
    begun = [laid.names[w] for w in weights or ("Z1", "Z2")]
    first = Finding(
        names=("all_weights_start_at_zero",), arrays=tuple(begun),
        what=("every hidden unit makes the same of every image, and no gradient tells them apart",),
        wrote=(), write=(own_way("W1 = rng.uniform(-0.5, 0.5, W1.shape)", laid),),
        source=(SOURCES["LeCun"],), certain=True,
    )  # fmt: skip
    return replace(
        report, findings=(first,), wrong=(*begun, *report.wrong),
        how={**dict.fromkeys(begun, "it is all zero"), **report.how},
        right=tuple(name for name in report.right if name not in begun),
    )  # fmt: skip


def _twice(meanings: Mapping[str, str]) -> list[str]:
    for meaning in meanings.values():
        same = [name for name, other in meanings.items() if other == meaning]
        if len(same) > 1:
            return same
    return []


def reported(verdict: Verdict, passed_over: tuple[str, ...] = ()) -> Report:
    """Return a verdict as a report."""
    bench, laid = verdict.bench, verdict.laid

    def own(node: str) -> str:
        return laid.names.get(node, laid.names.get(_as_given(node), node))

    values = bench.values[0]
    wrong = [node for node in bench.wrong if node not in verdict.overwritten]
    groups = _grouped(verdict)
    notes = [*laid.notes, *_told_apart(groups, verdict.bench.terms), *_notes(verdict)]
    wrongly = {}
    for node in dict.fromkeys((*wrong, *verdict.unknown)):
        right = np.asarray(values[node], np.float64) if values[node] is not None else np.zeros(0)
        wrongly[node] = how(np.asarray(bench.given[node], np.float64), right)
    return Report(
        right=tuple(own(node) for node in bench.given if node not in wrong),
        wrong=tuple(own(node) for node in wrong),
        findings=tuple(_finding(group, verdict, own) for group in groups),
        unknown={own(node): wrongly[node] for node in verdict.unknown},
        how={own(node): words for node, words in wrongly.items()},
        notes=tuple(dict.fromkeys(notes)), passed_over=passed_over,
        cut_short=verdict.cut_short, verdict=verdict,
    )  # fmt: skip


def _as_given(node: str) -> str:
    return "Y" if node == "T" else node.removesuffix("_new")


def _grouped(verdict: Verdict) -> list[list[Named]]:
    """Return what was named, one and the same mistake in several lines together."""
    groups: dict[str, list[Named]] = {}
    for named in verdict.named:
        groups.setdefault(named.mistake.name, []).append(named)
    return sorted(groups.values(), key=lambda g: min(NODES.index(n) for x in g for n in x.explains))


def _several(group: list[Named]) -> list[Mistake]:
    """Return the mistakes that give all that a group explains, what was named first at first."""
    first = group[0]
    common = set.intersection(*(named.names for named in group))
    return [first.mistake, *(m for m in first.or_else if m.name in common)]


def _told_apart(groups: list[list[Named]], terms: Terms) -> list[str]:
    """Return why mistakes give the same numbers, or what would tell them apart."""
    notes = []
    for group in groups:
        several = _several(group)
        nodes = {node for named in group for node in named.explains}
        if len(several) < 2:
            continue
        if why := why_alike(nodes, [m.name for m in several]):
            notes.append(f"no numbers tell these apart: {why}")
        elif told_by_sizes(several, terms, nodes):
            sizes = "-".join(map(str, OTHER_SIZES))
            notes.append(f"a probe of other sizes tells these apart: --probe DIR --sizes {sizes} "
                         f"--images {OTHER_IMAGES}")  # fmt: skip
    return notes


def _finding(group: list[Named], verdict: Verdict, own: Any) -> Finding:
    laid, several = verdict.laid, _several(group)
    arrays = sorted({n for named in group for n in named.explains}, key=NODES.index)
    certain = len(several) == 1  # of several nobody knows which line was written, nor where
    mistake = several[0]
    return Finding(
        names=tuple(m.name for m in several), arrays=tuple(own(node) for node in arrays),
        what=(mistake.what,) if certain else (),
        wrote=(own_way(mistake.line, laid),) if certain else (),
        write=(line_to_write(mistake, verdict.bench.terms, laid),) if certain else (),
        source=tuple(dict.fromkeys(m.origin for m in several)), certain=certain,
    )  # fmt: skip


def _notes(verdict: Verdict) -> list[str]:
    """Return which conventions were noticed, and what these numbers leave open."""
    bench, terms, laid = verdict.bench, verdict.bench.terms, verdict.laid
    given = set(bench.given)
    notes = [
        f"{laid.names.get(node, node)} is right by what {laid.names.get(by, by)} should be: it was "
        f"made before {laid.names.get(by, by)} was overwritten (in place, by a function)"
        for node, by in verdict.overwritten.items()
    ]
    if terms.activation != "relu":
        notes.append(f"{terms.activation.replace('_', ' ')} in the place of ReLU is taken as meant")
    if terms.output != "softmax":
        notes.append("sigmoid outputs in the place of softmax are taken as meant")
    stepped = any(node.endswith("_new") for node in given)
    gradients = {"dW1", "dW2", "db1", "db2"} & given
    if terms.share == "step" and gradients and not stepped:
        notes.append(
            "gradients are sums over the images: right if the step divides by N, otherwise this is "
            "the mistake (not divided)"
        )
    if terms.sign and not stepped:
        notes.append(
            "errors are target minus output: right if the step adds (+=), otherwise this is the "
            "mistake (step uphill)"
        )
    if bench.usual.relative >= HALF / 2 and any(g.relative == HALF for g in bench.grains.values()):
        notes.append("float16 has three digits: small steps are lost in it, take float32")
    alike = verdict.laid.inputs["W1"]
    if alike.shape[1] > 1 and not np.ptp(alike, axis=1).any():
        notes.append("all units of the first layer begin alike (weights alike): they stay alike")
    if laid.columns != (not laid.outwards) and {"W1", "dW1", "W1_new"} & given:
        notes.append("images lie one way and weights the other, which is as good")
    return notes
