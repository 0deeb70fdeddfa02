"""What each step of the lesson reaches, and what the training doctor says of it first.

    python benchmarks/lesson.py [--set fashion-mnist] [--only bright classes ...] [--seeds 1]

The steps are those of the Lesson page, `dashboard/runs/lesson.py`, trained as it trains them. With
more seeds each step is trained from others too, which tells how much of a figure is chance.
Fashion-MNIST has to be here (`nnengine fetch fashion-mnist`, or NNENGINE_DATA); `--set digits`
needs nothing. Behind each line stand the processor's seconds and those that passed, compiling and
the doctor's measuring included, and how many programs wanted a core meanwhile.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.runs.lesson import BY_KEY, STEPS, Step, made_wrong
from dashboard.runs.recipe import Recipe
from nnengine import Dataset, catalogue, training
from nnengine.analysis.doctor import Finding, examine
from nnengine.analysis.signals import recorded
from nnengine.training import TrainingState

Pair = tuple[Dataset, Dataset]


def trained(step: Step, recipe: Recipe, sets: Pair) -> tuple[float, float, list[Finding]]:
    """Return accuracy in training, on the test images, and the doctor's findings."""
    wrong = BY_KEY[step.mends].wrong if step.mends else step.wrong
    train, test = made_wrong(wrong, *sets) if wrong else sets
    assert test is not None
    network, state = recipe.build(train), TrainingState()
    events = training(network, train, recipe.config(train.count), test, state)
    for _ in recorded(events, network, train, test, state=state):
        pass
    record = network.training[-1]
    history = record["history"]
    return history["train_accuracy"][-1], history["val_accuracy"][-1], examine(record)


def main() -> None:
    """Print a line a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--set", default="fashion-mnist")
    parser.add_argument("--only", nargs="*", choices=BY_KEY, default=[*BY_KEY])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    train, test = catalogue.load(options.set)
    print("| step | seed | training | test | the doctor says first | CPU s | s | load |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    for more in range(options.seeds):
        offered: dict[str, Recipe] = {}
        for step in STEPS:
            if step.key not in options.only:
                continue
            recipe = offered.get(step.mends, step.recipe)
            if not step.mends:
                recipe = replace(recipe, seed=recipe.seed + more)
            begun, since = time.process_time(), time.monotonic()
            learnt, right, found = trained(step, recipe, (train, test))
            if found and found[0].change:
                offered[step.key] = Recipe.from_dict(recipe.as_dict() | dict(found[0].change))
            said = found[0].name if found else "nothing"
            print(
                f"| {step.key} | {recipe.seed} | {learnt:.1%} | {right:.1%} | {said} | "
                f"{time.process_time() - begun:.0f} | {time.monotonic() - since:.0f} | "
                f"{os.getloadavg()[0]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
