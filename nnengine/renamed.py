"""Renamed: what earlier versions called things, so that whatever was written for them still works.

One table for all who read names: keyword arguments, records in model files, checkpoints and
browsers, links, the command line; and one for modules.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

SETTINGS = {"optimiser": "optimizer", "initialisation": "initializer"}
# Below `nnengine`: where each module was in versions before 0.2, and where it is.
MODULES = {
    "activations": "core.activations",
    "augment": "data.augment",
    "calibration": "analysis.calibration",
    "catalogue": "data.catalogue",
    "checkpoint": "storage.checkpoint",
    "cost": "training.record",
    "course": "training.state",
    "dataset": "data.dataset",
    "drawing": "data.framing",
    "events": "training.events",
    "fetch": "data.fetch",
    "forms": "data.readers",
    "fragility": "analysis.robustness",
    "idx": "data.idx",
    "layers": "core.layers",
    "linkfile": "storage.links",
    "losses": "core.losses",
    "metrics": "core.metrics",
    "minimal": "compat",
    "modelfile": "storage.modelfile",
    "network": "core.network",
    "npy": "data.npy",
    "optimisers": "core.optimizers",
    "pen": "data.pen",
    "sources": "data.sources",
    "synthetic": "data.synthetic",
    "teaching": "analysis.finetuning",
}
# In modules asked for by an old name: what was called otherwise there.
NAMES = {
    "training.state": {"Course": "TrainingState"},
    "training.record": {"Cost": "Timings"},
    "core.optimizers": {"OPTIMISERS": "OPTIMIZERS"},
    "core.network": {"INITIALISATIONS": "INITIALIZERS"},
    "analysis.finetuning": {
        "Lesson": "FineTuning",
        "LessonStep": "FineTuningStep",
        "teach": "fine_tune",
        "teaching": "fine_tuning",
    },
    "analysis.robustness": {"Fragility": "Robustness", "fragility": "robustness"},
}
ARGUMENTS = {**SETTINGS, "course": "state"}  # of functions


def by_new_names(settings: Mapping[str, T]) -> dict[str, T]:
    """Return the same settings under today's names; one that has both keeps the new one's."""
    kept = {SETTINGS.get(name, name): value for name, value in settings.items()}
    return kept | {name: value for name, value in settings.items() if name not in SETTINGS}


def takes_old_names(function: Callable[..., T]) -> Callable[..., T]:
    """Return the function such that keyword arguments may have the names they once had."""

    @functools.wraps(function)
    def call(*arguments: Any, **settings: Any) -> T:
        new = {ARGUMENTS[name]: settings.pop(name) for name in ARGUMENTS if name in settings}
        return function(*arguments, **{**new, **settings})

    return call


class _Moved(MetaPathFinder, Loader):
    """Finds modules where they are when they are asked for where they were."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, rest = name.partition(".")
        first, dot, below = rest.partition(".")
        if package != __package__ or first not in MODULES:
            return None
        return ModuleSpec(name, self, origin=f"{package}.{MODULES[first]}{dot}{below}")

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(str(spec.origin))
        for old, new in NAMES.get(str(spec.origin).partition(".")[2], {}).items():
            setattr(module, old, getattr(module, new))
        spec.loader_state = module.__spec__  # which the import is about to replace
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = module.__spec__.loader_state if module.__spec__ else None


def find_moved_modules() -> None:
    """Have Python find modules by their old names too, from now on."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        # First: folders of an earlier version may still stand there, with nothing in them but what
        # Python kept of them.
        sys.meta_path.insert(0, _Moved())
