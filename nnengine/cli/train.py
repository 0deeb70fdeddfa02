"""`nnengine train`: a new network taught, or one taught on whose run was broken off."""

from __future__ import annotations

import argparse
import inspect
import math
import os
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import kernels
from ..analysis import novelty
from ..analysis.signals import recorded
from ..core.network import Network
from ..data.dataset import Dataset
from ..errors import ConfigError
from ..storage.runs import INTERRUPTED
from ..training import TrainingConfig, TrainingDiverged, TrainingFinished, training
from ..training.rates import rising, suggested, trying
from ..training.settings import SETTINGS
from . import report
from .beginning import as_learnt, new_network, trained
from .data import Righting, train_data, untangled
from .doctor import found, last_record
from .ends import Stopped, held, note, told
from .files import emptied, keep_apart
from .keeping import CHECKPOINT, EVERY_S, Kept
from .options import add_command, add_data, add_settings, answer, settings_said
from .progress import Progress
from .recording import Recorded, named, request, taken_up


def add(commands: Any) -> None:
    """Add the command, with its options."""
    train = add_command(commands, "train", _train, "train a network on labelled images")
    add_data(train, "it is trained on its training images and measured with its test images")
    add = train.add_argument
    add("--test", nargs="+", metavar="DATA", help="measured too, never trained on: likewise")
    add(
        "--layers",
        metavar="LAYERS",
        help="widths from inputs to classes, 784,10,10; or hidden layers as text: 'conv 8 5x5, "
        "pool 2, dense 64', of the words conv, pool, average, dense, dropout, norm and flatten "
        "(inputs,10,classes)",
    )
    add(
        "--from",
        dest="begin_with",
        nargs=1,
        default=[],
        metavar="MODEL",
        help="train on the network in this file, of any library that `info` reads, in place of a "
        "new one: its layers are its own, the steps are new",
    )
    add_settings(train, usual())
    add(
        "--find-rate",
        action="store_true",
        help="train nothing: try ever higher learning rates on a copy, and say which suits",
    )
    add("--profile", action="store_true", help="say where the time went")
    _add_keeping(train)


def _add_keeping(train: argparse.ArgumentParser) -> None:
    """Add what is left of a run when it ends, and how it goes on from there."""
    add = train.add_argument
    add(
        "--out",
        metavar="FILE",
        help="save the network as .npz or .nnm; also after Ctrl-C, SIGTERM or SIGHUP, and then a "
        "checkpoint beside it",
    )
    add(
        "--keep",
        metavar="NAME",
        help="keep the run under this name, with a checkpoint every ten seconds: `nnengine runs` "
        "lists, exports and resumes it",
    )
    add(
        "--resume",
        action="store_true",
        help="go on from the run kept by --keep, or from the checkpoint beside --out, with the "
        "same data and settings, to the same weights as if the run had never stopped; begin where "
        "there is none",
    )
    add(
        "--checkpoint-every",
        type=_seconds,
        default=EVERY_S,
        metavar="S",
        help=f"seconds between two checkpoints, FILE{CHECKPOINT}, which goes when the run is done; "
        f"0 for none ({EVERY_S:g})",
    )


def usual() -> dict[str, Any]:
    """Return every setting as the engine takes it where nobody says anything."""
    build = inspect.signature(Network.build).parameters
    of_network = {name: build[name].default for name, row in SETTINGS.items() if row.of_network}
    of_network["dtype"] = np.dtype(of_network["dtype"]).name
    return TrainingConfig().as_dict() | of_network


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


_seconds.__name__ = "seconds"  # as argparse calls it in messages


def _train(arguments: argparse.Namespace) -> None:
    config = TrainingConfig(**settings_said(arguments, of_network=False))
    words = emptied([*arguments.data, *(arguments.test or []), *arguments.begin_with])
    if arguments.out is not None:
        keep_apart(arguments.out, words, "--out")
    learnt = [trained(arguments, words.pop(), usual()) for _ in arguments.begin_with]
    split = len(arguments.data)
    righting = Righting.asked(arguments)
    data, test = train_data(*untangled(words[:split], words[split:]), righting)
    if learnt:
        (network,) = learnt
        data = as_learnt(network, data, words[0])
        test = test and as_learnt(network, test, words[-1])
    else:
        network = new_network(arguments, data)
    if arguments.find_rate:
        _find_rate(arguments, network, data, config)
        return
    run = Kept(network, data, test, config, arguments.out)
    record = (
        _recorded(arguments, run, request(words[:split], words[split:])) if arguments.keep else None
    )
    run.prepare(arguments.checkpoint_every, resume=arguments.resume and record is None)
    go(run, record, arguments)


def go(run: Kept, record: Recorded | None, arguments: argparse.Namespace) -> None:
    """Train to the end and tell the result, which --json and --profile in `arguments` shape."""
    _warm_up()
    config, count = run.config, len(run.data)
    begun, started = config.images_after(run.state.step, count), time.perf_counter()
    with held() as signals:
        final = _run(run, record, signals)
        seconds = time.perf_counter() - started
        run.finish()
    known = last_record(run.network)
    result = _result(run, final) | {
        "seconds": round(seconds, 3),
        "images_per_second": round((final.epoch * count - begun) / seconds),
        "resumed_at": run.resumed_at,
        "out": run.out,
        "run": record and record.run,
        "findings": found(known) if "signals" in known else [],  # an earlier version kept none
    }
    if arguments.profile:
        last = run.network.training[-1]
        result |= {"cost": last["cost"], "data": last["data"]}
    answer(result, report.train_lines(result), arguments, beside=run.out)


def _draw_line(run: Kept) -> None:
    """Put on record from where on an image looks like none of the network's digits."""
    if run.test is not None and novelty.applies(run.network):
        line = novelty.fit_line(run.test.images)
        if line is not None:
            run.network.training = novelty.with_line(run.network, line).training


def _recorded(arguments: argparse.Namespace, run: Kept, asked: dict[str, Any]) -> Recorded:
    """Keep a run in the store from now on: the one that was broken off there, or a new one."""
    name, run.recorded = named(arguments.keep), True
    if arguments.resume:
        found = taken_up(name, run.fits)
        if found is not None:
            record, network, state = found
            run.go_on(network, state, f"run {record.run}")
            return record
        note(f"no interrupted run is kept as {name!r}: the run begins")
    settings = {
        "invert": arguments.invert,
        "turn": arguments.turn,
        "grey": arguments.grey,
        "keep_whole": arguments.keep_whole,
        "config": run.config.as_dict(),
        "out": arguments.out and os.path.abspath(arguments.out),
    }
    return Recorded.begin(asked | settings, name)


def _find_rate(
    arguments: argparse.Namespace, network: Network, data: Dataset, config: TrainingConfig
) -> None:
    """Say which learning rate suits, by a test of all."""
    if arguments.out is not None:
        raise ConfigError("--find-rate trains nothing that could be saved: leave out --out")
    _warm_up()
    tried = list(trying(training(network, data, rising(config))))
    result = {"suggested_rate": suggested(tried), "tried": [asdict(one) for one in tried]}
    answer(result, report.rate_lines(result), arguments)


def _result(run: Kept, final: TrainingFinished) -> dict[str, Any]:
    return {
        "train_accuracy": final.train_accuracy,
        "test_accuracy": final.val_accuracy,
        "train_loss": final.train_loss,
        "test_loss": final.val_loss,
        "iterations": final.step,
        "epochs": round(final.epoch, 6),
        "kernels": kernels.name,
        "kernels_remark": kernels.remark() or None,
        "layers": list(run.network.sizes),
        "description": run.network.description,
        "parameters": run.network.parameter_count,
        "config": run.config.as_dict(),
    }


def _warm_up() -> None:
    """Have the kernels compiled, so that it counts neither as training nor as a standstill."""
    if not kernels.warm and sys.stderr.isatty():
        print(
            "preparing kernels (some seconds, the first time on this machine) ...",
            end="\r",
            file=sys.stderr,
        )
    kernels.warm_up()


def _run(run: Kept, record: Recorded | None, signals: list[int]) -> TrainingFinished:
    """Train to the end and return its last event; interrupted or diverged, keep what there is."""

    def ended(how: str) -> None:
        if record is not None:
            record.end(how, run.network, run.state)

    config, count = run.config, len(run.data)
    events = training(run.network, run.data, config, run.test, state=run.state)
    events = recorded(events, run.network, run.data, run.test, state=run.state)
    steps = config.total_steps(count)
    images = round(steps / config.steps_per_epoch(count) * count)
    seen = config.images_after(run.state.step, count)
    with Progress(steps, images, steps_seen=run.state.step, images_seen=seen) as progress:
        for event in events:
            progress.show(event)
            if isinstance(event, TrainingFinished):
                _draw_line(run)
                ended("finished")
                return event
            if isinstance(event, TrainingDiverged):
                ended("diverged")
                kept = run.finish()
                raise ConfigError(f"training diverged: {event.advice}{kept}")
            if signals:
                events.close()
                break
            run.keep_if_due()
            if record is not None:
                record.keep_if_due(run.network, run.state)
    ended(INTERRUPTED)
    kept = run.break_off()
    said = f"{told(signals[0])} after {progress.steps:,} iterations{kept}"
    raise Stopped(signals[0], said)
