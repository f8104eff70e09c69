"""Keras: the findings of plain `wk.watch` on the same fault, on the backend that KERAS_BACKEND names (torch, unless said)."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np
import pytest
from same_run import Rows, plain, problems

BACKEND = os.environ.setdefault("KERAS_BACKEND", "torch")
keras = importlib.import_module("keras")

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def model(fault: str = "healthy", *, raw: bool = True) -> Any:
    made = Rows(fault)
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    first = dense(
        32, activation="relu", bias_initializer=keras.initializers.Constant(-50.0 if fault == "dead" else 0.0)
    )
    last = dense(3, activation="softmax" if fault == "double_softmax" or not raw else None)
    net = keras.Sequential([keras.Input((10,)), first, dense(32, activation="relu"), last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=raw)
    net.compile(keras.optimizers.SGD(made.rate), loss, metrics=["accuracy"])
    return net, made.x.numpy(), made.y.numpy()


def fit(callback: Any, fault: str = "healthy", epochs: int = 4, **given: Any) -> Any:
    net, x, y = model(fault)
    history = net.fit(x, y, batch_size=32, epochs=epochs, verbose=0, shuffle=False, callbacks=[callback], **given)
    return net, history


@pytest.mark.parametrize("fault", ["healthy", "rate", "scale", "double_softmax"])
@pytest.mark.parametrize("live", [False, True])
def test_it_finds_what_plain_pytorch_finds(fault: str, live: bool) -> None:
    from watchkeeper.integrations.keras import WatchCallback

    callback = WatchCallback(live=live, gradients=live, sample=Rows(fault).x.numpy())
    fit(callback, fault)
    wanted = plain(fault)
    if fault == "rate":  # how a run falls apart depends on its first weights
        assert problems(callback.findings, "critical") & {"divergence", "non_finite", "not_learning"}
        assert problems(wanted.findings, "critical") & {"divergence", "non_finite", "not_learning"}
    else:
        assert {f.problem for f in list(callback.findings)[:1]} == {f.problem for f in list(wanted.findings)[:1]}
    assert bool(problems(callback.findings)) is (fault != "healthy")
    assert callback.watching.run.facts["backend"] == BACKEND


def test_losses_are_those_of_batches() -> None:
    from watchkeeper.integrations.keras import WatchCallback

    callback = WatchCallback()
    _, history = fit(callback, validation_split=0.25)
    loss = callback.watching.run.series["loss"]
    assert loss.steps.tolist() == list(range(4 * 24))
    np.testing.assert_allclose(loss.values.reshape(4, 24).mean(axis=1), history.history["loss"], rtol=1e-4)
    np.testing.assert_allclose(
        callback.watching.run.series["validation/loss"].values, history.history["val_loss"], rtol=1e-6
    )
    assert np.ptp(loss.values[:24]) > 0.1
    assert (callback.watching.run.loss, callback.watching.run.classes) == ("cross_entropy", 3)


def test_gradients_are_those_of_the_loss() -> None:
    from watchkeeper.integrations.keras import WatchCallback

    callback = WatchCallback(gradients=True)
    net, x, y = model()
    before = [w.copy() for w in net.get_weights()]
    net.fit(x[:32], y[:32], batch_size=32, epochs=1, verbose=0, shuffle=False, callbacks=[callback])
    run = callback.watching.run
    steps = [(a - b) / 0.05 for a, b in zip(before, net.get_weights(), strict=True)]  # plain SGD: the gradient itself
    np.testing.assert_allclose(run.series["gradient"].rows[0], [np.linalg.norm(s) for s in steps], rtol=1e-3)
    sizes = [np.linalg.norm(s) * 0.05 / (np.linalg.norm(b) + 1e-12) for s, b in zip(steps, before, strict=True)]
    weights = [place for place, layer in enumerate(run.layers) if layer.matrix]
    np.testing.assert_allclose(run.series["update"].rows[0][weights], np.array(sizes)[weights], rtol=1e-3)
    assert [layer.shape for layer in run.layers] == [w.shape for w in before]
    assert [layer.zero for layer in run.layers] == [not w.any() for w in before]
    assert "apply" not in vars(net.optimizer)
    net.fit(x[:32], y[:32], epochs=1, verbose=0)
    assert len(run.series["gradient"]) == 1


def test_dead_units_show_by_gradients() -> None:
    from watchkeeper.integrations.keras import WatchCallback

    callback = WatchCallback(gradients=True)
    fit(callback, "dead")
    assert {"unused_parameter", "not_learning"} <= problems(callback.findings)


def test_it_stops_when_asked_and_survives_a_second_fit() -> None:
    from watchkeeper.integrations.keras import WatchCallback

    callback = WatchCallback(stop_on="critical", live=True)
    fit(callback, "rate")
    assert len(callback.watching.run.series["loss"]) < 4 * 32
    fit(callback, epochs=1)
    assert len(callback.watching.run.series["loss"]) == 32
    assert problems(callback.findings) == set()


def test_callbacks_go_on_beside_the_training() -> None:
    from keras.src.callbacks.callback_list import CallbackList

    from watchkeeper.integrations.keras import WatchCallback

    assert CallbackList([WatchCallback()])._async_train is CallbackList([])._async_train
    assert BACKEND != "torch" or CallbackList([])._async_train
    assert not CallbackList([WatchCallback(live=True)])._async_train


def test_overfitting_names_the_epoch_to_go_back_to() -> None:
    from watchkeeper.integrations.keras import WatchCallback

    drawn = np.random.default_rng(0)
    x, y = drawn.normal(size=(120, 20)).astype("float32"), drawn.integers(0, 2, 120)
    y[:60] = x[:60, 0] > 0
    net = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
    net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    callback = WatchCallback()
    history = net.fit(
        x[:60], y[:60], validation_data=(x[60:], y[60:]), epochs=25, batch_size=8, verbose=0, callbacks=[callback]
    )
    assert "overfitting" in problems(callback.findings)
    best = 1 + int(np.argmin(history.history["val_loss"]))
    assert callback.early_stop_advice is not None
    assert f"best in epoch {best} " in callback.early_stop_advice


def test_held_out_precision_and_recall_with_intervals() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    from watchkeeper.integrations.keras import ValidationReport, WatchCallback

    net, x, y = model(raw=False)
    held, watcher = ValidationReport(x[:300], y[:300]), WatchCallback()
    history = net.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=[held, watcher])
    predicted = net.predict(x[:300], verbose=0).argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(y[:300], predicted, average="macro")
    assert history.history["val_precision"][-1] == pytest.approx(precision)
    assert watcher.watching.run.series["validation/recall"].last == pytest.approx(recall)
    assert held.report is not None
    macro = held.report.averages[0].f1
    assert macro.value == pytest.approx(f1)
    assert macro.low < f1 < macro.high


@pytest.mark.parametrize(
    ("activation", "loss", "wrong"),
    [
        ("sigmoid", keras.losses.BinaryCrossentropy(from_logits=True), True),
        ("sigmoid", "binary_crossentropy", False),
        (None, "binary_crossentropy", True),
        (None, keras.losses.BinaryCrossentropy(from_logits=True), False),
        (None, "mse", False),
    ],
)
def test_the_last_activation_and_the_loss_fit(activation: str | None, loss: Any, wrong: bool) -> None:
    from watchkeeper.integrations.keras import head_of

    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation=activation)])
    net.compile("sgd", loss)
    assert bool(head_of(net)[2]) is wrong
