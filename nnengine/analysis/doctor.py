"""Doctor: what is wrong with a run, in plain words, with the evidence and one change to mend it.

Pure functions over what `signals` recorded, the curves and the settings: all of it stands in the
record of a run, so that a run is examined while it goes on, after it, or from a file. Causes come
before their symptoms: the first finding is the one to act on. The faults are those that
DeepDiagnosis (Wardat et al. 2022) and UMLAUT (Schoop et al. 2021) look for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from ..core.network import Network
from ..errors import FormatError
from .case import Case, Finding
from .dataquestions import (
    classes_missing,
    duplicates,
    inverted,
    labels_shifted,
    labels_shuffled,
    one_class_of_data,
    pixels_scaled,
    standardised,
)
from .runquestions import (
    batch_too_large,
    bottleneck,
    dead_units,
    even_start,
    flat_loss,
    loss_exploding,
    rate_too_high,
    rate_too_low,
    saturation,
    single_class,
    too_few_steps,
    validation_turning,
    vanishing_gradients,
)

__all__ = ["Case", "Diagnosed", "Finding", "causes", "examine", "examined", "of_curve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """After `step` these are the findings, others than before: an event of `examined`."""

    step: int
    findings: tuple[Finding, ...]


def examine(record: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with a run, the cause first; nothing for a healthy one.

    record: the last of `network.training`, of a run whose events went through `signals.recorded`.
    Raises FormatError where it holds no signals, or others than are known here.
    """
    try:
        case = Case(record)
        found = [finding for ask in QUESTIONS if (finding := ask(case))]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            f"the run's record holds no signals that can be read ({type(error).__name__}): train "
            "again, and they are recorded"
        ) from None
    return list(_ranked(found))


def examined(events: Generator[Any, None, None], network: Network) -> Generator[Any, None, None]:
    """Yield the same events, and `Diagnosed` behind each after which the findings are others.

    events: those of `signals.recorded` for this network; closing it closes them.
    """
    known: tuple[str, ...] = ()
    with closing(events):
        for event in events:
            yield event
            if not (hasattr(event, "train_loss") or hasattr(event, "advice")):
                continue
            found = tuple(examine(network.training[-1])) if network.training else ()
            if (names := tuple(finding.name for finding in found)) != known:
                known = names
                yield Diagnosed(step=event.step, findings=found)


def of_curve(
    losses: Sequence[float], accuracy: float | None = None, classes: int = 10
) -> Finding | None:
    """Return what losses alone show of a run that ended, the cause first; None for nothing.

    It names no remedy: which settings there were, a curve does not say.
    """
    case = Case.of_curve(losses, accuracy or 0.0, classes)
    found = next(
        (f for ask in (loss_exploding, too_few_steps, flat_loss) if (f := ask(case))), None
    )
    return found and replace(found, remedy="", change={})


def causes(symptom: str) -> list[str]:
    """Return what may be behind a finding, in the order in which it is asked."""
    names = [ask.__name__ for ask in QUESTIONS]
    return [name for name in names if name != symptom and symptom in EXPLAINS.get(name, ())]


def _ranked(found: list[Finding]) -> Iterator[Finding]:
    """Yield findings but for those that another one, said before them, explains."""
    explained: set[str] = set()
    for finding in found:
        if finding.name not in explained:
            yield finding
        explained |= EXPLAINS.get(finding.name, set())


# In this order: what is wrong with the data is asked first, then with the start, with the steps,
# with their number; a cause before what follows from it.
QUESTIONS: tuple[Callable[[Case], Finding | None], ...] = (
    one_class_of_data, classes_missing, pixels_scaled, inverted, standardised, labels_shuffled,
    labels_shifted, duplicates, even_start, bottleneck, loss_exploding, rate_too_high, saturation,
    vanishing_gradients, dead_units, single_class, rate_too_low, batch_too_large, too_few_steps,
    flat_loss, validation_turning,
)  # fmt: skip

_STUCK = {"dead_units", "single_class", "flat_loss", "vanishing_gradients", "saturation",
          "rate_too_low", "batch_too_large", "too_few_steps", "validation_turning"}  # fmt: skip
# What each explains, and is therefore not said besides.
EXPLAINS: dict[str, set[str]] = {
    "one_class_of_data": {*_STUCK, "bottleneck"},
    "labels_shuffled": {*_STUCK, "labels_shifted"},
    "labels_shifted": {"validation_turning"},
    "pixels_scaled": {*_STUCK, "loss_exploding", "rate_too_high"},
    "inverted": {"validation_turning"},
    "standardised": {"validation_turning"},
    "flat_loss": _STUCK,
    "bottleneck": _STUCK,
    "loss_exploding": {*_STUCK, "rate_too_high"},
    "rate_too_high": _STUCK,
    "saturation": _STUCK,
    "vanishing_gradients": _STUCK,
    "dead_units": _STUCK,
    "single_class": _STUCK,
    "rate_too_low": _STUCK,
    "batch_too_large": {"too_few_steps", "flat_loss"},
    "too_few_steps": {"flat_loss"},
}
