"""XGBoost and LightGBM: the same faults have the same names in both, and healthy runs have none; Optuna prunes by them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]
LIBRARIES = ("xgboost", "lightgbm")


def rows(kind: str) -> tuple[Any, Any, Any, Any]:
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(1200, 12))
    y = (x[:, :6].sum(axis=1) + drawn.normal(size=1200) > 0).astype(float)
    if kind == "noise":
        y = drawn.integers(0, 2, 1200).astype(float)
    if kind == "leak":
        x[:, 7] = y + 0.01 * drawn.normal(size=1200)
    return x[:800], y[:800], x[800:], y[800:]


def boost(library: str, kind: str = "healthy", callback: Any = None, count: int = 60, **given: Any) -> Any:
    x, y, held_x, held_y = rows(kind)
    if library == "xgboost":
        import xgboost as xgb

        from watchkeeper.integrations.xgboost import WatchCallback

        callback = callback or WatchCallback()
        known = {
            "objective": "binary:logistic",
            "eta": 0.1,
            "max_depth": 3,
            "nthread": 1,
            "eval_metric": ["auc", "logloss"],
        }
        train, held = xgb.DMatrix(x, y), xgb.DMatrix(held_x, held_y)
        model = xgb.train(
            known | given,
            train,
            count,
            evals=[(train, "train"), (held, "val")],
            callbacks=[callback],
            verbose_eval=False,
        )
    else:
        import lightgbm as lgb

        from watchkeeper.integrations.lightgbm import WatchCallback as LightCallback

        callback = callback or LightCallback()
        known = {
            "objective": "binary", "learning_rate": given.pop("eta", 0.1), "max_depth": given.pop("max_depth", 3),
            "num_threads": 1, "metric": ["auc", "binary_logloss"], "verbose": -1,
        }  # fmt: skip
        train = lgb.Dataset(x, y)
        held = train.create_valid(held_x, held_y)
        model = lgb.train(
            known | given, train, count, valid_sets=[train, held], valid_names=["train", "val"], callbacks=[callback]
        )
    return callback, model


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("healthy", {}, set()),
        ("healthy", {"eta": 8.0}, {"divergence"}),
        ("healthy", {"eta": 1e-6, "count": 150}, {"not_learning", "high_bias"}),
        ("noise", {"eta": 0.3, "max_depth": 6, "count": 100}, {"boosting_overfit"}),
        ("leak", {"count": 30}, {"importance_concentration"}),
    ],
)
def test_the_same_faults_have_the_same_names(kind: str, given: dict[str, Any], expected: set[str]) -> None:
    found = [list(boost(library, kind, **given)[0].findings) for library in LIBRARIES]
    told = [[f.problem for f in one if f.severity != "info"] for one in found]
    if not expected:
        assert told == [[], []]
        return
    assert told[0][0] == told[1][0]
    assert told[0][0] in expected


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_series_are_what_the_library_says(library: str) -> None:
    callback, model = boost(library)
    _, _, held_x, held_y = rows("healthy")
    if library == "xgboost":
        import xgboost as xgb

        score = model.predict(xgb.DMatrix(held_x))
    else:
        score = model.predict(held_x)
    loss = -np.mean(held_y * np.log(score) + (1 - held_y) * np.log(1 - score))
    run = callback.watching.run
    assert run.series["validation/loss"].last == pytest.approx(loss, rel=1e-4)
    assert run.series["validation/auc"].last > 0.9
    assert len(run.series["loss"]) == 60
    assert run.series["loss"].values[-1] < run.series["validation/loss"].last
    assert (run.loss, run.classes, run.framework, run.facts["ended"]) == ("bce", 2, library, True)
    assert set(np.argsort(list(run.facts["importances"].values()))[-6:]) == set(range(6))


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_stops_only_when_asked(library: str) -> None:
    made = import_module(f"watchkeeper.integrations.{library}").WatchCallback
    callback, model = boost(library, eta=8.0, callback=made(stop_on="critical"))
    held = callback.watching.run.series["validation/loss"]
    assert len(held) == len(callback.watching.run.series["loss"]) < 60
    if library == "xgboost":
        assert model.num_boosted_rounds() == len(held)
    else:
        assert model.best_iteration == 1 + np.argmin(held.values)
    assert len(boost(library, eta=8.0)[0].watching.run.series["loss"]) == 60


@pytest.mark.parametrize("library", LIBRARIES)
def test_scikit_learn_classes_and_cross_validation(library: str) -> None:
    module = import_module(library)
    made = import_module(f"watchkeeper.integrations.{library}").WatchCallback
    x, y, held_x, held_y = rows("healthy")
    callback = made()
    if library == "xgboost":
        classifier = module.XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1, callbacks=[callback])
        classifier.fit(x, y, eval_set=[(x, y), (held_x, held_y)], verbose=False)
        assert len(callback.watching.run.series["validation/loss"]) == 30
        module.cv(
            {"objective": "binary:logistic", "nthread": 1}, module.DMatrix(x, y), 20, nfold=3, callbacks=[callback]
        )
    else:
        classifier = module.LGBMClassifier(n_estimators=30, max_depth=3, n_jobs=1, verbose=-1)
        classifier.fit(x, y, eval_set=[(x, y), (held_x, held_y)], callbacks=[callback])
        assert len(callback.watching.run.series["validation/loss"]) == 30
        given = {"objective": "binary", "num_threads": 1, "verbose": -1}
        module.cv(given, module.Dataset(x, y), 20, nfold=3, callbacks=[callback], eval_train_metric=True)
    assert len(callback.watching.run.series["validation/loss"]) == 20
    assert len(callback.watching.run.series["loss"]) == 20
    assert callback.watching.run.facts["ended"] is True


def test_optuna_prunes_what_is_lost() -> None:
    optuna = import_module("optuna")
    from watchkeeper.integrations.optuna import FOUND, TrialSink, WatchPruner
    from watchkeeper.integrations.xgboost import WatchCallback

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        eta = trial.suggest_categorical("eta", [0.1, 8.0])
        callback = WatchCallback(sinks=[TrialSink(trial)])
        boost("xgboost", callback=callback, eta=eta)
        value = callback.watching.run.series["validation/loss"].last
        trial.report(value, 0)
        if trial.should_prune():
            raise optuna.TrialPruned
        return float(value)

    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"eta": [0.1, 8.0]}, seed=0), pruner=WatchPruner())
    study.optimize(objective, n_trials=2)
    pruned = {trial.params["eta"]: trial.state.name for trial in study.trials}
    assert pruned == {0.1: "COMPLETE", 8.0: "PRUNED"}
    (lost,) = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert "divergence" in {found["problem"] for found in lost.user_attrs[FOUND]}


def test_the_other_pruner_is_asked_too_and_the_sink_can_prune_alone() -> None:
    optuna = import_module("optuna")
    from watchkeeper.integrations.optuna import TrialSink, WatchPruner
    from watchkeeper.training.finding import Finding
    from watchkeeper.training.run import Run

    study = optuna.create_study(pruner=WatchPruner(optuna.pruners.ThresholdPruner(upper=1.0)))
    trial = study.ask()
    trial.report(0.5, 0)
    assert not trial.should_prune()
    trial.report(2.0, 1)
    assert trial.should_prune()
    other = study.ask()
    sink = TrialSink(other)
    sink.finding(Run(), Finding("plateau", 3, "It stands.", "warning"))
    other.report(0.5, 0)
    sink.prune()
    assert not other.should_prune()
    with pytest.raises(optuna.TrialPruned, match="plateau"):
        sink.prune("warning")
    sink.finding(Run(), Finding("divergence", 9, "It rose.", "critical"))
    assert other.should_prune()
