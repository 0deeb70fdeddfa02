"""Kept here: what outlasts a visit, in a tab's browser or on a server, and the way to clear it."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.table import table
from dashboard.host.tab import IN_TAB
from dashboard.present import words
from dashboard.present.outside import plain

_READ = "kept.read"


def welcome_back() -> None:
    """Say once what came back from the last time, and what could not be read."""
    found = state.came_back()
    if found is None:
        return
    kept, lost = found
    if not kept.nothing:
        st.info(f"Here again, as you left it: {in_words(kept)}. This browser kept it for you.")
    if lost:
        st.warning(
            f"{lost} of the things this browser kept could not be read and were left out: "
            "the storage was damaged."
        )


def in_words(kept) -> str:
    """Return what is kept as a list in words."""
    counts = (
        (kept.runs, "run"),
        (kept.finetuned, "taught network"),
        (kept.restored, "restored network"),
        (kept.drawings, "drawing"),
        (kept.files, "file"),
    )
    return ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counts if n) or "nothing"


def not_kept() -> None:
    """Say why runs are not kept on this server, until that is read."""
    fault = None if IN_TAB else state.why_not()
    if fault is None or fault == state.get(_READ):
        return
    with st.container(border=True):
        st.warning(f"Your runs go on in memory and are not kept: {plain(fault)}.")
        st.button("I have read this", key="kept.read", on_click=state.put, args=(_READ, fault))


def not_there() -> None:
    """Say which data a visit lacks that came back without them, until others are chosen."""
    said = state.lacking()
    if said is None:
        return
    with st.container(border=True, key="kept.lacks"):
        st.warning(plain(said))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link("views/data.py", label="Choose data", icon=":material/database:")
            st.button("Go on without it", key="kept.without", on_click=state.do_without)


def line() -> None:
    """Say beneath every page what is kept, and let it be deleted."""
    if not IN_TAB:
        _line_of_server()
        return
    kept = state.what_is_kept()
    if kept is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="kept.here"):
        st.caption(sentence(kept), width="content")
        if not kept.nothing:
            _delete_it_all(
                "Runs, networks you taught, your drawings and files are deleted from this browser."
            )


def retention() -> str:
    """Return what a server keeps on its disk, how long and within what, in a sentence or two."""
    bounds = state.bounds()
    if not state.keeps_runs():
        return "It writes nothing of it to its disk."
    return (
        "Your runs, and your images as long as a run on them has not ended, are kept on its disk "
        f"too, for {bounds.kept_days} days after your last visit and within {bounds.kept_mb:,} "
        "MB for all visitors: the address of a run is the key to it. A line beneath every page "
        "has them deleted."
    )


def _line_of_server() -> None:
    days = state.kept_days()
    if days is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="kept.here"):
        st.caption(
            f"Your runs are kept on this server's disk for {plain(str(days))} days after your "
            "last visit; the address of this page leads back to them.",
            width="content",
        )
        _delete_it_all(
            "Your runs, and the data kept for them, are deleted from this server, and so is all "
            "else that it holds for you."
        )


def _delete_it_all(what: str) -> None:
    with st.popover("Delete it all", type="tertiary"):
        st.write(f"{plain(what)} What you downloaded stays.")
        st.button("Delete everything kept here", on_click=state.forget_everything, key="kept.all")


def room() -> None:
    """Say how much of what the visitor may have kept in memory is taken, and by what."""
    held, most = state.holdings()
    held = [one for one in held if one.bytes]
    if not held:
        return
    taken = sum(one.bytes for one in held)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{words.size(taken)} of {words.size(most)} kept for you", width="content")
        with st.popover("What", type="tertiary"):
            table(
                ("", "Name", "Size"),
                [(one.kind, one.name, words.size(one.bytes)) for one in held],
                "What is kept for you",
            )


def sentence(kept) -> str:
    """Return what is kept where, in one sentence or two."""
    if kept.fault:
        return (
            f"Nothing is kept when this tab is closed: {plain(kept.fault)}. "
            "Download what you want to have for good."
        )
    if kept.nothing:
        return "Runs, taught networks and drawings are kept in this browser, and nowhere else."
    said = f"Kept in this browser, and nowhere else: {in_words(kept)} ({words.size(kept.bytes)})."
    if kept.left_out:
        said += f" There is no room for {kept.left_out} more runs: delete some, or download them."
    return said
