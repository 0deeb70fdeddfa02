"""Compare change: a run once more with one thing changed, from its start or from any step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present.outside import plain
from dashboard.runs.estimate import in_words
from dashboard.runs.fields import rows
from dashboard.runs.fork import AT_START, fork
from dashboard.runs.lineage import recipe_at
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from nnengine.errors import EngineError
from nnengine.training.kinds import Choice, Number, Whole
from nnengine.training.settings import Row

NOTHING = "Nothing: the same again"


def again(runs: Sequence[Run]) -> None:
    """List the runs, latest first; each can be run again with one change."""
    st.header("Once more, with one change")
    st.caption(
        "From step 0 a run begins anew, from the same start. From a later one it has the same "
        "weights, the same memory of the optimizer and the same shuffles, and one thing is other."
    )
    if refused := state.get("compare.refused"):
        st.warning(plain(refused))
        state.put("compare.refused", None)
    for run in reversed(runs):
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", key=f"again.{run.id}"
        ):
            with st.container(width="stretch"):
                st.markdown(f"**{plain(run.name)}**  \n{plain(_from(run))}")
            with st.popover("One change", key=f"change.{run.id}"):
                _form(run)


def _from(run: Run) -> str:
    """Return what a run came from, or what its recipe is."""
    if run.origin is None:
        return run.recipe.in_words()
    changes = [
        f"{rows()[name].label.lower()} {was or 'none'} → {came or 'none'}"
        for name, (was, came) in run.origin.changes.items()
        if name in rows()
    ]
    place = f"from step {run.origin.step:,}" if run.origin.step else "from the start"
    return f"{', '.join(changes) or 'Nothing changed'}, {place} of {run.origin.name}"


def _form(run: Run) -> None:
    step = int(
        st.number_input(
            "From step",
            0,
            max(run.step, 0),
            value=0,
            key=f"change.step.{run.id}",
            help="0: from the same start. A later step: a fork.",
        )
    )
    before = recipe_at(run.course, step)
    offered = {row.label: row for row in rows(state.bounds()).values() if _acts(row, before, step)}
    first = list(offered).index("Learning rate") + 1
    label = st.selectbox(
        "What changes", [NOTHING, *offered], index=first, key=f"change.what.{run.id}.{step > 0}"
    )
    row, changes = offered.get(label), {}
    try:
        if row is not None:
            changes[row.name] = _value(row, getattr(before, row.name), run, step)
        st.caption(_replay(run, step, changes))
        fault = None
    except EngineError as refusal:
        fault = str(refusal)
        st.error(plain(fault))
    if st.button("Start", type="primary", key=f"change.start.{run.id}", disabled=bool(fault)):
        _start(run, step, changes)


def _acts(row: Row, before: Recipe, step: int) -> bool:
    """Return whether a setting can be other from a step on, and has something to act on."""
    if (step and row.name in AT_START) or (row.either and getattr(before, row.name) is None):
        return False
    return not row.when or getattr(before, row.when[0]) in row.when[1]


def _value(row: Row, before: Any, run: Run, step: int) -> Any:
    """Offer a field for a setting, filled with what it is; raises ConfigError out of bounds."""
    key, kind = f"change.value.{run.id}.{row.name}.{step > 0}", row.kind
    if isinstance(kind, Choice):
        options = list(kind.labels)
        at = options.index(before) if before in options else 0
        return st.selectbox(row.label, options, at, format_func=row.say, key=key)
    if isinstance(kind, Number):
        most = kind.most if math.isfinite(kind.most) else None
        small = min(kind.step or 0.01, abs(before) / 10 or 0.01)
        return float(
            st.number_input(row.label, kind.least, most, float(before), small, "%g", key=key)
        )
    if isinstance(kind, Whole) and before is not None and not row.none:
        return int(st.number_input(row.label, kind.least, kind.most, int(before), key=key))
    return row.ask(st.text_input(row.label, row.write(before), key=key, help=row.help))


def _replay(run: Run, step: int, changes: dict[str, Any]) -> str:
    """Return how long it takes until something is other; raises ConfigError for what cannot be."""
    plan = fork(run, step, changes)
    if not step:
        return "A new run, from the same start."
    busy_s = run.progress.busy_s * plan.replayed / run.step if run.step else 0.0
    return f"{plan.replayed:,} steps are replayed first, about {in_words(busy_s)} of work."


def _start(run: Run, step: int, changes: dict[str, Any]) -> None:
    try:
        state.fork_run(run, step, changes)
    except state.Refused as fault:
        state.put("compare.refused", str(fault))
    st.rerun()
