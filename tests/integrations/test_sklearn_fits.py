"""scikit-learn: iterations by its callbacks, batches by `partial_fit`, and the curves that fitted estimators keep."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from same_run import problems
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.metrics import hinge_loss, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from watchkeeper.errors import InputError
from watchkeeper.integrations.sklearn import PartialFit, WatchCallback, loss_of, read_fitted
from watchkeeper.training.journal import read_journal


def rows(kind: str = "healthy", n: int = 1200, classes: int = 2) -> tuple[Any, Any, Any, Any]:
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(n, 12))
    score = x[:, :6].sum(axis=1) + drawn.normal(size=n)
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    if kind == "noise":
        y = drawn.integers(0, classes, n)
    if kind == "scale":
        x[:, 3] *= 100
    cut = 2 * n // 3
    return x[:cut], y[:cut], x[cut:], y[cut:]


def batches(x: Any, y: Any, epochs: int = 4, size: int = 32) -> Iterator[tuple[Any, Any]]:
    drawn = np.random.default_rng(1)
    for _ in range(epochs):
        order = drawn.permutation(len(y))
        for start in range(0, len(y) - size, size):
            yield x[order[start : start + size]], y[order[start : start + size]]


@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c"]])
def test_iterations_of_logistic_regression(names: list[str]) -> None:
    x, y, held_x, held_y = rows(classes=len(names))
    label = np.array(names)
    callback = WatchCallback(held=(held_x, label[held_y]))
    fitted = LogisticRegression().set_callbacks(callback).fit(x, label[y])
    run = callback.watching.run
    assert len(run.series["loss"]) == fitted.n_iter_[0]
    assert run.series["loss"].last == pytest.approx(log_loss(label[y], fitted.predict_proba(x)), rel=1e-3)
    assert run.series["validation/loss"].last == pytest.approx(
        log_loss(label[held_y], fitted.predict_proba(held_x)), rel=1e-3
    )
    assert (run.loss, run.classes, run.facts["ended"]) == ("cross_entropy", len(names), True)
    assert problems(callback.findings) == set()


def test_a_callback_that_breaks_does_not_break_the_fit() -> None:
    x, y, held_x, _ = rows()
    callback = WatchCallback(held=(held_x, ["what"]))
    with pytest.warns(RuntimeWarning, match="goes on unwatched"):
        fitted = LogisticRegression().set_callbacks(callback).fit(x, y)
    assert fitted.score(x, y) > 0.8
    assert problems(callback.findings) == {"watching_failed"}


def test_within_a_search_the_latest_fit_is_the_run() -> None:
    x, y, _, _ = rows()
    callback = WatchCallback()
    GridSearchCV(LogisticRegression().set_callbacks(callback), {"C": [0.1, 1.0]}, cv=2).fit(x, y)
    assert callback.watching.run.has("loss", 3)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # scikit-learn's own
@pytest.mark.parametrize(
    ("kind", "estimator", "expected"),
    [
        ("healthy", SGDClassifier(loss="log_loss", random_state=0), set()),
        ("healthy", SGDClassifier(random_state=0), set()),
        ("healthy", MLPClassifier(learning_rate_init=0.01, random_state=0), set()),
        ("scale", SGDClassifier(loss="log_loss", random_state=0), {"input_scale"}),
        ("healthy", MLPClassifier(solver="sgd", learning_rate_init=20.0, random_state=0), {"update_ratio"}),
        (
            "noise",
            MLPClassifier(solver="sgd", learning_rate_init=1e-7, random_state=0),
            {"not_learning", "update_ratio"},
        ),
    ],
)
def test_batches(kind: str, estimator: Any, expected: set[str]) -> None:
    x, y, held_x, held_y = rows(kind, 2400)
    watch = PartialFit(estimator, classes=[0, 1], held=(held_x, held_y)).fit(batches(x, y, 4))
    assert problems(watch.findings) >= expected
    assert bool(problems(watch.findings)) is bool(expected)
    run = watch.watching.run
    assert run.facts["ended"] is True
    assert len(run.series["loss"]) == 4 * 49 - 1


def test_a_rate_that_is_too_high_diverges() -> None:
    x, _, _, _ = rows()
    target = x @ np.arange(12.0)
    watch = PartialFit(SGDRegressor(learning_rate="constant", eta0=0.3, random_state=0), stop_on="critical")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with contextlib.suppress(ValueError):  # scikit-learn's own, of an overflow
            watch.fit(batches(x, target))
    assert problems(watch.findings, "critical") & {"divergence", "non_finite"}
    healthy = PartialFit(SGDRegressor(random_state=0)).fit(batches(x, target))
    assert problems(healthy.findings) == set()


def test_a_run_that_was_written_is_judged_the_same(tmp_path: Path) -> None:
    x, y, held_x, held_y = rows("scale", 2400)
    estimator = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=5.0, random_state=0)
    watch = PartialFit(estimator, classes=[0, 1], held=(held_x, held_y), name="sgd", folder=tmp_path).fit(batches(x, y))
    again = read_journal(tmp_path / "sgd.jsonl")
    assert again.run.layers == watch.watching.run.layers
    assert again.run.loss == "cross_entropy"
    assert {(f.problem, f.severity) for f in again.findings} == {(f.problem, f.severity) for f in watch.findings}
    assert len(watch.findings) > 1


def test_batches_of_one_class_after_another_are_seen() -> None:
    x, y, _, _ = rows(n=2400)
    order = np.argsort(y, kind="stable")
    parts = [(x[order[i : i + 32]], y[order[i : i + 32]]) for i in range(0, 1600, 32)]
    watch = PartialFit(SGDClassifier(loss="log_loss", random_state=0), classes=[0, 1]).fit(parts)
    assert "unshuffled" in problems(watch.findings)


def test_what_cannot_be_watched_says_what_can() -> None:
    with pytest.raises(InputError, match="no partial_fit"):
        PartialFit(LogisticRegression())
    with pytest.raises(InputError, match=r"classes=np\.unique"):
        PartialFit(SGDClassifier())
    x, y, _, _ = rows()
    with pytest.raises(InputError, match="keeps no curve"):
        read_fitted(DecisionTreeClassifier().fit(x, y))


def test_losses_are_those_of_scikit_learn() -> None:
    x, y, held_x, held_y = rows()
    hinge = SGDClassifier(random_state=0).fit(x, y)
    assert loss_of(hinge, held_x, held_y) == pytest.approx(hinge_loss(held_y, hinge.decision_function(held_x)))
    boosted = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(x, y)
    run = read_fitted(boosted, (held_x, held_y)).watching.run
    assert run.series["loss"].last == pytest.approx(log_loss(y, boosted.predict_proba(x)))
    assert run.series["validation/loss"].last == pytest.approx(log_loss(held_y, boosted.predict_proba(held_x)))
    numbers = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(x, x[:, 0])
    run = read_fitted(numbers).watching.run
    assert run.series["loss"].last == pytest.approx(np.mean((numbers.predict(x) - x[:, 0]) ** 2))


@pytest.mark.parametrize(
    ("kind", "estimator", "expected"),
    [
        ("healthy", GradientBoostingClassifier(n_estimators=80, random_state=0), set()),
        ("noise", GradientBoostingClassifier(n_estimators=120, max_depth=5, random_state=0), {"boosting_overfit"}),
        ("healthy", HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=7, random_state=0), set()),
        ("noise", HistGradientBoostingClassifier(max_iter=120, learning_rate=0.5, random_state=0), {"boosting_overfit"}),
        ("healthy", MLPClassifier(learning_rate_init=0.01, max_iter=30, random_state=0), set()),
    ],
)  # fmt: skip
def test_curves_that_estimators_keep(kind: str, estimator: Any, expected: set[str]) -> None:
    x, y, held_x, held_y = rows(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(x, y)
    assert problems(read_fitted(estimator, (held_x, held_y)).findings) == expected


def test_scores_of_early_stopping_are_held_out() -> None:
    x, y, _, _ = rows("noise")
    stopped = HistGradientBoostingClassifier(
        max_iter=60, early_stopping=True, n_iter_no_change=60, validation_fraction=0.3, random_state=0
    )
    run = read_fitted(stopped.fit(x, y)).watching.run
    assert len(run.series["validation/loss"]) == len(run.series["loss"]) == 60
    assert run.series["validation/loss"].last > run.series["loss"].last
