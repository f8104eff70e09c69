"""Watch fits of scikit-learn: as they go, by its callbacks or by ``partial_fit``; and after them, by the curves that they keep.

References
----------
scikit-learn 1.9, ``sklearn.callback.FitCallback``: hooks declare by keyword what they use. In 1.9 LogisticRegression (lbfgs),
pipelines and searches call them, and what a hook returns stops nothing yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from watchkeeper.errors import InputError, MissingExtra
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.detectors.protocol import TINY
from watchkeeper.training.finding import Severity
from watchkeeper.training.opening import Telling, Watcher, never_raises
from watchkeeper.training.run import Event, Layer, Loss, Run
from watchkeeper.training.scales import input_numbers, scale_events
from watchkeeper.training.watching import Sink

try:
    from sklearn.base import is_classifier
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError as error:
    raise MissingExtra("scikit-learn", "demo", "Watching fits of scikit-learn") from error

Rows = tuple[Any, Any]
"""Rows ``(n, features)`` and their targets ``(n,)``."""
HELD_EVERY = 20


class WatchCallback(Watcher):
    """Watches the iterations of a fit: ``LogisticRegression().set_callbacks(WatchCallback(held=(x, y))).fit(...)``.

    Parameters
    ----------
    held
        Held-out rows and targets, measured in each iteration; None: none.
    stop_on
        ``"critical"`` or ``"warning"``: asks the estimator to stop where something as severe is found. None: never.
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.
    """

    def __init__(
        self,
        *,
        held: Rows | None = None,
        stop_on: Severity | None = None,
        name: str = "run",
        folder: str | Path | None = None,
        sinks: Iterable[Sink] = (),
    ) -> None:
        super().__init__(Telling(name=name, folder=folder, sinks=sinks), stop_on)
        self._held = held
        self._step = 0

    @never_raises
    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to watch."""
        self.begin(Run(self._telling.name, "sklearn", facts={"resumed": True}))
        self._step = 0

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing: an iteration is measured at its end."""

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None, fitted_estimator: Any = None
    ) -> bool:
        """Measure an iteration; return whether to stop."""
        whole = getattr(context, "max_subtasks", 0) != 0 and self._step > 0  # the fit that these were iterations of
        if fitted_estimator is not None and X is not None and not whole:
            self._measure(fitted_estimator, X, y)
        return self.stops

    @never_raises
    def teardown(self, estimator: Any, context: Any) -> None:
        """End the watch."""
        self.watching.close()

    @never_raises
    def _measure(self, estimator: Any, rows: Any, target: Any) -> None:
        step, self._step = self._step, self._step + 1
        run = self.watching.run
        if run.loss is None:
            run.loss, run.classes = kind_of(estimator), _classes(estimator)
        if self._held is not None:
            self.watching.add("validation/loss", step, loss_of(estimator, *self._held), ("loss",))
        self.watching.loss(step, loss_of(estimator, rows, target))


class PartialFit(Watcher):
    """Watches an estimator that learns by ``partial_fit``: call this one's in its place, or :meth:`fit` with all batches.

    The loss of a batch is taken before the estimator learns from it, so it is honest; with weights (``coef_``, ``coefs_``)
    steps are measured too, and the scale of inputs is looked at.

    Parameters
    ----------
    estimator
        What learns.
    classes
        All classes, for classifiers.
    held
        Held-out rows and targets, measured in each 20th step; None: none.
    stop_on
        How severe a finding ends :meth:`fit`; None: none does.
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        classes: Any = None,
        held: Rows | None = None,
        stop_on: Severity | None = None,
        name: str = "run",
        folder: str | Path | None = None,
        sinks: Iterable[Sink] = (),
    ) -> None:
        super().__init__(Telling(name=name, folder=folder, sinks=sinks), stop_on)
        if not hasattr(estimator, "partial_fit"):
            raise InputError(
                f"{type(estimator).__name__} has no partial_fit: use WatchCallback, or read_fitted after fit."
            )
        if is_classifier(estimator) and classes is None:
            raise InputError("a classifier's partial_fit has to know all classes: hand in classes=np.unique(y).")
        self.estimator, self._classes, self._held = estimator, classes, held
        self._step = 0
        self._numbers: Floats | None = None
        count = None if classes is None else len(classes)
        self.begin(Run(name, "sklearn", [], type(estimator).__name__, kind_of(estimator), count))

    def partial_fit(self, x: Any, y: Any) -> PartialFit:
        """Measure a batch, then learn from it."""
        self._before(x, y)
        weights = _weights(self.estimator)
        try:
            if self._classes is not None:
                self.estimator.partial_fit(x, y, classes=self._classes)
            else:
                self.estimator.partial_fit(x, y)
        except ValueError as error:
            self._failed(error)
            raise
        self._after(weights)
        return self

    def fit(self, batches: Iterable[Rows]) -> PartialFit:
        """Learn from all batches, or until something is found on which to stop; end the watch."""
        for x, y in batches:
            self.partial_fit(x, y)
            if self.stops:
                break
        self.close()
        return self

    @never_raises
    def close(self) -> None:
        """End the watch."""
        self.watching.close()

    @never_raises
    @np.errstate(all="ignore")
    def _before(self, x: Any, y: Any) -> None:
        step = self._step
        if step < 5 and np.ndim(x) == 2 and hasattr(x, "dtype") and x.dtype.kind == "f":
            self._numbers = input_numbers(x)
        if step == 0:
            return  # it knows nothing yet
        self._targets(step, x, y)
        if self._held is not None and step % HELD_EVERY == 0:
            self.watching.validation(step, {"loss": loss_of(self.estimator, *self._held)})
        self.watching.loss(step, loss_of(self.estimator, x, y))

    def _targets(self, step: int, x: Any, y: Any) -> None:
        """Record what a constant prediction would have to do with: counts of classes, or mean and variance."""
        if self._classes is None:
            target = np.asarray(y, dtype=np.float64)
            self.watching.add("head", step, (target.mean(), target.var()), ("target_mean", "target_variance"))
            return
        known = np.asarray(self._classes)
        names = [str(c) for c in known]
        for name, said in (("targets", y), ("predictions", self.estimator.predict(x))):
            self.watching.add(name, step, (np.asarray(said)[:, None] == known).sum(axis=0), names)

    @never_raises
    def _after(self, before: dict[str, Floats]) -> None:
        run, step = self.watching.run, self._step
        self._step += 1
        after = _weights(self.estimator)
        if not run.layers:
            run.layers = [Layer(name, w.shape, zero=name == "coef_") for name, w in after.items()]  # these begin at 0
        if step < 5 and after and self._numbers is not None:  # trees and counts do not mind scales
            for event in scale_events(step, self._numbers):
                self.watching.note(event)
        if before and list(before) == list(after):
            moved = [_norm(after[n] - before[n]) / (_norm(before[n]) + 1e-12) for n in after]
            self.watching.add("update", step, moved, list(after))
            self.watching.add("weight", step, [_norm(w) for w in after.values()], list(after))

    @never_raises
    def _failed(self, error: ValueError) -> None:
        if "overflow" in str(error) or "NaN" in str(error) or "infinity" in str(error):
            self.watching.note(Event("non_finite", self._step, words=f"{type(self.estimator).__name__} says: {error}"))
        self.watching.close()


def read_fitted(
    estimator: Any,
    held: Rows | None = None,
    *,
    name: str = "run",
    folder: str | Path | None = None,
    sinks: Iterable[Sink] = (),
) -> Watcher:
    """Judge a fit after it, by the curves that the estimator keeps: ``loss_curve_``, ``train_score_``, and stages.

    Parameters
    ----------
    estimator
        A fitted MLP, gradient boosting or histogram gradient boosting.
    held
        Held-out rows and targets; boosting is measured on them stage by stage. None: the validation scores that histogram
        gradient boosting kept, if it stopped early by its loss. (``oob_scores_`` are of rows that earlier trees learned from.)
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.

    Raises
    ------
    InputError
        The estimator keeps no curve.
    """
    check_is_fitted(estimator)
    train, other = _kept(estimator)
    if held is not None and hasattr(estimator, "staged_predict"):
        other = list(_staged(estimator, *held))
    if not len(train) and not other:
        raise InputError(f"{type(estimator).__name__} keeps no curve of its fit: watch it by callbacks or partial_fit.")
    boosts = hasattr(estimator, "staged_predict")
    watcher = Watcher(Telling(name=name, folder=folder, sinks=sinks), None)
    kind: Loss = kind_of(estimator) if boosts else "other"  # an MLP's has the penalty in it
    facts = {"resumed": True, "boosting": boosts}
    watching = watcher.begin(Run(name, "sklearn", [], "", kind, _classes(estimator), facts=facts))
    for step in range(max(len(train), len(other))):
        if step < len(other):
            watching.add("validation/loss", step, other[step], ("loss",))
        if step < len(train):
            watching.loss(step, float(train[step]))
    if hasattr(estimator, "feature_importances_"):
        names = getattr(estimator, "feature_names_in_", range(len(estimator.feature_importances_)))
        watching.run.facts["importances"] = {
            str(n): float(v) for n, v in zip(names, estimator.feature_importances_, strict=True)
        }
    watching.close()
    return watcher


def kind_of(estimator: Any) -> Loss:
    """Return which loss :func:`loss_of` measures.

    The schedule that SGDClassifier has by default begins so high that probabilities are far off long after classes are
    right, so its loss is compared with itself only (``other``).
    """
    if not is_classifier(estimator):
        return "mse"
    far = getattr(estimator, "learning_rate", None) == "optimal"
    return "cross_entropy" if hasattr(estimator, "predict_proba") and not far else "other"


def loss_of(estimator: Any, x: Any, y: Any) -> float:
    """Return the loss of rows: logarithmic for probabilities, hinge for other scores of classes, squared for numbers."""
    if not is_classifier(estimator):
        return float(np.mean((np.asarray(y, dtype=np.float64) - np.asarray(estimator.predict(x))) ** 2))
    if not hasattr(estimator, "predict_proba"):
        scores = np.asarray(estimator.decision_function(x))
        sign = _codes(estimator, y)[:, None] == np.arange(len(estimator.classes_))
        margins = np.where(sign, 1.0, -1.0) * (np.column_stack([-scores, scores]) if scores.ndim == 1 else scores)
        return float(np.maximum(0.0, 1.0 - margins).mean())
    return _log_loss(np.asarray(estimator.predict_proba(x)), _codes(estimator, y))


def _log_loss(shares: Floats, codes: Any) -> float:
    return float(-np.log(np.maximum(shares[np.arange(len(codes)), codes], TINY)).mean())


def _codes(estimator: Any, y: Any) -> Any:
    """Return classes by their place; hooks of scikit-learn are given places already."""
    y = np.asarray(y)
    return np.searchsorted(estimator.classes_, y) if np.isin(y, estimator.classes_).all() else y.astype(int)


def _classes(estimator: Any) -> int | None:
    return len(estimator.classes_) if is_classifier(estimator) and hasattr(estimator, "classes_") else None


def _weights(estimator: Any) -> dict[str, Floats]:
    """Return copies of an estimator's weights by name; none before its first fit, and for what has none."""
    if hasattr(estimator, "coefs_"):
        return {f"coefs_[{place}]": w.copy() for place, w in enumerate(estimator.coefs_)}
    coef = getattr(estimator, "coef_", None)
    return {"coef_": np.atleast_2d(coef).copy()} if coef is not None else {}


def _norm(values: Floats) -> float:
    most = float(np.abs(values).max())
    return most * math.sqrt(float(np.square(values / most).sum())) if 0 < most < math.inf else most


def _kept(estimator: Any) -> tuple[Floats, list[float]]:
    """Return losses of training and of held-out rows by stage, as the estimator kept them."""
    if hasattr(estimator, "loss_curve_"):
        return np.asarray(estimator.loss_curve_), []
    train, held = getattr(estimator, "train_score_", None), None
    if hasattr(estimator, "validation_score_"):  # histograms: negative losses, the first before any tree
        usable = getattr(estimator, "scoring", None) == "loss"
        held = -np.asarray(estimator.validation_score_)[1:] if usable and len(estimator.validation_score_) else None
        train = -np.asarray(train)[1:] if usable and train is not None and len(train) else None
    elif train is not None and is_classifier(estimator) and estimator.n_classes_ == 2:
        train = np.asarray(train) / 2  # a deviance
    empty = np.empty(0)
    return (empty if train is None else np.asarray(train)), ([] if held is None else np.asarray(held).tolist())


def _staged(estimator: Any, x: Any, y: Any) -> Iterator[float]:
    if not is_classifier(estimator):
        for predicted in estimator.staged_predict(x):
            yield float(np.mean((np.asarray(y, dtype=np.float64) - predicted) ** 2))
        return
    codes = _codes(estimator, y)
    for shares in estimator.staged_predict_proba(x):
        yield _log_loss(np.asarray(shares), codes)
