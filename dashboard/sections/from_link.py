"""From a link: a data set by its address, which stands in the page's own or is typed in."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.host.tab import IN_TAB
from dashboard.present import words
from dashboard.present.outside import plain
from dashboard.sections import live
from dashboard.store import links
from nnengine.errors import EngineError

TICK_S = 0.5
START = "Start"  # the page at the address itself, to which links of earlier versions lead
_PULL, _REFUSED = "link.pull", "link.refused"


def follow(page: str) -> None:
    """Begin what the address asks for, and show above any page how far it is.

    `page` is the title of the one it opened: the first leads on to where data are seen.
    """
    if asked := state.asked_data():
        ask(asked)
        if page == START:
            st.switch_page("views/data.py", query_params=state.address())
    if refused := state.get(_REFUSED):
        st.error(plain(refused))
        state.put(_REFUSED, None)
    pull = state.get(_PULL)
    if pull is None:
        return
    if pull.ended:
        _take_in(pull)
    else:
        live.part(_progress, TICK_S)(pull)


def ask(text: str) -> None:
    """Begin to fetch the addresses in `text`, or say why not."""
    try:
        pull = links.Pull(links.addresses(text, *state.link_rights()))
    except EngineError as fault:
        state.put(_REFUSED, str(fault))
        return
    links.begin(pull)
    state.put(_PULL, pull)


def _take_in(pull: links.Pull) -> None:
    state.put(_PULL, None)
    if pull.error:
        st.error(plain(pull.error))
        return
    with st.spinner("Reading"):
        state.add_files(pull.files)
    for kept in ("data.wanted", "data.refused"):
        state.put(kept, None)


def _progress(pull: links.Pull) -> None:
    if pull.ended:
        st.rerun()
    share = min(pull.done / pull.total, 1.0) if pull.total else 0.0
    st.progress(share, text=plain(f"Fetching {pull.file} · {words.size(pull.done)}"))


def form() -> None:
    """Offer a field for addresses, in a tab alone."""
    if not IN_TAB:
        return
    home, hosts = state.link_rights()
    with st.popover("From a link", icon=":material/link:"):
        with st.form("link", border=False):
            text = st.text_input(
                "Address of a file, of several, or of a folder of IDX files", key="link.text",
                max_chars=links.MOST_LETTERS, placeholder="sets/mnist/",
            )  # fmt: skip
            pressed = st.form_submit_button("Fetch", type="primary")
        also = f" and from {', '.join(hosts)}" if hosts else ""
        st.caption(
            f"From this site's own host{plain(also)}, and nowhere else: what lies elsewhere, "
            "download and drop here. An address may also stand in this page's own, as "
            "`?data=sets/mnist/`."
        )
    if pressed and text.strip():
        ask(text)
        st.rerun()
