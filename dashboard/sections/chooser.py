"""Chooser: which data are in hand: built-in digits, a set by name, files, one's own drawings."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import state
from dashboard.host.tab import IN_TAB
from dashboard.present import words
from dashboard.present.outside import plain
from dashboard.sections import live
from nnengine.data import catalogue
from nnengine.data.catalogue import Entry
from nnengine.errors import EngineError

TICK_S = 0.5


def chooser() -> str:
    """Offer the sources and return the one to show: in hand, or not on this machine yet."""
    return offer(list(state.sources()), "data", "Data set")


def offer(names: list[str], page: str, label: str, then: Callable[[], None] | None = None) -> str:
    """Offer these sources; return the one to show: in hand, or not on this machine yet.

    page: what the state of a page's choice is called by. then: called when another is chosen.
    """
    wanted = state.get(f"{page}.wanted")
    if wanted and state.is_here(wanted):
        take(wanted)  # fetched meanwhile, by whomever
        state.put(f"{page}.wanted", None)
        wanted = None
    titles = state.sources()
    shown = wanted or state.source()
    key = state.choice(f"{page}.source", shown)
    st.segmented_control(
        label, names, default=shown, key=key, format_func=titles.get,
        label_visibility="collapsed", on_change=_chosen, args=(page, key, then),
    )  # fmt: skip
    if refused := state.get("data.refused"):
        st.error(plain(refused))
    return shown


def _chosen(page: str, key: str, then: Callable[[], None] | None) -> None:
    name = state.chosen(f"{page}.source", key)
    if name is None:
        return
    state.put("data.fetch", None)
    state.put("data.refused", None)
    state.put(f"{page}.wanted", None if state.is_here(name) else name)
    if state.is_here(name):
        take(name)
    if then:
        then()


def take(name: str) -> None:
    """Take a source in hand that is here; what was in hand stays where that fails."""
    try:
        state.use_source(name)
        state.put("data.refused", None)
    except EngineError as fault:
        state.put("data.refused", str(fault))
    state.put("data.wanted", None)


def credit(entry: Entry) -> str:
    """Return who made a set and under which licence it may be used."""
    return f"By {entry.makers} · {entry.licence}"


def in_hand(name: str) -> None:
    """Say what a set is that stands ready."""
    if name == state.MINE:
        st.markdown("What you drew and kept on the Draw page.")
        st.caption("Kept as long as this visit: download them to have them for good.")
        return
    entry = catalogue.describe(name)
    st.markdown(entry.summary)
    st.caption(plain(credit(entry)))


def not_here(name: str) -> None:
    """Offer to fetch a set, show how far that is, and what to do meanwhile."""
    entry = catalogue.describe(name)
    with st.container(border=True):
        st.markdown(f"## {plain(entry.title)}")
        st.markdown(entry.summary)
        train, test = entry.images
        st.caption(
            plain(f"{train:,} images to learn from, {test:,} to be examined on")
            + f"  \n{plain(credit(entry))}"
        )
        fetch = state.get("data.fetch")
        if IN_TAB:
            _by_hand(entry)
        elif fetch is None or fetch.ended:
            _offer(entry, fetch)
        else:
            live.part(_follow, TICK_S)(entry, fetch)
    st.markdown(f"In hand meanwhile: **{plain(state.sources()[state.source()])}**.")


def _by_hand(entry: Entry) -> None:
    """Say how to bring a set into a browser tab, which may fetch nothing from other hosts."""
    links = [f"[{file.name}]({entry.mirrors[0]}/{file.name})" for file in entry.files]
    st.write(
        "Here the whole app runs in your browser, and may fetch nothing from other hosts. Download "
        f"the files ({words.size(entry.size_bytes)}) and drop them on “Your files”:"
    )
    st.markdown("\n".join(f"- {link}" for link in links))


def _offer(entry: Entry, fetch) -> None:
    if fetch is not None and fetch.error:
        st.error(plain(_failure(entry, fetch)))
        with st.expander("What was tried"):
            st.markdown(plain(fetch.error))
    elif fetch is not None and fetch.cancelled:
        st.info("Stopped. What has come is kept: fetching goes on from there.")
    else:
        st.write(
            "Not on this machine yet. It is fetched once from the makers or their mirrors, and "
            "every file is checked to be the published one."
        )
    again = "Try again" if fetch is not None and fetch.error else "Fetch"
    st.button(
        f"{again} ({words.size(entry.size_bytes)})", type="primary", key="data.get",
        on_click=_start, args=(entry.name,), icon=":material/download:",
    )  # fmt: skip


def _failure(entry: Entry, fetch) -> str:
    """Return in one sentence that a set could not be had, and what can be done without it."""
    why = (
        f"{entry.title} could not be fetched from any of its mirrors"
        if fetch.reached
        else f"There seems to be no network, so {entry.title} could not be fetched"
    )
    return f"{why}: the built-in digits need none, and files of your own can be dropped."


def _start(name: str) -> None:
    state.put("data.refused", None)
    state.put("data.fetch", state.start_fetch(name))


def _follow(entry: Entry, fetch) -> None:
    """The part that ticks while a set comes in."""
    if fetch.ended:
        st.rerun()
    now = fetch.progress
    share = min(now.done / now.total, 1.0) if now.total else 0.0
    came = f"{words.size(now.done)} of {words.size(now.total or entry.size_bytes)}"
    st.progress(share, text=plain(f"{came} · {now.file}") if now.file else "Connecting")
    st.button("Stop", key="data.stop", on_click=state.cancel_fetch, args=(fetch,))
