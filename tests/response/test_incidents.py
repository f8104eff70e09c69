"""What sealed windows do to incidents, as laws: one for a cause, silence is no recovery, and old news explains nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detection.series import Finding, Point
from watchkeeper.detection.watched import Cause
from watchkeeper.response.incidents import (
    CALM_WINDOWS,
    CAUSES,
    Standing,
    Step,
    cause_of,
    explain,
    identity,
    react,
)  # fmt: skip
from watchkeeper.window import DAY

OPENING = {"auc", "latency", "traffic"}
METRIC = {"auc": "roc_auc", "latency": "latency_p99", "traffic": "throughput", "drift": "wasserstein"}
SEVERITY = ("warning", "critical")
Incidents = dict[Cause, Standing]


def finding(
    monitor: str = "auc", verdict: str = "ok", state: str = "data", rows: int = 500, **given: object
) -> Finding:
    point = Point(0, DAY, 0.6, n=rows if state == "data" else 0, rows=rows, p_value=0.5)
    column = "a" if monitor == "drift" else None
    made = Finding(monitor, METRIC[monitor], column, None, "realised", verdict, state, point, 0.001, "words")
    return replace(made, **given)


def no_data(monitor: str = "auc", verdict: str = "not enough data") -> Finding:
    return finding(monitor, verdict, "no data", rows=0)


@st.composite
def windows(draw: st.DrawFn) -> list[Finding]:
    """Return the findings of a window: without rows for all, or each as it comes."""
    if draw(st.integers(0, 3)) == 0:
        verdict = draw(st.sampled_from(["not enough data", "critical", "warning"]))
        return [no_data("auc"), no_data("latency"), no_data("traffic", verdict), no_data("drift")]
    found = []
    for monitor in draw(st.lists(st.sampled_from(sorted(METRIC)), max_size=6)):
        state = draw(st.sampled_from(["data", "data", "data", "late data"])) if monitor == "auc" else "data"
        known = ["ok", "ok", "warning", "critical", "not enough data"] if state == "data" else ["not enough data"]
        segment = draw(st.sampled_from([None, "city=Ulm", "city=Bonn"])) if monitor == "auc" else None
        rows = draw(st.sampled_from([5, 500]))
        found.append(finding(monitor, draw(st.sampled_from(known)), state, rows, segment=segment))
    return found


def advance(standing: Incidents, steps: Sequence[Step]) -> Incidents:
    """Return what stands after steps."""
    after = dict(standing)
    for step in steps:
        seen = frozenset(map(identity, step.alarms))
        if step.kind == "resolve":
            del after[step.cause]
        elif step.kind == "open":
            after[step.cause] = Standing(step.severity, seen, 0)
        else:
            held = after[step.cause]
            quiet = held.quiet + 1 if step.kind == "quiet" else 0 if step.alarms else held.quiet
            after[step.cause] = Standing(step.severity, held.seen | seen, quiet)
    return after


histories = st.lists(windows(), max_size=12)


@given(histories)
def test_there_is_at_most_one_step_for_a_cause_and_one_incident(history: list[list[Finding]]) -> None:
    standing: Incidents = {}
    for window in history:
        steps = react(standing, window, OPENING)
        assert len({s.cause for s in steps}) == len(steps)
        assert {s.cause for s in steps} >= standing.keys(), "each that stands is told what the window did to it"
        for step in steps:
            assert (step.kind == "open") is (step.cause not in standing)
            assert bool(step.alarms) is (step.kind in {"open", "escalate", "join"}) or step.kind == "keep"
        standing = advance(standing, steps)


@given(histories)
def test_severity_never_falls_while_an_incident_stands(history: list[list[Finding]]) -> None:
    standing: Incidents = {}
    for window in history:
        steps = react(standing, window, OPENING)
        for step in steps:
            before = standing.get(step.cause)
            if before is not None:
                rise = SEVERITY.index(step.severity) - SEVERITY.index(before.severity)
                assert rise == (1 if step.kind == "escalate" else 0)
            for alarm in step.alarms:
                assert SEVERITY.index(alarm.verdict) <= SEVERITY.index(step.severity)
        standing = advance(standing, steps)


@given(histories)
def test_what_may_not_open_never_does(history: list[list[Finding]]) -> None:
    standing: Incidents = {}
    for window in history:
        steps = react(standing, window, OPENING)
        assert all(alarm.monitor in OPENING for step in steps for alarm in step.alarms)
        assert react(standing, [f for f in window if f.monitor in OPENING], OPENING) == steps
        standing = advance(standing, steps)
    assert all(react({}, window, ()) == [] for window in history)


@given(histories, st.sampled_from(SEVERITY), st.integers(0, CALM_WINDOWS - 1))
def test_windows_without_rows_resolve_nothing(history: list[list[Finding]], severity: str, quiet: int) -> None:
    """However many come; and the count of calm windows neither grows nor is lost."""
    held = {cause: Standing(severity, frozenset({identity(finding())}), quiet) for cause in CAUSES}
    for window in history:
        if window and all(f.state == "no data" for f in window):
            for step in react(held, window, OPENING):
                alarms = any(f.alarming for f in window)
                assert step.kind in ({"escalate", "join", "keep"} if step.cause == "traffic" and alarms else {"keep"})
                after = advance(held, [step])[step.cause]
                assert after.quiet == (0 if step.alarms else quiet)


CALM = [finding("auc"), finding("latency"), finding("traffic"), finding("drift", "critical")]


@pytest.mark.parametrize("monitor", sorted(OPENING))
def test_calm_windows_in_a_row_resolve(monitor: str) -> None:
    opened = react({}, [finding(monitor, "critical")], OPENING)
    assert [(s.kind, s.cause) for s in opened] == [("open", cause_of(finding(monitor)))]
    standing: Incidents = advance({}, opened)
    for _ in range(CALM_WINDOWS - 1):
        steps = react(standing, CALM, OPENING)
        assert [s.kind for s in steps] == ["quiet"]
        standing = advance(standing, steps)
    again = advance(standing, react(standing, [finding(monitor, "warning")], OPENING))
    assert [held.quiet for held in again.values()] == [0], "an alarm between them has them counted anew"
    steps = react(standing, CALM, OPENING)
    assert [s.kind for s in steps] == ["resolve"]
    assert react(advance(standing, steps), CALM, OPENING) == []


LATE = finding("auc", "not enough data", "late data")
FEW = finding("auc", "not enough data", rows=5)
OTHER = finding("auc", metric="accuracy")


@pytest.mark.parametrize("unsaid", [LATE, FEW, no_data()])
def test_what_alarmed_and_cannot_be_judged_again_is_not_over(unsaid: Finding) -> None:
    """Labels that are late, or a handful of rows, are no recovery though other checks are fine (A10)."""
    standing = advance({}, react({}, [finding("auc", "critical")], OPENING))
    steps = react(standing, [unsaid, OTHER], OPENING)
    assert [s.kind for s in steps] == ["keep"]


def test_what_can_be_judged_no_more_does_not_hold_an_incident_for_ever() -> None:
    """A segment without rows any more, or a monitor that was taken out: then the others of its cause say whether it is over."""
    gone = finding("auc", "critical", segment="city=Ulm")
    standing = advance({}, react({}, [gone, finding("auc")], OPENING))
    assert [s.kind for s in react(standing, [finding("auc")], OPENING)] == ["quiet"]


def test_a_small_change_that_could_hide_in_few_rows_does_not_hold_it_either() -> None:
    standing = advance({}, react({}, [finding("auc", "critical")], OPENING))
    blind = finding("auc", "not enough data", rows=100)
    assert [s.kind for s in react(standing, [blind], OPENING)] == ["quiet"]


def test_missing_traffic_is_a_cause_of_its_own_whoever_says_it() -> None:
    """Where any monitor says that a window without rows is critical, traffic is what is missing, until it is back."""
    steps = react({}, [no_data("auc", "critical")], OPENING)
    assert [(s.kind, s.cause) for s in steps] == [("open", "traffic")]
    standing = advance({}, steps)
    for kind in ("quiet", "resolve"):
        steps = react(standing, [LATE], OPENING)
        assert [(s.kind, s.cause) for s in steps] == [(kind, "traffic")], "rows came, though their labels are late"
        standing = advance(standing, steps)


def test_the_worst_comes_first() -> None:
    def alarm(verdict: str, p_value: float, segment: str | None = None) -> Finding:
        return finding("auc", verdict, segment=segment, point=Point(0, DAY, 0.6, n=500, rows=500, p_value=p_value))

    ranked = [
        alarm("critical", 0.01), alarm("critical", 0.001, "city=Ulm"), alarm("critical", 0.01, "city=Bonn"),
        alarm("warning", 1e-9), alarm("warning", math.nan),
    ]  # fmt: skip
    (step,) = react({}, ranked[::-1], OPENING)
    assert list(step.alarms) == ranked


# --- what explains ----------------------------------------------------------------------------------------------------


def moved(column: str, effect: float, verdict: str = "critical", metric: str = "wasserstein") -> Finding:
    point = Point(0, DAY, effect, n=500, rows=500, effect=effect, p_value=1e-9)
    return finding("drift", verdict, column=column, metric=metric, point=point)


effects = st.floats(0.1, 5.0)
columns = st.dictionaries(st.sampled_from("abcdefghijkl"), effects, max_size=12)


@given(columns, columns, st.integers(1, 20))
def test_what_lay_far_away_before_explains_nothing(
    now: dict[str, float], before: dict[str, float], windows: int
) -> None:
    evidence = [moved(column, effect) for column, effect in now.items()]
    earlier = {identity(f): [before[str(f.column)]] * windows for f in evidence if f.column in before}
    found = explain(evidence, earlier)
    assert not [e for e in found if e.effect <= e.before or 1.0 < e.before > e.effect - 1.0]
    assert {e.column for e in found} <= {c for c, effect in now.items() if effect > before.get(c, 0.0)}
    assert [e.jump for e in found] == sorted((e.jump for e in found), reverse=True)
    assert len({e.column for e in found}) == len(found) <= 8


@given(columns, st.integers(1, 8))
def test_those_that_moved_most_are_named(now: dict[str, float], most: int) -> None:
    found = explain([moved(column, effect) for column, effect in now.items()], {}, most)
    expected = sorted(now, key=lambda column: (-now[column], column))[:most]
    assert [e.column for e in found] == expected
    assert all(e.before == 0.0 for e in found), "nothing is known of before"


def test_a_season_does_not_hide_what_begins() -> None:
    season, fault = moved("temp", 3.0), moved("wind", 1.0)
    earlier = {identity(season): [2.9, 3.0, 3.1, math.nan], identity(fault): [0.05] * 4}
    found = explain([season, fault], earlier)
    assert [e.column for e in found] == ["wind"]
    assert found[0].effect == pytest.approx(10.0) and found[0].before == pytest.approx(0.5), "in multiples of its floor"


def test_what_does_not_alarm_and_what_is_no_column_explains_nothing() -> None:
    assert explain([moved("a", 1.0, "ok"), moved("b", math.nan), finding("auc", "critical")], {}) == []


def test_of_two_metrics_of_a_column_the_one_that_moved_more_speaks() -> None:
    found = explain([moved("a", 0.2), moved("a", 0.5, metric="null_share")], {})
    assert [(e.column, e.metric) for e in found] == [("a", "null_share")]
