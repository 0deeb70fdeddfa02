#!/usr/bin/env bash
# IDX numbers lie big-endian, and idx2numpy hands them out so (>i4). onnxruntime and pyarrow.Tensor take such an array without a word and read its bytes the other way round: 1 becomes 16,777,216. pyarrow.array refuses it.
# Who hands IDX arrays on makes them native first: array.astype(array.dtype.newbyteorder("=")).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > handed_on.py <<'PYTHON'
import idx2numpy
import numpy as np
import onnxruntime
import pyarrow
from onnx import TensorProto, helper

# Two zero bytes, type 0x0C (int32), one dimension, of three numbers: 1, 2, 3.
idx = bytes.fromhex("00000c01" "00000003" "00000001" "00000002" "00000003")
labels = idx2numpy.convert_from_string(idx)

ports = [helper.make_tensor_value_info(name, TensorProto.INT32, [3]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", ports[:1], ports[1:])
model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
session = onnxruntime.InferenceSession(model.SerializeToString())


def refusal(make, array):
    try:
        return make(array)
    except pyarrow.ArrowNotImplementedError as fault:
        return f"refused ({fault})"


def handed_on(array):
    print(f"{array.dtype.str}: {array}")
    print("  onnxruntime:", session.run(None, {"x": array})[0])
    print("  pyarrow.Tensor:", pyarrow.Tensor.from_numpy(array).to_numpy())
    print("  pyarrow.array:", np.array(refusal(pyarrow.array, array)))


handed_on(labels)
handed_on(labels.astype(labels.dtype.newbyteorder("=")))
PYTHON

cat > known <<'TEXT'
>i4: [1 2 3]
  onnxruntime: [16777216 33554432 50331648]
  pyarrow.Tensor: [16777216 33554432 50331648]
  pyarrow.array: refused (Byte-swapped arrays not supported)
<i4: [1 2 3]
  onnxruntime: [1 2 3]
  pyarrow.Tensor: [1 2 3]
  pyarrow.array: [1 2 3]
TEXT

python3.11 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 idx2numpy==1.2.3 onnx==1.23.2 onnxruntime==1.32.0 pyarrow==26.0.1
echo "Expected: 1, 2, 3 everywhere, or an error."
echo "Seen with idx2numpy 1.2.3, onnxruntime 1.32.0, pyarrow 26.0.1 (a little-endian machine):"
venv/bin/python handed_on.py 2> log | tee seen || { cat log >&2; exit 1; }
cmp -s seen known || { echo "CHANGED: it was"; cat known; exit 1; }
