"""With 100,000 rows every difference is significant: .02 sd must be called no relevant drift, .1 sd must be caught.

Two samples of 100,000 rows, compared at the default budget; normal, log-normal and integer columns, each moved by a share of
its standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.statistics.null import Rate
from watchkeeper.detection.comparison import compare_profiles
from watchkeeper.monitor import profile
from watchkeeper.schema import Schema

ROWS, RUNS = 100_000, 100
SHIFTS = (0.0, 0.02, 0.05, 0.1)
COLUMNS: dict[str, Callable[[np.random.Generator, float], np.ndarray]] = {
    "normal": lambda rng, shift: rng.normal(shift, 1, ROWS),
    "lognormal": lambda rng, shift: rng.lognormal(0.0, 0.5, ROWS) + 0.604 * shift,
    "counts": lambda rng, shift: rng.poisson(100.0 + 10.0 * shift, ROWS).astype(float),
}


RULES = ("Watchkeeper", "KS at .05", "PSI > .1", "JS > .1", "Wasserstein/sd > .1")


def alarmed(seed: int, shift: float) -> dict[str, list[bool]]:
    """Return for each column what each rule says when it is moved by ``shift`` standard deviations."""
    rng = np.random.default_rng(seed)
    schema = Schema(kinds=dict.fromkeys(COLUMNS, "numeric")).freeze()
    before = profile({name: make(rng, 0.0) for name, make in COLUMNS.items()}, schema)
    after = profile({name: make(rng, shift) for name, make in COLUMNS.items()}, schema)
    found = compare_profiles(before, after)
    told = {}
    for change, verdict in found.columns:
        far = [change.distances[name] > 0.1 for name in ("psi", "jensen_shannon", "wasserstein")]
        ours = verdict is not None and verdict.name in {"warning", "critical"}
        told[change.name] = [ours, change.tests["kolmogorov_smirnov"] < 0.05, *far]
    return told


def main(runs: int = RUNS) -> dict[tuple[str, float], Rate]:
    """Print, and return, how often each shift is called relevant drift."""
    rates = {}
    print(f"two samples of {ROWS:,} rows; called relevant drift, of {runs} each (Monte-Carlo standard error in points)")
    for shift in SHIFTS:
        found = [alarmed(1_000 * round(1_000 * shift) + n, shift) for n in range(runs)]
        for name in COLUMNS:
            each = [Rate(sum(one[name][rule] for one in found), runs) for rule in range(len(RULES))]
            rates[name, shift] = each[0]
            others = "; ".join(f"{rule} {rate.share:.0%}" for rule, rate in zip(RULES[1:], each[1:], strict=True))
            print(f"  moved by {shift:4.2f} sd, {name:<9}: {each[0]};  {others}", flush=True)
    return rates


if __name__ == "__main__":
    main()
