"""Run panel: the run in view, what it has reached, and the commands that act on it now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard import state
from dashboard.components.board import board
from dashboard.host.tab import IN_TAB
from dashboard.present import run_words
from dashboard.present.outside import plain, shown
from dashboard.runs.estimate import compact, in_words
from dashboard.runs.fields import rows
from dashboard.runs.run import LIVE, Run
from dashboard.sections import curves
from nnengine import kernels

BADGES = {
    "waiting": ("Waiting", "gray"),
    "running": ("Running", "green"),
    "paused": ("Paused", "orange"),
    "interrupted": ("Interrupted", "orange"),
    "finished": ("Finished", "blue"),
    "stopped": ("Stopped", "gray"),
    "diverged": ("Diverged", "red"),
    "failed": ("Failed", "red"),
}


def header(run: Run) -> None:
    """Show the run's name and state, and the commands that act on it now."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        label, colour = BADGES[run.shown_state]
        st.markdown(f"## {plain(run.name)} :{colour}-badge[{label}]", width="content")
        if not run.ended:
            with st.container(horizontal=True, width="content", gap="small"):
                commands(run)


def commands(run: Run) -> None:
    """Offer Pause or Resume, Step and Stop."""
    engine = state.scheduler()
    if run.state == "paused":
        st.button("Resume", on_click=act, args=(engine.resume, run), type="primary", key="resume")
    else:
        st.button("Pause", on_click=act, args=(engine.pause, run), key="pause")
    st.button(
        "Step", on_click=act, args=(engine.step, run), key="step",
        help="One step of the optimizer, then pause.",
    )  # fmt: skip
    st.button(
        "Stop", on_click=act, args=(engine.stop, run), key="stop",
        help="End this run for good. Its weights and curves stay.",
    )  # fmt: skip
    rate(run)


def rate(run: Run) -> None:
    """Offer another learning rate from here on."""
    with st.popover("Rate", help="Change the learning rate from the next step on."):
        row = rows(state.bounds())["learning_rate"]
        least, most, now = row.kind.least, row.kind.most, run.recipe.learning_rate
        asked = st.number_input(
            row.label, least, most, value=now, step=now / 10, format="%g",
            key=f"rate.{run.id}.{len(run.course)}",
        )  # fmt: skip
        if run.recipe.schedule != "constant":
            said = rows()["schedule"].say(run.recipe.schedule).lower()
            st.caption(f"The rest of the run {said}, as if it had begun with this rate.")
        st.button(
            "From here on", key="rate.change", on_click=act, width="stretch",
            args=(lambda one: state.scheduler().change_rate(one, asked), run),
        )  # fmt: skip


def act(command: Callable[[Run], None], run: Run) -> None:
    """Carry out a command; what the server refuses is shown beneath the buttons."""
    try:
        command(run)
    except state.Refused as fault:
        state.put("train.refused", str(fault))


def messages(run: Run) -> None:
    """Say why the run is as it is, where that needs words."""
    if refused := state.get("train.refused"):
        st.warning(plain(refused))
        state.put("train.refused", None)
    if run.state == "waiting" and not state.scheduler().warm and not IN_TAB:
        st.info(
            "Preparing the compiled kernels. The first time on a machine this takes some ten "
            "seconds; the run starts by itself."
        )
    elif run.state in ("diverged", "failed"):
        st.error(f"{plain(run.message)} The last good weights are kept.")
    elif run.message:
        st.info(plain(run.message))


def numbers(run: Run, others: Sequence[Run]) -> None:
    """Show what the run has reached, how far it is and what it costs, and the curves."""
    board(
        turns=_turns(run),
        numbers=_metrics(run),
        share=_share(run),
        steps=_steps(run),
        heard=_heard(run),
        notes=_cost(run),
        charts=curves.charts([run, *others]),
        key="board",
    )


def _heard(run: Run) -> str:
    """Return how the run stands, for who does not see its badge; at its end what it came to."""
    said = f"{shown(run.name)}: {BADGES[run.shown_state][0]}."
    if not run.ended:
        return said
    return said + "".join(f" {label}: {value}." for label, value in _metrics(run)[:2])


def _turns(run: Run) -> tuple[str, str] | None:
    """Return a run's place in line, or that it has its turns, while there is a line."""
    engine = state.scheduler()
    if run.state not in LIVE or not engine.warm:
        return None
    others, own = engine.sharers(run.owner)
    visitors, places = others + 1, state.bounds().active_runs
    return run_words.turns(engine.waits(run), visitors=visitors, places=places, others=own - 1)


def _metrics(run: Run) -> list[tuple[str, str]]:
    """Return accuracy, loss, speed and time left."""
    history, now = run.history, run.progress
    side = "train" if run_words.last(history.val_accuracy) is None else "val"
    words = {"train": "training", "val": "validation"}[side]
    accuracy = run_words.last(getattr(history, f"{side}_accuracy"))
    loss = run_words.last(getattr(history, f"{side}_loss"))
    speed = compact(now.images_per_s) if now.images_per_s else "–"
    if run.ended:
        time_label, time_text = "Time taken", in_words(now.seconds)
    else:
        time_label = "Time left"
        time_text = in_words(now.seconds_left) if now.seconds_left else "–"
    return [
        (f"Accuracy, {words}", run_words.percent(accuracy)),
        (f"Loss, {words}", "–" if loss is None else f"{loss:.4f}"),
        ("Images a second", speed),
        (time_label, time_text),
    ]


def _share(run: Run) -> float:
    now = run.progress
    return min(now.step / now.total_steps, 1.0) if now.total_steps else 0.0


def _steps(run: Run) -> str:
    """Return how far the run is, in steps, epochs and time."""
    now = run.progress
    parts = [f"Step {now.step:,} of {now.total_steps:,}"]
    if run.recipe.batch_size is not None:  # in full batch every step is an epoch
        parts.append(f"epoch {now.epoch:.1f}")
    if now.seconds:
        parts.append(in_words(now.seconds))
    return " · ".join(parts)


def _cost(run: Run) -> list[str]:
    """Return what the run costs: who computes, on how much, how the images are read."""
    record = run.snapshot.training[-1] if run.snapshot.training else {}
    if "cost" not in record or not run.progress.step:
        return []
    now = run.progress
    share = min(now.busy_s / now.seconds, 1.0) if now.busy_s else None
    cost = run_words.cost(record["cost"], record["data"], share)
    return [text for text in (cost, kernels.remark()) if text]


def preparing() -> None:
    """Say that the compiler is at work, as long as it is."""
    if not state.scheduler().warm:
        st.info(
            "The kernels are being compiled in the background, some ten seconds the first time on "
            "a machine. You can start a run now: it begins by itself. " + plain(kernels.remark())
        )
