"""Boosted runs: which metric is the loss, which data set was held out, and what the two detectors say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from watchkeeper.training.boosting import Rounds
from watchkeeper.training.journal import read_journal
from watchkeeper.training.judge import judge
from watchkeeper.training.opening import Telling
from watchkeeper.training.run import Run
from watchkeeper.training.watching import Watching


def boosted(held: list[float], train: list[float] | None = None, **facts: object) -> Run:
    run = Run(loss="bce", classes=2, facts={"boosting": True, **facts})
    for step, value in enumerate(held):
        run.add_validation(step, {"loss": value})
        if train is not None:
            run.add_loss(step, train[step])
    return run


def found(run: Run) -> dict[str, str]:
    return {f.problem: f.severity for f in judge(run).findings if f.severity != "info"}


FALLING = list(np.linspace(0.69, 0.2, 80))
VALLEY = [0.69 - 0.02 * step if step < 12 else 0.45 + 0.003 * (step - 12) for step in range(80)]
NOTHING = [0.69 + 0.002 * step for step in range(80)]


@pytest.mark.parametrize(
    ("held", "train", "expected"),
    [
        (FALLING, FALLING, {}),
        (VALLEY, FALLING, {"boosting_overfit": "warning"}),
        (VALLEY, None, {"boosting_overfit": "warning"}),
        (NOTHING, FALLING, {"boosting_overfit": "critical"}),
        (VALLEY[:30], FALLING[:30], {}),
        (list(np.linspace(0.69, 0.4, 50)) + [0.405] * 30, FALLING, {}),
        ([9.0] * 80, [9.0 + 0.1 * step for step in range(80)], {"divergence": "critical"}),
    ],
)
def test_rounds_that_only_fit_noise(held: list[float], train: list[float] | None, expected: dict[str, str]) -> None:
    said = found(boosted(held, train))
    assert {name: said[name] for name in said if name in {"boosting_overfit", "overfitting", "divergence"}} == expected


def test_noise_from_round_to_round_is_no_rise() -> None:
    drawn = np.random.default_rng(0)
    said = [found(boosted(list(0.5 + 0.02 * drawn.normal(size=80)), FALLING)) for _ in range(50)]
    assert [s for s in said if "boosting_overfit" in s] == []


def test_a_run_that_was_written_is_judged_the_same(tmp_path: Path) -> None:
    watching = Telling(name="run", folder=tmp_path).watching(Run("run", "xgboost", facts={"boosting": True}))
    rounds = Rounds(watching)
    for step in range(40):
        rounds.take(step, {"train": {"logloss": 9.0 + step}, "val": {"auc": 0.5, "logloss": 9.0 + step}})
    watching.run.facts["importances"] = {f"f{place}": float(place == 3) for place in range(12)}
    watching.close()
    again = read_journal(tmp_path / "run.jsonl")
    assert (again.run.loss, again.run.classes) == ("bce", 2)
    said = {(f.problem, f.severity, f.layer) for f in watching.findings}
    assert {(f.problem, f.severity, f.layer) for f in again.findings} == said
    assert {"divergence", "importance_concentration"} <= {problem for problem, *_ in said}


@pytest.mark.parametrize(
    ("shares", "severity"),
    [
        ([0.96] + [0.04 / 11] * 11, "warning"),
        ([0.4, 0.3, 0.2] + [0.1 / 9] * 9, "info"),
        ([0.2, 0.2, 0.2] + [0.4 / 9] * 9, None),
        ([0.96, 0.02, 0.02], None),
        ([0.0] * 12, None),
    ],
)
def test_importance(shares: list[float], severity: str | None) -> None:
    run = boosted(FALLING, FALLING, importances={f"f{place}": share for place, share in enumerate(shares)})
    said = {f.problem: f for f in judge(run).findings}
    if severity is None:
        assert "importance_concentration" not in said
    else:
        assert said["importance_concentration"].severity == severity
        assert said["importance_concentration"].layer == "f0"


@pytest.mark.parametrize(
    ("sets", "train", "loss", "held"),
    [
        ({"train": {"auc": 0.9, "logloss": 0.3}, "val": {"auc": 0.8, "logloss": 0.5}}, None, 0.3, 0.5),
        ({"val": {"rmse": 2.0}, "training": {"rmse": 1.0}}, None, 1.0, 2.0),
        ({"validation_0": {"rmse": 1.0}, "validation_1": {"rmse": 2.0}}, None, 1.0, 2.0),
        ({"a": {"rmse": 1.0}, "b": {"rmse": 2.0}}, "b", 2.0, 1.0),
        ({"val": {"rmse": 2.0}}, None, None, 2.0),
        ({"train": {"rmse": 2.0}}, None, 2.0, None),
        ({"train": {"ndcg@5": 0.5}, "val": {"ndcg@5": 0.4}}, None, None, None),
    ],
)
def test_which_set_and_which_metric(
    sets: dict[str, dict[str, float]], train: str | None, loss: float | None, held: float | None
) -> None:
    watching = Watching(Run(facts={"boosting": True}), quiet=True)
    Rounds(watching, train).take(0, sets)
    run = watching.run
    assert (run.series["loss"].last if run.has("loss") else None) == loss
    assert (run.series["validation/loss"].last if run.has("validation/loss") else None) == held
    if "val" in sets:
        assert {f"validation/{name}" for name in sets["val"]} <= set(run.series)
