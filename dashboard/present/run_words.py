"""Run words: what a run costs and what its curves have reached, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnengine.training import History


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


def curve(shown: Sequence[tuple[str, History]], metric: str) -> str:
    """Return a chart of one metric as a screen reader says it: the latest value of each curve."""
    parts = []
    for name, history in shown:
        for side, words in (("train", "training"), ("val", "validation")):
            value = last(getattr(history, f"{side}_{metric}"))
            if value is not None:
                number = percent(value) if metric == "accuracy" else f"{value:.4f}"
                parts.append(f"{name}, {words}: {number}")
    return f"{metric.capitalize()} by step. " + ("; ".join(parts) or "No points yet") + "."


def last(values: Sequence[float | None]) -> float | None:
    """Return the latest value, None without any."""
    return values[-1] if values else None


def percent(value: float | None) -> str:
    """Return a share in [0, 1] to a hundredth of a percent."""
    return "–" if value is None else f"{100 * value:.2f} %"
