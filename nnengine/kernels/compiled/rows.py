"""The other layers of a mini-batch: rows of units, an image each, in whole vectors of sixteen."""

from __future__ import annotations

import math

import numpy as np

from .compiling import part
from .simd import LANES, exponential, load, multiply, splat, store, subtract
from .tiles import (
    BLOCK,
    SHARING,
    SHARING_NARROW,
    add_block_products,
    block,
    narrow_block,
    narrow_rows_from,
    rows_from,
    store_block,
)


@part
def rows_forward(a, fan_in, stride, n, w, reach, b, z):
    """z = a @ w + b for n rows; all flat. Rows of a have `stride`, of w `reach`, of z b.size.

    Six rows and 64 units at a time: 24 sums in registers, and every weight that was fetched
    serves six of them. The last row is done again where n is no multiple of six. Where registers
    are shorter it is sixteen units.
    """
    width = b.size
    wide = width - width % (BLOCK * LANES)
    for lane in range(0, wide, BLOCK * LANES):
        for i in range(0, n, SHARING):
            rows, sums = rows_from(i, n, stride), block(b, lane)
            for j in range(fan_in):
                sums = add_block_products(sums, a, rows, j, w, j * reach + lane)
            store_block(z, rows_from(i, n, width), lane, sums)
    for lane in range(wide, width, LANES):
        for i in range(0, n, SHARING_NARROW):
            rows, sums = narrow_rows_from(i, n, stride), narrow_block(b, lane)
            for j in range(fan_in):
                sums = add_block_products(sums, a, rows, j, w, j * reach + lane)
            store_block(z, narrow_rows_from(i, n, width), lane, sums)


@part
def rows_softmax(z, classes, width, labels, weight, dz):
    """Put the gradients of logits z into dz, zeros in spare lanes; return (loss, right)."""
    loss, correct, product = 0.0, 0, 1.0
    for i in range(labels.size):
        row, odds, label = z[i * width :], dz[i * width : (i + 1) * width], np.int64(labels[i])
        most, first = row[label], True
        for k in range(classes):
            first &= row[k] < most or (row[k] == most and k >= label)
            most = max(most, row[k])
        correct += first
        loss += most - row[label]
        for lane in range(0, width, LANES):
            store(odds, lane, exponential(subtract(load(row, lane), splat(most))))
        whole = np.float32(0)
        for k in range(classes):
            whole += odds[k]
        for k in range(classes, width):
            odds[k] = 0
        product *= np.float64(whole)
        if not product < 1e100 or i == labels.size - 1:
            # The logarithm of a product is the sum of the logarithms, and one is cheaper than many.
            loss += math.log(product)
            product = 1.0
        share = splat(weight / whole)
        for lane in range(0, width, LANES):
            store(odds, lane, multiply(load(odds, lane), share))
        odds[label] -= weight
    return loss, correct
