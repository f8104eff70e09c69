"""From the rows of a queue to batches: one target each, and no larger than a request should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from watchkeeper.client.batch import MOST_BODY, Batch, Row, body, kind_of, line
from watchkeeper.client.intake import Intake
from watchkeeper.client.meter import Meter
from watchkeeper.client.moments import now
from watchkeeper.client.plan import Plan
from watchkeeper.client.stats import Tally

STEP = 64  # rows after which the threads of the host get a turn
ROW_COST = 4  # bytes in memory for one on the wire


class Packer:
    """Empties an intake.

    Parameters
    ----------
    intake, plan, tally
        Where rows come from, where they go, and where those are counted that cannot be sent.
    meter
        Says what the process used; None where that is not to be told.
    """

    def __init__(self, intake: Intake, plan: Plan, tally: Tally, meter: Meter | None = None) -> None:
        self._intake, self._plan, self._tally, self._meter = intake, plan, tally, meter
        self._open = 0
        self._targets: dict[str | None, str] = {}
        self._groups: dict[str, list[str]] = {}
        self._sizes: dict[str, int] = {}

    def batch_id(self) -> str:
        """Return a new id of a batch."""
        return self._intake.mint.at(now()[0])

    def batches(self) -> Iterator[Batch]:
        """Yield what was in the queue when this began."""
        intake, count = self._intake, len(self._intake.queue)
        patient = count < 5 * STEP * STEP
        bytes_before, rows = 0, 0
        for step in range(count):
            item = intake.queue.popleft()
            if type(item) is Batch:
                self._settle(len(item.body))
                self._tally.taken += item.rows
                yield self._measured(item, item.rows + self._open)
                continue
            rows += 1
            self._tally.taken += 1
            target, row = self._unpacked(item)
            bytes_before += self._add(target, row)
            if self._full(target):
                yield self._close(target)
            if patient and step % STEP == STEP - 1:
                time.sleep(0)
        if rows:
            self._bound(bytes_before / rows)
        for target in list(self._groups):
            yield self._close(target)

    def _unpacked(self, item: tuple[Any, ...]) -> tuple[str, Row]:
        if len(item) == 3:
            target, row, size = item
            if size:
                self._settle(size)
            return target, row
        version, id_, ns, features, prediction, score, latency = item
        row = {"id": id_, "timestamp": ns // 1000, "features": features}
        if prediction is not None:
            row["prediction"] = prediction
        if score is not None:
            row["score"] = score
        if latency is not None:
            row["latency"] = latency
        return self._target(version), row

    def _target(self, version: str | None) -> str:
        known = self._targets.get(version)
        if known is None:
            if len(self._targets) > 1000:
                self._targets.clear()
            known = self._targets[version] = self._plan.predictions(version or self._plan.version)
        return known

    def _add(self, target: str, row: Row) -> int:
        text = line(row)
        if text is None:
            self._tally.dropped["too large"] += 1
            return 0
        self._groups.setdefault(target, []).append(text)
        self._open += target.startswith("predictions")
        self._sizes[target] = self._sizes.get(target, 0) + len(text) + 1
        return len(text)

    def _full(self, target: str) -> bool:
        rows = len(self._groups.get(target, ()))
        return rows >= self._plan.settings.batch_rows or self._sizes.get(target, 0) >= MOST_BODY

    def _close(self, target: str) -> Batch:
        lines = self._groups.pop(target)
        del self._sizes[target]
        of = self._open
        self._open -= len(lines) if target.startswith("predictions") else 0
        return self._measured(Batch(self.batch_id(), target, body(kind_of(target), lines), len(lines)), of)

    def _measured(self, batch: Batch, of: int) -> Batch:
        """Return a batch with what the process used since the last, as far as it falls to its rows, of so many in hand."""
        if self._meter is None or kind_of(batch.target) != "predictions":
            return batch
        return replace(batch, usage=self._meter.take(batch.rows, of))

    def _settle(self, size: int) -> None:
        """Take a large row or a batch off the intake's account, which threads of the host write to as well."""
        self._intake.heavy = self._intake.heavy - size if self._intake.queue else 0

    def _bound(self, bytes_of_a_row: float) -> None:
        settings = self._plan.settings
        room = int(settings.queue_bytes / max(1.0, ROW_COST * bytes_of_a_row))
        self._intake.limit = max(1, min(settings.queue_rows, room))
