"""Words: numbers as a page says them."""

from __future__ import annotations

from collections.abc import Sequence


def size(count: int) -> str:
    """Return a number of bytes in words: `9.7 MB`, thousands as shops and disks count them."""
    for unit, worth in (("MB", 10**6), ("kB", 10**3)):
        if count >= worth:
            amount = count / worth
            return f"{amount:.1f} {unit}" if amount < 100 else f"{amount:,.0f} {unit}"
    return f"{count} bytes"


def sides(shape: Sequence[int]) -> str:
    """Return the sides of an image, (h, w) or in colour (h, w, 3): `32 × 32 in colour`."""
    return " × ".join(map(str, shape[:2])) + " in colour" * (len(shape) == 3)


def share(value: float) -> str:
    """Return a share in [0, 1] as `92 %`; 99.9 % and more is never called certainty."""
    if 0.995 <= value < 1:
        return "over 99\u00a0%"
    if 0 < value < 0.005:
        return "under 1\u00a0%"
    return f"{value:.0%}".replace("%", "\u00a0%")  # the sign stays with its number
