"""Kernels in NumPy: the reference, each readable beside its formula, and the fallback.

Every function has a twin of the same name, arguments and meaning in `compiled`; the tests run on
both. What a network is made of has its formulas in `nnengine.core`, whose functions these are;
here stand those of images: as lists of pixels, in groups, distorted. Arrays are C-contiguous.
"""

from __future__ import annotations

import sys

import numpy as np

from ..core import layers
from ..core.activations import (
    ACTIVATIONS,
    IDENTITY,
    LEAK,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    TANH,
    activate,
    activation_backward,
)
from ..core.arithmetic import FORMULAS, aligned_zeros, read_only
from ..core.description import Spec, shapes
from ..core.layers import bytes_backward, bytes_forward, dense_backward, dense_forward, product
from ..core.losses import _softmax_cross_entropy as softmax_cross_entropy
from ..core.losses import against, softmax
from ..core.network import PACE, bound, logits, probabilities
from ..core.network import layers_of as dense_layers
from ..core.optimizers import FORGET_EVERY, Adam, Momentum, adam, forget, momentum, sgd
from ..core.optimizers import SGD as PlainSGD
from ..core.steadying import EPSILON

__all__ = [  # beside what stands here
    "EPSILON", "IDENTITY", "LEAK", "LEAKY_RELU", "PACE", "RELU", "SIGMOID", "Spec", "TANH",
    "activate", "activation_backward", "adam", "aligned_zeros", "bytes_backward", "bytes_forward",
    "dense_backward", "dense_forward", "logits", "momentum", "probabilities",
    "product", "read_only", "sgd", "shapes", "softmax", "softmax_cross_entropy",
]  # fmt: skip
SGD, MOMENTUM, ADAM = PlainSGD.rule, Momentum.rule, Adam.rule

# What `distort` is told about an image: the columns of its numbers, all int32.
XX, XY, X0, YX, YY, Y0 = range(6)  # from x = xx column + xy row + x0, y likewise; in 1 / ONE
BEND_X, BEND_Y, FIELD_X, FIELD_Y = range(6, 10)  # strength in 1/256 px, and which of the bends
WIDTH, NOISE, GRAIN, INVERT = range(10, 14)  # 1 / STEP; grey levels, where cut; 1: dark on light
NUMBERS = 14
ONE = 1 << 16  # a pixel in fixed point
STEP = 256  # both edges of a stroke moved by a pixel
BEND = 1 << 11  # a pixel in the tables of bends
FAINT = 24  # grey between two pixels and below this is black: a trace costs as much as ink


LANES = 16  # images of a group, side by side
PART = LANES  # of a group, that a processor has vectors for; set to less where that is known
TOGETHER = 256  # images of a mini-batch at most, if it is to be done in one call
GROUPS = 32  # of a block: ten gradients each fill 20 of 32 KB of the first cache
# Pixels whose gradients are summed side by side; a browser has registers for one alone.
PAIR = 1 if sys.platform == "emscripten" else 2


def count_pixels(x, indptr):
    """Put into indptr[i + 1] how many pixels of images 0..i are not zero. x: uint8 (n, p)."""
    indptr[0] = 0
    np.cumsum(np.count_nonzero(x, axis=1), out=indptr[1:])


def pack_pixels(x, indptr, indices, data):
    """Put the nonzero pixels of image i into data[indptr[i]:indptr[i + 1]], and where they
    stand in the image into indices, uint16."""
    indices[:] = np.nonzero(x)[1]
    data[:] = x[x != 0]


def unpack(indptr, indices, data, rows, fan_in):
    """Return uint8 (len(rows), fan_in): the images that `pack_pixels` took apart.

    Lists without any indices hold every byte: of images whose zeros are not worth skipping.
    """
    if data.size and not indices.size:
        return data.reshape(-1, fan_in)[rows]
    x = np.zeros((len(rows), fan_in), np.uint8)
    lengths = (indptr[rows + 1] - indptr[rows]).astype(np.intp)  # 32 bits in a browser
    image = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    source = np.repeat(indptr[rows], lengths) + within
    x[image, indices[source]] = data[source]
    return x


def sparse_gradient(lists, rows, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient of a whole network for the images `rows` of packed lists.

    lists: indptr, indices, data; labels: uint8 (n,), of these images; sizes, kinds: tuples, widths
    from inputs to classes and each layer's activation, the last IDENTITY; theta, gradient: flat,
    weights and biases layer by layer. Loss, right and weight as for `softmax_cross_entropy`. With
    an empty gradient only these are found.
    """
    x = unpack(*lists, rows=rows, fan_in=sizes[0])
    return _gradient(x, labels, scale, weight, sizes, kinds, theta, gradient)


def sparse_steps(lists, scale, sizes, kinds, theta, rule, memory, count):
    """Return what takes the steps of an optimizer on batches of at most `count` images.

    lists: as for `sparse_gradient`. rule: SGD, MOMENTUM or ADAM, memory: its arrays (none; the
    velocity; mean and square), flat like theta. To be called with one batch or several:

    rows, labels: int64 and uint8 (n,), of the images of all batches, one batch after the other;
    ends: int64 (batches,), where each ends; numbers: float64 (batches, ...), of each step those
    of `sgd`, `momentum` or `adam`. Every batch's mean loss is descended in turn, theta and memory
    change in place. Returns the losses, float64, summed over each batch as they were before its
    step, and how many answers were right, int64. A loss that is not finite is the last: of the
    batches behind it no step is taken. The bits are the same however batches are put together.

    Compiled, sums and roots are rounded otherwise: theta and memory agree within the tolerance
    that tests/test_kernels.py holds.
    """
    return _Steps(lists, scale, sizes, kinds, theta, rule, memory)


class _Steps:
    """What `sparse_steps` returns: the gradient first, then the step."""

    def __init__(self, lists, scale, sizes, kinds, theta, rule, memory) -> None:
        self.lists, self.scale, self.network = lists, scale, (sizes, kinds, theta)
        self.rule, self.memory = (sgd, momentum, adam)[rule], memory
        self.gradient, self.taken = np.zeros_like(theta), 0

    def __call__(self, rows, labels, ends, numbers) -> tuple[np.ndarray, np.ndarray]:
        losses, right = np.empty(len(ends)), np.empty(len(ends), np.int64)
        begin = taken = 0
        for n, end in enumerate(ends.tolist()):
            losses[n], right[n] = self._step(rows[begin:end], labels[begin:end], numbers[n])
            begin, taken = end, n + 1
            if not np.isfinite(losses[n]):
                break
        return losses[:taken], right[:taken]

    def _step(self, rows, labels, numbers) -> tuple[float, int]:
        sizes, kinds, theta = self.network
        self.gradient[:] = 0
        network = sizes, kinds, theta, self.gradient
        weight = 1 / len(rows)
        found = sparse_gradient(self.lists, rows, labels, self.scale, weight, *network)
        self.rule(theta, self.gradient, *self.memory, *numbers)
        self.taken += 1
        if self.taken % FORGET_EVERY == 0:
            forget(self.memory)
        return found


def layers_of(theta, sizes):
    """Return [(weights, biases), ...]: views into a flat vector."""
    made = dense_layers(theta, sizes, ["identity"] * (len(sizes) - 1))
    return [(layer.weights, layer.biases) for layer in made]


def _gradient(x, labels, scale, weight, sizes, kinds, theta, gradient):
    """Take bytes forward and back through a network; see `sparse_gradient`."""
    names = [ACTIVATIONS[kind] for kind in kinds]
    network = dense_layers(theta, sizes, names)
    way = layers.Pass(scale, FORMULAS)
    outputs = layers.forward(network, x, way)
    blame = np.empty_like(outputs[-1])
    found = softmax_cross_entropy(outputs[-1], labels, weight, blame)
    if gradient.size:
        gradients = dense_layers(gradient, sizes, names)
        layers.backward(network, x, outputs, blame, gradients, way)
    return found


def ungroup(lists, block, inputs):
    """Return uint8 (GROUPS * LANES, inputs): a block of the images that `Grouped` put together."""
    indptr, indices, pixels = lists[:3]
    indptr = indptr[block * GROUPS : (block + 1) * GROUPS + 1]
    slots = slice(indptr[0], indptr[-1])
    x = np.zeros((GROUPS, inputs, LANES), np.uint8)
    group = np.repeat(np.arange(GROUPS), np.diff(indptr).astype(np.intp))
    x[group, indices[slots]] = pixels.reshape(-1, LANES)[slots]
    return x.transpose(0, 2, 1).reshape(-1, inputs)


def sliced_gradient(lists, first, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient for grouped images, whole blocks from `first` on; as `sparse_gradient`.

    lists: those of `Grouped`; labels: of the images in the groups' order.
    """
    loss, correct, size = 0.0, 0, GROUPS * LANES
    for start in range(0, len(labels), size):
        label = labels[start : start + size]
        x = ungroup(lists, first + start // size, sizes[0])[: len(label)]
        summed, right = _gradient(x, label, scale, weight, sizes, kinds, theta, gradient)
        loss, correct = loss + summed, correct + right
    return loss, correct


def distort(images, rows, numbers, bends, grains, out):
    """Put the images at `rows` into out, each changed as its row of `numbers` says.

    images: uint8 (m, h, w); rows: int64 (n,); numbers: int32 (n, NUMBERS), see there; bends:
    int16 (fields, h * w), displacements; grains: int8, noise; out: uint8 (n, h, w). Strokes are
    widened, then everything is moved, then comes noise, then inversion. Whole numbers alone are
    used: all back ends give the same bytes. What comes in from outside has the shade of the
    corners.
    """
    pixels = out.shape[1] * out.shape[2]
    per_turn = max(1, (1 << 15) // pixels)  # images at once: what stays in cache
    for start in range(0, len(rows), per_turn):
        part = slice(start, start + per_turn)
        sources = _framed(images[rows[part]])
        widen(sources, numbers[part, WIDTH])
        _move(sources, numbers[part], bends, out[part])
        _soil(numbers[part], grains, out[part])


def _framed(images):
    """Return uint8 (n, h + 3, w + 3): images with a margin in the shade of their corners.

    The second darkest of the four: one corner that is covered tells nothing.
    """
    n, h, w = images.shape
    framed = np.empty((n, h + 3, w + 3), np.uint8)
    shade = np.sort(images[:, [0, 0, -1, -1], [0, -1, 0, -1]], axis=1)[:, 1]
    framed[:] = shade[:, None, None]
    framed[:, 1 : h + 1, 1 : w + 1] = images
    return framed


def widen(framed, width):
    """Have strokes wider (width above 0) or narrower, in place; width: int32 (n,) in 1 / STEP.

    A whole step takes of each pixel and its four neighbours the brightest, or the darkest; part
    of a step goes part of the way there.
    """
    left = np.abs(width)
    while left.any():
        some = np.flatnonzero(left)
        part = np.minimum(left[some], STEP)[:, None, None]
        left[some] -= part[:, 0, 0]
        old = framed[some]
        brighter = _extreme(np.maximum, old)
        darker = _extreme(np.minimum, old)
        goal = np.where(width[some, None, None] > 0, brighter, darker)
        inner = old[:, 1:-2, 1:-2].astype(np.int32)
        step = (goal - inner) * part + STEP // 2 >> 8
        framed[some, 1:-2, 1:-2] = inner + step


def _extreme(choose, framed):
    """Return the largest or smallest of each image pixel and its four neighbours."""
    found = choose(framed[:, 1:-2, 1:-2], framed[:, :-3, 1:-2])
    found = choose(found, framed[:, 2:-1, 1:-2])
    found = choose(found, framed[:, 1:-2, :-3])
    return choose(found, framed[:, 1:-2, 2:-1])


def _move(framed, numbers, bends, out):
    """Put into out what stands where each of its pixels comes from, between four neighbours."""
    n, h, w = out.shape
    x, y = _sources(numbers, bends, n, h, w)
    wide = w + 3
    at = (y >> 16) * np.int32(wide) + (x >> 16) + np.int32(wide + 1)
    at += (np.arange(n, dtype=np.int32) * ((h + 3) * wide))[:, None, None]
    at = at.astype(np.intp)  # once, not at each of four look-ups: 17.9 -> 8.9 us
    x >>= 8
    x &= 255
    y >>= 8
    y &= 255
    flat = framed.reshape(-1).astype(np.int32)
    left, right = flat[at], flat[1:][at]
    top = (left << 8) + (right - left) * x
    left, right = flat[wide:][at], flat[wide + 1 :][at]
    below = (left << 8) + (right - left) * x
    grey = (top << 8) + (below - top) * y + (1 << 15) >> 16
    grey *= (grey >= FAINT) | (x | y == 0)
    out[:] = grey


def _sources(numbers, bends, n, h, w):
    """Return x and y, int32 (n, h, w) in 1 / ONE: where the pixels of n images come from."""
    column, row = np.arange(w, dtype=np.int32), np.arange(h, dtype=np.int32)[:, None]
    number = numbers.T[:, :, None, None]
    x = number[XX] * column + (number[XY] * row + number[X0])
    y = number[YX] * column + (number[YY] * row + number[Y0])
    for z, bend, field in ((x, BEND_X, FIELD_X), (y, BEND_Y, FIELD_Y)):
        if numbers[:, bend].any():
            z += bends[numbers[:, field]].reshape(n, h, w) * number[bend] >> 3
    half = 128  # of the 256 parts that a pixel is divided into: rounds to the nearest
    for z, side in ((x, w), (y, h)):
        z += half
        np.clip(z, -ONE, side << 16, out=z)
    return x, y


def _soil(numbers, grains, out):
    """Add noise to the images that have some, and turn those around that are to be inverted."""
    noisy = np.flatnonzero(numbers[:, NOISE])
    if noisy.size:
        size = out.shape[1] * out.shape[2]
        cut = numbers[noisy, GRAIN][:, None] + np.arange(size, dtype=np.int32)
        grain = grains[cut] * numbers[noisy, NOISE][:, None] + 64 >> 7
        grey = out[noisy].reshape(-1, size) + grain
        grey[grey < FAINT] = 0
        out[noisy] = np.minimum(grey, 255).reshape(-1, *out.shape[1:])
    inverted = numbers[:, INVERT] != 0
    out[inverted] = 255 - out[inverted]


def window_steps(images, scale, network, theta, target, rule, memory, count, targets):
    """Return what takes the steps of an optimizer on images that layers see a window at a time.

    images: uint8 (n, inputs); network: specs, shape and kinds, as a `Network` has them. target:
    theta, or a gradient: SGD at the rate -1 adds to it what theta is to blame for. rule, memory: as
    for `sparse_steps`, of at most `count` images a batch; norms take statistics of all of it, and
    the running ones follow each step, or stand in the gradient: `Network.settle`. targets: float64
    (2, classes), what is wanted of each for all images, and what more for its own. To be called
    with one batch or several:

    rows: int64 (n,), of the images of all batches; labels, ends, numbers: as for `sparse_steps`;
    weights: float64 (batches,), what an image's gradient counts; heard: uint8 (n, numbers), 1 for
    all that the layers with dropout let through, one layer after the other; without any they
    silence nothing. Returns what those of `sparse_steps` return, and the bits are the same however
    batches are put together.
    """
    return _WindowSteps(images, scale, network, theta, target, rule, memory, targets)


class _WindowSteps:
    """What `window_steps` returns: the gradient first, then the step."""

    def __init__(self, images, scale, network, theta, target, rule, memory, targets) -> None:
        self.images, self.scale, self.network, self.theta = images, scale, network, theta
        self.target, self.rule, self.memory = target, (sgd, momentum, adam)[rule], memory
        self.gradient, self.targets, self.taken = np.zeros_like(theta), targets, 0

    def __call__(self, rows, labels, ends, numbers, weights, heard=None):
        losses, right, begin = [], [], 0
        for n, end in enumerate(ends.tolist()):
            some = None if heard is None or not heard.size else heard[begin:end]
            x = self.images[rows[begin:end]]
            found = self._gradient(x, labels[begin:end], weights[n], some)
            losses.append(found[0])
            right.append(found[1])
            begin = end
            if not np.isfinite(found[0]):
                break
            if self.target is self.theta:
                self._settle()
            self.rule(self.target, self.gradient, *self.memory, *numbers[n])
            self.taken += 1
            if self.taken % FORGET_EVERY == 0:
                forget(self.memory)
        return np.array(losses), np.array(right, np.int64)

    def _gradient(self, x, labels, weight, heard) -> tuple[float, int]:
        norms = any(spec.kind == "norm" for spec in self.network[0])
        rng = None if heard is None and not norms else _Heard(heard)
        way = layers.Pass(self.scale, FORMULAS, rng, weight * len(x))
        made = _window_layers(self.theta, self.network)
        outputs = layers.forward(made, x, way)
        loss, right, blame = _targeted(outputs[-1], labels, weight, self.targets)
        self.gradient[:] = 0
        gradients = _window_layers(self.gradient, self.network)
        layers.backward(made, x, outputs, blame, gradients, way)
        return loss, right

    def _settle(self) -> None:
        """Have running statistics follow what a batch left in its gradient; see `Network`."""
        both = (_window_layers(v, self.network) for v in (self.theta, self.gradient))
        for layer, left in zip(*both, strict=True):
            if layer.spec.kind == "norm":
                layer.means[:] += PACE * (left.means - layer.means)
                layer.variances[:] += PACE * (left.variances - layer.variances)
                left.means[:], left.variances[:] = 0, 0


class _Heard:
    """Stands for a stream of random numbers, of which is known what layers make."""

    def __init__(self, heard) -> None:
        self.heard, self.at = heard, 0

    def random(self, shape, _):
        begin, self.at = self.at, self.at + shape[1]
        return 2.0 * self.heard[:, begin : self.at] - 1  # at least, and below, any share


def _window_layers(vector, network):
    specs, shape, kinds = network
    return bound(vector, specs, shape, [ACTIVATIONS[kind] for kind in kinds])


def _targeted(logits, labels, weight, targets) -> tuple[float, int, np.ndarray]:
    """Return (loss, right answers, blame for the logits); targets: as `window_steps` has them."""
    aims = np.tile(targets[0], (len(logits), 1))
    aims[np.arange(len(labels)), labels] += targets[1, labels]
    return against(aims, logits, labels, weight)


def window_loss(images, labels, scale, network, theta, logits):
    """Return (loss summed, right answers) for uint8 (n, inputs), and put the logits into `logits`,
    float32 (n, classes), if there is any room: of layers as for `window_steps`."""
    way, made = layers.Pass(scale, FORMULAS), _window_layers(theta, network)
    found = layers.forward(made, images, way)[-1]
    if len(logits):
        logits[:] = found
    return softmax_cross_entropy(found, labels, 1.0, np.empty_like(found))
