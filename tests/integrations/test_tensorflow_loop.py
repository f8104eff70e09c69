"""A loop of TensorFlow's own: the same problems as plain `wk.watch` on the same fault, and summaries that can be read again."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from same_run import BATCH, STEPS, Rows, plain, problems

tf = importlib.import_module("tensorflow")

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def loop(fault: str, **given: Any) -> Any:
    """Train the very network of the run in PyTorch, from the same weights, on the same batches."""
    from watchkeeper.integrations.tensorflow import Watch

    made = Rows(fault)
    x, y = made.x.numpy(), made.y.numpy()
    weights = [tf.Variable(p.detach().numpy(), name=name) for name, p in made.net.named_parameters()]
    watch = Watch(weights, "cross_entropy", classes=3, **given)
    watch.inputs(x[:BATCH])
    for step in range(STEPS):
        rows = slice(step * BATCH % len(y), step * BATCH % len(y) + BATCH)
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(x[rows] @ tf.transpose(weights[0]) + weights[1])
            hidden = tf.nn.relu(hidden @ tf.transpose(weights[2]) + weights[3])
            scores = hidden @ tf.transpose(weights[4]) + weights[5]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y[rows], scores))
        gradients = tape.gradient(loss, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.assign_sub(made.rate * gradient)
        watch.step(loss, gradients)
    watch.close()
    return watch


@pytest.mark.parametrize("fault", ["healthy", "rate", "scale", "dead"])
def test_it_finds_what_plain_pytorch_finds(fault: str) -> None:
    watch, wanted = loop(fault), plain(fault)
    if fault == "healthy":
        run, made = watch.watching.run, Rows(fault)
        for name in ("loss", "gradient"):
            np.testing.assert_allclose(run.series[name].rows, wanted.run.series[name].rows, rtol=1e-3, atol=1e-6)
        sizes = np.array([float(p.detach().norm()) for p in made.net.parameters()])
        first = made.rate * run.series["gradient"].rows[0] / sizes  # what a step of plain SGD is
        np.testing.assert_allclose(run.series["update"].rows[0], first, rtol=1e-4)
    seen = problems(wanted.findings) - {"dead_units", "class_collapse"}  # for which a probe or outputs are needed
    if fault == "rate":
        assert "non_finite" in problems(watch.findings, "critical") & problems(wanted.findings, "critical")
    else:
        assert problems(watch.findings) >= seen
    assert bool(problems(watch.findings)) is (fault != "healthy")


def test_stopping_validation_and_summaries(tmp_path: Path) -> None:
    from watchkeeper.integrations.tensorflow import Summaries

    watch = loop("rate", stop_on="critical", sinks=[Summaries(tmp_path)])
    assert watch.stops
    (file,) = tmp_path.glob("events*")
    tags = {v.tag for e in tf.compat.v1.train.summary_iterator(str(file)) for v in e.summary.value}
    assert {"loss", "loss_smooth", "findings/non_finite", "gradient/0.weight:0"} <= tags
