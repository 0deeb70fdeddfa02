"""Reasons: what speaks for one answer and against another, as pictures, bars and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.present import pictures, units
from dashboard.present.outside import html, plain, shown
from dashboard.present.style import LEVELS, colour_scale, palette, signed
from nnengine.analysis.counterfactual import Turned
from nnengine.analysis.why import Shares
from nnengine.core.network import Network

MOST_UNITS = 12  # bars of a layer's units; the others are one together
# Where there is no ink: beside it the scale's middle, of ink that does not matter, can be seen.
_GROUND = {False: (214, 208, 197), True: (20, 18, 16)}
_SWATCH = (
    '<span style="display:inline-block;width:.8rem;height:.8rem;border-radius:2px;'
    "vertical-align:-.08rem;margin-right:.4rem;outline:1px solid color-mix(in srgb, currentColor "
    '35%, transparent);background:{colour}"></span>{text}'
)


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars to draw: what each is called, and its value in points."""

    names: list[str]
    values: list[float]

    @property
    def spoken(self) -> str:
        """All of them, as a screen reader says it."""
        named = zip(self.names, self.values, strict=True)
        return ", ".join(f"{name} {signed(value)}" for name, value in named)


def share_picture(found: Shares, image: np.ndarray, *, dark: bool) -> bytes:
    """Return a PNG of each pixel's part: orange speaks for `first`, blue for `second`.

    image: as the network sees it, uint8 (height, width) or (height, width, channels).
    """
    parts = found.pixels.sum(axis=2)
    speaking = parts[parts != 0]
    return _over_ink(parts, pictures.weight_limit(speaking) if speaking.size else 1, image, dark)


def change_picture(turned: Turned, image: np.ndarray, *, dark: bool) -> bytes:
    """Return a PNG of what was changed: orange is ink added, blue ink taken away."""
    change = (turned.image.astype(float) - image).reshape(*image.shape[:2], -1).sum(axis=2)
    # The least byte is to be seen as well: no change is paler than a third of the scale.
    pale = np.where(change == 0, 0, np.sign(change) * np.maximum(np.abs(change), 85))
    return _over_ink(pale, 255.0, np.maximum(image, turned.image), dark)


def _over_ink(values: np.ndarray, limit: float, image: np.ndarray, dark: bool) -> bytes:
    levels = pictures.map_levels(values, limit)
    colours = palette(dark=dark)[levels]
    ink = image.reshape(*image.shape[:2], -1).max(axis=2)
    colours[(ink == 0) & (levels == LEVELS // 2)] = _GROUND[dark]
    return pictures.png(colours)


def legend(for_: str, against: str, *, dark: bool) -> str:
    """Return the key to such a picture as HTML; both texts are taken as they are."""
    stops = [stop for _, stop in colour_scale(dark)]
    blue, orange = (stops[2], stops[6]) if dark else (stops[1], stops[7])
    rows = [(orange, for_), (blue, against), (stops[4], "ink that matters little")]
    lines = [_SWATCH.format(colour=colour, text=html(text)) for colour, text in rows]
    return f'<div style="font-size:.875rem;line-height:1.7">{"<br>".join(lines)}</div>'


def sum_bars(found: Shares, network: Network) -> Bars:
    """Return what makes up the margin: ink on either side, the biases of each layer, all of it."""
    names = network.class_names
    rows = [
        (f"Ink for {shown(names[found.first])}", found.speaks_for),
        (f"Ink for {shown(names[found.second])}", found.speaks_against),
    ]
    if found.exact:
        numbers = {layer: n for n, layer in enumerate(units.weighing(network), 1)}
        for layer, part in found.biases.items():
            name = f"Biases, layer {numbers[layer]}" if layer in numbers else "Norm"
            rows.append((name, part))
    else:
        rows.append(("A blank sheet", found.start))
    rows.append(("Together", found.margin))
    return Bars([name for name, _ in rows], [value for _, value in rows])


def hidden_layers(network: Network) -> dict[str, int]:
    """Return hidden layers with units or maps by what they are called: where their answers are."""
    found = {}
    for number, i in enumerate(units.weighing(network)[:-1], 1):
        kind = units.kind_of_units(network, i)
        normed = network.specs[i + 1].kind == "norm"
        found[f"Layer {number}, {network.specs[i].units:,} {kind.lower()}s"] = i + normed
    return found


def unit_bars(found: Shares, layer: int, kind: str) -> Bars:
    """Return the units or maps of a layer with the largest parts, and all others as one."""
    parts = found.units[layer].sum(axis=(0, 1))
    order = np.argsort(-np.abs(parts), kind="stable")
    largest = order[:MOST_UNITS]
    largest = largest[np.argsort(-parts[largest], kind="stable")]
    names = [f"{kind} {i + 1}" for i in largest]
    values = [float(parts[i]) for i in largest]
    if len(rest := order[MOST_UNITS:]):
        names.append(f"{len(rest):,} others")
        values.append(float(parts[rest].sum()))
    return Bars(names, values)


def sentence(found: Shares, names: Sequence[str]) -> str:
    """Say what the margin is made of, as Markdown."""
    one, other = plain(names[found.first]), plain(names[found.second])
    ahead = f"**{abs(found.margin):.1f} points** {'ahead of' if found.margin >= 0 else 'behind'}"
    rest = "the biases, which speak" if found.exact else "a blank sheet, which speaks"
    return (
        f"{one} is {ahead} {other}. Ink speaks for {one} with {found.speaks_for:.1f} and for "
        f"{other} with {-found.speaks_against:.1f}; the rest is {rest} whatever is drawn: "
        f"{signed(found.start)}."
    )


def exactness(found: Shares) -> str:
    """Say how far the parts add up."""
    if found.exact:
        return (
            "Points are what the network adds up (logits): the answer with the most wins. These "
            "parts are exact: all pixels and biases together are the points ahead."
        )
    return (
        "Points are what the network adds up (logits): the answer with the most wins. The curved "
        "activations of this network bend on the way from a blank sheet to this ink; the parts "
        f"are gathered in small steps and are off by {abs(found.error):.4f} points in all."
    )


def change_words(turned: Turned, names: Sequence[str]) -> str:
    """Say what was changed, and that all of it is needed, as Markdown."""
    count = len(turned.places)
    before, after = plain(names[turned.before]), plain(names[turned.after])
    numbers = f"**{count} pixel{'s' * (count != 1)}**"
    ink = f"{turned.ink:.1f} from black to white" if turned.ink >= 0.05 else (
        f"{turned.ink * 255:.0f} of 255 steps of grey")  # fmt: skip
    back = "Give it back" if count == 1 else "Give any single one of them back"
    return (
        f"{numbers} changed, by {ink} in all, and {before} is read as {after}. "
        f"{back}, and it is not. A network reads pixels, not shapes: so little is often enough."
    )


def alike_words(labels: Sequence[int], answer: int, names: Sequence[str]) -> str:
    """Say how many of the images most alike are of the class that was answered."""
    same = sum(label == answer for label in labels)
    return f"{same} of these {len(labels)} are labelled {plain(names[answer])}, as it was answered."
