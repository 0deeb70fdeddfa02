#!/usr/bin/env bash
# Of an ONNX network with two outputs, OpenCV 4's net.forward() without a name gives the last, OpenCV 5's gives the first: code that read probabilities reads logits after the upgrade, in the same shape and without a word.
# Who reads ONNX with OpenCV names the output: net.forward("probabilities") gives the same in both, or writes files of one output.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > network.py <<'PYTHON'
import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper


def port(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2])


graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ],
    "a layer and softmax",
    [port("x")],
    [port("logits"), port("probabilities")],
    [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")],
)
model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
checker.check_model(model, full_check=True)
open("network.onnx", "wb").write(model.SerializeToString())
PYTHON

cat > answer.py <<'PYTHON'
import cv2
import numpy as np

net = cv2.dnn.readNetFromONNX("network.onnx")
net.setInput(np.array([[0, 2]], np.float32))
print("without a name:", *net.forward().ravel().round(3))
print("by its name:", *net.forward("probabilities").ravel().round(3))
PYTHON

printf '%s\n' "without a name: 0.119 0.881" "by its name: 0.119 0.881" > known-4
printf '%s\n' "without a name: 0.0 2.0" "by its name: 0.119 0.881" > known-5

echo "Expected: the same answer of the same file, softmax(0, 2) = 0.119, 0.881."
changed=0
for version in 4.14.0.94 5.0.0.93; do
  python3.11 -m venv --clear venv
  venv/bin/python -m pip install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 "opencv-python-headless==$version"
  venv/bin/python network.py
  echo "Seen with opencv-python-headless $version:"
  venv/bin/python answer.py 2> log | tee seen || { cat log >&2; exit 1; }
  cmp -s seen "known-${version%%.*}" || { echo "CHANGED: it was"; cat "known-${version%%.*}"; changed=1; }
done
exit $changed
