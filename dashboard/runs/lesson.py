"""Lesson: one recipe, faults put into it on purpose, and the runs that lead from there upwards.

Every step is a run like any other: a recipe and images, which are those in hand, or the same made
wrong. What makes them wrong is named in the place that a run's data come from, so that such a run
can be forked and gone on with where its set is at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dashboard.runs.fields import dense
from dashboard.runs.recipe import Recipe
from dashboard.runs.work import Sets
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training import layertext

PREFIX = "lesson"  # of the place of data that were made wrong: "lesson:classes:fashion-mnist"
FEW_CLASSES = 3
BRIGHTER = 160

# The original's network and rate. Its steps see 64 images in place of all: three passes then take
# seconds, where 5,000 steps over all images take minutes.
ORIGINAL = Recipe(
    hidden=dense((10,)),
    initializer="uniform",
    optimizer="sgd",
    batch_size=64,
    learning_rate=0.1,
    epochs=3,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the lesson.

    key: a word for it. title: what it is called on the page. about: what was done, and why it
    happens to people. recipe: what it goes by, unless `mends` names an earlier step for which the
    doctor offers a change: then that step's recipe with the change. wrong: which of `WRONG` is done
    to the images, "" for none.
    """

    key: str
    title: str
    about: str
    recipe: Recipe = ORIGINAL
    wrong: str = ""
    mends: str = ""

    @property
    def faulty(self) -> bool:
        """Whether something was put wrong on purpose."""
        return bool(self.wrong) or self.key in ("high", "low")


SAME_START = "From the same start and seed, with one thing changed."
STEPS = (
    Step(
        key="bright",
        title="Test images made otherwise",
        about=f"The test images are brighter by {BRIGHTER} of 255 than the training images, as "
        "where one side alone was normalised, or had its mean taken off. The network learns well, "
        "and is then asked about images such as it never saw.",
        wrong="bright",
    ),
    Step(
        key="whole",
        title="Both sides alike",
        about="The same recipe and seed; test images are prepared as training images are.",
    ),
    Step(
        key="classes",
        title="Only the first classes",
        about="The training file was sorted by class, and its first part alone was read: "
        f"{FEW_CLASSES} classes have images, the others none. It is the file that has to be "
        "mended; with all classes this is the run before.",
        wrong="classes",
    ),
    Step(
        key="high",
        title="A rate too high",
        about="The rate is ten times that of the recipe, for one pass over the images. Steps "
        "overshoot, and units that are thrown far enough never answer again: how many is a matter "
        "of the seed.",
        recipe=replace(ORIGINAL, learning_rate=1.0, seed=2, epochs=1),
    ),
    Step(key="slower", title="Another rate", about=SAME_START, mends="high"),
    Step(key="longer", title="Once more", about=SAME_START, mends="slower"),
    Step(
        key="low",
        title="A rate too low",
        about="The rate is a small part of that of the recipe. The network learns the right thing, "
        "and the run is over long before it has.",
        recipe=replace(ORIGINAL, learning_rate=0.0004, epochs=5),
    ),
    Step(key="faster", title="A higher rate", about=SAME_START, mends="low"),
    Step(
        key="wide",
        title="A wider layer, and Adam",
        about="No fault is left, and still ten hidden units see too little. Now there are 128, "
        "stepped by Adam, at a rate that falls to zero.",
        recipe=Recipe(epochs=4, learning_rate=0.002, schedule="cosine"),
    ),
    Step(
        key="windows",
        title="Convolutions",
        about="The same small windows are looked for everywhere in the image, and the rate rises "
        "before it falls to zero. This takes longest: every image costs many times the arithmetic.",
        recipe=Recipe(
            hidden=layertext.read_hidden(
                "conv 8 3x3 pad 1, pool 2, conv 16 3x3 pad 1, pool 2, dense 64"
            ),
            batch_size=128,
            epochs=6,
            learning_rate=0.01,
            schedule="one_cycle",
        ),
    ),
)
BY_KEY = {step.key: step for step in STEPS}


def name_of(step: Step) -> str:
    """Return what the run of a step is called."""
    return f"Lesson {STEPS.index(step) + 1}: {step.title[:1].lower()}{step.title[1:]}"


def place(wrong: str, source: str) -> str:
    """Return where data come from that are those of a source, made wrong unless `wrong` is ""."""
    return f"{PREFIX}:{wrong}:{source}" if wrong else source


def parts(place: str) -> tuple[str, str] | None:
    """Return what `place` was made of, None for any other place."""
    prefix, _, rest = place.partition(":")
    wrong, _, source = rest.partition(":")
    return (wrong, source) if prefix == PREFIX and wrong in WRONG and source else None


def made_wrong(wrong: str, train: Dataset | None, test: Dataset | None) -> Sets:
    """Return training and test images made wrong in one of the ways of `WRONG`.

    Raises ConfigError where there are none to be made wrong, or where that changes nothing.
    """
    if train is None or test is None:
        raise ConfigError(
            "the lesson needs images to learn from and a test set: choose both on the Data page"
        )
    return WRONG[wrong](train, test)


def _brighter(train: Dataset, test: Dataset) -> Sets:
    return train, _like(test, test.images + np.minimum(BRIGHTER, 255 - test.images))


def _few_classes(train: Dataset, test: Dataset) -> Sets:
    if train.classes <= FEW_CLASSES:
        raise ConfigError(
            f"{train.name} has {train.classes} classes, and this step leaves {FEW_CLASSES}: choose "
            "a set of more on the Data page"
        )
    return train.take(train.labels < FEW_CLASSES), test


def _like(data: Dataset, images: np.ndarray) -> Dataset:
    return Dataset(images, data.labels, class_names=data.class_names, name=data.name)


WRONG: dict[str, Callable[[Dataset, Dataset], Sets]] = {
    "bright": _brighter,
    "classes": _few_classes,
}
