"""Learning and validation curves, read: does a model underfit or overfit, and would more data help?

Scores come from cross-validation, as scikit-learn's ``learning_curve`` and ``validation_curve`` return them. The folds of
a cross-validation share most of their training rows, so their scores vary together and a plain standard error of their
mean is far too small; every interval here has the variance that Nadeau and Bengio correct for that.

References
----------
Nadeau and Bengio, Machine Learning 52 (2003), 239-281: the corrected resampled t-test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.special import stdtrit

from watchkeeper.errors import InputError
from watchkeeper.metrics.estimate import CONFIDENCE, Estimate
from watchkeeper.sketches.kernel import Floats

Answer = Literal["yes", "no", "unknown"]
FLOOR = 0.02
"""The smallest difference of scores that matters, unless another is said."""
_POWERS = np.geomspace(0.1, 8.0, 40)
_LAST = 3
_CHI2 = 3.84


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """What a learning curve says.

    Attributes
    ----------
    sizes, train, validation
        Rows trained on, ascending, and the scores there.
    gap
        By how much training is better than validation at the largest size: the part of the error that is variance.
    gain
        What twice the rows would add to the validation score, by a power law through the curve.
    bias
        Whether the model underfits: its *training* score falls short of ``target``; unknown where no target is named.
    variance
        Whether the model overfits: the gap is more than matters.
    more_data
        Whether twice the rows would improve validation by more than matters.
    words
        The same in sentences.
    """

    sizes: list[int]
    train: list[Estimate]
    validation: list[Estimate]
    gap: Estimate
    gain: Estimate
    bias: Answer
    variance: Answer
    more_data: Answer
    words: list[str]

    @property
    def verdict(self) -> str:
        """In a word or two: ``underfits``, ``overfits``, ``fits``, or ``not enough data``."""
        if self.bias == "yes":
            return "underfits and overfits" if self.variance == "yes" else "underfits"
        if self.variance == "unknown":
            return "not enough data"
        return "overfits" if self.variance == "yes" else "fits"

    def __str__(self) -> str:
        return "\n".join(self.words)


@dataclass(frozen=True, slots=True)
class ValidationCurve:
    """What a validation curve says.

    Attributes
    ----------
    values, train, validation
        The values of the parameter, in the order given, and the scores there.
    best
        The value with the best validation score.
    verdicts
        For each value: ``fits`` where its validation score cannot be told from the best, else ``underfits`` where its
        training score is worse than the best one's too, and ``overfits`` where it is not.
    words
        The same in sentences.
    """

    values: list[Any]
    train: list[Estimate]
    validation: list[Estimate]
    best: Any
    verdicts: list[str]
    words: list[str]

    def __str__(self) -> str:
        return "\n".join(self.words)


@dataclass(frozen=True, slots=True)
class Judging:
    """How scores are judged.

    Attributes
    ----------
    better
        Whether ``higher`` or ``lower`` scores are better.
    floor
        The smallest difference that matters, in the unit of the score.
    target
        The score that would be good enough, such as that of people or of the model in use. Without one, nobody can say
        whether what training leaves is bias or noise.
    ratio
        Test rows per training row of a fold. None: that of a cross-validation in which each row is tested once,
        1 / (repetitions - 1).
    """

    better: Literal["higher", "lower"] = "higher"
    floor: float = FLOOR
    target: float | None = None
    ratio: float | None = None


def learning_curve(
    sizes: Sequence[int], train: object, validation: object, judging: Judging | None = None
) -> LearningCurve:
    """Judge a learning curve: whether the model underfits or overfits, and whether more data would help.

    Parameters
    ----------
    sizes
        Rows trained on, shape (s,), at least two sizes: the first that ``sklearn.model_selection.learning_curve`` returns.
    train, validation
        Scores, shape (s, r), for each size and each of at least two repetitions or folds: the second and third.
    judging
        Which way is better, what matters, and what would be good enough.

    Raises
    ------
    InputError
        The shapes do not fit each other, or a score is no number.

    Examples
    --------
    >>> import watchkeeper as wk
    >>> train = [[0.95, 0.96, 0.97], [0.93, 0.94, 0.95], [0.91, 0.92, 0.93]]
    >>> validation = [[0.70, 0.71, 0.72], [0.75, 0.76, 0.77], [0.79, 0.80, 0.81]]
    >>> found = wk.learning_curve([100, 200, 400], train, validation)
    >>> found.verdict, round(found.gap.value, 2), found.more_data
    ('overfits', 0.12, 'yes')
    """
    how = judging or Judging()
    sign = 1.0 if how.better == "higher" else -1.0
    trained, validated = _scores(train, len(sizes)), _scores(validation, len(sizes))
    counts = np.asarray(sizes, dtype=np.float64)
    if trained.shape != validated.shape or len(counts) < 2 or np.any(np.diff(counts) <= 0) or counts[0] <= 0:
        raise InputError(
            f"A learning curve needs at least two rising sizes and as many rows of scores for training as for validation; "
            f"there are {len(counts)} sizes, and scores of shapes {trained.shape} and {validated.shape}."
        )
    gap = mean_of_folds(sign * (trained[-1] - validated[-1]), how)
    gain = _doubled(counts, sign * validated, how)
    last = mean_of_folds(trained[-1], how)
    bias: Answer = "unknown"
    if how.target is not None:
        short = sign * (how.target - last.value)
        half = (last.high - last.low) / 2
        bias = _answer(Estimate(short, short - half, short + half, last.n), how.floor)
    variance, more = _answer(gap, how.floor), _answer(gain, how.floor)
    words = [
        _gap_words(gap, variance, how),
        _bias_words(last, bias, variance, how),
        _gain_words(gain, more, counts[-1], how),
    ]
    at_train, at_validation = ([mean_of_folds(row, how) for row in scores] for scores in (trained, validated))
    return LearningCurve([int(n) for n in counts], at_train, at_validation, gap, gain, bias, variance, more, words)


def validation_curve(
    values: Sequence[Any],
    train: object,
    validation: object,
    judging: Judging | None = None,
    name: str = "the parameter",
) -> ValidationCurve:
    """Judge a validation curve: which values of a parameter underfit, which overfit, and which cannot be told apart.

    Parameters
    ----------
    values
        Values of the parameter, shape (s,), in their order.
    train, validation
        Scores, shape (s, r), as ``sklearn.model_selection.validation_curve`` returns them; folds are compared in pairs.
    judging
        Which way is better; ``floor`` and ``target`` take no part.
    name
        Of the parameter, for the words.

    Raises
    ------
    InputError
        The shapes do not fit each other, or a score is no number.
    """
    how = judging or Judging()
    sign = 1.0 if how.better == "higher" else -1.0
    trained, validated = _scores(train, len(values)), _scores(validation, len(values))
    if trained.shape != validated.shape or len(values) < 2:
        raise InputError(
            f"A validation curve needs at least two values and as many rows of scores for training as for validation; "
            f"there are {len(values)} values, and scores of shapes {trained.shape} and {validated.shape}."
        )
    best = int(np.argmax(sign * validated.mean(axis=1)))
    verdicts = []
    for place in range(len(values)):
        loss = mean_of_folds(sign * (validated[best] - validated[place]), how, len(values) - 1)
        worse_trained = sign * (trained[best].mean() - trained[place].mean()) > 0
        verdicts.append("fits" if place == best or loss.low <= 0 else "underfits" if worse_trained else "overfits")
    at_train, at_validation = ([mean_of_folds(row, how) for row in scores] for scores in (trained, validated))
    words = _value_words(list(values), verdicts, at_validation[best], best, name)
    return ValidationCurve(list(values), at_train, at_validation, values[best], verdicts, words)


def _scores(given: object, rows: int) -> Floats:
    try:
        scores = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"Scores are numbers, a row for each size or value; not {type(given).__name__}.") from error
    if scores.ndim != 2 or scores.shape[0] != rows or scores.shape[1] < 2 or not np.isfinite(scores).all():
        raise InputError(
            f"Scores are finite numbers of shape ({rows}, repetitions), two repetitions at least; these have the shape "
            f"{scores.shape}" + ("." if np.isfinite(scores).all() else ", and some are no finite numbers.")
        )
    return scores


def mean_of_folds(values: Floats, how: Judging, checks: int = 1) -> Estimate:
    """Return the mean over repetitions with its corrected interval; wider where it is one of several checks."""
    n = len(values)
    ratio = how.ratio if how.ratio is not None else 1 / (n - 1)
    error = math.sqrt(float(values.var(ddof=1)) * (1 / n + ratio))
    half = float(stdtrit(n - 1, 1 - (1 - CONFIDENCE) / (2 * checks))) * error
    value = float(values.mean())
    return Estimate(value, value - half, value + half, n, error, n - 1.0)


def _doubled(sizes: Floats, scores: Floats, how: Judging) -> Estimate:
    """Return what twice the rows add, of ``a - b n^-c`` through the last three sizes, with the same c for all repetitions.

    The interval spans those of every power c whose misfit to the mean curve is within 3.84 (chi-squared, 95 %) of the
    best one's, for a few sizes hardly say how fast a curve flattens.
    """
    scores, shares = scores[-_LAST:], sizes[-_LAST:] / sizes[-1]  # far from the end a curve follows another law
    centred = scores - scores.mean(axis=0)
    ratio = how.ratio if how.ratio is not None else 1 / (scores.shape[1] - 1)
    noise = centred.var(axis=1, ddof=1).mean() * (1 / scores.shape[1] + ratio)
    misfits, gains = [], []
    for power in _POWERS:
        x = shares**-power - (shares**-power).mean()
        slope = x @ scores / (x @ x)
        misfits.append(float(((centred - np.outer(x, slope)).mean(axis=1) ** 2).sum()))
        gains.append(mean_of_folds(slope * (2**-power - 1), how))
    best = int(np.argmin(misfits))
    likely = [g for g, misfit in zip(gains, misfits, strict=True) if misfit - misfits[best] <= _CHI2 * noise]
    return replace(gains[best], low=min(g.low for g in likely), high=max(g.high for g in likely))


def _answer(estimate: Estimate, floor: float) -> Answer:
    if estimate.low > floor:
        return "yes"
    return "no" if estimate.high < floor else "unknown"


def _said(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"


def _gap_words(gap: Estimate, variance: Answer, how: Judging) -> str:
    said = f"Training is better than validation by {_said(gap)}"
    return {
        "yes": f"{said}: the model overfits (high variance). Regularise it, make it simpler, or give it more data.",
        "no": f"{said}, less than the {how.floor:g} that matters: it does not overfit.",
        "unknown": f"{said}: too few repetitions to tell whether that is more than the {how.floor:g} that matters.",
    }[variance]


def _bias_words(last: Estimate, bias: Answer, variance: Answer, how: Judging) -> str:
    said = f"The training score is {_said(last)}"
    if how.target is None:
        rest = " Training and validation agree, so what is missing is bias or noise." if variance == "no" else ""
        return f"{said}; whether that is good enough (low bias) cannot be told without a target.{rest}"
    return {
        "yes": f"{said}, short of the target {how.target:g}: the model underfits (high bias). More data alone cannot help; "
        "give it better features or a richer model.",
        "no": f"{said}, which reaches the target {how.target:g}: it does not underfit.",
        "unknown": f"{said}: too uncertain to tell whether it falls short of the target {how.target:g}.",
    }[bias]


def _gain_words(gain: Estimate, more: Answer, size: float, how: Judging) -> str:
    said = f"Twice the {int(size):,} rows would improve validation by {_said(gain)}, as the curve goes"
    return {
        "yes": f"{said}: more data would help.",
        "no": f"{said}: more data would not help by the {how.floor:g} that matters.",
        "unknown": f"{said}: whether more data would help by the {how.floor:g} that matters cannot be told.",
    }[more]


def _value_words(values: list[Any], verdicts: list[str], score: Estimate, best: int, name: str) -> list[str]:
    words = [f"The best value of {name} is {values[best]}, with a validation score of {_said(score)}."]
    alike = [
        str(v)
        for place, (v, verdict) in enumerate(zip(values, verdicts, strict=True))
        if verdict == "fits" and place != best
    ]
    if alike:
        words.append(f"Not told from it: {', '.join(alike)}.")
    for verdict, why in (("underfits", "training suffers too"), ("overfits", "training is as good or better")):
        named = [str(v) for v, found in zip(values, verdicts, strict=True) if found == verdict]
        if named:
            words.append(f"At {', '.join(named)} the model {verdict}: validation is worse, and {why}.")
    return words
