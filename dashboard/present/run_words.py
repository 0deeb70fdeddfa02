"""Run words: what a run costs and what its curves have reached, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def cost(cost: Mapping[str, Any], data: Mapping[str, Any], share: float | None) -> str:
    """Return who computes and how images are read; `share`: of the time, in [0, 1], at work."""
    threads = f"up to {cost['threads']} threads" if cost["threads"] > 1 else "one thread"
    by = {"wasm": "WebAssembly"}.get(cost["kernels"], cost["kernels"])
    return (
        f"Computed by {by} kernels on {threads}; {cost['outside_kernels']:.0%} of the "
        f"time outside them. Images are read {data['path']}: {data['density']:.0%} of the pixels "
        "are not zero."
        + ("" if share is None else f" The engine was at work on this run {share:.0%} of the time.")
    )


def turns(
    wait: tuple[int, float | None] | None, *, visitors: int, places: int, others: int
) -> tuple[str, str] | None:
    """Return whether a run has its turns now or which place in line, and why; None without a line.

    wait: the place, 1 for the next, and about how many seconds yet; None for these where it waits
    for one of `others` runs of the same visitor.
    """
    if wait is None and visitors <= places:
        return None
    place, seconds = wait or (0, 0.0)
    behind = f"{ordinal(place)} in line"
    if seconds is None:
        one = "your other run" if others == 1 else f"one of your {others} other runs"
        return f"Waiting: {behind} of yours", f"It trains as soon as {one} ends or is paused."
    now = f"Waiting: {behind}, {about(seconds)}" if wait else "It has its turns now"
    return now, f"{visitors:,} visitors train here, {places:,} at a time. It goes on by itself."


def shared(others: int, own: int) -> str:
    """Return whom a run's turns are shared with, other visitors and the visitor's own runs."""
    parts = [
        f"another {what}{of}" if count == 1 else f"{count:,} other {what}s{of}"
        for count, what, of in ((others, "visitor", ""), (own, "run", " of yours"))
        if count
    ]
    return f", shared with {' and '.join(parts)}" if parts else ""


def ordinal(number: int) -> str:
    """Return a place as people say it: 1st, 2nd, 3rd, 4th, 11th."""
    tail = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number:,}{tail or 'th'}"


def about(seconds: float) -> str:
    """Return a short wait in words that need not change at every tick."""
    if seconds < 3:
        return "a moment"
    step = 1 if seconds < 8 else 5
    return f"about {step * round(seconds / step)} s"


def curve(
    shown: Sequence[tuple[str, Any]],
    metric: str,
    across: str = "step",
    classes: int | None = None,
) -> str:
    """Return a chart of one metric as a screen reader says it: the latest value of each curve."""
    parts = []
    for name, history in shown:
        for side, words in (("train", "training"), ("val", "validation")):
            value = last(getattr(history, f"{side}_{metric}"))
            if value is not None:
                number = percent(value) if metric == "accuracy" else f"{value:.4f}"
                parts.append(f"{name}, {words}: {number}")
    if classes and metric == "accuracy":
        parts.append(f"guessing among {classes} would reach {percent(1 / classes)}")
    return f"{metric.capitalize()} by {across}. " + ("; ".join(parts) or "No points yet") + "."


def marks(found: Sequence[tuple[float, int, str]], across: str = "step") -> str:
    """Return what a chart's marks say, for a screen reader; across: what its x axis counts."""
    one = across.removesuffix("s")  # "seconds" are many, and a place is one of them
    said = "; ".join(f"{words} from {one} {at:,.4g} on" for at, _, words in found)
    return f" On the way: {said}." if said else ""


def last(values: Sequence[float | None]) -> float | None:
    """Return the latest value, None without any."""
    return values[-1] if values else None


def percent(value: float | None) -> str:
    """Return a share in [0, 1] to a hundredth of a percent."""
    return "–" if value is None else f"{100 * value:.2f} %"
