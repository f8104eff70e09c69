"""Keras 3, on the backend that KERAS_BACKEND names: once as it should be, once on rows of which one column is not scaled."""

from __future__ import annotations

import keras
import numpy as np

from watchkeeper.integrations.keras import ValidationReport, WatchCallback


def train(scaled: bool) -> None:
    """Train a small network on rows in three classes, and print what was found."""
    keras.utils.set_random_seed(0)
    drawn = np.random.default_rng(0)
    y = drawn.integers(0, 3, 2000)
    x = (1.5 * drawn.normal(size=(3, 10))[y] + drawn.normal(size=(2000, 10))).astype("float32")
    if not scaled:
        x[:, 3] *= 1000
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    held, watch = ValidationReport(x[1500:], y[1500:]), WatchCallback(gradients=True, sample=x[:256])
    model.fit(x[:1500], y[:1500], validation_data=(x[1500:], y[1500:]), epochs=4, verbose=0, callbacks=[held, watch])
    print("scaled:" if scaled else "not scaled:", *watch.findings or ["nothing found"], sep="\n  ")
    print(held.report)


if __name__ == "__main__":
    for scaled in (True, False):
        train(scaled)
