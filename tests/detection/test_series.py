"""Points and findings go to JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detection.series import Finding, Point, SeriesKey
from watchkeeper.detection.watched import METRICS, cause_of, default_role, worse_by

whole = st.integers(0, 2**53)
numbers = st.floats(allow_nan=True, allow_infinity=True)
points = st.builds(
    Point,
    **{
        f.name: whole
        if f.name in {"start", "stop", "n", "rows", "reference_windows", "basis", "reference_basis"}
        else numbers
        for f in fields(Point)
    },
)
names = st.none() | st.text()
findings = st.builds(
    Finding,
    monitor=st.text(),
    metric=st.sampled_from(sorted(METRICS)),
    column=names,
    segment=names,
    source=st.sampled_from(["realised", "estimated"]),
    verdict=st.sampled_from(["ok", "warning", "critical", "not enough data"]),
    state=st.sampled_from(["data", "no data", "late data"]),
    point=points,
    alpha=st.floats(0, 1),
    words=st.text(),
)


@given(findings)
def test_a_finding_comes_back_from_json(finding: Finding) -> None:
    text = json.dumps(finding.to_dict(), allow_nan=False)
    back = Finding.from_dict(json.loads(text))
    assert back.to_dict() == finding.to_dict()
    for field in fields(Point):
        before, after = getattr(finding.point, field.name), getattr(back.point, field.name)
        assert after == before if math.isfinite(before) else math.isnan(after)
    assert replace(back, point=finding.point) == finding


def test_keys_of_a_later_release_are_left_out() -> None:
    assert Point.from_dict({"start": 1, "stop": 2, "value": None, "invented": 3}).n == 0


def test_a_key_is_a_tuple() -> None:
    assert SeriesKey("f1") == ("f1", None, None, "realised")


def test_what_alarms_point_to() -> None:
    assert [cause_of(m) for m in ("roc_auc", "null_share", "latency_p99", "failure_rate", "throughput")] == [
        "model", "model", "service", "service", "traffic",
    ]  # fmt: skip
    assert [default_role(m) for m in ("roc_auc", "failure_rate", "latency_p99", "throughput")] == ["incident"] * 4
    assert [default_role(m) for m in ("psi", "null_share", "rss_bytes")] == ["evidence"] * 3


def test_which_way_is_worse() -> None:
    assert worse_by(METRICS["roc_auc"], 0.6, 0.7) > 0 > worse_by(METRICS["roc_auc"], 0.8, 0.7)
    assert worse_by(METRICS["rmse"], 2.0, 1.0) > 0 > worse_by(METRICS["rmse"], 0.5, 1.0)
    assert worse_by(METRICS["mean_calibration"], -0.2, 0.1) > 0 > worse_by(METRICS["mean_calibration"], 0.0, -0.1)
    assert worse_by(METRICS["throughput"], 1.0, 2.0) == worse_by(METRICS["throughput"], 3.0, 2.0) == 1.0
