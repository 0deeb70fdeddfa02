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

LANES = 16
BLOCK = 32  # bytes that `copy_bytes` copies
_LLVM = ir.VectorType(ir.FloatType(), LANES)
_ALIGNMENT = 4  # bytes: rows may begin at any float


class Float32x16(types.Type):
    """numba's name for a vector of sixteen float32."""

    def __init__(self) -> None:
        super().__init__("float32x16")


vector = Float32x16()


@register_model(Float32x16)
class _Model(models.PrimitiveModel):
    """A vector is one LLVM value."""

    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _LLVM)


def _address(context, builder, signature, arguments):
    """Return where array[i] stands, as the address of a vector."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    i = context.cast(builder, arguments[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(array.data, [i]), _LLVM.as_pointer())


@intrinsic
def load(typing, array, i):
    """Return array[i : i + 16] of a one-dimensional float32 array; not checked."""

    def generate(context, builder, signature, arguments):
        value = builder.load(_address(context, builder, signature, arguments))
        value.align = _ALIGNMENT
        return value

    return vector(array, i), generate


@intrinsic
def store(typing, array, i, value):
    """Write value to array[i : i + 16] of a one-dimensional float32 array; not checked."""

    def generate(context, builder, signature, arguments):
        target = _address(context, builder, signature, arguments)
        builder.store(arguments[2], target, align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, i, value), generate


@intrinsic
def splat(typing, number):
    """Return the number in all sixteen lanes."""

    def generate(context, builder, signature, arguments):
        lane = context.cast(builder, arguments[0], signature.args[0], types.float32)
        nothing = ir.Constant(_LLVM, ir.Undefined)
        first = builder.insert_element(nothing, lane, ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(first, nothing, lanes)

    return vector(number), generate


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
    lanes = ir.VectorType(ir.IntType(8), 64)

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        i = context.cast(builder, arguments[1], signature.args[1], types.intp)
        value = builder.load(builder.bitcast(builder.gep(array.data, [i]), lanes.as_pointer()))
        value.align = 1
        bits = builder.icmp_unsigned("!=", value, ir.Constant(lanes, [0] * 64))
        return builder.bitcast(bits, ir.IntType(64))

    return types.uint64(array, i), generate


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
    """Ask for the cache line of uint8 array[i], to be read soon; wherever i points, no harm."""
    integer = ir.IntType(32)

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        i = context.cast(builder, arguments[1], signature.args[1], types.intp)
        at = builder.gep(array.data, [i])
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


@intrinsic
def load_bytes(typing, array, i):
    """Return array[i : i + 16] of a one-dimensional uint8 array as floats; not checked."""
    lanes = ir.VectorType(ir.IntType(8), LANES)

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        i = context.cast(builder, arguments[1], signature.args[1], types.intp)
        value = builder.load(builder.bitcast(builder.gep(array.data, [i]), lanes.as_pointer()))
        value.align = 1
        return builder.uitofp(value, _LLVM)

    return vector(array, i), generate


def _zeros(count):
    """Return an intrinsic that gives so many vectors, all zero: a tile of sums."""
    tile = types.UniTuple(vector, count)

    def zeros(typing):
        def generate(context, builder, signature, arguments):
            sums = ir.Constant(context.get_value_type(tile), ir.Undefined)
            for t in range(count):
                sums = builder.insert_value(sums, ir.Constant(_LLVM, [0.0] * LANES), t)
            return sums

        return tile(), generate

    return intrinsic(zeros)


no_sums = _zeros(TILE)
no_rows = _zeros(ROWS)


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
        nothing = ir.Constant(_LLVM, ir.Undefined)
        first = builder.insert_element(nothing, number, ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        spread = builder.shuffle_vector(first, nothing, lanes)
        return _fused(builder, x, spread, builder.extract_value(sums, t))

    return sums(sums, x, array, i), _each(change)


@intrinsic
def add_row_products(typing, sums, x, array, i):
    """Return the tile with x * array[i + 16 t : i + 16 t + 16] added to every sum t."""

    def change(context, builder, signature, arguments, t):
        sums, x, array, i = arguments
        i = context.cast(builder, i, signature.args[3], types.intp)
        i = builder.add(i, i.type(LANES * t))
        at = _address(context, builder, types.void(signature.args[2], types.intp), (array, i))
        row = builder.load(at)
        row.align = _ALIGNMENT
        return _fused(builder, x, row, builder.extract_value(sums, t))

    return sums(sums, x, array, i), _each(change)


@intrinsic
def store_sums(typing, array, i, sums):
    """Write sum t to array[i + 16 t : i + 16 t + 16], for all of a tile; not checked."""

    def generate(context, builder, signature, arguments):
        array, i, sums = arguments
        i = context.cast(builder, i, signature.args[1], types.intp)
        for t in range(signature.args[2].count):
            n = builder.add(i, i.type(LANES * t))
            at = _address(context, builder, types.void(signature.args[0], types.intp), (array, n))
            builder.store(builder.extract_value(sums, t), at, align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, i, sums), generate


@intrinsic
def across(typing, sums):
    """Return one vector: in lane t the sum over the lanes of sum t of a tile.

    Two vectors at a time are folded into one that holds halves of both: 30 additions for ten
    sums where each by itself would take 40.
    """
    integer = ir.IntType(32)

    def generate(context, builder, signature, arguments):
        nothing = ir.Constant(_LLVM, [0.0] * LANES)
        level = [builder.extract_value(arguments[0], t) for t in range(TILE)]
        level += [nothing] * (LANES - TILE)
        width = LANES  # lanes that still belong to one sum
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=True)
            level, width = [fold(builder, a, b, width) for a, b in pairs], width // 2
        order = [int(f"{t:04b}"[::-1], 2) for t in range(LANES)]  # where four folds left sum t
        mask = ir.Constant(ir.VectorType(integer, LANES), order)
        return builder.shuffle_vector(level[0], nothing, mask)

    def fold(builder, a, b, width):
        # Of every stretch of `width` lanes: the halves of a, then those of b.
        half, low, high = width // 2, [], []
        for start in range(0, LANES, width):
            for vector_start in (start, LANES + start):
                low += range(vector_start, vector_start + half)
                high += range(vector_start + half, vector_start + width)
        kind = ir.VectorType(integer, LANES)
        parts = [builder.shuffle_vector(a, b, ir.Constant(kind, lanes)) for lanes in (low, high)]
        return builder.fadd(*parts)

    return vector(sums), generate


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
