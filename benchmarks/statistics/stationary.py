"""How often the intervals of multiclass and regression estimates without labels hold what is realised, where nothing drifts.

    python -m benchmarks statistics stationary

A reference of 30 days and windows of 2 or 7 days are drawn from one and the same law, 300 rows a day, or 600 where the sample
of a reference does not hold them all. In one world rows are independent; in the other each day has a luck of its own that no
input tells, so that days are what counts. The control takes rows as independent there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from watchkeeper.detection.performance import days_of
from watchkeeper.metrics import classification, error_estimation, multiclass_estimation, regression
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.monitor import profile
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

CLASSES = ["a", "b", "c"]
MULTICLASS = Schema(
    target="y", prediction="p", score={c: f"s_{c}" for c in CLASSES}, task="multiclass", classes=CLASSES, timestamp="t",
    kinds={"y": "categorical", "p": "categorical", **{f"s_{c}": "numeric" for c in CLASSES}},
)  # fmt: skip
REGRESSION = Schema(
    target="y", prediction="p", task="regression", timestamp="t",
    kinds={"y": "numeric", "p": "numeric", "spread": "numeric", "kind": "categorical"},
)  # fmt: skip
DAYS, REFERENCES, WINDOWS = 30, 100, 10
LUCK = {"multiclass": 0.6, "regression": 0.3}
WORLDS = ((300, False, True), (600, False, True), (300, True, True), (600, True, True), (300, True, False))
"""Rows a day, whether days have a luck of their own, and whether that is heeded."""
MULTICLASS_METRICS = ("accuracy", "f1_macro", "roc_auc")
_DAY = 86_400_000_000


def _moments(days: int, each: int) -> pa.Array:
    return pa.array(np.repeat(np.arange(days), each) * _DAY, pa.timestamp("us", "UTC"))


def classed(rng: np.random.Generator, days: int, each: int, luck: float) -> pa.Table:
    """Return rows whose label is drawn from their scores, softened, and moved by the luck of the day."""
    n = days * each
    x = rng.normal(size=(3, n)) * 1.5
    told = np.exp(x) / np.exp(x).sum(axis=0)
    moved = np.exp(x + luck * np.repeat(rng.normal(size=(3, days)), each, axis=1))
    truth = moved / moved.sum(axis=0)
    label = (rng.random(n) > np.cumsum(truth, axis=0)).sum(axis=0).clip(0, 2)
    soft, names = told**0.7 / (told**0.7).sum(axis=0), np.array(CLASSES)
    columns = {"t": _moments(days, each), "y": names[label], "p": names[told.argmax(axis=0)]}
    return pa.table(columns | {f"s_{c}": soft[k] for k, c in enumerate(CLASSES)})


def priced(rng: np.random.Generator, days: int, each: int, luck: float) -> pa.Table:
    """Return predictions whose errors differ by kind, grow with ``spread``, and are larger on days without luck."""
    n = days * each
    kind, spread, truth = rng.random(n) < 0.3, rng.uniform(0, 2, n), rng.normal(100, 20, n)
    error = rng.normal(size=n) * (1 + spread + 4 * kind) * np.exp(0.5 * luck * np.repeat(rng.normal(size=days), each))
    columns = {"t": _moments(days, each), "y": truth, "p": truth + error, "spread": spread}
    return pa.table(columns | {"kind": np.where(kind, "b", "a")})


def _multiclass(reference: Profile, by_day: bool) -> Callable[[Profile], dict[str, tuple[Estimate, float]]]:
    calibrators = multiclass_estimation.calibrate(reference.outcome, days_of(reference) if by_day else ())
    assert calibrators is not None

    def found(window: Profile) -> dict[str, tuple[Estimate, float]]:
        told = {name: multiclass_estimation.estimate(window, calibrators, name) for name in MULTICLASS_METRICS}
        return {name: (e, getattr(classification, name)(window.outcome).value) for name, e in told.items()}

    return found


def _regression(reference: Profile, by_day: bool) -> Callable[[Profile], dict[str, tuple[Estimate, float]]]:
    model = error_estimation.fit(reference)
    assert model is not None
    known = model if by_day else replace(model, days=0)

    def found(window: Profile) -> dict[str, tuple[Estimate, float]]:
        return {
            name: (error_estimation.estimate(window, known, name), getattr(regression, name)(window.outcome).value)
            for name in ("mae", "rmse")
        }

    return found


CASES = {"multiclass": (MULTICLASS, classed, _multiclass), "regression": (REGRESSION, priced, _regression)}


def shares(
    task: str, each: int, luck: float, by_day: bool = True, references: int = REFERENCES, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return, by metric, the share of windows held for each of some references."""
    schema, rows, made = CASES[task]
    rng = np.random.default_rng(seed)
    held: dict[str, list[float]] = {}
    for _ in range(references):
        found = made(profile(rows(rng, DAYS, each, luck), schema.replace(), threads=1), by_day)
        inside: dict[str, list[bool]] = {}
        for turn in range(WINDOWS):
            window = profile(rows(rng, 7 if turn % 2 else 2, each, luck), schema.replace(), threads=1)
            for name, (estimate, realised) in found(window).items():
                inside.setdefault(name, []).append(estimate.low <= realised <= estimate.high)
        for name, hits in inside.items():
            held.setdefault(name, []).append(float(np.mean(hits)))
    return {name: np.array(values) for name, values in held.items()}


def main(references: int = REFERENCES) -> dict[tuple[str, int, float, bool], dict[str, np.ndarray]]:
    """Print, and return, the coverage of each task and world; errors are over references, whose windows share their doubt."""
    results = {}
    for task in CASES:
        for each, lucky, by_day in WORLDS:
            luck = LUCK[task] if lucky else 0.0
            found = results[task, each, luck, by_day] = shares(task, each, luck, by_day, references)
            world = "days with luck" if lucky else "rows independent"
            world += "" if by_day else ", taken as none (control)"
            cells = "  ".join(
                f"{name} {100 * v.mean():5.1f} +- {100 * v.std() / math.sqrt(len(v)):.1f}" for name, v in found.items()
            )
            print(f"  {task}, {each} rows a day, {world:<40}{cells}", flush=True)
    return results


if __name__ == "__main__":
    main()
