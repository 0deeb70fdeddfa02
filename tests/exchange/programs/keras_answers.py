"""python keras_answers.py MODULE FOLDER...: what tf_keras or keras answers, as answers.f32.

Each folder has one model.keras or model.h5, the bytes of images and their shape.json.
"""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
module, *folders = sys.argv[1:]
keras = importlib.import_module(module)
for folder in map(Path, folders):
    (model,) = folder.glob("model.*")
    loaded = keras.models.load_model(model, compile=False)
    images = np.fromfile(folder / "images", np.uint8)
    images = images.reshape(json.loads((folder / "shape.json").read_text()))
    found = loaded.predict(images.astype(np.float32), batch_size=1000, verbose=0)
    found.astype(np.float32).tofile(folder / "answers.f32")
