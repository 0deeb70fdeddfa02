"""Train: a recipe, a run, and its curves while it learns."""

from __future__ import annotations

import time

import plotly.graph_objects as go
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.host.tab import IN_TAB
from dashboard.present import figures
from dashboard.present.units import plain
from dashboard.runs.estimate import compact, in_words
from dashboard.runs.scheduler import Run
from dashboard.sections import live, recipe_form, sharing
from dashboard.sections.run_list import run_list

TICK_S = 0.5
TILE_PX = 156  # two in a row on a phone
NEWS_S = 0.15  # from drawing what ticks until the browser shows it
_SEEN = "train.seen"  # the situation that was drawn last, and since when
BADGES = {
    "waiting": ("Waiting", "gray"),
    "running": ("Running", "green"),
    "paused": ("Paused", "orange"),
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
        label, colour = BADGES[run.state]
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


def act(command, run: Run) -> None:
    """Carry out a command; what the server refuses is shown beneath the buttons."""
    try:
        command(run)
    except state.Refused as fault:
        state.put("train.refused", str(fault))


def messages(run: Run) -> None:
    """Say why the run is as it is, where that needs words."""
    if refused := state.get("train.refused"):
        st.warning(refused)
        state.put("train.refused", None)
    if run.state == "waiting" and not state.scheduler().warm and not IN_TAB:
        st.info(
            "Preparing the compiled kernels. The first time on a machine this takes some ten "
            "seconds; the run starts by itself."
        )
    elif run.state in ("diverged", "failed"):
        st.error(f"{run.message} The last good weights are kept.")
    elif run.message:
        st.info(run.message)


def metrics(run: Run) -> None:
    """Show accuracy, loss, speed and time left."""
    history, now = run.history, run.progress
    side = "train" if _last(history.val_accuracy) is None else "val"
    words = {"train": "training", "val": "validation"}[side]
    accuracy = _last(getattr(history, f"{side}_accuracy"))
    loss = _last(getattr(history, f"{side}_loss"))
    speed = compact(now.images_per_s) if now.images_per_s else "–"
    if run.ended:
        time_label, time_text = "Time taken", in_words(now.seconds)
    else:
        time_label = "Time left"
        time_text = in_words(now.seconds_left) if now.seconds_left else "–"
    with st.container(horizontal=True, gap="small", key="metrics"):
        for label, value in (
            (f"Accuracy, {words}", _percent(accuracy)),
            (f"Loss, {words}", "–" if loss is None else f"{loss:.4f}"),
            ("Images a second", speed),
            (time_label, time_text),
        ):
            st.metric(label, value, border=True, width=TILE_PX)


def charts(shown: list[Run]) -> None:
    """Draw accuracy and loss of the runs, side by side where there is room."""
    for column, metric in zip(st.columns(2), ("accuracy", "loss"), strict=True):
        with column, st.container(border=True):
            st.markdown(f"**{metric.capitalize()}**")
            live_plot(
                curve(shown, metric),
                key=f"curve.{metric}",
                height=320,
                label=_curve_label(shown, metric),
            )


def curve(shown: list[Run], metric: str) -> go.Figure:
    """Return the chart of one metric; the last one again where no curve has grown.

    Building a figure takes 7 ms of the interpreter, and most ticks bring no new point.
    """
    curves = [(run.name, run.history) for run in shown]
    drawn, figure = state.get(f"train.figure.{metric}", ([], None))
    same = len(drawn) == len(curves) and all(
        name == known and history is seen
        for (name, history), (known, seen) in zip(curves, drawn, strict=True)
    )
    if figure is None or not same:
        figure = figures.curves(curves, metric)
        state.put(f"train.figure.{metric}", (curves, figure))
    return figure


def progress(run: Run) -> None:
    """Show how far the run is, in steps, epochs and time."""
    now = run.progress
    share = now.step / now.total_steps if now.total_steps else 0.0
    parts = [f"Step {now.step:,} of {now.total_steps:,}"]
    if run.recipe.batch_size is not None:  # in full batch every step is an epoch
        parts.append(f"epoch {now.epoch:.1f}")
    if now.seconds:
        parts.append(in_words(now.seconds))
    st.progress(min(share, 1.0), text=" · ".join(parts))


def cost(run: Run) -> None:
    """Say what the run costs: who computes, on how much, how the images are read."""
    record = run.snapshot.training[-1] if run.snapshot.training else {}
    if "cost" in record and run.progress.step:
        now = run.progress
        share = min(now.busy_s / now.seconds, 1.0) if now.busy_s else None
        st.caption(_cost_words(record["cost"], record["data"], share))


def _cost_words(cost: dict, data: dict, share: float | None) -> str:
    threads = f"up to {cost['threads']} threads" if cost["threads"] > 1 else "one thread"
    by = {"wasm": "WebAssembly"}.get(cost["kernels"], cost["kernels"])
    return (
        f"Computed by {by} kernels on {threads}; {cost['outside_kernels']:.0%} of the "
        f"time outside them. Images are read {data['path']}: {data['density']:.0%} of the pixels "
        "are not zero."
        + ("" if share is None else f" The engine was at work on this run {share:.0%} of the time.")
    )


def preparing() -> None:
    """Say that the compiler is at work, as long as it is."""
    if not state.scheduler().warm:
        st.info(
            "The kernels are being compiled in the background, some ten seconds the first time on "
            "a machine. You can start a run now: it begins by itself."
        )


def _curve_label(shown: list[Run], metric: str) -> str:
    parts = []
    for run in shown:
        for side, words in (("train", "training"), ("val", "validation")):
            value = _last(getattr(run.history, f"{side}_{metric}"))
            if value is not None:
                number = _percent(value) if metric == "accuracy" else f"{value:.4f}"
                parts.append(f"{run.name}, {words}: {number}")
    return f"{metric.capitalize()} by step. " + ("; ".join(parts) or "No points yet") + "."


def _last(values: list) -> float | None:
    return values[-1] if values else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def situation() -> tuple:
    """Return what, when it changes, means that the whole page has to be drawn anew."""
    run = state.current_run()
    return (run and run.id, state.scheduler().warm, tuple(r.state for r in state.runs()))


def live_panel(drawn: tuple, ticks: bool) -> None:
    """The part of the page that ticks.

    Where the situation has changed the whole page follows. In a tab that takes 0.2 s and more, in
    which nothing is seen: what ticks is drawn by itself first, and the rest a tick later.
    """
    now = situation()
    news = _is_news(now)
    if now != drawn and not (IN_TAB and ticks and news):
        st.rerun()
    run = state.current_run()
    others = [r for r in state.runs() if r is not run and state.get(f"train.over.{r.id}")]
    header(run)
    messages(run)
    metrics(run)
    progress(run)
    cost(run)
    charts([run, *others])


def _is_news(now: tuple) -> bool:
    """Return whether the situation is one that the browser may not have been shown yet."""
    seen, since_s = state.get(_SEEN, (None, 0.0))
    if seen != now:
        since_s = time.monotonic()
        state.put(_SEEN, (now, since_s))
    return time.monotonic() - since_s < NEWS_S


def main() -> None:
    """Draw the page: the empty state, or run, recipe and earlier runs."""
    run, data = state.current_run(), state.training_set()
    if run is None and data is None:
        empty()
        return
    left, right = st.columns([5, 2], gap="medium")
    with left:
        if run is None:
            if not IN_TAB and not state.scheduler().warm:  # a tab's are compiled when it is made
                st.fragment(preparing, run_every=TICK_S)()
            what_happens()
        else:
            learning = any(r.live for r in state.runs())
            live.part(live_panel, TICK_S if learning else None)(situation(), learning)
            run_list(run)
    with right:
        recipe_form.recipe_form(data)
        if data is not None:
            sharing.share_recipe(recipe_form.recipe_or_none())


def empty() -> None:
    """Lead to the Data page, or take the built-in digits."""
    with st.container(border=True):
        st.markdown("## No training data yet")
        st.write(
            "A network learns from images with their labels, and your files hold none that can be "
            "used yet. The Data page says why; the built-in digits need no file."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Use the built-in digits", type="primary", key="use.digits",
                on_click=state.use_source, args=(state.BUILT_IN,),
            )  # fmt: skip
            st.page_link("views/data.py", label="Choose data", icon=":material/database:")


def what_happens() -> None:
    """Say what Start will show, while there is no run to show."""
    with st.container(border=True):
        st.markdown("## What you will see")
        st.write(
            "Choose a recipe and start it. Accuracy and loss appear here while the network learns. "
            "You can pause, go step by step, look at the weights on another page, and come back: "
            "the run goes on."
        )


st.title("Train", anchor=False)
recipe_form.remedy()
main()
