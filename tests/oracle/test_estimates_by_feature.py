"""Estimates that heed features: the metric is the double loop's, the guard keeps CBPE where nothing is proven."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit

from watchkeeper import profile
from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.performance import calibrator_of, performance_changes
from watchkeeper.metrics import conditional
from watchkeeper.metrics.covariates import Design, levels_of
from watchkeeper.metrics.estimation import estimate
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

SCHEMA = Schema(
    target="y", score="s", prediction="p", task="binary", positive="1", classes=["0", "1"],
    kinds={"y": "categorical", "s": "numeric", "p": "categorical", "kind": "categorical", "x": "numeric", "noise": "numeric"},
)  # fmt: skip
ROWS = 20_000
METRICS = ("roc_auc", "accuracy", "f1")


def rows(rng: np.random.Generator, count: int, share: float = 0.1, flat: float = 0.3) -> pa.Table:
    """Return rows of which ``share`` are of kind b, for whom the score says little (slope ``flat``; 1: as much)."""
    kind, x = rng.random(count) < share, rng.normal(size=count)
    score = expit(1.5 * x)
    label = rng.random(count) < expit(np.where(kind, flat, 1.0) * logit(score))
    return pa.table(
        {"y": label.astype(int), "s": score, "p": (score > 0.5).astype(int), "x": x, "noise": rng.normal(size=count)}
    ).append_column("kind", pa.array(np.where(kind, "b", "a")))


def profiled(table: pa.Table, sample: int = 100_000) -> Profile:
    return profile(table, SCHEMA.replace(), sample_rows=sample, threads=1)


def fitted(reference: Profile) -> conditional.Conditional:
    assert reference.outcome is not None
    calibrator = calibrator_of(reference.outcome, ())
    assert calibrator is not None
    found = conditional.fit(reference, calibrator)
    assert found is not None
    return found


def test_the_model_is_penalised_logistic_regression(rng: np.random.Generator) -> None:
    model = fitted(profiled(rows(rng, ROWS)))
    reference = profiled(rows(rng, ROWS))
    levels = levels_of(reference.sample, reference.schema)
    z = rng.normal(size=3_000)
    places = levels.places(reference.sample.rows)[:, :3_000]
    design = Design(places, z, levels.count)
    label = (rng.random(3_000) < expit(1.3 * z)).astype(float)
    weights, _ = conditional._newton(design, label, np.ones(3_000), 10.0)
    matrix = np.vstack([block for _, block in design.blocks()]).astype(float)
    assert design.times(weights) == pytest.approx(matrix @ weights, abs=1e-4)
    assert design.transposed_times(label) == pytest.approx(matrix.T @ label, abs=1e-3)
    score = matrix.T @ (label - expit(z + matrix @ weights)) - 10.0 * weights  # the gradient is 0 at the optimum
    assert np.abs(score).max() < 0.1
    assert model.covariance.shape == (2 * model.levels.count,) * 2
    assert (np.linalg.eigvalsh(model.covariance) > 0).all()


def moved(model: conditional.Conditional, table: pa.Table) -> dict[str, tuple[float, float, float, bool]]:
    """Return, by metric, CBPE's error, the corrected error, the correction's standard error, and whether it was proven."""
    window = profiled(table)
    realised = {c.metric.name: c.current.value for c in performance_changes(Baseline(window), window)}
    seen, _ = conditional.scored(model, window)
    assert seen is not None
    found = {}
    for name in METRICS:
        plain, by = estimate(window.outcome, model.calibrator, name), conditional.correction(model, seen, name)
        corrected = conditional.corrected(plain, by, name)
        found[name] = plain.value - realised[name], corrected.value - realised[name], by.error, by.proven
    return found


def test_a_window_of_a_kind_that_cbpe_misreads_is_corrected(rng: np.random.Generator) -> None:
    model = fitted(profiled(rows(rng, 40_000)))
    found = [moved(model, rows(rng, 2_000, share=0.95)) for _ in range(6)]
    for name in METRICS:
        plain, corrected = (np.mean([abs(f[name][place]) for f in found]) for place in (0, 1))
        assert plain > 0.05, name
        assert corrected < plain / 2, name
        assert all(f[name][3] for f in found), name


def broken(model: conditional.Conditional) -> conditional.Conditional:
    """Return a model that is far too sure of itself."""
    return conditional.Conditional(model.calibrator, model.levels, model.weights, model.covariance / 100, model.rows)


def share_corrected(rng: np.random.Generator, breaks: bool) -> float:
    """Return how often an estimate is changed where the score means the same for all."""
    proven = []
    for _ in range(8):
        model = fitted(profiled(rows(rng, ROWS, flat=1.0)))
        if breaks:
            model = broken(model)
        proven += [f[3] for share in (0.1, 0.95) for f in moved(model, rows(rng, 1_000, share, flat=1.0)).values()]
    return float(np.mean(proven))


def test_where_the_score_says_all_cbpe_stays(rng: np.random.Generator) -> None:
    assert share_corrected(rng, breaks=False) <= 0.07  # 3 of 48; at three standard errors .3 % each are expected


def test_the_guard_s_gate_catches_a_model_too_sure_of_itself(rng: np.random.Generator) -> None:
    assert share_corrected(rng, breaks=True) > 0.3


def test_an_ordinary_sample_is_not_enough(rng: np.random.Generator) -> None:
    reference = profiled(rows(rng, ROWS), sample=5_000)
    assert reference.sample.rows.num_rows == 5_000
    assert reference.outcome is not None
    calibrator = calibrator_of(reference.outcome, ())
    assert calibrator is not None
    assert conditional.fit(reference, calibrator) is None


def test_values_never_seen_and_missing_ones_have_levels_of_their_own(rng: np.random.Generator) -> None:
    reference = profiled(rows(rng, 12_000))
    levels = levels_of(reference.sample, reference.schema)
    odd = pa.table({"kind": ["a", "new", None], "x": [0.0, np.nan, None], "noise": [1e9, -1e9, 0.0]})
    places = levels.places(odd)
    assert places.shape == (3, 3)
    assert len(set(places[-1].tolist())) == 3  # texts come last
    assert places[0, 1] == places[0, 2] != places[0, 0]
    assert places.max() < levels.count


def test_compare_says_the_corrected_estimate_and_does_not_blame_the_concept(rng: np.random.Generator) -> None:
    reference, window = profiled(rows(rng, 40_000)), profiled(rows(rng, 3_000, share=0.95))
    small = profiled(rows(rng, 40_000), sample=5_000)
    heeding = {c.metric.name: c for c in performance_changes(Baseline(reference), window)}
    plain = {c.metric.name: c for c in performance_changes(Baseline(small), window)}
    for name in METRICS:
        truth = heeding[name].current.value
        assert abs(heeding[name].estimated.value - truth) < abs(plain[name].estimated.value - truth) / 2, name
        assert not heeding[name].refuted, name
        assert plain[name].refuted, name
