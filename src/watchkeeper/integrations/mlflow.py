"""Tell a run to MLflow: metrics in batches from a thread, findings as tags; training waits for nothing.

References
----------
MLflow 3, ``MlflowClient.log_batch``: at most 1,000 metrics and 100 tags a call; keys of at most 250 letters, digits, ``_``,
``-``, ``.``, ``/``, spaces and colons; values of tags of at most 8,000 characters.
"""

from __future__ import annotations

import queue
import re
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

from watchkeeper.errors import InputError, MissingExtra
from watchkeeper.training.finding import SEVERITIES, Finding
from watchkeeper.training.run import Event, Run
from watchkeeper.training.scalars import MOST_LAYERS, scalars_of

try:
    import mlflow
    from mlflow.entities import Metric, RunTag
    from mlflow.tracking import MlflowClient
except ModuleNotFoundError as error:
    raise MissingExtra("mlflow-skinny", "mlflow", "Telling a run to MLflow") from error

BATCH, WAITING = 1000, 200_000
"""Metrics of one call, and so many at most that wait while a server is away; what comes on top is counted, not kept."""
EVERY = 2.0
"""Seconds after which what waits is sent."""
_NO_KEY = re.compile(r"[^\w\-. /:]")


class MLflowSink:
    """Tells a run to MLflow: ``wk.watch(..., sinks=[MLflowSink()])`` within ``mlflow.start_run()``.

    Metrics are named as series are: ``loss``, ``validation/accuracy``, ``gradient/first.weight``. Each finding is a tag,
    ``watchkeeper.PROBLEM``, and the worst severity so far is ``watchkeeper.verdict``.

    Parameters
    ----------
    run_id
        The run of MLflow. None: the active one.
    client
        A client; None: one of the tracking URI that is set.
    layers
        With more layers only the least, median and greatest of a row are told.
    patience
        Seconds that the end waits for what is not yet sent.

    Raises
    ------
    InputError
        No run is active, and none is named.
    MissingExtra
        MLflow is not installed.
    """

    def __init__(
        self, run_id: str | None = None, *, client: Any = None, layers: int = MOST_LAYERS, patience: float = 30.0
    ) -> None:
        self._run_id = run_id if run_id is not None else _active()
        self._client = client or MlflowClient()
        self._layers, self._patience = layers, patience
        self._waiting: queue.Queue[Any] = queue.Queue(WAITING)
        self._worst = -1
        self.dropped = 0
        self.error: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="watchkeeper-mlflow", daemon=True)
        self._thread.start()

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Have one row sent."""
        now = int(time.time() * 1000)
        for key, value in scalars_of(run, name, values, self._layers):
            self._put(Metric(_NO_KEY.sub("_", key)[:250], value, now, step))

    def event(self, run: Run, event: Event) -> None:
        """Nothing: what counts of it becomes a finding."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Have a finding sent as a tag, and the worst severity."""
        layer = f" [{finding.layer}]" if finding.layer else ""
        text = f"{finding.severity} at step {finding.step}{layer}: {finding.words} {finding.advice}"
        self._put(RunTag(f"watchkeeper.{finding.problem}", text[:8000]))
        if SEVERITIES.index(finding.severity) > self._worst:
            self._worst = SEVERITIES.index(finding.severity)
            self._put(RunTag("watchkeeper.verdict", "ok" if self._worst == 0 else finding.severity))

    def close(self, run: Run) -> None:
        """Wait for what is on its way, for as long as patience lasts; say it where something was not told."""
        if self._worst < 0:
            self._put(RunTag("watchkeeper.verdict", "ok"))
        self._ended.set()
        self._thread.join(self._patience)
        left = self._waiting.qsize() + self.dropped
        if left or self.error is not None:
            warnings.warn(
                f"MLflow was not told {left:,} numbers and tags of {run.name} ({self.error or 'it is too slow'}).",
                RuntimeWarning,
                stacklevel=2,
            )

    def _put(self, item: Any) -> None:
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self.dropped += 1

    def _send_all(self) -> None:
        while not (self._ended.wait(EVERY) and self._waiting.empty()):
            while items := self._take():
                self._send(items)

    def _take(self) -> list[Any]:
        items: list[Any] = []
        while len(items) < BATCH:
            try:
                items.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return items

    def _send(self, items: list[Any]) -> None:
        tags = list({item.key: item for item in items if isinstance(item, RunTag)}.values())
        metrics = [item for item in items if isinstance(item, Metric)]
        try:
            self._client.log_batch(self._run_id, metrics=metrics, tags=tags[:100], synchronous=True)
            for rest in range(100, len(tags), 100):
                self._client.log_batch(self._run_id, tags=tags[rest : rest + 100], synchronous=True)
        except Exception as error:  # whatever it is, training goes on, and the end says it
            self.error = error
            self.dropped += len(items)


def _active() -> Any:
    active = mlflow.active_run()
    if active is None:
        raise InputError("no run of MLflow is active: watch within mlflow.start_run(), or name one by run_id=.")
    return active.info.run_id
