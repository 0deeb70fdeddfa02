"""Window norms: batch normalisation of sixteen images side by side, which asks about a whole batch.

Every group finds its own means and squares; one thread joins them, in the groups' order; then every
group goes on with what came out. Blame comes back in the same three strides. (Ioffe & Szegedy 2015,
Algorithm 1 and section 3; joined as by Chan, Golub & LeVeque 1983.)
"""

from __future__ import annotations

import math

import numpy as np

from ..numpy_ import EPSILON, PACE
from .compiling import part
from .simd import LANES, add, load, multiply, multiply_add, splat, store, subtract
from .steps import move
from .window_plan import DW, FORWARD, OUTS, PANEL, PARTIAL, N
from .window_tiles import total

# Of each channel, behind one another from `FORWARD` on: what is taken from a number, what it is
# then multiplied by, what is added; variance and 1 / its root; blame for shift and scale.
MEANS, FACTORS, SHIFTS, VARIANCES, SLOPES, BLAMED, SCALED = range(7)


@part
def _pack_norm(row, theta, packed):
    """Have running statistics at hand, by which a network answers."""
    c, to, at = row[N], row[FORWARD], row[DW]
    for m in range(c):
        slope = np.float32(1) / np.float32(math.sqrt(theta[at + 3 * c + m] + np.float32(EPSILON)))
        packed[to + MEANS * c + m] = theta[at + 2 * c + m]
        packed[to + FACTORS * c + m] = theta[at + m] * slope
        packed[to + SHIFTS * c + m] = theta[at + c + m]


@part
def _even(row, x, a, ends, evened):
    """Put (x - mean) * factor + shift into a."""
    c = row[N]
    for i in range(row[OUTS]):
        for m in range(c):
            value = subtract(load(x, (i * c + m) * LANES), splat(evened[m]))
            factor, shift = splat(evened[FACTORS * c + m]), splat(evened[SHIFTS * c + m])
            store(a, ends[i] + m * LANES, multiply_add(value, factor, shift))


@part
def _spread(row, x, few, spare, out):
    """Put the mean of every channel, over all places of `few` images, and the sum of squares
    around it into out."""
    c, places = row[N], row[OUTS]
    for m in range(c):
        sums, whole = splat(0), 0.0
        for i in range(places):
            sums = add(sums, load(x, (i * c + m) * LANES))
        store(spare, 0, sums)
        for lane in range(few):
            whole += spare[lane]
        mean = np.float32(whole / (few * places))
        sums, whole = splat(0), 0.0
        for i in range(places):
            away = subtract(load(x, (i * c + m) * LANES), splat(mean))
            sums = multiply_add(away, away, sums)
        store(spare, 0, sums)
        for lane in range(few):
            whole += spare[lane]
        out[m], out[c + m] = mean, np.float32(whole)


@part
def _join_spreads(row, count, partials, theta, evened):
    """Find mean and variance of a batch from those of its groups."""
    c, places, at = row[N], row[OUTS], row[PARTIAL]
    for m in range(c):
        seen, mean, squares = 0.0, 0.0, 0.0
        for n in range((count + LANES - 1) // LANES):
            few = np.float64(min(LANES, count - n * LANES) * places)
            away, every = np.float64(partials[n, at + m]) - mean, seen + few
            mean += away * few / every
            squares += np.float64(partials[n, at + c + m]) + away * away * seen * few / every
            seen = every
        variance = np.float32(squares / seen)
        slope = np.float32(1) / np.float32(math.sqrt(variance + np.float32(EPSILON)))
        evened[MEANS * c + m], evened[VARIANCES * c + m] = np.float32(mean), variance
        evened[SLOPES * c + m], evened[FACTORS * c + m] = slope, theta[row[DW] + m] * slope
        evened[SHIFTS * c + m] = theta[row[DW] + c + m]


@part
def _norm_blame(row, x, dz, evened, out):
    """Put into out what the shift and the scale of each channel are to blame for in a group."""
    c = row[N]
    for m in range(c):
        shifts, scales = splat(0), splat(0)
        mean, slope = splat(evened[MEANS * c + m]), splat(evened[SLOPES * c + m])
        for i in range(row[OUTS]):
            at = (i * c + m) * LANES
            blame, even = load(dz, at), multiply(subtract(load(x, at), mean), slope)
            shifts, scales = add(shifts, blame), multiply_add(blame, even, scales)
        out[2 * c + m], out[3 * c + m] = total(shifts), total(scales)


@part
def _join_blame(row, count, partials, evened):
    """Add that up over all groups."""
    c, at = row[N], row[PARTIAL]
    for k in range(2 * c):
        evened[BLAMED * c + k] = partials[0, at + 2 * c + k]
        for n in range(1, (count + LANES - 1) // LANES):
            evened[BLAMED * c + k] += partials[n, at + 2 * c + k]


@part
def _norm_back(row, x, dz, few, count, evened, spare, dx):
    """Put into dx the blame for x, for each number moves mean and variance of all `count` images.

    Lanes without an image have none: they were not asked for means.
    """
    c, share = row[N], np.float32(1) / np.float32(count * row[OUTS])
    for lane in range(LANES):
        spare[lane] = np.float32(lane < few)
    there = load(spare, 0)
    for m in range(c):
        mean, slope = splat(evened[MEANS * c + m]), splat(evened[SLOPES * c + m])
        factor = multiply(splat(evened[FACTORS * c + m]), there)
        shift, scale = splat(evened[BLAMED * c + m] * share), splat(evened[SCALED * c + m] * share)
        for i in range(row[OUTS]):
            at = (i * c + m) * LANES
            even = multiply(subtract(load(x, at), mean), slope)
            value = subtract(load(dz, at), multiply_add(even, scale, shift))
            store(dx, at, multiply(value, factor))


@part
def _learn_norm(row, count, moves, weight, rule, learner, evened, spare):
    """Take the step of scales and shifts; have running statistics follow, as `Network.settle` does,
    or leave in a gradient what it takes out of there.

    weight: what an image counts; of a batch that is one call's, 1 / count.
    """
    c, target, at = row[N], learner[0], row[DW]
    for start in range(0, 2 * c, PANEL):
        few = min(PANEL, 2 * c - start)
        for k in range(few):  # blame for scales stands last, they themselves first
            j = start + k
            from_ = SCALED * c + j if j < c else BLAMED * c + j - c
            spare[3 * LANES + k] = evened[from_]
        move(rule, learner, at + start, few, spare, 3 * LANES, spare)
    seen, share = np.float32(count * row[OUTS]), weight * np.float32(count)
    for m in range(c):
        mean = evened[MEANS * c + m]
        variance = evened[VARIANCES * c + m] * (seen / max(np.float32(1), seen - np.float32(1)))
        for k, value in ((2 * c + m, mean), (3 * c + m, variance)):
            if moves:
                target[at + k] += np.float32(PACE) * (value - target[at + k])
            else:
                target[at + k] += share * value
