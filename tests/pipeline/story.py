"""A story of days told to a pipeline: when the model goes wrong, when nobody calls it, and how it is sent."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import traffic
from traffic import ARROW, TARGET, ipc, labels_of, offline, predictions_arrow, table

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import Target
from watchkeeper.window import HOUR, calendar_window, microseconds, moment

SCHEMA = traffic.SCHEMA.replace(kinds=traffic.SCHEMA.kinds | {"temp": "numeric"})
A_DAY, DELAY, STEP = 400, timedelta(hours=6), 6 * HOUR
BEGIN = microseconds(calendar_window(microseconds(traffic.START), "day", SCHEMA.zone).start)
MONITORS = """
model: credit
window: {every: 1d, zone: Europe/Berlin}
monitors:
  - {metric: roc_auc, segments: [city], detect: {threshold: {warning: < 0.7, critical: < 0.65}}}
  - {name: traffic, metric: throughput, no_data: critical, detect: {threshold: {warning: < 0.1x 28d}}}
  - {metric: wasserstein, columns: all, role: evidence, detect: calibrated}
  - {name: lasting, metric: wasserstein, columns: all, role: evidence, detect: {calibrated: {}, m_of_n: [2, 3]}}
  - {metric: jensen_shannon, columns: [city], role: evidence, detect: calibrated}
"""
Sent = tuple[str, bytes]


@dataclass(frozen=True)
class Story:
    """Days counted from 0, by the clock of the schema's zone.

    Attributes
    ----------
    fault
        Days on which the score says the opposite of what happens, because amounts come in another unit; on the first of them
        only in Ulm.
    gap
        Days without rows.
    season
        The day from which on it is far warmer than in the reference, which harms nobody.
    """

    days: int
    fault: tuple[int, ...] = ()
    gap: tuple[int, ...] = ()
    season: int = 1_000
    seed: int = 5

    def rows(self) -> pa.Table:
        """Return whole rows."""
        made = with_temperature(table(A_DAY * self.days, self.seed, self.days), self.seed)
        day = np.searchsorted(starts(self.days + 1), made["when"].cast(pa.int64()).to_numpy(), side="right") - 1
        rng = np.random.default_rng(self.seed + 1)
        ulm = made["city"].fill_null("").to_numpy(zero_copy_only=False) == "Ulm"
        wrong = np.isin(day, self.fault) & (ulm | (day != min(self.fault, default=-1)))
        risk = made["risk"].to_numpy()
        bad = (rng.random(len(risk)) < np.where(wrong, 1 - risk, risk)).astype(int)
        late = made["bad"].is_null().to_numpy()
        made = put(made, "bad", pa.array(bad, mask=late))
        made = put(made, "amount", pc.multiply(made["amount"], pa.array(np.where(wrong, 0.3, 1.0))))
        made = put(made, "temp", pc.add(made["temp"], pa.array(np.where(day >= self.season, 4.0, 0.0))))
        return made.filter(pa.array(~np.isin(day, self.gap)))

    def sent(self) -> list[Sent]:
        """Return what reaches the server: predictions every six hours, and labels once they are known."""
        return [(kind, body) for _, kind, body in _steps(self)]

    def before(self, day: int) -> list[Sent]:
        """Return what reaches the server before a day begins, and up to its first six hours that begin before it."""
        return [(kind, body) for step, kind, body in _steps(self) if step * STEP < starts(day + 1)[-1]]

    def from_(self, day: int) -> list[Sent]:
        """Return the rest."""
        return self.sent()[len(self.before(day)) :]


@functools.cache
def _steps(story: Story) -> list[tuple[int, str, bytes]]:
    rows = story.rows()
    labels = labels_of(rows)
    parts = [("predictions", rows, rows["when"]), ("labels", labels, labels["timestamp"])]
    made = []
    for kind, whole, times in parts:
        steps = pc.divide(times.cast(pa.int64()), STEP)
        for step in pc.unique(steps).to_pylist():
            some = whole.filter(pc.equal(steps, step))
            made.append((step, kind, predictions_arrow(some) if kind == "predictions" else ipc(some)))
    return sorted(made)


def put(rows: pa.Table, name: str, column: Any) -> pa.Table:
    """Return rows with a column replaced."""
    return rows.set_column(rows.column_names.index(name), name, column)


def with_temperature(rows: pa.Table, seed: int) -> pa.Table:
    """Return rows with a column that follows nothing."""
    return rows.append_column("temp", pa.array(np.random.default_rng(seed).normal(size=rows.num_rows)))


@functools.cache
def reference() -> bytes:
    """Return the profile of eight days on which all was fine."""
    return offline(with_temperature(table(4_000, 99, 8), 99), SCHEMA).to_bytes()


def opened(
    folder: Path, *, monitors: str | None = MONITORS, target: Target = TARGET, **settings: Any
) -> Pipeline:  # fmt: skip
    """Return a pipeline with the model, its reference, and monitors."""
    pipeline = Pipeline.open(folder, settings_of(**settings))
    registered(pipeline, target, monitors)
    return pipeline


def settings_of(**settings: Any) -> PipelineSettings:
    """Return settings for stories."""
    return PipelineSettings(**{"evaluation_delay": DELAY, "base": "day", "measured": ("day",)} | settings)


def registered(pipeline: Pipeline, target: Target, monitors: str | None) -> None:
    """Register a model with its reference, and apply monitors."""
    pipeline.register(target, SCHEMA.to_dict(), "event")
    pipeline.set_reference(target, reference())
    if monitors is not None:
        pipeline.apply_monitors(target, monitors, "ada")


def tell(pipeline: Pipeline, sent: Iterable[Sent], target: Target = TARGET) -> None:
    """Send a story, or a part of it, and wait until all is counted, measured and sealed."""
    waiting = [pipeline.submit(kind, target, None, ARROW, body) for kind, body in sent]  # type: ignore[arg-type]
    for receipt in waiting:
        receipt.result(60)
    assert pipeline.settle()


def starts(days: int) -> list[int]:
    """Return when days begin, in microseconds."""
    found = [BEGIN]
    while len(found) < days:
        found.append(microseconds(calendar_window(found[-1], "day", SCHEMA.zone).end))
    return found


def start_of(day: int) -> str:
    """Return when a day begins, as pipelines say it."""
    return moment(starts(day + 1)[-1]).isoformat()


def outcome(pipeline: Pipeline, target: Target = TARGET) -> dict[str, Any]:
    """Return what was concluded of a model, without what depends on the wall's clock or the order of numbers."""
    incidents = pipeline.incidents(target.project, model=target.model)[::-1]
    whole = [pipeline.incident(target.project, i["id"]) for i in incidents]
    names = ("cause", "state", "severity", "title", "opened", "resolved", "window", "columns", "findings")
    said = [
        {name: i[name] for name in names}
        | {"timeline": [(e["kind"], e["at"], e["text"]) for e in i["timeline"] if e["kind"] != "notified"]}
        | {"told": [(n["channel"], n["kind"]) for n in i["notifications"]]}
        for i in whole
    ]
    return {"incidents": said, "verdicts": pipeline.verdicts(target, "day", None, None)}
