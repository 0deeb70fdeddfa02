"""Guard: a page that fails says so, and offers to let go of what it was showing.

The rest of the app goes on, and the way out is on the page: no reload would mend what a visit
holds. What went wrong stands in the log, never on a page. Callbacks of widgets are not guarded:
Streamlit runs one once, before the page, and where it fails shows a box that tells no details and
has the rest in the log. Nothing is drawn then, but the next click or a reload draws the page.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present.outside import SHORT, plain

_KINDS = {"file": "restored from a file", "link": "from a link", "finetuned": "taught by you"}
_LOGGED = "guard.logged"
# What pages work out and remember, each None where there is nothing.
RESULTS = ("models.judged", "draw.picture", "draw.said", "fragility.watch", "share.prepared")
log = logging.getLogger(__name__)


def guarded(draw: Callable[..., Any], where: str) -> Callable[..., Any]:
    """Return `draw`, which answers an unexpected fault with a sentence and a way out.

    where: what the log calls it. What Streamlit stops or starts anew passes: that is no fault.
    """

    @functools.wraps(draw)
    def drawn(*given: Any) -> Any:
        try:
            return draw(*given)
        except Exception as fault:
            _log(where, fault)
            failed(where)

    return drawn


def _log(where: str, fault: Exception) -> None:
    """Write a fault down once: a part that ticks would repeat it twice a second."""
    said = f"{where}: {type(fault).__name__}: {fault}"
    if said != state.get(_LOGGED):
        log.error("%s could not be drawn", where, exc_info=fault)
        state.put(_LOGGED, said)


def failed(where: str) -> None:
    """Say that something could not be drawn, what it was about, and offer to let go of it."""
    held, files = _in_hand(), _or_none(state.files) or []
    about = [f"the network **{plain(held.name, SHORT)}**, {_kind(held)}"] if held else []
    about += [f"{len(files)} file{'s' * (len(files) != 1)} of yours"] if files else []
    with st.container(border=True, key=f"guard.{where}"):
        st.error(
            "This part of the page could not be drawn. That is a fault of ours, or what it was to "
            "show is not what it seems to be. All else goes on, and the log says more."
        )
        if about:
            st.write(f"It was about {' or '.join(about)}.")
        with st.container(horizontal=True):
            st.button("Try again", key=f"guard.again.{where}", type="primary", on_click=_again)
            if held and held.kind != "shipped":
                st.button(
                    "Let go of this network", key=f"guard.network.{where}",
                    on_click=_let_go, args=(state.let_go, held.key),
                )  # fmt: skip
            if files:
                st.button(
                    "Let go of the files", key=f"guard.files.{where}",
                    on_click=_let_go, args=(state.clear_files,),
                )  # fmt: skip


def _kind(held: state.Entry) -> str:
    return _KINDS.get(held.kind, "built in" if held.kind == "shipped" else "of a run")


def _in_hand() -> state.Entry | None:
    return _or_none(state.network)


def _or_none(find: Callable[[], Any]) -> Any:
    """Return what is found, or None where just that is what fails."""
    try:
        return find()
    except Exception:
        log.exception("what a failed page was about cannot be told")
        return None


def _again() -> None:
    """Forget what pages have worked out: it may be what one failed at."""
    for key in (_LOGGED, *RESULTS):
        state.put(key, None)


def _let_go(what: Callable[..., Any], *given: Any) -> None:
    """Let go of something; where that fails as well the log says so, and the page stays."""
    _again()
    try:
        what(*given)
    except Exception:
        log.exception("what a failed page was about cannot be let go of")
