"""Folding: weights with their biases in them, answers with ones beside them, taken apart.

Whoever puts a one to every image keeps the biases as one more row or column of the weights, at
either end. That is a way of writing and no mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ..errors import FormatError
from .layout import BIASES, WEIGHTS, Laid, lay
from .probe import Probe, probe

FIRST, LAST = "first", "last"
_ANSWERS = ("X", "Z1", "A1")  # the line beside these is all ones
_ERRORS = ("dA1", "dZ1")  # beside these is what the biases would hand back, of no use
_IMAGES = (*_ANSWERS, *_ERRORS)
Sizes = tuple[int, int, int, int]  # images, pixels, units, classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a learner's array: which, along which axis it was cut, at which end, what of it."""

    of: str
    axis: int
    end: str
    bias: bool = False

    def written(self, name: str, columns: bool) -> str:
        """Return it in NumPy, of an array of this name: a column of numbers where images are."""
        at, rest = ("0", "1:") if self.end == FIRST else ("-1", ":-1")
        if not self.bias:
            return f"{name}[{rest}]" if self.axis == 0 else f"{name}[:, {rest}]"
        if self.axis == 0:
            return f"{name}[{at}][:, None]" if columns else f"{name}[{at}]"
        tall = ":1" if self.end == FIRST else "-1:"
        return f"{name}[:, {tall if columns else at}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfolded:
    """Arrays by what they mean, biases apart from weights, and which of them were cut."""

    held: Mapping[str, np.ndarray]
    parts: Mapping[str, Part]

    def laid(self, names: Mapping[str, str], start: Probe | None) -> Laid:
        """Return the arrays in one layout, as `lay`; parts are called what they are in NumPy."""
        weights = [part.axis == 0 for part in self.parts.values() if part.bias]
        images = [part.axis == 0 for part in self.parts.values() if part.of in _IMAGES]
        laid = lay(self.held, names, start, _most(images), _most(weights))
        if not self.parts:
            return laid
        own = {name: part.written(laid.names.get(part.of, part.of), laid.columns)
               for name, part in self.parts.items()}  # fmt: skip
        notes = [*laid.notes, *self._notes(laid)]
        return replace(laid, names=laid.names | own, tall=laid.columns if weights else laid.tall,
                       notes=notes)  # fmt: skip

    def _notes(self, laid: Laid) -> Iterator[str]:
        biases = [part for part in self.parts.values() if part.bias]
        for end in dict.fromkeys(part.end for part in biases):
            which = [laid.names.get(part.of, part.of) for part in biases if part.end == end]
            yield f"biases stand {end} in {', '.join(which)}: this is taken as meant"
        if dropped := [laid.names.get(name, name) for name in _ERRORS if name in self.parts]:
            yield f"what {', '.join(dropped)} hold for the ones is not judged: nothing uses it"


def _most(votes: Sequence[bool]) -> bool | None:
    return 2 * sum(votes) >= len(votes) if votes else None


def unfoldings(held: Mapping[str, np.ndarray], start: Probe | None) -> list[Unfolded]:
    """Return the ways in which arrays may be taken apart; one, with nothing cut, for most.

    Which end holds the biases the shapes do not say: the numbers have to. Raises FormatError for
    weights that have biases in them and others beside them.
    """
    begun = start or probe()
    sizes = None if start else _own_sizes(held)
    sizes = sizes or (len(begun.labels), *begun.sizes)
    axes = {name: found for name, array in held.items() if (found := _axes(name, array, sizes))}
    if (lies := _lies(held, axes, sizes[-1])) is not None:
        axes |= {name: (lies,) for name in _ERRORS if len(axes.get(name, ())) > 1}
    for name in axes:
        if _weights(name) in WEIGHTS and (bias := name.replace("W", "b")) in held:
            raise FormatError(
                f"{name}: {held[name].shape} are weights with their biases in them, and {bias} is "
                f"given besides: leave {bias} out, or save {name} without"
            )
    ends = [_ends(held, axes, layer) for layer in (0, 1)]
    weights = {name: around for name, around in axes.items() if _weights(name) in WEIGHTS}
    errors = {name: around for name, around in axes.items() if name in _ERRORS}
    return [
        _cut(held, {**axes, **one, **other}, two)
        for one in _turns(weights)
        for other in _turns(errors)
        for two in sorted(product(*ends), key=lambda two: two[0] != two[1])  # mostly of a kind
    ]


def _lies(
    held: Mapping[str, np.ndarray], axes: Mapping[str, tuple[int, ...]], classes: int
) -> int | None:
    """Return along which axis the units of an image lie; None where no array says it."""
    for name in ("A1", "X", "Z1"):
        if name in axes:
            return axes[name][0]
    for name in ("Z2", "A2", "dZ2"):
        shape = held[name].shape if name in held else ()
        if len(shape) == 2 and shape.count(classes) == 1:
            return shape.index(classes)
    return None


def _turns(axes: Mapping[str, tuple[int, ...]]) -> list[dict[str, tuple[int, ...]]]:
    """Return by which axes arrays may be cut: square ones as the others, where there are any."""
    said = [around[0] for around in axes.values() if len(around) == 1]
    ways = (round(sum(said) / len(said)),) if said else (0, 1)
    square = any(len(around) > 1 for around in axes.values())
    return [
        {name: around if len(around) == 1 else (way,) for name, around in axes.items()}
        for way in (ways if square else ways[:1])
    ]


def _weights(name: str) -> str:
    return name.removeprefix("d").removesuffix("_new")


def _own_sizes(held: Mapping[str, np.ndarray]) -> Sizes | None:
    """Return the sizes that two folded matrices have; None where they do not say, or usual ones."""
    w1, w2, x = (held.get(name) for name in (*WEIGHTS, "X"))
    if w1 is None or w2 is None or x is None or w1.ndim != 2 or w2.ndim != 2 or x.ndim != 2:
        return None
    if any(b in held for b in BIASES):
        return None
    pixels = {x.shape[axis] - bool(_ones(x, axis)): axis for axis in (0, 1)}
    for d, h in (w1.shape, w1.shape[::-1]):
        for k, c in (w2.shape, w2.shape[::-1]):
            if k == h + 1 and d - 1 in pixels:
                return x.shape[1 - pixels[d - 1]], d - 1, h, c
    return None


def _axes(name: str, array: np.ndarray, sizes: Sizes) -> tuple[int, ...]:
    """Return the axes, of the last two, along which an array is one longer than it is alone."""
    n, d, h, c = sizes
    core = _weights(name)
    if core in WEIGHTS and array.ndim in (2, 3):
        i, o = (d, h) if core == "W1" else (h, c)
        shape = array.shape[-2:]
        return tuple(axis for axis, fits in enumerate(((i + 1, o), (o, i + 1))) if shape == fits)
    if array.ndim != 2 or name not in _IMAGES:
        return ()
    wide = (d if name == "X" else h) + 1
    around = [axis for axis in (1, 0) if array.shape[axis] == wide and array.shape[1 - axis] == n]
    if name in _ANSWERS:
        around = [axis for axis in around if _ones(array, axis)][:1]
    return tuple(around)


def _ones(array: np.ndarray, axis: int) -> list[str]:
    """Return at which ends along an axis an array has ones alone."""
    return [end for end, at in ((FIRST, 0), (LAST, -1)) if (array.take(at, axis) == 1).all()]


def _ends(
    held: Mapping[str, np.ndarray], axes: Mapping[str, tuple[int, ...]], layer: int
) -> list[str]:
    """Return at which ends a layer's biases may stand: at that of the ones, if these were saved."""
    names = ("X",) if layer == 0 else ("Z1", "A1")
    for name in names:
        if name in axes and (ends := _ones(held[name], axes[name][0])):
            return ends
    cut = [n for n in axes if _weights(n) == WEIGHTS[layer] or (layer and n in _ERRORS)]
    return [FIRST, LAST] if cut else [FIRST]


def _cut(
    held: Mapping[str, np.ndarray], axes: Mapping[str, tuple[int, ...]], ends: Sequence[str]
) -> Unfolded:
    """Return the arrays with all that is folded cut along these axes, at these ends by layer."""
    apart: dict[str, np.ndarray] = {}
    parts: dict[str, Part] = {}
    for name, array in held.items():
        if name not in axes:
            apart[name] = array
            continue
        core, axis = _weights(name), axes[name][0]
        end, along = ends[0 if core in ("W1", "X") else 1], axis - 2  # of the last two
        rest, line = (slice(1, None), 0) if end == FIRST else (slice(None, -1), -1)
        index = (..., rest, slice(None)) if axis == 0 else (..., rest)
        apart[name], parts[name] = array[index], Part(of=name, axis=axis, end=end)
        if core in WEIGHTS:
            bias = name.replace("W", "b")
            apart[bias] = array.take([line] if array.ndim == 3 else line, along)  # image by image
            parts[bias] = Part(of=name, axis=axis, end=end, bias=True)
    return Unfolded(held=apart, parts=parts)
