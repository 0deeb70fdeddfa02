"""python opencv_answers.py FOLDER...: what OpenCV 5 answers to uint8 pixels, as answers.f32.

Each folder has model.onnx, the bytes of images and their shape.json.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

for folder in map(Path, sys.argv[1:]):
    network = cv2.dnn.readNetFromONNX(str(folder / "model.onnx"))
    shape = json.loads((folder / "shape.json").read_text())
    network.setInput(np.fromfile(folder / "images", np.uint8).reshape(shape))
    network.forward().astype(np.float32).tofile(folder / "answers.f32")
