"""Compare two Parquet files of 28 columns, beside a warm read of the same files with Polars."""

from __future__ import annotations

from pathlib import Path

from benchmarks.make_data import tables
from benchmarks.measure import alternate, run

DATA = Path(__file__).parent / ".data"
SIZES = (1_000_000, 4_000_000)


def main() -> None:
    bare = run("pass")[1]
    print("compare: two Parquet files of n x 28 (profiles, every univariate distance, performance, CBPE)")
    print(f"{'rows':>10}  {'compare s':>9}  {'Polars read s':>13}  {'ratio':>6}  {'peak MB above the interpreter':>29}")
    for rows in SIZES:
        reference, current = (str(path) for path in tables(DATA, rows))
        compare = (
            f"watchkeeper.compare({reference!r}, {current!r}, schema=watchkeeper.Schema("
            "target='label', prediction='prediction', score='score')).verdict"
        )
        read = f"[polars.read_parquet(path).height for path in ({reference!r}, {current!r})]"
        pieces = {"compare": (compare, "import watchkeeper, watchkeeper.monitor"), "read": (read, "import polars")}
        costs = alternate(pieces, rounds=3)
        seconds, warm = costs["compare"].seconds, costs["read"].seconds
        above = costs["compare"].megabytes - bare
        print(f"{rows:>10,}  {seconds:>9.2f}  {warm:>13.2f}  {seconds / warm:>5.1f}x  {above:>29.0f}")
