"""Answers: what a network says to a drawing, in words and as bars of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.present import words
from dashboard.present.outside import html
from nnengine.analysis.novelty import Line, line_of, strangeness
from nnengine.core.network import Network
from nnengine.data import framing

READABLE_PX = (8, 64)  # sides of images that a drawing can be brought to and still be read
MOST_BARS = 12  # beside each other; of more classes the likeliest are shown
_SURENESS = (  # by whole percent, which stand beside them
    (99, "almost certain"),
    (90, "sure"),
    (70, "fairly sure"),
    (50, "unsure"),
    (0, "guessing"),
)
NONE = "This looks like none of my digits"
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
.nn-answer { line-height: 1.1; overflow-wrap: anywhere; }
.nn-above { font-size: .875rem; line-height: 1.1; opacity: .75; }
.nn-answer .name { font-weight: 650; }
.nn-answer.none .name { font-size: 1.375rem; line-height: 1.25; margin-top: .25rem; }
.nn-answer .below { font-size: .9375rem; margin-top: .4rem; line-height: 1.4; }
.nn-answer .below b { font-weight: 650; }
.nn-brief { display: none; }
@media (max-width: 640px) {
  .nn-brief { display: block; position: fixed; left: 0; right: 0; bottom: 0; z-index: 90;
    padding: .5rem 1rem; border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent);
    background: var(--st-background-color, Canvas); font-size: .9375rem; }
  .nn-brief b { font-size: 1.375rem; margin-right: .5rem; }
  .stMainBlockContainer { padding-bottom: 4.5rem; }
}
/* The keys of these buttons are their own names: said once is enough. */
.st-key-draw-tell kbd { display: none; }
.st-key-draw-tell button { min-width: 2.75rem; }
.stLayoutWrapper:has(> .st-key-draw-bars) { min-width: 260px; }
.stLayoutWrapper:has(> [class*=st-key-draw-small]) { min-width: 150px; }
/* After a key the browser frames the whole page, because it can be scrolled by keys. */
.stMain:focus-visible::before { box-shadow: none; }
</style>"""


@dataclass(frozen=True)
class Answer:
    """What a network says: probabilities (classes,), and the two likeliest classes."""

    probabilities: np.ndarray
    first: int
    second: int
    names: tuple[str, ...]
    none: bool = False  # the drawing looks like none of the digits

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
        said = f"{self.name}, {sureness(self.sure)}, {words.share(self.sure)}"
        return f"{NONE}. It would have said {said}" if self.none else said


def strange(network: Network, framed: np.ndarray, line: Line | None = None) -> bool:
    """Return whether a framed drawing, uint8 (28, 28), looks like none of a network's digits.

    line: where it is drawn, or None for the one on record; never for networks of other classes.
    """
    line = line or line_of(network)
    return line is not None and float(strangeness(framed)[0]) > line.value


def readable(network: Network) -> bool:
    """Return whether a drawing can be brought to this network's images."""
    low, high = READABLE_PX
    fits = low <= min(network.image_shape) <= max(network.image_shape) <= high
    return fits and network.channels in (1, 3)


def seen(network: Network, framed: np.ndarray) -> np.ndarray:
    """Return framed drawings, uint8 (28, 28) or (n, 28, 28), as this network sees them.

    One that looks at colours sees grey: three equal channels, behind the sides.
    """
    found = framed
    if framed.shape[-2:] != network.image_shape:
        drawings = framed.reshape(-1, *framed.shape[-2:])
        found = np.stack([framing.fit(image, network.image_shape) for image in drawings])
        found = found.reshape(*framed.shape[:-2], *network.image_shape)
    return np.repeat(found[..., None], 3, axis=-1) if network.channels == 3 else found


def sureness(share: float) -> str:
    """Return a certainty in [0, 1] in words."""
    return next(word for least, word in _SURENESS if round(100 * share) >= least)


def bars(names: Sequence[str], answer: Answer | None, *, small: bool = False) -> str:
    """Return the probability of every class as HTML; without an answer the tracks are empty.

    Of many classes the likeliest are shown, in the order of their places.
    """
    p = answer.probabilities if answer else np.zeros(len(names))
    shown = sorted(int(i) for i in np.argsort(-p, kind="stable")[:MOST_BARS])
    rows = []
    for i in shown:
        best = "best " if answer and i == answer.first else ""
        share = words.share(float(p[i])) if answer else ""
        share = share.replace("under ", "&lt;").replace("over ", "&gt;")  # a narrow column
        rows.append(
            f'<span class="{best}name">{html(names[i])}</span><span class="track">'
            f'<div class="{best}fill" style="width:{100 * p[i]:.1f}%"></div></span>'
            f'<span class="{best}share">{share}</span>'
        )
    spoken = "no answer yet"
    if answer:
        order = np.argsort(-p, kind="stable")[:3]
        spoken = ", ".join(f"{names[i]} {words.share(float(p[i]))}" for i in order)
    return (
        f'<div class="nn-bars{" small" * small}" role="img" '
        f'aria-label="Probability of each answer: {html(spoken)}">{"".join(rows)}</div>'
    )


def headline(answer: Answer, *, above: str = "The network answers", small: bool = False) -> str:
    """Return the answer in large letters, how sure it is, and the runner-up, as HTML.

    Of a drawing like none of the digits it says so in their place, and what it would have said.
    """
    if answer.none:
        return _none(answer, above, small)
    size = (3 if small else 6) if len(answer.name) <= 2 else (1.25 if small else 2)
    sure = sureness(answer.sure)
    second = ""
    if answer.second != answer.first:
        share = words.share(float(answer.probabilities[answer.second]))
        second = f"<br>next {html(answer.names[answer.second])}, {share}"
    status = ' role="status"' * (not small)
    brief = "" if small else _brief(f"{html(answer.name)}", f"{sure}, {words.share(answer.sure)}")
    return (
        f'{brief}<div class="nn-answer"{status}><div class="nn-above">{html(above)}</div>'
        f'<div class="name" style="font-size:{size}rem">{html(answer.name)}</div>'
        f'<div class="below"><b>{sure.capitalize()}</b><br>{words.share(answer.sure)}{second}</div>'
        "</div>"
    )


def _brief(name: str, said: str) -> str:
    """Return the answer in a line that stands at the foot of a phone's screen, under the pad.

    Screen readers have the status that it repeats.
    """
    return f'<div class="nn-brief" aria-hidden="true"><b>{name}</b> {said}</div>'


def _none(answer: Answer, above: str, small: bool) -> str:
    status = ' role="status"' * (not small)
    would = f"Made to choose, it says {html(answer.name)}, {words.share(answer.sure)}"
    brief = "" if small else _brief("?", NONE)
    return (
        f'{brief}<div class="nn-answer none"{status}><div class="nn-above">{html(above)}</div>'
        f'<div class="name">{NONE}</div><div class="below">{would}</div></div>'
    )
