#!/usr/bin/env bash
# safetensors.numpy.save of 0.8.0 writes the bytes of a transposed or strided array as they lie in memory, under its transposed shape: weights come back scrambled, without a word. 0.7.0 wrote them right.
# Who saves weights.T, as PyTorch's orientation asks for, hands over numpy.ascontiguousarray(weights.T).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > there_and_back.py <<'PYTHON'
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load, save

weights = np.arange(6, dtype=np.float32).reshape(2, 3)
forms = {
    "transposed": weights.T,
    "every other column": weights[:, ::2],
    "transposed, made contiguous": np.ascontiguousarray(weights.T),
}
print("safetensors", version("safetensors"))
for name, array in forms.items():
    back = load(save({"w": array}))["w"]
    verdict = "the same" if np.array_equal(array, back) else f"{array.tolist()} became {back.tolist()}"
    print(f"  {name}: {verdict}")
PYTHON

cat > known <<'TEXT'
safetensors 0.7.0
  transposed: the same
  every other column: the same
  transposed, made contiguous: the same
safetensors 0.8.0
  transposed: [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]] became [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
  every other column: [[0.0, 2.0], [3.0, 5.0]] became [[0.0, 1.0], [2.0, 3.0]]
  transposed, made contiguous: the same
TEXT

for number in 0.7.0 0.8.0; do
  python3.11 -m venv "venv-$number"
  "venv-$number/bin/python" -m pip install --quiet --disable-pip-version-check \
    numpy==2.4.6 "safetensors==$number"
done
echo "Expected: the same everywhere, or an error. Seen:"
for number in 0.7.0 0.8.0; do
  "venv-$number/bin/python" there_and_back.py
done | tee seen
cmp -s seen known || { echo "CHANGED: it was"; cat known; exit 1; }
