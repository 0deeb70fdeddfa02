"""How much longer steps take with another activation, optimizer or penalty, in processor time.

    python benchmarks/kinds_of_run.py [--seconds 0.5]

Of 784-10-10 in full batches and of 784-128-10 in batches of 64, on the built-in digits. Processor
time, because it says nearly the same on a machine that others use. `dashboard/runs/estimate.py`
works out by these factors how long a recipe will take whose like has not run yet.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.runs.fields import dense  # noqa: E402
from dashboard.runs.recipe import Recipe  # noqa: E402
from nnengine.data.dataset import Dataset  # noqa: E402
from nnengine.data.synthetic import digits  # noqa: E402
from nnengine.training import Evaluated, StepFinished, training  # noqa: E402

FULL = Recipe(
    hidden=dense((10,)), optimizer="sgd", batch_size=None, epochs=None, iterations=5000,
    learning_rate=0.01,
)  # fmt: skip
BASES = {"full batch": FULL, "mini-batches": Recipe()}
CHANGES: tuple[dict, ...] = (
    {},
    *({"activation": name} for name in ("sigmoid", "tanh", "leaky_relu")),
    *({"optimizer": name} for name in ("adam", "momentum", "nesterov", "rmsprop", "adamw")),
    *({name: 0.001} for name in ("l2", "label_smoothing")),
    {"clip_norm": 1.0},
    {"l2": 0.001, "activation": "tanh"},
)


def step_s(recipe: Recipe, data: Dataset, budget_s: float) -> float:
    """Return the processor seconds of a step, what measures the curves included."""
    spent, steps, last = 0.0, 0, None
    for event in training(recipe.build(data), data, recipe.config(data.count)):
        if last is not None:
            spent += time.process_time() - last
            steps += isinstance(event, StepFinished)
        if last is not None or isinstance(event, Evaluated):  # what comes before is done once
            last = time.process_time()
        if spent > budget_s:
            break
    return spent / max(steps, 1)


def main() -> None:
    """Print a line for each kind of run: microseconds a step, and how many times the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5)
    budget_s, data = parser.parse_args().seconds, digits(12_000, seed=0)
    for name, base in BASES.items():
        plain = None
        for change in CHANGES:
            recipe = replace(base, **change)
            taken = min(step_s(recipe, data, budget_s) for _ in range(2))
            plain = plain or taken
            said = ", ".join(f"{key} {value}" for key, value in change.items()) or "as it is"
            print(f"{name}, {said}: {1e6 * taken:,.0f} us a step, {taken / plain:.1f}", flush=True)


if __name__ == "__main__":
    main()
