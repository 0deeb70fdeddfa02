"""Searching: settings drawn from ranges, and runs that race for more epochs.

Random search (Bergstra & Bengio 2012) trains every candidate to its end. Successive halving
(Jamieson & Talwalkar 2016) gives all a few epochs, and only the best of each round go on. A run
that goes on is the run that was paused: nothing is trained twice, and its learning rate follows the
schedule of the whole length.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .core.network import Network
from .data.dataset import Dataset
from .errors import ConfigError
from .training import TrainingConfig, layertext, training
from .training.events import Evaluated, Event, TrainingDiverged
from .training.kinds import Number, Whole
from .training.settings import SETTINGS
from .training.state import TrainingState

LAYERS = "layers"  # the one range that is no setting
_TRIES = 100  # draws for each candidate that is to differ from those before it
_NOT = ("epochs", "iterations", "seed", "evaluate_every", "train_sample")  # what a search decides


@dataclass(frozen=True, slots=True)
class Range:
    """What a setting may be: one of `choices`, or from `least` to `most`.

    Numbers are drawn evenly by their logarithm where both ends are above zero, else evenly; whole
    ones are rounded.
    """

    name: str
    choices: tuple[Any, ...] = ()
    least: float = 0.0
    most: float = 0.0
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> Any:
        """Return one value."""
        if self.choices:
            return self.choices[rng.integers(len(self.choices))]
        if self.least > 0:
            found = math.exp(rng.uniform(math.log(self.least), math.log(self.most)))
        else:
            found = rng.uniform(self.least, self.most)
        found = min(max(found, self.least), self.most)
        return round(found) if self.whole else float(f"{found:.3g}")


@dataclass(slots=True, eq=False)
class Candidate:
    """Settings that were drawn, and how far their run has come.

    accuracy, loss: on what was held out, as last measured; NaN before that, and where the loss was
    no longer finite. rounds: how many it trained in. seconds: all that its run took. fault: why it
    ended early, "" if it did not.
    """

    number: int
    settings: dict[str, Any]
    network: Network
    epochs: float = 0.0
    accuracy: float = math.nan
    loss: float = math.nan
    rounds: int = 0
    seconds: float = 0.0
    fault: str = ""
    run: Generator[Event, None, None] | None = field(default=None, repr=False)
    config: TrainingConfig | None = field(default=None, repr=False)
    state: TrainingState = field(default_factory=TrainingState, repr=False)

    @property
    def rank(self) -> tuple[float, ...]:
        """By which candidates are sorted, the best first: rounds, accuracy, loss."""
        if math.isnan(self.loss):
            return math.inf, 0.0, 0.0, self.number
        return -self.rounds, -self.accuracy, self.loss, self.number


def read_range(text: str) -> Range:
    """Return the range of a text: `learning_rate=0.001..0.1`, `optimizer=adam|sgd`, `layers=8|16`.

    Any setting of a run or its network that has an option may have one, and `layers`. Raises
    ConfigError.
    """
    name, sign, values = text.partition("=")
    name = name.strip().removeprefix("--")
    by_option = {option[2:]: row.name for row in SETTINGS.values() for option in row.options}
    name = by_option.get(name, name.replace("-", "_"))
    row = SETTINGS.get(name)
    if not sign or (name != LAYERS and (row is None or not row.options or name in _NOT)):
        known = sorted(n for n, row in SETTINGS.items() if row.options and n not in _NOT)
        raise ConfigError(
            f"range {text!r}: write NAME=LEAST..MOST or NAME=ONE|OTHER, with a name of layers, "
            f"{', '.join(known)}"
        )
    parts = [part.strip() for part in values.split("|")]
    if row is None:
        for part in parts:
            layertext.read_hidden(part)
        return Range(name, tuple(parts))
    ends = parts[0].split("..") if len(parts) == 1 else ()
    if len(ends) == 2 and isinstance(row.kind, Number | Whole):
        least, most = map(row.ask, ends)
        if not least < most:
            raise ConfigError(f"range {text!r}: the first number has to be the smaller one")
        return Range(name, (), least, most, isinstance(row.kind, Whole))
    return Range(name, tuple(row.ask(part) for part in parts))


def drawn(ranges: Sequence[Range], count: int, seed: int) -> list[dict[str, Any]]:
    """Return at most so many settings, all different: fewer where ranges hold no more."""
    rng, found = np.random.default_rng([seed, 4]), []
    for _ in range(count * _TRIES):
        settings = {one.name: one.draw(rng) for one in ranges}
        if settings not in found:
            found.append(settings)
        if len(found) == count:
            break
    return found


def rounds(count: int, epochs: int, factor: int) -> list[tuple[int, int]]:
    """Return (how many candidates, up to which epoch) for every round.

    The last round has all epochs, each before it a `factor`-th of its epochs and `factor` times its
    candidates, as long as there are so many of either. A factor of 1: one round of everybody.
    """
    last = 0
    while factor > 1 and factor ** (last + 1) <= min(count, epochs):
        last += 1
    return [
        (max(1, count // factor**n), max(1, round(epochs / factor ** (last - n))))
        for n in range(last + 1)
    ]


def searching(
    dataset: Dataset,
    held_out: Dataset,
    ranges: Sequence[Range],
    fixed: Mapping[str, Any] | None = None,
    *,
    candidates: int = 9,
    epochs: int = 9,
    factor: int = 3,
    seed: int = 0,
    client: Any = None,
) -> Generator[Candidate, None, list[Candidate]]:
    """Search; yield a candidate whenever its run has come to the end of a round.

    Returns all, the best first: who was in most rounds, by accuracy on `held_out`, then by loss.
    Their networks are as they were when their runs ended. ranges: see `read_range`; fixed: other
    settings, of `TrainingConfig` and `Network.build`, and `layers`. The same arguments find the
    same. client: a `dask.distributed.Client`, whose workers train the candidates of a round at the
    same time; scores are those of one process. Raises ConfigError where settings cannot be, before
    anything is trained.
    """
    for name, value in (("candidates", candidates), ("epochs", epochs), ("factor", factor)):
        if value < 1:
            raise ConfigError(f"{name} is {value}: it has to be 1 at least")
    if len({one.name for one in ranges}) < max(1, len(ranges)):
        raise ConfigError("a search wants ranges, one for each setting: learning_rate=0.001..0.1")
    everybody = [
        _candidate(n, settings, dict(fixed or {}), dataset, held_out, epochs, seed)
        for n, settings in enumerate(drawn(ranges, candidates, seed), 1)
    ]
    advance = _here if client is None else _on(client, dataset, held_out)
    return _race(everybody, rounds(len(everybody), epochs, factor), advance)


Advance = Callable[[list[Candidate], int], Iterator[Candidate]]


def _race(
    everybody: list[Candidate], plan: list[tuple[int, int]], advance: Advance
) -> Generator[Candidate, None, list[Candidate]]:
    """Have the candidates train, fewer in every round."""
    left = everybody
    try:
        for count, until in plan:
            best = sorted(left, key=lambda one: one.rank)[:count]
            for one in left:
                if one not in best:
                    _leave(one)
            left = [one for one in everybody if one in best]
            yield from advance(left, until)
    finally:
        for one in everybody:
            _leave(one)
    return sorted(everybody, key=lambda one: one.rank)


def _candidate(
    number: int,
    settings: dict[str, Any],
    fixed: dict[str, Any],
    dataset: Dataset,
    held_out: Dataset,
    epochs: int,
    seed: int,
) -> Candidate:
    """Return a candidate whose run has not begun."""
    every = fixed | settings
    if strange := sorted(set(every) - {*SETTINGS, LAYERS}):
        raise ConfigError(f"{strange[0]!r} is no setting: `nnengine train --help` has all of them")
    specs = layertext.read_hidden(str(every.pop(LAYERS, "128")), (dataset.inputs, dataset.classes))
    of_network = {name: every.pop(name) for name in list(every) if SETTINGS[name].of_network}
    network = Network.build(
        layertext.write(specs),
        rng=seed,
        class_names=dataset.class_names,
        image_shape=dataset.image_shape,
        channels=dataset.channels,
        **of_network,
    )
    config = TrainingConfig(**every, epochs=epochs, seed=seed)
    run = training(network, dataset, config, held_out)
    return Candidate(number, settings, network, run=run, config=config)


def _here(left: list[Candidate], until: int) -> Iterator[Candidate]:
    """Have candidates train one after the other, each with all cores."""
    for one in left:
        _train(one, until)
        yield one


def _on(client: Any, dataset: Dataset, held_out: Dataset) -> Advance:
    """Return what has a cluster's workers train candidates; the data go to each worker once.

    Networks come back at the end of a round, with all that a run carries, and may go on elsewhere.
    """
    data: list[Any] = []

    def advance(left: list[Candidate], until: int) -> Iterator[Candidate]:
        if not data:
            data.append(client.scatter((dataset, held_out), broadcast=True, hash=False))
        for one in left:
            _leave(one)
        parts = [(one.network, one.config, one.state, one.rounds) for one in left]
        futures = [client.submit(_there, *part, *data[0], until, pure=False) for part in parts]
        for one, future in zip(left, futures, strict=True):
            found = future.result()
            for name in ("network", "state", "epochs", "accuracy", "loss", "rounds", "fault"):
                setattr(one, name, getattr(found, name))
            one.seconds += found.seconds
            yield one

    return advance


def _there(
    network: Network,
    config: TrainingConfig,
    state: TrainingState,
    rounds_before: int,
    dataset: Dataset,
    held_out: Dataset,
    until: int,
) -> Candidate:
    """Train on a worker up to the end of an epoch; return what became of the network."""
    # A call goes past the end of one epoch at most, and so no measurement is lost between rounds.
    state.steps_per_call = config.steps_per_epoch(len(dataset))
    run = training(network, dataset, config, held_out, state)
    one = Candidate(0, {}, network, rounds=rounds_before, run=run, state=state)
    _train(one, until)
    _leave(one)
    return one


def _train(one: Candidate, until: int) -> None:
    """Have a run go on to the end of an epoch, or to its own end."""
    started = time.perf_counter()
    one.rounds += 1
    for event in one.run or ():
        if isinstance(event, TrainingDiverged):
            one.accuracy, one.loss, one.fault = math.nan, math.nan, event.advice
        elif isinstance(event, Evaluated):
            one.epochs = event.epoch
            one.accuracy, one.loss = float(event.val_accuracy or 0), float(event.val_loss or 0)
            if event.epoch >= until:
                break
    one.seconds += time.perf_counter() - started


def _leave(one: Candidate) -> None:
    """End a run that does not go on."""
    if one.run is not None:
        one.run.close()
        one.run = None
