"""Steps: what an optimiser does with a gradient, for all parameters in one loop."""

from __future__ import annotations

import math

from .compiling import compiled


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
