"""Taken: which networks the kernels of windows take, and how these are told of them."""

from __future__ import annotations

from typing import Any

LARGEST = 1 << 18  # numbers of an image, of all layers together: some 50 MB a thread
MOST_AT_NORMS = 1 << 23  # numbers of a batch that waits at norms, of all layers: some 100 MB
KNOWN = ("conv", "dense", "pool", "average", "dropout", "norm", "flatten")


def too_much(network: Any) -> str:
    """Return, in words, what of a `Network` kernels of windows do not take; "" for nothing."""
    for spec in network.specs:
        if spec.kind not in KNOWN:
            return f"layer {spec.kind}"
    large = sum(network.sizes) > LARGEST or network.parameter_count > 16 * LARGEST
    return "layers as large as these" if large else ""


def too_many(network: Any, images: int) -> str:
    """Return the same of training on batches of so many images.

    Norms take statistics of a piece of a batch, as `Network.piece_images` has it: kernels, of a
    batch of one piece.
    """
    norms = any(spec.kind == "norm" for spec in network.specs)
    large = images > network.piece_images or images * sum(network.sizes) > MOST_AT_NORMS
    return "norms over batches as large as these" if norms and large else ""


def described(network: Any) -> tuple:
    """Return a `Network`'s layers as kernels take them."""
    return network.specs, network.shape, network.kinds
