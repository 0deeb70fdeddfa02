"""Assembly: a network of ours from the steps that a foreign file holds, with the same answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.arithmetic import calmly
from ..core.description import Shape, Spec
from ..core.network import Network
from ..core.steadying import EPSILON
from ..errors import FormatError
from .steps import Step, affine_norm, by_channel, identity_norm

MAX_STEPS = 1000
MAX_CHANNELS = 4  # of an image
MAX_WIDENED = 1 << 24  # weights of a window that zeros were put around
PIXEL_SCALE = 1 / 255  # where a file's own factor cannot be the network's
_ARRAYS = {"dense": 2, "conv": 2, "norm": 4}


@calmly
def assembled(
    steps: Sequence[Step],
    shape: Shape,
    *,
    channels_first: bool,
    flat: bool = False,
    softmax: bool = False,
    **more: Any,
) -> Network:
    """Return a network that does these steps to bytes of this shape (height, width, channels).

    channels_first: what is flattened lies channel by channel. flat: images come flat already, and
    pixel by pixel. softmax: whether one follows the steps. more: class_names, say. An activation
    behind a pool goes before it, where the order makes no difference, else into a norm that does
    nothing; zeros on one side of an image become zeros of a wider window; what is done to pixels
    first becomes `input_scale`, first weights and biases, or a norm. Raises FormatError for what
    has no place.
    """
    if len(steps) > MAX_STEPS:
        raise FormatError(f"{len(steps):,} operations: at most {MAX_STEPS:,} are read")
    if not 1 <= shape[2] <= MAX_CHANNELS or min(shape) < 1:
        raise FormatError(
            f"images of {shape[0]}x{shape[1]} pixels with {shape[2]} channels: expected 1 to "
            f"{MAX_CHANNELS} channels"
        )
    scale, steps = _without_affine(list(steps), shape)
    made = _Made(shape, _type_of(steps), channels_first, flat)
    for step in steps:
        made.add(step)
    made.end(softmax)
    return Network(
        (math.prod(shape), made.shape[2]), made.activations, made.theta(), input_scale=scale,
        image_shape=shape[:2], channels=shape[2], hidden=made.specs[:-1], **more,
    )  # fmt: skip


def _type_of(steps: Sequence[Step]) -> np.dtype:
    """Return float64 where weights are, else float32."""
    arrays = [array for step in steps if step.kind != "affine" for array in step.arrays]
    return np.dtype(np.float64 if any(a.dtype == np.float64 for a in arrays) else np.float32)


def _check(arrays: Sequence[np.ndarray]) -> None:
    for array in arrays:
        bad = array.size - int(np.isfinite(array).sum())
        if bad:
            raise FormatError(
                f"an array of shape {array.shape} holds {bad:,} values that are not finite: that "
                "network can only answer nonsense; train again at a lower learning rate"
            )


class _Made:
    """A network as far as its steps have been read."""

    def __init__(self, shape: Shape, real: np.dtype, channels_first: bool, flat: bool) -> None:
        self.shape, self.real, self.channels_first = shape, real, channels_first
        self.flat, self.order = flat or shape[:2] == (1, 1), None
        self.specs: list[Spec] = []
        self.arrays: list[tuple[np.ndarray, ...]] = []
        self.activations: list[str] = []

    def add(self, step: Step) -> None:
        """Take the next step. Raises FormatError where it does not fit."""
        _check_arrays(step)
        getattr(self, f"_{step.kind}")(step)

    def end(self, softmax: bool) -> None:
        """Have the last layer be what gives logits: a dense one without an activation."""
        while self.specs and self.specs[-1].kind == "dropout":
            self._drop()
        if not self.specs:
            raise FormatError("no layer with weights: nothing that could be a network")
        if not softmax and self.activations[-1] != "identity":
            raise FormatError(
                f"ends in {self.activations[-1]}: its answers are no probabilities that sum to 1; "
                "expected a softmax, or nothing, behind the last layer"
            )
        last = self.specs[-1]
        if len(self.specs) > 1 and last.kind == "norm" and self.activations[-1] == "identity":
            before = self.specs[-2]
            if before.kind == "dense" and self.activations[-2] == "identity":
                norm = self._drop()
                self.arrays[-1] = _with_norm(self.arrays[-1], norm)
                last = before
        if last.kind != "dense" or self.activations[-1] != "identity":
            classes = math.prod(self.shape)
            if classes > 4096:
                raise FormatError(
                    f"ends in {classes:,} numbers an image without a fully connected layer: "
                    "at most 4,096 could be classes"
                )
            order = by_channel(self.shape) if self.channels_first and not self.flat else None
            one = np.eye(classes, dtype=self.real)
            if order is not None:
                one = one[:, order]
            self._put(Spec("dense", classes), (one, np.zeros(classes, self.real)))

    def theta(self) -> np.ndarray:
        """Return all arrays as one vector. Raises FormatError where they are not finite."""
        arrays = [array for several in self.arrays for array in several]
        _check(arrays)
        theta = np.concatenate([np.ravel(array) for array in arrays]).astype(self.real, copy=False)
        if not np.isfinite(theta).all():
            raise FormatError(
                "weights too large for float32 once what is done to pixels is in them"
            )
        return theta

    def _drop(self) -> tuple[np.ndarray, ...]:
        self.specs.pop()
        self.activations.pop()
        return self.arrays.pop()

    def _put(self, spec: Spec, arrays: tuple[np.ndarray, ...] = ()) -> None:
        after = spec.after(self.shape)
        if min(after) < 1:
            height, width = self.shape[:2]
            raise FormatError(f"images are {height}x{width} before '{spec}', which is larger")
        wanted = spec.arrays(self.shape)
        for (name, sides), array in zip(wanted.items(), arrays, strict=True):
            if array.shape != sides:
                raise FormatError(
                    f"'{spec}' behind {_by(self.shape)}: expected {name} {sides}, found "
                    f"{array.shape}"
                )
        self.specs.append(spec)
        self.arrays.append(arrays)
        self.activations.append("identity")
        self.shape = after

    def _flatten(self, step: Step) -> None:
        """Remember how numbers lie: what is dense flattens by itself."""
        if not self.flat:
            self.order = by_channel(self.shape) if self.channels_first else None
            self.flat = True

    def _dense(self, step: Step) -> None:
        if not self.flat:
            raise FormatError(
                f"{step.called or 'a fully connected layer'} acts on each row of an image "
                f"({_by(self.shape)}): expected a Flatten before it"
            )
        weights, biases = step.arrays
        if self.order is not None and len(weights) == len(self.order):
            back = np.empty_like(weights)
            back[self.order] = weights
            weights = back
        self.order = None
        self._put(Spec("dense", weights.shape[1]), (weights, biases))

    def _conv(self, step: Step) -> None:
        self._check_image(step)
        weights, biases = step.arrays
        pad = max(step.pads)
        top, left, bottom, right = (pad - side for side in step.pads)
        sides = (weights.shape[0] + top + bottom) * (weights.shape[1] + left + right)
        if sides * weights.shape[2] * weights.shape[3] > max(MAX_WIDENED, weights.size):
            raise FormatError(f"{step.called}: zeros on one side alone, {step.pads}: too many")
        weights = np.pad(weights, ((top, bottom), (left, right), (0, 0), (0, 0)))
        window = weights.shape[:2]
        self._put(Spec("conv", weights.shape[3], window, step.stride, pad), (weights, biases))

    def _pool(self, step: Step) -> None:
        self._check_image(step)
        whole = step.window == (0, 0)
        window = self.shape[:2] if whole else step.window
        if any(step.pads):
            raise FormatError(
                f"{step.called or step.kind}: a pool with a frame of {max(step.pads)} around its "
                "images, which pools here have not: train it without one"
            )
        self._put(Spec(step.kind, 0, window, window[0] if whole else step.stride))

    _average = _pool

    def _norm(self, step: Step) -> None:
        """Take it with the epsilon of ours: what lies in between goes into the scales."""
        scales, shifts, means, variances = step.arrays
        if (variances < 0).any():
            raise FormatError(f"{step.called}: a variance below zero: no network has one")
        if step.epsilon != EPSILON:
            exact = scales * np.sqrt(variances.astype(float) + EPSILON)
            scales = exact / np.sqrt(variances.astype(float) + step.epsilon)
        arrays = (scales, shifts, means, variances)
        if self.flat and self.shape[:2] != (1, 1):
            self._put(Spec("flatten"))
        if self.order is not None and len(scales) == len(self.order):
            back = np.argsort(self.order)
            arrays = tuple(array[back] for array in arrays)
        self._put(Spec("norm"), arrays)

    def _affine(self, step: Step) -> None:
        """Take one that does not stand before all else: a norm does it, channel by channel."""
        factor, added = (_per_channel(array, self.shape) for array in step.arrays)
        if factor is None or added is None:
            raise FormatError(f"{step.called}: other factors for each pixel, behind a layer")
        self._norm(affine_norm(factor, added))

    def _dropout(self, step: Step) -> None:
        share = round(step.share, 6)
        if 0 < share < 1:
            self._put(Spec("dropout", share=share))

    def _activation(self, step: Step) -> None:
        """Put it on the layer before, or on a norm that does nothing."""
        if step.name == "identity":
            return
        at = len(self.specs) - 1
        while at > 0 and self.specs[at].kind in ("pool", "dropout"):
            at -= 1  # all that there are rise: the largest stays the largest
        free = at >= 0 and self.activations[at] == "identity"
        if free and (self.specs[at].weighs or self.specs[at].kind == "norm"):
            self.activations[at] = step.name
            return
        if self.flat and self.shape[:2] != (1, 1):
            self._put(Spec("flatten"))
        self._put(Spec("norm"), identity_norm(self.shape[2], self.real).arrays)
        self.activations[-1] = step.name

    def _check_image(self, step: Step) -> None:
        if self.flat and self.shape[:2] != (1, 1) or step.stride < 1:
            raise FormatError(
                f"{step.called or step.kind}: a window behind a Flatten: expected an image"
            )


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _check_arrays(step: Step) -> None:
    wanted = _ARRAYS.get(step.kind)
    if wanted is None:
        return
    what = step.called or step.kind
    sides = [array.ndim for array in step.arrays]
    expected = [{"dense": 2, "conv": 4, "norm": 1}[step.kind], *[1] * (wanted - 1)]
    if sides != expected:
        shapes = [array.shape for array in step.arrays]
        raise FormatError(f"{what}: arrays of shapes {shapes} make no {step.kind}")


def _with_norm(arrays: tuple[np.ndarray, ...], norm: tuple[np.ndarray, ...]) -> tuple:
    weights, biases = arrays
    scales, shifts, means, variances = (array.astype(float) for array in norm)
    slope = scales / np.sqrt(variances + EPSILON)
    return weights * slope, (biases - means) * slope + shifts


# What is done to pixels first ----------------------------------------------------------------


def _without_affine(steps: list[Step], shape: Shape) -> tuple[float, list[Step]]:
    """Return (input scale, steps) in which what is done to pixels first is part of the model."""
    factor, added, rest = np.ones((1, 1, 1)), np.zeros((1, 1, 1)), []
    called = ""
    for n, step in enumerate(steps):
        if step.kind == "affine":
            more, plus = (np.asarray(array, float) for array in step.arrays)
            factor, added = factor * more, added * more + plus
            called = step.called
        elif step.kind in ("flatten", "dropout"):
            rest.append(step)
        else:
            rest += steps[n:]
            break
    if not (np.isfinite(factor).all() and np.isfinite(added).all() and factor.any()):
        raise FormatError(f"{called}: what is done to pixels first is not finite, or nothing")
    one = float(factor.flat[0])
    same = bool((factor == one).all()) and one > 0
    scale = one if same else PIXEL_SCALE
    factor = factor / scale
    if same and not added.any():
        return scale, rest
    return scale, _folded(rest, factor, added, shape, called)


def _folded(
    steps: list[Step], factor: np.ndarray, added: np.ndarray, shape: Shape, called: str
) -> list[Step]:
    """Return steps whose first layer expects pixels as they are, times the input scale."""
    at = next((n for n, step in enumerate(steps) if step.kind not in ("flatten", "dropout")), None)
    if at is None:
        return steps
    first = steps[at]
    if first.kind == "dense" and first.arrays[0].shape[0] == math.prod(shape):
        order = by_channel(shape)
        factor, added = (np.broadcast_to(array, shape) for array in (factor, added))
        if order is not None:
            raise FormatError(
                f"{called}: colour images, changed channel by channel before a fully connected "
                "layer: expected one factor and one mean for all channels"
            )
        weights, biases = (array.astype(float) for array in first.arrays)
        biases = biases + added.ravel() @ weights
        steps[at] = replace(first, arrays=_as(first, factor.reshape(-1, 1) * weights, biases))
        return steps
    channels, plus = (_per_channel(array, shape) for array in (factor, added))
    if channels is None or plus is None:
        raise FormatError(
            f"{called}: other factors for each pixel before a convolution: expected one a channel"
        )
    if (
        first.kind == "conv"
        and first.arrays[0].shape[2] == shape[2]
        and not (
            plus.any() and any(first.pads)  # zeros around an image are zeros behind it: no bias
        )
    ):
        weights, biases = (array.astype(float) for array in first.arrays)
        biases = biases + np.einsum("ijcm,c->m", weights, plus)
        weights = weights * channels[:, np.newaxis]
        steps[at] = replace(first, arrays=_as(first, weights, biases))
        return steps
    return [affine_norm(channels.astype(np.float32), plus.astype(np.float32)), *steps]


def _as(step: Step, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return arrays in the type that the step's own have."""
    return tuple(array.astype(step.arrays[0].dtype) for array in arrays)


def _per_channel(array: np.ndarray, shape: Shape) -> np.ndarray | None:
    """Return float (channels,) of what fits an image, None where places differ."""
    whole = np.broadcast_to(array, shape)
    return whole[0, 0].astype(float) if (whole == whole[:1, :1]).all() else None
