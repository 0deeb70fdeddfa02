"""The session: which visit this browser is on, and what lasts from one page to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.host.browser import told
from dashboard.host.tab import IN_TAB
from dashboard.runs.bounds import Bounds
from dashboard.runs.scheduler import Scheduler
from dashboard.store.links import is_link
from dashboard.store.visits import Registry, Visit, keep_big_blocks_apart

_NEVER_S = 100 * 365 * 86_400
_TOKEN, _MEMORY, _NOTICE = "nn.token", "nn.memory", "nn.notice"
_ADDRESS, _HIDES = "address", "hides"
_KEPT = "kept"  # the values of widgets that survive a change of page
KEEP = "keep."  # widgets whose key begins so survive a change of page

_FORGOTTEN = (
    "What this address stands for is no longer on the server: it was left alone for too long, or "
    "the server has started anew. Choose your data again to go on."
)
_FORGOTTEN_TAB = (
    "What this address stands for is not in this browser: runs, files and drawings are kept only "
    "where they were made, and on no server."
)


@st.cache_resource(show_spinner=False)
def registry() -> Registry:
    """Return the one registry of this server process; its engine thread starts here."""
    made = Registry(Scheduler(granted()))
    if made.scheduler.threaded:  # in a browser tab see `sections.ready`
        made.library.prepare()
        keep_big_blocks_apart()
    return made


def granted() -> Bounds:
    """Return what the operator grants; a tab, which has none, never takes its visitor for gone.

    It may have been frozen, or asleep with the machine, while the clock went on.
    """
    bounds = Bounds.from_environment()
    return replace(bounds, unseen_pause_s=_NEVER_S, unseen_forget_s=_NEVER_S) if IN_TAB else bounds


def scheduler() -> Scheduler:
    """Return the one scheduler of this server process."""
    return registry().scheduler


def bounds() -> Bounds:
    """Return what this server grants."""
    return scheduler().bounds


def begin() -> None:
    """Find the visit again and sign the URL; the frame calls this first in every script run."""
    # Streamlit forgets the widgets of other pages unless their values are set again, and where a
    # page is left between two ticks of a fragment, before they can be: hence a copy.
    here = {key: st.session_state[key] for key in st.session_state if str(key).startswith(KEEP)}
    kept = get(_KEPT, {}) | here
    put(_KEPT, kept)
    for key, value in kept.items():
        st.session_state[key] = value
    token = asked()
    if token and registry().find(token):
        st.session_state[_TOKEN] = token
    elif (token or _TOKEN in st.session_state) and this_visit() is None:
        st.session_state.pop(_TOKEN, None)
        st.query_params.pop("run", None)
        st.session_state[_NOTICE] = _FORGOTTEN_TAB if IN_TAB else _FORGOTTEN
    beat()
    _sign()


def asked() -> str | None:
    """Return the token in the address, which a visitor may have brought from anywhere."""
    return st.query_params.get("run")


def asked_data() -> str | None:
    """Return once the addresses of data that the page's address names as `data`, if any."""
    text = st.query_params.get("data", "")
    if not is_link(text):  # a set by its name is for the recipe
        return None
    del st.query_params["data"]
    return text


def link_rights() -> tuple[str | None, list[str]]:
    """Return the site's own address, None on a server, and other hosts that data may come from."""
    page = told()
    return page.get("home"), list(page.get("hosts") or ())


def leave() -> None:
    """Forget which visit this is, and all that pages remember."""
    for key in list(st.session_state):
        del st.session_state[key]
    st.query_params.clear()


def beat() -> None:
    """Tell the server that this visitor is still here."""
    visit = this_visit()
    for run in visit.runs if visit else ():
        scheduler().touch(run)


def notice() -> str | None:
    """Return what the visitor should be told once, if anything."""
    return st.session_state.pop(_NOTICE, None)


def this_visit() -> Visit | None:
    """Return what this visitor has in hand, or None where the server knows nothing of them."""
    return registry().find(selected())


def visit_or_new() -> Visit:
    """Return what this visitor has in hand; a new, empty visit where there is none."""
    visit = this_visit()
    if visit is None:
        visit = registry().create()
        select(visit.reserved)
    return visit


def selected() -> str | None:
    """Return what the address names: the id of a run, or of a visit without any."""
    return st.session_state.get(_TOKEN)


def new_link(link: str) -> bool:
    """Return whether this visit has not followed this link before, and remember that it has.

    A reload says the same link again: what was done since then is not undone by it.
    """
    visit = visit_or_new()
    before, visit.linked = visit.linked, link
    return before != link


def select(token: str) -> None:
    """Make a run, or a visit without runs, the one that the address names."""
    st.session_state[_TOKEN] = token
    _sign()


def _sign() -> None:
    """Put the token and what a link said into the URL, which a change of page empties."""
    token = selected()
    wanted = get(_ADDRESS, {}) | ({"run": token} if token else {})
    if any(st.query_params.get(name) != value for name, value in wanted.items()):
        st.query_params.update(wanted)


def address() -> dict[str, str]:
    """Return what the address says beside which visit this is."""
    said = st.query_params.to_dict()
    said.pop("run", None)
    return said


def keep_in_address(said: dict[str, str], *, without: tuple[str, ...] = ()) -> None:
    """Let the address go on saying this on every page; `without` is taken out of it now."""
    put(_ADDRESS, said)
    for name in without:
        st.query_params.pop(name, None)
    _sign()


def hide(names: Iterable[str]) -> None:
    """Leave these controls out of the pages, as a teacher's link may ask."""
    put(_HIDES, frozenset(names))


def hides(name: str) -> bool:
    """Return whether a control is to be left out."""
    return name in get(_HIDES, ())


def get(key: str, default: Any = None) -> Any:
    """Return what `put` stored in this session, or `default`."""
    return st.session_state.get(_MEMORY, {}).get(key, default)


def widget(name: str) -> str:
    """Return the key for a widget whose value survives a change of page."""
    return KEEP + name


def widget_value(name: str, default: Any = None) -> Any:
    """Return what such a widget holds."""
    return st.session_state.get(KEEP + name, default)


def set_widget(name: str, value: Any, *, over: bool = True) -> None:
    """Give such a widget its value, before it is drawn or in a callback; `over` an older one."""
    if over or KEEP + name not in st.session_state:
        st.session_state[KEEP + name] = value
        put(_KEPT, get(_KEPT, {}) | {KEEP + name: value})


def in_page(key: str) -> bool:
    """Return whether a widget of this key was in the page a moment ago."""
    return key in st.session_state


def put(key: str, value: Any) -> None:
    """Remember a value across pages, as long as the session lasts."""
    st.session_state.setdefault(_MEMORY, {})[key] = value
