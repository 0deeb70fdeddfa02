"""`nnengine runs`: the runs that were kept: list, show, name, resume, export and delete them."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..data import writing
from ..errors import ConfigError, FormatError
from ..storage import modelfile
from ..storage.runs import Kept as KeptRun
from ..storage.runs import Store
from ..training import TrainingConfig
from ..training.settings import SETTINGS
from . import report
from .data import Righting, train_data, untangled
from .files import Word, emptied, keep_apart
from .keeping import EVERY_S, Kept
from .options import add_command, add_data, answer
from .recording import Recorded
from .train import go

THEIRS = "a run of a server's visitor as well"


def add(commands: Any) -> None:
    """Add the command, with commands of its own."""
    of_runs = commands.add_parser(
        "runs", help="list, show, name, resume, export or delete the runs that were kept",
        description="The runs that `nnengine train --keep NAME` kept, in NNENGINE_HOME where that "
        "is set. RUN is an id or its beginning. A server's visitors have runs of their own: "
        "--all is for who runs the server.",
    ).add_subparsers(required=True, metavar="COMMAND")  # fmt: skip
    listed = add_command(of_runs, "list", _list, "list the runs, the newest first")
    listed.add_argument("--all", action="store_true", help="those of a server's visitors as well")
    show = add_command(of_runs, "show", _show, "say what is known of a run")
    show.add_argument("kept", metavar="RUN")
    show.add_argument("--all", action="store_true", help=THEIRS)
    resume = add_command(of_runs, "resume", _resume, "go on with an interrupted run")
    resume.add_argument("kept", metavar="RUN")
    add_data(resume, "as it was, and only needed where the files have moved or came through a pipe")
    resume.add_argument("--test", nargs="+", metavar="DATA", help="what it is measured with")
    resume.add_argument("--out", metavar="FILE", help="save the network there (where it was to be)")
    resume.add_argument("--profile", action="store_true", help="say where the time went")
    export = add_command(of_runs, "export", _export, "save a run's network as .npz or .nnm")
    export.add_argument("kept", metavar="RUN")
    export.add_argument("out", metavar="FILE")
    export.add_argument("--all", action="store_true", help=THEIRS)
    rename = add_command(of_runs, "rename", _rename, "give a run another name")
    rename.add_argument("kept", metavar="RUN")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("--all", action="store_true", help=THEIRS)
    noted = add_command(of_runs, "note", _note, "keep what there is to say of a run")
    noted.add_argument("kept", metavar="RUN")
    noted.add_argument("text", metavar="TEXT", help="in place of what was noted; '': nothing")
    noted.add_argument("--all", action="store_true", help=THEIRS)
    delete = add_command(of_runs, "delete", _delete, "forget runs for good")
    delete.add_argument("kept", nargs="+", metavar="RUN")
    delete.add_argument("--all", action="store_true", help=THEIRS)


def _whose(arguments: argparse.Namespace) -> str | None:
    """Return whose runs a command is about: one's own, or everybody's."""
    return None if arguments.all else ""


def _list(arguments: argparse.Namespace) -> None:
    with Store() as store:
        found = store.runs(_whose(arguments))
        where = str(store.path)
    result = {"store": where, "runs": [_brief(kept) for kept in found]}
    answer(result, _list_lines(found, where, arguments.all), arguments)


def _list_lines(found: list[KeptRun], where: str, everybody: bool) -> Iterator[str]:
    if not found:
        yield f"no runs in {where}: `nnengine train DATA --keep NAME` keeps one"
    for kept in found:
        whose = f"  {kept.owner or 'here'}" * everybody
        reached = kept.record.get("history", {}).get("val_accuracy") or [None]
        accuracy = "" if reached[-1] is None else f"  {reached[-1]:.2%}"
        yield f"{kept.id}  {kept.state:<11}  step {kept.step:,}{accuracy}  {kept.name}{whose}"


def _brief(kept: KeptRun) -> dict[str, Any]:
    """Return what is known of a run but for its curves, as JSON holds it."""
    return asdict(kept) | {"record": {k: v for k, v in kept.record.items() if k != "history"}}


def _show(arguments: argparse.Namespace) -> None:
    with Store() as store:
        kept = store.run(arguments.kept, _whose(arguments))
    answer(asdict(kept), _show_lines(kept), arguments)


def _show_lines(kept: KeptRun) -> Iterator[str]:
    began, last = (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(s)) for s in (kept.begun, kept.kept)
    )
    yield f"{kept.name}: {kept.state}, step {kept.step:,}, run {kept.id}"
    yield f"  begun {began}, last kept {last}, {kept.bytes:,} bytes"
    if kept.notes:
        yield f"  {kept.notes}"
    if kept.owner:
        yield f"  a visitor's; data  {kept.request.get('data_name', '')}"
    data = [word if word is not None else "a pipe" for word in kept.request.get("data", [])]
    if data:
        yield f"  data  {' '.join(data)}"
    if kept.record:
        yield f"  {report.run_line(kept.record)}"


def _export(arguments: argparse.Namespace) -> None:
    with Store() as store:
        kept = store.run(arguments.kept, _whose(arguments))
        network, _ = store.open(kept.id)
    modelfile.check_target(network, arguments.out)
    network.save(arguments.out)
    result = {"run": kept.id, "out": arguments.out, "step": kept.step}
    lines = iter([f"{kept.name}, as it was after {kept.step:,} steps, is in {arguments.out}"])
    answer(result, lines, arguments, beside=arguments.out)


def _rename(arguments: argparse.Namespace) -> None:
    with Store() as store:
        kept = store.run(arguments.kept, _whose(arguments))
        store.rename(kept.id, arguments.name)
        name = store.run(kept.id).name
    result = {"run": kept.id, "name": name, "before": kept.name}
    answer(result, iter([f"{kept.id}  {kept.name} is {name} from now on"]), arguments)


def _note(arguments: argparse.Namespace) -> None:
    with Store() as store:
        kept = store.run(arguments.kept, _whose(arguments))
        store.note(kept.id, arguments.text)
        notes = store.run(kept.id).notes
    result = {"run": kept.id, "notes": notes}
    answer(result, iter([f"{kept.id}  {kept.name}: {notes or 'nothing is noted'}"]), arguments)


def _delete(arguments: argparse.Namespace) -> None:
    with Store() as store:
        whose = _whose(arguments)
        found = [
            store.run(run, whose) for run in arguments.kept
        ]  # every name, before one is forgotten
        for kept in found:
            store.delete(kept.id)
    result = {"deleted": [kept.id for kept in found]}
    answer(result, iter([f"deleted {kept.id}  {kept.name}" for kept in found]), arguments)


def _resume(arguments: argparse.Namespace) -> None:
    words = emptied([*arguments.data, *(arguments.test or [])])
    store = Store()
    kept = store.run(arguments.kept, "")
    asked = kept.request
    split = len(arguments.data)
    data_words, test_words = untangled(words[:split], words[split:])
    data_words = data_words or _as_before(asked, "data", kept)
    test_words = test_words or _as_before(asked, "test", kept)
    righting = Righting(
        asked.get("invert", False) or arguments.invert,
        asked.get("turn", False) or arguments.turn,
        grey=asked.get("grey", True) or arguments.grey,  # earlier versions knew no colours
        keep_whole=asked.get("keep_whole", False) or arguments.keep_whole,
    )
    data, test = train_data(data_words, test_words, righting)
    out = arguments.out or asked.get("out")
    if out is not None:
        keep_apart(out, [*data_words, *test_words], "--out")
        writing.check(out)
    network, _ = store.open(kept.id)
    run = Kept(network, data, test, _config(asked), out)
    run.fits(network, f"run {kept.id}")
    run.go_on(*store.take_up(kept.id), f"run {kept.id}")
    run.prepare(EVERY_S, resume=False)
    go(run, Recorded(store, kept.id), arguments)


def _config(asked: dict[str, Any]) -> TrainingConfig:
    """Return a run's settings, as its program was given them."""
    settings: dict[str, Any] = {}
    for name, plain in asked.get("config", {}).items():
        if name in SETTINGS:
            settings[name] = None if plain is None else SETTINGS[name].kind.restored(plain)
    return TrainingConfig(**settings)


def _as_before(asked: dict[str, Any], part: str, kept: KeptRun) -> list[Word]:
    said: list[str | None] = asked.get(part, [])
    words = [word for word in said if word is not None]
    if len(words) < len(said):
        raise ConfigError(f"the {part} of run {kept.id} came through a pipe: give them again")
    missing = [word for word in words if os.path.isabs(word) and not os.path.exists(word)]
    if missing:
        raise FormatError(f"{missing[0]} is not there any more: give the {part} of the run again")
    return list(words)
