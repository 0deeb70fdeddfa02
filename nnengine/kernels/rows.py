"""The other layers of a mini-batch: rows of units, an image each, in whole vectors of sixteen."""

from __future__ import annotations

import math

import numpy as np

from .compiling import part
from .simd import (
    LANES,
    ROWS,
    add,
    add_products,
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
def rows_forward(a, fan_in, stride, n, w, b, z):
    """z = a @ w + b for n rows; all flat. Rows of a have `stride`, those of w and z b.size.

    Four rows and 64 units at a time: sixteen sums in registers, and every weight that was fetched
    serves four of them. The last rows are done again where n is no multiple of four.
    """
    width = b.size
    wide = width - width % (ROWS * LANES)
    for lane in range(0, wide, ROWS * LANES):
        start = add_row_products(no_rows(), splat(1), b, lane)
        for i in range(0, n, 4):
            r0, r1, r2, r3 = i, min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
            s0, s1, s2, s3 = start, start, start, start
            for j in range(fan_in):
                at = j * width + lane
                s0 = add_row_products(s0, splat(a[r0 * stride + j]), w, at)
                s1 = add_row_products(s1, splat(a[r1 * stride + j]), w, at)
                s2 = add_row_products(s2, splat(a[r2 * stride + j]), w, at)
                s3 = add_row_products(s3, splat(a[r3 * stride + j]), w, at)
            store_sums(z, r0 * width + lane, s0)
            store_sums(z, r1 * width + lane, s1)
            store_sums(z, r2 * width + lane, s2)
            store_sums(z, r3 * width + lane, s3)
    for lane in range(wide, width, LANES):
        for i in range(0, n, 4):
            r0, r1, r2, r3 = i, min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
            s0 = load(b, lane)
            s1 = s0
            s2 = s0
            s3 = s0
            for j in range(fan_in):
                row = load(w, j * width + lane)
                s0 = multiply_add(splat(a[r0 * stride + j]), row, s0)
                s1 = multiply_add(splat(a[r1 * stride + j]), row, s1)
                s2 = multiply_add(splat(a[r2 * stride + j]), row, s2)
                s3 = multiply_add(splat(a[r3 * stride + j]), row, s3)
            store(z, r0 * width + lane, s0)
            store(z, r1 * width + lane, s1)
            store(z, r2 * width + lane, s2)
            store(z, r3 * width + lane, s3)


@part
def rows_backward(a, fan_in, stride, n, width, dz, units, dw, db, spare):
    """dw += a.T @ dz, db += column sums. dw: rows of `units`; spare: 256 floats."""
    wide = width - width % (ROWS * LANES)
    for lane in range(0, width, LANES):
        total = splat(0)
        for i in range(n):
            total = add(total, load(dz, i * width + lane))
        store(spare, 0, total)
        for k in range(min(LANES, units - lane)):
            db[lane + k] += spare[k]
    for j in range(0, fan_in, 4):
        for lane in range(0, wide, ROWS * LANES):
            s0, s1, s2, s3 = no_rows(), no_rows(), no_rows(), no_rows()
            for i in range(n):
                at, row = i * stride + j, i * width + lane
                s0 = add_row_products(s0, splat(a[at]), dz, row)
                s1 = add_row_products(s1, splat(a[at + 1]), dz, row)
                s2 = add_row_products(s2, splat(a[at + 2]), dz, row)
                s3 = add_row_products(s3, splat(a[at + 3]), dz, row)
            store_sums(spare, 0, s0)
            store_sums(spare, ROWS * LANES, s1)
            store_sums(spare, 2 * ROWS * LANES, s2)
            store_sums(spare, 3 * ROWS * LANES, s3)
            _add_rows(spare, ROWS * LANES, min(4, fan_in - j), lane, units, dw[j * units :])
        for lane in range(wide, width, LANES):
            sums = no_rows()
            for i in range(n):
                sums = add_products(sums, load(dz, i * width + lane), a, i * stride + j)
            store_sums(spare, 0, sums)
            _add_rows(spare, LANES, min(4, fan_in - j), lane, units, dw[j * units :])


@part
def _add_rows(sums, width, rows, lane, units, dw):
    """Add rows of sums to dw, at units from `lane` on; spare lanes are left out."""
    here = min(width, units - lane)
    for t in range(rows):
        target, source = dw[t * units + lane : t * units + lane + here], sums[t * width :]
        for k in range(here):
            target[k] += source[k]


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
