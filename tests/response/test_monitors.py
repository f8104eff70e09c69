"""Monitors as code: the example that is promised, every default, every error with its place."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detection.calibrated import Calibrated
from watchkeeper.detection.risk import Risk
from watchkeeper.detection.robust import RobustZScore
from watchkeeper.detection.series import Finding, Point
from watchkeeper.detection.threshold import Threshold
from watchkeeper.detection.watched import METRICS, OF_COLUMNS, PERFORMANCE
from watchkeeper.errors import InvalidMonitors
from watchkeeper.response.document import dump, flow, parse
from watchkeeper.response.monitors import Monitors
from watchkeeper.response.rule import Act, Rule
from watchkeeper.window import DAY

PROMISED = """
model: late-flights
schema: {timestamp: departure, target: late, prediction: predicted, score: score, segments: [origin, carrier], zone: America/New_York}
window: {every: 1d, zone: America/New_York}
clock: event                             # this is a replay; default wall
reference: {training: latest}            # or {range: [2013-03-01, 2013-04-01]}, {trailing: 28d}
budget: 1 per 600 days                   # of the project (a project file sets it; a model may name a share)
schedule: {working_hours: {every: 5m, sample: 1.0}, otherwise: {every: 1h, sample: 0.2}, zone: America/New_York}
monitors:
  - {metric: roc_auc, segments: [origin], detect: {risk: {tolerance: 0.02}}}
  - {metric: jensen_shannon, columns: all, detect: calibrated, role: evidence}     # drift explains; it opens no incident by default
  - {metric: latency_p99, detect: {threshold: {warning: "> 100ms", critical: "> 250ms"}, m_of_n: [2, 3]}}
respond:
  - {on: {severity: critical, metric: roc_auc}, notify: [oncall], act: {do: retrain-flights, then: promote_if_better, approve: auto, limit: 1 per day}}
# channels and actions are named here; what they are stands in the operator's file beside the store:
# channels: {oncall: {url: "slack://..."}}   actions: {retrain-flights: {command: [python, train.py]}}
"""  # noqa: E501  # as the documents show it


def test_what_is_promised() -> None:
    found = Monitors.from_yaml(PROMISED)
    assert (found.model, found.environment, found.clock, found.every) == ("late-flights", "production", "event", "day")
    assert found.zone == "America/New_York"
    assert found.reference.training == "latest"
    assert found.budget.per_window(DAY) == 1 / 600
    assert found.schema is not None
    assert found.schema["segments"] == ["origin", "carrier"]
    auc, drift, latency = found.monitors
    assert (auc.name, auc.segments, auc.columns, auc.role) == ("roc_auc", ("origin",), None, "incident")
    assert auc.detector == Risk(METRICS["roc_auc"], 0.02)
    assert (drift.columns, drift.role, drift.detector) == ("all", "evidence", Calibrated(METRICS["jensen_shannon"]))
    assert isinstance(latency.detector, Threshold)
    assert latency.m_of_n == (2, 3)
    assert found.respond == (
        Rule("critical", "roc_auc", None, ("oncall",), Act("retrain-flights", "promote_if_better", "auto")),
    )
    assert found.opening == {"roc_auc", "latency_p99"}
    assert found.monitor("latency_p99") is latency
    assert found.monitor("f1") is None


def one(**monitor: Any) -> dict[str, Any]:
    return {"model": "m", "monitors": [monitor]}


def test_defaults() -> None:
    found = Monitors.from_dict(one(metric="f1"))
    assert (found.clock, found.every, found.zone, found.share, found.schema) == (None, "day", None, None, None)
    assert found.budget.text == "1 per 600 days"
    monitor = found.monitors[0]
    assert (monitor.name, monitor.source, monitor.least_rows, monitor.no_data) == ("f1", "realised", 30, "keep")
    assert (monitor.m_of_n, monitor.refractory, monitor.cause) == ((1, 1), 0, "model")
    assert Monitors.from_dict(one(metric="f1", source="estimated")).monitors[0].name == "f1_estimated"
    assert Monitors.from_dict(one(metric="throughput")).monitors[0].least_rows == 0


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_has_a_detector_by_default(name: str) -> None:
    monitor = Monitors.from_dict(one(metric=name)).monitors[0]
    assert (monitor.columns == "all") is (name in OF_COLUMNS)
    if METRICS[name].floor is None:
        assert isinstance(monitor.detector, RobustZScore)
    else:
        assert isinstance(monitor.detector, Risk if name in PERFORMANCE else Calibrated)


@given(st.text(max_size=200) | st.text(alphabet=":{}[]- \n'\"&*!|>%#ax1", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(InvalidMonitors):
        Monitors.from_yaml(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_any_document_is_refused_or_read(document: object) -> None:
    for whole in (
        {"model": "x", "monitors": document},
        one(metric="f1", detect=document),
        one(metric="psi") | {"respond": document},
    ):
        with contextlib.suppress(InvalidMonitors):
            Monitors.from_dict(whole)


printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
tricky = st.sampled_from(
    [
        "on",
        "no",
        "1e5",
        "1_000",
        "0x1f",
        "010",
        "1:30",
        "null",
        "~",
        "true",
        "2013-03-01",
        "=",
        "<<",
        ".5",
        "-",
        "a: b",
        "#",
    ]
)


@given(
    st.dictionaries(
        printable | tricky,
        printable | tricky | st.integers(-(10**6), 10**6) | st.booleans() | st.floats(0.001, 1e6),
        max_size=5,
    )
)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert parse(dump({"x": document})).value == {"x": document}
    assert parse(f"x: {flow(document)}").value == {"x": document}


lengths = st.sampled_from(["5m", "90s", "1h", "2d"])
lasting = st.fixed_dictionaries(
    {}, optional={"refractory": lengths, "m_of_n": st.sampled_from([[1, 1], [2, 3], [4, 4]])}
)
performance = st.fixed_dictionaries(
    {"metric": st.sampled_from(["roc_auc", "rmse", "accuracy"])},
    optional={
        "segments": st.lists(printable, max_size=3, unique=True),
        "source": st.sampled_from(["realised", "estimated"]),
        "detect": st.builds(
            lambda d, more: d | more,
            st.sampled_from(
                [
                    {"risk": {"tolerance": 0.1, "relative": True}},
                    {"zscore": {"windows": 9, "z": 3.5}},
                    {"robust_zscore": None},
                    {"threshold": {"warning": "< reference - 0.1", "critical": "< 0.8x 7d", "clear": "> 0.9"}},
                ]
            ),
            lasting,
        ),
    },
)
of_columns = st.fixed_dictionaries(
    {"metric": st.sampled_from(["wasserstein", "null_share", "psi"])},
    optional={
        "columns": st.just("all") | printable | st.lists(printable, min_size=1, max_size=3, unique=True),
        "detect": st.sampled_from(
            [{"calibrated": {"floor": 0.2}}, {"threshold": {"critical": "> 0.25"}, "m_of_n": [1, 2]}]
        ),
        "role": st.sampled_from(["incident", "evidence"]),
        "least_rows": st.integers(0, 1000),
        "no_data": st.sampled_from(["keep", "ok", "warning", "critical"]),
    },
)
files = st.fixed_dictionaries(
    {
        "model": printable,
        "monitors": st.lists(performance | of_columns, min_size=1, max_size=4).map(
            lambda found: [m | {"name": f"{n} of them"} for n, m in enumerate(found)]
        ),
    },
    optional={
        "environment": printable,
        "schema": st.just({"target": "y", "segments": ["a"]}),
        "window": st.fixed_dictionaries(
            {}, optional={"every": st.sampled_from(["1h", "day", "7d", "1mo"]), "zone": st.just("Asia/Tokyo")}
        ),
        "clock": st.sampled_from(["wall", "event"]),
        "reference": st.sampled_from([{"training": 3}, {"range": ["2013-03-01", "2013-04-01"]}, {"trailing": "28d"}]),
        "budget": st.sampled_from(["1 per 600 days", "2 per year", {"per": "1 per month", "share": 0.5}, {"share": 0}]),
        "schedule": st.sampled_from(
            [
                {
                    "working_hours": {"every": "5m", "hours": "22:00-06:30", "days": ["Sat", "mon"]},
                    "zone": "Europe/Berlin",
                },
                {"otherwise": {"sample": 0}},
            ]
        ),
        "respond": st.lists(
            st.fixed_dictionaries(
                {"notify": st.lists(printable, min_size=1, max_size=2, unique=True)},
                optional={
                    "on": st.sampled_from([{"severity": "critical"}, {"metric": "psi"}, {"monitor": "0 of them"}]),
                    "act": st.sampled_from(
                        ["retrain", {"do": "x", "limit": "2 per 4 weeks", "dry_run": True, "then": "nothing"}]
                    ),
                },
            ),
            max_size=2,
        ),
    },
)


@given(files)
def test_a_file_comes_back_from_its_dict_from_json_and_from_yaml(document: dict[str, Any]) -> None:
    found = Monitors.from_dict(document)
    assert Monitors.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    again = Monitors.from_yaml(found.to_yaml())
    assert again == found
    assert again.to_dict() == found.to_dict()


def test_references() -> None:
    document = one(metric="f1")
    assert Monitors.from_dict(document | {"reference": {"range": ["2013-03-01", "2013-04-01"]}}).reference.range == (
        date(2013, 3, 1), date(2013, 4, 1),
    )  # fmt: skip
    assert Monitors.from_dict(document | {"reference": {"trailing": "28d"}}).reference.trailing == 28 * DAY


def finding(verdict: str, metric: str = "f1") -> Finding:
    return Finding("mine", metric, None, None, "realised", verdict, "data", Point(0, 1), 0.1, "")  # type: ignore[arg-type]


def test_which_findings_a_rule_waits_for() -> None:
    assert [Rule().matches(finding(v)) for v in ("ok", "not enough data", "warning", "critical")] == [
        False,
        False,
        True,
        True,
    ]
    assert [Rule("critical").matches(finding(v)) for v in ("warning", "critical")] == [False, True]
    assert [Rule(on_metric=m).matches(finding("warning")) for m in ("f1", "psi")] == [True, False]
    assert [Rule(on_monitor=m).matches(finding("warning")) for m in ("mine", "f1")] == [True, False]


def test_the_guards_of_an_action() -> None:
    rules = Monitors.from_dict(
        one(metric="f1") | {"respond": [{"act": "retrain"}, {"act": {"do": "x", "limit": "3 per week"}}]}
    ).respond
    first, second = (rule.act for rule in rules)
    assert first == Act("retrain")
    assert first is not None
    assert (first.approve, first.then, first.limit, first.dry_run) == ("person", "nothing", (1, DAY), False)
    assert second is not None
    assert second.limit == (3, 7 * DAY)
