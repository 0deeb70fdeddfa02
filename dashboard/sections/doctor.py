"""Doctor: what is wrong with the run in view, how that is known, and a run that mends it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present import glossary
from dashboard.present.outside import plain
from dashboard.runs.fields import rows
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from nnengine.analysis.doctor import Finding, examine
from nnengine.errors import EngineError

_KNOWN, _REFUSED = "doctor.known", "doctor.refused"


def doctor(run: Run) -> None:
    """Show what was found, the cause first; of a run without faults only once it has ended."""
    found = findings(run)
    if refused := state.get(_REFUSED):
        st.warning(plain(refused))
        state.put(_REFUSED, None)
    if found is None:
        return
    if not found:
        if run.state == "finished":
            st.caption(
                "The training doctor has looked at this run, its data and its layers, and found "
                "nothing wrong."
            )
        return
    with st.container(border=True, key="doctor"):
        _tell(run, found[0])
        if len(found) > 1:
            with st.expander(f"Found besides ({len(found) - 1})"):
                for finding in found[1:]:
                    st.markdown(f"{plain(finding.sentence)} {plain(finding.remedy)}")
                    _evidence(finding)


def findings(run: Run) -> list[Finding] | None:
    """Return what is wrong with a run as far as it has come; None where nothing was recorded.

    Asked anew only where there is a new measurement: most ticks bring none.
    """
    snapshot = run.snapshot
    record = snapshot.training[-1] if snapshot.training else {}
    if "signals" not in record or "history" not in record or not record["history"]["step"]:
        return None
    mark = run.id, record.get("outcome"), record["history"]["step"][-1], run.state
    known, found = state.get(_KNOWN, (None, None))
    if known != mark:
        try:
            found = examine(record)
        except EngineError:  # a record of another version's
            found = None
        state.put(_KNOWN, (mark, found))
    return found


def _tell(run: Run, finding: Finding) -> None:
    """Say the finding, its evidence and what helps, with a button that starts it."""
    st.markdown("## Training doctor", help=glossary.explained("Overfitting"))
    said(finding)
    recipe = changed(run, finding)
    if recipe is None:
        if not finding.change:
            st.page_link("views/data.py", label="Look at the data", icon=":material/database:")
        return
    st.button(
        "Start again with this change", key="doctor.start", on_click=_start, args=(run, recipe),
        type="primary", help="A new run from the same start and seed. This one stays.",
    )  # fmt: skip
    st.caption(plain(in_words(run.recipe, recipe)))


def said(finding: Finding) -> None:
    """Say a finding, what it is told by, and what helps."""
    st.markdown(f"**{plain(finding.sentence)}**")
    _evidence(finding)
    st.markdown(f"**What helps:** {plain(finding.remedy)}")


def _evidence(finding: Finding) -> None:
    st.markdown("\n".join(f"- {plain(figure)}" for figure in finding.evidence))


def changed(run: Run, finding: Finding) -> Recipe | None:
    """Return the run's recipe with the change, None where there is none."""
    if not finding.change:
        return None
    return Recipe.from_dict(run.recipe.as_dict() | dict(finding.change))


def in_words(before: Recipe, after: Recipe) -> str:
    """Return what is different: setting by setting, from what to what."""
    table = rows()
    pairs = ((row, getattr(before, name), getattr(after, name)) for name, row in table.items())
    said = [f"{row.label}: {row.say(a)} → {row.say(b)}" for row, a, b in pairs if a != b]
    return "; ".join(said) + ". The rest stays."


def differing(before: Recipe, after: Recipe) -> dict[str, Any]:
    """Return the settings of `after` that are other than before, as a fork takes them."""
    other = {name: getattr(after, name) for name in rows()}
    return {name: one for name, one in other.items() if one != getattr(before, name)}


def _start(run: Run, recipe: Recipe) -> None:
    """Fork the run at its start; where its data are gone the page says so."""
    try:
        state.fork_run(run, 0, differing(run.recipe, recipe), name=f"{run.name}, mended")
    except EngineError as fault:
        state.put(_REFUSED, str(fault))
