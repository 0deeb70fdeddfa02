"""`nnengine train`: a new network taught, and what is kept of a run that ends before its time."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import kernels
from ..core.network import Network
from ..data.dataset import Dataset
from ..errors import ConfigError
from ..storage import modelfile
from ..training import TrainingConfig, TrainingDiverged, TrainingFinished, training
from ..training.settings import SETTINGS
from . import report
from .data import train_data, untangled
from .options import add_command, add_data, add_settings, answer
from .progress import Progress


class Interrupted(Exception):
    """Ctrl-C, after what was to be kept has been kept; the message says what."""


def add(commands: Any) -> None:
    """Add the command, with its options."""
    train = add_command(commands, "train", _train, "train a network on labelled images")
    add_data(train, "it is trained on its training images and measured with its test images")
    add = train.add_argument
    add("--test", nargs="+", metavar="DATA", help="measured too, never trained on: likewise")
    add(
        "--layers",
        type=_layers,
        metavar="784,10,10",
        help="widths from inputs to classes (inputs,10,classes)",
    )
    add_settings(train, _usual())
    add("--profile", action="store_true", help="say where the time went")
    add("--out", metavar="FILE", help="save the network as .npz or .nnm; also after Ctrl-C")


def _usual() -> dict[str, Any]:
    """Return every setting as the engine takes it where nobody says anything."""
    build = inspect.signature(Network.build).parameters
    of_network = {name: build[name].default for name, row in SETTINGS.items() if row.of_network}
    of_network["dtype"] = np.dtype(of_network["dtype"]).name
    return TrainingConfig().as_dict() | of_network


def _layers(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


_layers.__name__ = "layers"  # what argparse calls it in its messages


def _train(arguments: argparse.Namespace) -> None:
    config = TrainingConfig(**_said(arguments, of_network=False))
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


def _said(arguments: argparse.Namespace, *, of_network: bool) -> dict[str, Any]:
    """Return the settings that make the network, or those that make the run, by their names."""
    rows = (row for row in SETTINGS.values() if row.options and row.of_network == of_network)
    return {row.name: getattr(arguments, row.name) for row in rows}


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
        rng=arguments.seed,
        class_names=data.class_names,
        image_shape=data.image_shape,
        **_said(arguments, of_network=True),
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
        event = None
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
