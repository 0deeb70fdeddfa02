"""Rates: what a learning-rate range test found, in words."""

from __future__ import annotations

from collections.abc import Sequence

from nnengine.training.rates import Tried, suggested


def in_words(tried: Sequence[Tried]) -> str:
    """Return what the curve shows, as a sentence."""
    best, rate = min(tried, key=lambda one: one.smoothed), suggested(tried)
    if rate is None:
        return "No rate brought the loss down: try another optimizer or network."
    return (
        f"The loss fell furthest, to {best.smoothed:.2f}, near a rate of {best.rate:.2g}: a tenth "
        f"of that, {rate:g}, leaves room for a whole run."
    )
