"""How long it takes to begin: the import, and a first comparison in a fresh process."""

from __future__ import annotations

from benchmarks.measure import alternate, run

SMALL = "rows = {'x': [0.1 * i for i in range(500)], 'y': [i % 2 for i in range(500)], 'p': [i % 10 / 10 for i in range(500)]}"


def main() -> None:
    pieces = {
        "import watchkeeper": ("import watchkeeper", "pass"),
        "import numpy, pyarrow": ("import numpy, pyarrow", "pass"),
        "import, then compare two small tables": ("import watchkeeper; watchkeeper.compare(rows, rows)", SMALL),
        "and print it": ("import watchkeeper; repr(watchkeeper.compare(rows, rows))", SMALL),
    }
    costs = alternate(pieces, rounds=7)
    bare = run("pass")[1]
    print("start: fresh processes, files warm, median of 7")
    print(f"{'what':<38}  {'s':>6}  {'peak MB above the interpreter':>29}")
    for name, cost in costs.items():
        print(f"{name:<38}  {cost.seconds:>6.3f}  {cost.megabytes - bare:>29.0f}")
