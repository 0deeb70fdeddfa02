#!/usr/bin/env bash
# upng-js leans a grey PNG of 1 bit a pixel whose width is no multiple of 8: rows of such a file begin at a whole byte, toRGBA8 reads on without the bits between. A digit of 28 x 28 saved in black and white comes out as slanting stripes, without an error.
# Who reads digits in JavaScript asks the browser (createImageBitmap) or another reader for PNGs below 8 bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > digit.py <<'PYTHON'
"""A 1, 28 x 28, as Pillow saves black and white; then as Pillow reads it again."""
import numpy as np
from PIL import Image

one = np.zeros((28, 28), bool)
one[4:24, 13:15] = True
Image.fromarray(one).save("one.png")
for row in np.asarray(Image.open("one.png"))[4:8]:
    print("".join(".#"[int(lit)] for lit in row))
PYTHON

cat > digit.js <<'JS'
const UPNG = require("upng-js");
const bytes = require("fs").readFileSync("one.png");
const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const rgba = new Uint8Array(UPNG.toRGBA8(UPNG.decode(file))[0]);
for (let y = 4; y < 8; y++) {
  let row = "";
  for (let x = 0; x < 28; x++) row += rgba[4 * (28 * y + x)] ? "#" : ".";
  console.log(row);
}
JS

cat > good <<'TEXT'
.............##.............
.............##.............
.............##.............
.............##.............
TEXT
cat > leaning <<'TEXT'
............................
.##.........................
.....##.....................
.........##.................
TEXT

python3.11 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==12.2.0
npm install --silent --no-fund --no-audit upng-js@2.1.0 > log 2>&1 || { cat log >&2; exit 1; }

echo "Expected, and seen with Pillow 12.2.0 (rows 4 to 7 of the digit):"
venv/bin/python digit.py | tee pillow
echo "Seen with upng-js 2.1.0:"
node digit.js | tee seen
cmp -s pillow good || { echo "CHANGED: Pillow's was"; cat good; exit 1; }
cmp -s seen leaning || { echo "CHANGED: it was"; cat leaning; exit 1; }
