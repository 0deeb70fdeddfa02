"""Checking: a report on somebody's own network as rows of arrays, lines of code, and a curve."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.present.outside import html
from dashboard.present.style import SERIES, axis, layout
from dashboard.present.words import share
from nnengine.homework import handing, lessons
from nnengine.homework.checking import Finding, Report
from nnengine.homework.formulas import NODES, Terms
from nnengine.homework.mistake import Mistake
from nnengine.homework.probe import Probe

RIGHT, FIRST, WRONG = "right", "wrong first", "wrong"
_PARTS = {
    "Start": ("X", "T"),
    "Forward": ("Z1", "A1", "Z2", "A2", "loss"),
    "Backward": ("dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"),
    "Step": ("W1_new", "b1_new", "W2_new", "b2_new"),
}
_SIGNS = {RIGHT: "✓", FIRST: "×", WRONG: "×"}
# Marks are told by their signs and words; colours only help, and text keeps the page's own.
_STYLE = """<style>
dl.nn-chain, dl.nn-lines { margin: 0; padding: 0; }
.nn-chain { display: grid; grid-template-columns: max-content 1fr; gap: .5rem .9rem;
  align-items: baseline; }
.nn-chain dt { font-weight: 600; font-size: .875rem; }
.nn-chain dd { margin: 0; display: flex; flex-wrap: wrap; gap: .35rem; min-width: 0; }
.nn-chain span { border: 1px solid; border-radius: 1rem; padding: .05rem .6rem;
  font-size: .875rem; overflow-wrap: anywhere; max-width: 100%; }
.nn-chain .ok { border-color: #4f9a4f; background: color-mix(in srgb, #4f9a4f 14%, transparent); }
.nn-chain .no { border-color: #d0556a; background: color-mix(in srgb, #d0556a 16%, transparent); }
.nn-chain .first { border-width: 2px; font-weight: 600; }
.nn-lines { display: grid; gap: .15rem; }
.nn-lines dt { font-size: .875rem; margin-top: .35rem; }
.nn-lines dd { margin: 0; padding: .5rem .75rem; border-left: 3px solid; border-radius: .25rem;
  font: .875rem/1.5 "Source Code Pro", ui-monospace, monospace; overflow-wrap: anywhere;
  white-space: pre-wrap; }
.nn-lines .no { border-color: #d0556a; background: color-mix(in srgb, #d0556a 12%, transparent); }
.nn-lines .ok { border-color: #4f9a4f; background: color-mix(in srgb, #4f9a4f 12%, transparent); }
</style>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a page keeps of a check: words and curves, none of the arrays.

    chain: the learner's names for arrays, each with its mark, by the part of a step it belongs to.
    how: in what way each wrong array is wrong. mistakes, terms: with what a network is trained to
    see what they do; no mistakes where they are not certain.
    """

    chain: Mapping[str, Sequence[tuple[str, str]]]
    right: int
    first: str | None
    findings: tuple[Finding, ...]
    unknown: Mapping[str, str]
    how: Mapping[str, str]
    notes: tuple[str, ...]
    passed_over: tuple[str, ...]
    cut_short: bool
    mistakes: tuple[Mistake, ...]
    terms: Terms


def of(report: Report) -> Checked:
    """Return what a page shows of a report."""
    verdict = report.verdict
    certain = all(found.certain for found in report.findings)
    return Checked(
        chain=_chain(report), right=len(report.right), first=report.first_wrong,
        findings=report.findings, unknown=report.unknown, how=report.how, notes=report.notes,
        passed_over=report.passed_over, cut_short=report.cut_short,
        mistakes=tuple(one.mistake for one in verdict.named) if certain else (),
        terms=verdict.bench.terms,
    )  # fmt: skip


def _chain(report: Report) -> dict[str, list[tuple[str, str]]]:
    bench = report.verdict.bench
    named = report.verdict.laid.names
    given = {n: named.get(n) or named.get("Y" if n == "T" else n.removesuffix("_new")) or n
             for n in (*bench.right, *bench.wrong)}  # fmt: skip
    nodes = {name: node for node, name in given.items()}
    marks = dict.fromkeys(report.right, RIGHT) | dict.fromkeys(report.wrong, WRONG)
    if report.first_wrong is not None:
        marks[report.first_wrong] = FIRST
    placed = sorted(marks, key=lambda name: NODES.index(nodes[name]) if name in nodes else -1)
    parts = {node: part for part, nodes in _PARTS.items() for node in nodes}
    chain: dict[str, list[tuple[str, str]]] = {part: [] for part in _PARTS}
    for name in placed:
        chain[parts.get(nodes.get(name, "X"), "Start")].append((name, marks[name]))
    return {part: names for part, names in chain.items() if names}


def effect(checked: Checked) -> tuple[lessons.Curves, lessons.Curves] | None:
    """Train with the mistakes and without; None where a mistake is not certain or cannot be."""
    if not checked.mistakes:
        return None
    wrong, right = lessons.effect_of(checked.mistakes, checked.terms)
    return (wrong, right) if wrong.accuracy else None


def chain(checked: Checked) -> str:
    """Return HTML: every array that was given, in the order of a step, with its mark."""
    rows = []
    for part, names in checked.chain.items():
        spans = "".join(map(_array, names))
        rows.append(f"<dt>{part}</dt><dd>{spans}</dd>")
    return f'{_STYLE}<dl class="nn-chain">{"".join(rows)}</dl>'


def _array(named: tuple[str, str]) -> str:
    name, mark = named
    kind = {RIGHT: "ok", FIRST: "no first", WRONG: "no"}[mark]
    word = "" if mark == RIGHT else f" · {mark}"
    return f'<span class="{kind}">{_SIGNS[mark]} {html(name, 40)}{word}</span>'


def lines(found: Finding) -> str:
    """Return HTML: the line that gives a learner's numbers, and the one to write for it."""
    pairs = [("This line gives your numbers", "no", line) for line in found.wrote]
    pairs += [("Write", "ok", line) for line in found.write]
    rows = [f'<dt>{what}</dt><dd class="{kind}">{_code(line)}</dd>' for what, kind, line in pairs]
    return f'{_STYLE}<dl class="nn-lines">{"".join(rows)}</dl>'


def _code(line: str) -> str:
    return "\n".join(map(html, line.split("; ")))


def heading(found: Finding) -> str:
    """Return the name of a mistake, or of several that cannot be told apart, as a heading."""
    names = [name.replace("_", " ") for name in found.names]
    said = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return said[:1].upper() + said[1:]


def headline(checked: Checked) -> str:
    """Return what came of a check in one short line."""
    if checked.first is not None:
        return f"{checked.first} is the first array that is wrong"
    if not checked.right:
        return "There was nothing to judge"
    return "Right" if checked.right == 1 else f"All {checked.right} arrays are right"


def effect_words(wrong: lessons.Curves, right: lessons.Curves) -> str:
    """Return what a mistake does to training, in a sentence."""
    steps, ended = len(right.accuracy), len(wrong.accuracy)
    rightly, wrongly = share(right.accuracy[-1]), share(wrong.accuracy[-1])
    said = f"Trained here on 100 built-in digits: after {steps} steps {rightly} are read rightly"
    if ended == steps:
        return f"{said}, with the mistake {wrongly}."
    return (
        f"{said}. With the mistake it ends at step {ended}, at {wrongly}: the weights are no "
        "numbers then, or fit no longer."
    )


def effect_chart(wrong: lessons.Curves, right: lessons.Curves) -> str:
    """Return the accuracy before each step, with a mistake and without, as `live_plot` draws it."""
    traces = []
    for name, curves, colour, dash in (
        ("without the mistake", right, SERIES[0], "solid"), ("with it", wrong, SERIES[1], "dash"),
    ):  # fmt: skip
        traces.append({
            "type": "scatter", "name": name, "y": list(curves.accuracy),
            "x": list(range(1, len(curves.accuracy) + 1)),
            "mode": "lines" if len(curves.accuracy) > 1 else "markers",
            "line": {"color": colour, "width": 2, "dash": dash}, "marker": {"color": colour},
            "hovertemplate": f"{name} %{{y:.0%}}<extra></extra>",
        })  # fmt: skip
    frame = layout(
        xaxis=axis("Step", rangemode="tozero"),
        yaxis=axis("Accuracy", tickformat=".0%", range=[0, 1.04]),
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified", uirevision="check",
    )  # fmt: skip
    return json.dumps({"data": traces, "layout": frame})


def sheet(probe: Probe, *, columns: bool) -> list[list[str]]:
    """Return the rows of a probe's sheet: array, formula, shape; columns: images are columns."""
    table = [line for line in handing.sheet(probe).splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    kept = (0, 1, 2) if columns else (0, 3, 4)
    rows = [[row[at] for at in kept] for row in cells]
    return [
        [name, formula.replace("the same", cells[n][1], 1), shape]
        for n, (name, formula, shape) in enumerate(rows)
    ]
