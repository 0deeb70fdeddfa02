"""Keepsakes: a visit as records that storage can hold, and the visit that they make again.

A record is a mark with the version, a digest, and JSON with bytes behind it. What is damaged, or
of another version, is left out and counted; the rest comes back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

import nnengine
from dashboard.runs import lineage
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Progress, Run
from dashboard.store.files import LoadedFile, Shelf
from dashboard.store.networks import ORDER, Entry, Kind, Networks, Tuning, for_pages, key_for
from dashboard.store.visits import Kept, Visit
from nnengine.analysis.finetuning import FineTuning
from nnengine.core.network import Network
from nnengine.storage import checkpoint, modelfile
from nnengine.training import History
from nnengine.training.state import TrainingState

MARK = b"NNkeep1\n"
MOST_BYTES = 192 << 20  # of all records together
MOST_FILES_BYTES = 96 << 20
VISIT, MINE, RUN, NETWORK, FILE = "visit", "mine", "run:", "network:", "file:"
_DIGEST = 16
log = logging.getLogger(__name__)


_OLD_KINDS = {"taught": "finetuned"}  # as records once said

# What the JSON of a visit and of a run holds.
_VISIT = {
    "owner": str, "reserved": str, "selected": str | None, "source": str | None, "upright": list,
    "runs": list, "networks": list, "chosen": str | None, "kept": int, "files": list,
    "linked": str | None,
}  # fmt: skip
_RUN = {
    "id": str, "name": str, "recipe": dict, "sizes": list, "data_name": str, "data_count": int,
    "state": str, "message": str, "progress": dict, "history": dict, "source": str | None,
}  # fmt: skip


class Damaged(Exception):
    """A record cannot be read."""


class _Counted(Exception):
    """A record is damaged, and was counted when it was unpacked."""


def pack(about: Any, raw: bytes = b"") -> bytes:
    """Return a record."""
    text = json.dumps(about, separators=(",", ":")).encode()
    body = len(text).to_bytes(4, "little") + text + raw
    return MARK + hashlib.blake2b(body, digest_size=_DIGEST).digest() + body


def unpack(record: bytes) -> tuple[Any, bytes]:
    """Return what `pack` was given; raises Damaged for anything else."""
    start = len(MARK) + _DIGEST
    digest, body = record[len(MARK) : start], record[start:]
    if record[: len(MARK)] != MARK or len(body) < 4:
        raise Damaged("not of this version")
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise Damaged("its digest is another")
    length = 4 + int.from_bytes(body[:4], "little")
    return json.loads(body[4:length]), body[length:]


# Writing ---------------------------------------------------------------------------------


class Writer:
    """Makes the records of one visit, and knows which of them have changed since they were made."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}  # key -> what a record was made from
        self._sizes: dict[str, int] = {}
        self._names: weakref.WeakKeyDictionary[Network, str] = weakref.WeakKeyDictionary()
        self.left_out = 0  # runs for which there is no room

    @property
    def bytes(self) -> int:
        """How much is kept."""
        return sum(self._sizes.values())

    def file(self, file: LoadedFile, raw: bytes) -> dict[str, bytes]:
        """Return the record of a dropped file, which is made once, when its bytes are at hand."""
        taken = sum(size for key, size in self._sizes.items() if key.startswith(FILE))
        key = FILE + _plain_digest(file)
        if key in self._known or taken + len(raw) > MOST_FILES_BYTES:
            return {}
        return self._note(key, True, pack({"name": file.name}, raw))

    def changes(
        self, visit: Visit, selected: str | None, *, live: bool = True
    ) -> tuple[dict[str, bytes], list[str]]:
        """Return records to put and keys to delete since the last call.

        live: whether runs under way are kept anew; their other changes are in any case.
        """
        records: dict[str, bytes] = {}
        wanted = {VISIT, MINE}
        about = self._about(visit, selected, records, wanted)
        self._fit(visit, records, wanted, live)
        records |= self._note(MINE, _mine_key(visit), _mine(visit))
        for file in visit.files:
            if raw := visit.fresh.pop(_plain_digest(file), None):
                records |= self.file(file, raw)
        visit.fresh.clear()
        wanted |= {FILE + _plain_digest(f) for f in visit.files}
        about["files"] = [
            _file_about(f) for f in visit.files if FILE + _plain_digest(f) in self._known
        ]
        text = json.dumps(about)
        records |= self._note(VISIT, text, pack(about))
        gone = [key for key in self._known if key not in wanted]
        for key in gone:
            del self._known[key], self._sizes[key]
        return records, gone

    def adopt(self, key: str, size: int) -> None:
        """Count a record that is in storage already."""
        self._known[key], self._sizes[key] = None, size

    def name(self, network: Network, name: str) -> None:
        """Remember under which digest a network is in storage."""
        self._names[network] = name

    def _note(self, key: str, made_from: Any, record: bytes) -> dict[str, bytes]:
        if key in self._known and self._known[key] == made_from:
            return {}
        self._known[key], self._sizes[key] = made_from, len(record)
        return {key: record}

    def _fit(self, visit: Visit, records: dict, wanted: set, live: bool) -> None:
        """Add the runs, latest first, as long as there is room."""
        self.left_out = 0
        room = MOST_BYTES - sum(
            size for key, size in self._sizes.items() if not key.startswith(RUN)
        )
        for run in reversed(visit.runs):
            key, stamp = RUN + run.id, _stamp(run)
            known = self._known.get(key)
            same = known is not None and (known == stamp or (run.live and not live))
            record = b"" if same else _run(run, visit.run_sources.get(run.id))
            size = self._sizes[key] if same else len(record)
            room -= size
            if room < 0:
                self.left_out += 1
                continue
            wanted.add(key)
            if not same:
                records |= self._note(key, stamp, record)

    def _about(self, visit: Visit, selected: str | None, records: dict, wanted: set) -> dict:
        networks = visit.networks
        return {
            "owner": visit.owner,
            "reserved": visit.reserved,
            "selected": selected,
            "source": visit.source if visit.named is None else None,
            "upright": sorted(visit.upright),
            "runs": [run.id for run in visit.runs],
            "networks": [self._refer(one, records, wanted) for one in lasting(networks)],
            "chosen": networks.chosen,
            "kept": visit.kept,
            "linked": visit.linked,
        }

    def _refer(self, entry: Entry, records: dict, wanted: set) -> dict:
        """Return what is needed to find a network again; its weights become a record."""
        about: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "id": entry.id}
        if entry.kind == "shipped":
            return about
        name = self._names.get(entry.network)
        key = NETWORK + (name or "")
        if name is None or key not in self._known:
            raw = modelfile.to_bytes(entry.network)
            name = self._names[entry.network] = hashlib.blake2b(
                raw, digest_size=_DIGEST
            ).hexdigest()
            key = NETWORK + name
            records |= self._note(key, True, pack({}, raw))
        wanted.add(key)
        about |= {"network": name, "said": entry.said}
        if tuning := entry.tuning:
            about |= {"reason": tuning.reason, "tested": tuning.tested}
            about["lesson"] = _lesson_about(tuning.lesson)
            if tuning.origin:
                about["origin"] = self._refer(tuning.origin, records, wanted)
        return about


def lasting(networks: Networks) -> list[Entry]:
    """Return the networks to keep: a restored file only while it is in hand.

    It may be large, and whoever restored it has it.
    """
    return [one for one in networks.kept if one.kind != "file" or one.key == networks.chosen]


def _plain_digest(file: LoadedFile) -> str:
    return file.digest.partition(":")[0]


def _file_about(file: LoadedFile) -> dict:
    whole = bool(file.whole_items) and file.error is None
    return {
        "key": _plain_digest(file), "name": file.name, "whole": whole, "turned": file.turned,
        "inverted": file.inverted, "grey": file.grey,
    }  # fmt: skip


def _stamp(run: Run) -> tuple:
    now = (run.step, run.state, run.name, run.message, len(run.history), run.progress.seconds)
    return (*now, run.recipe)


def _run(run: Run, source: str | None) -> bytes:
    work = run.work
    network, reached = (work.network, work.reached) if work else (run.snapshot, run.reached)
    about = {
        "id": run.id,
        "name": run.name,
        "recipe": run.recipe.as_dict(),
        "sizes": run.sizes,
        "data_name": run.data_name,
        "data_count": run.data_count,
        "state": run.state,
        "message": run.message,
        "progress": asdict(run.progress),
        "history": (work.history if work else run.history).as_dict(),
        "source": source,
        **lineage.as_plain(run.course, run.origin, run.spent),
    }
    return pack(about, checkpoint.to_bytes(network, reached or TrainingState()))


def _mine_key(visit: Visit) -> tuple:
    return tuple((one.id, one.name) for one in visit.mine)


def _mine(visit: Visit) -> bytes:
    about = [{"id": one.id, "name": one.name} for one in visit.mine]
    return pack(about, b"".join(one.image.tobytes() for one in visit.mine))


def _lesson_about(lesson: FineTuning) -> dict:
    return {
        "labels": lesson.labels.tolist(),
        "before": lesson.before.tolist(),
        "after": lesson.after.tolist(),
        "remembered_before": lesson.remembered_before,
        "remembered_after": lesson.remembered_after,
        "steps": lesson.steps,
        "seconds": lesson.seconds,
    }


# Reading ---------------------------------------------------------------------------------


class Reader:
    """Makes a visit of records; what cannot be read is left out, and counted in `lost`."""

    def __init__(self, records: Mapping[str, bytes], writer: Writer, shelf: Shelf) -> None:
        self.lost = 0
        self.selected: str | None = None
        self.parts: dict[str, tuple[Any, bytes]] = {}
        self._writer, self._shelf = writer, shelf
        self._damaged: set[str] = set()
        for key, record in records.items():
            writer.adopt(key, len(record))
            self._try(lambda key=key, record=record: self.parts.update({key: unpack(record)}))
            if key not in self.parts:
                self._damaged.add(key)

    def visit(self, now: float) -> Visit | None:
        """Return the visit, or None where nothing of it could be read."""
        if VISIT not in self.parts:
            return None
        about = self.parts[VISIT][0]
        try:
            about = _in_one_collection(about)
            _check(about, _VISIT)
        except Damaged:
            log.exception("the visit that was kept cannot be read")
            self.lost += 1
            return None
        visit = Visit(about["owner"], about["reserved"], now)
        self.selected = about["selected"]
        self._try(lambda: visit.mine.extend(_read_mine(*self._part(MINE))))
        visit.kept = max([about["kept"], *(one.id for one in visit.mine)])
        for run_id in about["runs"]:
            self._try(lambda run_id=run_id: self._add_run(visit, run_id, now))
        for entry in about["networks"]:
            self._try(lambda entry=entry: visit.networks.kept.append(self._entry(entry)))
        visit.networks.chosen = about["chosen"]
        for file in about["files"]:
            self._try(lambda file=file: visit.files.append(self._file(file)))
        visit.upright = set(about["upright"])
        visit.source, visit.linked = about["source"], about["linked"]
        return visit

    def _try(self, do: Callable[[], Any]) -> None:
        # Whatever storage holds, however it came to be there, must not stop the app.
        try:
            do()
        except _Counted:
            pass
        except Exception:
            log.exception("something that was kept cannot be read")
            self.lost += 1

    def _part(self, key: str) -> tuple[Any, bytes]:
        if key in self._damaged:
            raise _Counted
        return self.parts[key]

    def _entry(self, about: dict) -> Entry:
        kind, id = _kind(about), about["id"] or about["name"]
        if kind == "shipped":
            return Entry(nnengine.shipped(id), about["name"], kind, id)
        raw = self._part(NETWORK + about["network"])[1]
        network = for_pages(modelfile.load(raw)).snapshot()
        self._writer.name(network, about["network"])
        tuning = self._tuning(about, network) if "lesson" in about else None
        return Entry(network, about["name"], kind, id, tuning, about["said"])

    def _tuning(self, about: dict, network: Network) -> Tuning:
        origin = self._entry(about["origin"]) if "origin" in about else None
        lesson = _read_lesson(about["lesson"], network)
        return Tuning(lesson, origin, about["reason"], about["tested"])

    def _add_run(self, visit: Visit, run_id: str, now: float) -> None:
        about, raw = self._part(RUN + run_id)
        if about["id"] != run_id or not isinstance(about["source"], str | None):
            raise Damaged("it is another run")
        visit.runs.append(_read_run(about, raw, visit.owner, now))
        visit.run_sources[run_id] = about["source"]

    def _file(self, about: dict) -> LoadedFile:
        file = self._shelf.load(about["name"], self._part(FILE + about["key"])[1])
        if about["whole"] and file.rescued is not None:
            file = file.kept_whole()
        # Earlier versions knew no colours: what was kept then was grey.
        file = self._shelf.grey(file) if about.get("grey", True) else file
        file = self._shelf.turn(file) if about["turned"] else file
        return self._shelf.invert(file) if about.get("inverted") else file


def _in_one_collection(about: Any) -> Any:
    """Return an older visit's JSON as it is now.

    Once taught networks stood in a list, and the one in hand beside it, often a second time.
    """
    if not isinstance(about, dict) or "networks" in about:
        return about
    _check(about, {"held": dict | None, "taught": list})
    taught, held = about["taught"], about["held"]
    known = [_key(one) for one in taught]
    apart = held and _kind(held) != "shipped" and _key(held) not in known
    return about | {
        "networks": [*taught, held] if apart else taught,
        "chosen": _key(held) if held else None,
    }


def _kind(about: Any) -> Kind:
    said = str(about.get("kind", about.get("source"))) if isinstance(about, dict) else ""
    kind = _OLD_KINDS.get(said, said)
    if kind not in ORDER:
        raise Damaged(f"{kind} is no kind of network")
    return kind


def _key(about: Any) -> str:
    return key_for(_kind(about), str(about.get("id") or about.get("name")))


def _read_mine(about: list, raw: bytes) -> list[Kept]:
    images = np.frombuffer(raw, np.uint8).reshape(len(about), 28, 28)
    return [Kept(one["id"], image, one["name"]) for one, image in zip(about, images, strict=True)]


def _read_lesson(about: dict, network: Network) -> FineTuning:
    arrays = {name: np.array(about[name], np.int64) for name in ("labels", "before", "after")}
    return FineTuning(network=network, **{**about, **arrays})


def _check(about: Any, kinds: dict[str, Any]) -> None:
    """Raise Damaged unless `about` is a dict whose values are of these kinds."""
    for name, kind in kinds.items():
        if not isinstance(about, dict) or not isinstance(about.get(name, _check), kind):
            raise Damaged(f"{name} is not what it should be")


def _read_run(about: dict, raw: bytes, owner: str, now: float) -> Run:
    _check(about, _RUN)
    network, reached = checkpoint.from_bytes(raw)
    ended = about["state"] not in ("waiting", "running", "paused")
    known: dict[str, Any] = {"recipe": Recipe.from_dict(about["recipe"])}
    known |= lineage.from_plain(about)
    return Run(
        id=about["id"],
        owner=owner,
        name=about["name"],
        **known,
        sizes=tuple(about["sizes"]),
        data_name=about["data_name"],
        data_count=about["data_count"],
        snapshot=for_pages(network).snapshot(),
        progress=Progress(**about["progress"]),
        beat=now,
        state=about["state"] if ended or about["state"] == "paused" else "waiting",
        message=about["message"],
        history=History.from_dict(about["history"]),
        reached=None if ended else reached,
    )
