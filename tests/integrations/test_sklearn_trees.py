"""Trees and forests: out-of-bag errors as scikit-learn has them, deep trees, features that decide all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from same_run import problems
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from watchkeeper.errors import InputError
from watchkeeper.integrations.sklearn_trees import judge_trees, oob_curve


def rows(n: int = 900) -> tuple[Any, Any]:
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(n, 12))
    return x, (x[:, :6].sum(axis=1) + drawn.normal(size=n) > 0).astype(int)


def test_the_out_of_bag_error_is_that_of_scikit_learn() -> None:
    x, y = rows()
    forest = RandomForestClassifier(60, oob_score=True, random_state=0).fit(x, y)
    curve = oob_curve(forest, x, y, [20, 60])
    assert curve.errors[-1] == pytest.approx(1 - forest.oob_score_)
    numbers = x[:, 0] + x[:, 1]
    regression = RandomForestRegressor(60, oob_score=True, random_state=0).fit(x, numbers)
    assert oob_curve(regression, x, numbers, [60]).errors[-1] == pytest.approx(1 - regression.oob_score_)
    assert forest.n_estimators == len(forest.estimators_) == 60


def test_how_many_trees_are_enough() -> None:
    x, y = rows()
    few = oob_curve(RandomForestClassifier(12, random_state=0), x, y)
    many = oob_curve(RandomForestClassifier(150, random_state=0), x, y)
    assert few.falling
    assert not many.falling
    assert many.enough < 150
    assert many.errors[-1] < few.errors[0]
    assert "more trees would help" in str(few)
    assert f"from {many.enough} trees on" in str(many)
    found = judge_trees(RandomForestClassifier(12, random_state=0).fit(x, y), (x, y))
    assert problems(found, "info") == {"too_few_trees"}


def test_a_tree_that_grows_too_far_and_one_that_does_not() -> None:
    x, y = rows()
    train, held = (x[:600], y[:600]), (x[600:], y[600:])
    deep = judge_trees(DecisionTreeClassifier(random_state=0).fit(*train), train, held)
    (found,) = deep
    assert found.problem == "high_variance"
    assert found.numbers["train"] == 1.0
    assert found.numbers["small_leaves"] > 0.5
    shallow = DecisionTreeClassifier(max_depth=3, random_state=0).fit(*train)
    assert problems(judge_trees(shallow, train, held)) == set()


def test_a_feature_that_leaks() -> None:
    x, y = rows()
    x[:, 7] = y + 0.01 * x[:, 7]
    (found, *_) = judge_trees(DecisionTreeClassifier(random_state=0).fit(x, y), (x, y))
    assert (found.problem, found.layer, found.severity) == ("importance_concentration", "7", "warning")


def test_what_is_no_forest_is_refused() -> None:
    x, y = rows(60)
    with pytest.raises(InputError, match="no forest"):
        oob_curve(DecisionTreeClassifier(), x, y)
    assert oob_curve(ExtraTreesRegressor(10, random_state=0), x, y).trees[-1] == 10
