"""Follow, backwards: from the loss to deltas, gradients, one step, and the answer behind it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.table import table
from dashboard.components.tiles import tiles
from dashboard.present import follow, glossary, pictures, words
from dashboard.present.follow import At, Fact, number
from dashboard.present.outside import plain, shown
from dashboard.sections.follow_forward import card
from nnengine.analysis import explainback
from nnengine.analysis.explain import Trace, Unit, trace
from nnengine.analysis.explainback import Back, Step
from nnengine.core.network import Network
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.errors import ConfigError

_NAMES = {"dense": "weights", "conv": "weights", "norm": "scales"}


def backwards(image: Trace, at: At, dark: bool) -> None:
    """Show the way back for the class that is right."""
    way = explainback.back(image, at.label)
    _blame(way)
    _delta(way, at)
    chosen = _parameter(way, at, dark)
    _step(way, chosen)


def _blame(way: Back) -> None:
    names, found = way.trace.network.class_names, way.trace.softmax(way.label)
    with card("Back from the loss: the classes", "How the loss changes with each logit: its "
              "probability, less one for the class that is right.", "Logit", "Loss"):  # fmt: skip
        rows = [
            (shown(name), number(float(found.probabilities[k])), "1" if k == way.label else "0",
             number(float(way.deltas[-1][k])))
            for k, name in enumerate(names)
        ]  # fmt: skip
        table(("Class", "Probability", "Is right", "Delta"), rows, "Deltas of the logits",
              numbers=True)  # fmt: skip
        last = way.unit(len(way.deltas) - 1, way.label)
        st.html(follow.facts([
            Fact(f"delta of {names[way.label]}", number(last.delta),
                 f"{number(float(last.inputs[0]))} − 1 = {number(last.delta)}", last.line),
        ]))  # fmt: skip


def _delta(way: Back, at: At) -> None:
    """Show what the loss says of the unit that is followed."""
    terms = way.unit(at.layer, at.unit)
    with card("Back to the unit", "Everyone who hears the unit passes its own delta back, by the "
              "weight it hears it with; the slope of the activation lets it through.", "Unit",
              "Activation"):  # fmt: skip
        activation = way.trace.network.activations[at.layer]
        formula = (
            f"{number(terms.total)} × slope {number(terms.slope)} = {number(terms.delta)}; "
            f"the slope of {activation} is {follow.SLOPES[activation]}"
        )
        st.html(follow.facts([
            Fact("blame of the answer, dL/da", number(terms.total),
                 follow.sum_words(terms, follow.STRONGEST), terms.line),
            Fact("delta of the sum, dL/dz", number(terms.delta), formula, terms.slope_line),
        ]))  # fmt: skip


def _parameter(way: Back, at: At, dark: bool) -> int | None:
    """Show the gradients of the unit's weights; return the number of the one followed."""
    network, unit = way.trace.network, way.trace.unit(at.layer, at.unit)
    name = _NAMES.get(unit.kind)
    with card("Into the weights", "The gradient of a weight: what came in, times the delta of who "
              "read it.", "Gradient", "Weight"):  # fmt: skip
        if name is None:
            st.write("This layer has no weights: choose another above.")
            return None
        inside = _inside(network, unit, at)
        chosen = explainback.number_of(network, at.layer, name, inside)
        sides = st.container(horizontal=True, gap="medium")
        if unit.products.size > 1:
            with sides.container(width=168):
                _gradients(way, network, at, dark)
        terms, bias = way.parameter(chosen), _bias(way, network, at, name)
        where = _spot(network, unit, at)
        sides.container(width="stretch", key="follow-gradients").html(follow.facts([
            Fact(f"gradient of the weight on {where}", number(terms.total),
                 follow.sum_words(terms, follow.STRONGEST), terms.line),
            Fact("gradient of the bias", number(bias.total),
                 follow.sum_words(bias, follow.STRONGEST), bias.line),
        ]))  # fmt: skip
        return chosen


def _inside(network: Network, unit: Unit, at: At) -> int:
    """Return which weight of its layer is followed: on the pixel, where the unit sees it.

    Elsewhere the one with the strongest product.
    """
    width = network.layers[at.layer].scales.size if unit.kind == "norm" else (
        network.specs[at.layer].units)  # fmt: skip
    if unit.kind == "norm":
        return at.unit % width
    return _input(unit, at) * width + at.unit % width


def _input(unit: Unit, at: At) -> int:
    """Return which of the unit's inputs is followed, flat."""
    seen = np.flatnonzero(unit.places.ravel() == at.pixel) if at.layer == 0 else np.empty(0, int)
    return int(seen[0]) if len(seen) else int(np.abs(unit.products).argmax())


def _spot(network: Network, unit: Unit, at: At) -> str:
    place = int(unit.places.ravel()[_input(unit, at)])
    return follow.spot(place, network.layers[at.layer].shape) if place >= 0 else "the frame"


def _bias(way: Back, network: Network, at: At, name: str):
    biases = "shifts" if name == "scales" else "biases"
    width = len(getattr(network.layers[at.layer], biases))
    return way.parameter(explainback.number_of(network, at.layer, biases, at.unit % width))


def _gradients(way: Back, network: Network, at: At, dark: bool) -> None:
    """Show the gradients of all weights of the unit as a picture."""
    layer = network.layers[at.layer]
    if network.specs[at.layer].kind == "norm":
        return
    start = explainback.number_of(network, at.layer, "weights", 0)
    whole = way.gradient[start : start + layer.weights.size].reshape(layer.weights.shape)
    mine = whole[..., at.unit % layer.weights.shape[-1]]
    mine = mine.reshape(layer.shape) if mine.ndim == 1 else mine
    picture = follow.levels(follow.flat(mine))
    tiles(
        pictures.palette_png(picture, dark=dark), columns=1, shape=picture.shape,
        captions=["Its weights' gradients"], label="Gradients", key="follow.gradients",
        labels=["Gradients of the unit's weights, each what came in times the delta"], tile_px=168,
    )  # fmt: skip


def _settings(network: Network) -> tuple[str, float]:
    """Offer optimizer and learning rate, at first as this network was trained by, if known."""
    record = (network.training[-1].get("config") or {}) if network.training else {}
    known = record.get("optimizer"), record.get("learning_rate")
    state.set_widget("follow.optimizer", known[0] if known[0] in OPTIMIZERS else "sgd", over=False)
    rate = known[1] if isinstance(known[1], float) and known[1] > 0 else 0.1
    state.set_widget("follow.rate", rate, over=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        optimizer = st.selectbox(
            "Optimizer", list(OPTIMIZERS), key=state.widget("follow.optimizer"), width=200,
            help=glossary.explained("Optimizer"),
        )  # fmt: skip
        rate = st.number_input(
            "Learning rate", min_value=1e-6, max_value=100.0, format="%g", width=200,
            key=state.widget("follow.rate"), help=glossary.explained("Learning rate"),
        )  # fmt: skip
    return optimizer, rate


def _step(way: Back, chosen: int | None) -> None:
    """Show one step: a weight before and after, and the answer before and after."""
    network, names = way.trace.network, way.trace.network.class_names
    with card("One step", "All weights move at once, by this image alone, from an optimizer that "
              "remembers nothing. The network in hand stays as it is.",
              "Step", "Optimizer"):  # fmt: skip
        optimizer, rate = _settings(network)
        try:
            moved = explainback.step(way, optimizer, rate)
        except ConfigError as fault:
            st.error(plain(fault))
            return
        if chosen is not None:
            st.html(follow.facts([Fact(
                "weight behind the step", number(float(moved.after[chosen])),
                step_words(moved, chosen), moved.line)]))  # fmt: skip
        before = way.trace.softmax(way.label)
        after = trace(moved.network, way.trace.image).softmax(way.label)
        rows = [
            (shown(name), words.share(float(before.probabilities[k])),
             words.share(float(after.probabilities[k])))
            for k, name in enumerate(names)
        ]  # fmt: skip
        rows.append(("Loss", number(before.loss), number(after.loss)))
        table(("Class", "Before the step", "After it"), rows, "The answer after one step",
              numbers=True)  # fmt: skip


def step_words(moved: Step, chosen: int) -> str:
    """Return how a step moves one weight, with its numbers."""
    old, g = number(float(moved.before[chosen])), number(float(moved.gradient[chosen]))
    new = number(float(moved.after[chosen]))
    rate = number(moved.numbers["rate"])
    if moved.optimizer == "sgd":
        return f"{old} − {rate} × {g} = {new}"
    memory = ", ".join(
        f"{name} {number(float(array[chosen]))}" for name, array in moved.carried.items()
    )
    numbers = ", ".join(f"{name} {number(value)}" for name, value in moved.numbers.items())
    return f"{old} → {new}, by the gradient {g}; {memory}; {numbers}"
