"""Sets: the files a visitor dropped, and the data in hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from dashboard.host.tab import IN_TAB
from dashboard.store.files import MAX_VISIT_BYTES, LoadedFile, Pairing, pair
from dashboard.store.library import Fetch, Sets
from dashboard.store.visits import Visit
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

from .drawings import digits_of, my_digits
from .session import registry, this_visit, visit_or_new


def files() -> list[LoadedFile]:
    """Return what the visitor dropped, in order."""
    visit = this_visit()
    return list(visit.files) if visit else []


def add_files(dropped: Iterable[Any]) -> None:
    """Take in (name, bytes) pairs or Streamlit's UploadedFile objects.

    Streamlit's own copy of an UploadedFile is freed at once. A file dropped again replaces its
    twin. Nothing is raised for bad files: each carries its own error.
    """
    visit = visit_or_new()
    for item in dropped:
        name, raw = item if isinstance(item, tuple) else (item.name, item.getvalue())
        file = registry().shelf.load(name, raw)
        if IN_TAB and (file.good or file.rescued is not None):
            visit.fresh[file.digest] = raw
        if not isinstance(item, tuple):
            release_upload(item)
        others = [f for f in visit.files if f.digest != file.digest and f.name != file.name]
        visit.files = others
        if visit.bytes + file.nbytes > MAX_VISIT_BYTES:
            file = file.refused(
                f"{name}: together your files unpack to more than "
                f"{MAX_VISIT_BYTES >> 20} MB: remove some first"
            )
        visit.files = [*others, file]
    visit.source, visit.named = FILES, None


def keep_whole(index: int) -> None:
    """Accept the whole items of a truncated file."""
    visit = this_visit()
    if visit and visit.files[index].rescued is not None:
        visit.files[index] = visit.files[index].kept_whole()


def turn_file(index: int) -> None:
    """Exchange rows and columns of a file's images; twice changes nothing.

    Raises ConfigError where there is no room for a copy.
    """
    visit = this_visit()
    if visit and index < len(visit.files):
        visit.files[index] = registry().shelf.turn(visit.files[index])


def leave_upright(index: int) -> None:
    """Ask no more whether a file's images are turned."""
    visit = this_visit()
    if visit and index < len(visit.files):
        visit.upright.add(visit.files[index].digest)


def seem_turned() -> list[int]:
    """Return which files hold images whose rows and columns seem exchanged: places in `files`."""
    visit = this_visit()
    if visit is None or source() != FILES:
        return []
    found = pair(visit.files)
    asked = []
    for couple, data in zip((found.training, found.test), _paired(visit.files)[:2], strict=True):
        if couple is None or data is None:
            continue
        for index, file in enumerate(visit.files):
            answered = file.turned or file.digest in visit.upright or index in asked
            if file.name != couple.images.name or answered:
                continue
            if registry().shelf.looks_turned(data, file.name):
                asked.append(index)
    return asked


def remove_file(index: int) -> None:
    """Let go of one file; runs that train on it keep their data."""
    visit = this_visit()
    if visit:
        visit.files = [f for i, f in enumerate(visit.files) if i != index]
        visit.source = FILES


def clear_files() -> None:
    """Let go of all files."""
    visit = this_visit()
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


FILES, MINE = "files", "mine"  # sources beside the names of the catalogue
BUILT_IN = catalogue.NAMES[0]


def sources() -> dict[str, str]:
    """Return the sources of data on offer, as {name: title}."""
    named = {name: catalogue.describe(name).title for name in catalogue.NAMES}
    mine = {MINE: "My digits"} if my_digits() else {}
    return {**named, FILES: "Your files", **mine}


def source() -> str:
    """Return where the data come from: as chosen, else what was dropped, else the built-in set."""
    return source_of(this_visit())


def source_of(visit: Visit | None) -> str:
    """Return where a visitor's data come from."""
    chosen = (visit.source or (FILES if visit.files else BUILT_IN)) if visit else BUILT_IN
    nothing = chosen == MINE and (visit is None or digits_of(visit.mine) is None)
    return BUILT_IN if nothing else chosen


def use_source(name: str) -> None:
    """Take one of `sources` in hand; raises EngineError, and changes nothing, where it cannot be.

    Nothing is fetched: see `start_fetch`.
    """
    found = None if name in (FILES, MINE) else named(name)
    visit = visit_or_new()
    visit.source, visit.named = name, found


def named(name: str) -> Sets:
    """Return a set of the catalogue that is here; raises EngineError where it is not."""
    return registry().library.load(name)


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


Parts = tuple[Dataset | None, Dataset | None, list[str]]  # to train, to test, sentences about them


def _sets() -> Parts:
    visit, chosen = this_visit(), source()
    if chosen == BUILT_IN:
        built_in()  # whoever has to wait is told so
    return sets_of(visit, chosen)


def sets_of(visit: Visit | None, chosen: str) -> Parts:
    """Return what one of a visitor's sources holds now; asks for no session, so anybody may call.

    Raises EngineError where a named set is not here.
    """
    if chosen == FILES:
        return _paired(visit.files if visit else [])
    if chosen == MINE:
        return digits_of(visit.mine if visit else []), None, []
    if visit and visit.named and visit.source == chosen:
        found = visit.named  # in hand: nobody waits here while another set is loaded
    else:
        found = registry().library.built_in() if chosen == BUILT_IN else named(chosen)
    return found.train, found.test, []


def built_in() -> Sets:
    """Return the built-in digits, made once for everybody; says so to whoever has to wait."""
    library = registry().library
    if library.ready:
        return library.built_in()
    with st.spinner("Writing the built-in digits"):
        return library.built_in()


def prepare_built_in() -> None:
    """Make the built-in digits before anybody asks for them."""
    registry().library.built_in()


def _paired(dropped: list[LoadedFile]) -> Parts:
    found: Pairing = pair(dropped)
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
