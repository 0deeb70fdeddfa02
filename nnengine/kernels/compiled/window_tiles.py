"""Window tiles: blocks of sums in registers, for layers that look at sixteen images side by side.

A tile is so many maps at so many places: a weight that was read once is used at every place, and a
number of an image for every map. What a processor has no register for goes through memory at every
product, so the shapes follow the registers: 24 sums of sixteen lanes with AVX-512, six without;
twelve of four lanes in a browser.
"""

from __future__ import annotations

from typing import NamedTuple

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

# (maps, places), the first two for layers with a single place; then (taps, maps) of gradients.
if LONG:
    SHAPES, GRADIENT_SHAPES = ((24, 1), (8, 1), (6, 4), (8, 3)), ((4, 6), (6, 4), (3, 8))
elif PART == LANES:
    SHAPES, GRADIENT_SHAPES = ((6, 1), (4, 1), (6, 1), (4, 1)), ((3, 2), (2, 3), (2, 2))
else:
    SHAPES, GRADIENT_SHAPES = ((12, 1), (8, 1), (6, 2), (4, 3)), ((3, 4), (4, 3), (2, 6))


class Tile(NamedTuple):
    """What is done with tiles of one shape: see the functions that make these."""

    maps: int
    places: int
    begin: object
    add: object
    store: object
    at: object


def _element(context, builder, signature, arguments, n, i):
    """Return the address of argument n, an array, at element i."""
    array = context.make_array(signature.args[n])(context, builder, arguments[n])
    return builder.gep(array.data, [i])


def _whole(context, builder, signature, arguments, n):
    return context.cast(builder, arguments[n], signature.args[n], types.intp)


def _vector_at(context, builder, signature, arguments, n, i, kind):
    """Return the address of a vector of that LLVM type in argument n, an array."""
    where = types.void(signature.args[n], types.intp)
    return address(context, builder, where, (arguments[n], i), kind)


def _begin(maps, places):
    """Return an intrinsic that gives a tile with b[i + m] in the sums of map m."""
    kind = types.UniTuple(part_vector, maps * places)

    def begin(typing, b, i):
        def generate(context, builder, signature, arguments):
            i = _whole(context, builder, signature, arguments, 1)
            sums = ir.Constant(context.get_value_type(kind), ir.Undefined)
            lanes = context.get_value_type(part_vector)
            for m in range(maps):
                at = _element(context, builder, signature, arguments, 0, builder.add(i, i.type(m)))
                value = spread(builder, builder.load(at), lanes)
                for p in range(places):
                    sums = builder.insert_value(sums, value, m * places + p)
            return sums

        return kind(b, i), generate

    return intrinsic(begin)


def _no_sums_of(count, lanes):
    """Return an intrinsic that gives a tile of zeros."""
    kind = types.UniTuple(lanes, count)

    def no_sums(typing):
        def generate(context, builder, signature, arguments):
            return ir.Constant(context.get_value_type(kind), None)

        return kind(), generate

    return intrinsic(no_sums)


def _places_at(places):
    """Return an intrinsic that gives table[i], table[i + 1], ..., as many as a tile has places:
    the last one of n in place of what is beyond it."""
    kind = types.UniTuple(types.intp, places)

    def places_at(typing, table, i, n):
        def generate(context, builder, signature, arguments):
            i = _whole(context, builder, signature, arguments, 1)
            n = _whole(context, builder, signature, arguments, 2)
            last, found = (
                builder.sub(n, n.type(1)),
                ir.Constant(context.get_value_type(kind), ir.Undefined),
            )
            for p in range(places):
                at = builder.add(i, i.type(p))
                at = builder.select(builder.icmp_signed("<", at, last), at, last)
                at = builder.load(_element(context, builder, signature, arguments, 0, at))
                found = builder.insert_value(found, at, p)
            return found

        return kind(table, i, n), generate

    return intrinsic(places_at)


def _add(maps, places):
    """Return an intrinsic that gives a tile with w[i + m] * x[at[p] + k : ...] added to it."""

    def add(typing, sums, w, i, x, at, k):
        def generate(context, builder, signature, arguments):
            sums, i, k = (
                arguments[0],
                *(_whole(context, builder, signature, arguments, n) for n in (2, 5)),
            )
            lanes = context.get_value_type(part_vector)
            numbers = []
            for p in range(places):
                start = builder.add(builder.extract_value(arguments[4], p), k)
                start = _vector_at(context, builder, signature, arguments, 3, start, lanes)
                numbers.append(builder.load(start, align=ALIGNMENT))
            for m in range(maps):
                at = _element(context, builder, signature, arguments, 1, builder.add(i, i.type(m)))
                weight = spread(builder, builder.load(at), lanes)
                for p, number in enumerate(numbers):
                    n = m * places + p
                    value = fused(builder, weight, number, builder.extract_value(sums, n))
                    sums = builder.insert_value(sums, value, n)
            return sums

        return sums(sums, w, i, x, at, k), generate

    return intrinsic(add)


def _store(maps, places):
    """Return an intrinsic that writes the sums of the first `few` maps to z[at[p] + i + 16 m]."""

    def store(typing, z, at, i, few, sums):
        def generate(context, builder, signature, arguments):
            i = _whole(context, builder, signature, arguments, 2)
            few = _whole(context, builder, signature, arguments, 3)
            for m in range(maps):
                with builder.if_then(builder.icmp_signed(">", few, few.type(m))):
                    for p in range(places):
                        k = builder.add(i, i.type(LANES * m))
                        k = builder.add(builder.extract_value(arguments[1], p), k)
                        value = builder.extract_value(arguments[4], m * places + p)
                        k = _vector_at(context, builder, signature, arguments, 0, k, value.type)
                        builder.store(value, k, align=ALIGNMENT)
            return context.get_dummy_value()

        return types.void(z, at, i, few, sums), generate

    return intrinsic(store)


def _add_gradient(taps, maps):
    """Return an intrinsic that gives a tile with x[at[t] + k : ...] * dz[i + 16 m : ...] added."""

    def add_gradient(typing, sums, x, at, k, dz, i):
        def generate(context, builder, signature, arguments):
            sums, k, i = (
                arguments[0],
                *(_whole(context, builder, signature, arguments, n) for n in (3, 5)),
            )
            lanes = context.get_value_type(part_vector)
            blame = []
            for m in range(maps):
                start = builder.add(i, i.type(LANES * m))
                start = _vector_at(context, builder, signature, arguments, 4, start, lanes)
                blame.append(builder.load(start, align=ALIGNMENT))
            for t in range(taps):
                start = builder.add(builder.extract_value(arguments[2], t), k)
                start = _vector_at(context, builder, signature, arguments, 1, start, lanes)
                number = builder.load(start, align=ALIGNMENT)
                for m, value in enumerate(blame):
                    n = t * maps + m
                    value = fused(builder, number, value, builder.extract_value(sums, n))
                    sums = builder.insert_value(sums, value, n)
            return sums

        return sums(sums, x, at, k, dz, i), generate

    return intrinsic(add_gradient)


def _store_sums(count):
    """Return an intrinsic that writes sum n of a tile to out[16 n + i : ...]; not checked."""

    def store_sums(typing, out, i, sums):
        def generate(context, builder, signature, arguments):
            i = _whole(context, builder, signature, arguments, 1)
            for n in range(count):
                at = builder.add(i, i.type(LANES * n))
                value = builder.extract_value(arguments[2], n)
                at = _vector_at(context, builder, signature, arguments, 0, at, value.type)
                builder.store(value, at, align=ALIGNMENT)
            return context.get_dummy_value()

        return types.void(out, i, sums), generate

    return intrinsic(store_sums)


def tile(maps, places):
    """Return what there is for tiles of so many maps at so many places."""
    shape = maps, places
    return Tile(*shape, _begin(*shape), _add(*shape), _store(*shape), _places_at(places))


def gradient_tile(taps, maps):
    """Return the same for gradients, in turn: zeros, places, the sum and how it is written."""
    sums = taps * maps
    add = _add_gradient(taps, maps)
    return _no_sums_of(sums, part_vector), _places_at(taps), add, _store_sums(sums)


COLUMNS = 12  # sums of one vector each, side by side
no_columns, store_columns = _no_sums_of(COLUMNS, vector), _store_sums(COLUMNS)


@intrinsic
def add_column_products(typing, sums, x, array, i):
    """Return a tile with x * array[i + 16 t] added to every sum t: a number for all lanes."""

    def generate(context, builder, signature, arguments):
        sums, i = arguments[0], _whole(context, builder, signature, arguments, 3)
        for t in range(COLUMNS):
            at = builder.add(i, i.type(LANES * t))
            at = _element(context, builder, signature, arguments, 2, at)
            number = spread(builder, builder.load(at), LLVM_TYPE)
            value = fused(builder, arguments[1], number, builder.extract_value(sums, t))
            sums = builder.insert_value(sums, value, t)
        return sums

    return sums(sums, x, array, i), generate


@intrinsic
def total(typing, x):
    """Return the sum of all lanes: halves are added up, always in the same order."""

    def generate(context, builder, signature, arguments):
        x, width = arguments[0], LANES
        while width > 1:
            width //= 2
            low = shuffled(builder, x, x, range(width))
            x = builder.fadd(low, shuffled(builder, x, x, range(width, 2 * width)))
        return builder.extract_element(x, ir.IntType(32)(0))

    return types.float32(vector), generate


@intrinsic
def largest(typing, a, b):
    """Return the larger one in every lane; NaN where either is."""

    def generate(context, builder, signature, arguments):
        a, b = arguments
        b = builder.select(builder.fcmp_unordered(">", b, a), b, a)
        return builder.select(builder.fcmp_unordered("uno", a, a), a, b)

    return vector(a, b), generate


@intrinsic
def where_above(typing, a, yes, no):
    """Return, lane by lane, yes where a is above zero, else no."""

    def generate(context, builder, signature, arguments):
        a, yes, no = arguments
        return builder.select(builder.fcmp_ordered(">", a, LLVM_TYPE(None)), yes, no)

    return vector(a, yes, no), generate
