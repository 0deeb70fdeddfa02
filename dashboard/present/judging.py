"""Judging: what an evaluation says about each class, and which images stand behind a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnengine.core.metrics import Evaluation
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset

MOST_CELLS = 400  # offered in a list; the chart reaches the others


@dataclass(frozen=True, slots=True)
class Judgement:
    """An evaluation with what it was made of. `source` names the data: "test" or "training"."""

    network: Network
    dataset: Dataset
    source: str
    evaluation: Evaluation

    @property
    def names(self) -> tuple[str, ...]:
        """Class names: the network's, or the data's where the network only has numbers."""
        numbers = tuple(map(str, range(self.network.classes)))
        known = self.network.class_names != numbers
        theirs = tuple(self.dataset.class_names)
        return self.network.class_names if known else theirs + numbers[len(theirs) :]

    @property
    def errors(self) -> int:
        """How many images were taken for another class."""
        return int(np.count_nonzero(self.evaluation.predictions != self.dataset.labels))

    def is_of(self, network: Network) -> bool:
        """Whether this network still has the weights that were judged."""
        mine, its = self.network.theta, network.theta
        alike = (self.network.specs, self.network.shape) == (network.specs, network.shape)
        return alike and (mine is its or np.array_equal(mine, its))


def per_class(judgement: Judgement) -> list[tuple[str, str, str, str]]:
    """Return (class, images, precision, recall) as words, one row a class."""
    found = judgement.evaluation
    counts = found.confusion.sum(axis=1)
    columns = zip(judgement.names, counts, found.precision, found.recall, strict=True)
    return [(name, f"{n:,}", _percent(p), _percent(r)) for name, n, p, r in columns]


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f} %"


def cells(confusion: np.ndarray) -> list[tuple[int, int]]:
    """Return (true, predicted) of every cell with images: errors first, the most frequent first."""
    filled = [(int(t), int(p)) for t, p in np.argwhere(confusion)]
    filled.sort(key=lambda cell: (cell[0] == cell[1], -int(confusion[cell])))
    return filled[:MOST_CELLS]


def cell_words(cell: tuple[int, int], confusion: np.ndarray, names: Sequence[str]) -> str:
    """Return a cell as words: "4 taken for 9 (23 images)"."""
    true, predicted = cell
    count = int(confusion[cell])
    images = f"{count:,} image{'s' * (count != 1)}"
    if true == predicted:
        return f"{names[true]} recognised ({images})"
    return f"{names[true]} taken for {names[predicted]} ({images})"


def behind(judgement: Judgement, cell: tuple[int, int]) -> np.ndarray:
    """Return the indices of a cell's images, int64 (n,), those answered most surely first."""
    true, predicted = cell
    found = judgement.evaluation
    at = np.flatnonzero((judgement.dataset.labels == true) & (found.predictions == predicted))
    return at[np.argsort(-found.probabilities[at, predicted], kind="stable")]


def gallery_words(judgement: Judgement, indices: np.ndarray) -> tuple[list[str], list[str]]:
    """Return a caption and a text alternative for each of these images."""
    names, found = judgement.names, judgement.evaluation
    captions, labels = [], []
    for i in indices:
        true, predicted = int(judgement.dataset.labels[i]), int(found.predictions[i])
        sure = f"{100 * float(found.probabilities[i, predicted]):.0f} %"
        captions.append(
            f"{names[true]} → {names[predicted]}, {sure}" if true != predicted
            else f"{names[true]}, {sure}"
        )  # fmt: skip
        labels.append(f"Image {i}: is {names[true]}, answered {names[predicted]} with {sure}")
    return captions, labels
