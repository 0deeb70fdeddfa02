"""The session: which visit this browser is on, and what lasts from one page to the next."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.host.browser import told
from dashboard.host.tab import IN_TAB
from dashboard.runs.bounds import Bounds
from dashboard.runs.scheduler import Scheduler
from dashboard.store.links import is_link
from dashboard.store.memory import Parts
from dashboard.store.visits import Registry, Visit, keep_big_blocks_apart, spare_what_stays

_NEVER_S = 100 * 365 * 86_400
_TOKEN, _MEMORY, _NOTICE = "nn.token", "nn.memory", "nn.notice"
_ADDRESS, _HIDES = "address", "hides"
_KEPT = "kept"  # the values of widgets that survive a change of page
_THERE, _DRAWN = "there", "drawn"  # which of them the browser has, and has from this drawing
# Where somebody is on a page: the page's own, and not a recipe's or a link's to be gone on with.
PLACE = ("source", "image", "pixel", "layer", "unit", "label")
KEEP = "keep."  # widgets whose key begins so survive a change of page

_making = threading.Lock()
_made: list[Registry] = []  # one, or none yet
log = logging.getLogger(__name__)

_FORGOTTEN = (
    "What this address stands for is no longer on the server: it was left alone for too long, or "
    "the server has started anew. Choose your data again to go on."
)
_FORGOTTEN_TAB = (
    "What this address stands for is not in this browser: runs, files and drawings are kept only "
    "where they were made, and on no server."
)


def registry() -> Registry:
    """Return the one registry of this server process; its engine thread starts here."""
    if not _made:
        with _making:  # two first visitors may come at once
            if not _made:
                _made.append(_new_registry())
    # Without the lock: pages ask dozens of times each, and fifty that came at once stood in line
    # for it, one after another, for a second.
    return _made[0]


def _new_registry() -> Registry:
    made = Registry(Scheduler(granted()))
    if made.scheduler.threaded:  # in a browser tab see `sections.ready`
        made.library.prepare()
        keep_big_blocks_apart()
        if _server() is not None:
            spare_what_stays()
    _watch_uploads(made)
    return made


def _server() -> Any:
    """Return Streamlit's runtime where it is one that serves visitors, else None."""
    from streamlit.runtime import Runtime, exists, get_instance

    found = get_instance() if exists() else None
    return found if type(found) is Runtime else None  # tests have another in its place


def _watch_uploads(made: Registry) -> None:
    try:  # undocumented: where it has moved, uploads that no page reads are not bounded
        if server := _server():
            made.arrivals.watch(server.uploaded_file_mgr, made.budget)
    except Exception:
        log.exception("Streamlit's uploads cannot be watched")


def session_id() -> str:
    """Return the id of this session of Streamlit's; empty where there is none."""
    return getattr(_context(), "session_id", "")


def _context() -> Any:
    try:  # undocumented: where it has moved, sessions are not told apart
        from streamlit.runtime.scriptrunner import get_script_run_ctx

        return get_script_run_ctx()
    except ImportError:
        return None


def take_turn(*, part: bool = False) -> None:
    """Wait where this session asks for more drawings than its share; see `store.turns`.

    What is asked for meanwhile is drawn once, afterwards. part: a part of a page is drawn, which
    counts where it is drawn by itself.
    """
    if part and not getattr(_context(), "fragment_ids_this_run", None):
        return
    if not IN_TAB and _server() is not None and (wait_s := registry().turns.wait_s(session_id())):
        time.sleep(wait_s)


@contextmanager
def drawing() -> Iterator[None]:
    """Have a whole page drawn inside, when it is its turn; see `take_turn` and `store.turns`."""
    take_turn()
    with nullcontext() if IN_TAB else registry().pages.one():
        yield
    put(_THERE, get(_DRAWN, {}))


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
    # Streamlit forgets the widgets of other pages, and where a page is left between two ticks of a
    # fragment, before they can be read here: hence a copy.
    here = {key: st.session_state[key] for key in st.session_state if str(key).startswith(KEEP)}
    kept = get(_KEPT, {}) | here
    put(_KEPT, kept)
    for key in kept.keys() - here.keys():
        st.session_state[key] = kept[key]
    put(_DRAWN, {})
    token = asked()
    if token and registry().find(token):
        st.session_state[_TOKEN] = token
    elif (token or _TOKEN in st.session_state) and this_visit() is None:
        st.session_state.pop(_TOKEN, None)
        st.query_params.pop("run", None)
        st.session_state[_NOTICE] = _FORGOTTEN_TAB if IN_TAB else _FORGOTTEN
    registry().arrivals.belongs(session_id(), this_visit())
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
    if visit and visit.race:
        visit.race.look()


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
        registry().arrivals.belongs(session_id(), visit)
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
    """Return what the address says beside which visit this is, and how a page is shown."""
    said = st.query_params.to_dict()
    return {name: text for name, text in said.items() if name not in ("run", "view", *PLACE)}


def view() -> str | None:
    """Return how the address wants the page shown, None where it does not say."""
    return st.query_params.get("view")


def view_as(name: str | None) -> None:
    """Have the address say how this page is shown, as long as it is open; None: as usual."""
    if name:
        st.query_params["view"] = name
    else:
        st.query_params.pop("view", None)


def keep_in_address(said: dict[str, str], *, without: tuple[str, ...] = ()) -> None:
    """Let the address go on saying this on every page; `without` is taken out of it now."""
    put(_ADDRESS, said)
    for name in without:
        st.query_params.pop(name, None)
    _sign()


def said_here() -> dict[str, str]:
    """Return what the address says of a place on a page, which a visitor may have brought."""
    return {name: st.query_params[name] for name in PLACE if name in st.query_params}


def say_here(said: dict[str, str]) -> None:
    """Let the address say this of a place on this page, as long as it is open."""
    if any(st.query_params.get(name) != value for name, value in said.items()):
        st.query_params.update(said)


def hide(names: Iterable[str]) -> None:
    """Leave these controls out of the pages, as a teacher's link may ask."""
    put(_HIDES, frozenset(names))


def hides(name: str) -> bool:
    """Return whether a control is to be left out."""
    return name in get(_HIDES, ())


def get(key: str, default: Any = None) -> Any:
    """Return what `put` stored in this session, or `default`."""
    return st.session_state.get(_MEMORY, {}).get(key, default)


def widget(name: str, options: Iterable[str] = ()) -> str:
    """Return the key for a widget whose value survives a change of page; call it to draw one.

    A widget that is new to the browser, or has other options than before, is given its value. One
    that is there already is let be: a value that is set goes to the browser, over what somebody
    has typed there meanwhile.
    """
    key, options = KEEP + name, tuple(options)
    there = get(_THERE, {})
    if there.get(key) != options and key in st.session_state:
        st.session_state[key] = st.session_state[key]
    there[key] = options
    put(_THERE, there)
    put(_DRAWN, get(_DRAWN, {}) | {key: options})
    return key


def widget_value(name: str, default: Any = None) -> Any:
    """Return what such a widget holds, or held when it was drawn last."""
    key = KEEP + name  # before `begin`, in a callback, one that was not drawn is in the copy alone
    return st.session_state[key] if key in st.session_state else get(_KEPT, {}).get(key, default)


def set_widget(name: str, value: Any, *, over: bool = True) -> None:
    """Give such a widget its value, before it is drawn or in a callback; `over` an older one."""
    key = KEEP + name
    if key not in st.session_state or (over and st.session_state[key] != value):
        st.session_state[key] = value
        put(_KEPT, get(_KEPT, {}) | {key: value})


def choice(name: str, shown: Any) -> str:
    """Return the key for a widget that shows what may be chosen elsewhere too; call it to draw one.

    The key is another each time `shown` has changed by other means than the widget itself. Until a
    browser has drawn the news it sends what it showed before with whatever it asks for, and under
    the same key that would be taken for a choice.
    """
    before, number = get(f"choice.{name}", (shown, 0))
    if shown != before:
        number += 1
    put(f"choice.{name}", (shown, number))
    return f"{name}.{number}"


def chosen(name: str, key: str) -> Any:
    """Return what was chosen in the widget of such a key, in its callback; None for old news."""
    shown, number = get(f"choice.{name}", (None, 0))
    if key != f"{name}.{number}":
        return None
    value = st.session_state.get(key)
    # Nothing is chosen where what was chosen is pressed again: another widget shows it as before.
    put(f"choice.{name}", (shown, number + 1) if value is None else (value, number))
    return value


def in_page(key: str) -> bool:
    """Return whether a widget of this key was in the page a moment ago."""
    return key in st.session_state


def pin(name: str, value: Any, parts: Parts) -> None:
    """Remember what a page looks back on with the visit, whose budget counts what it keeps."""
    visit_or_new().pinned[name] = parts, value


def pinned(name: str) -> Any:
    """Return what `pin` stored, or None."""
    visit = this_visit()
    return visit.pinned.get(name, ({}, None))[1] if visit else None


def put(key: str, value: Any) -> None:
    """Remember a value across pages, as long as the session lasts."""
    st.session_state.setdefault(_MEMORY, {})[key] = value
