"""Network: layers over one parameter vector; forward, backward, predict."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import ConfigError, FormatError
from . import description, layers
from .activations import ACTIVATIONS, IDENTITY, kind_of
from .arithmetic import FORMULAS, aligned_zeros, calmly, formula, now, read_only
from .description import Shape, Spec
from .layers import Dense, Layer, Pass
from .losses import Loss, softmax_cross_entropy
from .parameters import Place, check_arrays, dense_sizes, places

T = TypeVar("T")
INITIALIZERS = ("he", "glorot", "uniform")
_PIECE_FLOATS, _MOST_FLOATS = 1 << 16, 1 << 26  # of a piece: within cache; 256 MB at most
PACE = 0.1  # of running statistics: what PyTorch calls momentum
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
    Make one with `Network.build` or `Network.from_parameters`. `specs`: its layers as
    `core.description` has them, the classes' last; `sizes`: numbers of an image before each, and
    classes; `is_dense`: all layers are fully connected, which kernels of whole networks want.
    """

    # What writes a network to a file, and reads layers from text: told by `nnengine.storage` and
    # `nnengine.training`, which stand on this module.
    writer: ClassVar[Callable[[Network, Any], None] | None] = None
    reader: ClassVar[Callable[[str], tuple[tuple[int, ...], tuple[Spec, ...]]] | None] = None

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        theta: np.ndarray,
        *,
        input_scale: float = 1 / 255,
        class_names: Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
        channels: int = 1,
        hidden: Sequence[Spec] | None = None,
        training: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        ends = check_sizes(sizes)
        self.image_shape = check_image_shape(image_shape, ends[0], channels)
        self.channels = channels
        hidden = dense_specs(ends[:-1]) if hidden is None else hidden
        self.specs = (*hidden, *dense_specs(ends[-2:]))
        self.shape: Shape = (*self.image_shape, channels)
        before = description.shapes(self.specs, self.shape)
        self.sizes = (*map(math.prod, before), ends[-1])
        self.activations = check_activations(activations, self.specs)
        self.theta = theta
        self.input_scale = float(input_scale)
        self.class_names = check_class_names(class_names, self.classes)
        self.training = tuple(training)
        self.layers = self._bound(theta)
        self.is_dense = all(spec.kind == "dense" for spec in self.specs)
        self.kinds = tuple(map(kind_of, self.activations))  # as kernels name them
        self._made_of = theta.dtype.type(input_scale), self.sizes, self.kinds, theta

    @classmethod
    def build(
        cls,
        sizes: Sequence[int] | str,
        *,
        activation: str | Sequence[str] = "relu",
        rng: np.random.Generator | int = 0,
        initializer: str = "he",
        dtype: Any = np.float32,
        input_scale: float = 1 / 255,
        class_names: Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
        channels: int = 1,
        classes: int | None = None,
    ) -> Network:
        """Return a new network with random weights.

        sizes: inputs, hidden widths, outputs: `[784, 10, 10]`; or hidden layers as text, `conv 8
        5x5, pool 2, dense 64`, for images of this `image_shape` and so many `channels`, in as many
        `classes` as have names or as are given. activation: one name for all hidden layers or one
        for each that has weights; `norm` right behind such a layer comes before it. rng: a
        Generator, or a seed for one. initializer: "he" normal(0, sqrt(2 / fan_in)) (He et al.
        2015), "glorot" uniform within sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010), both
        with zero biases, or "uniform": weights and biases in [-0.5, 0.5). The same seed gives
        float32 and float64 networks the same start, up to rounding. Raises ConfigError for
        settings that cannot be.
        """
        pixels = math.prod(image_shape or (0,)) * channels
        ends, specs = _asked_for(sizes, (pixels, classes or len(class_names or ())))
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ConfigError(f"dtype {dtype!r} is not known: choose float32 or float64")
        shape = *check_image_shape(image_shape, ends[0], channels), channels
        every = [*specs, *dense_specs(ends[-2:])]
        count = sum(math.prod(place.sides) for place in places(every, shape))
        network = cls(
            ends, spread(activation, every), aligned_zeros(count, dtype), input_scale=input_scale,
            class_names=class_names, image_shape=image_shape, channels=channels, hidden=specs,
        )  # fmt: skip
        _initialize(network.layers, initializer, np.random.default_rng(rng))
        return network

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, np.ndarray], *, activations: Sequence[str], **settings: Any
    ) -> Network:
        """Return a network that holds copies of the given arrays.

        parameters: "weights_1" (fan_in, fan_out), "biases_1" (fan_out,), "weights_2", ... as
        `parameters()` names them, all float32 or all float64; activations: one name a layer,
        the last "identity"; settings: as for the constructor; `hidden` where there are others
        than dense layers, and then `sizes`, of which the ends count. Raises FormatError naming the
        array, the shape expected and the shape found.
        """
        hidden, sizes = settings.get("hidden"), settings.pop("sizes", None)
        if hidden is None:
            sizes = dense_sizes(parameters)
            hidden = dense_specs(sizes[:-1])
        channels = settings.get("channels", 1)
        shape = *check_image_shape(settings.get("image_shape"), sizes[0], channels), channels
        arrays = check_arrays(parameters, [*hidden, *dense_specs(sizes[-2:])], shape)
        theta = np.concatenate([array.ravel() for array in arrays.values()])
        return cls(sizes, activations, theta, **settings)

    @property
    def dtype(self) -> np.dtype:
        """The type of every parameter: float32 or float64."""
        return self.theta.dtype

    @property
    def inputs(self) -> int:
        """Pixels of an image, times its channels."""
        return self.sizes[0]

    @property
    def description(self) -> str:
        """The layers as a text that `build` takes."""
        dashed = "-".join(map(str, self.sizes))
        return dashed if self.is_dense else description.write(self.specs[:-1])

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

        It depends on the sizes alone, and so do the bits of sums, on any number of threads.
        """
        made = sum(self.sizes[1:])
        return max(min(256, _MOST_FLOATS // made), min(4096, _PIECE_FLOATS // made), 1)

    @property
    def block_images(self) -> int:
        """How many images to hand over at once, to be done in about 50 ms at the most."""
        work = self.parameter_count
        for layer in self.layers:
            if layer.spec.kind == "conv":
                work += layer.weights.size * math.prod(layer.spec.after(layer.shape)[:2])
        pieces = int(_BLOCK_WORK / (work * self.piece_images))
        return max(1, pieces) * self.piece_images

    @property
    def weight_places(self) -> list[slice]:
        """Where in `theta` weights stand, as opposed to biases: what penalties act on."""
        return [place.where for place in self._places if place.name.startswith("weights")]

    @property
    def _places(self) -> Iterator[Place]:
        return places(self.specs, self.shape)

    def _bound(self, vector: np.ndarray) -> tuple[Any, ...]:
        return bound(vector, self.specs, self.shape, self.activations)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return live views by name, in `theta`'s order: "weights_1", "biases_1", ..."""
        return {at.name: self.theta[at.where].reshape(at.sides) for at in self._places}

    def forward(self, images: Any, way: Pass | None = None) -> list[np.ndarray]:
        """Return the activations of every layer, float (n, width) each; the last are logits."""
        return layers.forward(self.layers, self.as_inputs(images), way or Pass(self.input_scale))

    def backward(
        self, images: Any, outputs: Sequence[Any], blame: Any, gradient: np.ndarray, way: Pass
    ) -> None:
        """Add to `gradient`, laid out like theta, what follows from the blame of the logits.

        images, outputs, way: what `forward` took and gave; blame: float (n, classes), overwritten.
        """
        x, gradients = self.as_inputs(images), self._bound(gradient)
        layers.backward(self.layers, x, outputs, blame, gradients, way)

    def practice(self, seed: int, step: int, count: int) -> Callable[[int, int], Pass]:
        """Return what gives passes in training to (first, how many) images of a batch of `count`.

        Each with a stream of its own: bits depend on seed, step and piece alone; none where no
        layer does in training what it does not otherwise.
        """
        draws = any(spec.kind in ("dropout", "norm") for spec in self.specs)

        def way(first: int, images: int) -> Pass:
            rng = np.random.default_rng([seed, 3, step, first]) if draws else None
            return Pass(self.input_scale, now, rng, images / count)

        return way

    @calmly
    def settle(self, gradient: np.ndarray) -> None:
        """Have running statistics follow what a batch left in its gradient; take it out of there.

        Means and variances stand in theta, where they are copied and saved like all else.
        """
        for name, where, *_ in self._places:
            if name.startswith(("means", "variances")):
                self.theta[where] += self.dtype.type(PACE) * (gradient[where] - self.theta[where])
                gradient[where] = 0

    def gradient(
        self,
        images: Any,
        labels: np.ndarray,
        gradient: np.ndarray,
        *,
        count: int | None = None,
        descended: Loss = softmax_cross_entropy,
        practice: Callable[[int, int], Pass] | None = None,
    ) -> tuple[float, int]:
        """Add the gradient of the mean loss to `gradient`; return (loss summed, right answers).

        images: as for `predict`, best at most `block_images` of them; labels: uint8 (n,), in
        range; gradient: float, of theta's shape, laid out like it. `count`: the images the mean
        is taken over, when these are a part of them (default: n). descended: the loss. practice:
        the passes of a step in training; None: as the network answers.
        """
        x, labels = self.as_inputs(images), np.asarray(labels)

        def piece(rows: slice, sums: np.ndarray) -> tuple[float, int]:
            part, some = x[rows], labels[rows]
            way = practice(rows.start, len(some)) if practice else Pass(self.input_scale)
            outputs = layers.forward(self.layers, part, way)
            found = descended(outputs[-1], some, count=count or len(x))
            layers.backward(self.layers, part, outputs, found[2], self._bound(sums), way)
            return found[:2]

        return add_up(len(x), self.piece_images, gradient, piece)

    def loss(self, images: Any, labels: np.ndarray) -> tuple[float, int]:
        """Return (loss summed, right answers) for images as for `predict`; labels in range."""
        x, labels = self.as_inputs(images), np.asarray(labels)

        def piece(n: int, rows: slice) -> tuple[float, int]:
            return softmax_cross_entropy(now.logits(self, x[rows]), labels[rows])[:2]

        return totals(each_piece(len(x), min(self.piece_images, ASKED), piece))

    def logits(self, images: Any) -> np.ndarray:
        """Return float (n, classes), the sums before softmax. images: as `predict_proba`."""
        return self._logits(self.as_inputs(images))

    def _logits(self, x: np.ndarray) -> np.ndarray:
        """Do `logits` for inputs that are known to fit."""
        size = self.piece_images
        return np.concatenate(each_piece(len(x), size, lambda n, r: now.logits(self, x[r])))

    def predict_proba(self, images: Any) -> np.ndarray:
        """Return float (n, classes) probabilities; rows sum to 1.

        images: (n, height, width), (n, inputs), one image (height, width) or (inputs,), an
        Idx3 or a Dataset; bytes or any other numbers. Raises FormatError when they do not fit.
        """
        x = self.as_inputs(images)
        fast = self.is_dense and type(self._made_of[0]) is np.float32  # 0.1 us of 4 less
        if fast and x.dtype == np.uint8:
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
        several = pixels.ndim == 3 if self.channels == 1 else pixels.ndim == 4
        if pixels.ndim == 2 and pixels.shape[1] == self.inputs or several:
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
        return calmly(np.multiply)(flat, self.input_scale, dtype=self.dtype)

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
        names = ("input_scale", "class_names", "image_shape", "channels", "training")
        same = {name: getattr(self, name) for name in names}
        return Network(self.sizes, self.activations, theta, hidden=self.specs[:-1], **same)

    def save(self, target: Any) -> None:
        """Write the network to a path (`.npz`, or `.nnm` where that format can hold it)."""
        if Network.writer is None:
            raise ConfigError("nobody told how networks are written: import nnengine.storage")
        Network.writer(self, target)

    def __repr__(self) -> str:
        shape = self.description + f", {self.classes} classes" * (not self.is_dense)
        acting = [a for a, spec in zip(self.activations, self.specs, strict=True) if spec.weighs]
        hidden = ", ".join(dict.fromkeys(acting[:-1])) or "no hidden layer"
        steps = f"{self.trained_steps:,} steps" if self.trained_steps else "untrained"
        return f"<Network {shape} ({hidden}), {self.parameter_count:,} parameters, {steps}>"


def each_piece(count: int, size: int, work: Callable[[int, slice], T]) -> list[T]:
    """Return what `work` makes of each piece, its number and its rows; on all threads there are."""
    found: list[Any] = [None] * -(-count // size)

    def piece(n: int) -> None:
        found[n] = work(n, slice(n * size, (n + 1) * size))

    now.fan_out(piece, len(found))
    return found


def totals(found: Sequence[tuple[float, int]]) -> tuple[float, int]:
    """Return (loss, right answers) of all pieces, each of which is given so."""
    return sum(loss for loss, _ in found), sum(right for _, right in found)


@calmly
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
def logits(network: Network, x: np.ndarray) -> np.ndarray:
    """Return float (n, classes), a network's logits, for x as `as_inputs` gives it."""
    return layers.forward(network.layers, x, Pass(network.input_scale))[-1]


@formula
def probabilities(
    x: np.ndarray, scale: Any, sizes: Any, kinds: Sequence[int], theta: np.ndarray, out: np.ndarray
) -> None:
    """Put a whole network's probabilities into out, float (n, classes), for bytes x (n, inputs)."""
    made = layers_of(theta, sizes, [ACTIVATIONS[kind] for kind in kinds])
    FORMULAS.softmax(layers.forward(made, x, Pass(scale, FORMULAS))[-1], out)


def _kind(name: str) -> type[Layer]:
    """Return what makes layers of a kind."""
    if name == "dense":
        return Dense
    from . import steadying, windows  # only where a network has them

    one_each = {"conv": windows.Convolution, "norm": steadying.Norm, "dropout": steadying.Dropout}
    return {**one_each, "pool": windows.Pool, "average": windows.Pool, "flatten": Layer}[name]


def bound(
    vector: np.ndarray, specs: Sequence[Spec], shape: Shape, activations: Sequence[str]
) -> tuple[Any, ...]:
    """Return layers whose arrays are views into a vector, as `parameters.places` lays it out."""
    views: list[list[np.ndarray]] = [[] for _ in specs]
    for place in places(specs, shape):
        views[place.layer].append(vector[place.where].reshape(place.sides))
    made = zip(specs, description.shapes(specs, shape), activations, views, strict=True)
    return tuple(_kind(s.kind)(s, before, vector.dtype, a, *v) for s, before, a, v in made)


def layers_of(theta: np.ndarray, sizes: Any, activations: Sequence[str]) -> tuple[Any, ...]:
    """Return dense layers of these widths, inputs first, bound to a vector."""
    return bound(theta, dense_specs(sizes), (1, 1, sizes[0]), activations)


def dense_specs(sizes: Sequence[int]) -> list[Spec]:
    """Return the dense layers that lie between these widths."""
    return [Spec("dense", width) for width in sizes[1:]]


def _asked_for(sizes: Any, geometry: tuple[int, int]) -> tuple[tuple[int, ...], Any]:
    """Return (inputs and classes, hidden layers) of what `Network.build` is given."""
    if not isinstance(sizes, str):
        return check_sizes(sizes), dense_specs(sizes[:-1])
    if Network.reader is None:
        raise ConfigError("nobody told how layers are read: import nnengine")
    ends, specs = Network.reader(sizes)
    if not ends and 0 in geometry:
        raise ConfigError("layers as text want image_shape=(height, width) and classes as well")
    return ends or geometry, specs


def spread(activation: str | Sequence[str], specs: Sequence[Spec]) -> list[str]:
    """Return one activation a layer: those of hidden layers with weights, in turn.

    A `norm` right behind such a layer comes between its sums and their activation.
    """
    weighing = [n for n, spec in enumerate(specs) if spec.weighs][:-1]
    names = [activation] * len(weighing) if isinstance(activation, str) else list(activation)
    _check_as_many(names, len(weighing))
    found = ["identity"] * len(specs)
    for n, name in zip(weighing, names, strict=True):
        found[n + (specs[n + 1].kind == "norm")] = name
    return found


def _check_as_many(names: Sequence[str], hidden: int) -> None:
    if len(names) != hidden:
        raise ConfigError(
            f"{len(names)} activations for {hidden} hidden layers: give one name, "
            "or one for each hidden layer"
        )


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes as whole numbers. Raises ConfigError unless two or more, all positive."""
    whole = tuple(int(size) for size in sizes)
    if len(whole) < 2 or any(size < 1 for size in whole) or whole != tuple(sizes):
        raise ConfigError(
            f"layer sizes {list(sizes)} make no network: "
            "give two or more whole numbers above zero, inputs first and classes last"
        )
    return whole


def check_activations(activations: Sequence[str], specs: Sequence[Spec]) -> tuple[str, ...]:
    """Return one known activation a layer, the last of them "identity", or raise ConfigError."""
    names = tuple(activations)
    _check_as_many(names[:-1], len(specs) - 1)
    for name, spec in zip(names, specs, strict=True):
        if kind_of(name) != IDENTITY and not (spec.weighs or spec.kind == "norm"):
            raise ConfigError(f"{str(spec)!r} has no activation, so not {name!r}: say 'identity'")
    if names[-1] != "identity":
        raise ConfigError(
            f"the last layer's activation is {names[-1]!r}: it must be 'identity', "
            "softmax belongs to the loss"
        )
    return names


def _initialize(layers: Sequence[Any], how: str, rng: np.random.Generator) -> None:
    """Fill the layers with random numbers; see `Network.build`."""
    if how not in INITIALIZERS:
        raise ConfigError(
            f"initializer {how!r} is not known: choose one of {', '.join(INITIALIZERS)}"
        )
    for layer in layers:
        if layer.spec.kind == "norm":
            layer.scales[:], layer.variances[:] = 1, 1
        if not layer.spec.weighs:
            continue
        *places, fan_in, fan_out = layer.weights.shape  # of a convolution's window, each counts
        fan_in, fan_out = fan_in * math.prod(places), fan_out * math.prod(places)
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


def check_image_shape(shape: Any, inputs: int, channels: int = 1) -> tuple[int, int]:
    """Return (height, width): as given, else a square where the inputs make one, else a row."""
    if shape is None:
        side = int((inputs // channels) ** 0.5 + 0.5)
        shape = (side, side) if side * side * channels == inputs else (1, inputs // channels)
    height, width = map(int, shape)
    if height < 1 or height * width * channels != inputs:
        depth = f"x{channels}" if channels > 1 else ""
        raise ConfigError(f"image shape {height}x{width}{depth} does not hold {inputs:,} inputs")
    return height, width
