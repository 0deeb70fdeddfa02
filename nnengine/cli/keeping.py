"""Keeping: what is left of a run whenever and however it ends, and how it goes on from there.

A run that writes to m.npz has m.npz.checkpoint beside it from its first minute on: weights, what
the optimizer carries, the curves. It is renewed on a timer and once more when a signal ends the
run, and goes when m.npz holds the whole run's weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.network import Network
from ..data import writing
from ..data.dataset import Dataset
from ..errors import ConfigError, EngineError, FormatError
from ..storage import checkpoint, modelfile
from ..training import TrainingConfig, TrainingState
from ..training.settings import SETTINGS
from .ends import note

CHECKPOINT = ".checkpoint"
EVERY_S = 60.0  # what is lost at most, where a checkpoint of a large network takes 0.1 s
_NAME_BYTES = 255  # of a file's name at most


def beside(out: str) -> Path:
    """Return where the checkpoint of a run that writes to `out` lies: beside that very file."""
    place = Path(os.path.realpath(out) if os.path.islink(out) else out)
    name = os.fsencode(f"{place.name}{CHECKPOINT}")
    if len(name) <= _NAME_BYTES:
        return place.with_name(f"{place.name}{CHECKPOINT}")
    digest = hashlib.sha256(name).hexdigest()[:12]
    return place.with_name(f"{name[:200].decode(errors='ignore')}.{digest}{CHECKPOINT}")


class Kept:
    """A run, and what is kept of it in the file `out`, None for nothing, and beside it."""

    def __init__(
        self,
        network: Network,
        data: Dataset,
        test: Dataset | None,
        config: TrainingConfig,
        out: str | None,
    ) -> None:
        self.network, self.state = network, TrainingState()
        self.data, self.test, self.config = data, test, config
        self.out = out
        self.resumed_at: int | None = None
        self.recorded = False  # in the store of runs, too
        self._place: Path | None = None  # where a checkpoint may be put
        self._every_s = self._next = 0.0
        self._ours = True  # no other run's checkpoint lies where this one's will
        self._told = False

    def prepare(self, every_s: float, *, resume: bool) -> None:
        """Find out whether all can be written, and take up the run that was broken off.

        Raises ConfigError, FormatError or OSError for what would go wrong after hours otherwise.
        """
        if self.out is None:
            if resume and not self.recorded:
                raise ConfigError(
                    "--resume goes on from the checkpoint beside --out, or from the run kept by "
                    "--keep: give --out or --keep"
                )
            return
        modelfile.check_target(self.network, self.out)
        if not writing.is_stream(self.out):
            place = beside(self.out)
            if every_s:
                writing.check(place)
                self._place, self._every_s = place, every_s
            if place.is_file():
                self._find(place, resume)
            elif resume:
                note(f"{place}: there is none: the run begins")
        elif resume:
            raise ConfigError(f"--resume: beside {self.out} there can be no checkpoint")
        self._next = time.monotonic() + self._every_s

    def fits(self, network: Network, place: str) -> None:
        """Raise ConfigError unless the run of `network`, kept at `place`, is the one asked for."""
        run = network.training[-1] if network.training else {}
        _check_data(place, run, self)
        _check_settings(place, network, run, self)

    def go_on(self, network: Network, state: TrainingState, place: str) -> None:
        """Take up the run that was kept at `place`."""
        self.network, self.state, self.resumed_at = network, state, state.step
        note(f"{place}: going on after {state.step:,} iterations")

    def _find(self, place: Path, resume: bool) -> None:
        """Go on with the run of a checkpoint, or say that there is one."""
        if resume:
            self.go_on(*_taken_up(place, self), str(place))
            return
        if self.resumed_at is not None:
            return  # the store has the same run, and at most ten seconds less of it
        self._ours = False
        note(f"{place}: a run that was broken off; --resume goes on with it, this one replaces it")

    def keep_if_due(self) -> None:
        """Write a checkpoint if the last one is some time ago; a full disk does not end the run."""
        if self._place is None or time.monotonic() < self._next:
            return
        try:
            self._keep()
        except OSError as error:
            if not self._told:
                note(f"{error.filename}: {error.strerror}; training goes on without a checkpoint")
            self._told = True
        self._next = time.monotonic() + self._every_s

    def _keep(self) -> None:
        if self._place is not None and self.state.step:
            with contextlib.suppress(ConfigError):  # weights gone bad: the run is about to say so
                checkpoint.save(self.network, self.state, self._place)
                self._ours = True

    def break_off(self) -> str:
        """Keep what there is of a run that did not come to its end; return what, in words.

        A checkpoint of an earlier run is replaced on the timer alone: whoever stops a run at once
        because it should have been resumed can still do that.
        """
        said = self._save()
        if self.out is None or self._place is None or not self.state.step:
            return said
        if not self._ours:
            return f"{said}; {self._place} is still the earlier run's"
        try:
            self._keep()
        except OSError as error:
            return f"{said}; {error.filename}: {error.strerror}"
        return f"{said}, and --resume goes on from there"

    def finish(self) -> str:
        """Save the network of a run that is over, and let go of its checkpoint; return the same."""
        said = self._save()
        if self.out is not None and (self._place or self.resumed_at is not None):
            with contextlib.suppress(OSError):
                beside(self.out).unlink(missing_ok=True)
        return said

    def _save(self) -> str:
        if self.out is None:
            return ", nothing was saved (no --out)"
        try:
            self.network.save(self.out)
        except OSError as error:
            where = _rescued(self.network, self.out) or self._left()
            raise OSError(error.errno, f"{error.strerror}; {where}", error.filename) from error
        return f"; the weights it had by then are in {self.out}"

    def _left(self) -> str:
        if self._place is not None and self._ours and self._place.exists():
            return f"{self._place} has the last checkpoint: make room, and go on with --resume"
        return "the network could not be saved elsewhere either"


def _rescued(network: Network, out: str) -> str:
    """Save a network among temporary files; return where, in words, or nothing."""
    with contextlib.suppress(OSError):
        folder = tempfile.mkdtemp(prefix="nnengine-")
        place = os.path.join(folder, f"network{Path(out).suffix or '.npz'}")
        try:
            network.save(place)
        except OSError:
            os.rmdir(folder)
            raise
        return f"the network is in {place}"
    return ""


# Going on ----------------------------------------------------------------------------------


def _taken_up(place: Path, asked: Kept) -> tuple[Network, TrainingState]:
    """Return the network and state of a checkpoint; ConfigError unless it is the run asked for."""
    try:
        network, state = checkpoint.from_bytes(place.read_bytes())
    except FormatError as error:
        raise FormatError(f"{place}: {error}, without --resume") from None
    except EngineError as error:
        raise type(error)(f"{place}: {error}") from None
    asked.fits(network, str(place))
    return network, state


def _check_data(place: str, run: Mapping[str, Any], asked: Kept) -> None:
    test = None if asked.test is None else asked.test.digest
    for key, found, words in (
        ("data_digest", asked.data.digest, "trained on"),
        ("validation_digest", test, "measured with"),
    ):
        if run.get(key) != found:
            raise ConfigError(
                f"{place}: that run was {words} other images: give those, or begin anew without "
                "--resume"
            )


def _check_settings(place: str, network: Network, run: Mapping[str, Any], asked: Kept) -> None:
    """Raise ConfigError with the options to be given, where a run was begun with others."""
    config = run.get("config")
    begun = _of_network(network) | (config if isinstance(config, dict) else {})
    wanted = _of_network(asked.network) | asked.config.as_dict()
    other = [name for name in wanted if name in begun and begun[name] != wanted[name]]
    if other:
        raise ConfigError(
            f"{place}: that run was begun with {', '.join(_option(n, begun[n]) for n in other)}: "
            "give the same, or begin anew without --resume"
        )


def _of_network(network: Network) -> dict[str, Any]:
    hidden = network.activations[:-1]  # the one asked for stands where there is something to act on
    return {
        "layers": network.description,
        "activation": next((a for a in hidden if a != "identity"), hidden[0] if hidden else None),
        "dtype": str(network.dtype),
    }


def _option(name: str, value: Any) -> str:
    row = SETTINGS.get(name)
    option = row.options[0] if row and row.options else f"--{name.replace('_', '-')}"
    words = shlex.quote(str(value))
    if row:
        words = row.write(None) if value is None else row.note(value)[1]
    return f"{option} {words}" if words else f"no {option}"
