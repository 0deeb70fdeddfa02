"""The other layers of a mini-batch: rows of units, an image each, in whole vectors of sixteen."""

from __future__ import annotations

import math

import numpy as np

from .compiling import part, within
from .simd import (
    LANES,
    ROWS,
    add_row_products,
    exponential,
    load,
    multiply,
    multiply_add,
    no_rows,
    splat,
    store,
    store_sums,
    subtract,
)


@part
def rows_forward(a, fan_in, stride, n, w, reach, b, z):
    """z = a @ w + b for n rows; all flat. Rows of a have `stride`, of w `reach`, of z b.size.

    Six rows and 64 units at a time: 24 sums in registers, and every weight that was fetched
    serves six of them. The last rows are done again where n is no multiple of six.
    """
    width = b.size
    wide = width - width % (ROWS * LANES)
    for lane in range(0, wide, ROWS * LANES):
        start = add_row_products(no_rows(), splat(1), b, lane)
        for i in range(0, n, 6):
            r0, r1, r2, r3, r4, r5 = _six_rows(i, n)
            s0, s1, s2, s3, s4, s5 = start, start, start, start, start, start
            for j in range(fan_in):
                at = j * reach + lane
                s0 = add_row_products(s0, splat(a[r0 * stride + j]), w, at)
                s1 = add_row_products(s1, splat(a[r1 * stride + j]), w, at)
                s2 = add_row_products(s2, splat(a[r2 * stride + j]), w, at)
                s3 = add_row_products(s3, splat(a[r3 * stride + j]), w, at)
                s4 = add_row_products(s4, splat(a[r4 * stride + j]), w, at)
                s5 = add_row_products(s5, splat(a[r5 * stride + j]), w, at)
            store_sums(z, r0 * width + lane, s0)
            store_sums(z, r1 * width + lane, s1)
            store_sums(z, r2 * width + lane, s2)
            store_sums(z, r3 * width + lane, s3)
            store_sums(z, r4 * width + lane, s4)
            store_sums(z, r5 * width + lane, s5)
    for lane in range(wide, width, LANES):
        for i in range(0, n, 6):
            r0, r1, r2, r3, r4, r5 = _six_rows(i, n)
            s0 = load(b, lane)
            s1, s2, s3, s4, s5 = s0, s0, s0, s0, s0
            for j in range(fan_in):
                row = load(w, j * reach + lane)
                s0 = multiply_add(splat(a[r0 * stride + j]), row, s0)
                s1 = multiply_add(splat(a[r1 * stride + j]), row, s1)
                s2 = multiply_add(splat(a[r2 * stride + j]), row, s2)
                s3 = multiply_add(splat(a[r3 * stride + j]), row, s3)
                s4 = multiply_add(splat(a[r4 * stride + j]), row, s4)
                s5 = multiply_add(splat(a[r5 * stride + j]), row, s5)
            store(z, r0 * width + lane, s0)
            store(z, r1 * width + lane, s1)
            store(z, r2 * width + lane, s2)
            store(z, r3 * width + lane, s3)
            store(z, r4 * width + lane, s4)
            store(z, r5 * width + lane, s5)


@within
def _six_rows(i, n):
    """Return rows i, ..., i + 5 of n, the last one for all that are beyond it."""
    last = n - 1
    return (
        i,
        min(i + 1, last),
        min(i + 2, last),
        min(i + 3, last),
        min(i + 4, last),
        min(i + 5, last),
    )


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
