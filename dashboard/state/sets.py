"""Sets: the files a visitor dropped, and the data in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from dashboard.host.tab import IN_TAB
from dashboard.runs import lesson
from dashboard.store import budget as budget_module
from dashboard.store.budget import Holding
from dashboard.store.files import (
    MAX_FILE_BYTES,
    MOST_LETTERS,
    LoadedFile,
    Pairing,
    pair,
    refused_file,
)
from dashboard.store.library import Fetch, Sets
from dashboard.store.visits import Visit
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.data.pairing import LABELS
from nnengine.errors import ConfigError, EngineError

from .drawings import digits_of, my_digits
from .session import registry, session_id, this_visit, visit_or_new

LEFT_LIGHT = ":light"  # behind the digest of a file that is not to be asked about again, and
KEPT_COLOURS = ":colours"  # behind that of one that keeps its colours
NOTHING = (None, None)  # is made of files
MOST_FILES = 64  # of one visitor: each is a card on the page


def files() -> list[LoadedFile]:
    """Return what the visitor dropped, in order."""
    visit = this_visit()
    return list(visit.files) if visit else []


def add_files(dropped: Iterable[Any]) -> None:
    """Take in (name, bytes) pairs or Streamlit's UploadedFile objects.

    Streamlit's own copy of an UploadedFile is freed at once. A file dropped again replaces its
    twin. Nothing is raised for bad files, or where there is no room: each carries its own error.
    """
    visit = visit_or_new()
    for item in dropped:
        name = (item[0] if isinstance(item, tuple) else item.name)[-MOST_LETTERS:]
        file, raw = _read(visit, name, item)
        if IN_TAB and (file.good or file.rescued is not None):
            visit.fresh[file.digest] = raw
    visit.source, visit.named = FILES, None


def _read(visit: Visit, name: str, item: Any, which: str | None = None) -> tuple[LoadedFile, bytes]:
    """Enter a dropped file as far as there is room for it; return it, and its bytes.

    Where there is none an earlier file of its name stays.
    """
    size = len(item[1]) if isinstance(item, tuple) else upload_size(item)
    try:
        if len(visit.files) >= MOST_FILES and which is None:
            raise ConfigError(f"{MOST_FILES} files are the most that are kept: remove some first")
        with taken_up(item) as (raw, most):
            file = registry().shelf.load(name, raw, most, which)
            if most >= MAX_FILE_BYTES or not file.contents.too_large:
                return _enter(visit, file), raw
        registry().budget.room(visit, most + 1, "what it unpacks to")
        with taken_up((name, raw)) as (raw, most):  # others have been read, and there is by now
            return _enter(visit, registry().shelf.load(name, raw, most, which)), raw
    except ConfigError as fault:
        refused = refused_file(name, size, f"{name}: {fault}")
        visit.files = [*(f for f in visit.files if f.digest != refused.digest), refused]
        return refused, b""


def _enter(visit: Visit, file: LoadedFile) -> LoadedFile:
    """Put a file in the place of its twin, by name or content.

    Labels may be equal though they belong to other images: of sets sorted by class they are.
    """
    others = [
        f for f in visit.files
        if f.name != file.name and (f.digest != file.digest or file.kind == LABELS)
    ]  # fmt: skip
    visit.files = [*others, file]
    return file


@contextmanager
def taken_up(item: Any) -> Iterator[tuple[bytes, int]]:
    """Keep room while an upload, or a pair of name and bytes, is read.

    Gives its bytes and how many may be made of them; Streamlit's own copy is freed. Raises
    ConfigError, which says how that ends, where there is no room.
    """
    budget, visit = registry().budget, visit_or_new()
    if isinstance(item, tuple):
        raw = item[1]
        with budget.reading(visit, len(raw), lambda: raw, arrived=False) as given:
            yield given
        return

    def take() -> bytes:
        raw = item.getvalue()
        release_upload(item)
        return raw

    try:
        if refused := registry().arrivals.refused(getattr(item, "file_id", "")):
            raise ConfigError(refused.why)
        counted = registry().arrivals.holds(getattr(item, "file_id", ""))
        with budget.reading(visit, item.size, take, arrived=counted) as given:
            yield given
    finally:
        release_upload(item)


def upload_size(upload: Any) -> int:
    """Return how large an upload is, or was where there is no room for it."""
    refused = registry().arrivals.refused(getattr(upload, "file_id", ""))
    return refused.size if refused else upload.size


def holdings() -> tuple[list[Holding], int]:
    """Return what this visitor has kept here, and how many bytes he may have kept."""
    visit, budget = this_visit(), registry().budget
    return (budget_module.holdings(visit) if visit else []), budget.visit_bytes


def to_be_chosen() -> list[int]:
    """Return which files hold several sets of which none was chosen: places in `files`."""
    return [index for index, file in enumerate(files()) if file.contents.choices]


def choose_set(index: int, which: str) -> None:
    """Read one of the sets in a file; where there is no room for it, the file says so."""
    visit = this_visit()
    if visit is None or index >= len(visit.files):
        return
    file = visit.files[index]
    if which in file.contents.choices and file.contents.unread is not None:
        _read(visit, file.name, (file.name, file.contents.unread.tobytes()), which)


def keep_whole(index: int) -> None:
    """Accept the whole items of a truncated file."""
    visit = this_visit()
    if visit and visit.files[index].rescued is not None:
        visit.files[index] = visit.files[index].kept_whole()


def turn_file(index: int) -> None:
    """Exchange rows and columns of a file's images; twice changes nothing.

    Raises ConfigError where there is no room for a copy.
    """
    _change(index, registry().shelf.turn, "a turned copy")


def invert_file(index: int) -> None:
    """Exchange light and dark of a file's images; twice changes nothing.

    Raises ConfigError where there is no room for a copy.
    """
    _change(index, registry().shelf.invert, "an inverted copy")


def grey_file(index: int) -> None:
    """Take the colours of a file's images away; twice gives them back.

    Raises ConfigError where there is no room for a copy.
    """
    _change(index, registry().shelf.grey, "a grey copy")


def _change(index: int, change: Callable[[LoadedFile], LoadedFile], what: str) -> None:
    visit = this_visit()
    if visit and index < len(visit.files):
        file = visit.files[index]
        with registry().budget.taking(visit, file.nbytes, what):
            visit.files[index] = change(file)


def leave_upright(index: int) -> None:
    """Ask no more whether a file's images are turned."""
    visit = this_visit()
    if visit and index < len(visit.files):
        visit.upright.add(visit.files[index].digest)


def leave_light(index: int) -> None:
    """Ask no more whether a file's images are to be inverted."""
    visit = this_visit()
    if visit and index < len(visit.files):
        visit.upright.add(visit.files[index].digest + LEFT_LIGHT)


def keep_colours(index: int) -> None:
    """Ask no more whether a file's images are to become grey."""
    visit = this_visit()
    if visit and index < len(visit.files):
        visit.upright.add(visit.files[index].digest + KEPT_COLOURS)


def have_colours() -> list[int]:
    """Return which files hold images in colour: places in `files`."""
    return _seem(lambda data, _: data.channels > 1, lambda file: file.grey, KEPT_COLOURS)


def seem_turned() -> list[int]:
    """Return which files hold images whose rows and columns seem exchanged: places in `files`."""
    shelf = registry().shelf
    return _seem(
        lambda data, file: shelf.looks_turned(data, file.name), lambda file: file.turned, ""
    )


def seem_light() -> list[int]:
    """Return which files hold images that seem dark on light: places in `files`."""
    shelf = registry().shelf
    return _seem(lambda data, _: shelf.looks_light(data), lambda file: file.inverted, LEFT_LIGHT)


def _seem(
    looks: Callable[[Dataset, LoadedFile], bool], done: Callable[[LoadedFile], bool], left: str
) -> list[int]:
    """Return the files in use that look so, were not changed, and were not left as they are."""
    visit = this_visit()
    if visit is None or source() != FILES:
        return []
    found = pair(visit.files)
    asked = []
    for couple, data in zip((found.training, found.test), _paired(visit.files)[:2], strict=True):
        if couple is None or data is None:
            continue
        for index, file in enumerate(visit.files):
            answered = done(file) or file.digest + left in visit.upright or index in asked
            if file.name == couple.images.name and not answered and looks(data, file):
                asked.append(index)
    return asked


def remove_file(index: int) -> None:
    """Let go of one file; runs that train on it keep their data."""
    visit = this_visit()
    if visit:
        visit.files, visit.paired = [f for i, f in enumerate(visit.files) if i != index], NOTHING
        visit.source = FILES


def clear_files() -> None:
    """Let go of all files."""
    visit = this_visit()
    if visit:
        visit.files, visit.paired, visit.source = [], NOTHING, FILES


def release_upload(upload: Any) -> None:
    """Free Streamlit's own copy of an upload, which it would keep as long as the session."""
    registry().arrivals.let_go(session_id(), getattr(upload, "file_id", ""))


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
    if made := lesson.parts(chosen):
        wrong, of = made
        return *lesson.made_wrong(wrong, *sets_of(visit, of)[:2]), []
    if chosen == FILES:
        found = _paired(visit.files if visit else [])
        if visit:
            visit.paired = found[0], found[1]
        return found
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


def _unlike(train: Dataset, test: Dataset) -> str:
    """Say why a test set is not used that has other images."""
    if train.channels != test.channels and train.image_shape == test.image_shape:
        one, other = ("in colour", "grey") if test.channels > 1 else ("grey", "in colour")
        return f"The test images are {one}, the training images {other}: the test set is not used."
    return (
        f"The test images have {test.inputs:,} pixels, the training images {train.inputs:,}: the "
        "test set is not used."
    )


def _paired(dropped: list[LoadedFile]) -> Parts:
    found: Pairing = pair(dropped)
    sentences = list(found.sentences)
    sets: list[Dataset | None] = []
    for part, couple in (("Training", found.training), ("Test", found.test)):
        like = sets[0] if sets else None
        try:
            made = registry().shelf.dataset(*couple, like=like) if couple else None
            if made and sets and sets[0] and made.inputs != sets[0].inputs:
                sentences.append(_unlike(sets[0], made))
                made = None
        except EngineError as fault:
            sentences.append(f"{part} set: {fault}")
            made = None
        sets.append(made)
    if sets[0]:
        sentences += registry().shelf.remarks(sets[0])
    return sets[0], sets[1], sentences
