"""One trainer in a process of its own, so that its memory and its start are its own too.

    python benchmarks/alone.py train WHO IMAGES LABELS [--full | --layers TEXT]
    python benchmarks/alone.py loop | thread RECIPE FOLDER [--seconds 4] [--epochs 20]

Prints one JSON object. `train` reads the files and trains an epoch of 784-128-10 with Adam, or
with --full forty full-batch iterations of 784-10-10, with --layers (this engine alone) an epoch of
a network of these layers. `loop` and `thread` train a recipe of the
Train page, by a plain loop and by the server's engine thread.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SIZES, BATCH, RATE = (784, 128, 10), 128, 0.001
FULL_SIZES, FULL_STEPS, FULL_RATE = (784, 10, 10), 40, 0.1
WARM_S = 1.0  # of a loop or a run, before its speed counts


def peak_mb() -> float:
    """Return the most memory this process has held, in MB of 2**20 bytes.

    Linux counts in getrusage what the parent held when it forked; /proc does not.
    """
    try:
        text = Path("/proc/self/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 2**10
    except (OSError, IndexError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 2**10)


def train(options: argparse.Namespace) -> dict:
    """Read the files and train; the engine by its command line, a peer by the class it has."""
    if options.who == "nnengine":
        from nnengine.cli import main

        command = [
            "train",
            options.images,
            options.labels,
            *engine_options(options.full, options.layers),
        ]
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  its summary is for people
        status = main(command)
        sys.stdout = sys.__stdout__
        if status:
            raise SystemExit(status)
    else:
        _train_peer(options)
    return {"peak_mb": peak_mb()}


def engine_options(full: bool = False, layers: str | None = None) -> list[str]:
    """Return the command line's words for what `train` does."""
    sizes = FULL_SIZES if full else SIZES
    words = ["--layers", layers or ",".join(map(str, sizes)), "--learning-rate"]
    if full:
        return [*words, f"{FULL_RATE}", "--batch-size", "all", "--iterations", f"{FULL_STEPS}"]
    more = ["--batch-size", str(BATCH), "--epochs", "1", "--optimizer", "adam"]
    return [*words, f"{RATE}", *more]


def _train_peer(options: argparse.Namespace) -> None:
    import peers

    kind = {kind.__name__: kind for kind in peers.PEERS}[options.who]
    with gzip.open(options.images) as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(options.labels) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    if options.full:
        kind(peers.Problem(images, labels, FULL_SIZES, None, "sgd", FULL_RATE)).epochs(FULL_STEPS)
    else:
        kind(peers.Problem(images, labels, SIZES, BATCH, "adam", RATE)).epochs(1)


def _recipe(options: argparse.Namespace):
    """Return the recipe of the Train page that is asked for, and the data it trains on."""
    sys.path.insert(0, str(ROOT))
    from dashboard.runs.recipe import PRESETS
    from nnengine import Dataset, read_idx

    recipe = next(recipe for name, recipe in PRESETS.items() if name.startswith(options.recipe))
    if recipe.batch_size and options.epochs:
        recipe = replace(recipe, epochs=options.epochs)
    sides = [
        Dataset(
            read_idx(options.folder / f"{part}-images-idx3-ubyte.gz"),
            read_idx(options.folder / f"{part}-labels-idx1-ubyte.gz"),
        )
        for part in ("train", "t10k")
    ]
    return recipe, *sides


def loop(options: argparse.Namespace) -> dict:
    """Train by a plain loop for some seconds, or to the end; return images a second."""
    recipe, data, test = _recipe(options)
    from nnengine import StepFinished, kernels, training

    kernels.warm_up()
    network, config = recipe.build(data), recipe.config(data.count)
    steady = options.seconds > 0
    images, began = 0, None if steady else time.perf_counter()
    first = time.perf_counter()
    for event in training(network, data, config, test):
        if isinstance(event, StepFinished):
            now = time.perf_counter()
            if began is not None:
                images += event.images
            elif now - first > WARM_S:
                began = now
            if steady and began is not None and now - began > options.seconds:
                break
    return {"images_per_s": images / (time.perf_counter() - began)}


def thread(options: argparse.Namespace) -> dict:
    """Train to the end by the server's engine thread; return images a second."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    recipe, data, test = _recipe(options)
    from dashboard.runs.scheduler import Scheduler

    scheduler = Scheduler()
    run = scheduler.start(recipe, data, test)
    while not run.ended:
        time.sleep(0.05)
    scheduler.close()
    if run.state != "finished":
        raise SystemExit(f"the run ended as {run.state}: {run.message}")
    return {"images_per_s": run.progress.images / run.seconds}


def main() -> None:
    """Do one task and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(required=True)
    task = tasks.add_parser("train")
    task.add_argument("who")
    task.add_argument("images")
    task.add_argument("labels")
    way = task.add_mutually_exclusive_group()
    way.add_argument("--full", action="store_true")
    way.add_argument("--layers", help="hidden layers of this engine's network, as a text")
    task.set_defaults(run=train)
    for name, run in (("loop", loop), ("thread", thread)):
        task = tasks.add_parser(name)
        task.add_argument("recipe", help="how the name of a preset begins")
        task.add_argument("folder", type=Path, help="holds the four files of a data set")
        task.add_argument("--seconds", type=float, default=0.0, help="stop after; 0: at the end")
        task.add_argument("--epochs", type=int, help="of a recipe in mini-batches")
        task.set_defaults(run=run)
    options = parser.parse_args()
    print(json.dumps(options.run(options)))


if __name__ == "__main__":
    main()
