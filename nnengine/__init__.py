"""nnengine: a neural network engine written from scratch, from IDX bytes to an answer."""

import importlib
from typing import TYPE_CHECKING, Any

from . import early as early  # first of all
from . import renamed
from ._version import __version__
from .compat import NNetworkMinimal
from .core.network import Network
from .data import catalogue
from .data.augment import Augmentation
from .data.dataset import Dataset
from .data.idx import Idx1, Idx3, read_idx, write_idx
from .data.idxdataset import IdxDataset
from .errors import ConfigError, EngineError, FetchError, FormatError
from .exchange import load
from .models import shipped
from .notebook import introduce
from .storage import copying as copying  # tells how networks are copied
from .training import TrainingConfig, training
from .training.events import (
    EpochFinished,
    Evaluated,
    History,
    Progressed,
    StepFinished,
    TrainingDiverged,
    TrainingFinished,
)

if TYPE_CHECKING:
    from .homework.checking import check as check

__all__ = [
    "Augmentation",
    "ConfigError",
    "Dataset",
    "EngineError",
    "EpochFinished",
    "Evaluated",
    "FetchError",
    "FormatError",
    "History",
    "Idx1",
    "Idx3",
    "IdxDataset",
    "NNetworkMinimal",
    "Network",
    "Progressed",
    "StepFinished",
    "TrainingConfig",
    "TrainingDiverged",
    "TrainingFinished",
    "__version__",
    "catalogue",
    "check",
    "load",
    "read_idx",
    "shipped",
    "training",
    "write_idx",
]


training = renamed.takes_old_names(training)
renamed.find_moved_modules()
introduce()  # how notebooks show data, networks and curves


def __getattr__(name: str) -> Any:
    """Return a module by the name it had in earlier versions, and `check` once it is asked for."""
    if name == "check":
        return importlib.import_module(f"{__name__}.homework.checking").check
    if name in renamed.MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
