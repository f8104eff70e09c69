"""The benchmark of planted faults itself: its arithmetic, exact faults end to end, and a judge that names nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from watchkeeper.training import judge
from watchkeeper.training.finding import Finding
from watchkeeper.training.run import Run

pytest.importorskip("torch")

from benchmarks.training.others import OTHERS
from benchmarks.training.planted import FAULTS, Fault, by_step
from benchmarks.training.recording import Case, traces
from benchmarks.training.scoring import Score, judged, same, wilson

EXACT = tuple(f for f in FAULTS if f.exact and f.id != "F22")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Path]:
    """Traces of the exact faults of logistic regression, and of the same without a fault."""
    cases = [Case("logistic", 0), *(Case("logistic", 0, fault) for fault in EXACT)]
    return traces(cases, tmp_path_factory.mktemp("traces"))


@pytest.mark.parametrize(("hits", "of"), [(0, 200), (1, 200), (19, 20), (20, 20)])
def test_wilson_s_interval_is_where_the_score_test_says_five_per_cent(hits: int, of: int) -> None:
    low, high = wilson(hits, of)
    for bound in (low, high):
        if 0 < bound < 1:
            z = (hits / of - bound) / math.sqrt(bound * (1 - bound) / of)
            assert 2 * stats.norm.sf(abs(z)) == pytest.approx(0.05, abs=2e-3)


def test_a_fault_has_until_its_step_its_share_or_three_evaluations_after_the_turn() -> None:
    fault = next(f for f in FAULTS if f.by == "turn")
    assert by_step(fault, 400, {19: 1.0, 39: 0.5, 59: 0.6, 79: 0.7, 99: 0.8, 119: 0.9}) == 100
    assert by_step(replace(fault, by=0.05), 400, {}) == 20
    assert by_step(replace(fault, by=3), 400, {}) == 3


def test_a_layer_is_the_same_with_its_parameter_or_within_a_model() -> None:
    assert same("0", "0.weight")
    assert same("model.breaker", "breaker")
    assert not same("1.weight", "0")


def share_named(recorded: dict[Case, Path], faults: tuple[Fault, ...] = EXACT) -> float:
    score = Score()
    for case, path in recorded.items():
        if case.fault in faults:
            score.add(case.fault, judged(path), None, 400)
    return score.named / score.runs


def test_exact_faults_are_named_and_the_healthy_twin_is_left_in_peace(recorded: dict[Case, Path]) -> None:
    assert len(recorded) >= 8
    assert share_named(recorded) == 1.0
    assert judged(recorded[Case("logistic", 0)]).alarms == []


def test_a_judge_that_sees_nothing_exact_does_not_pass(
    recorded: dict[Case, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge.Judge, "look", lambda self, run: [])
    assert share_named(recorded) == 0.0


def test_a_judge_that_cries_always_does_not_pass(recorded: dict[Case, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Cries:
        problem, needs = "plateau", ()

        def check(self, run: Run) -> list[Finding]:
            return [Finding("plateau", run.step, "so")]

    before = judge.Judge.__init__

    def begin(self: judge.Judge) -> None:
        before(self, (*judge.DETECTORS, Cries()))

    monkeypatch.setattr(judge.Judge, "__init__", begin)
    assert judged(recorded[Case("logistic", 0)]).alarms != []


def test_others_rules_are_run_on_the_same_traces(recorded: dict[Case, Path]) -> None:
    fault = next(f for f in EXACT if f.name == "NaN in a batch")
    found = judged(recorded[Case("logistic", 0, fault)]).others
    assert set(found) == set(OTHERS)
    assert any(name == "TerminateOnNaN" and step == 60 for step, _, name in found["Keras"])
    assert any(name == "ExplodingTensor" for _, _, name in found["SageMaker Debugger"])
    healthy = judged(recorded[Case("logistic", 0)]).others
    assert not any(name in {"TerminateOnNaN", "ExplodingTensor"} for rules in healthy.values() for _, _, name in rules)
