"""Steps: what an optimizer does with a gradient, for all parameters or a few."""

from __future__ import annotations

import math

from ..numpy_ import ADAM, MOMENTUM
from .compiling import compiled, part, within
from .simd import (
    LANES,
    add,
    divide,
    is_nothing,
    load,
    multiply,
    multiply_add,
    ordinary,
    splat,
    square_root,
    store,
    subtract,
    without_dust,
)


@compiled
def sgd(theta, gradient, rate):
    """theta -= rate * gradient, in place."""
    for i in range(theta.size):
        theta[i] -= rate * gradient[i]


@compiled
def momentum(theta, gradient, velocity, rate, decay):
    """velocity = decay * velocity - rate * gradient; theta += velocity, in place."""
    for i in range(theta.size):
        velocity[i] = decay * velocity[i] - rate * gradient[i]
        theta[i] += velocity[i]


@compiled
def adam(theta, gradient, mean, square, rate, beta1, beta2, epsilon):
    """One step of Adam, in place. rate and epsilon carry the bias corrections already."""
    one = theta.dtype.type(1)
    for i in range(theta.size):
        g = gradient[i]
        mean[i] += (one - beta1) * (g - mean[i])
        square[i] += (one - beta2) * (g * g - square[i])
        theta[i] -= rate * mean[i] / (math.sqrt(square[i]) + epsilon)


@within
def _move_sixteen(rule, learner, at, g):
    """Take the step of sixteen parameters from `at` on, whose gradient is g.

    What is remembered of pixels that no image uses for long would fade to numbers so small that
    processors take twice the time over them: they are nothing before that.
    """
    kind, rate, x, y, epsilon = rule
    theta, first, second = learner
    if kind == ADAM:
        mean, square = load(first, at), load(second, at)
        mean = without_dust(multiply_add(splat(x), subtract(g, mean), mean))
        square = ordinary(multiply_add(splat(y), subtract(multiply(g, g), square), square))
        store(first, at, mean)
        store(second, at, square)
        below = add(square_root(square), splat(epsilon))
        step = divide(multiply(splat(rate), mean), below)
        store(theta, at, subtract(load(theta, at), step))
    elif kind == MOMENTUM:
        velocity = multiply(splat(x), load(first, at))
        velocity = without_dust(subtract(velocity, multiply(splat(rate), g)))
        store(first, at, velocity)
        store(theta, at, add(load(theta, at), velocity))
    else:
        store(theta, at, multiply_add(splat(-rate), g, load(theta, at)))


@part
def _move_rest(rule, learner, at, count, g, start, spare):
    """Take the step of the last few parameters, fewer than a vector: from vectors of their own."""
    theta, first, second = learner
    for k in range(count):
        spare[k] = theta[at + k]
        if first.size:
            spare[LANES + k] = first[at + k]
        if second.size:
            spare[2 * LANES + k] = second[at + k]
    few = spare, spare[LANES:], spare[2 * LANES :]
    _move_sixteen(rule, few, 0, load(g, start))
    for k in range(count):
        theta[at + k] = spare[k]
        if first.size:
            first[at + k] = spare[LANES + k]
        if second.size:
            second[at + k] = spare[2 * LANES + k]


@part
def move(rule, learner, at, count, g, start, spare):
    """Take the step of `count` parameters from `at` on; g[start : start + count]: their gradient.

    rule: which optimizer and its four numbers, of which sgd uses the rate alone, momentum two and
    Adam all. learner: theta and what the optimizer remembers of each parameter, twice; empty where
    it does not. spare: 48 floats, for the last ones where they are no whole vector.
    """
    whole = count - count % LANES
    for k in range(0, whole, LANES):
        _move_sixteen(rule, learner, at + k, load(g, start + k))
    if whole < count:
        _move_rest(rule, learner, at + whole, count - whole, g, start + whole, spare)


@within
def move_four(rule, learner, at, sums):
    """Take the step of 64 parameters from `at` on, whose gradient is a tile of four sums."""
    _move_sixteen(rule, learner, at, sums[0])
    _move_sixteen(rule, learner, at + LANES, sums[1])
    _move_sixteen(rule, learner, at + 2 * LANES, sums[2])
    _move_sixteen(rule, learner, at + 3 * LANES, sums[3])


@within
def at_rest(rule, learner, at, count):
    """Take the step of some parameters, `count` a multiple of 16, if it moves none; tell whether.

    Without a gradient, and where Adam remembers none, nothing but the square fades: 80 of MNIST's
    784 pixels are mostly so, and need no quotients. The bits are those of `move_four`.
    """
    kind, _, _, y, _ = rule
    if kind != ADAM:
        return False
    for k in range(0, count, LANES):
        if not is_nothing(load(learner[1], at + k)):
            return False
    for k in range(0, count, LANES):
        square = load(learner[2], at + k)
        if not is_nothing(square):
            faded = multiply_add(splat(y), subtract(splat(0), square), square)
            store(learner[2], at + k, ordinary(faded))
    return True
