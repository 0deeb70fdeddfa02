"""Loose arrays: weights and biases under whatever names people give them, made into a network.

Names say which array belongs to which layer (`fc1.weight`, `w1`, `layers.0.bias`, `coefs_0`),
biases say which side of a matrix is the outputs', widths say which layer follows which. What stands
between the layers is in no such file: `Told` has to say it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.description import Shape, Spec
from ..core.network import Network
from ..errors import ConfigError, FormatError
from ..training import layertext
from .assembly import assembled
from .steps import Step

MAX_LAYERS = 100
BRIGHT = 0.08  # a smaller factor before all layers means pixels of 0 to 255, else 0 to 1
_MOST_ORDERS = 5040  # that layers may be tried in: those of seven
_ROLES = {
    "weights": "w weight weights kernel kernels coef coefs",
    "biases": "b bias biases intercept intercepts",
    "scales": "gamma scale scales",
    "shifts": "beta shift shifts",
    "means": "mean means",
    "variances": "var variance variances",
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words.split()}
_STRANGE = {
    "an LSTM, GRU or other recurrent layer": "lstm gru rnn ih hh recurrent",
    "attention": "attn attention qkv query",
    "an embedding": "embedding embeddings embed wte",
}
_ORIGINALS = {"IHW": ["w", "1"], "HB": ["b", "1"], "HOW": ["w", "2"], "OB": ["b", "2"]}
_PASSED_OVER = {"running", "moving", "net", "model", "module", "state", "dict", "params"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What files of weights do not say.

    layers: hidden ones as text, `conv 8 5x5, pool 2, dense 64`; not needed where all are dense.
    activation: of hidden layers. mean, std: what pixels of 0 to 1 were normalised with:
    (pixel / 255 - mean) / std. white: what a white pixel was in training, 1 or 255, where a file
    of another kind does not say it. image_shape: (height, width), a square unless said.
    """

    layers: str | None = None
    activation: str | None = None
    mean: float = 0.0
    std: float = 1.0
    image_shape: tuple[int, int] | None = None
    white: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
            raise ConfigError(f"mean {self.mean:g}, std {self.std:g}: expected a std above 0")
        if self.white is not None and not 0 < self.white <= 65535:
            raise ConfigError(f"a white pixel of {self.white:g}: expected 1 or 255, mostly")


@dataclass(slots=True)
class _Layer:
    """Arrays of one layer by role. outputs_first: None where weights alone cannot say."""

    name: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return {4: "conv", 2: "dense"}.get(self.arrays["weights"].ndim, "norm")

    def outputs_first(self) -> bool | None:
        """Tell whether weights begin with the outputs' side; None where both would fit."""
        shape, biases = self.arrays["weights"].shape, self.arrays.get("biases")
        if biases is None or shape[0] == shape[-1]:
            return None
        fits = [side == biases.size for side in (shape[0], shape[-1])]
        if not any(fits):
            raise FormatError(
                f"{self.name}: weights {shape} and {biases.size} biases do not belong together"
            )
        return fits[0]


def network_of(arrays: Mapping[str, np.ndarray], told: Told) -> Network:
    """Return the network that loose arrays are, with what is told besides.

    Raises FormatError for arrays that make none, ConfigError where something has to be told first.
    """
    layers = _grouped(arrays)
    first = _orientation(layers)
    weighing = [layer for layer in layers if layer.kind != "norm"]
    has_conv = any(layer.kind == "conv" for layer in weighing)
    if not weighing:
        raise FormatError(f"{_names(arrays)}: no weights of a layer")
    if len(weighing) > 1 and told.activation is None:
        raise ConfigError(
            f"weights alone ({_names(arrays)}), which do not say what stands between layers: say "
            "it beside the upload, or with nnengine export FILE model.npz --activation relu"
            + " --layers 'conv 8 5x5, pool 2, dense 64'"
            * has_conv
        )
    if (has_conv or len(layers) > len(weighing)) and told.layers is None:
        raise ConfigError(
            f"weights alone ({_names(arrays)}) of more than fully connected layers, which do not "
            "say how windows lie: say it beside the upload, or with nnengine export FILE model.npz "
            "--activation relu --layers 'conv 8 5x5, pool 2, dense 64'"
        )
    ordered = _ordered(weighing, first)
    steps = _steps(ordered, [la for la in layers if la.kind == "norm"], first, told)
    shape = _shape(told, next(step for step in steps if step.kind in ("dense", "conv")))
    return assembled([_normalised(told), *steps], shape, channels_first=first)


def _shape(told: Told, first: Step) -> Shape:
    """Return (height, width, channels) of the images that a first layer looks at."""
    if first.kind == "conv":
        height, width = told.image_shape or (28, 28)
        return height, width, first.arrays[0].shape[2]
    inputs = len(first.arrays[0])
    for channels in (1, 3):
        side = math.isqrt(inputs // channels)
        sides = told.image_shape or (side, side)
        if math.prod(sides) * channels == inputs:
            return sides[0], sides[1], channels
    return 1, inputs, 1


def _normalised(told: Told) -> Step:
    factor, added = (told.white or 1.0) / (255 * told.std), -told.mean / told.std
    return Step(
        kind="affine", arrays=(np.full((1, 1, 1), factor), np.full((1, 1, 1), added)),
        called=f"mean {told.mean:g}, std {told.std:g}",
    )  # fmt: skip


# Which array is what -------------------------------------------------------------------------


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(name[:40] for name in list(arrays)[:6]) + ", ..." * (len(arrays) > 6)


def _grouped(arrays: Mapping[str, np.ndarray]) -> list[_Layer]:
    """Return the layers in the natural order of their names."""
    found: dict[tuple, _Layer] = {}
    loose = {}
    for name, array in arrays.items():
        words = _words(name)
        for what, strange in _STRANGE.items():
            if set(words) & set(strange.split()):
                raise FormatError(f"{name[:80]!r} belongs to {what}, which has no place here")
        if array.ndim == 0 or "tracked" in words:
            continue  # how many batches a norm has seen
        at = [n for n, word in enumerate(words) if word in _ROLE_OF]
        if not at:
            loose[name] = array
            continue
        role, key = _ROLE_OF[words[at[-1]]], words[: at[-1]] + words[at[-1] + 1 :]
        whose = tuple(word for word in key if word not in _PASSED_OVER)
        layer = found.setdefault(whose, _Layer(name))
        if role in layer.arrays:
            raise FormatError(f"{name[:80]!r}: {role} of the same layer are there twice")
        layer.arrays[role] = array
    if found and loose:
        raise FormatError(
            f"{_names(loose)}: neither weights nor biases by their names, and others are"
        )
    if loose:
        return _paired(loose)
    if len(found) > MAX_LAYERS:
        raise FormatError(f"{len(found):,} layers: at most {MAX_LAYERS} are read")
    return [_whole(found[key]) for key in sorted(found, key=_natural)]


def _words(name: str) -> list[str]:
    """Return a name's words and numbers: "fc1.weight" is fc, 1, weight; "Wh" is w, h."""
    if name in _ORIGINALS:
        return _ORIGINALS[name]
    found = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name[:200])]
    pairs = ([*w] if len(w) == 2 and w[0] in "wb" and len(found) == 1 else [w] for w in found)
    return [word for pair in pairs for word in pair]


def _natural(key: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return what sorts 2 before 10."""
    return [(0, int(w), "") if w.isdecimal() else (1, 0, w) for w in key]


def _whole(layer: _Layer) -> _Layer:
    """Return a layer with its arrays as layers have them, or raise FormatError."""
    arrays = layer.arrays
    if "means" in arrays or "variances" in arrays:  # PyTorch calls scales "weight"
        arrays.setdefault("scales", arrays.pop("weights", np.ones_like(arrays.get("means", 0))))
        arrays.setdefault("shifts", arrays.pop("biases", np.zeros_like(arrays["scales"])))
        if set(arrays) != {"scales", "shifts", "means", "variances"}:
            raise FormatError(f"{layer.name[:80]!r}: {', '.join(arrays)} make no batch norm")
        return _Layer(layer.name, {"weights": arrays["scales"], **arrays})
    weights = arrays.get("weights")
    if weights is None or set(arrays) - {"weights", "biases"}:
        raise FormatError(f"{layer.name[:80]!r}: {', '.join(arrays)} alone make no layer")
    if weights.ndim == 1 and weights.size:
        raise FormatError(
            f"{layer.name[:80]!r}: weights of shape {weights.shape}: a layer norm, which has no "
            "place here"
        )
    if weights.ndim not in (2, 4) or 0 in weights.shape:
        raise FormatError(
            f"{layer.name[:80]!r}: weights of shape {weights.shape}: expected two sides (fully "
            "connected) or four (a convolution)"
        )
    if "biases" in arrays:
        arrays["biases"] = arrays["biases"].ravel()  # (n, 1) and (1, n) are met
    return layer


def _paired(loose: Mapping[str, np.ndarray]) -> list[_Layer]:
    """Return layers of arrays without telling names: weights, each with the biases behind it."""
    layers: list[_Layer] = []
    for name in sorted(loose, key=lambda name: _natural(_words(name))):
        array = loose[name]
        flat = array.ndim == 1 or array.ndim == 2 and 1 in array.shape and layers
        if not flat:
            layers.append(_Layer(name, {"weights": array}))
        elif layers and "biases" not in layers[-1].arrays:
            layers[-1].arrays["biases"] = array
        else:
            raise FormatError(f"{_names(loose)}: expected weights, biases, weights, ...")
    return [_whole(layer) for layer in layers]


def _orientation(layers: Sequence[_Layer]) -> bool:
    """Return whether outputs stand first, in all layers alike, or raise FormatError."""
    said = {layer.outputs_first() for layer in layers if layer.kind != "norm"} - {None}
    if len(said) == 1:
        return bool(said.pop())
    if said:
        raise FormatError("some weights begin with their outputs, others with their inputs")
    fits = [
        one for one in (False, True) if _chains([la for la in layers if la.kind != "norm"], one)
    ]
    if len(fits) == 1:
        return fits[0]
    raise FormatError(
        "weights are square or without biases, so that nothing says which side is the inputs': "
        "save biases beside them, or (inputs, outputs) with Network.from_parameters"
    )


def _ends(layer: _Layer, first: bool) -> tuple[int, int]:
    """Return (inputs, outputs) of a layer."""
    shape = layer.arrays["weights"].shape
    if layer.kind == "conv":
        return (shape[1], shape[0]) if first else (shape[2], shape[3])
    return (shape[1], shape[0]) if first else (shape[0], shape[1])


def _chains(layers: Sequence[_Layer], first: bool) -> bool:
    """Tell whether what a layer gives is what the next one takes, or a multiple: maps flattened."""
    ends = [_ends(layer, first) for layer in layers]
    kinds = [layer.kind for layer in layers]
    return all(
        b[0] == a[1] or (kinds[n], kinds[n + 1]) == ("conv", "dense") and b[0] % a[1] == 0
        for n, (a, b) in enumerate(itertools.pairwise(ends))
    ) and kinds == sorted(kinds)


def _ordered(layers: list[_Layer], first: bool) -> list[_Layer]:
    """Return the layers in the order in which they follow one another: convolutions come first."""
    layers = sorted(layers, key=lambda layer: layer.kind)
    if _chains(layers, first):
        return layers
    shown = ", ".join(f"{la.name[:40]} {_ends(la, first)}" for la in layers[:8])
    orders = math.factorial(min(len(layers), 20))
    found = [
        one for one in itertools.permutations(layers if orders <= _MOST_ORDERS else ())
        if _chains(one, first)
    ]  # fmt: skip
    if len(found) != 1:
        raise FormatError(
            f"layers follow one another in {'no' if not found else 'more than one'} way by what "
            f"they take and give ({shown}): number their names in order"
        )
    return list(found[0])


# What stands between -------------------------------------------------------------------------


def _steps(
    layers: Sequence[_Layer], norms: Sequence[_Layer], first: bool, told: Told
) -> list[Step]:
    """Return what is told as steps, with the arrays of each layer in its place."""
    if told.layers is None:
        hidden = [Spec("dense", _ends(layer, first)[1]) for layer in layers[:-1]]
    else:
        hidden = list(layertext.read_hidden(told.layers))
    specs = [*hidden, Spec("dense", _ends(layers[-1], first)[1])]
    weighing = [spec for spec in specs if spec.weighs]
    wanted = len(weighing), sum(spec.kind == "norm" for spec in specs)
    if wanted != (len(layers), len(norms)):
        raise ConfigError(
            f"the file has {len(layers)} layers with weights and {len(norms)} norms; the layers "
            f"told and one of the classes have {wanted[0]} and {wanted[1]}"
        )
    rest, more, steps = iter(layers), iter(norms), []
    for n, spec in enumerate(specs):
        if spec.kind == "dense" and not any(s.kind == "flatten" for s in steps):
            steps.append(Step(kind="flatten"))
        layer = next(rest) if spec.weighs else next(more) if spec.kind == "norm" else None
        steps.append(_step(spec, layer, first))
        behind = specs[n + 1 : n + 2]
        steps += [] if not spec.weighs or behind and behind[0].kind == "norm" else _act(told)
        if spec.kind == "norm" and n and specs[n - 1].weighs:
            steps += _act(told)
    return steps[: -len(_act(told)) or None]  # the last gives logits


def _act(told: Told) -> list[Step]:
    return [Step(kind="activation", name=told.activation)] if told.activation else []


def _step(spec: Spec, layer: _Layer | None, first: bool) -> Step:
    """Return the step of a layer, its arrays in our own order. Raises ConfigError for another."""
    more = {"window": spec.window, "stride": spec.stride, "share": spec.share}
    if layer is None:
        return Step(kind=spec.kind, **more)
    arrays = layer.arrays
    if spec.kind == "norm":
        names = ("scales", "shifts", "means", "variances")
        return Step(kind="norm", arrays=tuple(arrays[name] for name in names), called=layer.name)
    weights = arrays["weights"]
    if layer.kind == "conv":
        weights = weights.transpose(2, 3, 1, 0) if first else weights
    elif first:
        weights = weights.T
    found = weights.shape[-1], weights.shape[:2] if layer.kind == "conv" else (0, 0)
    if layer.kind != spec.kind or found != (spec.units, spec.window):
        raise ConfigError(f"{layer.name}: weights {weights.shape} are not those of '{spec}'")
    biases = arrays.get("biases", np.zeros(spec.units, weights.dtype))
    return Step(
        kind=spec.kind, arrays=(weights, biases), pads=(spec.pad,) * 4, called=layer.name, **more
    )
