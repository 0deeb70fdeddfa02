"""`nnengine train`: a new network taught, and what is kept of a run that ends before its time."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import kernels
from ..core.activations import ACTIVATIONS
from ..core.network import INITIALIZERS, Network
from ..core.optimizers import OPTIMIZERS
from ..data import augment
from ..data.dataset import Dataset
from ..errors import ConfigError
from ..storage import modelfile
from ..training import SCHEDULES, TrainingConfig, TrainingDiverged, TrainingFinished, training
from . import report
from .data import train_data, untangled
from .options import add_command, add_data, answer
from .progress import Progress


class Interrupted(Exception):
    """Ctrl-C, after what was to be kept has been kept; the message says what."""


def add(commands: Any) -> None:
    """Add the command, with its options."""
    train = add_command(commands, "train", _train, "train a network on labelled images")
    add_data(train, "it is trained on its training images and measured with its test images")
    add = train.add_argument
    add("--test", nargs="+", metavar="DATA", help="measured too, never trained on: likewise")
    _add_network(add)
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, metavar="N", help="passes over the images (10)")
    length.add_argument("--iterations", type=int, metavar="N", help="optimizer steps")
    _add_steps(add)
    add(
        "--train-sample",
        type=int,
        metavar="N",
        help="training images at most that accuracy and loss are measured on, less time than all "
        "of them take (10,000 on the way, all at the end)",
    )
    add("--profile", action="store_true", help="say where the time went")
    add("--seed", type=int, default=0, metavar="S", help="of weights, shuffling, distortions (0)")
    add("--out", metavar="FILE", help="save the network as .npz or .nnm; also after Ctrl-C")


def _add_network(add: Callable) -> None:
    add(
        "--layers",
        type=_layers,
        metavar="784,10,10",
        help="widths from inputs to classes (inputs,10,classes)",
    )
    add("--activation", choices=ACTIVATIONS, default="relu", help="of hidden layers (relu)")
    add("--initializer", "--init", choices=INITIALIZERS, default="he", help="of the weights (he)")
    add("--dtype", choices=("float32", "float64"), default="float32", help="(float32)")


def _add_steps(add: Callable) -> None:
    add("--batch-size", type=_batch_size, default=64, metavar="N|all", help="images a step (64)")
    add("--optimizer", choices=tuple(OPTIMIZERS), default="sgd", help="(sgd)")
    add("--learning-rate", type=float, default=0.1, metavar="A", help="(0.1)")
    add("--momentum", type=float, default=0.9, metavar="M", help="for --optimizer momentum (0.9)")
    add("--schedule", choices=SCHEDULES, default="constant", help="of the learning rate (constant)")
    add(
        "--augment",
        default="none",
        metavar="HOW",
        help="show images distorted, anew each time: none, gentle, strong, or amounts such as "
        "shift=2,rotation=10 (none)",
    )


def _layers(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def _batch_size(text: str) -> int | None:
    return None if text == "all" else int(text)


# What argparse calls these in its messages.
_layers.__name__, _batch_size.__name__ = "layers", "batch size"


def _train(arguments: argparse.Namespace) -> None:
    config = _config(arguments)
    data, test = train_data(*untangled(arguments.data, arguments.test or []))
    network = _new_network(arguments, data)
    if arguments.out:
        modelfile.check_target(network, arguments.out)
    _warm_up()
    started = time.perf_counter()
    final = _run(network, data, config, test, arguments)
    seconds = time.perf_counter() - started
    if arguments.out:
        network.save(arguments.out)
    result = {
        "train_accuracy": final.train_accuracy,
        "test_accuracy": final.val_accuracy,
        "train_loss": final.train_loss,
        "test_loss": final.val_loss,
        "iterations": final.step,
        "epochs": round(final.epoch, 6),
        "seconds": round(seconds, 3),
        "images_per_second": round(final.epoch * len(data) / seconds),
        "kernels": kernels.name,
        "kernels_remark": kernels.remark() or None,
        "layers": list(network.sizes),
        "parameters": network.parameter_count,
        "config": config.as_dict(),
        "out": arguments.out,
    }
    if arguments.profile:
        record = network.training[-1]
        result |= {"cost": record["cost"], "data": record["data"]}
    answer(result, report.train_lines(result), arguments)


def _config(arguments: argparse.Namespace) -> TrainingConfig:
    return TrainingConfig(
        epochs=arguments.epochs,
        iterations=arguments.iterations,
        batch_size=arguments.batch_size,
        optimizer=arguments.optimizer,
        learning_rate=arguments.learning_rate,
        momentum=arguments.momentum,
        seed=arguments.seed,
        augmentation=augment.parse(arguments.augment) or None,
        schedule=arguments.schedule,
        train_sample=arguments.train_sample,
    )


def _new_network(arguments: argparse.Namespace, data: Dataset) -> Network:
    """Return the network that was asked for, once it is known to fit the data."""
    sizes = arguments.layers or [data.inputs, 10, data.classes]
    height, width = data.image_shape
    if sizes[0] != data.inputs:
        raise ConfigError(
            f"--layers begins with {sizes[0]}, but the images have {height}x{width} "
            f"pixels: it has to begin with {data.inputs}"
        )
    if sizes[-1] != data.classes or len(sizes) < 2:
        raise ConfigError(
            f"--layers ends with {sizes[-1]}, but the labels have {data.classes} "
            f"classes: it has to end with {data.classes}"
        )
    return Network.build(
        sizes,
        activation=arguments.activation,
        rng=arguments.seed,
        initializer=arguments.initializer,
        dtype=np.dtype(arguments.dtype),
        class_names=data.class_names,
        image_shape=data.image_shape,
    )


def _warm_up() -> None:
    """Have the kernels compiled, so that it counts neither as training nor as a standstill."""
    if not kernels.warm and sys.stderr.isatty():
        print(
            "preparing kernels (some seconds, the first time on this machine) ...",
            end="\r",
            file=sys.stderr,
        )
    kernels.warm_up()


def _run(
    network: Network,
    data: Dataset,
    config: TrainingConfig,
    test: Dataset | None,
    arguments: argparse.Namespace,
) -> TrainingFinished:
    """Train to the end and return its last event; interrupted or diverged, keep what there is."""
    events = training(network, data, config, test)
    steps = config.total_steps(len(data))
    images = round(steps / config.steps_per_epoch(len(data)) * len(data))
    with Progress(steps, images) as progress, _ctrl_c() as pressed:
        for event in events:
            progress.show(event)
            if isinstance(event, TrainingFinished):
                return event
            if isinstance(event, TrainingDiverged):
                break
            if pressed:
                events.close()
                break
    kept = ", nothing was saved (no --out)"
    if arguments.out:
        network.save(arguments.out)
        kept = f"; the weights it had by then are in {arguments.out}"
    if isinstance(event, TrainingDiverged):
        raise ConfigError(f"training diverged: {event.advice}{kept}")
    raise Interrupted(f"interrupted after {progress.steps:,} iterations{kept}")


@contextlib.contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """Collect the first Ctrl-C, so that no step is cut in half; the second one is final."""
    pressed: list[int] = []

    def press(number: int, frame: Any) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, press)
    except ValueError:  # not in the main thread, which alone hears signals
        yield pressed
        return
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
