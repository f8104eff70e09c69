"""Curves and the report by class against scikit-learn, their intervals and best threshold against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

import watchkeeper as wk
from watchkeeper.errors import InputError, UnknownKey
from watchkeeper.metrics import value as value_module
from watchkeeper.profiles.profile import Profile


def binary(label: np.ndarray, score: np.ndarray, prediction: np.ndarray | None = None, **more: object) -> Profile:
    data: dict[str, object] = {"y": label, "s": score, **{k: v for k, v in more.items() if k == "t"}}
    if prediction is not None:
        data["prediction"] = prediction
    schema = wk.Schema(target="y", score="s", task="binary", positive=1, kinds={"y": "categorical"})
    return wk.profile(data, schema)


def drawn(rng: np.random.Generator, n: int, digits: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    label = (rng.random(n) < 0.3).astype(int)
    score = 1 / (1 + np.exp(-rng.normal(1.5 * label - 1.2)))
    return label, score if digits is None else np.round(score, digits)


def test_exact_curves_are_scikit_learns(rng: np.random.Generator) -> None:
    label, score = drawn(rng, 500, 2)
    profile = binary(label, score)
    roc = wk.roc_curve(profile)
    false, true, threshold = sk.roc_curve(label, score, drop_intermediate=False)
    assert roc.threshold == pytest.approx(threshold)
    assert roc.false_positive_rate == pytest.approx(false)
    assert roc.true_positive_rate == pytest.approx(true)
    assert roc.area.value == pytest.approx(sk.roc_auc_score(label, score))
    assert (roc.n, roc.resolution) == (500, 0.0)
    precision, recall, threshold = sk.precision_recall_curve(label, score)
    ours = wk.precision_recall_curve(profile)
    assert ours.threshold == pytest.approx(threshold[::-1])
    assert ours.precision == pytest.approx(precision[:-1][::-1])
    assert ours.recall == pytest.approx(recall[:-1][::-1])
    assert ours.area.value == pytest.approx(sk.average_precision_score(label, score))


@pytest.mark.parametrize("n", [400, 30_000])
def test_every_point_is_exact_where_the_histogram_is_not(rng: np.random.Generator, n: int) -> None:
    label, score = drawn(rng, n)
    score = np.where(rng.random(n) < 0.01, score - 1, score)  # some below zero
    curve = wk.threshold_curve(binary(label, score))
    assert (curve.resolution > 0) == (n > 576)
    for place in range(0, len(curve.threshold), 23):
        chosen = score >= curve.threshold[place]
        tn, fp, fn, tp = sk.confusion_matrix(label, chosen, labels=[0, 1]).ravel()
        assert curve.selected[place] == pytest.approx((tp + fp) / n)
        assert curve.recall[place] == pytest.approx(tp / (tp + fn))
        assert curve.specificity[place] == pytest.approx(tn / (tn + fp))
        assert curve.accuracy[place] == pytest.approx((tp + tn) / n)
        assert curve.f1[place] == pytest.approx(sk.f1_score(label, chosen, zero_division=0))
        if tp + fp:
            assert curve.precision[place] == pytest.approx(tp / (tp + fp))
            wilson = stats.binomtest(int(tp), int(tp + fp)).proportion_ci(0.95, method="wilson")
            assert (curve.precision_low[place], curve.precision_high[place]) == pytest.approx(tuple(wilson), abs=1e-9)
    assert math.isnan(curve.precision[0])


def test_lift(rng: np.random.Generator) -> None:
    label, score = drawn(rng, 1000, 2)
    curve = wk.lift_curve(binary(label, score))
    place = int(np.argmin(np.abs(curve.selected - 0.2)))
    top = score >= curve.threshold[place]
    assert curve.gain[place] == pytest.approx(label[top].sum() / label.sum())
    assert curve.lift[place] == pytest.approx(label[top].mean() / label.mean())
    assert (curve.selected[-1], curve.gain[-1], curve.lift[-1]) == (1.0, 1.0, 1.0)


def test_calibration(rng: np.random.Generator) -> None:
    label, score = drawn(rng, 3000)
    rate, mean = calibration_curve(label, score, n_bins=15)
    ours = wk.calibration_curve(binary(label, score))
    assert ours.rate == pytest.approx(rate)
    assert ours.score == pytest.approx(mean)
    assert ours.rows.sum() == ours.n == 3000
    assert (ours.low <= ours.rate).all()
    assert (ours.rate <= ours.high).all()


def test_a_class_against_the_others(rng: np.random.Generator) -> None:
    scores = np.round(rng.dirichlet(np.ones(3), 400), 3)
    label = np.array([rng.choice(3, p=(s + 0.1) / (s + 0.1).sum()) for s in scores])
    data = {"y": [f"c{k}" for k in label], **{f"s{k}": scores[:, k] for k in range(3)}}
    profile = wk.profile(data, wk.Schema(target="y", task="multiclass", score={f"c{k}": f"s{k}" for k in range(3)}))
    curve = wk.roc_curve(profile, positive="c1")
    assert curve.area.value == pytest.approx(sk.roc_auc_score(label == 1, scores[:, 1]))
    with pytest.raises(UnknownKey, match="c1"):
        wk.roc_curve(profile)


# --- value ------------------------------------------------------------------------------------------------------------

PRICES = {"true_positive": 40.0, "false_positive": -10.0, "false_negative": -20.0, "true_negative": 1.0}


def worth(label: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.select(
        [label.astype(bool) & chosen, ~label.astype(bool) & chosen, label.astype(bool)], [40.0, -10.0, -20.0], 1.0
    )


def test_value_by_brute_force(rng: np.random.Generator) -> None:
    label, score = drawn(rng, 2000, 2)
    curve = wk.value_curve(binary(label, score), PRICES)
    rows = [worth(label, score >= t) for t in curve.threshold]
    assert curve.value == pytest.approx([r.mean() for r in rows])
    assert curve.best_threshold == curve.threshold[int(np.argmax([r.mean() for r in rows]))]
    assert curve.nothing == pytest.approx(rows[0].mean())
    assert curve.everything == pytest.approx(rows[-1].mean())
    error = np.array([r.std(ddof=1) for r in rows]) / math.sqrt(2000)
    assert curve.high - curve.value == pytest.approx(stats.norm.ppf(0.975) * error)
    assert curve.best_low <= curve.best_threshold <= curve.best_high
    assert curve.best_value.value == pytest.approx(curve.value.max())


def best_in_truth() -> float:
    """The score from which a row is worth selecting: 41 more when positive and 11 less when negative than not."""
    x = np.linspace(-4, 4, 80_001)
    positive = 0.3 * stats.norm.pdf(x, 0.3)
    share = positive / (positive + 0.7 * stats.norm.pdf(x, -1.2))
    return float(1 / (1 + math.exp(-x[int(np.argmax(share * 60 - (1 - share) * 11 > 0))])))


@pytest.mark.parametrize("times", [60])
def test_the_best_threshold_lies_in_its_interval(times: int) -> None:
    """Measured: in all of 60 (the factor holds for all thresholds at once); taking only the best itself, in few."""
    truth, rng = best_in_truth(), np.random.default_rng(5)
    curves = [wk.value_curve(binary(*drawn(rng, 800, 2)), PRICES) for _ in range(times)]
    inside = np.mean([c.best_low - 0.01 <= truth <= c.best_high + 0.01 for c in curves])
    assert inside >= 0.9
    assert np.mean([abs(c.best_threshold - truth) <= 0.01 for c in curves]) < 0.6  # the control: a point is no interval
    assert np.mean([c.best_high - c.best_low for c in curves if math.isfinite(c.best_high)]) < 0.5


def test_days_that_differ_widen_curves(rng: np.random.Generator) -> None:
    n, days = 6000, np.repeat(np.arange(30), 200)
    label, score = drawn(rng, n, 2)
    score = np.clip(score + np.repeat(rng.normal(0, 0.2, 30), 200), 0, 1)
    when = np.datetime64("2024-01-01", "us") + days.astype("timedelta64[D]")
    apart, together = binary(label, score, t=when), binary(label, score)
    wide, narrow = wk.roc_curve(apart), wk.roc_curve(together)
    middle = np.abs(wide.true_positive_rate - 0.5) < 0.2
    assert ((wide.high - wide.low)[middle] > 1.5 * (narrow.high - narrow.low)[middle]).all()
    priced = wk.value_curve(apart, PRICES), wk.value_curve(together, PRICES)
    assert priced[0].best_value.high - priced[0].value.max() > 1.2 * (priced[1].best_value.high - priced[1].value.max())
    assert priced[0].best_value.degrees == 29


@pytest.mark.parametrize("prices", [{"gain": 1.0}, {}, {"true_positive": math.nan}])
def test_prices_that_are_none(prices: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Prices"):
        wk.value_curve(binary(np.array([0, 1] * 20), np.linspace(0, 1, 40)), prices)
    assert value_module.Prices(true_positive=1).false_positive == 0


def test_what_has_no_curve_says_so() -> None:
    with pytest.raises(InputError, match="task is none"):
        wk.roc_curve(wk.profile({"x": [1.0, 2.0]}))
    with pytest.raises(InputError, match="labelled rows"):
        wk.lift_curve(binary(np.array([1, 1, 1]), np.array([0.1, 0.2, 0.3])))
    with pytest.raises(InputError, match="not none"):
        wk.classification_report(wk.profile({"x": [1.0, 2.0]}))


# --- the report by class ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 5])
def test_the_report_is_scikit_learns(rng: np.random.Generator, classes: int) -> None:
    label = rng.integers(0, classes, 700)
    label[label == classes - 1] = rng.integers(0, classes, int((label == classes - 1).sum()))
    guess = np.where(rng.random(700) < 0.7, label, rng.integers(0, max(classes - 1, 2), 700))
    task = "binary" if classes == 2 else "multiclass"
    schema = wk.Schema(target="y", prediction="prediction", task=task)
    found = wk.classification_report(wk.profile({"y": label, "prediction": guess}, schema))
    expected = sk.classification_report(label, guess, output_dict=True, zero_division=0)
    ours = found.to_dict()
    assert [*ours][:-1] == [*expected]
    for name, line in expected.items():
        if name == "accuracy":
            assert ours[name] == pytest.approx(line)
            continue
        assert {k: ours[name][k] for k in line} == pytest.approx(line), name
        for metric, (low, high) in ours[name]["intervals"].items():
            assert low <= ours[name][metric] <= high
    shown = [line.split() for line in str(found).splitlines() if line.strip()]
    theirs = [
        line.split() for line in sk.classification_report(label, guess, zero_division=0).splitlines() if line.strip()
    ]
    values = [[word for word in line if not word.startswith("(")] for line in shown]
    assert values == theirs


def test_the_gradients_of_averages_are_right(rng: np.random.Generator) -> None:
    """The error of weighted precision is that of a bootstrap."""
    label = rng.integers(0, 4, 600)
    guess = np.where(rng.random(600) < 0.6, label, rng.integers(0, 4, 600))
    schema = wk.Schema(target="y", prediction="prediction", task="multiclass")
    line = wk.classification_report(wk.profile({"y": label, "prediction": guess}, schema)).averages[1]
    again = []
    for _ in range(400):
        pick = rng.integers(0, 600, 600)
        again.append(sk.precision_score(label[pick], guess[pick], average="weighted"))
    assert line.precision.error == pytest.approx(float(np.std(again)), rel=0.15)


def test_a_comparison_has_them(rng: np.random.Generator) -> None:
    label, score = drawn(rng, 3000)
    found = wk.compare(binary(label[:1500], score[:1500]), binary(label[1500:], score[1500:])).to_dict()
    roc = found["curves"]["current"]["roc"]
    assert 50 < len(roc["threshold"]) == len(roc["true_positive_rate"]) <= 101
    assert roc["threshold"][0] is None  # infinite
    assert (roc["true_positive_rate"][-1], roc["n"]) == (1.0, 1500)
    assert found["classes"]["reference"]["1"]["support"] == label[:1500].sum()
    alone = binary(np.array([1] * 40), np.linspace(0, 1, 40))
    assert wk.compare(alone, alone).to_dict()["curves"] is None
