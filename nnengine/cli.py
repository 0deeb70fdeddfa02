"""The command line: `nnengine train | evaluate | predict | info | convert | demo | fetch`.

Results go to standard output: a short summary, or with --json one JSON object and nothing else.
Progress and faults go to standard error, a fault as one line. Exit status: 0 done, 2 a fault,
130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import augment, catalogue, demo, forms, kernels, modelfile, report
from ._version import __version__
from .activations import ACTIVATIONS
from .dataset import Dataset
from .errors import ConfigError, EngineError
from .idx import LABELS_MAGIC, Idx1, Idx3, describe, read_idx
from .metrics import evaluate
from .network import INITIALISATIONS, Network
from .optimisers import OPTIMISERS
from .progress import FetchProgress, Progress
from .training import (
    SCHEDULES,
    TrainingConfig,
    TrainingDiverged,
    TrainingFinished,
    training,
)

FAULT, INTERRUPTED, NO_READER = 2, 130, 141
_NAMES = ", ".join(catalogue.NAMES[:-1]) + " or " + catalogue.NAMES[-1]
_PICTURES = 4  # predictions at most beside which the image is drawn


class _Interrupted(Exception):
    """Ctrl-C, after what was to be kept has been kept; the message says what."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose faults are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAULT, f"nnengine: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; ``argv`` defaults to the process's own."""
    try:
        arguments = _arguments(argv)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # Python flushes once more as it ends: give it something that can be written to.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except (KeyboardInterrupt, _Interrupted) as stop:
        return _complain(str(stop) or "interrupted", INTERRUPTED)
    except EngineError as error:
        return _complain(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except MemoryError:
        return _complain("out of memory: use smaller layers, a smaller batch or less data")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse; words of data may stand before and after options, which argparse would not have."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    words = [word for word in rest if not word.startswith("-")]
    if rest and (words != rest or not hasattr(arguments, "data")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if hasattr(arguments, "data"):
        arguments.data = [*arguments.data, *rest]
    return arguments


def _complain(message: str, status: int = FAULT) -> int:
    print("nnengine:", " ".join(message.split()), file=sys.stderr)
    return status


# ------------------------------------------------------------------------------------------ train


def _train(arguments: argparse.Namespace) -> None:
    config = _config(arguments)
    data, test = _train_data(*_untangled(arguments.data, arguments.test or []))
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
        "layers": list(network.sizes),
        "parameters": network.parameter_count,
        "config": config.as_dict(),
        "out": arguments.out,
    }
    if arguments.profile:
        record = network.training[-1]
        result |= {"cost": record["cost"], "data": record["data"]}
    _answer(result, report.train_lines(result), arguments)


def _untangled(data: list[str], test: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of the data and those behind --test, which may have swallowed the former."""
    if not data and test:
        both_files = len(test) == 4 or (len(test) == 3 and not _is_whole(test[0]))
        cut = 2 if both_files else 1
        test, data = test[:cut], test[cut:]
    if len(test) > 2:
        raise ConfigError(
            f"--test takes IMAGES LABELS, one file that holds both, or one of {_NAMES}, got "
            + " ".join(test)
        )
    return data, test


def _train_data(data: list[str], test: list[str]) -> tuple[Dataset, Dataset | None]:
    """Return what to train on and, where it is known or asked for, what to measure with."""
    if len(data) == 1:
        found = _by_name(data[0])
        if not test or test == data:
            return found.train, found.test
        train = found.train
    else:
        train = _dataset(data)
    return train, _dataset(test, classes=train.classes) if test else None


def _config(arguments: argparse.Namespace) -> TrainingConfig:
    return TrainingConfig(
        epochs=arguments.epochs,
        iterations=arguments.iterations,
        batch_size=arguments.batch_size,
        optimiser=arguments.optimiser,
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
        initialisation=arguments.init,
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
    raise _Interrupted(f"interrupted after {progress.steps:,} iterations{kept}")


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


# ------------------------------------------------------------------------------ evaluate, predict


def _evaluate(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.model)
    found = evaluate(network, _dataset(arguments.data))
    result = {
        "accuracy": found.accuracy,
        "count": len(found.predictions),
        "loss": found.loss,
        "confusion": found.confusion.tolist(),
        "precision": [_number(share) for share in found.precision],
        "recall": [_number(share) for share in found.recall],
        "class_names": list(network.class_names),
        "kernels": kernels.name,
    }
    _answer(result, report.evaluation_lines(result), arguments)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _predict(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.model)
    whole = _is_whole(arguments.images)
    images = _dataset([arguments.images]).images if whole else Idx3(arguments.images).data
    start, stop, _ = slice(*arguments.index).indices(len(images))
    if start >= stop:
        raise ConfigError(
            f"--index chooses no image: there are {len(images):,}, numbered "
            f"from 0 to {len(images) - 1:,}"
        )
    probabilities = network.predict_proba(images[start:stop])
    answers = probabilities.argmax(axis=1)
    result = {
        "predictions": answers.tolist(),
        "probabilities": probabilities[np.arange(len(answers)), answers].astype(float).tolist(),
        "names": [network.class_names[answer] for answer in answers],
        "count": len(answers),
        "start": start,
    }
    _answer(result, report.prediction_lines(result, images[start:stop], _PICTURES), arguments)


# -------------------------------------------------------------------------------- info, convert


def _info(arguments: argparse.Namespace) -> None:
    with open(arguments.file, "rb") as file:
        is_model = file.read(4) in (b"\x93NUM", b"PK\x03\x04", b"PK\x05\x06")
    if is_model:
        facts = modelfile.describe_model(arguments.file)
        _answer(facts, report.model_lines(facts), arguments)
        return
    header, data = describe(arguments.file), read_idx(arguments.file)  # all of it: is it whole?
    is_labels = header.magic == LABELS_MAGIC
    facts = {
        "kind": "IDX",
        "name": header.name,
        "items": header.items(header.count),
        "magic": header.magic,
        "dtype": header.dtype.name,
        "shape": list(header.shape),
        "header": header.header_bytes.hex(" "),
        "gzip": header.gzipped,
        "data_bytes": header.data_bytes,
        "class_counts": np.bincount(data).tolist() if is_labels else None,
    }
    _answer(facts, report.idx_lines(facts), arguments)


def _convert(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.source)
    network.save(arguments.target)
    kept = modelfile.load(arguments.target)
    result = {
        "from": arguments.source,
        "to": arguments.target,
        "layers": list(network.sizes),
        "left_behind": [
            words
            for words, name in (
                ("class names", "class_names"),
                ("image shape", "image_shape"),
                ("training records", "training"),
            )
            if getattr(kept, name) != getattr(network, name)
        ],
    }
    _answer(result, report.convert_lines(result), arguments)


def _demo(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.model)
    name = arguments.name if arguments.name is not None else Path(arguments.model).stem
    text = demo.page(network, name, note=arguments.note).encode()
    target = Path(arguments.page)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{target.name}: a page's name ends in .html")
    target.write_bytes(text)
    result = {
        "model": arguments.model,
        "page": arguments.page,
        "bytes": len(text),
        "layers": list(network.sizes),
    }
    _answer(result, report.demo_lines(result), arguments)


# ------------------------------------------------------------------------------------------ fetch


def _fetch(arguments: argparse.Namespace) -> None:
    if arguments.force and not arguments.names:
        raise ConfigError(f"--force needs a name: {_NAMES}")
    entries = [catalogue.describe(name) for name in arguments.names or catalogue.NAMES]
    rows = [_row(entry, arguments) for entry in entries]
    lines = report.fetched_lines if arguments.names else report.catalogue_lines
    _answer({"sets": rows}, lines(rows), arguments)


def _row(entry: catalogue.Entry, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the facts of a data set, after fetching and checking it where it was asked for."""
    where, progress = None, FetchProgress()
    with progress:
        if entry.built_in:
            pass
        elif arguments.force:
            where = catalogue.fetch(entry.name, progress=progress.show, force=True)
        else:
            if arguments.names:
                catalogue.load(entry.name, progress=progress.show)
            where = catalogue.find(entry.name)
    return {
        "name": entry.name,
        "title": entry.title,
        "summary": entry.summary,
        "makers": entry.makers,
        "source": entry.source,
        "licence": entry.licence,
        "images": list(entry.images),
        "size_bytes": entry.size_bytes,
        "built_in": entry.built_in,
        "where": None if where is None else str(where),
        "fetched": progress.shown,
    }


# --------------------------------------------------------------------------------------- parts


def _dataset(words: list[str], *, classes: int | None = None) -> Dataset:
    """Return the data in the files IMAGES LABELS, or the test part of one set, if it has one."""
    if len(words) == 2:
        return Dataset(Idx3(words[0]), Idx1(words[1]), classes=classes)
    if len(words) != 1:
        got = f", got {' '.join(words)}" if words else ""
        raise ConfigError(f"give IMAGES LABELS or one of {_NAMES}{got}; --help says more")
    found = _by_name(words[0])
    data = found.train if found.test is None else found.test
    if classes is None or classes == data.classes:
        return data
    if data.classes > classes:
        raise ConfigError(
            f"{data.name} has {data.classes} classes, the data to train on {classes}: measure "
            "with data of the same classes"
        )
    return Dataset(data.images, data.labels, classes=classes, name=data.name)


def _by_name(name: str) -> catalogue.Sets | forms.Sets:
    """Return the set called ``name``, or the one in the file or folder of that name."""
    if not catalogue.knows(name) and os.path.exists(name):
        if not _is_whole(name):
            raise ConfigError(
                f"{name} is a file by itself: images need their labels, IMAGES LABELS"
            )
        found = forms.read_sets(name)
        for note in found.notes:
            print(f"{name}: {note}", file=sys.stderr)
        return found
    with FetchProgress() as progress:
        return catalogue.load(name, progress=progress.show)


def _is_whole(word: str) -> bool:
    """Return whether one word stands for images with their labels: a name, a table, a zip, ..."""
    if catalogue.knows(word):
        return True
    return os.path.exists(word) and forms.recognise(word) not in (None, "idx")


def _answer(result: dict[str, Any], lines: Iterator[str], arguments: argparse.Namespace) -> None:
    """Print the result as one JSON object, or as lines for people."""
    if arguments.json:
        print(json.dumps(result, allow_nan=False))
        return
    for line in lines:
        print(line)


def _layers(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def _batch_size(text: str) -> int | None:
    return None if text == "all" else int(text)


def _index(text: str) -> tuple[int | None, int | None]:
    """Return start and stop of "A:B", either of which may be missing, or of one number."""
    if ":" not in text:
        return int(text), int(text) + 1 or None  # -1 is the last image: up to the end
    start, stop = (int(part) if part else None for part in text.split(":"))
    return start, stop


# What argparse calls these in its messages.
_layers.__name__, _batch_size.__name__, _index.__name__ = "layers", "batch size", "index"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="nnengine", description="Train, try and convert neural networks.")
    parser.add_argument("--version", action="version", version=f"nnengine {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)

    command = _add(commands, "evaluate", _evaluate, "measure a model on labelled images")
    command.add_argument("model", help=".nnm or .npz file")
    _add_data(command, "its test images are used")

    command = _add(commands, "predict", _predict, "name what is on images")
    command.add_argument("model", help=".nnm or .npz file")
    command.add_argument(
        "images",
        metavar="IMAGES",
        help=f"IDX images; or a CSV, .npz, zip or folder as for train, or {_NAMES}: its test "
        "images (./NAME for a file of that name)",
    )
    command.add_argument(
        "--index",
        metavar="A:B",
        type=_index,
        default=(None, None),
        help="images A up to but not B, or just A (all)",
    )

    command = _add(commands, "info", _info, "say what an IDX or model file holds")
    command.add_argument("file")

    command = _add(commands, "convert", _convert, "turn .nnm into .npz or back")
    command.add_argument("source", help="model file to read")
    command.add_argument("target", help="model file to write; its ending says the format")

    command = _add(commands, "demo", _demo, "turn a model into one HTML page that answers drawings")
    command.add_argument("model", help=".nnm or .npz file")
    command.add_argument("page", metavar="PAGE", help=".html file to write")
    command.add_argument("--name", help="title of the page (the model's file name)")
    command.add_argument("--note", default="", help="a sentence about it, under the title")

    command = _add(commands, "fetch", _fetch, "fetch data sets by name, or list them")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"{_NAMES} (list them all)")
    command.add_argument(
        "--force", action="store_true", help="into the cache, even if it lies elsewhere already"
    )
    return parser


def _add(commands: Any, name: str, run: Callable, purpose: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=purpose, description=purpose.capitalize() + ".", allow_abbrev=False
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def _add_data(command: argparse.ArgumentParser, use: str) -> None:
    command.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help=f"either IMAGES LABELS, two IDX files, gzip or not; or one CSV, .npz, zip or folder "
        f"that holds both; or one name, {_NAMES}: {use}. One word is a name before it is a file "
        "(./NAME), two are always files",
    )


def _add_train(commands: Any) -> None:
    train = _add(commands, "train", _train, "train a network on labelled images")
    add = train.add_argument
    _add_data(train, "it is trained on its training images and measured with its test images")
    add("--test", nargs="+", metavar="DATA", help="measured too, never trained on: likewise")
    add(
        "--layers",
        type=_layers,
        metavar="784,10,10",
        help="widths from inputs to classes (inputs,10,classes)",
    )
    add("--activation", choices=ACTIVATIONS, default="relu", help="of hidden layers (relu)")
    add("--init", choices=INITIALISATIONS, default="he", help="of the weights (he)")
    add("--dtype", choices=("float32", "float64"), default="float32", help="(float32)")
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, metavar="N", help="passes over the images (10)")
    length.add_argument("--iterations", type=int, metavar="N", help="optimiser steps")
    add("--batch-size", type=_batch_size, default=64, metavar="N|all", help="images a step (64)")
    add("--optimiser", choices=tuple(OPTIMISERS), default="sgd", help="(sgd)")
    add("--learning-rate", type=float, default=0.1, metavar="A", help="(0.1)")
    add("--momentum", type=float, default=0.9, metavar="M", help="for --optimiser momentum (0.9)")
    add("--schedule", choices=SCHEDULES, default="constant", help="of the learning rate (constant)")
    add(
        "--augment",
        default="none",
        metavar="HOW",
        help="show images distorted, anew each time: none, gentle, strong, or amounts such as "
        "shift=2,rotation=10 (none)",
    )
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
