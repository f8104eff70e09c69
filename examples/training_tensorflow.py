"""A loop of TensorFlow's own, watched by one call a step: once as it should be, once with a learning rate that is too high."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from watchkeeper.integrations.tensorflow import Watch
from watchkeeper.training.finding import Findings


def train(rate: float) -> Findings:
    """Train a linear model on numbers, and return what was found."""
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(1024, 8)).astype("float32")
    y = (x @ np.arange(8.0) + 0.1 * drawn.normal(size=1024)).astype("float32")
    weights, offset = tf.Variable(tf.zeros((8, 1)), name="weights"), tf.Variable(0.0, name="offset")
    watch = Watch([weights, offset], "mse", stop_on="critical")
    watch.inputs(x[:64])
    for step in range(200):
        rows = slice(64 * step % 1024, 64 * step % 1024 + 64)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(((x[rows] @ weights)[:, 0] + offset - y[rows]) ** 2)
        gradients = tape.gradient(loss, [weights, offset])
        for variable, gradient in zip([weights, offset], gradients, strict=True):
            variable.assign_sub(rate * gradient)
        watch.step(loss, gradients)
        if watch.stops:
            break
    watch.close()
    return watch.findings


if __name__ == "__main__":
    for rate in (0.05, 1.2):
        print(f"learning rate {rate}:", *train(rate) or ["nothing found"], sep="\n  ")
