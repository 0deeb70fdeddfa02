"""Tiles: vectors of sums that stay in registers while many products are added to them.

Who takes a weight from memory once and uses it for several sums is bound by arithmetic, not by
loads. A tile is a row of vectors; a block has such a row for each of several images.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import (
    ALIGNMENT,
    LANES,
    LLVM_TYPE,
    LONG,
    PART,
    address,
    fused,
    part_vector,
    shuffled,
    spread,
    vector,
)

TILE = 10  # sums kept in registers side by side: AVX-512 has 32 of them
ROWS = 4  # the same for rows: 64 units
# Tiles of rows side by side. A processor without AVX-512 has room for half as many sums, and what
# it has no register for goes through memory at every row: an epoch of 784-128-10 took 1.10 and 1.18
# times as long at batch 64 and 128, one of 784-512-256-10 1.31 times (benchmarks/before.py).
SIDES = 2 if LONG else 1


def _zeros(count, lanes):
    """Return an intrinsic that gives so many vectors, all zero: a tile of sums."""
    tile = types.UniTuple(lanes, count)

    def zeros(typing):
        def generate(context, builder, signature, arguments):
            zero = ir.Constant(context.get_value_type(lanes), None)
            sums = ir.Constant(context.get_value_type(tile), ir.Undefined)
            for t in range(count):
                sums = builder.insert_value(sums, zero, t)
            return sums

        return tile(), generate

    return intrinsic(zeros)


no_sums = _zeros(TILE, vector)
no_part_sums = _zeros(TILE, part_vector)
no_rows = _zeros(ROWS, vector)
no_sides = _zeros(SIDES * ROWS, vector)

# Rows of a product that share every weight, of `BLOCK` vectors and of one: as registers allow.
SHARING, SHARING_NARROW = (6, 6) if PART == LANES else (2, 4)
BLOCK = ROWS if LONG or PART < LANES else 1


def _block(rows, across):
    """Return an intrinsic that gives array[i : i + 16 * across] for every row of a block."""
    kind = types.UniTuple(vector, rows * across)

    def block(typing, array, i):
        def generate(context, builder, signature, arguments):
            i = context.cast(builder, arguments[1], signature.args[1], types.intp)
            where = types.void(signature.args[0], types.intp)
            sums = ir.Constant(context.get_value_type(kind), ir.Undefined)
            for n in range(rows * across):
                k = builder.add(i, i.type(n % across * LANES))
                at = address(context, builder, where, (arguments[0], k))
                value = builder.load(at, align=ALIGNMENT)
                sums = builder.insert_value(sums, value, n)
            return sums

        return kind(array, i), generate

    return intrinsic(block)


block, narrow_block = _block(SHARING, BLOCK), _block(SHARING_NARROW, 1)


def _rows_from(count):
    """Return an intrinsic that gives where rows i, i + 1, ... of n begin, each `stride` long: the
    last one's place for all that are beyond it."""
    kind = types.UniTuple(types.intp, count)

    def rows_from(typing, i, n, stride):
        def generate(context, builder, signature, arguments):
            i, n, stride = arguments
            starts = ir.Constant(context.get_value_type(kind), ir.Undefined)
            last = builder.sub(n, n.type(1))
            for k in range(count):
                row = builder.add(i, i.type(k))
                row = builder.select(builder.icmp_signed("<", row, last), row, last)
                starts = builder.insert_value(starts, builder.mul(row, stride), k)
            return starts

        return kind(types.intp, types.intp, types.intp), generate

    return intrinsic(rows_from)


rows_from, narrow_rows_from = _rows_from(SHARING), _rows_from(SHARING_NARROW)


def _each(change):
    """Return code that puts change(..., t, sum) in the place of every sum t of a tile."""

    def generate(context, builder, signature, arguments):
        sums = arguments[0]
        for t in range(signature.args[0].count):
            changed = change(context, builder, signature, arguments, t)
            sums = builder.insert_value(sums, changed, t)
        return sums

    return generate


@intrinsic
def add_products(typing, sums, x, array, i):
    """Return the tile with x * array[i + t] added to every sum t: a number for all lanes."""

    def change(context, builder, signature, arguments, t):
        sums, x, array, i = arguments
        array = context.make_array(signature.args[2])(context, builder, array)
        i = context.cast(builder, i, signature.args[3], types.intp)
        number = builder.load(builder.gep(array.data, [builder.add(i, i.type(t))]))
        return fused(builder, x, spread(builder, number, x.type), builder.extract_value(sums, t))

    return sums(sums, x, array, i), _each(change)


@intrinsic
def add_row_products(typing, sums, x, array, i):
    """Return the tile with x * array[i + 16 t : ...], as many as x has lanes, added to sum t."""

    def change(context, builder, signature, arguments, t):
        sums, x, array, i = arguments
        i = context.cast(builder, i, signature.args[3], types.intp)
        i = builder.add(i, i.type(LANES * t))
        where = types.void(signature.args[2], types.intp)
        row = builder.load(address(context, builder, where, (array, i), x.type))
        row.align = ALIGNMENT
        return fused(builder, x, row, builder.extract_value(sums, t))

    return sums(sums, x, array, i), _each(change)


@intrinsic
def add_block_products(typing, sums, a, rows, j, w, i):
    """Return the block of sums with a[row + j] * w[i : ...] added to the vectors of every row."""

    def generate(context, builder, signature, arguments):
        sums, a, rows, j, w, i = arguments
        count = signature.args[2].count
        across = signature.args[0].count // count
        a = context.make_array(signature.args[1])(context, builder, a)
        i = context.cast(builder, i, signature.args[5], types.intp)
        j = context.cast(builder, j, signature.args[3], types.intp)
        where = types.void(signature.args[4], types.intp)
        weights = []
        for t in range(across):
            at = address(context, builder, where, (w, builder.add(i, i.type(LANES * t))))
            weights.append(builder.load(at, align=ALIGNMENT))
        for k in range(count):
            start = builder.add(builder.extract_value(rows, k), j)
            number = builder.load(builder.gep(a.data, [start]))
            x = spread(builder, number, LLVM_TYPE)
            for t, row in enumerate(weights):
                n = k * across + t
                added = fused(builder, x, row, builder.extract_value(sums, n))
                sums = builder.insert_value(sums, added, n)
        return sums

    return sums(sums, a, rows, j, w, i), generate


@intrinsic
def store_block(typing, array, rows, i, sums):
    """Write every row's sums of a block to array[row + i : ...]; not checked."""

    def generate(context, builder, signature, arguments):
        array, rows, i, sums = arguments
        count = signature.args[1].count
        across = signature.args[3].count // count
        i = context.cast(builder, i, signature.args[2], types.intp)
        where = types.void(signature.args[0], types.intp)
        for n in range(count * across):
            at = builder.add(builder.extract_value(rows, n // across), i)
            at = builder.add(at, i.type(n % across * LANES))
            at = address(context, builder, where, (array, at))
            builder.store(builder.extract_value(sums, n), at, align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, rows, i, sums), generate


@intrinsic
def store_sums(typing, array, i, sums):
    """Write sum t to array[i + 16 t : ...], for all of a tile; not checked."""

    def generate(context, builder, signature, arguments):
        array, i, sums = arguments
        i = context.cast(builder, i, signature.args[1], types.intp)
        for t in range(signature.args[2].count):
            n = builder.add(i, i.type(LANES * t))
            where, value = types.void(signature.args[0], types.intp), builder.extract_value(sums, t)
            at = address(context, builder, where, (array, n), value.type)
            builder.store(value, at, align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, i, sums), generate


@intrinsic
def across(typing, sums):
    """Return one vector: in lane t the sum over the lanes of sum t of a tile.

    Two vectors at a time are folded into one that holds halves of both: 30 additions for ten
    sums where each by itself would take 40.
    """
    lanes = sums.dtype.lanes

    def generate(context, builder, signature, arguments):
        nothing = ir.Constant(context.get_value_type(sums.dtype), None)
        level = [builder.extract_value(arguments[0], t) for t in range(TILE)]
        level += [nothing] * (LANES - TILE)
        owners = [[t] * lanes for t in range(LANES)]  # whose sum each lane of a vector is a part of
        width = lanes  # that still belong to one sum
        while width > 1:
            low, high = _halves(lanes, width)
            pairs = range(0, len(level), 2)
            level = [_fold(builder, *level[n : n + 2], low, high) for n in pairs]
            owners = [[(owners[n] + owners[n + 1])[lane] for lane in low] for n in pairs]
            width //= 2
        while len(level) > 1:
            level = [shuffled(builder, a, b, range(2 * a.type.count))
                     for a, b in zip(level[::2], level[1::2], strict=True)]  # fmt: skip
        owner = [t for vector in owners for t in vector]
        return shuffled(builder, level[0], level[0], map(owner.index, range(LANES)))

    return vector(sums), generate


def _halves(lanes, width):
    """Return of two vectors side by side every lower and every upper half of `width` lanes."""
    low, high = [], []
    for start in range(0, lanes, width):
        for stretch in (start, lanes + start):
            low += range(stretch, stretch + width // 2)
            high += range(stretch + width // 2, stretch + width)
    return low, high


@intrinsic
def turn_sixteen(typing, source, i, stride, target, j, reach):
    """Write 16 rows of 16 floats, from source[i] on and `stride` apart, as columns to target[j] and
    on, whose rows are `reach` apart; not checked.

    Single floats of two rows change places, then pairs, fours and eights: 55 us for 512 x 256
    weights, where a loop over floats takes 80.
    """
    result = types.void(source, types.intp, types.intp, target, types.intp, types.intp)

    def generate(context, builder, signature, arguments):
        def row(n, k):
            at = builder.add(arguments[n + 1], builder.mul(arguments[n + 2], ir.IntType(64)(k)))
            where = types.void(signature.args[n], types.intp)
            return address(context, builder, where, (arguments[n], at))

        rows = [builder.load(row(0, k), align=ALIGNMENT) for k in range(LANES)]
        width = 1
        while width < LANES:
            for k in (k for k in range(LANES) if not k & width):
                low = [n if not n & width else LANES + n - width for n in range(LANES)]
                high = [n + width if not n & width else LANES + n for n in range(LANES)]
                a, b = rows[k], rows[k + width]
                rows[k] = shuffled(builder, a, b, low)
                rows[k + width] = shuffled(builder, a, b, high)
            width *= 2
        for k, value in enumerate(rows):
            builder.store(value, row(3, k), align=ALIGNMENT)
        return context.get_dummy_value()

    return result, generate


def _fold(builder, a, b, low, high):
    return builder.fadd(shuffled(builder, a, b, low), shuffled(builder, a, b, high))
