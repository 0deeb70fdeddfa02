"""Network: dense layers over one parameter vector; forward, backward, predict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import ConfigError, FormatError
from . import layers
from .activations import ACTIVATIONS, kind_of
from .arithmetic import FORMULAS, aligned_zeros, formula, now, read_only
from .layers import Dense, check_activations, check_sizes, count_parameters, layers_of
from .losses import softmax_cross_entropy

T = TypeVar("T")
INITIALIZERS = ("he", "glorot", "uniform")
_PIECE_FLOATS = 1 << 16  # activations of a piece: a quarter of a megabyte, within cache
_ANSWERS = 1024  # images a thread answers at a time
ASKED = 768  # images measured at once: few enough to share out, 11.2 -> 5.5 ms for 10,000 of MNIST
# Multiply-adds: 15 to 50 ms of gradient, by the kernels in use; NumPy in a browser tab has no fast
# product and does a fifth as much.
_BLOCK_WORK = 5e8 if sys.platform != "emscripten" else 1e8


class Network:
    """A feed-forward network: bytes in, probabilities out.

    Input = pixel * `input_scale`, whatever type the pixels come in. Hidden layers apply their
    activation, the last gives logits, and softmax turns these into probabilities. All
    parameters live in one vector, `theta`; layers, `parameters()` and optimizers see views.
    Make one with `Network.build` or `Network.from_parameters`.
    """

    # What writes a network to a file: told by `nnengine.storage`, which stands on this module.
    writer: ClassVar[Callable[[Network, Any], None] | None] = None

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        theta: np.ndarray,
        *,
        input_scale: float = 1 / 255,
        class_names: Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
        training: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.sizes = check_sizes(sizes)
        self.activations = check_activations(activations, self.sizes)
        self.theta = theta
        self.input_scale = float(input_scale)
        self.class_names = check_class_names(class_names, self.classes)
        self.image_shape = check_image_shape(image_shape, self.inputs)
        self.training = tuple(training)
        self.layers = layers_of(theta, self.sizes, self.activations)
        self.kinds = tuple(map(kind_of, self.activations))  # as kernels name them
        self._made_of = theta.dtype.type(input_scale), self.sizes, self.kinds, theta

    @classmethod
    def build(
        cls,
        sizes: Sequence[int],
        *,
        activation: str | Sequence[str] = "relu",
        rng: np.random.Generator | int = 0,
        initializer: str = "he",
        dtype: Any = np.float32,
        input_scale: float = 1 / 255,
        class_names: Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
    ) -> Network:
        """Return a new network with random weights.

        sizes: inputs, hidden widths, outputs: `[784, 10, 10]`. activation: one name for all
        hidden layers or one for each. rng: a Generator, or a seed for one. initializer:
        "he" normal(0, sqrt(2 / fan_in)) (He et al. 2015), "glorot" uniform within
        sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010), both with zero biases, or
        "uniform": weights and biases in [-0.5, 0.5). The same seed gives float32 and float64
        networks the same start, up to rounding. Raises ConfigError for settings that
        cannot be.
        """
        sizes = check_sizes(sizes)
        hidden = len(sizes) - 2
        names = [activation] * hidden if isinstance(activation, str) else list(activation)
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ConfigError(f"dtype {dtype!r} is not known: choose float32 or float64")
        theta = aligned_zeros(count_parameters(sizes), dtype)
        network = cls(
            sizes,
            [*names, "identity"],
            theta,
            input_scale=input_scale,
            class_names=class_names,
            image_shape=image_shape,
        )
        _initialize(network.layers, initializer, np.random.default_rng(rng))
        return network

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, np.ndarray], *, activations: Sequence[str], **settings: Any
    ) -> Network:
        """Return a network that holds copies of the given arrays.

        parameters: "weights_1" (fan_in, fan_out), "biases_1" (fan_out,), "weights_2", ... as
        `parameters()` names them, all float32 or all float64; activations: one name a layer,
        the last "identity"; settings: as for the constructor. Raises FormatError naming the
        array, the shape expected and the shape found.
        """
        from .parameters import check_parameters  # of somebody else's

        arrays = check_parameters(parameters)
        weights = [array for name, array in arrays.items() if name.startswith("weights")]
        sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)]
        theta = np.concatenate([array.ravel() for array in arrays.values()])
        return cls(sizes, activations, theta, **settings)

    @property
    def dtype(self) -> np.dtype:
        """The type of every parameter: float32 or float64."""
        return self.theta.dtype

    @property
    def inputs(self) -> int:
        """Pixels of an image."""
        return self.sizes[0]

    @property
    def classes(self) -> int:
        """Width of the last layer."""
        return self.sizes[-1]

    @property
    def parameter_count(self) -> int:
        """Weights and biases together."""
        return self.theta.size

    @property
    def trained_steps(self) -> int:
        """Optimizer steps over all training runs on record."""
        return sum(int(run.get("steps", 0)) for run in self.training)

    @property
    def piece_images(self) -> int:
        """How many images are taken forward and back at once: what stays in cache.

        It depends on the sizes alone: sums over pieces have the same bits for any number of
        threads.
        """
        return max(256, min(4096, _PIECE_FLOATS // sum(self.sizes[1:])))

    @property
    def block_images(self) -> int:
        """How many images to hand over at once, to be done in about 50 ms at the most."""
        pieces = int(_BLOCK_WORK / (self.parameter_count * self.piece_images))
        return max(1, pieces) * self.piece_images

    def parameters(self) -> dict[str, np.ndarray]:
        """Return live views by name, in `theta`'s order: "weights_1", "biases_1", ..."""
        named = {}
        for number, layer in enumerate(self.layers, 1):
            named[f"weights_{number}"] = layer.weights
            named[f"biases_{number}"] = layer.biases
        return named

    def forward(self, images: Any) -> list[np.ndarray]:
        """Return the activations of every layer, float (n, width) each; the last are logits."""
        return layers.forward(self.layers, self.as_inputs(images), self.input_scale)

    def backward(
        self, images: Any, outputs: Sequence[np.ndarray], blame: np.ndarray, gradient: np.ndarray
    ) -> None:
        """Add to `gradient`, laid out like theta, what follows from the blame of the logits.

        images and outputs: what `forward` took and gave; blame: float (n, classes), overwritten.
        """
        self._backward(self.as_inputs(images), outputs, blame, gradient)

    def _backward(
        self, x: np.ndarray, outputs: Sequence[np.ndarray], blame: np.ndarray, gradient: np.ndarray
    ) -> None:
        """Do `backward` for inputs that are known to fit."""
        gradients = layers_of(gradient, self.sizes, self.activations)
        layers.backward(self.layers, x, outputs, blame, gradients, self.input_scale)

    def gradient(
        self, images: Any, labels: np.ndarray, gradient: np.ndarray, *, count: int | None = None
    ) -> tuple[float, int]:
        """Add the gradient of the mean loss to `gradient`; return (loss summed, right answers).

        images: as for `predict`, best at most `block_images` of them; labels: uint8 (n,), in
        range; gradient: float, of theta's shape, laid out like it. `count`: the images the mean
        is taken over, when these are a part of them (default: n).
        """
        x, labels = self.as_inputs(images), np.asarray(labels)

        def piece(rows: slice, sums: np.ndarray) -> tuple[float, int]:
            outputs = layers.forward(self.layers, x[rows], self.input_scale)
            found = softmax_cross_entropy(outputs[-1], labels[rows], count=count or len(x))
            self._backward(x[rows], outputs, found[2], sums)
            return found[:2]

        return add_up(len(x), self.piece_images, gradient, piece)

    def loss(self, images: Any, labels: np.ndarray) -> tuple[float, int]:
        """Return (loss summed, right answers) for images as for `predict`; labels in range."""
        x, labels = self.as_inputs(images), np.asarray(labels)

        def piece(n: int, rows: slice) -> tuple[float, int]:
            logits = layers.forward(self.layers, x[rows], self.input_scale)[-1]
            return softmax_cross_entropy(logits, labels[rows])[:2]

        return totals(each_piece(len(x), min(self.piece_images, ASKED), piece))

    def logits(self, images: Any) -> np.ndarray:
        """Return float (n, classes), the sums before softmax. images: as `predict_proba`."""
        return self._logits(self.as_inputs(images))

    def _logits(self, x: np.ndarray) -> np.ndarray:
        """Do `logits` for inputs that are known to fit."""
        logits = np.empty((len(x), self.classes), self.dtype)

        def piece(n: int, rows: slice) -> None:
            logits[rows] = layers.forward(self.layers, x[rows], self.input_scale)[-1]

        each_piece(len(x), self.piece_images, piece)
        return logits

    def predict_proba(self, images: Any) -> np.ndarray:
        """Return float (n, classes) probabilities; rows sum to 1.

        images: (n, height, width), (n, inputs), one image (height, width) or (inputs,), an
        Idx3 or a Dataset; bytes or any other numbers. Raises FormatError when they do not fit.
        """
        x = self.as_inputs(images)
        if x.dtype == np.uint8 and type(self._made_of[0]) is np.float32:  # 0.1 us of 4 less
            return self._probabilities(x)
        probabilities = self._logits(x)
        now.softmax(probabilities, probabilities)
        return probabilities

    def _probabilities(self, x: np.ndarray) -> np.ndarray:
        """Do `predict_proba` for bytes, in one call a thread and piece."""
        network, answers = self._made_of, np.empty((len(x), self.sizes[-1]), np.float32)
        if len(x) <= _ANSWERS:
            now.probabilities(x, *network, answers)
        else:
            each_piece(len(x), _ANSWERS, lambda n, r: now.probabilities(x[r], *network, answers[r]))
        return answers

    def predict(self, images: Any) -> np.ndarray:
        """Return int64 (n,): the likeliest class of each image. images: as `predict_proba`."""
        return self.predict_proba(images).argmax(axis=1)

    def accuracy(self, images: Any, labels: Any = None) -> float:
        """Return the share of right answers, in [0, 1]. images: as `predict_proba`.

        labels: integers (n,); not needed when `images` is a Dataset.
        """
        truth = np.asarray(images.labels if labels is None else labels)
        answers = self.predict(images)
        if truth.shape != answers.shape:
            raise FormatError(f"{len(answers)} images and labels of shape {truth.shape} do not fit")
        return float((answers == truth).mean())

    def as_inputs(self, images: Any) -> np.ndarray:
        """Return images as (n, inputs): bytes as they are, other numbers scaled floats.

        Raises FormatError when the images do not fit.
        """
        bytes_alone = type(images) is np.ndarray and images.dtype == np.uint8
        if bytes_alone and images.size == self.inputs and images.flags.c_contiguous:
            one = images.reshape(1, -1)  # a drawing to be answered at once: the rest takes 1 us
            one.setflags(write=False)
            return one
        pixels = np.asarray(getattr(images, "images", images))
        if pixels.ndim == 2 and pixels.shape[1] == self.inputs or pixels.ndim == 3:
            flat = pixels.reshape(len(pixels), -1) if len(pixels) else pixels.reshape(0, 0)
        else:
            flat = pixels.reshape(1, -1)
        if flat.shape[1] != self.inputs or pixels.dtype.kind not in "uifb" or not len(pixels):
            raise FormatError(
                f"images of shape {pixels.shape} and type {pixels.dtype} do not fit a network with "
                f"{self.inputs:,} inputs: give (n, height, width) or (n, {self.inputs}) numbers"
            )
        if flat.dtype == np.uint8:
            return read_only(flat)
        return np.multiply(flat, self.input_scale, dtype=self.dtype)

    def snapshot(self) -> Network:
        """Return a frozen copy: its parameters cannot be written."""
        theta = self.theta.copy()
        theta.flags.writeable = False
        return self._with(theta)

    def copy(self) -> Network:
        """Return a copy that can be trained on its own."""
        return self._with(self.theta.copy())

    def _with(self, theta: np.ndarray) -> Network:
        """Return this network with another parameter vector."""
        return Network(
            self.sizes,
            self.activations,
            theta,
            input_scale=self.input_scale,
            class_names=self.class_names,
            image_shape=self.image_shape,
            training=self.training,
        )

    def save(self, target: Any) -> None:
        """Write the network to a path (`.npz`, or `.nnm` where that format can hold it)."""
        if Network.writer is None:
            raise ConfigError("nobody told how networks are written: import nnengine.storage")
        Network.writer(self, target)

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.sizes))
        hidden = ", ".join(dict.fromkeys(self.activations[:-1])) or "no hidden layer"
        steps = f"{self.trained_steps:,} steps" if self.trained_steps else "untrained"
        return f"<Network {shape} ({hidden}), {self.parameter_count:,} parameters, {steps}>"


def each_piece(count: int, size: int, work: Callable[[int, slice], T]) -> list[T]:
    """Return what `work` makes of each piece, its number and its rows; on all threads there are."""
    found: list[Any] = [None] * -(-count // size)

    def piece(n: int) -> None:
        with np.errstate(all="ignore"):  # a run that diverges is told by its loss
            found[n] = work(n, slice(n * size, (n + 1) * size))

    now.fan_out(piece, len(found))
    return found


def totals(found: Sequence[tuple[float, int]]) -> tuple[float, int]:
    """Return (loss, right answers) of all pieces, each of which is given so."""
    return sum(loss for loss, _ in found), sum(right for _, right in found)


def add_up(
    count: int, size: int, gradient: np.ndarray, work: Callable[[slice, np.ndarray], tuple]
) -> tuple[float, int]:
    """Have `work` add each piece's part of a gradient; return (loss summed, right answers)."""
    # Sums of their own for all pieces but the first, added in the pieces' order.
    sums = [gradient, *(np.zeros_like(gradient) for _ in range(size, count, size))]
    found = each_piece(count, size, lambda n, rows: work(rows, sums[n]))
    for part in sums[1:]:
        gradient += part
    return totals(found)


@formula
def probabilities(
    x: np.ndarray,
    scale: Any,
    sizes: Sequence[int],
    kinds: Sequence[int],
    theta: np.ndarray,
    out: np.ndarray,
) -> None:
    """Put a whole network's probabilities into out, float (n, classes), for bytes x (n, inputs)."""
    made = layers_of(theta, sizes, [ACTIVATIONS[kind] for kind in kinds])
    FORMULAS.softmax(layers.forward(made, x, scale, FORMULAS)[-1], out)


def _initialize(layers: Sequence[Dense], how: str, rng: np.random.Generator) -> None:
    """Fill the layers with random numbers; see `Network.build`."""
    if how not in INITIALIZERS:
        raise ConfigError(
            f"initializer {how!r} is not known: choose one of {', '.join(INITIALIZERS)}"
        )
    for layer in layers:
        fan_in, fan_out = layer.weights.shape
        if how == "he":
            layer.weights[:] = rng.normal(0, np.sqrt(2 / fan_in), layer.weights.shape)
        elif how == "glorot":
            limit = np.sqrt(6 / (fan_in + fan_out))
            layer.weights[:] = rng.uniform(-limit, limit, layer.weights.shape)
        else:
            layer.weights[:] = rng.uniform(-0.5, 0.5, layer.weights.shape)
            layer.biases[:] = rng.uniform(-0.5, 0.5, layer.biases.shape)


def check_class_names(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """Return a name for each class, its number where none is given, or raise ConfigError."""
    if names is None:
        return tuple(map(str, range(classes)))
    if len(names) != classes:
        raise ConfigError(f"{len(names)} class names for {classes} outputs: give one for each")
    return tuple(map(str, names))


def check_image_shape(shape: Sequence[int] | None, inputs: int) -> tuple[int, int]:
    """Return (height, width): as given, else a square where the inputs make one, else a row."""
    if shape is None:
        side = int(inputs**0.5 + 0.5)
        return (side, side) if side * side == inputs else (1, inputs)
    height, width = map(int, shape)
    if height < 1 or height * width != inputs:
        raise ConfigError(f"image shape {height}x{width} does not hold {inputs:,} inputs")
    return height, width
