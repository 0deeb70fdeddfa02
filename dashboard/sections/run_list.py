"""Run list: the runs of a visit, to compare, rename, download and delete."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import units
from dashboard.present.outside import file_name, plain
from dashboard.runs.scheduler import Run
from dashboard.sections.saving import nnm_refusal
from nnengine.storage import modelfile


def run_list(current: Run) -> None:
    """List every run of the visit, latest first; the current one carries no tick."""
    runs = state.runs()
    st.markdown("## Runs of this visit")
    for run in reversed(runs):
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", key=f"row.{run.id}"
        ):
            _row(run, run is current)


def _row(run: Run, is_current: bool) -> None:
    with st.container(width="stretch"):
        st.markdown(f"**{plain(run.name)}**{' · shown' if is_current else ''}  \n{_facts(run)}")
    if not is_current:
        st.checkbox(
            "Lay over the chart", value=state.get(f"train.over.{run.id}", False),
            key=f"over.{run.id}", on_change=_overlay, args=(run.id,),
        )  # fmt: skip
        key = state.key_of(run)
        st.button("Show", key=f"show.{run.id}", on_click=state.choose_network, args=(key,))
    with st.popover("Rename, save, delete", key=f"more.{run.id}"):
        _actions(run)


def _facts(run: Run) -> str:
    shape = units.layers_in_words(run.snapshot)
    judged = run.history.val_accuracy or run.history.train_accuracy
    known = judged and judged[-1] is not None and not run.live  # a live one is told above
    score = f"{100 * judged[-1]:.2f} %" if known else run.shown_state
    return f"{shape} · {run.recipe.in_words()} · {score}"


def _overlay(run_id: str) -> None:
    state.put(f"train.over.{run_id}", not state.get(f"train.over.{run_id}", False))


def _actions(run: Run) -> None:
    state.set_widget(f"name.{run.id}", run.name, over=False)
    st.text_input(
        "Name", key=state.widget(f"name.{run.id}"), max_chars=60, on_change=_rename, args=(run,)
    )
    name, network = file_name(run.name), run.snapshot
    st.download_button(
        "Model (.npz)", lambda: modelfile.to_bytes(run.snapshot, "npz"), f"{name}.npz",
        key=f"npz.{run.id}", on_click="ignore", width="stretch",
    )  # fmt: skip
    refusal = nnm_refusal(network)
    st.download_button(
        "Model (.nnm)", lambda: modelfile.to_bytes(run.snapshot, "nnm"), f"{name}.nnm",
        key=f"nnm.{run.id}", on_click="ignore", width="stretch", disabled=bool(refusal),
        help=plain(refusal) or None,
    )  # fmt: skip
    st.download_button(
        "Curves (.csv)", lambda: run.history.to_csv().encode(), f"{name}.csv", "text/csv",
        key=f"csv.{run.id}", on_click="ignore", width="stretch",
    )  # fmt: skip
    st.button(
        "Delete this run", key=f"delete.{run.id}", on_click=state.let_go, args=(state.key_of(run),),
        width="stretch",
    )  # fmt: skip


def _rename(run: Run) -> None:
    state.rename_network(state.key_of(run), state.widget_value(f"name.{run.id}"))
