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

from llvmlite import ir
from numba import types
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
