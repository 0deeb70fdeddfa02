"""Naming: files of images that no mark tells, known by their first bytes and size together."""

from __future__ import annotations

from ..idxheader import is_magic

# A label or two, then 32 x 32 pixels of red, of green, of blue (Krizhevsky 2009, "binary version").
_PIXELS = 3 * 32 * 32
_CIFAR = (("CIFAR-10", (10,)), ("CIFAR-100", (20, 100)))


def without_a_mark(head: bytes, size: int | None) -> str | None:
    """Return what a file is, and the way out, where it has no beginning of its own; else None.

    size: of the whole file in bytes, where that is known.
    """
    if not size or is_magic(head[:4]):
        return None
    for name, labels in _CIFAR:
        row = len(labels) + _PIXELS
        if size % row == 0 and all(byte < most for byte, most in zip(head, labels, strict=False)):
            return (
                f"{name}'s binary version by its size, {size // row:,} rows of {row:,} bytes: "
                f"a = numpy.fromfile(file, 'u1').reshape(-1, {row}); numpy.savez('data.npz', "
                f"x=a[:, {len(labels)}:].reshape(-1, 3, 32, 32), y=a[:, {len(labels) - 1}])"
            )
    return None
