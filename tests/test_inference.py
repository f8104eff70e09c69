"""What is guessed from a first look: kinds, roles, task, classes; the same for the same rows."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from watchkeeper.errors import InvalidSchema, UnknownColumn
from watchkeeper.inference import FEW, infer, kind_of
from watchkeeper.schema import Schema

LONG = "a sentence of more than forty characters, number "
KINDS = [
    (pa.array([True, None]), "boolean"),
    (pa.array(range(20)), "categorical"),
    (pa.array(range(21)), "numeric"),
    (pa.array([*range(20), None, 3]), "categorical"),
    (pa.array([1, 2], pa.uint8()), "categorical"),
    (pa.array([None, None], pa.int64()), "numeric"),
    (pa.array([], pa.int64()), "numeric"),
    (pa.array([1.0, 2.0]), "numeric"),
    (pa.array([1.0], pa.float32()), "numeric"),
    (pa.array([np.float16(1)], pa.float16()), "numeric"),
    (pa.array([decimal.Decimal("1.5")]), "numeric"),
    (pa.array([dt.timedelta(1)]), "numeric"),
    (pa.array([dt.time(1)]), "numeric"),
    (pa.array([dt.datetime(2024, 1, 1)]), "datetime"),
    (pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("ns", "UTC")), "datetime"),
    (pa.array([dt.date(2024, 1, 1)]), "datetime"),
    (pa.array(["a", "b"]), "categorical"),
    (pa.array(["a"], pa.large_string()), "categorical"),
    (pa.array(["a"], pa.string_view()), "categorical"),
    (pa.array([LONG + str(i) for i in range(50)]), "text"),
    (pa.array([LONG + str(i % 25) for i in range(50)]), "categorical"),
    (pa.array([LONG + str(i) for i in range(26)] + [None] * 50), "text"),
    (pa.array([str(i) for i in range(50)]), "categorical"),
    (pa.array([], pa.string()), "categorical"),
    (pa.array([None, None]), "categorical"),
    (pa.array([LONG + str(i) for i in range(50)]).dictionary_encode(), "categorical"),
    (pa.array(range(50)).dictionary_encode(), "numeric"),
    (pa.array([1.5]).dictionary_encode(), "numeric"),
    (pa.array([b"a"]), None),
    (pa.array([[1]]), None),
    (pa.array([{"a": 1}]), None),
]


@pytest.mark.parametrize(("column", "kind"), KINDS, ids=[f"{i} {c.type}" for i, (c, _) in enumerate(KINDS)])
def test_kinds(column: pa.Array, kind: str | None) -> None:
    assert FEW == 20
    assert kind_of(pa.chunked_array([column])) == kind
    schema = infer(pa.table({"column": column}))
    assert schema.kinds == ({} if kind is None else {"column": kind})
    assert ("kinds.column" in schema.guessed) == (kind is not None)
    assert schema.timestamp == ("column" if kind == "datetime" else None)


@pytest.mark.parametrize(
    ("column", "task", "classes", "positive"),
    [
        (pa.array([0, 1, 1]), "binary", ["0", "1"], "1"),
        (pa.array([True, False, None]), "binary", ["0", "1"], "1"),
        (pa.array([0.0, 1.0, np.nan]), "binary", ["0", "1"], "1"),
        (pa.array([0.0, None, 1.0]), "binary", ["0", "1"], "1"),
        (pa.array([0, 0, 0]), "binary", ["0", "1"], "1"),
        (pa.array([1, 1]), "binary", ["0", "1"], "1"),
        (pa.array([1, 2]), "binary", ["1", "2"], "1"),
        (pa.array([-1, 1]), "binary", ["-1", "1"], "1"),
        (pa.array(["no", "yes"]), "binary", ["no", "yes"], "yes"),
        (pa.array(["Yes", "No"]), "binary", ["No", "Yes"], "Yes"),
        (pa.array(["false", "true"]), "binary", ["false", "true"], "true"),
        (pa.array(["good", "bad"]), "binary", ["bad", "good"], "good"),
        (pa.array(["positive", "negative"]), "binary", ["negative", "positive"], "positive"),
        (pa.array(["a", "b", "c"]), "multiclass", ["a", "b", "c"], None),
        (pa.array([3, 1, 2]), "multiclass", ["1", "2", "3"], None),
        (pa.array([10, 9, 2]), "multiclass", ["2", "9", "10"], None),
        (pa.array([float(i) for i in range(20)]), "multiclass", [str(i) for i in range(20)], None),
        (pa.array(range(21)), "regression", [], None),
        (pa.array([0.5, 1.0]), "regression", [], None),
        (pa.array([0.0, np.inf]), "regression", [], None),
        (pa.array([decimal.Decimal("1.5"), decimal.Decimal("2.5")]), "regression", [], None),
    ],
)
def test_tasks(column: pa.Array, task: str, classes: list[str], positive: str | None) -> None:
    schema = infer(pa.table({"target": column}))
    assert (schema.target, schema.task, schema.classes, schema.positive) == ("target", task, classes, positive)
    assert schema.kinds["target"] == ("numeric" if task == "regression" else schema.kinds["target"])
    if task != "regression":
        assert schema.kinds["target"] == ("boolean" if pa.types.is_boolean(column.type) else "categorical")
    assert {"target", "task"} <= set(schema.guessed)
    assert ("positive" in schema.guessed) == (task == "binary")


def test_labels_of_pandas_that_are_pending_are_no_class() -> None:
    frame = pd.DataFrame({"target": [0.0, 1.0, np.nan, np.nan], "score": [0.1, 0.9, 0.5, 0.4]})
    for table in (
        pa.Table.from_pandas(frame),
        pa.table({"target": frame["target"].to_numpy(), "score": frame["score"]}),
    ):
        schema = infer(table)
        assert (schema.task, schema.classes, schema.positive, schema.score) == ("binary", ["0", "1"], "1", "score")
        assert schema.kinds == {"target": "categorical", "score": "numeric"}


@pytest.mark.parametrize(
    ("given", "task"),
    [
        ({"score": "p"}, "binary"),
        ({"score": {"0": "p", "1": "q"}}, "binary"),
        ({"score": {"a": "p", "b": "q", "c": "r"}}, "multiclass"),
        ({"task": "regression", "target": "y"}, "regression"),
        ({"task": "multiclass", "target": "y"}, "multiclass"),
        ({"prediction": "y"}, "binary"),
    ],
)
def test_what_is_given_decides_the_task(given: dict[str, Any], task: str) -> None:
    rows = pa.table({"y": [0, 1], "p": [0.1, 0.2], "q": [0.9, 0.8], "r": [0.0, 0.0]})
    schema = infer(rows, Schema(**given))
    assert schema.task == task
    assert ("task" in schema.guessed) == ("task" not in given)
    if task == "regression":
        assert schema.kinds["y"] == "numeric"


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (["timestamp", "when"], {"timestamp": "timestamp"}),
        (["when"], {"timestamp": "when"}),
        (["when", "then"], {"timestamp": None}),
        (["Event_Time", "then"], {"timestamp": "Event_Time"}),
    ],
)
def test_timestamps(names: list[str], roles: dict[str, str | None]) -> None:
    schema = infer(pa.table({name: pa.array([dt.datetime(2024, 1, 1)]) for name in names}))
    assert schema.timestamp == roles["timestamp"]


def test_roles_by_name() -> None:
    columns: dict[str, Any] = {
        "Y_TRUE": [0, 1],
        "y_pred": [1, 1],
        "Proba": [0.5, 0.25],
        "uuid": ["a", "b"],
        "x": [1.5, 2.5],
    }
    schema = infer(pa.table(columns))
    assert (schema.target, schema.prediction, schema.score, schema.id) == ("Y_TRUE", "y_pred", "Proba", "uuid")
    assert schema.guessed[:4] == ["target", "prediction", "score", "id"]
    assert schema.timestamp is None
    given = infer(pa.table(columns), Schema(target="y_pred"))
    assert (given.target, given.prediction) == ("y_pred", None)
    assert "target" not in given.guessed


@pytest.mark.parametrize("column", [[0.5, 1.5], [-0.1, 0.5], [1, 0], ["0.5", "0.1"], [np.nan, np.nan]])
def test_a_score_has_to_be_a_share(column: list[Any]) -> None:
    assert infer(pa.table({"score": column})).score is None


def test_given_kinds_stay() -> None:
    rows = pa.table({"x": [1, 2], "zip": [12345, 23456], "y": [0, 1]})
    schema = infer(rows, Schema(kinds={"x": "numeric"}, segments=["zip"]))
    assert schema.kinds == {"x": "numeric", "zip": "categorical", "y": "categorical"}
    wide = pa.table({"zip": list(range(1000)), "ok": [True] * 1000})
    named = infer(wide, Schema(sensitive=["zip", "ok"], kinds={"zip": "categorical"}))
    assert named.kinds == {"zip": "categorical", "ok": "boolean"}
    assert named.segment_bins == {}


def test_it_is_pure() -> None:
    rows = pa.table({"target": [0, 1], "score": [0.5, 0.25], "x": [1e9, 1e9 + 1]})
    given = Schema(kinds={"x": "numeric"}).freeze()
    first = infer(rows, given)
    assert given == Schema(kinds={"x": "numeric"})
    assert first == infer(rows, given)
    assert not first.frozen
    again = infer(rows, first)
    assert again == first
    assert again.guessed == first.guessed


def test_it_does_not_depend_on_the_seed_of_hashes() -> None:
    code = (
        "import pyarrow as pa; from watchkeeper.inference import infer;"
        "print(infer(pa.table({'target': ['nan', 'NaN', 'b', '2', 'inf', 'a', '10', '-1', '1e999', '']})).classes)"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }  # fmt: skip
    assert outs == {"['-1', '2', '10', '', '1e999', 'NaN', 'a', 'b', 'inf', 'nan']\n"}


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    rows = pa.table(
        {"target": rng.choice(["c", "a", "b"], 300), "n": rng.integers(0, 30, 300), "x": rng.normal(0, 1, 300)}
    )
    assert infer(rows) == infer(rows.take(pa.array(rng.permutation(300))))


@pytest.mark.parametrize(
    ("values", "origin"),
    [
        ([1.7e9, 1.7e9 + 3, 1.7e9 + 1], 1.7e9 + 1),
        ([5.0, 5.0], 5.0),
        ([1_700_000_000 + i for i in range(30)], 1_700_000_014.5),
        ([1.0, 2.0], None),
        ([0.0, 0.0], None),
        ([np.nan, np.inf], None),
        ([1e308, -1e308], None),
        ([1.7e308, 1.7e308], None),
        ([1e150, 1e150], None),
    ],
)
def test_origins(values: list[float], origin: float | None) -> None:
    assert infer(pa.table({"x": values})).origins == ({} if origin is None else {"x": origin})
    assert infer(pa.table({"x": values}), Schema(origins={"x": -1.0})).origins == {"x": -1.0}


@pytest.mark.parametrize(
    ("given", "column", "said"),
    [
        ({"target": "y", "task": "binary"}, [1, 2, 3], "two classes, but 'y' has 3: 1, 2, 3"),
        ({"target": "y", "task": "multiclass"}, list(range(300)), "more than 256 classes"),
        (
            {"target": "y", "task": "binary", "classes": ["a", "b"], "positive": "c"},
            ["a", "b"],
            "'c' is not among the classes",
        ),
        ({"target": "y", "positive": "c", "task": "binary"}, ["a", "b"], "'c' is no class of y; it has a, b"),
    ],
)
def test_contradictions(given: dict[str, Any], column: list[Any], said: str) -> None:
    with pytest.raises(InvalidSchema, match=said):
        infer(pa.table({"y": column}), Schema(**given))


def test_positive_is_kept_as_text() -> None:
    for positive in (1, 1.0, True, "1"):
        assert infer(pa.table({"y": [0, 1]}), Schema(target="y", positive=positive)).positive == "1"
    flipped = infer(pa.table({"y": [0, 1]}), Schema(target="y", positive=0))
    assert (flipped.positive, flipped.classes) == ("0", ["0", "1"])
    single = infer(pa.table({"y": ["late"]}), Schema(target="y", positive="late"))
    assert single.classes == ["not late", "late"]


def test_unknown_columns_and_empty_tables() -> None:
    with pytest.raises(UnknownColumn, match="'y'"):
        infer(pa.table({"x": [1]}), Schema(target="y"))
    empty = infer(pa.table({"target": pa.array([], pa.int64()), "x": pa.array([], pa.float64())}))
    assert empty.kinds["x"] == "numeric"
    assert infer(pa.table({})).kinds == {}
