"""Many lanes at once, for the few loops that LLVM does not vectorise by itself.

Sums over scattered rows must stay in registers from one row to the next. Written as a loop
over sixteen floats they go through memory at every row, because the compiler cannot know that
the arrays do not overlap: 18.7 and 37.8 ms forward and backward through 784x10 weights for
60,000 MNIST images, against 7.8 and 9.1 ms with these vectors (one core with AVX-512).
Lists of nonzero pixels want to know of 64 bytes at once which are zero: 0.8 us an image of
MNIST looking at each, 0.2 us going from one to the next.
LLVM splits a vector into what the processor has, so the code runs everywhere.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from . import numpy_

LANES = 16
PART = numpy_.PART  # what tiles of sums are made of: ten of sixteen lanes overflow a browser's
BLOCK = 32  # bytes that `copy_bytes` copies
PLACES = 32  # numbers that `bits_below` compares
DUST = 1e-30  # what counts as nothing; products of it with a rate are ordinary numbers still
_LLVM = ir.VectorType(ir.FloatType(), LANES)
_ALIGNMENT = 4  # bytes: rows may begin at any float


class Vector(types.Type):
    """numba's name for a vector of so many float32."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(f"float32x{lanes}")


vector, part_vector = Vector(LANES), Vector(PART)


@register_model(Vector)
class _Model(models.PrimitiveModel):
    """A vector is one LLVM value."""

    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.FloatType(), kind.lanes))


def _address(context, builder, signature, arguments, kind=_LLVM):
    """Return where array[i] stands, as the address of a vector."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    i = context.cast(builder, arguments[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(array.data, [i]), kind.as_pointer())


def _loaded(lanes):
    """Return an intrinsic that gives array[i : i + lanes] of a float32 array; not checked."""

    def load(typing, array, i):
        def generate(context, builder, signature, arguments):
            kind = context.get_value_type(signature.return_type)
            value = builder.load(_address(context, builder, signature, arguments, kind))
            value.align = _ALIGNMENT
            return value

        return lanes(array, i), generate

    return intrinsic(load)


load, load_part = _loaded(vector), _loaded(part_vector)


@intrinsic
def store(typing, array, i, value):
    """Write value to array[i : i + 16] of a one-dimensional float32 array; not checked."""

    def generate(context, builder, signature, arguments):
        target = _address(context, builder, signature, arguments)
        builder.store(arguments[2], target, align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, i, value), generate


def _spread(builder, number, kind):
    """Return the number in all lanes of a vector of that LLVM type."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, nothing, lanes)


def _splat(lanes):
    """Return an intrinsic that gives a number in all lanes."""

    def splat(typing, number):
        def generate(context, builder, signature, arguments):
            lane = context.cast(builder, arguments[0], signature.args[0], types.float32)
            return _spread(builder, lane, context.get_value_type(signature.return_type))

        return lanes(number), generate

    return intrinsic(splat)


splat, splat_part = _splat(vector), _splat(part_vector)


@intrinsic
def multiply_add(typing, a, b, c):
    """Return a * b + c, lane by lane; fused where the processor can."""

    def generate(context, builder, signature, arguments):
        a, b, c = arguments
        # "contract" lets LLVM fuse; asking for llvm.fma costs 65 times more without the unit.
        product = builder.fmul(a, b, flags=("contract",))
        return builder.fadd(product, c, flags=("contract",))

    return vector(a, b, c), generate


@intrinsic
def add(typing, a, b):
    """Return a + b, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return vector(a, b), generate


@intrinsic
def nonzero_bits(typing, array, i):
    """Return uint64: bit j tells whether byte array[i + j] is not zero. uint8 (n,); not checked."""

    def generate(context, builder, signature, arguments):
        where = types.void(signature.args[0], types.intp)
        i = context.cast(builder, arguments[1], signature.args[1], types.intp)
        integer, kind = ir.IntType(64), ir.VectorType(ir.IntType(8), 64)
        at = _address(context, builder, where, (arguments[0], i), kind)
        if PART == LANES:
            value = builder.load(at, align=1)
            return builder.bitcast(builder.icmp_unsigned("!=", value, kind(None)), integer)
        # Browsers compare sixteen at once, but make bits of what they find one by one.
        bits, eight = integer(0), builder.bitcast(at, integer.as_pointer())
        for n in range(8):
            some = _nonzero_of_eight(
                builder, builder.load(builder.gep(eight, [integer(n)]), align=1)
            )
            bits = builder.or_(bits, builder.shl(some, integer(8 * n)))
        return bits

    return types.uint64(array, i), generate


def _nonzero_of_eight(builder, value):
    """Return bit j for byte j of a number that is not zero: no byte carries into the next."""
    low = value.type(0x7F7F7F7F7F7F7F7F)
    found = builder.or_(builder.add(builder.and_(value, low), low), value)
    ones = builder.and_(builder.lshr(found, value.type(7)), value.type(0x0101010101010101))
    return builder.lshr(builder.mul(ones, value.type(0x0102040810204080)), value.type(56))


@intrinsic
def bits_below(typing, array, i, limit):
    """Return uint64: bit j tells whether array[i + j] < limit; 32 of uint16 (n,), not checked."""
    lanes = ir.VectorType(ir.IntType(16), PLACES)

    def generate(context, builder, signature, arguments):
        where = types.void(signature.args[0], types.intp)
        i = context.cast(builder, arguments[1], signature.args[1], types.intp)
        value = builder.load(_address(context, builder, where, (arguments[0], i), lanes), align=2)
        limit = context.cast(builder, arguments[2], signature.args[2], types.uint16)
        bits = builder.icmp_unsigned("<", value, _spread(builder, limit, lanes))
        return builder.zext(builder.bitcast(bits, ir.IntType(PLACES)), ir.IntType(64))

    return types.uint64(array, i, limit), generate


@intrinsic
def copy_bytes(typing, source, i, target, j):
    """Copy source[i : i + 32] to target[j : j + 32], both uint8 (n,); not checked."""
    lanes = ir.VectorType(ir.IntType(8), BLOCK)

    def generate(context, builder, signature, arguments):
        def address(n):
            array = context.make_array(signature.args[n])(context, builder, arguments[n])
            at = context.cast(builder, arguments[n + 1], signature.args[n + 1], types.intp)
            return builder.bitcast(builder.gep(array.data, [at]), lanes.as_pointer())

        value = builder.load(address(0))
        value.align = 1
        builder.store(value, address(2), align=1)
        return context.get_dummy_value()

    return types.void(source, i, target, j), generate


@intrinsic
def fetch_ahead(typing, array, i):
    """Ask for the cache line of array[i], to be read soon; wherever i points, no harm."""
    integer = ir.IntType(32)

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        i = context.cast(builder, arguments[1], signature.args[1], types.intp)
        at = builder.bitcast(builder.gep(array.data, [i]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [at.type, integer, integer, integer])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
        builder.call(ask, [at, integer(0), integer(3), integer(1)])  # to read, all caches, data
        return context.get_dummy_value()

    return types.void(array, i), generate


@intrinsic
def count_bits(typing, bits):
    """Return how many of the 64 bits are set."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def first_bit(typing, bits):
    """Return the place of the lowest bit that is set; one must be."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


TILE = 10  # sums kept in registers side by side: AVX-512 has 32 of them
ROWS = 4  # the same for rows: 64 units
SIDES = 2 if PART == LANES else 1  # tiles of rows side by side, where registers are enough


def _loaded_bytes(lanes):
    """Return an intrinsic that gives array[i : i + lanes] of bytes as floats; not checked."""

    def load_bytes(typing, array, i):
        def generate(context, builder, signature, arguments):
            kind = context.get_value_type(signature.return_type)
            raw = ir.VectorType(ir.IntType(8), kind.count)
            value = builder.load(_address(context, builder, signature, arguments, raw))
            value.align = 1
            return builder.uitofp(value, kind)

        return lanes(array, i), generate

    return intrinsic(load_bytes)


load_bytes, load_part_bytes = _loaded_bytes(vector), _loaded_bytes(part_vector)


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

# Rows of a product that share every weight, of 64 units and of sixteen: as registers allow.
SHARING, SHARING_NARROW = (6, 6) if PART == LANES else (2, 4)


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
                at = _address(context, builder, where, (arguments[0], k))
                value = builder.load(at, align=_ALIGNMENT)
                sums = builder.insert_value(sums, value, n)
            return sums

        return kind(array, i), generate

    return intrinsic(block)


block, narrow_block = _block(SHARING, ROWS), _block(SHARING_NARROW, 1)


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


def _fused(builder, a, b, c):
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(product, c, flags=("contract",))


@intrinsic
def add_products(typing, sums, x, array, i):
    """Return the tile with x * array[i + t] added to every sum t: a number for all lanes."""

    def change(context, builder, signature, arguments, t):
        sums, x, array, i = arguments
        array = context.make_array(signature.args[2])(context, builder, array)
        i = context.cast(builder, i, signature.args[3], types.intp)
        number = builder.load(builder.gep(array.data, [builder.add(i, i.type(t))]))
        return _fused(builder, x, _spread(builder, number, x.type), builder.extract_value(sums, t))

    return sums(sums, x, array, i), _each(change)


@intrinsic
def add_row_products(typing, sums, x, array, i):
    """Return the tile with x * array[i + 16 t : ...], as many as x has lanes, added to sum t."""

    def change(context, builder, signature, arguments, t):
        sums, x, array, i = arguments
        i = context.cast(builder, i, signature.args[3], types.intp)
        i = builder.add(i, i.type(LANES * t))
        where = types.void(signature.args[2], types.intp)
        row = builder.load(_address(context, builder, where, (array, i), x.type))
        row.align = _ALIGNMENT
        return _fused(builder, x, row, builder.extract_value(sums, t))

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
            at = _address(context, builder, where, (w, builder.add(i, i.type(LANES * t))))
            weights.append(builder.load(at, align=_ALIGNMENT))
        for k in range(count):
            start = builder.add(builder.extract_value(rows, k), j)
            number = builder.load(builder.gep(a.data, [start]))
            x = _spread(builder, number, _LLVM)
            for t, row in enumerate(weights):
                n = k * across + t
                added = _fused(builder, x, row, builder.extract_value(sums, n))
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
            at = _address(context, builder, where, (array, at))
            builder.store(builder.extract_value(sums, n), at, align=_ALIGNMENT)
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
            at = _address(context, builder, where, (array, n), value.type)
            builder.store(value, at, align=_ALIGNMENT)
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
            level = [_shuffled(builder, a, b, range(2 * a.type.count))
                     for a, b in zip(level[::2], level[1::2], strict=True)]  # fmt: skip
        owner = [t for vector in owners for t in vector]
        return _shuffled(builder, level[0], level[0], map(owner.index, range(LANES)))

    return vector(sums), generate


def _halves(lanes, width):
    """Return of two vectors side by side every lower and every upper half of `width` lanes."""
    low, high = [], []
    for start in range(0, lanes, width):
        for stretch in (start, lanes + start):
            low += range(stretch, stretch + width // 2)
            high += range(stretch + width // 2, stretch + width)
    return low, high


def _shuffled(builder, a, b, lanes):
    """Return these lanes of a and b, side by side, as one vector."""
    lanes = list(lanes)
    return builder.shuffle_vector(
        a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    )


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
            return _address(context, builder, where, (arguments[n], at))

        rows = [builder.load(row(0, k), align=_ALIGNMENT) for k in range(LANES)]
        width = 1
        while width < LANES:
            for k in (k for k in range(LANES) if not k & width):
                low = [n if not n & width else LANES + n - width for n in range(LANES)]
                high = [n + width if not n & width else LANES + n for n in range(LANES)]
                a, b = rows[k], rows[k + width]
                rows[k] = _shuffled(builder, a, b, low)
                rows[k + width] = _shuffled(builder, a, b, high)
            width *= 2
        for k, value in enumerate(rows):
            builder.store(value, row(3, k), align=_ALIGNMENT)
        return context.get_dummy_value()

    return result, generate


def _fold(builder, a, b, low, high):
    return builder.fadd(_shuffled(builder, a, b, low), _shuffled(builder, a, b, high))


def _lane_by_lane(operation):
    """Return an intrinsic of vectors that does one LLVM operation in every lane."""

    def operate(typing, a, b):
        def generate(context, builder, signature, arguments):
            return operation(builder, *arguments)

        return vector(a, b), generate

    return intrinsic(operate)


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


subtract = _lane_by_lane(lambda builder, a, b: builder.fsub(a, b))
multiply = _lane_by_lane(lambda builder, a, b: builder.fmul(a, b))
divide = _lane_by_lane(lambda builder, a, b: builder.fdiv(a, b))
maximum = _lane_by_lane(_larger)


@intrinsic
def without_dust(typing, x):
    """Return x with zero in every lane that is below `DUST` in size; NaN stays."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(_LLVM, [_LLVM])
        size = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f32")
        least = ir.Constant(_LLVM, [float(np.float32(DUST))] * LANES)
        tiny = builder.fcmp_ordered("<", builder.call(size, arguments), least)
        return builder.select(tiny, ir.Constant(_LLVM, None), arguments[0])

    return vector(x), generate


@intrinsic
def where_equal(typing, a, b, yes, no):
    """Return, lane by lane, yes where a == b, else no; NaN equals nothing."""

    def generate(context, builder, signature, arguments):
        a, b, yes, no = arguments
        return builder.select(builder.fcmp_ordered("==", a, b), yes, no)

    return vector(a, b, yes, no), generate


@intrinsic
def square_root(typing, x):
    """Return the square root of every lane."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(_LLVM, [_LLVM])
        root = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f32")
        return builder.call(root, arguments)

    return vector(x), generate


@intrinsic
def exponential(typing, x):
    """Return e^x in every lane, for x <= 0: 2e-7 of it off at most, 0 below -87, NaN for NaN.

    x = n ln 2 + r with a whole n: e^x = 2^n e^r, and for |r| <= ln 2 / 2 the first terms of the
    series, their factors fitted to it, are enough.
    """

    def generate(context, builder, signature, arguments):
        def number(value):
            return ir.Constant(_LLVM, [float(np.float32(value))] * LANES)

        x = arguments[0]
        tiny = builder.fcmp_ordered("<", x, number(-87))
        x = builder.select(tiny, number(-87), x)
        whole = builder.fsub(builder.fmul(x, number(1 / np.log(2))), number(0.5))
        integers = ir.VectorType(ir.IntType(32), LANES)
        n = builder.fptosi(whole, integers)  # cuts towards zero: rounds what is below it
        back = builder.sitofp(n, _LLVM)
        # ln 2 in two parts, the first with few enough bits that n times it is exact.
        r = _fused(builder, back, number(-0.693359375), x)
        r = _fused(builder, back, number(2.12194440e-4), r)
        total = number(_SERIES[0])
        for factor in _SERIES[1:]:
            total = _fused(builder, total, r, number(factor))
        bits = builder.shl(
            builder.add(n, ir.Constant(integers, [127] * LANES)),
            ir.Constant(integers, [23] * LANES),
        )
        power = builder.fmul(total, builder.bitcast(bits, _LLVM))
        return builder.select(tiny, number(0), power)

    return vector(x), generate


# Factors of r^6 ... r^0 of e^r.
_SERIES = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0]
