"""What the statistics promise, and what comes of it, beside what others reach: ``python -m benchmarks statistics [PART] ...``.

Each part is a module with a ``main`` that prints its table with Monte-Carlo errors; seeds are fixed, and nothing is tuned on
what is scored.
"""

from __future__ import annotations

import importlib
import sys

PARTS = {
    "null": "B1: months without a change that have an incident; shifts that are found",
    "sequences": "B5: limits that hold at every look at once",
    "intervals": "how often 95 % intervals hold the truth, by metric, size, skill and prevalence",
    "macro": "the same for averages over classes that rest on the least",
    "tasks": "the same for lists, sets of labels, weighted rows, best thresholds and folds",
    "weights": "the same for weighted sets of labels, many classes and lists",
    "drift_null": "B2: shuffled rows of a real table that are taken for drift",
    "relevant": "B3: at 100,000 rows, shifts that matter and shifts that do not",
    "units": "changes of units that are named, and those that are made up",
    "harm": "B14: twelve planted changes in two worlds, whether they page, and whether the model got worse",
    "estimates": "B7: performance estimated without labels, against what was realised",
    "stationary": "how often intervals of other tasks without labels hold where nothing drifts",
    "settings": "how the settings of estimates by feature fare on reference periods alone",
    "labelled": "B8: accuracy from 5 % of the labels",
    "weak": "weak segments: seconds, segments told where there are none, planted ones found",
}


def main(names: list[str] | None = None) -> int:
    """Print the parts named, or all of them."""
    unknown = [name for name in names or () if name not in PARTS]
    if unknown:
        print(f"There is no part {unknown[0]!r} of statistics; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 64
    for name in names or PARTS:
        print(f"{name}: {PARTS[name]}")
        importlib.import_module(f"benchmarks.statistics.{name}").main()
        print(flush=True)
    return 0
