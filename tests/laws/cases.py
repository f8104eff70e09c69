"""Strategies that hurt, one for each class that merges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from watchkeeper.capture.batch import Batch
from watchkeeper.profiles.column import CategoricalColumn, DatetimeColumn, NumericColumn, TextColumn
from watchkeeper.profiles.formats import Formats
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.multilabel import MultilabelOutcome
from watchkeeper.profiles.outcome import BinaryOutcome, ForecastOutcome, MulticlassOutcome, RegressionOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.ranking import RankingOutcome
from watchkeeper.profiles.rows import outcome_rows
from watchkeeper.profiles.sample import RowSample
from watchkeeper.profiles.segments import Segments, Timeline
from watchkeeper.profiles.weighted import WeightedClassOutcome, WeightedNumberOutcome
from watchkeeper.profiles.weighted_lists import WeightedRankingOutcome
from watchkeeper.profiles.weighted_many import WeightedManyOutcome
from watchkeeper.profiles.weighted_sets import WeightedSetOutcome
from watchkeeper.schema import Schema
from watchkeeper.sketches.categories import Categories
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.moments import Moments
from watchkeeper.sketches.products import Products
from watchkeeper.sketches.sample import SampleIndex
from watchkeeper.sketches.weighted import WeightedHistogram

NASTY = np.array(
    [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1e308, 1.7976931348623157e308, 1.0, -1.0, 0.1, 1e-200, 1e150, 3e144]
)
WHEN = (
    ["2024-01-01", "2024-06-01T12:00:00"],
    ["2024-06-01T12:00:00Z", "2024-06-01T12:00:00-07:00"],
    ["2024-01-01", "2024-06-01T12:00:00Z"],
)
ODD_TEXTS = ["", "\x00", "a\x00b", "🦉", "é", "e\u0301", " ", "__other__", "__missing__", "nan", "None", "true", "1.0"]


TAGS, NAMED = ["a", "a|b", "", "b; c,a", "d", "c|d"], ["a", "abc", "", "bc", "d"]


@dataclass(frozen=True, repr=False)
class Case:
    """What :func:`watchkeeper.testing.check_laws` is called with."""

    make: Callable[[], Any]
    parts: list[Callable[[Any], object]]
    whole: Callable[[Any], object]
    scale: object = None
    read: Callable[[Mapping[str, Any]], Any] | None = None


def flavour(name: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n finite numbers of a kind that has broken a histogram or a sum somewhere."""
    makers = {
        "normal": lambda: rng.normal(0, 1, n),
        "lognormal": lambda: rng.lognormal(0, 3, n) * rng.choice([-1, 1], n),
        "nasty": lambda: rng.choice(NASTY, n),
        "nasty among normal": lambda: np.where(rng.random(n) < 0.05, rng.choice(NASTY, n), rng.normal(0, 1, n)),
        "constant": lambda: np.full(n, rng.choice(NASTY)),
        "zeros": lambda: rng.choice([0.0, -0.0], n),
        "integers": lambda: rng.integers(-3000, 3000, n).astype(np.float64),
        "cents": lambda: np.round(rng.lognormal(3, 1, n) * 100) / 100,
        "float32": lambda: rng.normal(0, 100, n).astype(np.float32).astype(np.float64),
        "subnormal": lambda: rng.integers(-(2**30), 2**30, n) * 5e-324,
        "huge": lambda: rng.uniform(-1, 1, n) * 1.7e308,
        "about the limit of plain squares": lambda: 2.0 ** rng.uniform(478, 482, n) * rng.choice([-1, 1], n),
        "seconds": lambda: 1.7e9 + rng.random(n) * 3600,
        "any bits": lambda: np.nan_to_num(
            rng.integers(-(2**63), 2**63 - 1, n, dtype=np.int64).view(np.float64), nan=1.5, posinf=2.5, neginf=-2.5
        ),
        "exactly full": lambda: rng.permutation(np.resize(rng.normal(0, 1, int(rng.integers(574, 579))), n)),
    }
    return makers[name]()


FLAVOURS = (
    "normal", "lognormal", "nasty", "nasty among normal", "constant", "zeros", "integers", "cents", "float32",
    "subnormal", "huge", "about the limit of plain squares", "seconds", "any bits", "exactly full",
)  # fmt: skip
seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([7, 300, 577, 0, 1200, 4097, 1, 20_000, 2])
small_sizes = st.sampled_from([40, 0, 700, 1, 3000, 2, 200])


def cuts(rng: np.random.Generator, n: int) -> list[slice]:
    """Cut n rows into one to five pieces, some of them perhaps empty."""
    edges = np.sort(rng.integers(0, n + 1, int(rng.integers(0, 5))))
    return [slice(a, b) for a, b in zip([0, *edges.tolist()], [*edges.tolist(), n], strict=True)]


@st.composite
def numbers(draw: st.DrawFn) -> tuple[np.random.Generator, np.ndarray]:
    """Draw numbers: small ones that Hypothesis picks and shrinks, or many from a seed."""
    rng = np.random.default_rng(draw(seeds))
    if draw(st.booleans()):
        picked = draw(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
        return rng, np.array(picked, dtype=np.float64)
    return rng, flavour(draw(st.sampled_from(FLAVOURS)), rng, draw(sizes))


def shuffled(rng: np.random.Generator, values: np.ndarray) -> list[np.ndarray]:
    """Return the values in another order, in pieces."""
    mixed = values[rng.permutation(len(values))]
    return [mixed[piece] for piece in cuts(rng, len(values))]


def adding(pieces: list[Any], whole: Any) -> tuple[list[Callable[[Any], object]], Callable[[Any], object]]:
    """Return what adds each piece, and what adds all, by ``update``."""
    return [lambda s, p=p: s.update(p) for p in pieces], lambda s: s.update(whole)


@st.composite
def histograms(draw: st.DrawFn) -> Case:
    rng, values = draw(numbers())
    if draw(st.booleans()):
        keys = values.view(np.int64)
        return Case(Histogram, *adding(shuffled(rng, keys), keys))
    pieces = shuffled(rng, values)
    return Case(Histogram, [lambda s, p=p: s.update_floats(p) for p in pieces], lambda s: s.update_floats(values))


@st.composite
def weighted_histograms(draw: st.DrawFn) -> Case:
    rng, values = draw(numbers())
    rows = np.stack([values, rng.gamma(0.5, 2, len(values)) * rng.choice([0, 1, 1e6], len(values))])
    mixed = rows[:, rng.permutation(len(values))]
    parts = [lambda h, p=mixed[:, piece]: h.update(*p) for piece in cuts(rng, len(values))]
    return Case(WeightedHistogram, parts, lambda h: h.update(*rows))


@st.composite
def moments(draw: st.DrawFn) -> Case:
    rng, values = draw(numbers())
    origin = draw(st.sampled_from([0.0, 1.7e9, -0.1, 2.0**480, 1e308]))
    absolute = Moments()
    with np.errstate(over="ignore"):
        apart = np.abs(values - origin)
    absolute.update(apart[np.isfinite(apart)])
    scale = absolute.state()
    scale["huge_total"] += float((~np.isfinite(apart)).sum()) * 2.0**425
    scale["huge_squares"] = None
    return Case(lambda: Moments(origin), *adding(shuffled(rng, values), values), scale)


@st.composite
def products(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    size, n = draw(st.integers(1, 8)), draw(small_sizes)
    rows = rng.normal(0, 1, (size, n)) * 10.0 ** rng.integers(-20, 60, (size, 1))
    scale = Products(size)
    scale.update(np.abs(rows))
    mixed = rows[:, rng.permutation(n)]
    parts, whole = adding([mixed[:, piece] for piece in cuts(rng, n)], rows)
    return Case(lambda: Products(size), parts, whole, scale.state())


@st.composite
def categories(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    distinct = draw(st.sampled_from([0, 1, 3, 500, 4095, 4096, 4097, 6000]))
    picked = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8))
    names = list(dict.fromkeys([*picked, *ODD_TEXTS, *(f"v{i}" for i in range(distinct))]))[: distinct or None]
    counts = rng.integers(0, 50, (3, len(names)))
    parts = [lambda c, row=row: c.update(names, row) for row in counts]
    return Case(Categories, parts, lambda c: c.update(names[::-1], counts.sum(axis=0)[::-1]))


@st.composite
def indices(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    size, n, ids = draw(st.sampled_from([1, 3, 50])), draw(small_sizes), draw(st.sampled_from([2, 60, 10**6]))
    rows = rng.integers(0, ids, (n, 2)).astype(np.uint64)  # an id comes twice, with the same content or with another
    pieces = shuffled(rng, rows)
    parts = [lambda s, p=p: s.update(p[:, 0], p[:, 1]) for p in pieces]
    return Case(lambda: SampleIndex(size), parts, lambda s: s.update(rows[:, 0], rows[:, 1]))


def table(rng: np.random.Generator, n: int) -> pa.Table:
    """Return a table with a column of every kind, nulls, NaN, infinities, repeated ids and rows, and odd labels."""
    x = np.where(rng.random(n) < 0.1, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], n), rng.normal(0, 1, n))
    span = int(10 ** rng.uniform(5, 17))
    times = 1_700_000_000_000_000 + rng.integers(-span, span, n)

    def gaps(share: float = 0.1) -> np.ndarray:
        return rng.random(n) < share

    return pa.table(
        {
            "id": pa.array(rng.integers(0, max(2 * n, 1), n), mask=gaps()),
            "t": pa.array(times, pa.timestamp("us"), mask=gaps(0.05)),
            "x": pa.array(x, mask=gaps()),
            "i": pa.array(rng.integers(0, 3, n)),
            "when": pa.array(np.where(gaps(0.005), "soon", rng.choice(WHEN[rng.integers(len(WHEN))], n))),
            "typed": pa.array(rng.choice(["1", "2.5", "many", "nan", "-inf"], n)),
            "c": pa.array(rng.choice(ODD_TEXTS, n).tolist() if n else [], pa.string(), mask=gaps()),
            "b": pa.array(gaps(0.5), mask=gaps()),
            "note": pa.array(["x" * int(k) for k in rng.integers(0, 60, n)], pa.string(), mask=gaps()),
            "many": pa.array([f"s{k}" for k in rng.integers(0, 200, n)], pa.string(), mask=gaps()),
            "day": pa.array(rng.integers(-span // 10**11, span // 10**11 + 1, n)),
            "label": pa.array(rng.choice(["yes", "no", "perhaps"], n).tolist() if n else [], pa.string(), mask=gaps()),
            "p": pa.array(np.where(gaps(), rng.choice([np.nan, np.inf, -0.5, 1e308, 0.0, 1.0], n), rng.random(n))),
            "q": pa.array(np.where(gaps(), rng.choice([np.nan, 1.5, 0.0, 1.0], n), rng.random(n)), mask=gaps(0.05)),
            "y": pa.array(np.where(gaps(), rng.choice([np.nan, np.inf, 1e300, -1e69, 0.0], n), rng.normal(5, 1, n))),
            "w": pa.array(
                np.where(gaps(), rng.choice([np.nan, -1.0, 0.0, 1e20, 1e21], n), rng.gamma(1, 2, n)), mask=gaps()
            ),
            "ranked": pa.array(
                [[f"s{k}" for k in row] for row in rng.integers(0, 200, (n, 3))], pa.list_(pa.string()), mask=gaps()
            ),
            "tags": pa.array(rng.choice(TAGS, n).tolist() if n else [], pa.string(), mask=gaps()),
            "named": pa.array([list(text) for text in rng.choice(NAMED, n)], pa.list_(pa.string()), mask=gaps()),
            "z": pa.array(np.where(gaps(), rng.choice([np.nan, 1e300, 0.0], n), rng.normal(5, 1, n)), mask=gaps()),
        }
    )


KINDS: dict[str, Any] = {
    "id": "numeric", "t": "datetime", "x": "numeric", "i": "categorical", "when": "datetime", "typed": "numeric",
    "c": "categorical", "b": "boolean", "note": "text", "many": "categorical", "day": "numeric", "label": "categorical",
    "p": "numeric", "q": "numeric", "y": "numeric", "z": "numeric",
}  # fmt: skip
BINARY = Schema(
    target="label", score="p", task="binary", positive="yes", classes=["no", "yes"], timestamp="t", id="id",
    segments=["many", "b", ["x", "c"]], sensitive=["c"], kinds=KINDS, zone="America/New_York",
    segment_bins={"x": [-1, 0.5], "t": ["2024-03-10"]},
)  # fmt: skip
MULTICLASS = BINARY.replace(
    task="multiclass", positive=None, classes=["no", "yes", "rare"], score={"no": "p", "yes": "q"}, id=None
)
REGRESSION = BINARY.replace(
    target="y", prediction="z", score=None, task="regression", positive=None, classes=[], origins={"y": 5, "x": 0.25}
)
RANKING = REGRESSION.replace(task="ranking", target="y", score="p", prediction=None, query="many", segments=["b", "i"])
FORECASTING = REGRESSION.replace(task="forecasting", horizon="i", naive_scale=2.0, segments=["many"])
MULTILABEL = BINARY.replace(
    task="multilabel", target="tags", prediction="named", score=None, positive=None, classes=["a", "b", "c"]
)
MANY = MULTICLASS.replace(
    target="many", prediction="ranked", score=None, classes=[], many_classes=True, id="id", segments=["b"]
)
WEIGHTED = BINARY.replace(weight="w")
WEIGHTED_CLASSES = MULTICLASS.replace(weight="w")
WEIGHTED_NUMBERS = REGRESSION.replace(weight="w")
WEIGHTED_SETS, WEIGHTED_MANY, WEIGHTED_LISTS = (schema.replace(weight="w") for schema in (MULTILABEL, MANY, RANKING))
NO_TASK = Schema(kinds=KINDS, zone="Africa/Casablanca")
SCHEMAS = [
    BINARY, MULTICLASS, REGRESSION, RANKING, FORECASTING, MULTILABEL, MANY, NO_TASK,
    WEIGHTED, WEIGHTED_NUMBERS, WEIGHTED_SETS, WEIGHTED_MANY, WEIGHTED_LISTS,
]  # fmt: skip
_EMPTY = {
    "binary": BinaryOutcome,
    "multiclass": lambda: MulticlassOutcome(3),
    "regression": lambda: RegressionOutcome(5),
    "multilabel": lambda: MultilabelOutcome(3),
    "forecasting": lambda: ForecastOutcome(5, 2.0),
    "ranking": lambda: RankingOutcome(300),  # of up to 3,000 rows: most queries do not fit
}


def batch(rows: pa.Table, schema: Schema) -> Batch:
    joined = rows.combine_chunks().to_batches()
    return Batch(joined[0] if joined else pa.RecordBatch.from_pylist([], rows.schema), schema)


def magnitudes(state: Any) -> Any:
    """Return the state with each sum as a bound of its sum of absolute values (Cauchy and Schwarz)."""
    if isinstance(state, list):
        return [magnitudes(part) for part in state]
    if not isinstance(state, dict):
        return state
    bounds = {key: magnitudes(value) for key, value in state.items()}
    if "gram" in state:
        bounds["gram"] = np.outer(*[np.sqrt(np.diag(state["gram"]))] * 2)
    for total, squares in (("total", "squares"), ("huge_total", "huge_squares")):
        if total in state and squares in state:
            bounds[total] = np.sqrt(state["count"]) * np.sqrt(state[squares])
    return bounds


@st.composite
def batches(
    draw: st.DrawFn, schema: Schema, lengths: st.SearchStrategy[int] = small_sizes
) -> tuple[list[Batch], Batch]:
    """Draw rows in pieces, and all rows in another order."""
    rng = np.random.default_rng(draw(seeds))
    rows = table(rng, draw(lengths))
    if len(rows) and draw(st.booleans()):
        rows = rows.take(pa.array(rng.integers(0, max(len(rows) // 3, 1), len(rows))))  # whole rows repeat
    mixed = rows.take(pa.array(rng.permutation(len(rows))))
    pieces = [mixed.slice(cut.start, cut.stop - cut.start) for cut in cuts(rng, len(rows))]
    return [batch(piece, schema) for piece in pieces], batch(rows, schema)


def of_rows(
    drawn: tuple[list[Batch], Batch], make: Callable[[], Any], add: Callable[[Any, Batch], object], read: Any = None
) -> Case:
    """Return the case in which ``add`` puts batches into a sketch."""
    pieces, all_rows = drawn
    return Case(make, [lambda s, p=p: add(s, p) for p in pieces], lambda s: add(s, all_rows), magnitudes, read)


def outcomes(schema: Schema, empty: Callable[[], Any] | None = None) -> st.SearchStrategy[Case]:
    make = empty or _EMPTY[str(schema.task)]
    return batches(schema).map(lambda drawn: of_rows(drawn, make, lambda o, b: o.update(outcome_rows(b))))


def columns(make: Callable[[], Any], names: list[str]) -> st.SearchStrategy[Case]:
    return st.sampled_from(names).flatmap(
        lambda name: batches(NO_TASK).map(lambda drawn: of_rows(drawn, make, lambda c, b: c.update(b, name)))
    )


@st.composite
def numeric_columns(draw: st.DrawFn) -> Case:
    """Numbers as they come, with NaN and infinities among them, about an origin."""
    rng, values = draw(numbers())
    values = np.where(rng.random(len(values)) < 0.1, rng.choice([np.nan, np.inf, -np.inf, -0.0], len(values)), values)
    origin = draw(st.sampled_from([0.0, 1.7e9]))
    absolute = NumericColumn()
    absolute.update_values(np.abs(values - origin))
    pieces = shuffled(rng, values)
    parts = [lambda c, p=p: c.update_values(p) for p in pieces]
    return Case(lambda: NumericColumn(origin), parts, lambda c: c.update_values(values), absolute.state())


def segments(schema: Schema) -> st.SearchStrategy[Case]:
    make = _EMPTY[str(schema.task)]

    def read(state: Mapping[str, Any]) -> Segments:
        return Segments.from_state(state, make, type(make()).from_state)

    return batches(schema).map(
        lambda drawn: of_rows(
            drawn, lambda: Segments(make), lambda s, b: s.update(b.texts("many"), outcome_rows(b)), read
        )
    )


def timelines(schema: Schema) -> st.SearchStrategy[Case]:
    make = _EMPTY[str(schema.task)]

    def read(state: Mapping[str, Any]) -> Timeline:
        return Timeline.from_state(state, make, type(make()).from_state)

    def add(timeline: Timeline, rows: Batch) -> None:
        timeline.update(rows.numbers("day").values.astype(np.int64), outcome_rows(rows))

    return batches(schema).map(lambda drawn: of_rows(drawn, lambda: Timeline(make), add, read))


def row_samples(schema: Schema) -> st.SearchStrategy[Case]:
    narrow = schema.replace(kinds={name: KINDS[name] for name in ("x", "i", "c", "b", "id", "t", "label")})
    narrow = narrow.replace(score=None, segments=[], crossed=[], sensitive=[], timestamp=None)
    lengths = st.sampled_from([0, 1, 50, 5001, 12_000])
    return batches(narrow, lengths).map(
        lambda drawn: of_rows(
            drawn,
            lambda: RowSample(narrow),
            lambda s, b: s.update(b),
            lambda state: RowSample.from_state(state, narrow),
        )
    )


def profiles(schema: Schema) -> st.SearchStrategy[Case]:
    return batches(schema).map(lambda drawn: of_rows(drawn, lambda: Profile(schema), lambda p, b: p.update(b)))


CASES: dict[type, st.SearchStrategy[Case]] = {
    Histogram: histograms(),
    Moments: moments(),
    Products: products(),
    Categories: categories(),
    SampleIndex: indices(),
    NumericColumn: st.one_of(numeric_columns(), columns(NumericColumn, ["x", "typed", "i"])),
    DatetimeColumn: columns(DatetimeColumn, ["t", "when"]),
    CategoricalColumn: columns(CategoricalColumn, ["c", "many", "b", "i"]),
    TextColumn: columns(TextColumn, ["note", "c"]),
    Formats: batches(NO_TASK).map(lambda drawn: of_rows(drawn, Formats, lambda f, b: f.update(b.column("note")))),
    BinaryOutcome: outcomes(BINARY),
    MulticlassOutcome: outcomes(MULTICLASS),
    RegressionOutcome: outcomes(REGRESSION),
    WeightedClassOutcome: st.one_of(
        outcomes(WEIGHTED, lambda: WeightedClassOutcome(BinaryOutcome())),
        outcomes(WEIGHTED_CLASSES, lambda: WeightedClassOutcome(MulticlassOutcome(3))),
    ),
    WeightedNumberOutcome: outcomes(WEIGHTED_NUMBERS, lambda: WeightedNumberOutcome(RegressionOutcome(5))),
    WeightedSetOutcome: outcomes(WEIGHTED_SETS, lambda: WeightedSetOutcome(MultilabelOutcome(3))),
    WeightedManyOutcome: outcomes(WEIGHTED_MANY, lambda: WeightedManyOutcome(ManyClassOutcome(50))),
    WeightedRankingOutcome: outcomes(WEIGHTED_LISTS, lambda: WeightedRankingOutcome(300)),
    ManyClassOutcome: outcomes(MANY, lambda: ManyClassOutcome(50)),  # of 200 classes
    WeightedHistogram: weighted_histograms(),
    MultilabelOutcome: outcomes(MULTILABEL),
    ForecastOutcome: outcomes(FORECASTING),
    RankingOutcome: outcomes(RANKING),
    Segments: st.sampled_from([BINARY, REGRESSION]).flatmap(segments),
    Timeline: st.sampled_from([BINARY, REGRESSION]).flatmap(timelines),
    RowSample: st.sampled_from([BINARY, NO_TASK]).flatmap(row_samples),
    Profile: st.sampled_from(SCHEMAS).flatmap(profiles),
}
EXAMPLES = {
    Histogram: 80,
    Moments: 80,
    NumericColumn: 60,
    Categories: 12,
    RowSample: 12,
    Profile: 10,
    Segments: 10,
    Timeline: 10,
}
