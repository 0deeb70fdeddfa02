"""How often the training doctor names a made fault first, and how often it accuses a healthy run.

    python benchmarks/doctor.py [--data FOLDER] [--list held-out] [--keep FILE] [--from FILE]
        [--mend]

Two lists that share no image, seed, size or network: thresholds were found on `tune`, MNIST and the
built-in digits; the figures are those of `held-out`, which has Fashion-MNIST besides. --keep writes
what was recorded of every run, a JSON object a line; --from judges such a file anew, and trains
nothing. --mend also trains each faulty run with the change that the doctor offers. What is
printed is the table of docs/doctor.md.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from doctor_cases import HEALTHY, LISTS, Case, Pair
from full_batch import default_data
from original_recipe import load

from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.analysis import doctor
from nnengine.analysis.signals import recorded
from nnengine.data.synthetic import digits
from nnengine.training import TrainingState

# What is as good a name: a rate that is far too high shows in whichever comes first.
SAME = {"rate_too_high": ("rate_too_high", "loss_exploding")}
# Running ------------------------------------------------------------------------------------


def sets_of(case: Case, folder: Path, listed: str) -> Pair:
    """Return a case's images: those of the two lists have none in common."""
    held, rng = listed == "held-out", np.random.default_rng(case.seed)
    tests = 800 if held else 1000
    if case.source == "digits":
        data = digits(case.images + tests, seed=(5000 if held else 100) + case.seed)
        pair = data.take(slice(0, case.images)), data.take(slice(case.images, None))
    else:
        whole, test = _loaded(folder / case.source)
        half = whole.count // 2
        begun = half * held + rng.integers(0, half - case.images)
        at = test.count // 2 * held
        pair = (
            whole.take(slice(begun, begun + case.images)),
            test.take(slice(at, at + tests)),
        )
    pair = tuple(Dataset(p.images, p.labels, classes=10, name=case.source) for p in pair)
    return case.data(pair, rng) if case.data else pair


_SETS: dict[Path, Pair] = {}


def _loaded(folder: Path) -> Pair:
    if folder not in _SETS:
        _SETS[folder] = tuple(load(folder, part) for part in ("train", "t10k"))
    return _SETS[folder]


def record_of(case: Case, folder: Path, listed: str) -> dict[str, Any]:
    """Train a case and return the record of its run, signals among it."""
    train, test = sets_of(case, folder, listed)
    hidden = case.hidden
    sizes = hidden if isinstance(hidden, str) else [train.inputs, *hidden, 10]
    network = Network.build(
        sizes, rng=case.seed, classes=10, image_shape=train.image_shape, **case.net
    )
    if case.start:
        case.start(network)
    state, config = TrainingState(), TrainingConfig(seed=case.seed, **case.run)
    # As the dashboard has it: some thirty points of a run.
    often = max(1, config.total_steps(train.count) // 30)
    if config.batch_size:
        config = replace(config, evaluate_every=min(often, config.steps_per_epoch(train.count)))
    events = training(network, train, config, test, state)
    for _ in recorded(events, network, train, test, state=state):
        pass
    return json.loads(json.dumps(network.training[-1]))


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the doctor said of one run; after: of the same with the change it offered, if any."""

    fault: str
    about: str
    source: str
    record: dict[str, Any]
    after: dict[str, Any] | None = None

    @property
    def said(self) -> list[doctor.Finding]:
        """The findings."""
        return doctor.examine(self.record)

    @property
    def first(self) -> str:
        """The first finding's name."""
        return self.said[0].name if self.said else HEALTHY

    @property
    def right(self) -> bool:
        """Whether that is what was made."""
        return self.first in SAME.get(self.fault, (self.fault,))

    @property
    def accuracies(self) -> tuple[float, float]:
        """Test accuracy before and after the change."""
        assert self.after is not None
        return tuple(r["history"]["val_accuracy"][-1] for r in (self.record, self.after))


def mended(case: Case, change: dict[str, Any]) -> Case:
    """Return the case with a change; new weights do not have what was done to the old ones."""
    net, run, hidden = dict(case.net), dict(case.run), case.hidden
    for name, value in change.items():
        if name == "hidden":
            hidden = value
        else:
            (net if name in ("initializer", "activation") else run)[name] = value
    start = None if "initializer" in change else case.start
    return replace(case, net=net, run=run, hidden=hidden, start=start)


def judged(options: argparse.Namespace) -> Iterator[Judged]:
    """Yield every run of the list, trained now or as kept."""
    if options.kept:
        with open(options.kept) as file:
            yield from (Judged(**json.loads(line)) for line in file)
        return
    for case in LISTS[options.list]():
        if options.set and case.source != options.set:
            continue
        record, after = record_of(case, options.data, options.list), None
        found = doctor.examine(record)
        if options.mend and case.fault != HEALTHY and found and found[0].change:
            after = record_of(mended(case, dict(found[0].change)), options.data, options.list)
        yield Judged(
            fault=case.fault, about=case.about, source=case.source, record=record, after=after
        )


def on_the_way(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the record as it was at every point that is kept of it, but the last."""
    signals, history = record["signals"], record["history"]
    for n, point in enumerate(signals["points"][:-1], 1):
        known = sum(step <= point["step"] for step in history["step"])
        points = [*signals["points"][: n - 1], {k: v for k, v in point.items() if k != "update"}]
        yield {
            **record,
            "outcome": "unfinished",
            "history": {name: column[:known] for name, column in history.items()},
            "signals": {**signals, "points": points},
        }


def lines(runs: list[Judged]) -> Iterator[str]:
    """Yield the table for the page, and what it comes to."""
    faults = [run for run in runs if run.fault != HEALTHY]
    healthy = [run for run in runs if run.fault == HEALTHY]
    yield "| made | runs | named first | named at all | said first otherwise |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for fault in dict.fromkeys(run.fault for run in faults):
        these = [run for run in faults if run.fault == fault]
        named = SAME.get(fault, (fault,))
        at_all = sum(any(f.name in named for f in run.said) for run in these)
        wrong = collections.Counter(run.first for run in these if not run.right)
        other = ", ".join(f"{name} {n}" for name, n in wrong.items())
        yield f"| {fault} | {len(these)} | {sum(r.right for r in these)} | {at_all} | {other} |"
    right, accused = sum(run.right for run in faults), sum(not run.right for run in healthy)
    yield f"| **all faults** | {len(faults)} | {right} ({right / len(faults):.1%}) | | |"
    yield ""
    yield f"{len(healthy)} healthy runs, {accused} accused ({accused / len(healthy):.1%})."
    midway = sum(any(map(doctor.examine, on_the_way(run.record))) for run in healthy)
    yield (
        f"Examined at every point on their way, {midway} of them were accused at any "
        f"({midway / len(healthy):.1%})."
    )
    for source in dict.fromkeys(run.source for run in runs):
        f = [run.right for run in faults if run.source == source]
        h = [run.right for run in healthy if run.source == source]
        yield (
            f"{source}: {sum(f)} of {len(f)} faults named first, {len(h) - sum(h)} of {len(h)} "
            "healthy runs accused."
        )
    changed = [run for run in faults if run.after]
    if changed:
        gone = sum(run.first not in {f.name for f in doctor.examine(run.after)} for run in changed)
        before, after = zip(*(run.accuracies for run in changed), strict=True)
        yield (
            f"The change offered, trained: in {gone} of {len(changed)} runs the finding is gone; "
            f"median test accuracy {np.median(before):.1%} before, {np.median(after):.1%} after."
        )


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=default_data())
    add("--list", choices=tuple(LISTS), default="held-out")
    add("--set", help="only of this one: mnist, fashion-mnist or digits")
    add("--keep", type=Path, help="write what was recorded here, an object a line")
    add("--from", type=Path, dest="kept", help="judge what --keep wrote; train nothing")
    add("--mend", action="store_true", help="train faulty runs with the change offered, too")
    options, runs = parser.parse_args(), []
    for run in judged(options):
        runs.append(run)
        if options.keep:
            with open(options.keep, "a") as file:
                print(json.dumps(vars(run)), file=file)
        mark = "" if run.right else f"  -> {[finding.name for finding in run.said]}"
        reached = run.record["history"]["val_accuracy"][-1]
        after = f" {run.accuracies[1]:6.1%}" if run.after else ""
        print(f"{run.source:13} {run.fault:19} {run.about:36} {reached:6.1%}{after}{mark}",
              file=sys.stderr, flush=True)  # fmt: skip
    print("\n".join(lines(runs)))


if __name__ == "__main__":
    main()
