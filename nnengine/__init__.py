"""nnengine: a neural network engine written from scratch, from IDX bytes to an answer."""

from . import catalogue
from ._version import __version__
from .augment import Augmentation
from .dataset import Dataset
from .errors import ConfigError, EngineError, FetchError, FormatError
from .events import (
    EpochFinished,
    Evaluated,
    History,
    Progressed,
    StepFinished,
    TrainingDiverged,
    TrainingFinished,
)
from .idx import Idx1, Idx3, read_idx, write_idx
from .minimal import NNetworkMinimal
from .modelfile import load
from .models import shipped
from .network import Network
from .training import TrainingConfig, training

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
    "NNetworkMinimal",
    "Network",
    "Progressed",
    "StepFinished",
    "TrainingConfig",
    "TrainingDiverged",
    "TrainingFinished",
    "__version__",
    "catalogue",
    "load",
    "read_idx",
    "shipped",
    "training",
    "write_idx",
]
