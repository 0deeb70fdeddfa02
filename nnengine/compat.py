"""Compat: the original three-layer class by its own names, on this engine's one loop; and settings
by the names that earlier versions gave them.

What it kept: pixels by images, always divided by 255; coefficients IHW, HB, HOW, OB drawn from
[-0.5, 0.5); full-batch gradient descent with the mean gradient over all images; ``.nnm`` files.
What changed: any number of hidden and output nodes, a softmax that cannot overflow, training that
goes on where it stopped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, cast

import numpy as np

from . import renamed
from .core.network import Network
from .data.dataset import Dataset
from .errors import ConfigError, FormatError
from .storage import modelfile
from .training import TrainingConfig, TrainingDiverged, training

_BLOCK = 4096  # images turned at a time: 3 MB of bytes for MNIST


# What earlier versions called settings may still be said, and asked for.
Network.build = cast(Any, classmethod)(renamed.takes_old_names(Network.build.__func__))
TrainingConfig.__init__ = renamed.takes_old_names(TrainingConfig.__init__)
for _old, _new in renamed.SETTINGS.items():
    if _new in TrainingConfig.__dataclass_fields__:
        setattr(TrainingConfig, _old, property(attrgetter(_new)))


class _OnClassToo:
    """A method that also works without an instance, on a new one made for it."""

    def __init__(self, method: Callable) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: Any, owner: type[Any]) -> Callable:
        return self.method.__get__(object.__new__(owner) if instance is None else instance)


class NNetworkMinimal:
    """Input, one hidden layer with ReLU, softmax; trained by full-batch gradient descent.

    nodes_in, nodes_hid, nodes_out: pixels, hidden nodes, classes. alpha: learning rate.
    maxiterations: steps that one ``fit`` takes. rng: seed or Generator of the first coefficients.
    dtype: float32 or float64. Raises ConfigError for settings that cannot be.

    ``data`` is everywhere: numbers (nodes_in, N), one column an image, as in the original; or
    images first: Idx3, Dataset, (N, height, width), (N, nodes_in). Pixels run from 0 to 255.
    """

    def __init__(
        self,
        nodes_in: int,
        nodes_hid: int,
        nodes_out: int,
        alpha: float = 0.1,
        maxiterations: int = 2500,
        *,
        rng: np.random.Generator | int = 0,
        dtype: Any = np.float32,
    ) -> None:
        self.alpha = alpha
        self.maxiterations = maxiterations
        self._config()
        self.network = Network.build([nodes_in, nodes_hid, nodes_out], dtype=dtype)
        self._origin = ""
        rng = np.random.default_rng(rng)
        # A dict is filled from top to bottom, so this is the original's order of drawing.
        shapes = _shapes(self.network)
        self.set_coefficients({key: rng.uniform(-0.5, 0.5, shapes[key]) for key in shapes})

    nodes_in = property(lambda self: self.network.sizes[0], doc="Pixels of an image.")
    nodes_hid = property(lambda self: self.network.sizes[1], doc="Nodes of the hidden layer.")
    nodes_out = property(lambda self: self.network.sizes[2], doc="Classes.")

    def fit(self, data: Any, labels: Any) -> NNetworkMinimal:
        """Take ``maxiterations`` steps from where the coefficients are, and return self.

        labels: whole numbers (N,) from 0 to nodes_out - 1. Raises FormatError when they or the
        data do not fit, or pixels are not whole numbers; ConfigError when training diverges (the
        coefficients are then the last good ones).
        """
        images = _turned(data, self.nodes_in)
        pixels = _as_bytes(images)
        if pixels is None:
            raise FormatError(
                "pixels must be whole numbers from 0 to 255, and these have "
                "fractions or lie outside (scaled already?): give the bytes, or "
                "multiply by 255 and round"
            )
        dataset = Dataset(pixels, labels, classes=self.nodes_out)
        for event in training(self.network, dataset, self._config()):
            if isinstance(event, TrainingDiverged):
                raise ConfigError(f"training diverged: {event.advice}")
        return self

    def predict(self, data: Any) -> np.ndarray:
        """Return int64 (N,): the likeliest class of each image. Pixels may have fractions."""
        images = _turned(data, self.nodes_in)
        pixels = images if images.dtype == np.uint8 else _as_bytes(images)
        return self.network.predict(images if pixels is None else pixels)

    def accuracy_score(self, data: Any, true_labels: Any) -> float:
        """Return the share of right answers, in [0, 1]."""
        labels = np.asarray(true_labels)
        answers = self.predict(data)
        if labels.shape != answers.shape:
            raise FormatError(
                f"{len(answers):,} images but labels of shape {labels.shape}: each "
                "image needs one label"
            )
        return float(np.mean(answers == labels))

    def coefficients(self) -> dict[str, np.ndarray]:
        """Return copies: IHW (hidden, inputs), HB (hidden, 1), HOW (outputs, hidden), OB."""
        w1, b1, w2, b2 = self.network.parameters().values()
        arrays = (w1.T, b1[:, np.newaxis], w2.T, b2[:, np.newaxis])
        return {
            key: np.array(array, order="C")
            for key, array in zip(modelfile.NNM_ARRAYS, arrays, strict=True)
        }

    def set_coefficients(self, coefficients: Mapping[str, Any]) -> None:
        """Start from these: the four arrays by name, of the shapes ``coefficients`` has.

        What was on record about training is forgotten, as it no longer tells where these came
        from. Raises ConfigError naming the array, the shape expected and the shape found; nothing
        is changed then.
        """
        shapes = _shapes(self.network)
        if set(coefficients) != set(shapes):
            raise ConfigError(
                f"coefficients are {', '.join(shapes)}; found "
                f"{', '.join(map(str, coefficients)) or 'none'}"
            )
        arrays = {key: np.asarray(coefficients[key], self.network.dtype) for key in shapes}
        for key, array in arrays.items():
            if array.shape != shapes[key]:
                raise ConfigError(f"{key}: expected shape {shapes[key]}, found {array.shape}")
            if not np.isfinite(array).all():
                raise ConfigError(f"{key}: expected finite numbers, found some that are not")
        for view, array in zip(self.network.parameters().values(), arrays.values(), strict=True):
            view[:] = array.T if view.ndim == 2 else array[:, 0]
        self.network.training = ()
        self._origin = ""

    def save(self, filepath: Any) -> None:
        """Write an ``.nnm`` file; that ending is added when the name lacks it.

        A name that ends in ``.npz`` gets that format, which keeps the training record. An open
        binary file gets ``.nnm`` bytes.
        """
        if hasattr(filepath, "write"):
            modelfile.save(self.network, filepath, kind="nnm")
        else:
            modelfile.save(self.network, _with_ending(filepath))

    @_OnClassToo
    def load(self, filepath: Any) -> NNetworkMinimal:
        """Take sizes and coefficients from a model file, and return self.

        ``NNetworkMinimal.load(path)`` makes a new network. The ending ``.nnm`` may be left out.
        Raises FormatError for a damaged file or a network that is not of this kind.
        """
        if isinstance(filepath, str | os.PathLike) and not Path(filepath).exists():
            filepath = _with_ending(filepath)
        network = modelfile.load(filepath)
        reason = modelfile.why_not_nnm(network)
        if reason:
            raise FormatError(
                f"NNetworkMinimal means three layers, ReLU and bytes divided by 255; "
                f"this network {reason}: nnengine.load opens it"
            )
        if not hasattr(self, "network"):
            self.alpha, self.maxiterations = 0.1, 2500
        self.network = network
        self._origin = _named(filepath)
        return self

    def _config(self) -> TrainingConfig:
        return TrainingConfig(
            iterations=self.maxiterations,
            batch_size=None,
            optimizer="sgd",
            learning_rate=self.alpha,
            evaluate_every=self.maxiterations,
        )

    def __repr__(self) -> str:
        sizes = ", ".join(map(str, self.network.sizes))
        steps = self.network.trained_steps
        facts = [f"{self.network.parameter_count:,} {self.network.dtype} coefficients"]
        facts += [f"loaded from {self._origin}"] if self._origin else []
        facts.append(f"{steps:,} iterations on record" if steps else "no training on record")
        return (
            f"<NNetworkMinimal({sizes}, alpha={self.alpha:g}, "
            f"maxiterations={self.maxiterations}): {'; '.join(facts)}>"
        )


def _shapes(network: Network) -> dict[str, tuple[int, int]]:
    inputs, hidden, outputs = network.sizes
    return {
        "IHW": (hidden, inputs),
        "HB": (hidden, 1),
        "HOW": (outputs, hidden),
        "OB": (outputs, 1),
    }


def _turned(data: Any, inputs: int) -> np.ndarray:
    """Return the images as rows, (N, inputs), without a copy where memory allows."""
    pixels = np.asarray(getattr(data, "images", data))
    if pixels.dtype.kind not in "uifb" or not pixels.size:
        raise FormatError(
            f"pixels must be numbers, at least one image of them; found "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    if pixels.ndim == 3 and math.prod(pixels.shape[1:]) == inputs:
        return pixels.reshape(len(pixels), inputs)
    if pixels.ndim == 2 and inputs in pixels.shape:
        if pixels.shape == (inputs, inputs) and pixels.dtype == np.uint8:
            raise FormatError(
                f"bytes of shape {pixels.shape} may be images by pixels or pixels "
                "by images: give (N, height, width), or floats for the latter"
            )
        return pixels.T if len(pixels) == inputs else pixels
    if pixels.ndim <= 2 and pixels.size == inputs:
        return pixels.reshape(1, inputs)
    raise FormatError(
        f"data of shape {pixels.shape} do not fit {inputs:,} input nodes: expected "
        f"({inputs}, N), one column an image, or images first: (N, height, width) "
        f"with height x width = {inputs}, or (N, {inputs})"
    )


def _as_bytes(images: np.ndarray) -> np.ndarray | None:
    """Return (N, inputs) uint8 of the same values, or None when a byte cannot hold them all."""
    if images.dtype == np.uint8:
        return images
    pixels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _BLOCK):
        block, rows = images[start : start + _BLOCK], pixels[start : start + _BLOCK]
        with np.errstate(all="ignore"):  # what does not fit is found by looking, below
            rows[:] = block.astype(np.uint8)
        if not np.array_equal(rows, block):
            return None
    return pixels


def _with_ending(filepath: Any) -> Path:
    path = Path(filepath)
    known = path.suffix.lower() in (".nnm", ".npz")
    return path if known else path.with_name(path.name + ".nnm")


def _named(filepath: Any) -> str:
    name = filepath if isinstance(filepath, str | os.PathLike) else getattr(filepath, "name", None)
    return Path(name).name if isinstance(name, str | os.PathLike) else "bytes"
