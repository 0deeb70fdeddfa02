"""What PyTorch and JAX make of the probe, in both types, is called right by the check."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine.homework.checking import check
from nnengine.homework.probe import probe

START = probe()
EACH = pytest.mark.parametrize("dtype", ["float32", "float64"])
ACTIVATED = pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
GRADIENTS = ("dW1", "db1", "dW2", "db2")


def begun(dtype):
    """Return pixels, labels and weights as rows for images, in a type."""
    arrays = START.arrays(columns=False)
    return [arrays["X"].astype(dtype), arrays["Y"],
            *(arrays[name].astype(dtype) for name in ("W1", "b1", "W2", "b2"))]  # fmt: skip


def judged(saved, dtype):
    """Return the report of arrays, all of which must have been judged, in the type they came in."""
    saved = {name: np.asarray(array) for name, array in saved.items()}
    assert {np.dtype(dtype)} == {a.dtype for name, a in saved.items() if name != "loss"}
    report = check(saved)
    assert set(saved) == set(report.right) | set(report.wrong)
    return report


def of_torch(dtype, activation):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, y, *weights = (torch.tensor(a) for a in begun(dtype))
    for w in weights:
        w.requires_grad_()
    w1, b1, w2, b2 = weights
    z1 = x @ w1 + b1
    a1 = getattr(torch, activation)(z1)
    z2 = a1 @ w2 + b2
    for hidden in (z1, a1, z2):
        hidden.retain_grad()
    loss = torch.nn.functional.cross_entropy(z2, y)
    loss.backward()
    made = {"Z1": z1, "A1": a1, "Z2": z2, "A2": torch.softmax(z2, 1), "loss": loss, "dZ2": z2.grad,
            "dA1": a1.grad, "dZ1": z1.grad, "dW1": w1.grad, "db1": b1.grad, "dW2": w2.grad,
            "db2": b2.grad}  # fmt: skip
    torch.optim.SGD(weights, lr=START.rate).step()
    made |= {f"{name}_new": w for name, w in zip(("W1", "b1", "W2", "b2"), weights, strict=True)}
    return {name: tensor.detach().numpy() for name, tensor in made.items()}


def of_jax(dtype, activation):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    x, y, *weights = (jax.numpy.asarray(a) for a in begun(dtype))
    act = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jax.numpy.tanh}[activation]

    def loss_of(weights):
        w1, b1, w2, b2 = weights
        z1 = x @ w1 + b1
        z2 = act(z1) @ w2 + b2
        loss = -jax.nn.log_softmax(z2)[jax.numpy.arange(len(y)), y].mean()
        return loss, {"Z1": z1, "A1": act(z1), "Z2": z2, "A2": jax.nn.softmax(z2)}

    (loss, made), gradients = jax.jit(jax.value_and_grad(loss_of, has_aux=True))(weights)
    named = {"W1": 0, "b1": 1, "W2": 2, "b2": 3}
    made |= {f"d{name}": gradients[n] for name, n in named.items()} | {"loss": loss}
    rate = np.dtype(dtype).type(START.rate)
    made |= {f"{name}_new": weights[n] - rate * gradients[n] for name, n in named.items()}
    return {name: np.asarray(array) for name, array in made.items()}


@EACH
@ACTIVATED
@pytest.mark.parametrize("made_by", [of_torch, of_jax], ids=["PyTorch", "JAX"])
def test_the_gradients_of_another_framework_are_right(made_by, dtype, activation):
    report = judged(made_by(dtype, activation), dtype)
    assert () == report.wrong, report
    assert set(GRADIENTS) <= set(report.right)


@EACH
@pytest.mark.parametrize("made_by", [of_torch, of_jax], ids=["PyTorch", "JAX"])
def test_a_step_of_theirs_that_goes_uphill_is_called_so(made_by, dtype):
    saved = made_by(dtype, "relu")
    begun_with = dict(zip(("W1", "b1", "W2", "b2"), begun(dtype)[2:], strict=True))
    saved["W1_new"] = 2 * begun_with["W1"] - saved["W1_new"]
    report = judged(saved, dtype)
    assert (("W1_new",), ("step_uphill",)) == (report.wrong, report.names), report
