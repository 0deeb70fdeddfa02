"""Estimator: `NetworkClassifier`, a network as scikit-learn's tools know classifiers."""

# pyright: reportMissingImports=false
# scikit-learn need not be there, and its types change with its versions.
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .core.description import Spec, write
from .core.network import Network, check_image_shape
from .data.portions import split_rows
from .errors import ConfigError, FormatError
from .fitting.examples import Examples, as_bytes, as_floats, prepared
from .fitting.passes import Memory, mean_loss, passes
from .training import layertext
from .training.config import TrainingConfig

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as fault:
    raise ImportError(
        f"nnengine.estimator stands on scikit-learn 1.6 or newer ({fault}): "
        'pip install "nnengine[estimator]"'
    ) from fault

_PASSES, _STEPS, _LONGEST = 10, 1000, 200  # of a fit where nobody says how long it is
_NUMBERS = (np.float64, np.float32, np.uint8)  # types of X that are taken as they come


class NetworkClassifier(
    ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator
):
    """A network that scikit-learn's searches, pipelines and clusters can use.

    X: (n, features), or images (n, height, width) or (n, height, width, channels); bytes and
    float32 as they are, other numbers as float32. y: classes of any type.

    hidden: widths of hidden layers, or layers as text, `conv 8 5x5, pool 2, dense 64`. activation:
    of all these. optimizer, learning_rate, schedule, momentum, weight_decay, l2, label_smoothing:
    see `nnengine.TrainingConfig`. batch_size: examples a step; None: all. epochs: passes over the
    examples; None: 10, or as many as make 1,000 steps, 200 at most; and 200
    with early_stopping.
    class_weight: None, "balanced" or {class: weight}. early_stopping: hold out
    `validation_fraction` of the examples, stop once `patience` passes brought no smaller loss on
    these, and keep the best weights. image_shape: (height, width) or (height, width, channels) of
    rows that are images; None: as X has it, else a square where the features make one.
    input_scale: what inputs are multiplied by; None: 1/255 where X is bytes (uint8), else 1.
    random_state: of weights, order and dropout.

    Examples that are equal count as one that weighs as much as they, and their order does not
    matter: whole weights are the same as repetitions, to the last bit. Where floats are bytes, or
    bytes divided by 255, to the rounding of float32, the engine takes bytes, which it is quickest
    at. Predictions are float32.

    After `fit`: `classes_`; `network_`, an `nnengine.Network`; `n_iter_`, passes;
    `loss_curve_`, a pass's mean loss over its batches, in nats; `validation_curve_`, with
    early_stopping, the loss on what was held out, after each pass.

    Raises ConfigError and FormatError, both ValueErrors, at `fit`, for settings and data that
    cannot be.
    """

    def __init__(
        self,
        hidden: Sequence[int] | str = (128,),
        *,
        activation: str = "relu",
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        schedule: str = "constant",
        momentum: float = 0.9,
        weight_decay: float = 0.01,
        l2: float = 0.0,
        label_smoothing: float = 0.0,
        batch_size: int | None = 128,
        epochs: int | None = None,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        image_shape: tuple[int, ...] | None = None,
        input_scale: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.l2 = l2
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.epochs = epochs
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.image_shape = image_shape
        self.input_scale = input_scale
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkClassifier:
        """Learn from examples alone, and forget what was known; return self.

        sample_weight: (n,), what each example weighs beside others, none below zero.
        """
        rows, y, weights = self._checked(X, y, sample_weight, first=True)
        counted = slice(None) if weights is None else weights > 0
        self.classes_, codes = np.unique(y[counted], return_inverse=True)
        weights = None if weights is None else weights[counted]
        rows = self._begin(rows[counted])
        self._fit(self._examples(rows, codes, weights))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> NetworkClassifier:
        """Go on learning: pass once over these examples; return self.

        classes: all there will ever be, wanted at the first call. The learning rate is constant,
        and optimizers keep what they remember from call to call.
        """
        if self.early_stopping:
            raise ConfigError("partial_fit holds nothing out: early_stopping has to be False")
        first = not hasattr(self, "network_")
        rows, y, weights = self._checked(X, y, sample_weight, first=first)
        if first:
            self.classes_ = np.unique(y if classes is None else classes)
            self._begin(rows)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ConfigError("classes are others than at the first call: leave them out from then")
        examples = self._examples(self._in_units(rows), self._codes(y), weights)
        seed = np.random.SeedSequence([self._seed, self.n_iter_]).generate_state(1)
        config = self._config(epochs=1, seed=int(seed[0]), schedule="constant")
        self.loss_curve_ += passes(self.network_, examples, config, self._memory)
        self.n_iter_ += 1
        self._record(config)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return (n,): the likeliest class of each example, as `y` had it."""
        answers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[answers]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return float32 (n, classes) in the order of `classes_`; rows sum to 1."""
        x = self._inputs(X)
        return self.network_.predict_proba(x)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return float32 (n, classes): logarithms of the same, zero at the most."""
        rows = self._inputs(X)
        logits = self.network_.logits(rows)
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 (n, units): what the last hidden layer makes of each example.

        For other estimators to stand on; without a hidden layer these are the scaled inputs.
        """
        rows = self._inputs(X)
        network = self.network_
        if len(network.layers) == 1:
            return rows * np.float32(network.input_scale)
        parts = range(0, len(rows), network.block_images)
        made = [network.forward(rows[n : n + network.block_images])[-2].copy() for n in parts]
        return np.concatenate(made).reshape(len(rows), -1)

    @property
    def _n_features_out(self) -> int:
        return self.network_.sizes[-2]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _checked(self, X: Any, y: Any, sample_weight: Any, *, first: bool) -> tuple[Any, ...]:
        """Return (rows, y, weights or None), known to fit together."""
        flat, shape = _flattened(X)
        rows, y = validate_data(self, flat, y, dtype=_NUMBERS, order="C", reset=first)
        check_classification_targets(y)
        if first:
            self._image_shape = shape
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight, rows, dtype=np.float64, ensure_non_negative=True
            )
        return rows, y, weights

    def _begin(self, rows: np.ndarray) -> np.ndarray:
        """Make a network for rows like these, and forget what was known; return them in its units.

        Pixels are bytes to it where these can be: it then multiplies by less.
        """
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        scale = self.input_scale
        if scale is None:
            scale = 1 / 255 if rows.dtype == np.uint8 else 1.0
        if not 0 < scale < math.inf:
            raise ConfigError(
                f"input_scale is {scale!r}: give a number above zero, such as 1 / 255"
            )
        found, self._factor = as_bytes(rows)
        height, width, channels = self._shape_of_images(rows.shape[1])
        specs = self._hidden_layers(rows.shape[1])
        self.network_ = Network.build(
            write(specs),
            activation=self.activation,
            rng=self._seed,
            input_scale=float(scale) / self._factor,
            image_shape=(height, width),
            channels=channels,
            class_names=list(map(str, self.classes_)),
        )
        self._memory = Memory()
        self.loss_curve_: list[float] = []
        self.n_iter_ = 0
        return found

    def _in_units(self, rows: np.ndarray) -> np.ndarray:
        """Return later rows in the units of the network, as bytes where they are."""
        found, factor = as_bytes(rows, (self._factor,))
        return found if factor == self._factor else as_floats(rows, self._factor)

    def _shape_of_images(self, inputs: int) -> tuple[int, int, int]:
        shape = self._image_shape if self.image_shape is None else tuple(self.image_shape)
        if shape is None:
            return *check_image_shape(None, inputs), 1
        if len(shape) not in (2, 3) or math.prod(shape) != inputs:
            raise ConfigError(
                f"image_shape {shape} does not hold {inputs:,} features: give (height, width), or "
                "(height, width, channels), of one row of X"
            )
        return shape[0], shape[1], shape[2] if len(shape) == 3 else 1

    def _hidden_layers(self, inputs: int) -> Sequence[Spec]:
        if isinstance(self.hidden, str):
            return layertext.read_hidden(self.hidden, (inputs, len(self.classes_)))
        widths = np.atleast_1d(np.asarray(self.hidden))
        if widths.ndim != 1 or (
            widths.size and (widths.dtype.kind not in "iu" or widths.min() < 1)
        ):
            raise ConfigError(
                f"hidden is {self.hidden!r}: give widths above zero, such as (128,) or (64, 32), "
                "or layers as text, such as 'conv 8 5x5, pool 2, dense 64'"
            )
        return [Spec("dense", int(width)) for width in widths]

    def _codes(self, y: np.ndarray) -> np.ndarray:
        """Return int64 (n,): the number of each y among the classes."""
        found = np.unique(y)
        strange = found[~np.isin(found, self.classes_)]
        if strange.size:
            raise FormatError(
                f"y holds {str(strange[0])!r}, which is none of the {len(self.classes_)} classes: "
                "name all of them in classes= at the first call of partial_fit"
            )
        return np.searchsorted(self.classes_, y)

    def _examples(
        self, rows: np.ndarray, codes: np.ndarray, weights: np.ndarray | None
    ) -> Examples:
        """Return what is learnt from, each by its class's weight too."""
        if self.class_weight is not None:
            weights = self._by_class(codes, np.ones(len(codes)) if weights is None else weights)
        return prepared(rows, codes, weights)

    def _by_class(self, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return weights, multiplied by what each one's class weighs."""
        count = len(self.classes_)
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            totals = np.bincount(codes, weights, minlength=count)
            shares = totals.sum() / (count * np.where(totals > 0, totals, 1))
        elif isinstance(self.class_weight, dict):
            shares = np.array([self.class_weight.get(name, 1.0) for name in self.classes_], float)
        else:
            raise ConfigError(
                f"class_weight is {self.class_weight!r}: give None, 'balanced' or a dict of weights"
            )
        if not (np.isfinite(shares).all() and shares.min() >= 0):
            raise ConfigError("class_weight has weights below zero or none: give zero or more")
        return weights * shares[codes]

    def _config(self, **settings: Any) -> TrainingConfig:
        names = (
            "optimizer", "learning_rate", "schedule", "momentum", "weight_decay", "l2",
            "label_smoothing", "batch_size",
        )  # fmt: skip
        return TrainingConfig(**{name: getattr(self, name) for name in names} | settings)

    def _fit(self, examples: Examples) -> None:
        """Train the network for as long as was asked for."""
        network, held = self.network_, None
        if self.early_stopping:
            rest, chosen = self._held_out(examples.codes)
            examples, held = examples.take(rest), examples.take(chosen)
        config = self._config(epochs=self._passes(len(examples)), seed=self._seed)
        losses = passes(network, examples, config, self._memory)
        if held is None:
            self.loss_curve_ += losses
        else:
            self._until_plateau(losses, held)
        self.n_iter_ = len(self.loss_curve_)
        self._record(config)

    def _record(self, config: TrainingConfig) -> None:
        """Have the network remember how it was trained, as after any run; the last settings say."""
        run = {"seed": self._seed, "config": config.as_dict(), "steps": self._memory.steps}
        self.network_.training = ({**run, "outcome": "finished"},)

    def _held_out(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = self.validation_fraction
        if not 0 < share < 1 or len(codes) < 2:
            raise ConfigError(
                f"early_stopping cannot hold out {share!r} of {len(codes)} examples: "
                "validation_fraction lies between 0 and 1, and two examples are the least"
            )
        rng = np.random.default_rng([self._seed, 2])
        return split_rows(codes, len(self.classes_), float(share), rng)

    def _passes(self, count: int) -> int:
        """Return how many passes a fit takes, at most."""
        if self.epochs is not None:
            return self.epochs
        if self.early_stopping:
            return _LONGEST
        steps = 1 if self.batch_size is None else -(-count // self.batch_size)
        return min(max(_PASSES, -(-_STEPS // steps)), _LONGEST)

    def _until_plateau(self, losses: Any, held: Examples) -> None:
        """Take passes while the loss on examples held out still falls; keep the best weights."""
        theta = self.network_.theta
        best, least, waited = theta.copy(), math.inf, 0
        self.validation_curve_: list[float] = []
        for loss in losses:
            self.loss_curve_.append(loss)
            found = mean_loss(self.network_, held)
            self.validation_curve_.append(found)
            waited = 0 if found < least else waited + 1
            if not waited:
                least, best[:] = found, theta
            if waited >= self.patience:
                losses.close()
                break
        theta[:] = best

    def _inputs(self, X: Any) -> np.ndarray:
        """Return (n, inputs) as the network takes them, bytes where X is bytes."""
        check_is_fitted(self)
        flat, shape = _flattened(X)
        if shape is not None and self._image_shape not in (None, shape):
            raise FormatError(f"images of {shape}, but the network learnt {self._image_shape}")
        rows: Any = validate_data(self, flat, dtype=_NUMBERS, order="C", reset=False)
        if rows.dtype == np.uint8 and self._factor == 1:
            return rows
        return as_floats(rows, self._factor)


def _flattened(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return (rows, shape of an image) where X is images; (X, None) where it is not."""
    if isinstance(X, np.ndarray) and X.ndim in (3, 4) and len(X):
        return X.reshape(len(X), -1), X.shape[1:]
    return X, None
