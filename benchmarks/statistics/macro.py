"""How often intervals of averages over classes hold the truth where they rest on the least that is asked for.

    python -m benchmarks statistics macro

Confusion matrices are drawn from a multinomial distribution whose metrics are known; draws that rest on less than 30 (F1)
or 50 (recall) do not count (:func:`watchkeeper.metrics.basis.over_classes`).
"""

from __future__ import annotations

import math

import numpy as np

from watchkeeper.metrics.basis import least_basis, of_matrix
from watchkeeper.metrics.classification import mean_f1, mean_share
from watchkeeper.metrics.estimate import smooth_estimate

DRAWS = 4_000
CASES = (
    ("3 alike", [1] * 3, 110), ("2 and one a tenth as large", [10, 10, 1], 1_100),
    ("9 and one of 3 in 100", [100] * 9 + [3], 15_000), ("9 and one a fifth as large", [10] * 9 + [2], 700),
    ("10 alike", [1] * 10, 120),
)  # fmt: skip
"""Classes, their shares, and rows."""
METRICS = {"f1_macro": lambda m: mean_f1(m, weighted=False), "recall": lambda m: mean_share(m, 1)}


def coverage(name: str, shares: list[int], rows: int, right: float, draws: int = DRAWS) -> tuple[float, int]:
    """Return how often the interval holds the truth, and in how many draws it rests on enough."""
    rng, size = np.random.default_rng(0), len(shares)
    by_label = np.full((size, size), (1 - right) / (size - 1))
    np.fill_diagonal(by_label, right)
    cells = (np.array(shares)[:, None] / sum(shares) * by_label).ravel()
    truth, held, counted = METRICS[name]((cells * 1e9).reshape(size, size))[0], 0, 0
    for _ in range(draws):
        matrix = rng.multinomial(rows, cells).reshape(size, size).astype(np.float64)
        if (of_matrix(name, matrix, matrix) or 0) >= least_basis(name):
            value, gradient = METRICS[name](matrix)
            found = smooth_estimate(value, gradient.ravel(), float((matrix * gradient**2).sum()), [], rows, "logit")
            held, counted = held + (found.low <= truth <= found.high), counted + 1
    return held / max(counted, 1), counted


def main(draws: int = DRAWS) -> dict[tuple[str, str, float], float]:
    """Print, and return, the coverage of each metric, case and share of right predictions."""
    found = {}
    for case, shares, rows in CASES:
        for name in METRICS:
            for right in (0.6, 0.9):
                held, counted = coverage(name, shares, rows, right, draws)
                found[name, case, right] = held
                error = math.sqrt(0.05 * 0.95 / max(counted, 1))
                said = f"{100 * held:5.1f} % +- {100 * error:.1f} of {counted:,} draws"
                print(f"  {name:<9} classes: {case:<27} {rows:>5,} rows, {right:.0%} right: {said}", flush=True)
    return found


if __name__ == "__main__":
    main()
