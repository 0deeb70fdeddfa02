"""Check, what is given: arrays from files or pasted text, held together and looked at at once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.present import checking, words
from dashboard.present.outside import SHORT, plain
from dashboard.sections import check_probe
from dashboard.store.files import MOST_LETTERS
from nnengine.errors import ConfigError, EngineError, FormatError
from nnengine.homework import reading
from nnengine.homework.checking import check

MOST_FILE = 16_000_000  # bytes of one file, and of what is packed in it
MOST_HELD = 8_000_000  # bytes of all arrays: a million numbers, a step of 784-256-10
MOST_PIECES = 64
MOST_PASTED = 500_000  # letters
MOST_TEXT = 5_000_000  # bytes of text, whose parts are read in one piece each, 0.2 s a megabyte
# Bytes taken for each byte: of text in the worst case, brackets around every number, and of arrays
# while they are checked (beside 8 MB for the usual probe's own).
OF_TEXT, OF_CHECK, CHECK = 44, 9, 8_000_000
PASTED = "pasted text"
_TURN, _PASTE, _FAULTS, _REPLACED = "check.turn", "check.paste", "check.faults", "check.replaced"


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One file, or what was pasted, with its arrays by name."""

    name: str
    arrays: Mapping[str, np.ndarray]

    @property
    def nbytes(self) -> int:
        """How much memory its arrays take."""
        return sum(array.nbytes for array in self.arrays.values())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """What a visitor gave, and what came of it: `checked`, or a `fault`.

    names: what the visitor says that names mean. sizes: of the probe that it was held to.
    """

    pieces: tuple[Piece, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    sizes: str = ""
    checked: checking.Checked | None = None
    fault: str | None = None


def given() -> Given:
    """Return what was given; it is looked at anew where another probe was chosen since."""
    held = state.checked() or Given()
    if held.pieces and held.sizes != check_probe.chosen():
        _look(held)
        held = state.checked() or Given()
    return held


def drop(held: Given) -> None:
    """Take in files and pasted text, and show what was given before and what could not be read."""
    with st.container(border=True):
        st.markdown("## Your arrays")
        uploads = st.file_uploader(
            "Files of one step, all at once", accept_multiple_files=True,
            key=f"check.files.{state.get(_TURN, 0)}", max_upload_size=MOST_FILE // 10**6,
            help="A file with one array, .npy or CSV, is called as the array: dW2.csv.",
        )  # fmt: skip
        st.caption("CSV, .npz, .npy, .mat, JSON, or printed text")
        with st.form("check.text", border=False):
            text = st.text_area(
                "Or paste what your program prints", key=f"check.text.{state.get(_PASTE, 0)}",
                placeholder="dW2 = [[0.012, -0.034], [0.056, 0.078]]", max_chars=MOST_PASTED,
            )  # fmt: skip
            pressed = st.form_submit_button("Check this text")
        if uploads:
            with st.spinner("Checking"):
                take_in(uploads)
            state.put(_TURN, state.get(_TURN, 0) + 1)  # a new, empty uploader
            st.rerun()
        if pressed and _pasted(text):
            st.rerun()
        for fault in state.get(_FAULTS, ()):
            st.error(plain(fault))
        if replaced := state.get(_REPLACED):
            st.caption(plain(replaced, 400))
        _listed(held)


def _pasted(text: str) -> bool:
    """Take in what was pasted; return whether anything of it was: else it stays to be mended."""
    if not text.strip():
        state.put(_FAULTS, ["Nothing was pasted: print an array and its name, as in dW2 = [[...]]"])
        return False
    before = state.checked()
    take_in([(PASTED, text.encode(errors="replace"))])
    if state.checked() is before:
        return False
    state.put(_PASTE, state.get(_PASTE, 0) + 1)
    return True


def take_in(items: Iterable[Any]) -> None:
    """Read uploads, or pairs of name and bytes, and look at all there is.

    Each that cannot be read says why; what is there already stays.
    """
    faults, came = [], []
    held = state.checked() or Given()
    for item in items:
        name = item[0] if isinstance(item, tuple) else item.name[-MOST_LETTERS:]
        try:
            piece = _read(item, name)
            _alone(piece, came)
            _fit(_joined(held.pieces, [*came, piece]))
            came.append(piece)
        except EngineError as fault:
            faults.append(str(fault) if str(fault).startswith(name) else f"{name}: {fault}")
    state.put(_FAULTS, faults)
    state.put(_REPLACED, _replaced(held.pieces, came))
    if came:
        _look(replace(held, pieces=_joined(held.pieces, came)))


def _read(item: Any, name: str) -> Piece:
    size = len(item[1]) if isinstance(item, tuple) else item.size
    if size > MOST_FILE:
        if not isinstance(item, tuple):
            state.release_upload(item)
        raise ConfigError(
            f"{words.size(size)}, and {words.size(MOST_FILE)} are read: save one step of one small "
            "batch, not every step"
        )
    with state.taken_up(item) as (raw, most):
        _no_folder(raw)
        _room_to_read(raw, most)
        found = reading.read(raw, name, MOST_FILE)
    if not found:
        raise FormatError("no array is in it: save at least one, under its name")
    return Piece(name, found)


def _room_to_read(raw: bytes, most: int) -> None:
    """Raise ConfigError for text that is too long, and where reading takes more than is free."""
    packed = raw.startswith((b"PK", b"\x93NUMPY", b"MATLAB"))
    if not packed and len(raw) > MOST_TEXT:
        raise ConfigError(
            f"{words.size(len(raw))} of text, and {words.size(MOST_TEXT)} are read: save it as "
            ".npz, np.savez('mine.npz', Z1=Z1, A1=A1, ...)"
        )
    wanted = MOST_FILE if packed else OF_TEXT * len(raw)
    if wanted > most:
        raise ConfigError(
            f"reading it takes {words.size(wanted)}, and {words.size(most)} are free: let go of "
            "other things first"
        )


def _no_folder(raw: bytes) -> None:
    """Raise FormatError for a zip of files, such as that of the probe: it is no .npz."""
    if not raw.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            other = next((n for n in archive.namelist() if not n.endswith(".npy")), None)
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise FormatError("a damaged .npz, perhaps cut short: save it again") from None
    if other is not None:
        raise FormatError(
            f"a zip of files ({other[:60]}), not an .npz: unpack it, and give what your program "
            "saved"
        )


def _alone(piece: Piece, came: list[Piece]) -> None:
    """Raise FormatError where an array came just now in another file: which is meant is open."""
    for other in came:
        if twice := piece.arrays.keys() & other.arrays.keys():
            raise FormatError(f"{min(twice)} came in {other.name} as well: leave one of them out")


def _joined(held: tuple[Piece, ...], came: list[Piece]) -> tuple[Piece, ...]:
    """Return all pieces; older ones that have an array in common with a new file are let go of.

    They are of another step, and one of two steps together would accuse lines that are right.
    What is pasted takes the place of the arrays of its names alone.
    """
    files = {name for piece in came if piece.name != PASTED for name in piece.arrays}
    names = {piece.name for piece in came if piece.name != PASTED}
    fresh = {name for piece in came for name in piece.arrays}
    kept, pasted = [], {}
    for piece in held:
        if piece.name in names or piece.arrays.keys() & files:
            continue
        left = {name: array for name, array in piece.arrays.items() if name not in fresh}
        if piece.name == PASTED:
            pasted = left
        elif left:
            kept.append(Piece(piece.name, left))
    new = [Piece(p.name, {**pasted, **p.arrays}) if p.name == PASTED else p for p in came]
    if pasted and not any(p.name == PASTED for p in came):
        kept.append(Piece(PASTED, pasted))
    return (*kept, *new)


def _replaced(held: tuple[Piece, ...], came: list[Piece]) -> str:
    """Return what of other files newer ones took the place of, in sentences."""
    said = []
    for old, new in product(held, came):
        both = ", ".join(name for name in new.arrays if name in old.arrays)
        if not both or old.name == new.name:
            continue
        what = f"{both} of {old.name}" if new.name == PASTED else old.name
        said.append(f"{new.name} took the place of {what}.")
    return " ".join(said)


def _fit(pieces: tuple[Piece, ...]) -> None:
    """Raise ConfigError for more than is held together."""
    size = sum(piece.nbytes for piece in pieces)
    if size > MOST_HELD or len(pieces) > MOST_PIECES:
        raise ConfigError(
            f"with it there are {words.size(size)} of numbers in {len(pieces)} files, and at most "
            f"{words.size(MOST_HELD)} in {MOST_PIECES} are held: give one step of one small batch"
        )


def _look(held: Given) -> None:
    """Check all arrays there are and keep what came of it."""
    arrays = {name: array for piece in held.pieces for name, array in piece.arrays.items()}
    sizes = check_probe.chosen()
    checked = fault = None
    try:
        with state.room_to_check(CHECK + OF_CHECK * sum(piece.nbytes for piece in held.pieces)):
            told = {name: meant for name, meant in held.names.items() if name in arrays}
            report = check(arrays, start=check_probe.start(sizes), names=told)
            checked = checking.of(report)
    except EngineError as why:
        fault = str(why)
    state.keep_check(
        replace(held, sizes=sizes, checked=checked, fault=fault), list(arrays.values())
    )


def _listed(held: Given) -> None:
    """Show what was given, piece by piece, and let each be taken out again."""
    for index, piece in enumerate(held.pieces):
        with st.container(horizontal=True, vertical_alignment="center"):
            many = f"{len(piece.arrays)} array{'s' * (len(piece.arrays) != 1)}"
            st.markdown(f"**{plain(piece.name, SHORT)}** · {plain(many)}", width="stretch")
            st.button(
                "Remove", key=f"check.remove.{index}", type="tertiary", on_click=_remove,
                args=(piece.name,), help=f"Remove {plain(piece.name, SHORT)}",
            )  # fmt: skip
    if held.checked is not None:  # on a phone the report stands a screen away from here
        st.caption(plain(f"Checked: {checking.headline(held.checked)}."))
    if len(held.pieces) > 1:
        st.button("Remove all", key="check.clear", type="tertiary", on_click=_clear)


def _remove(name: str) -> None:
    held = state.checked() or Given()
    left = tuple(piece for piece in held.pieces if piece.name != name)
    _quiet()
    if left:
        _look(replace(held, pieces=left))
    else:
        _clear()


def _clear() -> None:
    _quiet()
    state.keep_check(None, ())


def tell(own: str, meant: str | None) -> None:
    """Take a visitor's word for what a name means; None: for nothing."""
    held = state.checked() or Given()
    names = {name: other for name, other in held.names.items() if name != own}
    _look(replace(held, names=names | ({own: meant} if meant else {})))


def _quiet() -> None:
    state.put(_FAULTS, ())
    state.put(_REPLACED, "")
