"""Precision, recall and F1 by class, in the layout that users of scikit-learn know, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from watchkeeper.errors import InputError
from watchkeeper.metrics import classification, multilabel
from watchkeeper.metrics.classification import Valued
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Scale, smooth_estimate
from watchkeeper.metrics.many import many_metric
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.multilabel import MultilabelOutcome
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.tasks import plain_outcome
from watchkeeper.schema import label_text
from watchkeeper.sketches.kernel import Floats

OTHER = "__other__"
_PRECISION = np.array([[0.0, 1.0], [0.0, 1.0]])
_RECALL = np.array([[0.0, 0.0], [1.0, 1.0]])
_HIT = np.array([[0.0, 0.0], [0.0, 1.0]])
_METRICS = ("precision", "recall", "f1-score")


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One class or average: precision, recall, F1, and how many rows have it as their label."""

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The three by the names that scikit-learn gives them."""
        return dict(zip(_METRICS, (self.precision, self.recall, self.f1), strict=True))


@dataclass(frozen=True, slots=True)
class ClassificationReport:
    """What :func:`classification_report` returns: ``print`` shows it as text.

    Attributes
    ----------
    classes
        A line for each class that occurs among labels or predictions.
    accuracy
        Of all rows.
    averages
        ``macro avg`` and ``weighted avg``.
    """

    classes: list[ReportLine]
    accuracy: Estimate
    averages: list[ReportLine]

    def to_dict(self) -> dict[str, Any]:
        """Return the dict that scikit-learn gives with ``output_dict=True``, and limits under ``intervals`` of each line."""
        found: dict[str, Any] = {line.name: _values(line) for line in self.classes}
        found["accuracy"] = self.accuracy.value
        found |= {line.name: _values(line) for line in self.averages}
        return found | {"accuracy_interval": [self.accuracy.low, self.accuracy.high]}

    def __str__(self) -> str:
        wide = max(len(line.name) for line in [*self.classes, *self.averages])
        head = " " * wide + "".join(f"{name:>22}" for name in _METRICS) + f"{'support':>11}"
        total = self.averages[0].support
        accuracy = f"{'accuracy':>{wide}}" + " " * 44 + f"{_cell(self.accuracy):>22}{total:>11}"
        averages = [_text(line, wide) for line in self.averages]
        return "\n".join([head, "", *(_text(line, wide) for line in self.classes), "", accuracy, *averages])


def classification_report(profile: Profile) -> ClassificationReport:
    """Return precision, recall, F1 and support by class, with 95 % intervals.

    Values are those of ``sklearn.metrics.classification_report(zero_division=0)`` over the rows that have both a label
    and a prediction. Labels of no class of the schema stand under ``__other__``. Every row counts once,
    also where rows have weights.

    Parameters
    ----------
    profile
        Of a binary, multiclass or multilabel task. Of sets of labels, averages have F1 only and ``accuracy`` is that of
        whole sets, as in scikit-learn.

    Raises
    ------
    InputError
        The profile is of another task, or no row has both a label and a prediction.

    Examples
    --------
    >>> import watchkeeper as wk
    >>> data = {"y": [1, 1, 0, 0] * 25, "prediction": [1, 0, 0, 0] * 25}
    >>> report = wk.classification_report(wk.profile(data, wk.Schema(target="y", task="binary")))
    >>> round(report.to_dict()["1"]["recall"], 2), report.to_dict()["1"]["support"]
    (0.5, 50)
    """
    outcome = plain_outcome(profile.outcome)
    if isinstance(outcome, ManyClassOutcome):
        return _of_many(profile, outcome)
    if isinstance(outcome, MultilabelOutcome):
        return _of_labels(profile, outcome)
    if not isinstance(outcome, BinaryOutcome | MulticlassOutcome):
        raise InputError(
            f"A classification report is of a binary, multiclass or multilabel task, not {profile.schema.task or 'none'}."
        )
    matrix = classification.confusion_matrix(outcome).astype(np.float64)
    if not matrix.any():
        raise InputError("No row of the profile has both a label and a prediction: there is nothing to report.")
    days = [plain_outcome(day) for _, day in profile.timeline.items()] if profile.timeline is not None else []
    parts = [classification.confusion_matrix(d).astype(np.float64) for d in days]  # type: ignore[arg-type]
    parts = [part for part in parts if part.any()]
    names = _names(profile, matrix)
    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    lines = [
        _line(names[place], _against_rest(matrix, place), [_against_rest(part, place) for part in parts])
        for place in present.tolist()
    ]
    return ClassificationReport(lines, classification.accuracy(outcome, days), _averages(matrix, parts))  # type: ignore[arg-type]


def _of_many(profile: Profile, outcome: ManyClassOutcome) -> ClassificationReport:
    """Return the report on the classes that are kept, the most frequent first; averages have F1 only."""
    if outcome.both == 0:
        raise InputError("No row of the profile has both a label and a prediction: there is nothing to report.")
    order = np.lexsort((outcome.hashes, -outcome.counts[:, 0]))
    lines = []
    for place in order.tolist():
        support, called, hits = outcome.counts[place].astype(np.float64).tolist()
        rest = outcome.both - support - called + hits
        lines.append(_line(outcome.names[place], np.array([[rest, called - hits], [support - hits, hits]]), []))
    f1 = {name: many_metric(f"f1_{name}", outcome) for name in ("macro", "weighted")}
    averages = [ReportLine(f"{name} avg", UNKNOWN, UNKNOWN, found, outcome.both) for name, found in f1.items()]
    return ClassificationReport(lines, many_metric("accuracy", outcome), averages)


def _of_labels(profile: Profile, outcome: MultilabelOutcome) -> ClassificationReport:
    """Return the report on each label of the sets, against the rows that do not have it."""
    rows = outcome.terms.count
    if rows == 0:
        raise InputError("No row of the profile has both a label and a prediction: there is nothing to report.")
    days = [plain_outcome(day) for _, day in profile.timeline.items()] if profile.timeline is not None else []
    known = [day for day in days if isinstance(day, MultilabelOutcome) and day.terms.count]
    present = np.flatnonzero(outcome.labels.sum(axis=1))
    lines = [
        _line(profile.schema.classes[p], _of_label(outcome, p), [_of_label(day, p) for day in known])
        for p in present.tolist()
    ]
    of_sets = {"micro": multilabel.f1_micro, "macro": multilabel.f1_macro, "samples": multilabel.f1_samples}
    support = int(outcome.labels[:, [0, 2]].sum())
    averages = [ReportLine(f"{k} avg", UNKNOWN, UNKNOWN, f(outcome, known), support) for k, f in of_sets.items()]
    return ClassificationReport(lines, multilabel.subset_accuracy(outcome, known), averages)


def _of_label(outcome: MultilabelOutcome, place: int) -> Floats:
    hit, false, missed = outcome.labels[place].astype(np.float64).tolist()
    return np.array([[outcome.terms.count - hit - false - missed, false], [missed, hit]])


def _names(profile: Profile, matrix: Floats) -> list[str]:
    schema = profile.schema
    if schema.task == "binary":
        positive = label_text(schema.positive)
        return [next((c for c in schema.classes if c != positive), f"not {positive}"), positive]
    return [*schema.classes, OTHER][: len(matrix)]


def _line(name: str, one: Floats, parts: Sequence[Floats]) -> ReportLine:
    """Return the line of one class from its confusion with all others, of all rows and of each day."""

    def share(among: Floats) -> Estimate:
        found = _estimate(one, parts, lambda m: classification.share_of(m, _HIT, among), "share", among)
        return found if found.known else Estimate(0.0, 0.0, 1.0, 0)

    def f1(matrix: Floats) -> Valued:
        values, gradients = classification.f1_by_class(matrix)
        return float(values[1]), gradients[1]

    return ReportLine(
        name, share(_PRECISION), share(_RECALL), _estimate(one, parts, f1, "logit", np.ones((2, 2))), int(one[1].sum())
    )


def _against_rest(matrix: Floats, place: int) -> Floats:
    hit = matrix[place, place]
    missed, false = matrix[place].sum() - hit, matrix[:, place].sum() - hit
    return np.array([[matrix.sum() - hit - missed - false, false], [missed, hit]])


def _averages(matrix: Floats, days: Sequence[Floats]) -> list[ReportLine]:
    every = np.ones_like(matrix)

    def of(metric: Callable[[Floats], Valued]) -> Estimate:
        return _estimate(matrix, days, metric, "logit", every)

    n = int(matrix.sum())
    macro = ReportLine(
        "macro avg",
        of(lambda m: classification.mean_share(m, 0)),
        of(lambda m: classification.mean_share(m, 1)),
        of(lambda m: classification.mean_f1(m, weighted=False)),
        n,
    )
    weighted = ReportLine(
        "weighted avg",
        of(_weighted_precision),
        of(lambda m: classification.share_of(m, np.eye(len(m)), np.ones_like(m))),  # weighted recall is accuracy
        of(lambda m: classification.mean_f1(m, weighted=True)),
        n,
    )
    return [macro, weighted]


def _weighted_precision(matrix: Floats) -> Valued:
    """Return precision averaged over classes, weighted by how often each is the label, and its gradient."""
    support, called, total = matrix.sum(axis=1), matrix.sum(axis=0), float(matrix.sum())
    safe = np.where(called > 0, called, 1.0)
    precision = np.where(called > 0, np.diag(matrix) / safe, 0.0)
    value = float((precision * support).sum() / total)
    share = np.where(called > 0, support / total / safe, 0.0)
    gradient = np.diag(share) - (share * precision)[None, :] + ((precision - value) / total)[:, None]
    return value, gradient


def _estimate(
    matrix: Floats, days: Sequence[Floats], metric: Callable[[Floats], Valued], scale: Scale, among: Floats
) -> Estimate:
    value, gradient = metric(matrix)
    squares = float((matrix * gradient**2).sum())
    blocks = [day.ravel() for day in days]
    return smooth_estimate(value, gradient.ravel(), squares, blocks, int((matrix * among).sum()), scale)


def _values(line: ReportLine) -> dict[str, Any]:
    plain: dict[str, Any] = {name: estimate.value for name, estimate in line.estimates.items()}
    limits = {name: [estimate.low, estimate.high] for name, estimate in line.estimates.items()}
    return plain | {"support": line.support, "intervals": limits}


def _text(line: ReportLine, wide: int) -> str:
    return f"{line.name:>{wide}}" + "".join(f"{_cell(e):>22}" for e in line.estimates.values()) + f"{line.support:>11}"


def _cell(estimate: Estimate) -> str:
    if not estimate.known:
        return ""
    return f"{estimate.value:.2f} ({estimate.low:.2f}\N{EN DASH}{estimate.high:.2f})"
