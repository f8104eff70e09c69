"""Watch a training in Keras 3: a callback for ``fit``, with gradients where the backend shows them, and held-out metrics.

References
----------
Keras 3.15, ``CallbackList``: callbacks are dispatched beside the training where the backend is safe for threads (PyTorch,
JAX), unless one takes batches and is not ``async_safe``; logs of a batch are means since the epoch began.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from watchkeeper.errors import MissingExtra
from watchkeeper.metrics.class_report import ClassificationReport, classification_report
from watchkeeper.monitor import profile
from watchkeeper.schema import Schema
from watchkeeper.training.finding import Severity
from watchkeeper.training.naming import held_out
from watchkeeper.training.opening import Telling, Watcher, never_raises
from watchkeeper.training.run import Event, Layer, Loss, Run
from watchkeeper.training.scales import input_numbers, scale_events
from watchkeeper.training.watching import Sink

try:
    import keras
    from keras import ops
except ModuleNotFoundError as error:
    raise MissingExtra("keras", "keras", "Watching a training in Keras") from error

SAMPLE = 4096
"""So many numbers of a weight are compared before and after a step."""
EARLY, EVERY = 20, 10
"""Norms by layer are recorded in every step of the first 20, then in each tenth, as in PyTorch."""
_KINDS: dict[str, Loss] = {
    "sparse_categorical_crossentropy": "cross_entropy", "categorical_crossentropy": "cross_entropy",
    "binary_crossentropy": "bce", "mean_squared_error": "mse", "mse": "mse", "mean_absolute_error": "mae", "mae": "mae",
}  # fmt: skip


class WatchCallback(Watcher, keras.callbacks.Callback):  # type: ignore[misc]
    """Watches ``fit``: ``model.fit(..., callbacks=[WatchCallback()])``, then ``callback.findings``.

    By default it takes the loss of every batch, and judges them when the epoch ends, so that Keras goes on dispatching
    callbacks beside the training.

    Parameters
    ----------
    stop_on
        ``"critical"`` or ``"warning"``: sets ``model.stop_training`` where something as severe is found. None: never.
    live
        Whether each batch is judged at once, which waits for the device in each batch.
    gradients
        Whether norms of gradients, weights and updates by layer are taken, in the graph, by wrapping the optimizer's ``apply``
        while ``fit`` runs; with it ``live`` is on. TensorFlow and PyTorch only: JAX keeps no state that could hold them.
    sample
        Some rows of the inputs, shape ``(n, ...)``, whose scale is looked at.
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.
    """

    def __init__(
        self,
        *,
        stop_on: Severity | None = None,
        live: bool = False,
        gradients: bool = False,
        sample: Any = None,
        name: str = "run",
        folder: str | Path | None = None,
        sinks: Iterable[Sink] = (),
    ) -> None:
        keras.callbacks.Callback.__init__(self)
        Watcher.__init__(self, Telling(name=name, folder=folder, sinks=sinks), stop_on)
        self._live = live or gradients
        self._gradients = gradients
        self._sample = sample
        self._norms: _Norms | None = None
        self._lock = threading.Lock()
        self._means: list[tuple[int, float]] = []
        self.async_safe = not self._live

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to watch."""
        self._start()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keep the mean loss of the epoch so far; in threads, where callbacks are dispatched so."""
        with self._lock:
            self._means.append((batch, float((logs or {}).get("loss", math.nan))))
        if self._live:
            self._take()
            self._stop()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Judge the epoch's batches and its held-out metrics."""
        self._take()
        self._close_epoch(logs or {})
        self._stop()

    def on_train_end(self, logs: Any = None) -> None:
        """End the watch."""
        self._end()

    @property
    def early_stop_advice(self) -> str | None:
        """What early stopping would have done, where the run overfits; None where it does not."""
        held = self.watching.run.series.get("validation/loss")
        if held is None or not any(f.problem == "overfitting" for f in self.findings):
            return None
        best = int(np.nanargmin(held.values))
        return (
            f"val_loss was best in epoch {best + 1} ({held.values[best]:.4g}) of {len(held)}: "
            f"use keras.callbacks.EarlyStopping(monitor='val_loss', patience={max(3, best // 10)}, restore_best_weights=True)."
        )

    @never_raises
    def _start(self) -> None:
        model = self.model
        kind, classes, events = head_of(model)
        layers = list(_layers(model))
        run = Run(self._telling.name, "keras", layers, type(model.optimizer).__name__, kind, classes)
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        run.planned_steps = steps * epochs if steps and epochs else None
        run.facts |= {"epoch_steps": steps, "backend": keras.backend.backend()}
        watching = self.begin(run)
        self._means = []
        self._before, self._base, self._seen = 0.0, 0, 0
        for event in events:
            watching.note(event)
        if self._sample is not None:
            first = next((layer for layer in model.layers if layer.weights), None)
            minor = "Normalization" in type(first).__name__
            for event in scale_events(0, input_numbers(np.asarray(self._sample)), minor=minor):
                watching.note(event)
        if self._gradients and keras.backend.backend() in {"tensorflow", "torch"}:
            self._norms = _Norms(model)

    @never_raises
    def _take(self) -> None:
        """Make of means the losses of batches, and judge them."""
        with self._lock:
            means, self._means = sorted(self._means), []
        for batch, mean in means:
            width = batch + 1 - self._seen
            if width <= 0:
                continue
            loss = (mean * (batch + 1) - self._before * self._seen) / width
            step = self._base + batch
            if self._norms is not None and (step < EARLY or step % EVERY == 0):
                for name, row in self._norms.read().items():
                    self.watching.add(name, step, row, [layer.name for layer in self.watching.run.layers])
                self.watching.add(
                    "learning_rate", step, float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
                )
            self._before, self._seen = mean, batch + 1
            self.watching.loss(step, loss)

    @never_raises
    def _close_epoch(self, logs: Mapping[str, float]) -> None:
        self._base, self._before, self._seen = self._base + self._seen, 0.0, 0
        step = max(self._base - 1, 0)
        metrics = held_out(logs)
        if metrics:
            self.watching.validation(step, metrics)
        self.watching.tick(step)

    def _stop(self) -> None:
        if self.stops:
            self.model.stop_training = True

    @never_raises
    def _end(self) -> None:
        if self._norms is not None:
            self._norms.unhook()
            self._norms = None
        self.watching.close()


class _Norms:
    """Norms of gradients, weights and updates, computed in the step itself and kept in a variable beside the model."""

    def __init__(self, model: Any) -> None:
        self._model, self._optimizer = model, model.optimizer
        self._paths = [variable.path for variable in model.trainable_variables]
        self._held = keras.Variable(np.zeros((3, len(self._paths)), dtype="float32"), trainable=False, name="watched")
        self._apply = self._optimizer.apply
        self._optimizer.apply = self._watched
        model.make_train_function(force=True)  # one that was traced before would not see it

    def _watched(self, grads: Any, trainable_variables: Any = None) -> Any:
        grads = list(grads)
        variables = list(trainable_variables if trainable_variables is not None else self._model.trainable_variables)
        known = {v.path: (g, v) for g, v in zip(grads, variables, strict=True) if g is not None}
        zero = ops.zeros((), dtype="float32")
        gradients = [_norm(known[path][0]) if path in known else zero for path in self._paths]
        before = {path: ops.copy(_some(v)) for path, (_, v) in known.items()}
        result = self._apply(grads, trainable_variables)
        moved = [
            _norm(_some(known[path][1]) - before[path]) / (_norm(before[path]) + 1e-12) if path in known else zero
            for path in self._paths
        ]
        weights = [_norm(known[path][1]) if path in known else zero for path in self._paths]
        self._held.assign(ops.stack([ops.stack(gradients), ops.stack(weights), ops.stack(moved)]))
        return result

    def read(self) -> dict[str, Any]:
        """Return the three rows of the latest step. Waits for the device."""
        rows = np.asarray(ops.convert_to_numpy(self._held), dtype=np.float64)
        return dict(zip(("gradient", "weight", "update"), rows, strict=True))

    def unhook(self) -> None:
        """Give the optimizer and the model back as they were."""
        del self._optimizer.apply
        self._model.train_function = None


def _norm(values: Any) -> Any:
    return ops.norm(ops.reshape(ops.cast(ops.convert_to_tensor(values), "float32"), (-1,)))


def _some(variable: Any) -> Any:
    flat = ops.reshape(ops.convert_to_tensor(variable), (-1,))
    return ops.cast(flat[:: max(1, -(-math.prod(variable.shape) // SAMPLE))], "float32")


def _layers(model: Any) -> Iterator[Layer]:
    kinds = {
        id(v): type(layer).__name__ for layer in _all_layers(model) for v in layer.weights if not _has_layers(layer)
    }
    for variable in model.trainable_variables:
        zero = not np.any(ops.convert_to_numpy(variable))
        yield Layer(variable.path, tuple(variable.shape), kinds.get(id(variable), ""), zero=bool(zero))


def _has_layers(layer: Any) -> bool:
    return bool(getattr(layer, "layers", None))


def _all_layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if _has_layers(layer):
            yield from _all_layers(layer)


def head_of(model: Any) -> tuple[Loss | None, int | None, list[Event]]:
    """Return the kind of loss, the number of classes, and what of the last activation does not fit the loss."""
    loss = getattr(model, "loss", None)
    if loss is None or isinstance(loss, list | tuple | dict):
        return None, None, []
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    kind: Loss = _KINDS.get(str(name).split("-")[0], "other")
    if kind not in {"cross_entropy", "bce"}:
        return kind, None, []
    raw = bool(getattr(loss, "from_logits", False))
    last = next((layer for layer in reversed(list(_all_layers(model))) if "Dropout" not in type(layer).__name__), None)
    activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__.lower())
    events = []
    if raw and activation in {"softmax", "sigmoid"}:
        events = [f"The last activation is {activation}, and the loss (from_logits=True) takes it again."]
    elif not raw and activation == "linear":
        events = ["The outputs are raw scores, and the loss takes probabilities: set from_logits=True."]
    shape = getattr(model, "output_shape", None)
    classes = 2 if kind == "bce" else shape[-1] if isinstance(shape, tuple) else None
    return ("bce_logits" if kind == "bce" and raw else kind), classes, [
        Event("head_mismatch", 0, getattr(last, "name", None), words=words) for words in events
    ]  # fmt: skip


class ValidationReport(keras.callbacks.Callback):  # type: ignore[misc]
    """Precision, recall and F1 of held-out rows with their intervals, after each epoch: before :class:`WatchCallback`.

    It adds ``val_precision``, ``val_recall`` and ``val_f1`` to the epoch's logs, so that the history and callbacks after it
    have them: of class 1 where there are two classes, else the mean over the classes.

    Parameters
    ----------
    x, y
        Held-out rows as ``predict`` takes them, and their classes as integers, shape ``(n,)``.

    Attributes
    ----------
    report
        The latest :class:`watchkeeper.metrics.class_report.ClassificationReport`: every class, with 95 % intervals.
    """

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self._x, self._y = x, np.asarray(y).reshape(-1).astype(int)
        self.report: ClassificationReport | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Predict, measure, and add to the logs."""
        scores = np.asarray(self.model.predict(self._x, verbose=0))
        single = scores.ndim == 1 or scores.shape[-1] == 1
        raw = single and bool(getattr(self.model.loss, "from_logits", False))
        predicted = (scores.reshape(-1) > (0.0 if raw else 0.5)).astype(int) if single else scores.argmax(axis=-1)
        table = pa.table({"label": self._y.astype(str), "predicted": predicted.reshape(-1).astype(str)})
        two = single or scores.shape[-1] == 2
        schema = Schema(
            target="label",
            prediction="predicted",
            task="binary" if two else "multiclass",
            positive="1" if two else None,
        )
        self.report = classification_report(profile(table, schema))
        line = next((c for c in self.report.classes if two and c.name == "1"), self.report.averages[0])
        if logs is not None:
            logs |= {"val_precision": line.precision.value, "val_recall": line.recall.value, "val_f1": line.f1.value}
