"""Case: a finding, and the record of a run as the doctor's questions ask it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .thresholds import THRESHOLDS as T


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a run.

    name: a word for it, such as dead_units. sentence: what it is, in plain words. evidence: the
    figures it is told by, one a line. remedy: what should mend it, in words. change: the same as
    settings of a run by name; empty where the data have to be mended.
    """

    name: str
    sentence: str
    evidence: tuple[str, ...]
    remedy: str
    change: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as words, numbers and lists, for JSON."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "evidence": list(self.evidence),
            "remedy": self.remedy,
            "change": {k: list(v) if isinstance(v, tuple) else v for k, v in self.change.items()},
        }


class Case:
    """A record of a run, as the questions below ask it."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        signals = record["signals"]
        self.data, self.network = signals["data"], signals["network"]
        self.points: list[dict[str, Any]] = signals["points"]
        self.first, self.last = self.points[0], self.points[-1]
        self.config = record["config"]
        history = record["history"]
        self.steps = history["step"]
        self.losses = [math.inf if one is None else one for one in history["train_loss"]]
        self.val_losses = history["val_loss"]
        self.accuracy = history["train_accuracy"][-1]
        self.val_accuracy = history["val_accuracy"][-1]
        self.ended = record.get("outcome") in ("finished", "diverged")
        self.diverged = record.get("outcome") == "diverged"
        self.total = _total_steps(self.config, self.data["count"])
        counts = self.data["counts"]
        shares = [n / sum(counts) for n in counts if n]
        self.chance = math.log(max(self.network["classes"], 2))  # loss of who knows nothing
        self.guessing = -sum(share * math.log(share) for share in shares)  # but the classes' shares
        self.largest_share = max(shares)
        self.taken = self.steps[-1]
        self.updates = [p["update"] for p in self.points if p.get("update")]
        self.worst = max([p["worst"] for p in self.points if p.get("worst")], default=0.0)

    @classmethod
    def of_curve(cls, losses: Sequence[float], accuracy: float, classes: int) -> Case:
        """Return the case of a run that ended, of which only losses, and one accuracy, are known.

        It has no signals, and no rate: what asks for either cannot be asked of it.
        """
        signals = {"data": {"count": 0, "counts": [1] * classes}, "network": {"classes": classes},
                   "points": [{}]}  # fmt: skip
        history = {
            "step": list(range(1, len(losses) + 1)),
            "train_loss": [loss if math.isfinite(loss) else None for loss in losses],
            "val_loss": [None] * len(losses), "train_accuracy": [accuracy], "val_accuracy": [None],
        }  # fmt: skip
        finite = all(map(math.isfinite, losses))
        return cls({"signals": signals, "config": {"learning_rate": math.nan}, "history": history,
                    "outcome": "finished" if finite else "diverged"})  # fmt: skip

    @property
    def rate(self) -> float:
        """The learning rate it was begun with."""
        return self.config["learning_rate"]

    @property
    def far(self) -> bool:
        """Whether so many steps are taken that something should have been learnt."""
        return self.ended or self.taken >= T["steps_to_learn"].value

    @property
    def longest(self) -> float:
        """The longest single step over the length of the weights, of the layers' middle."""
        return max(map(_middle, self.updates), default=0.0)

    @property
    def usual(self) -> float:
        """What a step changes of the weights, by the middle of layers and points."""
        return statistics.median(map(_middle, self.updates)) if self.updates else 0.0

    @property
    def learnt(self) -> float:
        """How much of the loss of guessing is gone, at best, from 0 to 1."""
        return 1 - min(self.losses) / max(self.guessing, 1e-9)


def _middle(shares: list[float | None]) -> float:
    return statistics.median([share or 0.0 for share in shares])


def _total_steps(config: Mapping[str, Any], count: int) -> int:
    size = config.get("batch_size")
    an_epoch = -(-count // size) if size else 1
    return config.get("iterations") or (config.get("epochs") or 10) * an_epoch


def rounded(number: float) -> float:
    """Return a number with one digit, as people choose rates."""
    return float(f"{number:.0e}")


def percent(share: float) -> str:
    """Return a share of 1 as people read it."""
    return f"{share:.0%}" if share > 0.0995 or share == 0 else f"{share:.1%}"
