"""Code: programs that hold a network's weights answer as it does, each in its language."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from nnengine import ConfigError, Network, exchange
from tests.exchange.nets import NETS, images_for

GCC = shutil.which("gcc")


def test_the_numpy_file_is_a_program_that_needs_numpy_alone(tmp_path):
    net = NETS["lenet"]
    images = images_for(net, 5)[..., 0]
    (tmp_path / "net.py").write_bytes(exchange.to_bytes(net, "numpy"))
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "net.py", "images.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    wanted = [net.class_names[k] for k in net.predict(images)]
    assert wanted == [line.rpartition(" ")[0] for line in done.stdout.splitlines()]


def test_the_numpy_file_can_be_read_but_for_its_weights():
    text = exchange.to_bytes(NETS["lenet"], "numpy").decode()
    code = text.split("W1 = array")[0]
    assert 80 > len(code.splitlines())
    assert "    x = conv(x, W1, B1, stride=1, pad=2)\n    x = tanh(x)\n" in code
    assert "def relu" not in code  # only what is used


@pytest.mark.skipif(GCC is None, reason="gcc is not installed")
def test_the_c_file_sets_no_memory_aside_and_touches_no_file(tmp_path):
    (tmp_path / "net.c").write_bytes(exchange.to_bytes(NETS["lenet"], "c"))
    subprocess.run([str(GCC), "-c", "-O2", "net.c"], cwd=tmp_path, check=True)
    nm = subprocess.run(["nm", "-u", "net.o"], cwd=tmp_path, capture_output=True, text=True)
    wanted = {line.split()[-1] for line in nm.stdout.splitlines()}
    assert wanted <= {"exp", "tanh", "memset", "memcpy", "_GLOBAL_OFFSET_TABLE_",
                      "__stack_chk_fail"}  # fmt: skip


@pytest.mark.parametrize("kind", ["numpy", "c", "js"])
def test_a_network_too_large_for_a_program_is_sent_elsewhere(kind):
    net = Network.build([784, 7000, 10], rng=0)
    with pytest.raises(ConfigError, match="5,565,010 parameters are too many.*take onnx"):
        exchange.to_bytes(net, kind)
