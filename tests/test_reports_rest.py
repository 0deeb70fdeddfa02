"""Reports, the rest: files under another set's names, and processes that fork."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nnengine.cli import main
from nnengine.data.names import FASHION_NAMES

# One process learns on two threads, and forks in the middle of another run: both go on with that
# run, and begin anew. What each came to is printed.
FORKS = """
import hashlib, os, sys
from nnengine import Network, TrainingConfig, training
from nnengine.data import synthetic
from nnengine.kernels import workers

data = synthetic.digits(640, seed=1)

def begun():
    network = Network.build(sys.argv[1], image_shape=(28, 28), classes=10, rng=0)
    return network, training(network, data, TrainingConfig(epochs=2, batch_size=64))

def ended(network, run):
    for _ in run:
        pass
    answers = network.predict_proba(data.images)
    return hashlib.sha256(network.theta.tobytes() + answers.tobytes()).hexdigest()

first = ended(*begun())
with workers.beside(lambda: None):
    pass
threads = len(os.listdir("/proc/self/task"))
network, run = begun()
for _ in range(5):
    next(run)
child = os.fork()
who = "parent" if child else "child"
said = f"{who} {first == ended(network, run) == ended(*begun())} {threads > 1}"
os.write(1, said.encode() + bytes([10]))  # a line at once: print may hand it on word by word
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="copies of a process are safe on Linux alone")
@pytest.mark.parametrize("layers", ["dense 32", "conv 4 3x3, pool 2, dense 16"])
def test_a_copy_forked_while_threads_are_at_work_learns_to_the_same_bits(layers):
    """Threads do not come along into a copy: it makes its own, and waits for none that is gone."""
    found = subprocess.run(
        [sys.executable, "-c", FORKS, layers], capture_output=True, text=True, timeout=300,
        env={**os.environ, "NNENGINE_THREADS": "2"},
    )  # fmt: skip
    assert ["child True True", "parent True True"] == sorted(found.stdout.splitlines()), (
        found.stderr
    )
    assert 0 == found.returncode


@pytest.mark.parametrize(
    ("digits", "under", "names"),
    [("mnist", "fashion-mnist", tuple("0123456789")), ("fashion-mnist", "mnist", FASHION_NAMES)],
)
def test_classes_are_called_by_what_labels_are_and_never_by_the_names_of_files(
    data_dir, digits, under, names
):
    from dashboard.store.files import Shelf, pair

    shelf = Shelf()
    files = [
        shelf.load(f"{under}-t10k-{kind}-ubyte.gz", path.read_bytes())
        for kind in ("images-idx3", "labels-idx1")
        for path in [data_dir / digits / f"t10k-{kind}-ubyte.gz"]
    ]
    found = pair(files)
    assert names == shelf.dataset(*(found.training or found.test)).class_names


def test_digits_in_a_folder_called_fashion_mnist_are_not_learnt_as_clothes(
    data_dir, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for path in (data_dir / "mnist").glob("*.gz"):
        (folder / path.name).symlink_to(path)
    monkeypatch.setenv("NNENGINE_DATA", str(tmp_path))
    assert 2 == main(["train", "fashion-mnist", "--iterations", "1"])
    assert "not the published file" in capsys.readouterr().err
    assert 0 == main(["info", str(folder)])
    said = capsys.readouterr().out
    assert "Trouser" not in said and "60,000" in said
