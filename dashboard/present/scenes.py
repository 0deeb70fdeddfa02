"""Scenes: the way of one digit through a network, in four pictures of the engine's numbers."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from dashboard.present import pictures, units
from dashboard.present.answers import Answer, headline
from dashboard.present.outside import html
from nnengine.analysis import why
from nnengine.analysis.counterfactual import least_change
from nnengine.analysis.explain import Trace, Unit, trace
from nnengine.core.network import Network
from nnengine.data import framing, pen
from nnengine.training.settings import SETTINGS

WINDOW = 7  # pixels a side whose bytes are written out
TERMS = 3  # products of a unit that are written out
NAMES = ("Pixels", "One unit", "All units", "Answer")
_FOUR = ((98, 48), (72, 158), (208, 158)), ((168, 70), (163, 236))
HIDDEN = "The answer stays hidden until it is shown."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One screen: its name in a word or two, its title, and the rest as HTML."""

    name: str
    title: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How scenes are shown: whose digit it is, which unit by its part, and what of it is hidden.

    rank: 0 for the unit that adds most to the answer's lead over the next; hide: the answer.
    """

    yours: bool
    rank: int = 0
    hide: bool = False
    dark: bool = False


def example() -> np.ndarray:
    """Return the digit that scenes show before anything is drawn: a four, uint8 (28, 28)."""
    return framing.to_image(pen.draw([np.array(stroke, np.float32) for stroke in _FOUR]))


def shows(network: Network) -> bool:
    """Return whether the scenes can be shown of a network: layers all fully connected, grey."""
    return network.is_dense and network.channels == 1 and network.classes > 1


def by_part(way: Trace, ahead: int, behind: int) -> np.ndarray:
    """Return the first layer's units, int (n,), those first that add most to a lead."""
    if len(way.answers) == 1:  # its units are the classes
        parts = way.logits
    else:
        parts = why.shares(way.network, way.image, ahead, behind).units[0]
    return np.argsort(-parts.ravel(), kind="stable")


def scenes(network: Network, image: np.ndarray, said: Answer, look: Look) -> list[Scene]:
    """Return the four scenes of an image, uint8 of the network's shape; said: its answer."""
    way = trace(network, image)
    ranked = by_part(way, said.first, said.second)
    unit = int(ranked[look.rank % len(ranked)])
    return [
        _pixels(image, look),
        _one_unit(way, unit, image, said, look),
        _all_units(way, unit, image, look),
        _answer(way, image, said, look),
    ]


# Each scene ------------------------------------------------------------------------------


def _pixels(image: np.ndarray, look: Look) -> Scene:
    top, left = _window(image)
    part = image[top : top + WINDOW, left : left + WINDOW]
    cells = "".join(
        f'<td style="background:rgb({v},{v},{v});color:{"#000" if v > 118 else "#fff"}">{v}</td>'
        + "</tr><tr>" * (i % WINDOW == WINDOW - 1 and i < part.size - 1)
        for i, v in enumerate(part.ravel().tolist())
    )
    height, width = image.shape
    frame = _box(left, top, WINDOW, WINDOW, image.shape, "frame")
    size = f"{height} × {width} pixels"
    picture = _picture(pictures.png(image), f"{_whose(look)} digit, {size}", frame)
    inked = int(np.count_nonzero(image))
    text = (
        f"Cut out, brought to size and set on {height} × {width} by its centre of mass, as MNIST's "
        "makers did. Every square is one byte, from 0 for black to 255 for white: "
        f"{inked} of {image.size} hold ink. The network reads each as <b>byte ÷ 255</b>."
    )
    return Scene(
        name=NAMES[0],
        title=f"{_whose(look)} digit becomes {image.size} numbers",
        html=_figure(
            _captioned(picture, size),
            _sign("→"),
            _captioned(
                f'<table class="bytes" aria-label="The bytes inside the frame"><tr>{cells}</tr>'
                "</table>", "The bytes inside the frame",
            ),
            _said(text), wide=True,
        ),
    )  # fmt: skip


def _one_unit(way: Trace, unit: int, image: np.ndarray, said: Answer, look: Look) -> Scene:
    names, one = units.unit_names(way.network, 0), way.unit(0, unit)
    name, shape, terms = html(names[unit]), image.shape, one.products.ravel()
    weights = pictures.weight_levels(one.weights.reshape(-1, 1), shape, scale="own")[0]
    limit = float(np.abs(terms).max()) or 1.0
    products = pictures.map_levels(terms.reshape(1, *shape), limit)[0]
    plus, minus = float(terms[terms > 0].sum()), float(terms[terms < 0].sum())
    acting = SETTINGS["activation"].say(one.activation)
    behind = f" → {acting} → <b>{one.answer:.3f}</b>" * (one.activation != "identity")
    rows = "".join(_term(image, one, int(i)) for i in one.strongest(TERMS))
    part = "" if look.hide else (
        f" Of {len(names)} units it is number {look.rank % len(names) + 1} by what it adds to the "
        f"lead of {html(said.name)} over {html(said.names[said.second])}."
    )  # fmt: skip
    text = (
        f"{name} has a weight for every pixel: orange wants ink there, blue wants none. Each pixel "
        f"is multiplied by its weight, and all products are added.{part}"
    )
    return Scene(
        name=NAMES[1],
        title=f"One unit of {len(names)} weighs every pixel",
        html=_figure(
            _captioned(_picture(pictures.png(image), "The digit"), "pixels"),
            _sign("×"),
            _captioned(_picture(pictures.palette_png(weights, dark=look.dark),
                                f"The weights of {names[unit]}"), f"weights of {name.lower()}"),
            _sign("="),
            _captioned(_picture(pictures.palette_png(products, dark=look.dark),
                                "Each pixel times its weight"), "products"),
            _captioned(f'<table class="terms" aria-label="The strongest products">{rows}</table>',
                       f"the {TERMS} strongest of {terms.size}"),
        )
        + '<p class="sum"><span class="for">' + f"{_signed(plus)}</span> from ink it wants, "
        f'<span class="against">{_signed(minus)}</span> from ink it does not, '
        f"<span>{_signed(one.bias)}</span> bias: <b>{_signed(one.total)}</b>{behind}</p>"
        + _said(text)
        + '<button type="button" data-ask="unit">Another unit</button>',
    )  # fmt: skip


def _all_units(way: Trace, unit: int, image: np.ndarray, look: Look) -> Scene:
    network, made = way.network, way.answers
    shown = [_captioned(_picture(pictures.png(image), "The digit"), f"{image.size} pixels")]
    for i, answers in enumerate(made[:-1]):
        columns = _columns(len(answers))
        levels = pictures.map_levels(answers[None, None], pictures.weight_limit(answers))[0, 0]
        sheet = pictures.sheet(levels.reshape(-1, 1, 1), columns=columns)
        mark = _box(unit % columns, unit // columns, 1, 1, sheet.shape, "mark")
        words = f"{np.count_nonzero(answers > 0)} of {len(answers)} units above zero"
        grid = _picture(pictures.palette_png(sheet, dark=look.dark), words, mark * (i == 0))
        shown += [_sign("→"), _captioned(grid, f"{len(answers)} units")]
    sums = f'<p class="veil">{HIDDEN}</p>' if look.hide else _sums(network, made[-1])
    shown += [_sign("→"), _captioned(sums, f"{network.classes} sums, one a class")]
    active = int(np.count_nonzero(made[0] > 0))
    text = (
        f"Every unit of the first layer weighs all pixels in its own way: {active} of "
        f"{len(made[0])} answer with more than zero, the framed one is the unit of scene 2. Each "
        "layer weighs the answers of the one before it as that weighed pixels; the last one has a "
        "sum for every class."
    )
    widths = ", ".join(f"{len(answers)}" for answers in made[:-1])
    return Scene(
        name=NAMES[2],
        title=f"All units answer: {widths}, then {network.classes}",
        html=_figure(*shown) + _said(text),
    )


def _answer(way: Trace, image: np.ndarray, said: Answer, look: Look) -> Scene:
    if look.hide:
        hidden = f'<p class="veil large"><b aria-hidden="true">?</b>{HIDDEN}</p>'
        return Scene(name=NAMES[3], title="And the answer is …", html=_figure(hidden))
    second = html(said.names[said.second])
    lead = float(way.logits[said.first] - way.logits[said.second])
    turned = least_change(way.network, image, said.second)
    shown = [
        headline(said, small=True, above="The largest sum wins"),
        _captioned(_picture(pictures.png(image), "The digit"), f"read as {html(said.name)}"),
    ]
    text = (
        f"The sum of {html(said.name)} leads that of {second} by {lead:.2f}, and softmax turns the "
        f"{len(way.logits)} sums into shares of 100 %."
    )
    title = f"It answers {said.name}"
    if turned is not None:
        other, places = turned.image, turned.places
        brighter = int(np.count_nonzero(other.ravel()[places] > image.ravel()[places]))
        boxes = "".join(
            _box(i % image.shape[1], i // image.shape[1], 1, 1, image.shape,
                 "more" if other.flat[i] > image.flat[i] else "less")
            for i in places.tolist()
        )  # fmt: skip
        shown += [_sign("→"), _captioned(
            _picture(pictures.png(other), "The digit with a few pixels changed", boxes),
            f"read as {second}",
        )]  # fmt: skip
        title += f", and {_pixels_in_words(len(places))} would have changed it"
        text += (
            f" With {_framed(brighter, len(places) - brighter)}, it reads {second}. Give any one "
            "of them back, and it does not."
        )
    else:
        text += f" No change of ink was found that turns it into {second}."
    return Scene(name=NAMES[3], title=title, html=_figure(*shown, _said(text), wide=True))


# Their parts -----------------------------------------------------------------------------


def _whose(look: Look) -> str:
    return "Your" if look.yours else "This"


def _window(image: np.ndarray) -> tuple[int, int]:
    """Return the upper left corner of the part whose bytes differ most: an edge of the ink."""
    views = np.lib.stride_tricks.sliding_window_view(image, (WINDOW, WINDOW))
    spread = views.astype(np.float32).std(axis=(2, 3))
    top, left = np.unravel_index(int(spread.argmax()), spread.shape)
    return int(top), int(left)


def _term(image: np.ndarray, one: Unit, i: int) -> str:
    row, column = divmod(i, image.shape[1])
    side = "for" if one.products.flat[i] > 0 else "against"
    return (
        f"<tr><td>row {row}, column {column}</td><td>{int(image.flat[i])} ÷ 255</td>"
        f"<td>× {_signed(float(one.weights.flat[i]))}</td>"
        f'<td class="{side}">= {_signed(float(one.products.flat[i]))}</td></tr>'
    )


def _sums(network: Network, logits: np.ndarray) -> str:
    """Return every class's sum as a bar from zero, the largest framed."""
    most, best = float(np.abs(logits).max()) or 1.0, int(logits.argmax())
    rows = "".join(
        f'<span class="name{" best" * (i == best)}">{html(network.class_names[i])}</span>'
        f'<span class="track"><i class="{"for" if z > 0 else "against"}" '
        f'style="width:{50 * abs(z) / most:.1f}%"></i></span>'
        f'<span class="z{" best" * (i == best)}">{_signed(z, 1)}</span>'
        for i, z in enumerate(logits.tolist())
    )
    return f'<div class="sums">{rows}</div>'


def _columns(count: int) -> int:
    """Return how many squares side by side make the best square of so many."""
    root = int(np.ceil(np.sqrt(count)))
    return next((n for n in range(root, 2 * root) if count % n == 0), root)


def _box(x: int, y: int, across: int, down: int, shape: tuple[int, ...], kind: str) -> str:
    """Return a frame around some pixels of a picture of this shape (h, w)."""
    h, w = shape[:2]
    where = (100 * x / w, 100 * y / h, 100 * across / w, 100 * down / h)
    style = "left:{:.2f}%;top:{:.2f}%;width:{:.2f}%;height:{:.2f}%".format(*where)
    return f'<i class="{kind}" style="{style}"></i>'


def _picture(raw: bytes, words: str, over: str = "") -> str:
    data = base64.b64encode(raw).decode("ascii")
    image = f'<img alt="{html(words)}" src="data:image/png;base64,{data}">'
    return f'<span class="pic">{image}{over}</span>'


def _captioned(what: str, words: str) -> str:
    return f"<figure>{what}<figcaption>{words}</figcaption></figure>"


def _sign(sign: str) -> str:
    return f'<span class="sign" aria-hidden="true">{sign}</span>'


def _figure(*parts: str, wide: bool = False) -> str:
    return f'<div class="row{" wide" * wide}">{"".join(parts)}</div>'


def _said(text: str) -> str:
    return f'<p class="said">{text}</p>'


def _signed(value: float, places: int = 3) -> str:
    words = f"{value:+.{places}f}"
    return words[1:] if float(words) == 0 else words.replace("-", "\u2212")


def _framed(more: int, less: int) -> str:
    parts = [f"more ink in {_pixels_in_words(more)}, framed in orange"] if more else []
    parts += [f"less in {_pixels_in_words(less)}, framed in blue"] if less else []
    return " and ".join(parts)


def _pixels_in_words(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count} pixels"
