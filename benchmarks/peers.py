"""Peers: the same network trained by others, each in the best form that its makers document.

Every learner starts from the same weights, sees the same images in the same order and takes the
same steps, so that a few epochs later the weights agree and only the clock tells them apart.
Floats are prepared before the clock starts, contiguous; no loader, no copies that can be spared.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace

import numpy as np

Weights = list[tuple[np.ndarray, np.ndarray]]  # a layer: float (fan_in, fan_out), (fan_out,)
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Problem:
    """What is to be learnt, and how: ReLU between dense layers, mean cross-entropy.

    images: uint8 (n, height, width); labels: uint8 (n,) below the last size; batch_size None: the
    full batch; optimizer: "sgd" or "adam"; rate: of step 1, 2, ... is `schedule(step)` if given.
    """

    images: np.ndarray
    labels: np.ndarray
    sizes: tuple[int, ...]
    batch_size: int | None
    optimizer: str
    rate: float
    seed: int = 0
    schedule: Callable[[int], float] | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that a pass over the images takes."""
        return 1 if self.batch_size is None else -(-len(self) // self.batch_size)

    @cached_property
    def floats(self) -> np.ndarray:
        """The images as float32 (n, pixels) in [0, 1], for those who need them so."""
        flat = self.images.reshape(len(self), -1)
        return np.multiply(flat, np.float32(1 / 255), dtype=np.float32)

    @cached_property
    def start(self) -> Weights:
        """The first weights, float32: He's, with zero biases."""
        rng = np.random.default_rng(self.seed)
        return [
            (rng.normal(0, np.sqrt(2 / a), (a, b)).astype(np.float32), np.zeros(b, np.float32))
            for a, b in zip(self.sizes, self.sizes[1:], strict=False)
        ]

    def orders(self) -> Iterator[np.ndarray]:
        """Yield for ever the order of each epoch's images: the engine's own shuffling."""
        rng = np.random.default_rng(self.seed)
        while True:
            yield rng.permutation(len(self))

    def batches(self, order: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the rows of each step of an epoch."""
        for start in range(0, len(self), self.batch_size):
            yield order[start : start + self.batch_size]


class Learner:
    """Somebody who trains: `epochs` goes on from where it stands; a full-batch step is an epoch."""

    name = ""
    note = ""  # what form it takes, for the table's reader
    all_cores = False  # whether it cannot be held to fewer threads once it runs

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.taken = 0
        self._orders = problem.orders()

    def epochs(self, count: int) -> None:
        """Train for so many passes over the data."""
        for _ in range(count):
            if self.problem.batch_size is None:
                self._turn(None)
            else:
                for rows in self.problem.batches(next(self._orders)):
                    self._turn(rows)

    def timed(self, count: int) -> float:
        """Do `epochs`; return the mean seconds of one."""
        began = time.perf_counter()
        self.epochs(count)
        return (time.perf_counter() - began) / count

    def _turn(self, rows: np.ndarray | None) -> None:
        """Take the next step, at the rate that is due."""
        self.taken += 1
        schedule = self.problem.schedule
        self.step(rows, schedule(self.taken) if schedule else self.problem.rate)

    def step(self, rows: np.ndarray | None, rate: float) -> None:
        """Take one step on the images `rows`, None for all."""
        raise NotImplementedError

    def weights(self) -> Weights:
        """Return copies of what was learnt, a layer (fan_in, fan_out) and (fan_out,)."""
        raise NotImplementedError

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the share of right answers, in [0, 1]; images: as `Problem.floats`."""
        raise NotImplementedError

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        """Return what gives the probabilities of images, as `Problem.floats`, each time called."""
        raise NotImplementedError


class Float64(Learner):
    """The original's equations: `full_batch.transcription`; full batch, one hidden layer."""

    name = "NumPy float64, the original's equations"
    note = "pixels by images, two products over all of them a step"

    def __init__(self, problem: Problem) -> None:
        from full_batch import transcription

        super().__init__(problem)
        layers = [SimpleNamespace(weights=w, biases=b) for w, b in problem.start]
        start = SimpleNamespace(classes=problem.sizes[-1], layers=layers)
        self._steps = transcription(problem.images, problem.labels, start, problem.rate)

    def step(self, rows: np.ndarray | None, rate: float) -> None:
        self._now = next(self._steps)

    def weights(self) -> Weights:
        return [(w.T.copy(), b[:, 0].copy()) for w, b in self._now]

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        columns = np.ascontiguousarray(images.T, dtype=float)
        (w1, b1), (w2, b2) = [(w.T.astype(float), b[:, None]) for w, b in self.problem.start]

        def ask() -> np.ndarray:
            logits = w2 @ np.maximum(w1 @ columns + b1, 0) + b2
            odds = np.exp(logits - logits.max(axis=0))
            return odds / odds.sum(axis=0)

        return ask


class Float32(Learner):
    """NumPy as a careful hand writes it: float32, every product and sum into room kept for it."""

    name = "NumPy float32"
    note = "products into buffers that are kept, Adam on one flat vector"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        most = problem.batch_size or len(problem)
        self.theta, self.layers = _flat(problem.start)
        self.gradient, self.blame = _flat(problem.start)
        self.mean, self.square = np.zeros_like(self.theta), np.zeros_like(self.theta)
        self.spare, self.move = np.empty_like(self.theta), np.empty_like(self.theta)
        self.batch = np.empty((most, problem.sizes[0]), np.float32)
        self.rooms = [np.empty((most, width), np.float32) for width in problem.sizes[1:]]
        self.back = [np.empty_like(room) for room in self.rooms[:-1]]

    def step(self, rows: np.ndarray | None, rate: float) -> None:
        problem = self.problem
        if rows is None:
            x, labels = problem.floats, problem.labels
        else:
            x = np.take(problem.floats, rows, axis=0, out=self.batch[: len(rows)])
            labels = problem.labels[rows]
        outputs = self._forward(x)
        dz = outputs[-1]  # the logits make way for their gradient
        _softmax(dz)
        dz[np.arange(len(x)), labels] -= 1
        dz /= len(x)
        self._backward([x, *outputs[:-1]], dz)
        self._descend(rate)

    def _forward(self, x: np.ndarray) -> list[np.ndarray]:
        outputs = []
        for (w, b), room in zip(self.layers, self.rooms, strict=True):
            if outputs:
                np.maximum(x, 0, out=x)
            z = np.matmul(x, w, out=room[: len(x)])
            z += b
            outputs.append(z)
            x = z
        return outputs

    def _backward(self, inputs: list[np.ndarray], dz: np.ndarray) -> None:
        for n in reversed(range(len(self.layers))):
            dw, db = self.blame[n]
            np.matmul(inputs[n].T, dz, out=dw)
            dz.sum(axis=0, out=db)
            if n:
                dz = np.matmul(dz, self.layers[n][0].T, out=self.back[n - 1][: len(dz)])
                dz *= inputs[n] > 0

    def _descend(self, rate: float) -> None:
        g, spare, move = self.gradient, self.spare, self.move
        if self.problem.optimizer == "sgd":
            self.theta -= np.multiply(g, np.float32(rate), out=spare)
            return
        self.mean += np.multiply(np.subtract(g, self.mean, out=spare), 1 - BETA1, out=spare)
        np.subtract(np.multiply(g, g, out=spare), self.square, out=spare)
        self.square += np.multiply(spare, 1 - BETA2, out=spare)
        unbias = np.sqrt(1 - BETA2**self.taken)
        np.sqrt(self.square, out=spare)
        spare += np.float32(EPSILON * unbias)
        np.divide(self.mean, spare, out=move)
        self.theta -= np.multiply(
            move, np.float32(rate * unbias / (1 - BETA1**self.taken)), out=move
        )

    def weights(self) -> Weights:
        return [(w.copy(), b.copy()) for w, b in self.layers]

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float((self.asker(images)().argmax(axis=1) == labels).mean())

    def asker(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        def ask() -> np.ndarray:
            x = images
            for n, (w, b) in enumerate(self.layers):
                if n:
                    np.maximum(x, 0, out=x)
                x = x @ w
                x += b
            _softmax(x)
            return x

        return ask


def _flat(start: Weights) -> tuple[np.ndarray, Weights]:
    """Return the weights as one vector, and as layers that look into it."""
    theta = np.concatenate([part.ravel() for layer in start for part in layer])
    return theta, _views(theta, start)


def _views(theta, start: Weights) -> Weights:
    """Return the layers inside a flat vector of NumPy or PyTorch, shaped like `start`."""
    layers, end = [], 0
    for w, b in start:
        begin, middle, end = end, end + w.size, end + w.size + b.size
        layers.append((theta[begin:middle].reshape(w.shape), theta[middle:end]))
    return layers


def _softmax(z: np.ndarray) -> None:
    """Replace logits (n, classes) by their probabilities."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)


class Torch(Learner):
    """PyTorch as its tutorials have it but for the DataLoader: nn layers, autograd, fused steps."""

    name = "PyTorch nn"
    note = "nn.Sequential, autograd, fused optimizer, batches by index_select"

    def __init__(self, problem: Problem) -> None:
        import torch

        super().__init__(problem)
        self.torch = torch
        self.x = torch.from_numpy(problem.floats)
        self.y = torch.from_numpy(problem.labels.astype(np.int64))
        self._build()

    def _build(self) -> None:
        torch, layers = self.torch, []
        for w, b in self.problem.start:
            layer = torch.nn.Linear(*w.shape)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(w.T)))
                layer.bias.copy_(torch.from_numpy(b))
            layers += [layer, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.optimizer = self._optimizer(self.model.parameters())

    def _optimizer(self, parameters):
        kind = {"sgd": self.torch.optim.SGD, "adam": self.torch.optim.Adam}
        return kind[self.problem.optimizer](parameters, lr=self.problem.rate, fused=True)

    def _batch(self, rows: np.ndarray | None):
        """Return the images and the truth of a step."""
        if rows is None:
            return self.x, self.y
        rows = self.torch.from_numpy(rows)
        return self.x.index_select(0, rows), self.y.index_select(0, rows)

    def _set_rate(self, rate: float) -> None:
        if self.problem.schedule:
            self.optimizer.param_groups[0]["lr"] = rate

    def step(self, rows: np.ndarray | None, rate: float) -> None:
        x, y = self._batch(rows)
        self._set_rate(rate)
        self.optimizer.zero_grad(set_to_none=True)
        self.torch.nn.functional.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()

    def weights(self) -> Weights:
        found = [p.detach().numpy().copy() for p in self.model.parameters()]
        return [(w.T.copy(), b) for w, b in zip(found[::2], found[1::2], strict=True)]

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float((self.asker(images)().numpy().argmax(axis=1) == labels).mean())

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        return self._asking(self.torch.from_numpy(images))

    def _asking(self, x) -> Callable[[], object]:
        torch, model = self.torch, self.model

        def ask():
            with torch.inference_mode():
                return torch.softmax(model(x), dim=1)

        return ask


class TorchByHand(Torch):
    """PyTorch's products with the gradient written out, as a careful hand would."""

    name = "PyTorch by hand"
    note = "gradient written out, products into buffers, fused optimizer on one flat vector"

    def _build(self) -> None:
        torch, problem = self.torch, self.problem
        self.theta = torch.from_numpy(_flat(problem.start)[0])
        self.theta.grad = torch.zeros_like(self.theta)
        self.layers = _views(self.theta, problem.start)
        self.blame = _views(self.theta.grad, problem.start)
        self.y = torch.eye(problem.sizes[-1])[self.y]
        most = problem.batch_size or len(problem)
        self.batch = torch.empty(most if problem.batch_size else 0, problem.sizes[0])
        self.rooms = [torch.empty(most, width) for width in problem.sizes[1:]]
        self.optimizer = self._optimizer([self.theta])

    def _batch(self, rows: np.ndarray | None):
        if rows is None:
            return self.x, self.y
        rows = self.torch.from_numpy(rows)
        x = self.torch.index_select(self.x, 0, rows, out=self.batch[: len(rows)])
        return x, self.y.index_select(0, rows)

    def step(self, rows: np.ndarray | None, rate: float) -> None:
        torch = self.torch
        with torch.no_grad():
            x, y = self._batch(rows)
            inputs = [x]
            for n, ((w, b), room) in enumerate(zip(self.layers, self.rooms, strict=True)):
                z = torch.addmm(b, inputs[n], w, out=room[: len(x)])
                inputs.append(z.relu_() if n + 1 < len(self.layers) else z)
            dz = torch.softmax(inputs[-1], dim=1).sub_(y).div_(len(x))
            for n in reversed(range(len(self.layers))):
                dw, db = self.blame[n]
                torch.mm(inputs[n].t(), dz, out=dw)
                torch.sum(dz, 0, out=db)
                if n:
                    da = torch.mm(dz, self.layers[n][0].t())
                    dz = torch.ops.aten.threshold_backward(da, inputs[n], 0)
            self._set_rate(rate)
            self.optimizer.step()

    def weights(self) -> Weights:
        return [(w.numpy().copy(), b.numpy().copy()) for w, b in self.layers]

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        torch, x, layers = self.torch, self.torch.from_numpy(images), self.layers

        def ask():
            with torch.inference_mode():
                a = x
                for w, b in layers[:-1]:
                    a = torch.addmm(b, a, w).relu_()
                w, b = layers[-1]
                return torch.softmax(torch.addmm(b, a, w), dim=1)

        return ask


class Jax(Learner):
    """JAX as one program an epoch: a scan over shuffled rows that XLA compiles whole."""

    name = "JAX"
    note = "an epoch is one jitted scan over shuffled rows, state donated, Adam written out"
    all_cores = True

    def __init__(self, problem: Problem) -> None:
        import jax

        super().__init__(problem)
        self.jax, jnp = jax, jax.numpy
        self.x = jnp.asarray(problem.floats)
        self.y = jnp.asarray(np.eye(problem.sizes[-1], dtype=np.float32)[problem.labels])
        layers = [(jnp.array(w), jnp.array(b)) for w, b in problem.start]
        self.state = layers, *(jax.tree.map(jnp.zeros_like, layers) for _ in range(2))
        self.steps = jax.jit(self._steps, donate_argnums=0)
        self.odds = jax.jit(lambda layers, x: jax.nn.softmax(self._logits(layers, x)))

    def epochs(self, count: int) -> None:
        if self.problem.batch_size is None:
            self._take(None, count)
        for _ in range(count if self.problem.batch_size else 0):
            order, size = next(self._orders).astype(np.int32), self.problem.batch_size
            whole = len(order) // size
            self._take(order[: whole * size].reshape(whole, size), whole)
            if len(order) > whole * size:
                self._take(order[None, whole * size :], 1)
        self.jax.block_until_ready(self.state)

    def _take(self, rows: np.ndarray | None, count: int) -> None:
        """Take so many steps, each on a row of `rows`, None for all images."""
        steps = np.arange(self.taken + 1, self.taken + count + 1)
        self.taken += count
        schedule = self.problem.schedule
        rates = np.array([schedule(n) if schedule else self.problem.rate for n in steps])
        unbias = np.sqrt(1 - BETA2**steps)
        if self.problem.optimizer == "adam":
            rates *= unbias / (1 - BETA1**steps)
        numbers = np.stack([rates, EPSILON * unbias], axis=1).astype(np.float32)
        self.state = self.steps(self.state, self.x, self.y, rows, numbers)

    def _steps(self, state, x, y, rows, numbers):
        def step(state, what):
            rows, numbers = what
            here = (x, y) if rows is None else (x[rows], y[rows])
            return self._moved(state, self.jax.grad(self._loss)(state[0], *here), *numbers), None

        return self.jax.lax.scan(step, state, (rows, numbers))[0]

    def _loss(self, layers, x, y):
        odds = self.jax.nn.log_softmax(self._logits(layers, x))
        return -(odds * y).sum(axis=1).mean()

    def _logits(self, layers, x):
        for n, (w, b) in enumerate(layers):
            x = (self.jax.nn.relu(x) if n else x) @ w + b
        return x

    def _moved(self, state, gradient, rate, epsilon):
        """Return the state after the optimizer's step."""
        (layers, mean, square), each, sqrt = state, self.jax.tree.map, self.jax.numpy.sqrt
        if self.problem.optimizer == "sgd":
            return each(lambda p, g: p - rate * g, layers, gradient), mean, square
        mean = each(lambda m, g: m + (1 - BETA1) * (g - m), mean, gradient)
        square = each(lambda v, g: v + (1 - BETA2) * (g * g - v), square, gradient)
        layers = each(lambda p, m, v: p - rate * m / (sqrt(v) + epsilon), layers, mean, square)
        return layers, mean, square

    def weights(self) -> Weights:
        return [(np.array(w), np.array(b)) for w, b in self.state[0]]

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float((np.asarray(self.asker(images)()).argmax(axis=1) == labels).mean())

    def asker(self, images: np.ndarray) -> Callable[[], object]:
        layers, x = self.state[0], self.jax.numpy.asarray(images)
        return lambda: self.odds(layers, x).block_until_ready()


class ScikitLearn(Learner):
    """scikit-learn's MLPClassifier, asked for whole epochs so that it checks its input once."""

    name = "scikit-learn"
    note = "MLPClassifier in float32, no penalty, assume_finite, a whole epoch a call"

    def __init__(self, problem: Problem) -> None:
        from sklearn.neural_network import MLPClassifier

        super().__init__(problem)
        self.model = MLPClassifier(
            problem.sizes[1:-1], solver=problem.optimizer, learning_rate_init=problem.rate,
            batch_size=problem.batch_size or len(problem), alpha=0, momentum=0,
            nesterovs_momentum=False, shuffle=False, warm_start=True, n_iter_no_change=10**9,
            beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON,
        )  # fmt: skip
        classes = np.arange(problem.sizes[-1])
        with warnings.catch_warnings():  # so few images serve only to have the layers made
            warnings.simplefilter("ignore")
            self.model.partial_fit(problem.floats[: len(classes)], classes, classes=classes)
        for w, b, (w0, b0) in zip(
            self.model.coefs_, self.model.intercepts_, problem.start, strict=True
        ):
            w[:], b[:] = w0, b0
        del self.model._optimizer  # it remembers the step that made the layers
        self.model.t_ = 0

    def epochs(self, count: int) -> None:
        from sklearn import config_context

        with warnings.catch_warnings(), config_context(assume_finite=True):
            warnings.simplefilter("ignore")  # that so few iterations do not converge
            if self.problem.batch_size is None:
                self.model.set_params(max_iter=count).fit(self.problem.floats, self.problem.labels)
                return
            for _ in range(count):
                order = next(self._orders)
                x = np.take(self.problem.floats, order, axis=0)
                self.model.partial_fit(x, self.problem.labels[order])

    def weights(self) -> Weights:
        layers = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [(w.copy(), b.copy()) for w, b in layers]

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float((self.asker(images)().argmax(axis=1) == labels).mean())

    def asker(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        from sklearn import config_context

        def ask() -> np.ndarray:
            with config_context(assume_finite=True):
                return self.model.predict_proba(images)

        return ask


NEEDS = {ScikitLearn: "sklearn", Torch: "torch", TorchByHand: "torch", Jax: "jax"}
PEERS = (Float64, Float32, ScikitLearn, Torch, TorchByHand, Jax)


def missing(kinds: Sequence[type[Learner]] = PEERS) -> dict[type[Learner], str]:
    """Return those that cannot run here, each with the package it wants."""
    from importlib.util import find_spec

    wanted = {
        kind: package
        for kind in kinds
        if (package := next((NEEDS[one] for one in kind.__mro__ if one in NEEDS), None))
    }
    return {kind: package for kind, package in wanted.items() if find_spec(package) is None}
