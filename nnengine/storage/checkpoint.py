"""Checkpoint: a run under way as bytes and back, so that it can go on after its program has ended.

A zip like a model's: ``network.npz``, the model itself with its training record; ``course.json``,
{"step": ..., "cost": ...}, for a model keeps no cost; and one .npy for each array the optimizer
carries. Nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile

import numpy as np

from ..core.network import Network
from ..data import writing
from ..data.limits import MAX_MODEL_BYTES
from ..data.npy import npy_bytes, read_head, read_values
from ..errors import FormatError
from ..training.state import TrainingState
from . import modelfile, modelheader, records

_MOST_ARRAYS = 8
_DAY_ONE = (1980, 1, 1, 0, 0, 0)
_DAMAGED = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError)


def to_bytes(network: Network, state: TrainingState) -> bytes:
    """Return a run as it stands between two events of `training`.

    Raises ConfigError where weights are not finite.
    """
    cost = network.training[-1].get("cost") if network.training else None
    members = {
        "network.npz": modelfile.to_bytes(network),
        "course.json": json.dumps({"step": state.step, "cost": cost}).encode(),
        **{f"{name}.npy": npy_bytes(array) for name, array in state.arrays.items()},
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DAY_ONE), data)
    return stream.getvalue()


def save(network: Network, state: TrainingState, target: str | os.PathLike[str]) -> None:
    """Write a checkpoint to a path, whole or not at all; raises as `to_bytes` does, and OSError."""
    writing.write(target, to_bytes(network, state))


def from_bytes(data: bytes, *, max_bytes: int = MAX_MODEL_BYTES) -> tuple[Network, TrainingState]:
    """Return network and state, to be given to `training` with the data and settings of before.

    Raises FormatError for anything but a whole checkpoint of at most `max_bytes`.
    """
    if len(data) > max_bytes:
        raise FormatError(f"a checkpoint of more than {max_bytes:,} bytes: begin the run anew")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in _members(archive, len(data))}
        about = modelheader.parsed(members.pop("course.json"), "course.json")
        network = modelfile.load(members.pop("network.npz"), max_bytes=max_bytes)
        step, cost = about["step"], about["cost"]
    except FormatError:
        raise
    except _DAMAGED as error:
        raise FormatError(f"a damaged checkpoint ({error}): begin the run anew") from None
    if type(step) is not int or not 0 <= step < 2**53:
        raise FormatError(f"a checkpoint of step {str(step)[:20]}: begin the run anew")
    if network.training and cost is not None:
        run = network.training[-1]
        cost = records.checked_cost(cost, run.get("data"), "course.json")
        network.training = (*network.training[:-1], {**run, "cost": cost})
    arrays = {name.removesuffix(".npy"): _array(raw, name) for name, raw in members.items()}
    return network, TrainingState(step, arrays)


def _members(archive: zipfile.ZipFile, most: int) -> list[zipfile.ZipInfo]:
    """Return the members, which are stored as they are and together no larger than the whole."""
    found = archive.infolist()
    packed = any(info.compress_type != zipfile.ZIP_STORED for info in found)
    together = sum(max(info.file_size, info.compress_size) for info in found)
    if len(found) > _MOST_ARRAYS + 2 or packed or together > most:
        raise FormatError("a zip that is no checkpoint: begin the run anew")
    return found


def _array(raw: bytes, name: str) -> np.ndarray:
    stream = io.BytesIO(raw)
    head = read_head(stream, name, kinds=("f4", "f8"))
    needed, held = math.prod(head.shape) * head.dtype.itemsize, len(raw) - stream.tell()
    if needed != held:  # before memory is set aside for them
        raise FormatError(
            f"{name} holds {held:,} bytes of values, its shape needs {needed:,}: begin the run anew"
        )
    array = read_values(stream, head, name)
    if not np.isfinite(array).all():
        raise FormatError(f"{name} holds values that are not finite: begin the run anew")
    return array
