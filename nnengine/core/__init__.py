"""Core: what a network is and how it learns, in NumPy alone. An evening's reading.

In this order: `activations`, `losses`, `layers`, `network`, `optimizers`, `schedules`, `metrics`;
then the loop, `nnengine.training.loop`. `arithmetic` lets quicker functions stand in for formulas.
"""

from .activations import ACTIVATIONS
from .losses import softmax_cross_entropy
from .metrics import evaluate
from .network import INITIALIZERS, Network
from .optimizers import OPTIMIZERS, SGD, Adam, Momentum
from .schedules import SCHEDULES

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adam",
    "Momentum",
    "Network",
    "evaluate",
    "softmax_cross_entropy",
]
