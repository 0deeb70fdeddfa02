"""Recipes: what a visitor asks a run to be, within the bounds of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dashboard.host.tab import HERE
from dashboard.runs import amounts
from dashboard.runs.bounds import Bounds
from dashboard.runs.fields import dense, rows
from nnengine.analysis.parts import Cost, cost
from nnengine.core.description import Shape, Spec, write
from nnengine.core.network import Network
from nnengine.data.augment import NONE, Augmentation, Distorter
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.renamed import by_new_names
from nnengine.training import TrainingConfig, layertext
from nnengine.training.settings import SETTINGS

# What a line about a recipe leaves out, as it changes nothing.
_OFF = {
    "clip_norm": 0.0, "l1": 0.0, "l2": 0.0, "label_smoothing": 0.0, "class_weights": "equal",
    "early_stopping": 0,
}  # fmt: skip
CURVE_POINTS = 40  # of a run in mini-batches; each costs one evaluation of both sides
MOST_SHIFT = 0.5  # of an image's longer side: what is moved further has left the image


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a run besides its data; the same recipe and data give the same run.

    `batch_size` None is full batch. `validation` is "test" (the loaded test set), "none", or a
    share of the training data in `VALIDATION_SHARES`. Exactly one of `epochs`, `iterations`.
    `hidden`: the hidden layers, as the core has them, or widths of dense ones. What a field may be
    and what it does say `fields.rows`.
    """

    hidden: tuple[Spec, ...] = (Spec("dense", 128),)
    activation: str = "relu"
    initializer: str = "he"
    optimizer: str = "adam"
    batch_size: int | None = 64
    learning_rate: float = 0.001
    momentum: float = 0.9
    epochs: int | None = 5
    iterations: int | None = None
    seed: int = 0
    validation: str | float = "test"
    augmentation: Augmentation = NONE
    schedule: str = "constant"
    warmup: float = 0.0
    stages: int = 3
    drop: float = 0.1
    patience: int = 5
    weight_decay: float = 0.01
    clip_norm: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "equal"
    early_stopping: int = 0

    def __post_init__(self) -> None:
        """Take whole numbers among the hidden layers for dense ones."""
        made = tuple(Spec("dense", one) if isinstance(one, int) else one for one in self.hidden)
        object.__setattr__(self, "hidden", made)

    def specs(self, dataset: Dataset) -> tuple[Spec, ...]:
        """Return all layers for `dataset`, the classes' too."""
        return (*self.hidden, Spec("dense", dataset.classes))

    def cost(self, dataset: Dataset) -> Cost:
        """Return what the network for `dataset` costs.

        Raises TextError, which points at the word, for a window larger than what it looks at.
        """
        return cost(self.specs(dataset), shape_of(dataset))

    def config(self, count: int) -> TrainingConfig:
        """Return the engine's settings for `count` images; raises ConfigError out of range.

        In mini-batches the curves get a point more often than once an epoch where epochs are
        few: a visitor wants to see the first seconds.
        """
        plain = self._plain_config()
        if self.batch_size is None:
            return plain
        often = max(1, plain.total_steps(count) // CURVE_POINTS)
        return replace(plain, evaluate_every=min(often, plain.steps_per_epoch(count)))

    def _plain_config(self) -> TrainingConfig:
        settings = self._of_engine(of_network=False)
        settings["augmentation"] = self.augmentation or None
        return TrainingConfig(**settings)

    def _of_engine(self, *, of_network: bool) -> dict[str, Any]:
        names = {field.name for field in fields(self)}
        asked = (row for row in SETTINGS.values() if row.of_network == of_network)
        return {row.name: getattr(self, row.name) for row in asked if row.name in names}

    def build(self, dataset: Dataset) -> Network:
        """Return the untrained network, drawn from `seed`."""
        return Network.build(
            write(self.hidden) if self.hidden else (dataset.inputs, dataset.classes),
            rng=self.seed,
            class_names=dataset.class_names,
            classes=dataset.classes,
            image_shape=dataset.image_shape,
            channels=dataset.channels,
            **self._of_engine(of_network=True),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as numbers, words and lists, for JSON."""
        return asdict(self) | {"hidden": rows()["hidden"].write(self.hidden)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Recipe:
        """Return what `as_dict` gave, under names of today or of earlier versions."""
        kinds = {name: row.kind for name, row in rows().items()}
        given = by_new_names(plain).items()
        return cls(**{name: kinds[name].restored(value) for name, value in given})

    def in_words(self) -> str:
        """Return what sets this recipe apart, in one line without its layers."""
        activation = SETTINGS["activation"].say(self.activation)
        optimizer = SETTINGS["optimizer"].say(self.optimizer)
        batch = "full batch" if self.batch_size is None else f"batches of {self.batch_size:,}"
        count, what = (self.epochs, "epoch") if self.epochs else (self.iterations, "iteration")
        length = f"{count:,} {what}{'s' * (count != 1)}"
        schedule = SETTINGS["schedule"].say(self.schedule).lower()
        falling = {"constant": "", "cosine": " falling to zero"}
        rate = f"{optimizer} at rate {self.learning_rate:g}"
        parts = [activation, rate + falling.get(self.schedule, f" that {schedule}"), batch, length]
        for row in map(SETTINGS.__getitem__, _OFF):
            value = getattr(self, row.name)
            if value != _OFF[row.name]:
                name = row.label if row.label[1:2].isdigit() else row.label.lower()  # L2 stays L2
                parts.append(f"{name} {row.write(value)}")
        if self.augmentation:
            parts.append(amounts.in_words(self.augmentation))
        return ", ".join(parts)

    def check(self, dataset: Dataset, bounds: Bounds) -> None:
        """Raise ConfigError, with the bound and the way out, for what the server will not do."""
        for row in rows(bounds).values():
            row.check(getattr(self, row.name))
        self._check_layers(dataset, bounds)
        self._check_passes(dataset, bounds)
        self._check_images(dataset)

    def _check_layers(self, dataset: Dataset, bounds: Bounds) -> None:
        found = self.cost(dataset)
        if found.parameters > bounds.parameters:
            raise ConfigError(
                f"{found.parameters:,} parameters: {HERE} allows {bounds.parameters:,}; "
                "make the hidden layers narrower"
            )
        bounds.check_cost(found)

    def _check_passes(self, dataset: Dataset, bounds: Bounds) -> None:
        passes = self.passes(dataset.count)
        if self.batch_size is not None and passes > bounds.history_points:
            raise ConfigError(
                f"{self.iterations:,} iterations are {passes:,.0f} passes over these "
                f"{dataset.count:,} images: choose at most {bounds.history_points:,} passes"
            )

    def _check_images(self, dataset: Dataset) -> None:
        if not self.augmentation:
            return
        (height, width), most = dataset.image_shape, most_shift(dataset)
        if self.augmentation.shift > most:
            raise ConfigError(
                f"images of {height}x{width} pixels moved by up to {self.augmentation.shift:g}: "
                f"little would be left of some; choose at most {most:g}"
            )
        Distorter(dataset.images[:1], self.augmentation)  # says what it cannot change

    def passes(self, count: int) -> float:
        """Return how often a run goes over all of `count` images."""
        plain = self._plain_config()
        return plain.total_steps(count) / plain.steps_per_epoch(count)


PRESETS: dict[str, Recipe] = {
    "The original: 784-10-10, full batch": Recipe(
        hidden=dense((10,)),
        initializer="uniform",
        optimizer="sgd",
        batch_size=None,
        learning_rate=0.1,
        epochs=None,
        iterations=5000,
    ),
    "Quick: 784-128-10, Adam": Recipe(),
    "Deep: 784-512-256-10, Adam": Recipe(hidden=dense((512, 256)), schedule="cosine"),
    "Small convolutional network": Recipe(
        hidden=layertext.read_hidden("conv 8 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 32"),
        schedule="cosine",
    ),
    "LeNet-5, with ReLU and max pooling": Recipe(
        hidden=layertext.read_hidden(
            "conv 6 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 120, dense 84"
        ),
        schedule="cosine",
    ),
}


ABOUT = dict(
    zip(
        PRESETS,
        (
            "One hidden layer of 10 units; every step sees all images, as the first program did.",
            "One hidden layer of 128 units: a good network in seconds.",
            "Two hidden layers; the rate falls to zero by the end.",
            "Two convolutions, each with pooling: the same small windows are looked for "
            "everywhere, so few parameters do much.",
            "Two convolutions with pooling, then two dense layers (LeCun et al. 1998; there with "
            "tanh, averages and an output layer of its own).",
        ),
        strict=True,
    )
)


def shape_of(dataset: Dataset) -> Shape:
    """Return the height, width and channels of a data set's images."""
    return *dataset.image_shape, dataset.channels


def most_shift(dataset: Dataset) -> float:
    """Return by how many pixels images may be moved at most."""
    return max(1.0, MOST_SHIFT * max(dataset.image_shape))
