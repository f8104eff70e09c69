"""How much the days of a reference differ, from its profile."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from watchkeeper.capture.batch import Batch
from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.between import Spread, reference_spread
from watchkeeper.inference import infer
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.window import DAY

DAYS, A_DAY = 25, 400


def baseline(*, timed: bool = True) -> tuple[Baseline, np.ndarray[Any, Any]]:
    """Return a reference in which the share of right predictions differs between days, and that share of each day."""
    rng = np.random.default_rng(9)
    rows, day = DAYS * A_DAY, np.repeat(np.arange(DAYS), A_DAY)
    right = rng.random(rows) < np.clip(0.8 + 0.08 * rng.normal(size=DAYS), 0, 1)[day]
    label = rng.integers(0, 2, rows)
    columns = {"label": label, "predicted": np.where(right, label, 1 - label), "shop": rng.choice(["a", "b"], rows)}
    if timed:
        columns["time"] = pa.array(day * DAY + 1, pa.timestamp("us", "UTC"))
    table = pa.table(columns)
    given = Schema(timestamp="time" if timed else None, target="label", prediction="predicted", segments=["shop"])
    schema = infer(table, given)
    profile = Profile(schema)
    profile.update(Batch(table.combine_chunks().to_batches()[0], schema))
    return Baseline(profile), right.reshape(DAYS, A_DAY).mean(axis=1)


def test_all_rows() -> None:
    reference, days = baseline()
    found = reference_spread(reference, "accuracy", float(days.mean()))
    noise = fmean(days * (1 - days)) / A_DAY
    assert found.windows == DAYS
    assert found.mean == pytest.approx(days.mean())
    assert found.sd == pytest.approx(math.sqrt(stdev(days) ** 2 - noise), rel=0.02)


def test_a_segment_may_have_good_and_bad_days_of_its_own() -> None:
    reference, days = baseline()
    whole = reference_spread(reference, "accuracy", float(days.mean()))
    part = reference_spread(reference, "accuracy", 0.6, "shop")
    assert part.sd == pytest.approx(whole.sd * math.sqrt(2), rel=0.01)
    assert part.mean == pytest.approx(0.6)
    assert (part.windows, part.correlation) == (whole.windows, whole.correlation)


def test_nothing_is_known_without_days_or_for_other_metrics() -> None:
    assert str(reference_spread(baseline(timed=False)[0], "accuracy", 0.8)) == str(Spread())
    assert str(reference_spread(baseline()[0], "null_share", 0.8)) == str(Spread())
