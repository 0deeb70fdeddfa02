"""Answers: what a network says to a framing, how sure it is, and by what right it says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from weakref import WeakKeyDictionary

import numpy as np

from dashboard import state
from dashboard.present import words
from dashboard.store.networks import Entry
from nnengine.analysis.calibration import fit_temperature, tempered
from nnengine.core.network import Network
from nnengine.data import framing
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

READABLE_PX = (8, 64)  # sides of images that a drawing can be brought to and still be read
MOST_BARS = 12  # beside each other; of more classes the likeliest are shown
_LEAST, _MOST, _MOST_LIVE = 100, 10_000, 2_000  # held-out images a temperature is fitted on
_SURENESS = (  # by whole percent, which stand beside them
    (99, "almost certain"),
    (90, "sure"),
    (70, "fairly sure"),
    (50, "unsure"),
    (0, "guessing"),
)
# Values must not lead back to their keys, or nothing would ever be let go.
_voices: WeakKeyDictionary[Network, tuple[Voice, tuple[int, int]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Voice:
    """Who answers for the network in hand: its calibrated twin, or None for itself.

    `images` is the number of held-out images its temperature was fitted on, 0 without any.
    """

    twin: Network | None = None
    temperature: float = 1.0
    images: int = 0


@dataclass(frozen=True)
class Answer:
    """What a network says: probabilities (classes,), and the two likeliest classes."""

    probabilities: np.ndarray
    first: int
    second: int
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The answer."""
        return self.names[self.first]

    @property
    def sure(self) -> float:
        """How sure the network is of its answer, in [0, 1]."""
        return float(self.probabilities[self.first])

    @property
    def sentence(self) -> str:
        """The answer as a screen reader says it."""
        return f"{self.name}, {sureness(self.sure)}, {words.share(self.sure)}"


def named(held: Entry) -> str:
    """Return a network's name for a list, with what kind it is of."""
    run = state.run_of(held)
    kinds = {"file": "file", "link": "from a link", "finetuned": "yours", "shipped": "built in"}
    return f"{held.name} ({f'run, {run.state}' if run else kinds.get(held.kind, 'run')})"


def readable(network: Network) -> bool:
    """Return whether a drawing can be brought to this network's images."""
    low, high = READABLE_PX
    return min(network.image_shape) >= low and max(network.image_shape) <= high


def seen(network: Network, framed: np.ndarray) -> np.ndarray:
    """Return framed drawings, uint8 (28, 28) or (n, 28, 28), as this network sees them."""
    if framed.shape[-2:] == network.image_shape:
        return framed
    if framed.ndim == 3:
        return np.stack([framing.fit(image, network.image_shape) for image in framed])
    return framing.fit(framed, network.image_shape)


def ask(held: Entry, framed: np.ndarray) -> Answer:
    """Return what a network says to a framed framing, uint8 (28, 28)."""
    asked = voice(held).twin or held.network
    p = asked.predict_proba(seen(held.network, framed))[0]
    order = np.argsort(-p, kind="stable")
    return Answer(p, int(order[0]), int(order[min(1, len(p) - 1)]), held.network.class_names)


def sureness(share: float) -> str:
    """Return a certainty in [0, 1] in words."""
    return next(word for least, word in _SURENESS if round(100 * share) >= least)


# By what right ---------------------------------------------------------------------------


def voice(held: Entry) -> Voice:
    """Return who answers for a network: its tempered twin where held-out images are at hand."""
    if not _digests(held.network):
        return Voice()  # without a look at the data in hand, which a tab may first have to make
    hand = (id(state.training_set()), id(state.test_set()))
    found, known = _voices.get(held.network, (None, None))
    if found is None or (not found.images and known != hand):  # other data may hold its images
        found = _fitted(held)
        _voices[held.network] = (found, hand)
    return found


def _fitted(held: Entry) -> Voice:
    data = held_out(held)
    if data is None:
        return Voice()
    run = state.current_run()
    most = _MOST_LIVE if held.kind == "run" and run and run.live else _MOST
    if len(data) > most:
        rows = np.random.default_rng(0).choice(len(data), most, replace=False)
        data = data.take(np.sort(rows))
    try:
        t = fit_temperature(held.network.logits(data), data.labels)
    except EngineError:  # it has diverged: there is nothing to fit
        return Voice()
    return Voice(tempered(held.network, t), t, len(data))


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


def right(held: Entry) -> str:
    """Return a sentence about what a network's certainty rests on."""
    who = voice(held)
    if who.images:
        return (
            f"Certainty is set by {who.images:,} held-out images (temperature "
            f"{who.temperature:.2f}): of answers given with 90 % about nine in ten are right there."
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


# As pictures -----------------------------------------------------------------------------

STYLE = """<style>
.nn-bars { display: grid; grid-template-columns: max-content 1fr 3.1rem; gap: .3rem .6rem;
  align-items: center; font-size: .875rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.nn-bars .track { height: .875rem; border-radius: 3px; overflow: hidden;
  background: color-mix(in srgb, currentColor 8%, transparent); }
.nn-bars .fill { height: 100%; border-radius: 3px;
  background: color-mix(in srgb, currentColor 42%, transparent); }
.nn-bars .best.fill { background: #1f8a8a; }
.nn-bars .name { overflow-wrap: anywhere; max-width: 9rem; }
.nn-bars .best.name, .nn-bars .best.share { font-weight: 650; }
.nn-bars .share { text-align: right; white-space: nowrap; }
.nn-bars.small { gap: .15rem .5rem; font-size: .75rem;
  grid-template-columns: max-content 1fr 2.75rem; }
.nn-bars.small .track { height: .5rem; }
.nn-answer { line-height: 1.1; }
.nn-above { font-size: .875rem; line-height: 1.1; opacity: .75; }
.nn-answer .name { font-weight: 650; overflow-wrap: anywhere; }
.nn-answer .below { font-size: .9375rem; margin-top: .4rem; line-height: 1.4; }
.nn-answer .below b { font-weight: 650; }
/* The keys of these buttons are their own names: said once is enough. */
.st-key-draw-tell kbd { display: none; }
.st-key-draw-tell button { min-width: 2.75rem; }
.stLayoutWrapper:has(> .st-key-draw-bars) { min-width: 260px; }
.stLayoutWrapper:has(> [class*=st-key-draw-small]) { min-width: 150px; }
/* After a key the browser frames the whole page, because it can be scrolled by keys. */
.stMain:focus-visible::before { box-shadow: none; }
</style>"""


def bars(names: Sequence[str], answer: Answer | None, *, small: bool = False) -> str:
    """Return the probability of every class as HTML; without an answer the tracks are empty.

    Of many classes the likeliest are shown, in the order of their places.
    """
    p = answer.probabilities if answer else np.zeros(len(names))
    shown = np.sort(np.argsort(-p, kind="stable")[:MOST_BARS])
    rows = []
    for i in shown:
        best = "best " if answer and i == answer.first else ""
        share = words.share(float(p[i])) if answer else ""
        share = share.replace("under ", "&lt;").replace("over ", "&gt;")  # a narrow column
        rows.append(
            f'<span class="{best}name">{escape(names[i])}</span><span class="track">'
            f'<div class="{best}fill" style="width:{100 * p[i]:.1f}%"></div></span>'
            f'<span class="{best}share">{share}</span>'
        )
    spoken = "no answer yet"
    if answer:
        order = np.argsort(-p, kind="stable")[:3]
        spoken = ", ".join(f"{names[i]} {words.share(float(p[i]))}" for i in order)
    return (
        f'<div class="nn-bars{" small" * small}" role="img" '
        f'aria-label="Probability of each answer: {escape(spoken)}">{"".join(rows)}</div>'
    )


def headline(answer: Answer, *, above: str = "The network answers", small: bool = False) -> str:
    """Return the answer in large letters, how sure it is, and the runner-up, as HTML."""
    size = (3 if small else 6) if len(answer.name) <= 2 else (1.25 if small else 2)
    sure = sureness(answer.sure)
    second = ""
    if answer.second != answer.first:
        share = words.share(float(answer.probabilities[answer.second]))
        second = f"<br>next {escape(answer.names[answer.second])}, {share}"
    status = ' role="status"' * (not small)
    return (
        f'<div class="nn-answer"{status}><div class="nn-above">{escape(above)}</div>'
        f'<div class="name" style="font-size:{size}rem">{escape(answer.name)}</div>'
        f'<div class="below"><b>{sure.capitalize()}</b><br>{words.share(answer.sure)}{second}</div>'
        "</div>"
    )
