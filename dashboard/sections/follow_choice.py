"""Follow, choice: which image is followed, where on its way somebody is, and what its file is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.present import answers, follow, glossary
from dashboard.present.follow import At
from dashboard.present.outside import shown
from dashboard.sections import drawing
from dashboard.sections.robustness import examination
from dashboard.store.files import pair
from dashboard.store.networks import Entry
from nnengine.analysis.explain import Trace, trace
from nnengine.core.network import Network
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.data.idxheader import IdxHeader, encode_header

_AT, _SAID, _WRONG = "follow.at", "follow.said", "follow.wrong"
MOST_WRONG = 1000  # offered in a list


@dataclass(frozen=True, slots=True)
class Chosen:
    """An image to be followed, uint8, as the network reads it; what is known of where it lies.

    label: its class, where that is known. index: its place in the file; header: the file's, as it
    is or as it would be; behind: a sentence about the file, names in it as they came.
    """

    image: np.ndarray
    label: int | None
    index: int
    header: IdxHeader
    behind: str


def place() -> At:
    """Return where somebody is: as the address says, if it says what this page did not."""
    said = state.said_here()
    if said and said != state.get(_SAID):
        state.put(_AT, follow.read(said))
        state.put(_SAID, said)
    return state.get(_AT, At())


def move(at: At) -> None:
    """Go to another place, and let the address say so."""
    state.put(_AT, at)
    said = follow.address(at)
    state.put(_SAID, said)
    state.say_here(said)


def go(**changes: object) -> None:
    """Go on from where somebody is, in a callback or before the page is drawn anew."""
    state.put(_AT, replace(state.get(_AT, At()), **changes))


def link(label: str, at: At) -> None:
    """Offer the way to this page, with a place to begin at."""
    st.page_link(
        "views/follow.py", label=label, icon=":material/conversion_path:",
        query_params=follow.address(at),
    )  # fmt: skip


def link_to_unit(network: Network, layer: int, unit: int) -> None:
    """Offer the way to a unit, or to the middle of a map, on the image that is followed."""
    height, width, channels = network.specs[layer].after(network.layers[layer].shape)
    middle = height // 2 * width + width // 2
    here = replace(state.get(_AT, At()), layer=layer, unit=middle * channels + unit, label=-1)
    link("Follow it on an image", here)


def open_at(at: At) -> None:
    """Go to this page, to a place."""
    state.put(_AT, at)
    st.switch_page("views/follow.py")


def choose(held: Entry, at: At) -> Chosen | None:
    """Offer images; return the one chosen, or None where there is none, which is then said."""
    found = examination(held.network)
    offered = [follow.TEST, follow.MISREAD] if found else []
    if answers.readable(held.network):
        offered += [follow.SHEET, *([follow.KEPT] if state.kept() else [])]
    if not offered:
        st.write("No images in hand are of this network's size and classes.")
        st.page_link("views/data.py", label="Choose data", icon=":material/database:")
        return None
    source = at.source if at.source in offered else offered[0]
    if source != at.source:
        go(source=source)
    key = state.choice("follow.source", source)
    st.segmented_control(
        "Follow", offered, default=source, key=key, format_func=follow.SOURCES.get,
        label_visibility="collapsed", on_change=_picked,
        args=("source", key, lambda source: {"source": source, "label": -1}),
    )  # fmt: skip
    if source == follow.SHEET:
        return _sheet(held.network)
    if source == follow.KEPT:
        return _kept(held.network, at)
    data, part = found
    return _of_data(held.network, data, part, at, misread=source == follow.MISREAD)


def _picked(name: str, key: str, become: Callable[[Any], dict] | None = None) -> None:
    value = state.chosen(f"follow.{name}", key)
    if value is not None:
        go(**(become(value) if become else {name: value}))


def _other_image(index: int) -> dict[str, int]:
    return {"image": index, "label": -1}


def pick(
    name: str, label: str, options: list[int], chosen: int, words: Any,
    become: Callable[[Any], dict] | None = None, *, help: str | None = None,
) -> None:  # fmt: skip
    """Offer one of these numbers under their words; the one picked is gone to.

    become: what of the place changes by it; None: what has its name.
    """
    key = state.choice(f"follow.{name}", chosen)
    st.selectbox(
        label, options, index=options.index(chosen), key=key, format_func=words.__getitem__,
        width=320, on_change=_picked, args=(name, key, become), help=help,
    )  # fmt: skip


def followed(network: Network, chosen: Chosen) -> tuple[Trace, At]:
    """Return an image on its way through a network, and a place on it that there is."""
    way = trace(network, chosen.image)
    at = follow.within(place(), way, chosen.label)
    move(at)
    return way, at


# What is followed --------------------------------------------------------------------------


def _of_data(network: Network, data: Dataset, part: str, at: At, *, misread: bool) -> Chosen | None:
    index = min(at.image, data.count - 1)
    if misread:
        wrong = _wrong(network, data)
        if not wrong:
            st.write(f"All {data.count:,} {part} images are answered rightly.")
            return None
        index = index if index in wrong else next(iter(wrong))
        listed = list(wrong)[:MOST_WRONG]
        listed += [] if index in listed else [index]
        pick("image", "Image", listed, index, wrong, _other_image)
    else:
        key = state.choice("follow.image", index)
        st.number_input(
            f"Image, of {data.count:,} {part} images", 0, data.count - 1,
            value=index, key=key, width=320, on_change=_picked,
            help=glossary.explained(f"{part.capitalize()} images"),
            args=("image", key, _other_image),
        )  # fmt: skip
    if index != at.image:
        go(image=index)
    header, behind = _file(data)
    return Chosen(data.images[index], int(data.labels[index]), index, header, behind)


def _wrong(network: Network, data: Dataset) -> dict[int, str]:
    """Return the images that the network misreads, in words; found anew for other weights."""
    weights = hashlib.blake2b(network.theta.tobytes(), digest_size=16).digest()
    of, found = state.get(_WRONG) or (None, {})
    if of != (weights, data.digest):
        said, names = network.predict(data), data.class_names
        found = {
            int(i): f"{i:,}: is {shown(names[data.labels[i]])}, answered {shown(names[said[i]])}"
            for i in np.flatnonzero(said != data.labels)
        }
        state.put(_WRONG, ((weights, data.digest), found))
    return found


def _sheet(network: Network) -> Chosen | None:
    sheet = state.get(drawing.PAD)
    framed = drawing.frame(sheet.pixels if sheet else None)
    if framed is None:
        st.write("The sheet on the Draw page is blank: draw a digit there, and follow it here.")
        st.page_link("views/draw.py", label="Draw a digit", icon=":material/draw:")
        return None
    return _drawn(answers.seen(network, framed), None)


def _kept(network: Network, at: At) -> Chosen:
    kept = state.kept()
    index = min(at.image, len(kept) - 1)
    words = [f"{i + 1}. a {shown(one.name)}" for i, one in enumerate(kept)]
    pick("image", "Drawing", list(range(len(kept))), index, words, _other_image)
    one, names = kept[index], network.class_names
    label = names.index(one.name) if one.name in names else None
    return _drawn(answers.seen(network, one.image), label)


def _drawn(image: np.ndarray, label: int | None) -> Chosen:
    behind = (
        "No file stands behind a drawing: as an IDX file of this one image, these would be its "
        "bytes."
    )
    return Chosen(image, label, 0, header_of(image[None]), behind)


# Its file ----------------------------------------------------------------------------------


def header_of(images: np.ndarray) -> IdxHeader:
    """Return the header that an IDX file of these images has."""
    raw = encode_header(images)
    return IdxHeader(
        magic=int.from_bytes(raw[:4], "big"), dtype=images.dtype, shape=images.shape,
        header_bytes=raw, gzipped=False, data_bytes=images.nbytes, name=None,
    )  # fmt: skip


def _file(data: Dataset) -> tuple[IdxHeader, str]:
    """Return the header of the file that these images came in, and a sentence about it."""
    made, source = header_of(data.images), state.source()
    ours = [state.test_set(), state.training_set()]
    if data not in ours:
        source = state.BUILT_IN
    if source == state.FILES:
        found = pair(state.files())
        couple = (found.test, found.training)[ours.index(data)]
        file = couple.images if couple else None
        if file is None or file.header is None:
            name = file.name if file else data.name
            return made, f"{name} is no IDX file: as one, these would be its bytes."
        if file.turned or file.inverted or file.grey:
            return made, f"{file.name} was changed as it was read: as it is now, its bytes are:"
        packed = ", unpacked" * file.header.gzipped
        return file.header, f"These are the bytes of {file.name}{packed}."
    if source in catalogue.NAMES and source != state.BUILT_IN:
        return made, f"These are the bytes of the published IDX file of {data.name}, unpacked."
    return made, (
        f"{data.name} has no file here: a program writes it. In an IDX file, as write_idx makes "
        "one of it, these are its bytes."
    )
