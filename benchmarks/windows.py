"""Windows: networks with convolutions and pools, learnt by this engine and by its peers.

Everybody begins with the same weights and sees the same batches. PyTorch takes images channels
first, as its tutorials do, or last; JAX last, in one jitted scan over an epoch.

    python benchmarks/windows.py            # seconds of one processor, where others keep it busy
    python benchmarks/windows.py --answers  # the same of predictions
    python benchmarks/windows.py --norms    # an epoch with batch normalisation, and NumPy's
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from full_batch import default_data
from ours import Engine
from peers import Jax, Learner, Problem, Torch, Weights
from rounds import conditions

from nnengine import Network, read_idx

LENET = "conv 6 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 120, dense 84"
NORMS = LENET.replace(", pool", ", norm, pool").replace("120,", "120, norm,")
SMALL = "conv 8 3x3 pad 1, pool 2, conv 16 3x3 pad 1, pool 2, dense 64"


@dataclass(frozen=True)
class WindowProblem(Problem):
    """A problem whose layers are given as text; `sizes` are its ends."""

    layers: str = ""

    @cached_property
    def network(self) -> Network:
        """The network that everybody starts from."""
        return Network.build(
            self.layers, image_shape=self.images.shape[1:], classes=self.sizes[-1], rng=self.seed
        )

    @cached_property
    def start(self) -> Weights:
        """The first weights: (height, width, channels, maps) or (fan_in, fan_out), and biases."""
        return weights_of(self.network)


def weights_of(network: Network) -> Weights:
    """Return copies of what a network has learnt, layer by layer."""
    arrays = [array.copy() for array in network.parameters().values()]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


class WindowEngine(Engine):
    """This engine on layers as text."""

    def steps(self, epochs: int) -> None:
        """Take the steps of so many epochs, without the curves before them."""
        for _ in range(epochs * self.problem.steps_per_epoch):
            self._take_step()

    def weights(self) -> Weights:
        return weights_of(self.network)


class WindowTorch(Torch):
    """PyTorch's own layers; images channels first."""

    note = "nn.Conv2d, nn.MaxPool2d, autograd, fused optimizer, batches by index_select"
    last = False

    def _build(self) -> None:
        nn, layers, start = self.torch.nn, [], iter(self.problem.start)
        network, flat = self.problem.network, False
        self.turned = []  # of each layer with weights: the shape of what comes in
        for layer in network.layers:
            spec = layer.spec
            if spec.kind == "pool":
                layers.append(nn.MaxPool2d(spec.window, spec.stride))
                continue
            w, b = next(start)
            if spec.kind == "conv":
                made = nn.Conv2d(w.shape[2], w.shape[3], spec.window, spec.stride, spec.pad)
            else:
                layers += [] if flat else [nn.Flatten()]
                made, flat = nn.Linear(*w.shape), True
            self.turned.append(layer.shape)
            with self.torch.no_grad():
                made.weight.copy_(self.torch.from_numpy(_turned(w, layer.shape)))
                made.bias.copy_(self.torch.from_numpy(b))
            layers += [made, nn.ReLU()]
        self.x = self.x.reshape(-1, 1, *network.image_shape)
        self.model = nn.Sequential(*layers[:-1])
        if self.last:
            self.x = self.x.to(memory_format=self.torch.channels_last)
            self.model = self.model.to(memory_format=self.torch.channels_last)
        self.optimizer = self._optimizer(self.model.parameters())

    def weights(self) -> Weights:
        found = [p.detach().numpy().copy() for p in self.model.parameters()]
        layers = zip(found[::2], self.problem.start, self.turned, strict=True)
        turned = [_back(w, was[0].shape, shape) for w, was, shape in layers]
        return list(zip(turned, found[1::2], strict=True))

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        images = images.reshape(-1, 1, *self.problem.network.image_shape)
        return self._asking(self.torch.from_numpy(images))


class WindowTorchLast(WindowTorch):
    """The same with channels last."""

    name = "PyTorch nn, channels last"
    last = True

    def _asking(self, x) -> Callable[[], object]:
        return super()._asking(x.to(memory_format=self.torch.channels_last))


def _turned(w: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return weights as PyTorch has them: maps, channels, height, width; or units, inputs."""
    if w.ndim == 4:
        return np.ascontiguousarray(w.transpose(3, 2, 0, 1))
    return np.ascontiguousarray(w.reshape(*shape, -1).transpose(3, 2, 0, 1).reshape(w.T.shape))


def _back(w: np.ndarray, sides: tuple[int, ...], shape: tuple[int, int, int]) -> np.ndarray:
    """Return weights as this engine has them."""
    if len(sides) == 4:
        return w.transpose(2, 3, 1, 0)
    height, width, channels = shape
    return w.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(sides)


class WindowJax(Jax):
    """JAX's convolution and reduce_window; images channels last."""

    def __init__(self, problem: WindowProblem) -> None:
        super().__init__(problem)
        self.x = self.x.reshape(-1, *problem.network.image_shape, 1)

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        return super().asker(images.reshape(-1, *self.problem.network.image_shape, 1))

    def _logits(self, layers, x):
        lax, weights, count = self.jax.lax, iter(layers), len(layers)
        for layer in self.problem.network.layers:
            spec = layer.spec
            if spec.kind == "pool":
                sides = (1, *spec.window, 1), (1, spec.stride, spec.stride, 1)
                x = lax.reduce_window(x, -np.inf, lax.max, *sides, "VALID")
                continue
            (w, b), count = next(weights), count - 1
            if spec.kind == "conv":
                pads, names = [(spec.pad, spec.pad)] * 2, ("NHWC", "HWIO", "NHWC")
                strides = (spec.stride, spec.stride)
                x = lax.conv_general_dilated(x, w, strides, pads, dimension_numbers=names) + b
            else:
                x = x.reshape(len(x), -1) @ w + b
            x = self.jax.nn.relu(x) if count else x
        return x


def main(arguments: list[str] | None = None) -> None:
    """Print the processor seconds of an epoch on one thread: ours, and PyTorch's as it is best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=6_000, help="of MNIST's, scaled to 60,000")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--answers", action="store_true", help="time predictions instead")
    parser.add_argument("--norms", action="store_true", help="time LeNet-5 with three norms")
    options = parser.parse_args(arguments)
    folder = default_data() / "mnist"
    images, labels = (
        read_idx(folder / f"train-{kind}-ubyte.gz")[: options.images]
        for kind in ("images-idx3", "labels-idx1")
    )
    if options.answers or options.norms:
        layers = NORMS if options.norms else LENET
        problem = WindowProblem(images, labels, (784, 10), 64, "adam", 0.001, 7, layers=layers)
        (_norms if options.norms else _answers)(problem, options.rounds)
        return
    for name, layers in (("LeNet-5", LENET), ("8 and 16 maps of 3x3, 64 units", SMALL)):
        for batch in (64, 128):
            problem = WindowProblem(
                images, labels, (784, 10), batch, "adam", 0.001, 7, layers=layers
            )
            sides = [kind(problem) for kind in (WindowEngine, WindowTorch, WindowTorchLast)]
            with conditions(1, "numba"):  # PyTorch is here by now, and obeys
                found = _turns(sides, options.rounds)
            ours, *others = ([60_000 / len(images) * s for s in each] for each in found)
            ratios = [min(each) / own for own, *each in zip(ours, *others, strict=True)]
            words = ", ".join(map(_span, (ours, *others)))
            print(f"{name}, batch {batch}: {words}; {_span(ratios)} times", flush=True)


def _answers(problem: WindowProblem, rounds: int) -> None:
    """Print the processor milliseconds of probabilities, and how often PyTorch takes ours."""
    sides = [kind(problem) for kind in (WindowEngine, WindowTorch, WindowTorchLast)]
    for count, calls in ((1, 200), (len(problem), 1)):
        images = problem.images[:count]
        asked = [images, *[problem.floats[:count]] * 2]
        found: list[list[float]] = [[] for _ in sides]
        with conditions(1, "numba"):
            for turn in range(rounds + 1):
                for side, given, times in zip(sides, asked, found, strict=True):
                    ask, began = side.asker(given), time.process_time()
                    for _ in range(calls):
                        ask()
                    took = 1e3 * (time.process_time() - began) / calls
                    times += [took] * bool(turn)
        ours, *others = found
        ratios = [min(each) / own for own, *each in zip(ours, *others, strict=True)]
        words = ", ".join(map(_span, found))
        print(f"{count:,} images, milliseconds: {words}; {_span(ratios)} times", flush=True)


def _norms(problem: WindowProblem, rounds: int) -> None:
    """Print the processor seconds of an epoch by compiled kernels and by NumPy, in turn."""
    found: dict[str, list[float]] = {"numba": [], "numpy": []}
    few = replace(problem, images=problem.images[:640], labels=problem.labels[:640])
    for turn in range(rounds + 1):
        for name, times in found.items():
            with conditions(1, name):
                side = WindowEngine(problem if name == "numba" else few)
                side._see_curves()
                began = time.process_time()
                side.steps(1)
                took = 60_000 / len(side.problem) * (time.process_time() - began)
            times += [took] * bool(turn)
    ratios = [slow / quick for quick, slow in zip(*found.values(), strict=True)]
    print(f"{', '.join(map(_span, found.values()))}; {_span(ratios)} times")


def _turns(sides: list[Learner], rounds: int) -> list[list[float]]:
    """Return processor seconds of an epoch for everybody, round by round."""
    found: list[list[float]] = [[] for _ in sides]
    for turn in range(rounds + 1):
        for side, times in zip(sides, found, strict=True):
            seconds = _processor_seconds(side)
            times += [seconds] * bool(turn)
    return found


def _processor_seconds(side: Learner) -> float:
    """Return those of an epoch; our curves are measured outside, as in `Engine.timed`."""
    epoch: Callable[[int], None] = side.epochs
    if isinstance(side, WindowEngine):
        side._see_curves()
        epoch = side.steps
    began = time.process_time()
    epoch(1)
    return time.process_time() - began


def _span(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    sys.exit(main())
