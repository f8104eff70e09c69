"""How often 95 % intervals hold the truth, over a grid of sizes, skills, prevalences and distributions of errors.

The truth of each cell is a closed form or an integral, never a simulation. Rates are asked for from a denominator of 50 on, the
area under the curve, F1 and average precision from 30 in the smaller class, means from 100 rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import integrate, stats
from scipy.special import expit, logit

from watchkeeper.capture.batch import Batch
from watchkeeper.metrics import classification, regression
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.outcome import BinaryOutcome, RegressionOutcome
from watchkeeper.profiles.rows import outcome_rows
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import Floats

REPETITIONS = 2_000
LEAST, MEAN = 0.92, (0.94, 0.97)
AREAS, PREVALENCES, SMALLER = (0.65, 0.85, 0.97), (0.5, 0.2, 0.05), (30, 100, 500)
ROWS = (100, 1_000)
RATES = ("accuracy", "precision", "recall", "specificity")
CURVES = ("roc_auc", "average_precision", "f1")
MEANS = ("log_loss", "brier", "mean_calibration")
FEWEST = {"rate": 50, "curve": 30, "mean": 100}


@dataclass(frozen=True)
class Binormal:
    """Scores that are logistic of N(apart, 1) for positives and N(0, 1) for negatives, less what makes them probabilities."""

    area: float
    prevalence: float

    @property
    def apart(self) -> float:
        """How many standard deviations the two kinds lie apart."""
        return float(math.sqrt(2) * stats.norm.ppf(self.area))

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, Floats]:
        """Return labels and probabilities, as the model that knows both distributions would give them."""
        label = (rng.random(rows) < self.prevalence).astype(np.int64)
        x = rng.normal(self.apart * label)
        return label, expit(self._evidence(x))

    def _evidence(self, x: Floats) -> Floats:
        return logit(self.prevalence) + self.apart * x - self.apart**2 / 2

    @property
    def cut(self) -> float:
        """The probability from which on the prediction is positive: so that as many are predicted as there are."""
        low, high = -20.0, 20.0
        for _ in range(80):
            middle = (low + high) / 2
            above = self.prevalence * stats.norm.sf(middle - self.apart) + (1 - self.prevalence) * stats.norm.sf(middle)
            low, high = (middle, high) if above > self.prevalence else (low, middle)
        return float(expit(self._evidence(np.array((low + high) / 2))))

    def truth(self) -> dict[str, float]:
        """Return each metric over infinitely many rows."""
        p, apart = self.prevalence, self.apart
        at = (float(logit(self.cut)) - float(logit(p)) + apart**2 / 2) / apart
        hit, false = p * stats.norm.sf(at - apart), (1 - p) * stats.norm.sf(at)

        def mean(of: Callable[[float, int], float]) -> float:
            def inner(x: float) -> float:
                score = float(self._evidence(np.array(x)))
                return p * stats.norm.pdf(x - apart) * of(score, 1) + (1 - p) * stats.norm.pdf(x) * of(score, 0)

            return float(integrate.quad(inner, -12, 12 + apart, limit=400)[0])

        def precision(x: float) -> float:
            above = p * stats.norm.sf(x - apart)
            return float(above / (above + (1 - p) * stats.norm.sf(x))) if above > 0 else 1.0

        area = integrate.quad(lambda x: stats.norm.pdf(x - apart) * precision(x), -12, 12 + apart, limit=400)[0]
        return {
            "accuracy": hit + 1 - p - false,
            "precision": hit / (hit + false),
            "recall": hit / p,
            "specificity": 1 - false / (1 - p),
            "roc_auc": self.area,
            "average_precision": float(area),
            "f1": 2 * hit / (hit + false + p),
            "log_loss": mean(lambda s, y: float(np.logaddexp(0, -s if y else s))),
            "brier": mean(lambda s, y: float(expit(s) - y) ** 2),
            "mean_calibration": 0.0,
        }


def denominators(outcome: BinaryOutcome) -> dict[str, int]:
    """Return what each metric rests on."""
    matrix = outcome.confusion[:2, :2]
    by_label, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    found = {"accuracy": matrix.sum(), "precision": predicted[1], "recall": by_label[1], "specificity": by_label[0]}
    found |= dict.fromkeys(CURVES, by_label.min()) | dict.fromkeys(MEANS, matrix.sum())
    return {name: int(n) for name, n in found.items()}


def fewest(name: str) -> int:
    """Return the denominator from which on an interval has to hold."""
    return FEWEST["rate" if name in RATES else "curve" if name in CURVES else "mean"]


BINARY = Schema(target="label", score="score", task="binary", positive="1", classes=["0", "1"])
REGRESSION = Schema(target="label", prediction="prediction", task="regression")


def add(outcome: BinaryOutcome | RegressionOutcome, columns: dict[str, np.ndarray], schema: Schema) -> None:
    """Add rows to an outcome."""
    rows = outcome_rows(Batch(pa.record_batch(columns), schema))
    assert rows is not None
    outcome.update(rows)


Held = dict[str, tuple[int, int]]
"""By metric: intervals that held the truth, of how many."""


def classified(case: Binormal, rows: int, repetitions: int, seed: int) -> Held:
    """Return how often intervals of a binary task held; draws whose denominator is too small do not count."""
    rng, truth, held = np.random.default_rng(seed), case.truth(), Counted()
    schema = BINARY.replace(threshold=case.cut)
    for _ in range(repetitions):
        label, score = case.draw(rng, rows)
        outcome = BinaryOutcome()
        add(outcome, {"label": label, "score": score}, schema)
        rests = denominators(outcome)
        for name, value in truth.items():
            if rests[name] >= fewest(name):
                held.add(name, getattr(classification, name)(outcome), value)
    return held.counts


NOISE: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "t with 5 degrees": lambda rng, n: rng.standard_t(5, n) / math.sqrt(5 / 3),
    "shifted exponential": lambda rng, n: rng.exponential(1, n) - 1,
}
MOMENTS = {
    "normal": math.sqrt(2 / math.pi),
    "t with 5 degrees": float(stats.t(5).expect(abs) / math.sqrt(5 / 3)),
    "shifted exponential": 2 / math.e,
}


def regressed(noise: str, rows: int, repetitions: int, seed: int) -> Held:
    """Return how often intervals of a regression held: target N(10, 1) plus noise of variance 1, the prediction without it."""
    rng, held = np.random.default_rng(seed), Counted()
    truth = {"mae": MOMENTS[noise], "mse": 1.0, "rmse": 1.0, "mean_error": 0.0, "r2": 0.5}
    for _ in range(repetitions):
        about = rng.normal(10, 1, rows)
        outcome = RegressionOutcome(10.0)
        add(outcome, {"label": about + NOISE[noise](rng, rows), "prediction": about}, REGRESSION)
        for name, value in truth.items():
            held.add(name, getattr(regression, name)(outcome), value)
    return held.counts


class Counted:
    """Intervals counted by metric."""

    def __init__(self) -> None:
        self.counts: Held = {}

    def add(self, name: str, found: Estimate, truth: float) -> None:
        """Count one."""
        hits, of = self.counts.get(name, (0, 0))
        self.counts[name] = hits + (found.low <= truth <= found.high), of + 1


@dataclass(frozen=True)
class Cell:
    """One cell of the grid."""

    metric: str
    where: str
    hits: int
    of: int

    @property
    def share(self) -> float:
        """Of the intervals, those that held the truth."""
        return self.hits / self.of


def cells(repetitions: int = REPETITIONS) -> Iterator[Cell]:
    """Yield every cell of which half of the draws at least had the denominator asked for."""
    seed = 0
    for area in AREAS:
        for prevalence in PREVALENCES:
            for smaller in SMALLER:
                seed += 1
                rows = math.ceil(smaller / prevalence * 1.25)
                held = classified(Binormal(area, prevalence), rows, repetitions, seed)
                where = f"AUC {area}, {prevalence:.0%} positive, {rows:,} rows"
                yield from (Cell(name, where, h, of) for name, (h, of) in held.items() if 2 * of >= repetitions)
    for noise in NOISE:
        for rows in ROWS:
            seed += 1
            held = regressed(noise, rows, repetitions, seed)
            yield from (Cell(name, f"{noise} errors, {rows:,} rows", h, of) for name, (h, of) in held.items())


def main(repetitions: int = REPETITIONS) -> list[Cell]:
    """Print the mean and the worst cell of each metric, and every cell below 92 %."""
    found = list(cells(repetitions))
    print(
        f"{'metric':18} cells   mean   least  (Monte-Carlo error of a cell {100 * math.sqrt(0.05 * 0.95 / repetitions):.1f})"
    )
    for name in dict.fromkeys(cell.metric for cell in found):
        mine = sorted((c for c in found if c.metric == name), key=lambda c: c.share)
        mean = sum(c.share for c in mine) / len(mine)
        print(f"{name:18} {len(mine):5} {100 * mean:6.1f} {100 * mine[0].share:7.1f}  {mine[0].where}")
    shares = [c.share for c in found]
    print(f"{'all':18} {len(found):5} {100 * sum(shares) / len(shares):6.1f} {100 * min(shares):7.1f}")
    for cell in sorted((c for c in found if c.share < LEAST), key=lambda c: c.share):
        print(f"below {LEAST:.0%}: {cell.metric}, {cell.where}: {100 * cell.share:.1f} % of {cell.of:,}")
    return found
