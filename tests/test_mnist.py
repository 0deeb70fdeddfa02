"""What the engine promises on the real MNIST files: accuracy, memory, speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnengine import Dataset, Idx1, Idx3, Network, TrainingConfig, kernels, training

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def train(mnist_files):
    """Run `nnengine train` on the four files in a process of its own; return what it says."""

    def run(*arguments: str) -> dict:
        files = [str(mnist_files[part]) for part in ("train_images", "train_labels")]
        test = [str(mnist_files[part]) for part in ("test_images", "test_labels")]
        command = [sys.executable, "-m", "nnengine", "train", *files, "--test", *test, "--json"]
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


PEAK = """
import sys
from nnengine.cli import main
status = main(sys.argv[1:])
memory = open("/proc/self/status").read()
print(status, memory.split("VmHWM:")[1].split()[0], file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory in /proc")
def test_training_on_mnist_stays_under_400_megabytes(mnist_files):
    """Asked of the process itself: what wait4 says of a child begins with its parent's size."""
    images, labels, *test = map(str, mnist_files.values())
    command = [sys.executable, "-c", PEAK, "train", images, labels, "--test", *test, "--json"]
    done = subprocess.run(
        [*command, "--batch-size", "all", "--iterations", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    status, kilobytes = done.stderr.split()[-2:]
    assert "0" == status
    assert int(kilobytes) < 400_000


def test_three_epochs_of_adam_read_97_percent_of_the_test_images(train):
    found = train(
        "--layers", "784,128,10", "--epochs", "3", "--optimiser", "adam",
        "--learning-rate", "0.001", "--seed", "1",
    )  # fmt: skip
    assert found["test_accuracy"] > 0.965
    assert (3, 3 * 938, [784, 128, 10]) == (found["epochs"], found["iterations"], found["layers"])


def original_in_float64(network, x, labels, steps, rate):
    """Take full-batch steps by the original's formulas, images in columns; return the weights.

    The mean over all images is summed 500 at a time: these stay in the cache from forward to
    backward, where all at once, 376 MB, come from memory twice a step.
    """
    W, B, w, b = (np.atleast_2d(np.float64(one)).T for one in network.parameters().values())
    truth, size = np.eye(10)[:, labels], 500
    for _ in range(steps):
        sums = [np.zeros_like(array) for array in (W, B, w, b)]
        for start in range(0, len(x), size):
            some = x[start : start + size]
            hidden = np.maximum(W @ some.T + B, 0)
            logits = w @ hidden + b
            odds = np.exp(logits - logits.max(axis=0))
            blame = (odds / odds.sum(axis=0) - truth[:, start : start + size]) / len(x)
            blame_hidden = (w.T @ blame) * (hidden > 0)
            sums[0] += blame_hidden @ some
            sums[1] += blame_hidden.sum(axis=1, keepdims=True)
            sums[2] += blame @ hidden.T
            sums[3] += blame.sum(axis=1, keepdims=True)
        for array, total in zip((W, B, w, b), sums, strict=True):
            array -= rate * total
    return np.concatenate([array.T.ravel() for array in (W, B, w, b)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_300_iterations_on_all_images_end_within_a_hundred_thousandth_of_float64(mnist_files):
    data = Dataset(Idx3(mnist_files["train_images"]), Idx1(mnist_files["train_labels"]))
    network = Network.build([784, 10, 10], initialisation="uniform", rng=0)
    x = data.images.reshape(len(data), 784) / 255
    expected = original_in_float64(network, x, data.labels, 300, 0.1)
    settings = {"iterations": 300, "batch_size": None, "learning_rate": 0.1}
    list(training(network, data, TrainingConfig(**settings)))
    np.testing.assert_allclose(network.theta, expected, atol=1e-5, rtol=0)


ORIGINAL = ("--layers", "784,10,10", "--batch-size", "all", "--iterations", "5000",
            "--init", "uniform", "--seed", "0")  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_originals_network_reaches_what_the_original_claims(train):
    if kernels.name == "numpy":
        pytest.skip("5,000 iterations on the full batch take too long without compiled kernels")
    assert train(*ORIGINAL, "--learning-rate", "0.5")["test_accuracy"] > 0.9288
