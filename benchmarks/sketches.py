"""What each sketch costs per value, and how many bytes it takes when stored."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from watchkeeper.profiles import codec
from watchkeeper.sketches.categories import Categories
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.moments import Moments
from watchkeeper.sketches.products import Products
from watchkeeper.sketches.sample import SampleIndex

ROWS, BLOCK = 1_000_000, 65_536


def main() -> None:
    rng = np.random.default_rng(0)
    shapes = {
        "normal": rng.normal(size=ROWS),
        "lognormal": np.exp(2 * rng.normal(size=ROWS)),
        "uniform": rng.random(ROWS),
        "integers to 1,000": rng.integers(0, 1000, ROWS).astype(float),
        "cents": np.round(rng.gamma(2.0, 20.0, ROWS), 2),
    }
    print(f"sketches: {ROWS:,} values in blocks of {BLOCK:,}, one thread, best of 5")
    print(f"{'sketch':<32}  {'ns a value':>10}  {'M values/s':>10}  {'bytes':>7}  largest cell")
    for name, values in shapes.items():
        _line(f"Histogram, {name}", lambda v=values: _blocks(Histogram(), v, "update_floats"))
    _line("Moments", lambda: _blocks(Moments(), shapes["normal"], "update"))
    few = [f"value {i}" for i in range(20)]
    many = [f"value {i}" for i in range(50_000)]
    counts = np.bincount(rng.integers(0, 20, BLOCK), minlength=20), np.ones(50_000, dtype=np.int64)
    _line("Categories, 20 (counted by Arrow)", lambda: _categories(few, counts[0]), per=BLOCK)
    _line("Categories, 50,000 distinct", lambda: _categories(many, counts[1]), per=50_000)
    _line("Products of 2", lambda: _products(shapes))
    hashes = rng.integers(0, 2**63, ROWS).astype(np.uint64)
    _line("SampleIndex of 5,000", lambda: _sample(hashes))


def _line(name: str, make: Callable[[], object], per: int = ROWS) -> None:
    best = min(_timed(make) for _ in range(5))
    made = make()
    size = len(codec.encode(made.state()))  # type: ignore[attr-defined]
    cell = f"{made.resolution():.2%}" if isinstance(made, Histogram) else ""
    print(f"{name:<32}  {best / per * 1e9:>10.1f}  {per / best / 1e6:>10.0f}  {size:>7,}  {cell}")


def _timed(make: Callable[[], object]) -> float:
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def _blocks(sketch: object, values: np.ndarray, verb: str) -> object:
    for start in range(0, len(values), BLOCK):
        getattr(sketch, verb)(values[start : start + BLOCK])
    return sketch


def _categories(values: list[str], counts: np.ndarray) -> Categories:
    made = Categories()
    made.update(values, counts.astype(np.int64))
    return made


def _products(shapes: dict[str, np.ndarray]) -> Products:
    made = Products(2)
    pair = np.stack([shapes["normal"], shapes["uniform"]])
    for start in range(0, ROWS, BLOCK):
        made.update(pair[:, start : start + BLOCK])
    return made


def _sample(hashes: np.ndarray) -> SampleIndex:
    made = SampleIndex(5_000)
    for start in range(0, ROWS, BLOCK):
        block = hashes[start : start + BLOCK]
        near = block[block <= np.uint64(made.threshold)]
        made.update(near, near)
    return made
