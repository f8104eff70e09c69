"""Read trees and forests of scikit-learn: are there trees enough, does a tree grow too far, does one feature decide all?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from watchkeeper.errors import InputError, MissingExtra
from watchkeeper.training.detectors.boosting import ImportanceConcentration
from watchkeeper.training.finding import LIKELY, Finding, Findings
from watchkeeper.training.run import Run

try:
    from sklearn.base import clone, is_classifier
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError as error:
    raise MissingExtra("scikit-learn", "demo", "Reading trees of scikit-learn") from error

GAP = 0.1
"""Training better than held-out rows by so much accuracy or R2, and by 3 standard errors, is variance that matters."""
SMALL_LEAF = 5


@dataclass(frozen=True, slots=True)
class OobCurve:
    """The out-of-bag error of a forest by its number of trees.

    Attributes
    ----------
    trees, errors
        Numbers of trees, ascending, and the error there: the share of wrong classes, or the squared error over the variance.
    error
        The standard error of the last one.
    enough
        The fewest trees whose error is within one standard error of the last one.
    """

    trees: list[int]
    errors: list[float]
    error: float
    enough: int

    @property
    def falling(self) -> bool:
        """Whether the last doubling of the trees still lowered the error by more than one standard error."""
        half = float(np.interp(self.trees[-1] / 2, self.trees, self.errors))
        return half - self.errors[-1] > self.error

    def __str__(self) -> str:
        said = f"The out-of-bag error is {self.errors[-1]:.4g} (standard error {self.error:.2g}) with {self.trees[-1]:,} trees"
        if self.falling:
            return f"{said} and still falls: more trees would help."
        return f"{said}; from {self.enough:,} trees on it cannot be told from that."


def oob_curve(forest: Any, x: Any, y: Any, trees: Sequence[int] | None = None) -> OobCurve:
    """Grow a copy of a forest tree by tree (``warm_start``), and take the out-of-bag error at some sizes.

    Parameters
    ----------
    forest
        A random forest or extra trees, fitted or not; it is not changed. Its trees have to be of bootstrap samples.
    x, y
        The training rows.
    trees
        Numbers of trees, ascending; None: six from a tenth of ``n_estimators`` on. With few trees some rows are in every
        bag: these count as errors of a guess.

    Raises
    ------
    InputError
        The estimator is no forest, or draws no bootstrap samples.
    """
    if not hasattr(forest, "n_estimators") or not hasattr(forest, "bootstrap"):
        raise InputError(f"{type(forest).__name__} is no forest: out-of-bag errors are those of forests.")
    most = int(forest.n_estimators)
    sizes = (
        list(trees)
        if trees is not None
        else sorted({max(5, round(s)) for s in np.geomspace(max(5, most / 10), most, 6)})
    )
    grown = clone(forest).set_params(warm_start=True, bootstrap=True, oob_score=False)
    y = np.asarray(y)
    errors, wrong = [], np.empty(0)
    for size in sizes:
        grown.set_params(n_estimators=size).fit(x, y)
        wrong = _oob_losses(grown, np.asarray(x), y)
        errors.append(float(wrong.mean()))
    error = float(wrong.std() / math.sqrt(len(wrong)))
    enough = next(size for size, value in zip(sizes, errors, strict=True) if value <= errors[-1] + error)
    return OobCurve(sizes, errors, error, enough)


def _oob_losses(forest: Any, x: Any, y: Any) -> Any:
    """Return each row's loss over the trees that did not see it, shape ``(n,)``."""
    classes = is_classifier(forest)
    total = np.zeros((len(x), forest.n_classes_ if classes else 1))
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        out = np.ones(len(x), dtype=bool)
        out[drawn] = False
        said = tree.predict_proba(x[out]) if classes else tree.predict(x[out])[:, None]
        total[out] += said if classes else np.column_stack([said])
    if classes:
        seen = total.sum(axis=1) > 0
        right = forest.classes_[total.argmax(axis=1)] == y
        return np.where(seen, 1.0 - right, 1 - 1 / forest.n_classes_)
    count = _out_of_bag(forest, len(x))
    said = np.divide(total[:, 0], count, out=np.full(len(x), float(np.mean(y))), where=count > 0)
    return (np.asarray(y, dtype=np.float64) - said) ** 2 / max(float(np.var(y)), 1e-300)


def _out_of_bag(forest: Any, rows: int) -> Any:
    count = np.zeros(rows)
    for drawn in forest.estimators_samples_:
        out = np.ones(rows, dtype=bool)
        out[drawn] = False
        count += out
    return count


def judge_trees(estimator: Any, train: tuple[Any, Any], held: tuple[Any, Any] | None = None) -> Findings:
    """Judge a fitted tree or forest: whether it fits its training rows far better than others, and by what features.

    Parameters
    ----------
    estimator
        A decision tree, forest or boosting of scikit-learn, fitted.
    train, held
        Rows and targets. Without held-out ones variance is not judged; of forests it never is, since each tree of a good one
        fits its rows whole.

    Returns
    -------
    Findings
        ``high_variance`` with the depth and the sizes of the leaves, ``too_few_trees``, ``importance_concentration``.
    """
    check_is_fitted(estimator)
    found = Findings()
    for finding in _judged(estimator, train, held):
        found.add(finding)
    return found


def _judged(estimator: Any, train: tuple[Any, Any], held: tuple[Any, Any] | None) -> Iterator[Finding]:
    importances = getattr(estimator, "feature_importances_", None)
    if importances is not None:
        names = getattr(estimator, "feature_names_in_", range(len(importances)))
        shares = {str(n): float(v) for n, v in zip(names, importances, strict=True)}
        yield from ImportanceConcentration().check(Run("tree", "sklearn", facts={"importances": shares}))
    if hasattr(estimator, "tree_") and held is not None:
        yield from _variance(estimator, train, held)
    if (
        hasattr(estimator, "estimators_samples_")
        and getattr(estimator, "bootstrap", False)
        and hasattr(estimator, "apply")
    ):
        curve = oob_curve(estimator, *train)
        if curve.falling:
            numbers = {"trees": float(curve.trees[-1]), "oob_error": curve.errors[-1]}
            yield Finding("too_few_trees", 0, str(curve), "info", None, numbers, LIKELY)


def _variance(tree: Any, train: tuple[Any, Any], held: tuple[Any, Any]) -> Iterator[Finding]:
    trained, other = float(tree.score(*train)), float(tree.score(*held))
    error = math.sqrt(max(other * (1 - other), 0.01) / len(held[1]))
    gap = trained - other
    if gap <= max(GAP, 3 * error):
        return
    inner = tree.tree_
    leaves = inner.n_node_samples[inner.children_left == -1]
    small = float(np.mean(leaves < SMALL_LEAF))
    words = (
        f"The tree scores {trained:.3f} on training rows and {other:.3f} on held-out ones; it is {tree.get_depth()} deep, "
        f"and {small:.0%} of its {len(leaves):,} leaves have fewer than {SMALL_LEAF} rows."
    )
    numbers = {"train": trained, "validation": other, "depth": float(tree.get_depth()), "small_leaves": small}
    yield Finding("high_variance", 0, words, "warning", None, numbers, LIKELY)
