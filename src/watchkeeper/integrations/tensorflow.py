"""Watch a loop of TensorFlow's own (``GradientTape``): one call a step; and write what is recorded as summaries.

References
----------
TensorFlow 2.21: ``tf.GradientTape``, ``tf.summary.create_file_writer``.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from watchkeeper.errors import InputError, MissingExtra
from watchkeeper.training.finding import Finding, Severity
from watchkeeper.training.opening import Telling, Watcher, never_raises
from watchkeeper.training.run import Event, Layer, Loss, Run
from watchkeeper.training.scalars import scalars_of
from watchkeeper.training.scales import input_numbers, scale_events
from watchkeeper.training.watching import Sink

try:
    import tensorflow as tf
except ModuleNotFoundError as error:
    raise MissingExtra("tensorflow", "tensorflow", "Watching a training in TensorFlow") from error

EARLY, EVERY = 20, 10
"""Norms by layer are taken in every step of the first 20, then in each tenth, as in PyTorch."""
SAMPLE = 4096
"""So many numbers of a variable are compared before and after a step."""


class Watch(Watcher):
    """Watches a loop: ``watch = Watch(model.trainable_variables, "cross_entropy")``, then ``watch.step`` after each update.

    Parameters
    ----------
    variables
        What is trained, in the order of the gradients.
    loss
        The kind of loss, as in :func:`watchkeeper.watch`.
    classes
        How many there are; None: unknown.
    stop_on
        How severe a finding makes ``watch.stops`` true; None: none does.
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.

    Notes
    -----
    ``watch.step(loss, gradients)`` goes after ``optimizer.apply_gradients``, with what ``tape.gradient`` gave.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        loss: Loss | None = None,
        *,
        classes: int | None = None,
        stop_on: Severity | None = None,
        name: str = "run",
        folder: str | Path | None = None,
        sinks: Iterable[Sink] = (),
    ) -> None:
        super().__init__(Telling(name=name, folder=folder, sinks=sinks), stop_on)
        self._variables = list(variables)
        if not self._variables:
            raise InputError("there are no variables: build the model before it is watched.")
        layers = [
            Layer(_name(v), tuple(v.shape), "Embedding" if "embedding" in _name(v).lower() else "", zero=_is_zero(v))
            for v in self._variables
        ]
        self.begin(Run(self._telling.name, "tensorflow", layers, loss=loss, classes=classes))
        self._step = 0
        self._before = [_some(v) for v in self._variables]

    @never_raises
    def inputs(self, rows: Any) -> None:
        """Look at the scale of a batch of inputs, shape ``(n, features, ...)``."""
        for event in scale_events(self._step, input_numbers(np.asarray(rows))):
            self.watching.note(event)

    @never_raises
    def step(self, loss: Any, gradients: Sequence[Any] | None = None) -> None:
        """Take the loss, and the gradients as ``tape.gradient`` gave them, after the optimizer's step.

        Waits for the device, as reading a loss does; norms by layer are one more vector, in the steps that take them.
        """
        step, self._step = self._step, self._step + 1
        if gradients is not None and _due(step):
            self._norms(step, gradients)
        if _due(self._step):
            self._before = [_some(v) for v in self._variables]
        self.watching.loss(step, float(tf.reduce_mean(tf.cast(loss, tf.float32))))

    def _norms(self, step: int, gradients: Sequence[Any]) -> None:
        zero = tf.zeros(())
        found = [zero if g is None else _norm(g) for g in gradients]
        moved = [_norm(_some(v) - b) / (_norm(b) + 1e-12) for v, b in zip(self._variables, self._before, strict=True)]
        rows = tf.stack([tf.stack(found), tf.stack(moved), tf.stack([_norm(v) for v in self._variables])]).numpy()
        names = [layer.name for layer in self.watching.run.layers]
        for name, row in zip(("gradient", "update", "weight"), rows.astype(np.float64), strict=True):
            self.watching.add(name, step, row, names)
        bad = [name for name, norm in zip(names, rows[0], strict=True) if not math.isfinite(norm)]
        if bad:
            words = f"The gradients of {len(bad)} layers, {bad[-1]} the last of them, are not finite."
            self.watching.note(Event("non_finite", step, bad[-1], {"layers": float(len(bad))}, words))

    @never_raises
    def validation(self, **metrics: float) -> None:
        """Take metrics of held-out rows, such as ``loss=.3, accuracy=.9``."""
        step = max(self._step - 1, 0)
        self.watching.validation(step, {name: float(value) for name, value in metrics.items()})
        self.watching.tick(step)

    @never_raises
    def close(self) -> None:
        """End the watch."""
        self.watching.close()


class Summaries:
    """Writes what is recorded where TensorBoard reads it: ``Watch(..., sinks=[Summaries("logs/run")])``.

    The names are those of :class:`watchkeeper.integrations.tensorboard.TensorBoardSink`, which needs PyTorch where this needs
    TensorFlow.

    Parameters
    ----------
    folder
        Where the event files go. A series by layer has a summary for each layer; findings are texts.
    """

    def __init__(self, folder: str | Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtra("tensorboard", "tensorflow", "Writing summaries")
        self._writer = tf.summary.create_file_writer(str(folder))

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Write each number of a row."""
        with self._writer.as_default(step=step):
            for tag, value in scalars_of(run, name, values):
                tf.summary.scalar(tag, value)

    def event(self, run: Run, event: Event) -> None:
        """Do nothing: what matters of it becomes a finding."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Write a finding as a text."""
        with self._writer.as_default(step=finding.step):
            tf.summary.text(f"findings/{finding.problem}", str(finding))

    def close(self, run: Run) -> None:
        """Write the end."""
        self._writer.close()


def _due(step: int) -> bool:
    return step < EARLY or step % EVERY == 0


def _name(variable: Any) -> str:
    return str(getattr(variable, "path", None) or variable.name)


def _is_zero(variable: Any) -> bool:
    return not np.any(np.asarray(variable))


def _norm(values: Any) -> Any:
    return tf.norm(tf.reshape(tf.cast(tf.convert_to_tensor(values), tf.float32), (-1,)))


def _some(variable: Any) -> Any:
    flat = tf.reshape(tf.convert_to_tensor(variable), (-1,))
    return tf.identity(tf.cast(flat[:: max(1, -(-math.prod(variable.shape) // SAMPLE))], tf.float32))
