"""Tell a run to TensorBoard: series as scalars, counts by class or by bin as histograms, findings as text.

References
----------
PyTorch 2.13, ``torch.utils.tensorboard.SummaryWriter``: what it is told it queues for a thread of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from watchkeeper.errors import MissingExtra
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.finding import Finding
from watchkeeper.training.run import Event, Run
from watchkeeper.training.scalars import HISTOGRAM, MOST_LAYERS, scalars_of

_COUNTS = frozenset({"targets", "predictions"})
"""Series whose columns are classes, and whose rows count them."""


class TensorBoardSink:
    """Writes a run where TensorBoard looks: ``wk.watch(..., sinks=[TensorBoardSink("runs/trial-7")])``.

    Scalars are ``loss``, ``loss_smooth``, ``learning_rate``, ``validation/...`` and, by layer, ``gradient/...``,
    ``weight/...`` and ``update/...``; findings are texts under ``findings``. ``watchkeeper training check`` reads it again.

    Parameters
    ----------
    where
        The log folder, or a ``SummaryWriter`` of PyTorch or tensorboardX, which then stays open.
    layers
        With more layers only the least, median and greatest of a row are written.

    Raises
    ------
    MissingExtra
        A folder is given, and PyTorch or TensorBoard is not installed.
    """

    def __init__(self, where: str | Path | Any, *, layers: int = MOST_LAYERS) -> None:
        self._own = isinstance(where, str | Path)
        self._writer: Any = _writer(str(where)) if self._own else where
        self._layers = layers

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Write one row."""
        counts = np.asarray(values, dtype=float)
        if name in _COUNTS:
            classes = np.arange(len(counts), dtype=float)
            self._histogram(name, step, counts, classes, classes + 0.5)
        elif name.startswith(HISTOGRAM):
            self._histogram(name, step, counts, *_bins(run.series[name].columns))
        else:
            for tag, value in scalars_of(run, name, values, self._layers):
                self._writer.add_scalar(tag, value, step)

    def _histogram(self, name: str, step: int, counts: Floats, middles: Floats, ends: Floats) -> None:
        """Write counts by bin; ``ends`` are the upper ones."""
        if not counts.sum() > 0:
            return
        there = middles[counts > 0]
        self._writer.add_histogram_raw(
            name,
            min=float(there.min()),
            max=float(there.max()),
            num=float(counts.sum()),
            sum=float(middles @ counts),
            sum_squares=float(middles**2 @ counts),
            bucket_limits=ends.tolist(),
            bucket_counts=counts.tolist(),
            global_step=step,
        )

    def event(self, run: Run, event: Event) -> None:
        """Write an event that says something."""
        if event.words:
            self._writer.add_text(f"events/{event.kind}", event.words, event.step)

    def finding(self, run: Run, finding: Finding) -> None:
        """Write a finding, and all that waits."""
        where = f" `{finding.layer}`" if finding.layer else ""
        text = (
            f"**{finding.severity}**{where}: {finding.words}  \n{finding.advice}  \n[{finding.problem}]({finding.link})"
        )
        self._writer.add_text(f"findings/{finding.problem}", text, finding.step)
        self._writer.flush()

    def close(self, run: Run) -> None:
        """Write what waits; close the writer where it is the sink's own."""
        self._writer.flush()
        if self._own:
            self._writer.close()


def _bins(columns: Sequence[str]) -> tuple[Floats, Floats]:
    """Return the middles and upper ends of bins that are named by where they begin, seen from nought."""
    starts = np.array([float(column) for column in columns])
    beyond = np.append(starts[1:], 2 * starts[-1])
    return 1.5 * starts, np.where(starts < 0, starts, beyond)


def _writer(folder: str) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        package = "tensorboard" if error.name != "torch" else "torch"
        raise MissingExtra(package, "tensorboard", "Writing a run for TensorBoard") from error
    return SummaryWriter(folder)
