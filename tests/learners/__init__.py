"""Programs as learners write them, with what is right or wrong about each said beforehand.

All take one small batch through one step of training of the same little network, and return what
their authors would have kept, under names and in shapes of their own. They were written without
having read the catalogue of mistakes that they are shown to, so that it is measured on code that
it was not made for: ten that are right, which nobody may accuse, five with a mistake that is
often made, five with mistakes that are not on anybody's list, and in `questions` ten that remake
what is asked again and again in public.

A program has `run(probe)`, where the probe holds `X` (784 x images, within 0 and 1), `Y` (digits),
`W1`, `b1`, `W2`, `b2` (weights as rows of units, biases as columns) and `learning_rate`. It leaves
the probe as it was. `ANSWER` says whether the program is `right`; if it is not, `first_wrong`
names the first array in the order of computation, among those returned, that does not follow from
the ones before it, and `mistakes` says in words what was done. `hidden`, where it stands, is the
activation of the hidden layer when that is not ReLU; programs in `questions` carry the `name` of
their mistake.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

#: The arrays of one step by the names that answers use, in the order in which they are computed.
ORDER = (
    *("Z1", "A1", "Z2", "A2", "loss", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"),
    *("W1_new", "b1_new", "W2_new", "b2_new"),
)

Run = Callable[[dict[str, Any]], dict[str, Any]]


def programs() -> Iterator[tuple[str, Run, dict[str, Any]]]:
    """Name, `run` and `ANSWER` of every program: the twenty first, then the ten questions."""
    for package in (__name__, f"{__name__}.questions"):
        path = importlib.import_module(package).__path__
        for name in sorted(found.name for found in pkgutil.iter_modules(path) if not found.ispkg):
            module = importlib.import_module(f"{package}.{name}")
            yield name, module.run, module.ANSWER
