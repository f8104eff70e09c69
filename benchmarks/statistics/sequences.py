"""B5: how often a sequence of limits misses the truth at any of 10,000 looks, and how wide it is beside Wilson's interval."""

from __future__ import annotations

import math

import numpy as np

from watchkeeper.metrics.estimate import Estimate, critical, wilson
from watchkeeper.metrics.sequences import ALPHA, normal_sequence, share_sequence, share_wealth

LOOKS, RUNS = 10_000, 2_000
SHARES, AT = (0.02, 0.1, 0.5), (100, 1_000, 10_000)
FIRST_NORMAL = 100
"""The asymptotic sequence is looked at from here on."""


def counts(share: float, runs: int, seed: int) -> np.ndarray:
    """Return how many of the first n rows are ones, shape (runs, LOOKS)."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.random((runs, LOOKS), dtype=np.float32) < share, axis=1).astype(np.float64)


def missed(share: float, runs: int = RUNS, seed: int = 0) -> dict[str, float]:
    """Return in which part of the runs each kind of limits excludes the share at one look at least."""
    n, found = (
        np.arange(1, LOOKS + 1, dtype=np.float64),
        {"sequence": 0, "normal sequence": 0, "Wilson at each look": 0},
    )
    for few in np.array_split(counts(share, runs, seed), max(runs // 100, 1)):
        found["sequence"] += int((share_wealth(few, n, share) > math.log(1 / ALPHA)).any(axis=1).sum())
        value = few / n
        error = np.sqrt(np.maximum(value * (1 - value), 1e-12) / n)
        half = np.array([normal_sequence(Estimate(0.5, 0, 1, int(k), 1.0))[1] - 0.5 for k in AT_ALL])
        wide = error[:, FIRST_NORMAL - 1 :] * np.interp(n[FIRST_NORMAL - 1 :], AT_ALL, half)
        found["normal sequence"] += int((np.abs(value - share)[:, FIRST_NORMAL - 1 :] > wide).any(axis=1).sum())
        z = critical(math.inf)
        score = np.abs(value - share) / np.sqrt(share * (1 - share) / n)
        found["Wilson at each look"] += int((score > z).any(axis=1).sum())
    return {name: count / runs for name, count in found.items()}


AT_ALL = np.unique(np.geomspace(FIRST_NORMAL, LOOKS, 400).astype(int))


def widths(share: float) -> dict[int, float]:
    """Return how many times wider than Wilson's the sequence is after so many rows, at the count that is expected."""
    found = {}
    for n in AT:
        low, high = share_sequence(round(share * n), n)
        own = wilson(round(share * n) / n, n)
        found[n] = (high - low) / (own[1] - own[0])
    return found


def main(runs: int = RUNS) -> None:
    """Print both tables."""
    print(f"{LOOKS:,} looks, {runs:,} runs; runs that miss the share at any look, and width beside Wilson's")
    for seed, share in enumerate(SHARES):
        shares = missed(share, runs, seed)
        error = math.sqrt(0.05 * 0.95 / runs)
        told = ", ".join(f"{name} {100 * found:.1f} %" for name, found in shares.items())
        wide = ", ".join(f"{ratio:.2f} after {n:,}" for n, ratio in widths(share).items())
        print(f"share {share:4}: {told} (+- {100 * error:.1f} at 5 %); {wide}")
