"""Follow, forwards: a byte, a pixel, a unit, a layer, logits, softmax, loss: a card each."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.components.cells import cells
from dashboard.components.table import table
from dashboard.components.tiles import tiles
from dashboard.present import anatomy, follow, glossary, pictures
from dashboard.present.follow import At, Fact, number
from dashboard.present.outside import plain, shown
from dashboard.sections.follow_choice import Chosen, go, pick
from nnengine.analysis import corelines
from nnengine.analysis.explain import Trace, Unit, place

PICTURE_PX = 280
TILE_PX = 128


def card(title: str, sentence: str, *terms: str):
    """Return a card with its heading, explained by these terms, and its sentence."""
    box = st.container(border=True)
    with box:
        st.markdown(f"### {title}", help=glossary.explained(*terms) or None)
        st.write(sentence)
    return box


def byte(chosen: Chosen, trace: Trace, at: At) -> None:
    """Show the file's bytes around the pixel, and its header."""
    shape, header = trace.network.shape, chosen.header
    found = place(len(header.header_bytes), chosen.index, shape, at.pixel)
    with card("A byte of the file", plain(chosen.behind)):
        rows = follow.around(chosen.image.tobytes(), found.image, at.pixel, shape[1] * shape[2])
        st.html(follow.hexed(rows, found.offset))
        st.caption(f"Row upon row of the image, {shape[1] * shape[2]:,} bytes apart.")
        formula = (
            f"header {found.header} + image {found.index:,} × {found.size:,} bytes + "
            f"{found.inside:,} = {found.offset:,}"
        )
        st.html(follow.facts([Fact("offset", f"{found.offset:,}", formula,
                                   corelines.line("header"))]))  # fmt: skip
        with st.expander("The header, read"):
            st.html(anatomy.table(
                anatomy.HEADINGS, anatomy.header_rows(header), label="Header of the file",
                code=(1,),
            ))  # fmt: skip


def pixel(chosen: Chosen, trace: Trace, at: At) -> None:
    """Show the image; a pixel that is pressed is the one that is followed."""
    height, width, channels = trace.network.shape
    flat, spot = chosen.image.reshape(-1), follow.spot(at.pixel, trace.network.shape)
    with card("A pixel", "Press a pixel, or go with the arrow keys: it is followed from here on."):
        first = np.arange(height * width) * channels
        pressed = cells(
            pictures.png(chosen.image), columns=width, key="follow.pixel", width=PICTURE_PX,
            said=[f"Row {i // width}, column {i % width}: byte "
                  + " ".join(map(str, flat[i * channels : (i + 1) * channels]))
                  for i in range(height * width)],
            selected=at.pixel // channels, label="Pixel",
        )  # fmt: skip
        if pressed is not None and pressed != at.pixel // channels:
            go(pixel=int(first[pressed]))
            st.rerun()
        value, x, scale = int(flat[at.pixel]), float(trace.inputs[at.pixel]), trace.network
        shown_scale = "÷ 255" if abs(scale.input_scale * 255 - 1) < 1e-9 else (
            f"× {number(scale.input_scale)}")  # fmt: skip
        st.html(follow.facts([
            Fact(f"x, {spot}", number(x), f"byte {value} {shown_scale} = {number(x)}",
                 corelines.line("x")),
        ]))  # fmt: skip


def unit(trace: Trace, at: At, dark: bool) -> None:
    """Show all units of a layer, to be pressed, and the sum of one as products."""
    network = trace.network
    terms = trace.unit(at.layer, at.unit)
    with card("A unit: its sum", follow.KINDS[terms.kind], "Unit", "Weight", "Bias"):
        names = [follow.layer_name(network, n) for n in range(len(network.specs))]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            pick("layer", "Layer", list(range(len(names))), at.layer, names,
                 lambda n: {"layer": n, "unit": -1}, help=glossary.explained("Layer"))  # fmt: skip
            map_ = _map(trace, at)
        with st.container(horizontal=True, gap="medium"):
            with st.container(width=PICTURE_PX):
                _units(trace, at, map_, dark)
            with st.container(width="stretch", key="follow-products"):
                _products(terms, dark)
        _terms(terms, trace, at)


def _map(trace: Trace, at: At) -> int:
    """Offer the maps of a layer that has more than one; return the one of the unit."""
    shape = trace.network.specs[at.layer].after(trace.network.layers[at.layer].shape)
    if shape[0] * shape[1] == 1 or shape[2] == 1:
        return at.unit % shape[2]
    maps, here = list(range(shape[2])), at.unit % shape[2]
    pick("map", "Map", maps, here, [f"Map {n + 1}" for n in maps],
         lambda n: {"unit": at.unit - here + n})  # fmt: skip
    return here


def _units(trace: Trace, at: At, map_: int, dark: bool) -> None:
    """Show the answers of a layer, or of one of its maps; one that is pressed is followed."""
    height, width, channels = trace.network.specs[at.layer].after(
        trace.network.layers[at.layer].shape
    )
    answers, last = trace.answers[at.layer], at.layer == len(trace.answers) - 1
    if height * width > 1:
        places, columns = np.arange(height * width) * channels + map_, width
    else:
        places, columns = np.arange(channels), follow.columns_of(channels)
    names = trace.network.class_names if last else None
    spots = [
        f"Class {names[n]}" if names else follow.spot(int(n), (height, width, channels))
        for n in places
    ]
    said = [
        f"{spot.capitalize()}: {number(float(answers[n]))}"
        for spot, n in zip(spots, places, strict=True)
    ]
    picture = follow.levels(follow.flat(answers[places].reshape(-1, columns, 1)
                            if height * width > 1 else answers[places]))  # fmt: skip
    pressed = cells(
        pictures.palette_png(picture, dark=dark), columns=columns, said=said,
        selected=int(np.flatnonzero(places == at.unit)[0]), label="Unit",
        key=f"follow.unit.{at.layer}", width=PICTURE_PX if len(places) > 12 else 28 * len(places),
    )  # fmt: skip
    if pressed is not None and int(places[pressed]) != at.unit:
        go(unit=int(places[pressed]))
        st.rerun()


def _products(terms: Unit, dark: bool) -> None:
    """Show a sum as pictures: what is read, its weights, their products."""
    if terms.products.size > 1:
        sheet, shape = follow.product_sheet(terms, dark)
        captions = ["Input", "× weights", "= products"]
        tiles(
            sheet, columns=3, shape=shape, captions=captions, labels=captions,
            label="Inputs, weights and products of the unit", key="follow.products",
            tile_px=TILE_PX,
        )  # fmt: skip
    st.caption("Orange is above zero, blue below; each picture on a scale of its own.")


def _terms(terms: Unit, trace: Trace, at: At) -> None:
    """Show a sum's strongest terms, its bias, and what follows."""
    before = trace.network.layers[at.layer].shape
    headings = ("Input", "Byte", "x" if at.layer == 0 else "Input's value", "Weight", "Product")
    table(headings, follow.term_rows(terms, before), "Strongest terms of the sum", numbers=True)
    st.html(follow.facts([
        Fact("z", number(terms.total), follow.sum_words(terms), terms.line),
        Fact("answer a", number(terms.answer),
             f"{terms.activation}(z) = {follow.ACTIVATIONS[terms.activation]}, of z = "
             f"{number(terms.total)}: {number(terms.answer)}", terms.answer_line),
    ]))  # fmt: skip


def layers(trace: Trace, at: At) -> None:
    """Show what each layer makes of the image, in numbers."""
    with card("Layer by layer", "Each layer reads what the one before answers.", "Layer"):
        rows = []
        for n, answers in enumerate(trace.answers):
            most = int(np.abs(answers).argmax())
            rows.append((
                follow.layer_name(trace.network, n), f"{len(answers):,}",
                f"{int((answers > 0).sum()):,}", number(float(answers[most])),
                number(float(answers.mean())),
            ))  # fmt: skip
        table(("Layer", "Numbers", "Above zero", "Farthest from zero", "Mean"), rows, "Layers",
              numbers=True)  # fmt: skip


def answer(trace: Trace, at: At) -> None:
    """Show logits, softmax term by term, and the loss for the label."""
    found, names = trace.softmax(at.label), trace.network.class_names
    best = int(found.probabilities.argmax())
    with card("Logits and softmax", "The last sums are logits. Softmax takes the largest from each,"
              " raises e to what is left, and divides by the total.",
              "Logit", "Softmax"):  # fmt: skip
        rows = [
            (shown(names[k]), *(number(float(v[k])) for v in (
                found.logits, found.shifted, found.exponentials, found.probabilities)))
            for k in range(len(names))
        ]  # fmt: skip
        table(("Class", "Logit", "Logit − largest", "e to that", "Probability"), rows, "Softmax",
              numbers=True)  # fmt: skip
        st.html(follow.facts([
            Fact("largest logit", number(found.maximum), f"that of {names[best]}",
                 corelines.line("maximum")),
            Fact("total", number(found.total),
                 " + ".join(number(float(v)) for v in found.exponentials[:12])
                 + " + …" * (len(names) > 12) + f" = {number(found.total)}",
                 corelines.line("exponential")),
            Fact(f"probability of {names[best]}", number(float(found.probabilities[best])),
                 f"{number(float(found.exponentials[best]))} ÷ {number(found.total)} = "
                 f"{number(float(found.probabilities[best]))}", corelines.line("probability")),
        ]))  # fmt: skip
    said = "rightly" if found.right else f"wrongly, {names[best]}"
    sentence = f"If {names[at.label]} is right, the network has answered {said}."
    with card("The loss", plain(sentence), "Loss"):
        pick("label", "Right class", list(range(len(names))), at.label, list(map(shown, names)),
             help=glossary.explained("Class"))  # fmt: skip
        formula = (
            f"log({number(found.total)}) − ({number(float(found.shifted[at.label]))}) = "
            f"{number(found.loss)}, which is −log({number(float(found.probabilities[at.label]))})"
        )
        st.html(follow.facts([Fact("loss", number(found.loss), formula, corelines.line("loss"))]))
