"""Atomic: whole numbers that several threads read and change without a lock."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _number(context, builder, signature, arguments):
    """Return the address of array[i]."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(
        array.data, [context.cast(builder, arguments[1], signature.args[1], types.intp)]
    )


@intrinsic
def look(typing, array, i):
    """Return int64 array[i] as it is now, and with it all that was written before it was."""

    def generate(context, builder, signature, arguments):
        at = _number(context, builder, signature, arguments)
        return builder.load_atomic(at, "acquire", 8)

    return types.int64(array, i), generate


@intrinsic
def publish(typing, array, i, value):
    """Write int64 array[i], and before it all that was written so far."""

    def generate(context, builder, signature, arguments):
        at = _number(context, builder, signature, arguments)
        value = context.cast(builder, arguments[2], signature.args[2], types.int64)
        builder.store_atomic(value, at, "release", 8)
        return context.get_dummy_value()

    return types.void(array, i, value), generate


@intrinsic
def take(typing, array, i):
    """Add one to int64 array[i] and return what it was: no two threads get the same number."""

    def generate(context, builder, signature, arguments):
        at = _number(context, builder, signature, arguments)
        return builder.atomic_rmw("add", at, ir.Constant(ir.IntType(64), 1), "acq_rel")

    return types.int64(array, i), generate
