"""Compare runs: which of them are laid side by side, their curves, and what differs in them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.table import table
from dashboard.present import comparing, run_words
from dashboard.present.comparing import Compared
from dashboard.present.curves import Mark, curve_text
from dashboard.present.outside import apart, shown
from dashboard.present.style import SERIES
from dashboard.runs.fields import rows
from dashboard.runs.lineage import turns
from dashboard.runs.run import Run
from dashboard.sections.curves import classes_of

MOST = len(SERIES)  # curves that colours can tell apart
ACROSS = {"Step": "step", "Epoch": "epoch", "Seconds": "seconds"}
TURNED = "Changed on the way"  # a sentence: too long for an axis
HOW = ("Accuracy, judged", "Loss, judged", "Steps", "Seconds")
_CHART_PX = 340


def choose(runs: Sequence[Run]) -> list[Run]:
    """Offer the runs of the visit; a new one joins them. Return those chosen, in their order."""
    by_id = {run.id: run for run in runs}
    known, before = state.get("compare.known", ()), state.widget_value("compare.runs") or []
    fresh = [id for id in by_id if id not in known]
    asked = [id for id in (*before, *fresh) if id in by_id][-MOST:]
    state.put("compare.known", tuple(by_id))
    state.set_widget("compare.runs", asked)
    names = dict(zip(by_id, apart([shown(run.name, 60) for run in runs]), strict=True))
    picked = st.multiselect(
        "Runs", list(by_id), key=state.widget("compare.runs", by_id), format_func=names.get,
        max_selections=MOST, placeholder="Choose up to eight runs",
    )  # fmt: skip
    return [run for run in runs if run.id in picked]


def across() -> str:
    """Offer what the curves go across."""
    state.set_widget("compare.across", "Step", over=False)
    said = st.segmented_control(
        "Curves by", list(ACROSS), key=state.widget("compare.across", ACROSS),
        help="Seconds are those that the engine was at work on a run, whatever else it trained "
        "meanwhile.",
    )  # fmt: skip
    return ACROSS.get(said or "Step", "step")


def race(chosen: Sequence[Run], x: str) -> None:
    """Show the curves of the runs on one chart for each metric, with what was changed where."""
    told = [(run.name, comparing.timed(run.history, run.spent)) for run in chosen]
    marks, classes = _marks(chosen, x), classes_of(chosen)
    for column, metric in zip(st.columns(2), ("accuracy", "loss"), strict=True):
        with column, st.container(border=True):
            st.markdown(f"**{metric.capitalize()}**")
            said = run_words.curve(told, metric, x, classes) + run_words.marks(marks, x)
            live_plot(
                curve_text(told, metric, x, marks, classes), key=f"compare.{metric}",
                height=_CHART_PX, label=said,
            )  # fmt: skip
    if x == "seconds" and any(len(run.spent) < len(run.history) for run in chosen):
        st.caption("Points of runs from before their seconds were kept are not drawn.")


def _marks(chosen: Sequence[Run], x: str) -> list[Mark]:
    """Return where runs turned, each once where a fork repeats what its parent did."""
    found: dict[tuple, Mark] = {}
    for i, run in enumerate(chosen):
        for step, words in turns(run.course):
            if (at := _place(run, step, x)) is not None:
                found.setdefault((step, words), (at, i, words))
    return list(found.values())


def _place(run: Run, step: int, x: str) -> float | None:
    """Return where a step lies on the axis; None where nobody knows yet."""
    if x == "step":
        return float(step)
    if x == "epoch":
        return run.config.images_after(step, run.data_count) / run.data_count
    return next((seconds for at, seconds in run.spent if at >= step), None)


def compared(chosen: Sequence[Run]) -> list[Compared]:
    """Return the runs as a table and a chart of many settings compare them."""
    names = apart([shown(run.name, 60) for run in chosen])
    return [_one(run, name, i) for i, (run, name) in enumerate(zip(chosen, names, strict=True))]


def _one(run: Run, name: str, place: int) -> Compared:
    settings, numbers = {}, {}
    for row in rows().values():
        value = getattr(run.recipe, row.name)
        settings[row.label] = row.say(value) or "–"
        if type(value) in (int, float):
            numbers[row.label] = float(value)
    settings["Data"] = shown(run.data_name, 60)
    if turned := turns(run.course):
        settings[TURNED] = "; ".join(f"{say} from step {at:,}" for at, say in turned)
    side = "train" if run_words.last(run.history.val_accuracy) is None else "val"
    reached = {
        HOW[0]: run_words.last(getattr(run.history, f"{side}_accuracy")),
        HOW[1]: run_words.last(getattr(run.history, f"{side}_loss")),
        HOW[2]: float(run.step),
        HOW[3]: run.progress.busy_s or None,
    }
    return Compared(name, settings, reached, numbers, place)


def differences(found: Sequence[Compared]) -> None:
    """Show what differs in the recipes of the runs, and what they reached, in any order."""
    st.header("What differs")
    columns = comparing.differing(found)
    order = ["Name", *columns, *HOW]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.selectbox("Sort by", order, index=order.index(HOW[0]), width=260)
        down = st.toggle("Largest first", value=True)
    runs = comparing.ordered(found, by, down=down)
    if not columns:
        st.caption("Their recipes are the same." if len(found) > 1 else "Choose a second run.")
    table(
        ["Run", *columns, *HOW],
        [
            [run.name, *(run.settings.get(one, "–") for one in columns)]
            + [comparing.words(one, run.reached[one]) for one in HOW]
            for run in runs
        ],
        "Runs: what differs in their recipes, and what they reached",
        wide=True,
    )
    st.caption(
        "Judged: on the validation images where there are any, else on those it learns from. "
        "Seconds: of the engine's work."
    )


def many(found: Sequence[Compared]) -> None:
    """Show every setting that differs, and what was reached, as a line for each run."""
    columns = [*(one for one in comparing.differing(found) if one != TURNED), *HOW[:2]]
    if len(found) < 2:
        return
    st.header("All at once")
    st.caption("An axis for each setting that differs; a line for each run.")
    with st.container(border=True):
        said = "; ".join(
            f"{run.name}: {comparing.words(HOW[0], run.reached[HOW[0]])}" for run in found
        )
        live_plot(
            comparing.lines(found, columns), key="compare.many", height=comparing.MANY_PX,
            label=f"Parallel coordinates of {', '.join(columns)}. {HOW[0]}: {said}. The table "
            "above has the same.",
        )  # fmt: skip
