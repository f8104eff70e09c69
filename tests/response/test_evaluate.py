"""A sealed window judged: whose finding it is, what it spent, and what it says where there is nothing to judge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from daily import day, days
from watchkeeper.detection import budget
from watchkeeper.detection.series import Finding, Point, SeriesKey
from watchkeeper.response import evaluate as evaluating
from watchkeeper.response.evaluate import evaluate
from watchkeeper.response.monitors import Monitors
from watchkeeper.window import DAY, Window, moment

NOW = 40
WINDOW = Window(moment(NOW * DAY), moment((NOW + 1) * DAY))
KNOWN: dict[str, Any] = {"reference": 0.70, "reference_mean": 0.70, "reference_sd": 0.005, "reference_windows": 31}


def watched(*monitors: dict[str, Any], **rest: Any) -> Monitors:
    return Monitors.from_dict({"model": "m", "monitors": list(monitors)} | rest)


def nothing(_: SeriesKey) -> Sequence[Point]:
    return ()


def judged(
    monitors: Monitors, latest: Mapping[SeriesKey, Point], past: Mapping[SeriesKey, Sequence[Point]] | None = None
) -> list[Finding]:
    return evaluate(monitors, WINDOW, latest, lambda key: (past or {}).get(key, ()))


def now(value: float, error: float = 0.005, **given: Any) -> Point:
    return day(NOW, value, error, **given)


def test_words_for_a_person() -> None:
    monitors = watched({"metric": "roc_auc", "segments": ["origin"]}, {"metric": "roc_auc", "source": "estimated"})
    latest = {
        SeriesKey("roc_auc"): now(0.61, **KNOWN),
        SeriesKey("roc_auc", None, "origin=JFK"): now(0.60, **KNOWN),
        SeriesKey("roc_auc", None, "origin=__other__"): now(0.71, **KNOWN),
        SeriesKey("roc_auc", None, "carrier=AA"): now(0.1, **KNOWN),
        SeriesKey("roc_auc", source="estimated"): now(0.70, **KNOWN),
    }
    found = judged(monitors, latest)
    assert [(f.monitor, f.segment, f.source, f.verdict) for f in found] == [
        ("roc_auc", None, "realised", "critical"),
        ("roc_auc", "origin=JFK", "realised", "critical"),
        ("roc_auc", "origin=__other__", "realised", "ok"),
        ("roc_auc_estimated", None, "estimated", "ok"),
    ]
    assert found[0].words == "ROC AUC 0.61 (0.6 to 0.62), reference 0.7: worse by 0.09, more than 0.02 tolerated"
    assert found[1].words.startswith("ROC AUC for origin JFK 0.6 (0.59 to 0.61), ")
    assert found[2].words.startswith("ROC AUC for origin all others 0.71 ")
    assert found[3].words.startswith("ROC AUC, estimated without labels, 0.7 ")
    assert all(f.state == "data" for f in found)


def moved(effect: float, p_value: float) -> Point:
    return now(effect, math.nan, effect=effect, p_value=p_value, detectable=0.05)


def test_columns() -> None:
    latest = {SeriesKey("wasserstein", c): moved(0.5, 1e-12) for c in ("b", "a")}
    everything = judged(watched({"metric": "wasserstein"}), latest)
    assert [f.column for f in everything] == ["a", "b"]
    assert everything[0].words.startswith("Wasserstein (sd) of a 0.5 sd: moved by 0.5 sd")
    some = judged(watched({"metric": "wasserstein", "columns": ["b", "c"]}), latest)
    assert [(f.column, f.verdict) for f in some] == [("b", "critical"), ("c", "not enough data")]
    assert some[1].words == "Wasserstein (sd) of c was not measured in this window"


def test_a_distance_has_the_evidence_of_its_column() -> None:
    """The p-value is of the distribution; it comes with one distance, and holds for whichever is shown."""
    latest = {SeriesKey("wasserstein", "a"): moved(0.5, 1e-12), SeriesKey("jensen_shannon", "a"): now(0.3, math.nan)}
    found = judged(watched({"metric": "jensen_shannon", "detect": "calibrated"}), latest)
    assert [(f.verdict, f.point.p_value) for f in found] == [("warning", 1e-12)]


def test_what_each_check_spends() -> None:
    monitors = watched(
        {"metric": "roc_auc", "segments": ["origin"]},
        {"metric": "failure_rate", "detect": {"robust_zscore": None}},
        {"metric": "latency_p99", "detect": {"threshold": {"warning": "> 1s"}}},
        {"metric": "wasserstein"},
        {"metric": "null_share"},
    )
    latest = {SeriesKey("roc_auc", None, f"origin={o}"): now(0.7, **KNOWN) for o in ("JFK", "LGA", "EWR")}
    latest |= {SeriesKey("roc_auc"): now(0.7, **KNOWN), SeriesKey("failure_rate"): now(0.0)}
    latest |= {SeriesKey(m, c): moved(0.0, 0.5) for m in ("wasserstein", "null_share") for c in "abcd"}
    found = judged(monitors, latest)
    spent = {
        role: [f.alpha for f in found if monitors.monitor(f.monitor).role == role] for role in ("incident", "evidence")
    }
    assert math.fsum(spent["incident"]) == pytest.approx(1 / 600, rel=1e-12)
    assert math.fsum(spent["evidence"]) == pytest.approx(0.05, rel=1e-12)
    assert spent["incident"] == pytest.approx([1 / 2400, *[1 / 7200] * 3, 1 / 1200, 0.0]), (
        "bounds of people spend nothing"
    )
    half = evaluate(monitors, WINDOW, latest, nothing, share=0.5)
    assert [f.alpha for f in half[:6]] == pytest.approx([a / 2 for a in spent["incident"]])


def test_a_window_without_rows() -> None:
    monitors = watched(
        {"metric": "roc_auc"},
        {"metric": "throughput", "no_data": "critical"},
        {"metric": "psi"},
        {"metric": "failure_rate", "no_data": "ok"},
    )
    for latest in ({}, {SeriesKey("throughput"): Point(NOW * DAY, (NOW + 1) * DAY, 0.0)}):
        found = judged(monitors, latest)
        assert [f.state for f in found] == ["no data"] * 4
        assert [f.verdict for f in found] == ["not enough data", "critical", "not enough data", "ok"]
        assert found[0].words == "ROC AUC has no data: the window has no rows"
        assert (found[0].point.start, found[0].point.stop) == (NOW * DAY, (NOW + 1) * DAY)
        assert math.isnan(found[0].point.value)


def test_labels_that_are_late() -> None:
    monitors = watched(
        {"metric": "roc_auc", "no_data": "critical"}, {"metric": "roc_auc", "source": "estimated", "name": "early"}
    )
    past = {SeriesKey("roc_auc"): days([0.7] * 10, 0.01, coverage=0.9, **KNOWN)}
    early = {SeriesKey("roc_auc", source="estimated"): now(0.7, **KNOWN)}
    late = judged(monitors, early | {SeriesKey("roc_auc"): now(0.2, coverage=0.3, **KNOWN)}, past)
    assert [(f.verdict, f.state) for f in late] == [("not enough data", "late data"), ("ok", "data")]
    assert late[0].words == "ROC AUC waits for labels: 30 % of rows have a label, 90 % is usual"
    none = judged(monitors, early, past)
    assert [(f.verdict, f.state) for f in none] == [("not enough data", "late data"), ("ok", "data")]
    enough = judged(monitors, early | {SeriesKey("roc_auc"): now(0.2, coverage=0.5, **KNOWN)}, past)
    assert enough[0].verdict == "critical"
    first = judged(monitors, early | {SeriesKey("roc_auc"): now(0.2, coverage=0.05, **KNOWN)})
    assert first[0].state == "data", "what is usual is not known yet: few labels may be all that ever come"


def test_few_rows() -> None:
    few = {SeriesKey("roc_auc"): now(0.2, n=29, **KNOWN)}
    found = judged(watched({"metric": "roc_auc"}), few)[0]
    assert (found.verdict, found.state) == ("not enough data", "data")
    assert found.words.endswith("29 rows, 30 are needed")
    fewer = watched({"metric": "roc_auc", "least_rows": 10})
    assert (
        judged(fewer, few)[0].verdict == "not enough data"
    )  # an interval needs what it needs, whatever rows are asked for
    stated = {"metric": "roc_auc", "least_rows": 10, "detect": {"threshold": {"critical": "< 0.5"}}}
    assert judged(watched(stated), few)[0].verdict == "critical"


def test_history_is_asked_only_where_it_is_needed() -> None:
    asked = []

    def history(key: SeriesKey) -> Sequence[Point]:
        asked.append(key.metric)
        return ()

    monitors = watched(
        {"metric": "wasserstein"},
        {"metric": "latency_p50", "detect": {"threshold": {"warning": "> 1s"}}},
        {"metric": "latency_p95", "detect": {"threshold": {"warning": "> 2x 7d"}}},
        {"metric": "latency_p99", "detect": {"threshold": {"warning": "> 1s"}, "m_of_n": [2, 3]}},
        {"metric": "failure_rate", "detect": "zscore"},
        {"metric": "f1"},
    )
    names = ("latency_p50", "latency_p95", "latency_p99", "failure_rate", "f1")
    evaluate(
        monitors,
        WINDOW,
        {SeriesKey(m): now(0.1) for m in names} | {SeriesKey("wasserstein", "a"): moved(0, 1)},
        history,
    )
    assert asked == ["latency_p95", "latency_p99", "failure_rate", "f1"]


def test_m_of_n_over_sealed_windows() -> None:
    monitors = watched({"metric": "latency_p99", "detect": {"threshold": {"warning": "> 1s"}, "m_of_n": [2, 3]}})
    latest = {SeriesKey("latency_p99"): now(2.0)}
    assert judged(monitors, latest)[0].verdict == "ok"
    past = {SeriesKey("latency_p99"): [day(38, 2.0), day(39, 0.5)]}
    found = judged(monitors, latest, past)[0]
    assert found.verdict == "warning"
    assert found.words == "Latency, 99th percentile 2 s, above 1 s (2 of the last 3 windows)"
    again = {SeriesKey("latency_p99"): [day(39, 0.5), day(40, 2.0)]}
    assert judged(monitors, latest, again)[0].verdict == "ok", "the window itself is not its own past"


def test_the_same_history_gives_the_same_findings() -> None:
    monitors = watched({"metric": "f1"}, {"metric": "latency_p99"})
    past = {SeriesKey("latency_p99"): days(list(np.random.default_rng(1).normal(1, 0.1, 40)))}
    latest = {SeriesKey("f1"): now(0.6, **KNOWN), SeriesKey("latency_p99"): now(3.0)}
    first, second = (judged(monitors, latest, past) for _ in range(2))
    assert [f.to_dict() for f in first] == [f.to_dict() for f in second]
    assert first[1].verdict == "critical"


# The promise: with 1 false incident per 600 days, at most 5 % of months have any, over all columns together.
COLUMNS, DAYS, MONTHS = 20, 30, 200


def months_with_an_alarm() -> int:
    """Return in how many of 200 months anything alarms, where 20 columns never change and every effect would matter."""
    rng, found = np.random.default_rng(600), 0
    monitors = watched({"metric": "wasserstein", "role": "incident"})
    keys = [SeriesKey("wasserstein", f"x{n}") for n in range(COLUMNS)]
    template = moved(0.5, 1.0)
    for _ in range(MONTHS):
        found += any(
            f.alarming
            for chances in rng.random((DAYS, COLUMNS))
            for f in evaluate(
                monitors,
                WINDOW,
                {k: replace(template, p_value=float(p)) for k, p in zip(keys, chances, strict=True)},
                nothing,
            )
        )
    return found


MOST = MONTHS * 0.05 + 3.1 * math.sqrt(MONTHS * 0.05 * 0.95)


def test_at_most_one_month_in_twenty_has_a_false_alarm() -> None:
    assert months_with_an_alarm() <= MOST


def test_a_budget_that_is_not_divided_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def undivided(whole: float, checks: Sequence[tuple[str, bool]]) -> list[float]:
        return [whole] * len(checks)

    monkeypatch.setattr(evaluating, "shares", undivided)
    assert months_with_an_alarm() > MOST


def test_a_budget_renewed_at_each_window_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget.Budget, "per_window", lambda self, every: 0.05)
    assert months_with_an_alarm() > MOST
