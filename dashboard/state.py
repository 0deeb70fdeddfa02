"""State: what a visitor has in hand, and how a reload finds it again.

The only user of st.session_state, st.query_params and st.cache_resource. What matters lives in
a `Visit` on the server; a session remembers one unguessable token, which is also in the URL as
`run`: the id of the selected run, reserved before the first run exists. Whoever brings it back
finds files, runs and restored model again. Wherever a visit is unknown, everything is empty.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

import nnengine
from dashboard.files import MAX_VISIT_BYTES, LoadedFile, Pairing, pair
from dashboard.library import Fetch, Sets
from dashboard.recipe import Bounds, Recipe
from dashboard.runs import Run, Scheduler
from dashboard.tab import IN_TAB
from dashboard.visits import HeldNetwork, Kept, Registry, Visit
from nnengine import catalogue
from nnengine.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.network import Network
from nnengine.teaching import Lesson

_TOKEN, _MEMORY, _NOTICE = "nn.token", "nn.memory", "nn.notice"
_KEPT = "kept"  # the values of widgets that survive a change of page
Refused = ConfigError  # what a page may catch and show
_RESTORED = "models.restored"  # networks restored in this session, by file name
KEEP = "keep."  # widgets whose key begins so survive a change of page

_FORGOTTEN = (
    "What this address stands for is no longer on the server: it was left alone for too long, or "
    "the server has started anew. Choose your data again to go on."
)
_FORGOTTEN_TAB = (
    "A tab forgets its runs, files and drawings when it is closed or loaded anew: nothing of them "
    "is on any server. Download on the Models and Draw pages what you want to keep."
)

log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def registry() -> Registry:
    """Return the one registry of this server process; its engine thread starts here."""
    made = Registry(Scheduler(Bounds.from_environment()))
    if made.scheduler.threaded:  # a browser tab makes them when somebody asks
        made.library.prepare()
    return made


def scheduler() -> Scheduler:
    """Return the one scheduler of this server process."""
    return registry().scheduler


def bounds() -> Bounds:
    """Return what this server grants."""
    return scheduler().bounds


# The visit -------------------------------------------------------------------------------


def begin() -> None:
    """Find the visit again and sign the URL; the frame calls this first in every script run."""
    # Streamlit forgets the widgets of other pages unless their values are set again, and where a
    # page is left between two ticks of a fragment, before they can be: hence a copy.
    here = {key: st.session_state[key] for key in st.session_state if str(key).startswith(KEEP)}
    kept = get(_KEPT, {}) | here
    put(_KEPT, kept)
    for key, value in kept.items():
        st.session_state[key] = value
    asked = st.query_params.get("run")
    if asked and registry().find(asked):
        st.session_state[_TOKEN] = asked
    elif (asked or _TOKEN in st.session_state) and _visit() is None:
        st.session_state.pop(_TOKEN, None)
        st.query_params.pop("run", None)
        st.session_state[_NOTICE] = _FORGOTTEN_TAB if IN_TAB else _FORGOTTEN
    beat()
    _sign()


def beat() -> None:
    """Tell the server that this visitor is still here."""
    visit = _visit()
    for run in visit.runs if visit else ():
        scheduler().touch(run)


def notice() -> str | None:
    """Return what the visitor should be told once, if anything."""
    return st.session_state.pop(_NOTICE, None)


def _visit() -> Visit | None:
    return registry().find(st.session_state.get(_TOKEN))


def _visit_or_new() -> Visit:
    visit = _visit()
    if visit is None:
        visit = registry().create()
        _select(visit.reserved)
    return visit


def _select(token: str) -> None:
    st.session_state[_TOKEN] = token
    _sign()


def _sign() -> None:
    """Put the token into the URL, which a change of page empties."""
    token = st.session_state.get(_TOKEN)
    if token and st.query_params.get("run") != token:
        st.query_params["run"] = token


# Files -----------------------------------------------------------------------------------


def files() -> list[LoadedFile]:
    """Return what the visitor dropped, in order."""
    visit = _visit()
    return list(visit.files) if visit else []


def add_files(dropped: Iterable[Any]) -> None:
    """Take in (name, bytes) pairs or Streamlit's UploadedFile objects.

    Streamlit's own copy of an UploadedFile is freed at once. A file dropped again replaces its
    twin. Nothing is raised for bad files: each carries its own error.
    """
    visit = _visit_or_new()
    for item in dropped:
        name, raw = item if isinstance(item, tuple) else (item.name, item.getvalue())
        file = registry().shelf.load(name, raw)
        if not isinstance(item, tuple):
            release_upload(item)
        others = [f for f in visit.files if f.digest != file.digest and f.name != file.name]
        visit.files = others
        if visit.bytes + file.nbytes > MAX_VISIT_BYTES:
            file = replace(
                file,
                array=None,
                contents=None,
                rescued=None,
                error=f"{name}: together your files unpack to more than "
                f"{MAX_VISIT_BYTES >> 20} MB: remove some first",
            )
        visit.files = [*others, file]
    visit.source, visit.named = FILES, None


def keep_whole(index: int) -> None:
    """Accept the whole items of a truncated file."""
    visit = _visit()
    if visit and visit.files[index].rescued is not None:
        visit.files[index] = visit.files[index].kept_whole()


def turn_file(index: int) -> None:
    """Exchange rows and columns of a file's images; twice changes nothing.

    Raises ConfigError where there is no room for a copy.
    """
    visit = _visit()
    if visit and index < len(visit.files):
        visit.files[index] = registry().shelf.turn(visit.files[index])


def leave_upright(index: int) -> None:
    """Ask no more whether a file's images are turned."""
    visit = _visit()
    if visit and index < len(visit.files):
        visit.upright.add(visit.files[index].digest)


def seem_turned() -> list[int]:
    """Return which files hold images whose rows and columns seem exchanged: places in `files`."""
    visit = _visit()
    if visit is None or source() != FILES:
        return []
    found = pair(visit.files)
    asked = []
    for couple, data in zip((found.training, found.test), _paired()[:2], strict=True):
        for index, file in enumerate(visit.files if couple and data else ()):
            answered = file.turned or file.digest in visit.upright or index in asked
            if file.name != couple.images.name or answered:
                continue
            if registry().shelf.looks_turned(data, file.name):
                asked.append(index)
    return asked


def remove_file(index: int) -> None:
    """Let go of one file; runs that train on it keep their data."""
    visit = _visit()
    if visit:
        visit.files = [f for i, f in enumerate(visit.files) if i != index]
        visit.source = FILES


def clear_files() -> None:
    """Let go of all files."""
    visit = _visit()
    if visit:
        visit.files, visit.source = [], FILES


def release_upload(upload: Any) -> None:
    """Free Streamlit's own copy of an upload, which it would keep as long as the session."""
    try:  # undocumented: where it has moved, memory is freed when the session ends instead
        from streamlit.runtime import get_instance
        from streamlit.runtime.scriptrunner import get_script_run_ctx

        session = get_script_run_ctx().session_id
        get_instance().uploaded_file_mgr.remove_file(session, upload.file_id)
    except Exception:
        return


# Data ------------------------------------------------------------------------------------

FILES, MINE = "files", "mine"  # sources beside the names of the catalogue
BUILT_IN = catalogue.NAMES[0]


def sources() -> dict[str, str]:
    """Return the sources of data on offer, as {name: title}."""
    named = {name: catalogue.describe(name).title for name in catalogue.NAMES}
    mine = {MINE: "My digits"} if my_digits() else {}
    return {**named, FILES: "Your files", **mine}


def source() -> str:
    """Return where the data come from: as chosen, else what was dropped, else the built-in set."""
    visit = _visit()
    chosen = (visit.source or (FILES if visit.files else BUILT_IN)) if visit else BUILT_IN
    return BUILT_IN if chosen == MINE and not my_digits() else chosen


def use_source(name: str) -> None:
    """Take one of `sources` in hand; raises EngineError, and changes nothing, where it cannot be.

    Nothing is fetched: see `start_fetch`.
    """
    named = None if name in (FILES, MINE) else registry().library.load(name)
    visit = _visit_or_new()
    visit.source, visit.named = name, named


def is_here(name: str) -> bool:
    """Return whether `use_source` needs no network for this."""
    return name in (FILES, MINE) or registry().library.is_here(name)


def start_fetch(name: str) -> Fetch:
    """Begin to fetch a named set for this server, or join those who wait for it."""
    return registry().library.fetch(name)


def cancel_fetch(fetch: Fetch) -> None:
    """Wait for it no longer."""
    registry().library.cancel(fetch)


def training_set() -> Dataset | None:
    """Return the training data in hand, or None; `pairing` says why."""
    return _sets()[0]


def test_set() -> Dataset | None:
    """Return the test data in hand, or None; `pairing` says why."""
    return _sets()[1]


def pairing() -> list[str]:
    """Return plain sentences about what was paired and what is missing among the files."""
    return _sets()[2]


def _sets() -> tuple[Dataset | None, Dataset | None, list[str]]:
    chosen = source()
    if chosen == FILES:
        return _paired()
    if chosen == MINE:
        return my_digits(), None, []
    visit = _visit()
    found = visit.named if visit and visit.named else built_in()
    return found.train, found.test, []


def built_in() -> Sets:
    """Return the built-in digits, made once for everybody; says so to whoever has to wait."""
    library = registry().library
    if library.ready:
        return library.built_in()
    with st.spinner("Writing the built-in digits"):
        return library.built_in()


def _paired() -> tuple[Dataset | None, Dataset | None, list[str]]:
    found: Pairing = pair(files())
    sentences = list(found.sentences)
    sets: list[Dataset | None] = []
    for part, couple in (("Training", found.training), ("Test", found.test)):
        classes = sets[0].classes if sets and sets[0] else None
        try:
            made = registry().shelf.dataset(*couple, classes=classes) if couple else None
            if made and sets and sets[0] and made.inputs != sets[0].inputs:
                sentences.append(
                    f"The test images have {made.inputs:,} pixels, the training images "
                    f"{sets[0].inputs:,}: the test set is not used."
                )
                made = None
        except EngineError as fault:
            sentences.append(f"{part} set: {fault}")
            made = None
        sets.append(made)
    return sets[0], sets[1], sentences


# Runs ------------------------------------------------------------------------------------


def runs() -> list[Run]:
    """Return this visit's runs, oldest first."""
    visit = _visit()
    return list(visit.runs) if visit else []


def current_run() -> Run | None:
    """Return the selected run."""
    token = st.session_state.get(_TOKEN)
    return next((run for run in runs() if run.id == token), None)


def select_run(run_id: str) -> None:
    """Make a run the current one; it takes the place of a restored file."""
    visit = _visit()
    if visit and any(run.id == run_id for run in visit.runs):
        visit.held = None
        _select(run_id)


def start_run(recipe: Recipe, *, name: str = "") -> Run:
    """Start a run on the visitor's data and select it; raises ConfigError with the way out."""
    visit = _visit_or_new()
    if len(visit.runs) >= bounds().runs_per_visit:
        raise ConfigError(
            f"{len(visit.runs)} runs are kept already, as many as this server holds for one "
            "visitor: delete one first"
        )
    dataset, validation = split_for(recipe)
    run = scheduler().start(
        recipe,
        dataset,
        validation,
        owner=visit.owner,
        name=name.strip()[:60] or f"Run {len(visit.runs) + 1}",
        run_id=visit.reserved,
    )
    registry().add_run(visit, run)
    visit.held = None
    _select(run.id)
    return run


def split_for(recipe: Recipe) -> tuple[Dataset, Dataset | None]:
    """Return what a recipe trains on and is judged by; raises ConfigError without data."""
    training, test = training_set(), test_set()
    if training is None:
        raise ConfigError("there is no training data: choose a set on the Data page")
    if recipe.validation == "none":
        return training, None
    if recipe.validation == "test":
        if test is None:
            raise ConfigError("there is no test set: hold out a share of the training data")
        return training, test
    return registry().shelf.split(training, float(recipe.validation))


def rename_run(run_id: str, name: str) -> None:
    """Give a run another name; an empty one changes nothing."""
    for run in runs():
        if run.id == run_id and name.strip():
            run.name = name.strip()[:60]


def delete_run(run_id: str) -> None:
    """Stop a run and forget it; the latest other run becomes the current one."""
    visit = _visit()
    run = next((run for run in visit.runs if run.id == run_id), None) if visit else None
    if visit and run:
        registry().drop_run(visit, run)
        if st.session_state.get(_TOKEN) == run_id:
            _select(visit.runs[-1].id if visit.runs else visit.reserved)


# The network in hand ---------------------------------------------------------------------

SHIPPED = {"drawing": "Drawing network", "original": "The original"}


def network() -> HeldNetwork | None:
    """Return the network in hand: the one chosen, else the current run's, else a shipped one.

    A run's weights are the latest. None only where no network could be shipped.
    """
    visit = _visit()
    if visit and visit.held:
        return visit.held
    run = current_run()
    return _of_run(run) if run else shipped("drawing")


def _of_run(run: Run) -> HeldNetwork:
    return HeldNetwork(run.snapshot, run.name, "run", run.id)


def shipped(name: str) -> HeldNetwork | None:
    """Return a network that comes with the engine, or None where its file cannot be read."""
    try:
        return HeldNetwork(nnengine.shipped(name), SHIPPED[name], "shipped", name)
    except (EngineError, OSError):
        log.exception("the shipped network %r cannot be read", name)
        return None


def card(name: str) -> dict[str, Any]:
    """Return what was measured on a shipped network when it was made; empty where unknown."""
    try:
        return nnengine.models.card(name)
    except (EngineError, OSError, ValueError):
        return {}


def networks() -> dict[str, HeldNetwork]:
    """Return every network this visitor can choose, by key: shipped, taught, restored, runs."""
    visit = _visit()
    taught = visit.taught if visit else []
    restored = [HeldNetwork(net, name, "file") for name, net in get(_RESTORED, {}).items()]
    found = [*filter(None, map(shipped, SHIPPED)), *taught, *restored, *map(_of_run, runs())]
    held = network()
    named = {one.key: one for one in found}
    if held:  # a reload forgets the restored files, but not the one in hand
        named[held.key] = held
    return named


def choose_network(key: str) -> None:
    """Take one of `networks` in hand; an unknown key changes nothing."""
    chosen = networks().get(key)
    if chosen is None:
        return
    if chosen.source == "run":
        select_run(chosen.id)
    else:
        _visit_or_new().held = chosen


def hold_network(network: Network, name: str) -> None:
    """Make a restored network the one in hand."""
    kept = network.snapshot()
    put(_RESTORED, {**get(_RESTORED, {}), name: kept})
    _visit_or_new().held = HeldNetwork(kept, name, "file")


def release_network() -> None:
    """Let go of the restored or taught network in hand; the current run's is in hand again."""
    visit = _visit()
    if visit and visit.held:
        restored = {k: v for k, v in get(_RESTORED, {}).items() if k != visit.held.name}
        if visit.held.source == "file":
            put(_RESTORED, restored)
        visit.taught = [one for one in visit.taught if one.key != visit.held.key]
        visit.held = None


# Lessons ---------------------------------------------------------------------------------

TAUGHT = 4  # networks a visitor may have taught; the oldest makes room
LESSON_WAIT_S = 30


@contextlib.contextmanager
def lesson_turn() -> Iterator[None]:
    """Wait for this server's one place for a lesson; raises ConfigError when it takes too long."""
    if not registry().lessons.acquire(timeout=LESSON_WAIT_S):
        raise ConfigError("others are teaching just now: try again in a moment")
    try:
        yield
    finally:
        registry().lessons.release()


def hold_taught(
    lesson: Lesson, origin: HeldNetwork, reason: int | None = None, tested: str = ""
) -> HeldNetwork:
    """Make a taught network the one in hand, as a network of its own; the original stays.

    `reason` is the number of the drawing it was taught for: undoing the lesson takes it back.
    `tested` names the images on which forgetting was measured.
    """
    again = origin.source == "taught"
    name = origin.name if again else f"{origin.name}, taught"
    label = origin.id if again else origin.key
    parts = (lesson, origin, reason, tested)
    held = HeldNetwork(lesson.network, name, "taught", label, *parts).trimmed()
    visit = _visit_or_new()
    visit.taught = [*(one for one in visit.taught if one.key != held.key), held][-TAUGHT:]
    visit.held = held
    return held


def undo_lesson() -> None:
    """Take back the last lesson of the network in hand, and the drawing it was for."""
    visit = _visit()
    if not visit or not visit.held or visit.held.origin is None:
        return
    held, origin = visit.held, visit.held.origin
    visit.taught = [one for one in visit.taught if one.key != held.key]
    if origin.source == "taught":
        visit.taught.append(origin)
    # A run goes on meanwhile: its latest weights, not those the lesson began with.
    visit.held = None if origin.source == "run" else origin
    if held.reason is not None:
        delete_kept(held.reason)


# My digits -------------------------------------------------------------------------------

DIGITS = tuple("0123456789")
MOST_KEPT = 500


def kept() -> list[Kept]:
    """Return the drawings this visitor keeps, oldest first."""
    visit = _visit()
    return list(visit.mine) if visit else []


def keep(image: np.ndarray, name: str) -> Kept:
    """Keep a framed drawing, uint8 (28, 28), as one of the class `name`.

    The same drawing under another name takes the place of the first. Raises ConfigError when
    there is no room.
    """
    visit = _visit_or_new()
    for one in visit.mine:
        if one.name == name and np.array_equal(one.image, image):
            return one
    others = [one for one in visit.mine if not np.array_equal(one.image, image)]
    if len(others) >= MOST_KEPT:
        raise ConfigError(
            f"{MOST_KEPT} drawings are kept, as many as there is room for: delete some"
        )
    visit.kept += 1
    frozen = np.array(image, np.uint8)
    frozen.flags.writeable = False
    visit.mine = [*others, Kept(visit.kept, frozen, name)]
    return visit.mine[-1]


def delete_kept(*ids: int) -> None:
    """Delete these drawings."""
    visit = _visit()
    if visit:
        visit.mine = [one for one in visit.mine if one.id not in ids]


def my_digits(names: Sequence[str] = DIGITS) -> Dataset | None:
    """Return the kept drawings of these classes as a data set, or None without any."""
    places = {name: place for place, name in enumerate(names)}
    mine = [one for one in kept() if one.name in places]
    if not mine:
        return None
    return Dataset(
        np.stack([one.image for one in mine]),
        np.array([places[one.name] for one in mine], np.uint8),
        class_names=tuple(names),
        name="My digits",
    )


# Page-scoped memory ----------------------------------------------------------------------


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
