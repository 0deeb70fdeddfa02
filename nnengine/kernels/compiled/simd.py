"""Sixteen lanes at once, for the few loops that LLVM does not vectorise by itself.

Sums over scattered rows must stay in registers from one row to the next. Written as a loop
over sixteen floats they go through memory at every row, because the compiler cannot know that
the arrays do not overlap: 18.7 and 37.8 ms forward and backward through 784x10 weights for
60,000 MNIST images, against 7.8 and 9.1 ms with these vectors (one core with AVX-512).
LLVM splits a vector into what the processor has, so the code runs everywhere.

Here are vectors and what is done in each of their lanes; `tiles` are several of them, `bits` tell
of many bytes at once.
"""

from __future__ import annotations

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from .. import numpy_

LANES = 16
PART = numpy_.PART  # what tiles of sums are made of: ten of sixteen lanes overflow a browser's
DUST = 1e-30  # what counts as nothing; products of it with a rate are ordinary numbers still
LLVM_TYPE = ir.VectorType(ir.FloatType(), LANES)


def _has_long_registers() -> bool:
    """Tell whether sixteen lanes are one register here, of which there are 32 then."""
    try:
        return bool(binding.get_host_cpu_features().get("avx512f"))
    except RuntimeError:  # LLVM does not know this processor
        return False


LONG = PART == LANES and _has_long_registers()
ALIGNMENT = 4  # bytes: rows may begin at any float


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


def address(context, builder, signature, arguments, kind=LLVM_TYPE):
    """Return where array[i] stands, as the address of a vector."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    i = context.cast(builder, arguments[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(array.data, [i]), kind.as_pointer())


def _loaded(lanes):
    """Return an intrinsic that gives array[i : i + lanes] of a float32 array; not checked."""

    def load(typing, array, i):
        def generate(context, builder, signature, arguments):
            kind = context.get_value_type(signature.return_type)
            value = builder.load(address(context, builder, signature, arguments, kind))
            value.align = ALIGNMENT
            return value

        return lanes(array, i), generate

    return intrinsic(load)


load, load_part = _loaded(vector), _loaded(part_vector)


@intrinsic
def store(typing, array, i, value):
    """Write value to array[i : i + 16] of a one-dimensional float32 array; not checked."""

    def generate(context, builder, signature, arguments):
        target = address(context, builder, signature, arguments)
        builder.store(arguments[2], target, align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, i, value), generate


def spread(builder, number, kind):
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
            return spread(builder, lane, context.get_value_type(signature.return_type))

        return lanes(number), generate

    return intrinsic(splat)


splat, splat_part = _splat(vector), _splat(part_vector)


def fused(builder, a, b, c):
    """Return a * b + c, which "contract" lets LLVM fuse.

    Asked for llvm.fma it takes 65 times as long where the processor has no unit for it.
    """
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(product, c, flags=("contract",))


@intrinsic
def multiply_add(typing, a, b, c):
    """Return a * b + c, lane by lane; fused where the processor can."""

    def generate(context, builder, signature, arguments):
        return fused(builder, *arguments)

    return vector(a, b, c), generate


def _loaded_bytes(lanes):
    """Return an intrinsic that gives array[i : i + lanes] of bytes as floats; not checked."""

    def load_bytes(typing, array, i):
        def generate(context, builder, signature, arguments):
            kind = context.get_value_type(signature.return_type)
            raw = ir.VectorType(ir.IntType(8), kind.count)
            value = builder.load(address(context, builder, signature, arguments, raw))
            value.align = 1
            return builder.uitofp(value, kind)

        return lanes(array, i), generate

    return intrinsic(load_bytes)


load_bytes, load_part_bytes = _loaded_bytes(vector), _loaded_bytes(part_vector)


def shuffled(builder, a, b, lanes):
    """Return these lanes of a and b, side by side, as one vector."""
    lanes = list(lanes)
    return builder.shuffle_vector(
        a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    )


def _lane_by_lane(operation):
    """Return an intrinsic of vectors that does one LLVM operation in every lane."""

    def operate(typing, a, b):
        def generate(context, builder, signature, arguments):
            return operation(builder, *arguments)

        return vector(a, b), generate

    return intrinsic(operate)


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


add = _lane_by_lane(lambda builder, a, b: builder.fadd(a, b))
subtract = _lane_by_lane(lambda builder, a, b: builder.fsub(a, b))
multiply = _lane_by_lane(lambda builder, a, b: builder.fmul(a, b))
divide = _lane_by_lane(lambda builder, a, b: builder.fdiv(a, b))
maximum = _lane_by_lane(_larger)


@intrinsic
def without_dust(typing, x):
    """Return x with zero in every lane that is below `DUST` in size; NaN stays."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(LLVM_TYPE, [LLVM_TYPE])
        size = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f32")
        return _but_least(builder, builder.call(size, arguments), DUST, arguments[0])

    return vector(x), generate


@intrinsic
def ordinary(typing, x):
    """Return x, none of it below zero, with zero for what is below the ordinary numbers."""

    def generate(context, builder, signature, arguments):
        return _but_least(builder, arguments[0], np.finfo(np.float32).tiny, arguments[0])

    return vector(x), generate


def _but_least(builder, size, least, x):
    """Return x with zero in every lane whose size is below the least; NaN stays."""
    least = ir.Constant(LLVM_TYPE, [float(np.float32(least))] * LANES)
    return builder.select(builder.fcmp_ordered("<", size, least), ir.Constant(LLVM_TYPE, None), x)


@intrinsic
def where_equal(typing, a, b, yes, no):
    """Return, lane by lane, yes where a == b, else no; NaN equals nothing."""

    def generate(context, builder, signature, arguments):
        a, b, yes, no = arguments
        return builder.select(builder.fcmp_ordered("==", a, b), yes, no)

    return vector(a, b, yes, no), generate


@intrinsic
def is_nothing(typing, x):
    """Tell whether every lane is zero; -0 is not."""

    def generate(context, builder, signature, arguments):
        lanes = ir.VectorType(ir.IntType(32), LANES)
        some = builder.icmp_unsigned("!=", builder.bitcast(arguments[0], lanes), lanes(None))
        bits = ir.IntType(LANES)
        return builder.icmp_unsigned("==", builder.bitcast(some, bits), bits(0))

    return types.boolean(x), generate


@intrinsic
def square_root(typing, x):
    """Return the square root of every lane."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(LLVM_TYPE, [LLVM_TYPE])
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
            return ir.Constant(LLVM_TYPE, [float(np.float32(value))] * LANES)

        x = arguments[0]
        tiny = builder.fcmp_ordered("<", x, number(-87))
        x = builder.select(tiny, number(-87), x)
        whole = builder.fsub(builder.fmul(x, number(1 / np.log(2))), number(0.5))
        integers = ir.VectorType(ir.IntType(32), LANES)
        n = builder.fptosi(whole, integers)  # cuts towards zero: rounds what is below it
        back = builder.sitofp(n, LLVM_TYPE)
        # ln 2 in two parts, the first with few enough bits that n times it is exact.
        r = fused(builder, back, number(-0.693359375), x)
        r = fused(builder, back, number(2.12194440e-4), r)
        total = number(_SERIES[0])
        for factor in _SERIES[1:]:
            total = fused(builder, total, r, number(factor))
        bits = builder.shl(
            builder.add(n, ir.Constant(integers, [127] * LANES)),
            ir.Constant(integers, [23] * LANES),
        )
        power = builder.fmul(total, builder.bitcast(bits, LLVM_TYPE))
        return builder.select(tiny, number(0), power)

    return vector(x), generate


# Factors of r^6 ... r^0 of e^r.
_SERIES = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0]
