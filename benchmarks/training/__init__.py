"""What watching a training finds and what it costs: ``python -m benchmarks training PART [options]``."""

from __future__ import annotations

import importlib
import sys

PARTS = {
    "faults": "planted faults that are named, and alarms in healthy runs, beside others' rules",
    "overhead": "what a watched step costs, beside a plain one and one with histograms",
    "repairs": "how often a guard's repair beats doing nothing and a random change, and how often a useless one is kept",
}


def main(names: list[str] | None = None) -> int:
    """Print one part, with its options, or all of them."""
    names = list(names or ())
    if names and names[0] not in PARTS:
        print(f"There is no part {names[0]!r} of training; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 64
    for name in names[:1] or PARTS:
        print(f"{name}: {PARTS[name]}")
        importlib.import_module(f"benchmarks.training.{name}").main(names[1:])
        print(flush=True)
    return 0
