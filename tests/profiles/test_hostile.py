"""Profiles whose checksum is right and whose content was made to do harm.

Each is refused as corrupt, or is a profile like any other: it can be stored, merged and asked. Nothing else may come of
it, no other exception and no memory beyond what its bytes explain.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from golden_rows import profile

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles import codec
from watchkeeper.profiles.column import NumericColumn
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.segments import SEGMENT_CAP
from watchkeeper.sketches.categories import Categories

Path = tuple[str | int, ...]
SMALL = profile(12).state()


def get(state: Any, path: Path) -> Any:
    for key in path:
        state = state[key]
    return state


def changed(path: Path, change: Callable[[Any], Any], state: Any = None) -> dict[str, Any]:
    """Return the state of a small profile with one value changed."""
    made = copy.copy(SMALL if state is None else state)
    at = made
    for key in path[:-1]:
        at[key] = copy.copy(at[key])
        at = at[key]
    at[path[-1]] = change(at[path[-1]])
    return made


def dropped(path: Path) -> dict[str, Any]:
    made = copy.deepcopy(profile(12).state())
    del get(made, path[:-1])[path[-1]]
    return made


def put(path: Path, value: Any) -> dict[str, Any]:
    return changed(path, lambda _: value)


X, CELLS = ("columns", "x"), ("columns", "x", "histogram", "cells")
HIST, CITY = ("columns", "x", "histogram"), ("columns", "city", "categories")
CORRUPT: dict[str, Callable[[], dict[str, Any]]] = {
    "cells of floats": lambda: changed(CELLS, lambda c: c.astype(np.float64)),
    "cells in a square": lambda: changed(CELLS, lambda c: c[:4].reshape(2, 2)),
    "cells in another order": lambda: changed(CELLS, lambda c: c[::-1].copy()),
    "cells twice": lambda: changed(CELLS, lambda c: np.full_like(c, 5)),
    "cells that are few": lambda: changed(CELLS, lambda c: c[:-1]),
    "cells beyond the keys": lambda: put((*HIST, "shift"), 60),
    "cells as a list": lambda: changed(CELLS, lambda c: c.tolist()),
    "more cells than fit": lambda: put(
        HIST, {"shift": 0, "trailing": 0, "cells": np.arange(577), "counts": np.ones(577, dtype=np.int64)}
    ),
    "counts below zero": lambda: changed((*HIST, "counts"), lambda c: -c),
    "counts of zero": lambda: changed((*HIST, "counts"), lambda c: c * 0),
    "counts that overflow": lambda: changed((*HIST, "counts"), lambda c: c * 0 + 2**61),
    "a shift of a thousand million": lambda: put((*HIST, "shift"), 10**9),
    "a shift of 64": lambda: put((*HIST, "shift"), 64),
    "a shift below zero": lambda: put((*HIST, "shift"), -1),
    "a shift of text": lambda: put((*HIST, "shift"), "0"),
    "a shift of true": lambda: put((*HIST, "shift"), True),
    "trailing of 65": lambda: put((*HIST, "trailing"), 65),
    "a sum of NaN": lambda: put((*X, "moments", "total"), np.nan),
    "a sum of infinity": lambda: put((*X, "moments", "squares"), np.inf),
    "squares below zero": lambda: put((*X, "moments", "squares"), -1.0),
    "a least of -infinity": lambda: put((*X, "moments", "minimum"), -np.inf),
    "a least above the greatest": lambda: put((*X, "moments", "minimum"), 1e9),
    "a least of NaN": lambda: put((*X, "moments", "minimum"), np.nan),
    "no values and a least": lambda: put((*X, "moments", "count"), 0),
    "another origin": lambda: put((*X, "moments", "origin"), 1.0),
    "rows below zero": lambda: put((*X, "rows"), -1),
    "rows of text": lambda: put((*X, "rows"), "12"),
    "rows beyond counting": lambda: put(("rows",), 2**62),
    "formats of another number": lambda: changed(("columns", "note", "formats", "counts"), lambda c: c[:-1]),
    "formats below zero": lambda: changed(("columns", "note", "formats", "counts"), lambda c: c - 100),
    "formats as a list": lambda: changed(("columns", "note", "formats", "counts"), lambda c: c.tolist()),
    "formats that are no state": lambda: put(("columns", "note", "formats"), 3),
    "edges that go down": lambda: changed(("schema",), lambda s: s | {"segment_bins": {"x": [2, 1]}}),
    "a crossing of one column": lambda: changed(("schema",), lambda s: s | {"crossed": [["city"]]}),
    "a crossing without outcomes": lambda: changed(("schema",), lambda s: s | {"crossed": [["city", "b"]]}),
    "a column of another kind": lambda: put(("columns", "x"), profile(3).columns["city"].state()),
    "a column that is a list": lambda: put(("columns", "x"), []),
    "no column": lambda: dropped(("columns", "x")),
    "one column more": lambda: changed(("columns",), lambda c: c | {"y": c["x"]}),
    "columns in another order": lambda: changed(("columns",), lambda c: dict(reversed(c.items()))),
    "categories twice": lambda: changed((*CITY, "values"), lambda v: [v[0]] * len(v)),
    "categories that are few": lambda: changed((*CITY, "values"), lambda v: v[1:]),
    "categories that are numbers": lambda: changed((*CITY, "values"), lambda v: list(range(len(v)))),
    "too many exact categories": lambda: put(
        CITY, {"values": [str(i) for i in range(4097)], "counts": np.ones(4097, dtype=np.int64)}
    ),
    "a confusion of another shape": lambda: changed(("outcome", "confusion"), lambda c: c[:2]),
    "a confusion of other rows": lambda: changed(("outcome", "confusion"), lambda c: c + 1),
    "eight score histograms": lambda: changed(("outcome", "scores"), lambda s: s[:8]),
    "scores that are no states": lambda: changed(("outcome", "scores"), lambda s: [1] * 9),
    "losses of another size": lambda: put(("outcome", "losses", "gram"), np.zeros((2, 2))),
    "losses of NaN": lambda: changed(("outcome", "losses", "gram"), lambda g: g * np.nan),
    "scores in bins of NaN": lambda: changed(("outcome", "bin_scores"), lambda b: b * np.nan),
    "no outcome": lambda: put(("outcome",), None),
    "no timeline": lambda: put(("timeline",), None),
    "days in a square": lambda: put(("timeline", "cells"), np.zeros((1, 1), dtype=np.int64)),
    "a day without dimensions": lambda: put(("timeline", "cells"), np.array(3)),
    "days as a list": lambda: changed(("timeline", "cells"), lambda c: c.tolist()),
    "days twice": lambda: changed(("timeline", "cells"), lambda c: c * 0),
    "days beyond the calendar": lambda: put(("timeline", "shift"), 63),
    "outcomes of days that are no states": lambda: changed(("timeline", "outcomes"), lambda o: [3] * len(o)),
    "too many segments": lambda: changed(
        ("segments", "city"),
        lambda s: (
            s | {"values": [str(i) for i in range(SEGMENT_CAP + 1)], "outcomes": [s["other"]] * (SEGMENT_CAP + 1)}
        ),
    ),
    "segments of another column": lambda: changed(("segments",), lambda s: {"note": s["city"]}),
    "a sample of another size": lambda: put(("sample", "index", "size"), 7),
    "a sample in another order": lambda: changed(("sample", "index", "priority"), lambda p: p[::-1].copy()),
    "a sample with no copies": lambda: changed(("sample", "index", "copies"), lambda c: c * 0),
    "a sample with few values": lambda: changed(("sample", "rows", "x", "values"), lambda v: v[1:]),
    "a sample with few nulls": lambda: changed(("sample", "rows", "x", "null"), lambda v: v[:0]),
    "a sample with a code too many": lambda: changed(("sample", "rows", "city", "codes"), lambda c: c + 90),
    "a sample with a code below zero": lambda: changed(("sample", "rows", "city", "codes"), lambda c: c - 3),
    "a sample without a column": lambda: dropped(("sample", "rows", "x")),
    "a start of text": lambda: put(("start",), "1970"),
    "an end beyond 63 bits": lambda: put(("end",), 2**63),
    "no schema": lambda: dropped(("schema",)),
    "a schema that is a list": lambda: put(("schema",), []),
    "a schema with a key that none knows": lambda: changed(("schema",), lambda s: s | {"surprise": 1}),
    "a schema with a number for a key": lambda: changed(("schema",), lambda s: s | {5: 1}),
    "a schema of another task": lambda: put(("schema", "task"), "regression"),
    "a schema with a task that none knows": lambda: put(("schema", "task"), "divination"),
    "a schema with a kind that none knows": lambda: put(("schema", "kinds", "x"), "aura"),
    "a schema with a kind that is a list": lambda: put(("schema", "kinds", "x"), []),
    "a schema with kinds in a list": lambda: put(("schema", "kinds"), ["x"]),
    "a schema with a score that is a number": lambda: put(("schema", "score"), 5),
    "a schema with scores of lists": lambda: put(("schema", "score"), {"yes": []}),
    "a schema with a timestamp that is a list": lambda: put(("schema", "timestamp"), ["t"]),
    "a schema with segments of lists": lambda: put(("schema", "segments"), [["city"]]),
    "a schema with features in a text": lambda: put(("schema", "features"), "x"),
    "a schema with a place for a zone": lambda: put(("schema", "zone"), "../../etc/passwd"),
    "a schema with an origin of NaN": lambda: put(("schema", "origins"), {"x": np.nan}),
    "a schema with an origin of text": lambda: put(("schema", "origins"), {"x": "a"}),
    "a schema with a threshold of text": lambda: put(("schema", "threshold"), "a"),
    "a schema with a million classes": lambda: changed(
        ("schema",), lambda s: s | {"classes": [""] * 1_000_000, "task": "multiclass"}
    ),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_states_that_no_data_can_have_are_refused(name: str) -> None:
    data = codec.encode(CORRUPT[name]())
    with pytest.raises(CorruptProfile) as caught:
        Profile.from_bytes(data)
    assert len(str(caught.value)) < 1000


def test_the_state_that_is_changed_is_sound() -> None:
    assert Profile.from_bytes(codec.encode(changed(("rows",), lambda n: n))).rows == 12


def inexact() -> Categories:
    categories = Categories()
    categories.update([f"v{i}" for i in range(5000)], np.arange(1, 5001))
    return categories


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("table", lambda t: t[:1]),
        ("table", lambda t: -t),
        ("table", lambda t: t.astype(np.float64)),
        ("hashes", lambda h: h[::-1].copy()),
        ("hashes", lambda h: h + np.uint64(1)),
        ("hashes", lambda h: h[:9]),
        ("hashes", lambda h: h * np.uint64(0)),
        ("kept", lambda k: k[::-1]),
        ("kept", lambda k: k[:9]),
        ("kept", lambda k: None),
        ("kept_counts", lambda c: c[:9]),
        ("frequent", lambda f: f[:9]),
        ("frequent", lambda f: [str(i) for i in range(9999)]),
        ("frequent_error", lambda e: -1),
        ("count", lambda c: None),
    ],
)
def test_inexact_categories_that_no_data_can_have(key: str, change: Callable[[Any], Any]) -> None:
    state = inexact().state()
    with pytest.raises(CorruptProfile):
        Categories.from_state(changed((key,), change, state))
    assert Categories.from_state(state).count == inexact().count


POISON: list[Any] = [
    None, True, -1, 0, 1, 63, 2**31, 2**61, 2**64 - 1, -(2**63), 0.5, 1e308, -1e308, np.nan, np.inf, "", "x", b"x", [], [1],
    [[]], ["x"], [{}], {}, {"x": 1}, np.array([], dtype=np.int64), np.array([-(2**63)]), np.array([2**61]),
    np.array([0.0, np.nan]), np.array(5), np.zeros((3, 3), dtype=np.int64), np.array([0, 2**64 - 1], dtype=np.uint64),
    np.zeros(3, dtype=np.uint8),
]  # fmt: skip


def leaves(state: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value in a state, of lists of states the first only."""
    if path:
        yield path
    if isinstance(state, dict):
        for key, value in state.items():
            yield from leaves(value, (*path, key))
    elif isinstance(state, list) and state:
        yield from leaves(state[0], (*path, 0))


GENUINE = profile(5)
STATE = GENUINE.state()
ALIKE = ("b", "label", "p", "many")  # columns of a kind that another stands for
PATHS = [
    path
    for path in leaves(STATE)
    if not set(path) & set(ALIKE) and (path[0] not in {"segments", "timeline"} or len(path) < 5)
]


def ask(made: Profile) -> None:
    """Use a profile as the rest of the package does."""
    for column in made.columns.values():
        histogram = getattr(column, "histogram", None)
        if histogram is not None:
            histogram.quantiles(np.array([0.0, 0.1, 0.5, 1.0]))
            histogram.quantile_bounds(0.5), histogram.values(), histogram.resolution(), histogram.count
        if isinstance(column, NumericColumn):
            assert column.moments.mean is not None
            assert column.moments.sd is not None
        categories = getattr(column, "categories", None)
        if categories is not None:
            categories.top(5), categories.distinct, categories.hash_cells(), categories.estimate("x")
    assert made.outcome is not None
    for outcome in [made.outcome, *(o for s in made.segments.values() for _, o in s.items())]:
        outcome.losses.covariance()
        outcome.score_histogram((0, 1))
    if made.timeline is not None:
        made.timeline.items()
    made.window, made.coverage, made.sample.rows.to_pydict()
    made.to_bytes()


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # sums near the end of the floats may overflow when merged
@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_any_value_anywhere_is_refused_or_harmless(path: Path) -> None:
    genuine = GENUINE
    for value in POISON:
        try:
            made = Profile.from_bytes(codec.encode(changed(path, lambda _, v=value: v, STATE)))
        except CorruptProfile:
            continue
        alike = path[0] != "schema"
        ask(genuine.merge(made) if alike else made)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_a_value_left_out_is_refused_or_has_a_default(path: Path) -> None:
    made = copy.deepcopy(STATE)
    del get(made, path[:-1])[path[-1]]
    try:
        ask(Profile.from_bytes(codec.encode(made)))
    except CorruptProfile:
        return
    assert path[0] in {"name", "schema", "start", "end"} or path[-1] == "formats"
