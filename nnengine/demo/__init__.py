"""Demo: a trained network as one HTML file that needs no Python, no server and no network.

The page holds the network's numbers whole, its curves, its weights as pictures and a sheet to draw
on; engine.js computes what the engine does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import models
from .._version import __version__
from ..analysis import novelty
from ..analysis.parts import cost_of
from ..core.network import Network
from ..errors import ConfigError

MAX_PARAMETERS = 2_000_000  # 10.7 MB of text: what a phone opens in seconds
MAX_WORK, MAX_NUMBERS = 10_000_000, 100_000  # of an image: it is answered as it is drawn
READABLE_PX = (8, 64)  # sides of images that a drawing can be brought to and still be read
MOST_POINTS = 400  # of a curve: more than a screen has room for
_IN_WORDS = {"relu": "ReLU", "leaky_relu": "leaky ReLU"}
_FOLDER = Path(__file__).parent
_COLUMNS = ("step", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def page(
    network: Network, name: str = "", *, curves: Mapping[str, list] | None = None, note: str = ""
) -> str:
    """Return the text of an HTML file that shows a network and lets it answer drawings.

    curves: a run's history as `History.as_dict` gives it; without, those of the last training run
    on record, if any. note: a sentence about the network, such as how well it does. The page asks
    no host for anything. To a network that looks at colours drawings are grey, which the page says.
    Raises ConfigError for more than 2,000,000 parameters, and for weights that are not finite.
    """
    check(network)
    title = name.strip() or network.description
    css, js = _text("page.css"), _text("engine.js") + _text("page.js")
    parts = {
        "script": _digest(js),
        "style": _digest(css),
        "title": escape(title),
        "summary": escape(_summary(network, note)),
        "footer": escape(
            f"One file made by nnengine {__version__}. It works without the internet, and nothing "
            "you draw leaves this page."
        ),
        "css": css,
        "network": _as_json(network, curves),
        "js": js,
    }
    # In one pass: what a visitor called his network must not be taken for a part.
    made = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("page.html"))
    return made.encode("utf-8", "replace").decode()  # a name may hold what no file can


def check(network: Network) -> None:
    """Raise ConfigError, with the way out, for a network that no page can hold."""
    if network.channels not in (1, 3):
        raise ConfigError(
            f"images of {network.channels} channels, and a page knows one or three: save the "
            "network as .npz instead"
        )
    found = cost_of(network)
    if found.multiplications > MAX_WORK or found.numbers > MAX_NUMBERS:
        raise ConfigError(
            f"an image takes {found.multiplications:,} multiplications and {found.numbers:,} "
            f"numbers: a page does at most {MAX_WORK:,} and {MAX_NUMBERS:,}; save the network as "
            ".npz instead"
        )
    if network.parameter_count > MAX_PARAMETERS:
        raise ConfigError(
            f"{network.parameter_count:,} parameters: a page holds at most {MAX_PARAMETERS:,}; "
            "save the network as .npz instead, or train a smaller one"
        )
    if not np.isfinite(network.theta).all():
        raise ConfigError("this network holds values that are not finite: train it again")


def _summary(network: Network, note: str) -> str:
    acting = dict.fromkeys(name for name in network.activations if name != "identity")
    none = "no activation" if len(network.specs) > 1 else "no hidden layer"
    hidden = ", ".join(_IN_WORDS.get(name, name) for name in acting) or none
    shape = f"{network.description}, {hidden}, {network.parameter_count:,} parameters"
    parts = [f"A neural network: {shape}"]
    if network.trained_steps:
        parts.append(f"{network.trained_steps:,} steps of training")
    return " · ".join([*parts, *filter(None, [note.strip()])])


def _as_json(network: Network, curves: Mapping[str, list] | None) -> str:
    """Return what the page's program is given, safe inside a script element."""
    little = network.theta.astype(network.dtype.newbyteorder("<"))
    fields = {
        "layers": _layers(network),
        "scale": network.input_scale,
        "dtype": str(network.dtype),
        "names": network.class_names,
        "shape": network.image_shape,
        "curves": _curves(network, curves),
        "unreadable": _unreadable(network),
        "guard": _guard(network),
        "theta": base64.b64encode(little.tobytes()).decode(),
    }
    return json.dumps(fields, allow_nan=False).replace("<", "\\u003c")


def _guard(network: Network) -> dict[str, Any] | None:
    """Return the guard and where its line is, for networks that read what it knows."""
    line = novelty.line_of(network)
    if line is None:
        return None
    guard = models.guard()
    return {
        "layers": _layers(guard),
        "scale": guard.input_scale,
        "dtype": "float16",  # as it ships: nothing is lost
        "theta": base64.b64encode(guard.theta.astype("<f2").tobytes()).decode(),
        "line": line.value,
        "price": line.price,
    }


def _layers(network: Network) -> list[dict[str, Any]]:
    """Return every layer as the page's program knows it; numbers: how many each array has."""
    return [
        {
            "kind": spec.kind,
            "activation": layer.activation,
            "before": layer.shape,
            "after": spec.after(layer.shape),
            "window": spec.window,
            "stride": spec.stride,
            "pad": spec.pad,
            "numbers": [*map(math.prod, spec.arrays(layer.shape).values())],
        }
        for spec, layer in zip(network.specs, network.layers, strict=True)
    ]


def _unreadable(network: Network) -> str | None:
    """Return why drawings cannot be brought to this network's images, or None."""
    height, width = network.image_shape
    if min(height, width) >= READABLE_PX[0] and max(height, width) <= READABLE_PX[1]:
        return None
    return (
        f"This network takes {network.inputs:,} numbers in images of {height} × {width}: a drawing "
        f"cannot be put into that shape. Images between {READABLE_PX[0]} and {READABLE_PX[1]} "
        "pixels a side can be drawn."
    )


def _curves(network: Network, given: Mapping[str, list] | None) -> dict[str, list] | None:
    """Return the columns of the curves, thinned; None where there are none that can be read.

    What is on record came out of a file: nothing is believed of it.
    """
    last = network.training[-1] if network.training else {}
    found = given if given is not None else last.get("history")
    if not isinstance(found, Mapping):
        return None
    on_record = ((name, found.get(name)) for name in _COLUMNS)
    columns = {name: column for name, column in on_record if isinstance(column, list | tuple)}
    if len(columns) < len(_COLUMNS) or len({len(column) for column in columns.values()}) > 1:
        return None
    if not columns["step"] or not all(_is_number(step) for step in columns["step"]):
        return None
    count = len(columns["step"])
    kept = sorted({round(i) for i in np.linspace(0, count - 1, min(count, MOST_POINTS))})
    thinned = {name: [_number(column[i]) for i in kept] for name, column in columns.items()}
    shown = ("train_loss", "train_accuracy")
    return thinned if all(any(v is not None for v in thinned[n]) for n in shown) else None


def _is_number(value: Any) -> bool:
    numbers = (int, float, np.integer, np.floating)
    return isinstance(value, numbers) and not isinstance(value, bool) and bool(abs(value) < 1e15)


def _number(value: Any) -> float | int | None:
    """Return a number of six digits, or None for what is none or not finite."""
    if not _is_number(value) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(f"{float(value):.6g}")


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
