"""python keras_2_made.py FOLDER IMAGES.npy: models that Keras 2 saves as .h5, with its answers.

Images are 0 to 1; FOLDER gets NAME.h5 and NAME.npy.
"""

import os
import sys
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tf_keras as keras

folder, images = Path(sys.argv[1]), np.load(sys.argv[2])
keras.utils.set_random_seed(2)
layers = keras.layers
inputs = keras.Input((28, 28, 1))
x = layers.Conv2D(4, 4, strides=2, padding="same", activation="relu")(inputs)
x = layers.BatchNormalization()(x)
x = layers.MaxPooling2D()(x)
x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, use_bias=False)(x))
outputs = layers.Dense(10, activation="softmax")(layers.Dropout(0.3)(x))
models = {
    "tutorial": keras.Sequential([
        layers.Flatten(input_shape=(28, 28, 1)), layers.Dense(24, activation="relu"),
        layers.Dropout(0.2), layers.Dense(12), layers.LeakyReLU(alpha=0.01),
        layers.Dense(10, activation="softmax"),
    ]),
    "functional": keras.Model(inputs, outputs),
    "many": keras.Sequential([
        layers.InputLayer((28, 28, 1)), layers.Flatten(),
        *(layers.Dense(9 + n, activation="sigmoid") for n in range(11)),
        layers.Dense(10), layers.Softmax(),
    ]),
}  # fmt: skip
for name, model in models.items():
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[:64], np.arange(64) % 10, verbose=0)  # statistics of norms, and an optimizer
    model.save(folder / f"{name}.h5")
    np.save(folder / f"{name}.npy", model.predict(images, verbose=0))
