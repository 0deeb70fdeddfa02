"""Temperature: how sure a network may claim to be, set by images it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from dashboard import state
from dashboard.store.networks import Entry
from nnengine.analysis import novelty
from nnengine.analysis.calibration import fit_temperature, tempered
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

_LEAST, _MOST, _MOST_LIVE = 100, 10_000, 2_000  # held-out images a temperature is fitted on


@dataclass(frozen=True)
class Temperature:
    """What a network's logits are divided by, and the network that does so; None: it itself.

    `images` is the number of held-out images it was fitted on, 0 without any.
    """

    tempered: Network | None = None
    value: float = 1.0
    images: int = 0


# Values must not lead back to their keys, or nothing would ever be let go.
_fits: WeakKeyDictionary[Network, tuple[Temperature, tuple[int, int]]] = WeakKeyDictionary()
_lines: dict[str, novelty.Line | None] = {}  # by the digest of the images held out, newest last
_MOST_LINES = 8


def temperature(held: Entry) -> Temperature:
    """Return the temperature of a network, fitted where held-out images are at hand."""
    if not _digests(held.network):
        return Temperature()  # no look at the data in hand, which a tab may have to make first
    hand = (id(state.training_set()), id(state.test_set()))
    found, known = _fits.get(held.network, (None, None))
    if found is None or (not found.images and known != hand):  # other data may hold its images
        found = _fitted(held)
        _fits[held.network] = (found, hand)
    return found


def _fitted(held: Entry) -> Temperature:
    data = held_out(held)
    if data is None:
        return Temperature()
    run = state.run_of(held)
    most = _MOST_LIVE if run and run.live else _MOST
    if len(data) > most:
        rows = np.random.default_rng(0).choice(len(data), most, replace=False)
        data = data.take(np.sort(rows))
    try:
        t = fit_temperature(held.network.logits(data), data.labels)
    except EngineError:  # it has diverged: there is nothing to fit
        return Temperature()
    return Temperature(tempered(held.network, t), t, len(data))


def line(held: Entry) -> novelty.Line | None:
    """Return from where on a drawing looks like none of a network's digits; None: nobody can tell.

    The one on record, else one fitted on held-out images at hand, else the guard's own.
    """
    found = novelty.line_of(held.network)
    if found is None or found.own or not _digests(held.network):
        return found
    data = held_out(held)
    if data is None:
        return found
    if data.digest not in _lines:
        _lines[data.digest] = novelty.fit_line(data.images)
        for old in list(_lines)[:-_MOST_LINES]:
            _lines.pop(old, None)
    return _lines[data.digest] or found


def with_line(held: Entry) -> Network:
    """Return a network as it is saved and sent: with its line, where it has one of its own."""
    found, known = line(held), novelty.line_of(held.network)
    if found is None or found == known or not found.own:
        return held.network
    return novelty.with_line(held.network, found)


def price(held: Entry) -> str:
    """Return a sentence about what it costs that drawings are refused."""
    found = line(held)
    if found is None:
        return ""
    whose = "held-out images" if found.own else "images of MNIST, for no others are at hand"
    return (
        f"Real digits are refused, too: {100 * found.price:.1f} % of {found.images:,} {whose}, so "
        "draw it again if it is one."
    )


def held_out(held: Entry) -> Dataset | None:
    """Return the images that were held out when a network was trained, if they are at hand.

    Its training record names them by their digest, so other data are never taken for them.
    """
    digests = _digests(held.network)
    if not digests:
        return None
    parts = halves(held)
    for data in (state.test_set(), parts[1] if parts else None):
        if data is not None and len(data) >= _LEAST and data.digest in digests:
            return data
    return None


def _digests(network: Network) -> set[str]:
    """Return what images held out in its training are known by, where its record says so."""
    return {record.get("validation_digest") for record in network.training} - {None}


def halves(held: Entry) -> tuple[Dataset, Dataset] | None:
    """Return (rest, held out) as a run of this visit split the data in hand, or None.

    None too where its data seem to be others, before they are split for nothing.
    """
    run = next((run for run in state.runs() if held.key.endswith(f"run:{run.id}")), None)
    data = state.training_set()
    if run is None or data is None or not isinstance(run.recipe.validation, float):
        return None
    count = round((1 - run.recipe.validation) * len(data))
    if data.name != run.data_name or abs(count - run.data_count) > 1:
        return None
    try:
        return state.split_for(run.recipe)
    except EngineError:
        return None


def basis(held: Entry) -> str:
    """Return a sentence about what a network's certainty rests on."""
    found = temperature(held)
    if found.images:
        return (
            f"Certainty is set by {found.images:,} held-out images (temperature "
            f"{found.value:.2f}): of answers given with 90 % about nine in ten are right there."
        )
    if held.kind == "shipped" and (measured := _measured(held.id)):
        return measured
    return "Certainty is what this network claims: no held-out images are at hand to check it by."


def _measured(name: str) -> str:
    """Return what is known of a shipped network's certainty, from the card that ships with it."""
    card = state.card(name)
    sets = card.get("measured") or {}
    gaps = [100 * found["calibration_error"] for found in sets.values()]
    if "temperature" not in card or not gaps:
        return ""
    return (
        f"Certainty was set when this network was made. On {len(gaps)} sets of images it had not "
        f"seen, it is off by {min(gaps):.1f} to {max(gaps):.1f} points on average."
    )
