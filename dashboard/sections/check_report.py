"""Check, the report: what is right by name, what is wrong first, and how it is written rightly."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.present import checking
from dashboard.present.outside import SHORT, plain
from dashboard.runs.fields import SOLUTIONS
from dashboard.sections import check_files
from nnengine.homework.checking import Finding
from nnengine.homework.formulas import NODES
from nnengine.homework.mistake import SOURCES

MOST_ASKED = 12
_MEANINGS = (*NODES[2:], "X", "Y", "W1", "b1", "W2", "b2", "rate")
_NOTHING = "none of these"


def report(held: check_files.Given) -> None:
    """Show what came of a check, or why it could not be made."""
    checked = held.checked
    if checked is None:
        with st.container(border=True):
            st.markdown("## Not checked yet")
            st.error(plain(held.fault))
            st.write(
                "What you gave is still here, beside this: replace one of the files by dropping it "
                f"again, or remove it. It is held to the probe of {plain(held.sizes)}."
            )
        return
    with st.container(border=True):
        st.markdown(f"## {plain(checking.headline(checked), SHORT)}")
        if checked.chain:
            st.html(checking.chain(checked))
        _in_short(checked)
    if state.hides(SOLUTIONS):
        _wrong(checked)
    else:
        for found in checked.findings:
            _finding(found)
        _unknown(checked)
        _effect(checked)
    _names(held, checked)


def _in_short(checked: checking.Checked) -> None:
    """Say what follows where nothing is wrong, and what was noticed."""
    if checked.first is None and checked.right:
        st.write(
            "No mistake was found in what you gave. If training still comes to nothing, look at "
            "the data, the rate and the loop around this step: a loss curve below tells more."
        )
    elif checked.first is None:
        st.write(
            "None of the names is known here. Call arrays Z1, A1, Z2, A2, dZ2, dW2 and so on, or "
            "say what they are."
        )
    if checked.first is not None and state.hides(SOLUTIONS):
        return  # what is noticed beside a mistake may name it
    for note in checked.notes:
        st.caption(plain(f"{note[:1].upper()}{note[1:]}."))


def _wrong(checked: checking.Checked) -> None:
    """Say how each array is wrong, and neither the mistake nor the line to write for it."""
    if not checked.how:
        return
    with st.container(border=True):
        st.markdown("## How it is wrong")
        _each(checked.how)
        st.caption(
            "Held to the line that makes it, by your own numbers before it. Which mistake it is, "
            "this link leaves for you to find."
        )


def _each(ways: Mapping[str, str]) -> None:
    """Say of each array in what way it is wrong."""
    for name, how in ways.items():
        st.markdown(f"**{plain(name, SHORT)}**: {plain(how)}.")


def _finding(found: Finding) -> None:
    """Show one mistake: its name, where it shows, and the two lines."""
    with st.container(border=True):
        st.markdown(f"## {plain(checking.heading(found))}")
        st.caption(f"Seen in {plain(', '.join(found.arrays), 200)}")
        for what in found.what:
            st.write(plain(f"{what[:1].upper()}{what[1:]}."))
        if found.write:
            st.html(checking.lines(found))
        if not found.certain:
            st.write(
                "These give the very same numbers here, so it is not said which line was written. "
                "More arrays of the step tell them apart."
            )
        if met := [source for source in found.source if source != SOURCES["own"]]:
            st.caption(f"Described in {plain(', '.join(met))}")


def _unknown(checked: checking.Checked) -> None:
    """Say what is wrong without a name, how, and no more than is known."""
    if not checked.unknown:
        return
    with st.container(border=True):
        st.markdown("## Wrong, without a name")
        _each(checked.unknown)
        if checked.cut_short:
            st.caption(
                "It was not looked for further: the time for one check had ended. In a smaller "
                "probe more is tried in it."
            )
        else:
            st.caption("No mistake that is known here gives these numbers.")


def _effect(checked: checking.Checked) -> None:
    """Show what the mistakes do to training, where they could be trained with."""
    if (curves := checking.effect(checked)) is None:  # the report above is there while it trains
        return
    with st.container(border=True):
        st.markdown("## What it does to training")
        sentence = checking.effect_words(*curves)
        st.write(plain(sentence))
        live_plot(
            checking.effect_chart(*curves), key="check.effect", height=280,
            label=f"Accuracy by step. {sentence}",
        )  # fmt: skip


def _names(held: check_files.Given, checked: checking.Checked) -> None:
    """Ask what unknown names mean, and let what was said be changed."""
    asked = list(dict.fromkeys((*held.names, *checked.passed_over)))[:MOST_ASKED]
    if not asked:
        return
    with st.expander(f"Names that are not known here ({len(asked)})", expanded=not checked.right):
        for index, own in enumerate(asked):
            known = held.names.get(own, _NOTHING)
            key = state.choice(f"check.name.{index}", (own, known))
            st.selectbox(
                f"What is {plain(own, SHORT)}?", (_NOTHING, *_MEANINGS),
                index=(_NOTHING, *_MEANINGS).index(known), key=key, on_change=_told,
                args=(index, own, key),
            )  # fmt: skip


def _told(index: int, own: str, key: str) -> None:
    meant = state.chosen(f"check.name.{index}", key)
    if meant is not None:
        check_files.tell(own, None if meant == _NOTHING else meant)
