"""Roles, names, freezing, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from watchkeeper.errors import InvalidSchema, SchemaFrozen, SchemaMismatch, SourceNotFound, UnknownColumn, UnknownKey
from watchkeeper.schema import MOST_CLASSES, Schema, label_text

WHOLE: dict[str, Any] = {
    "timestamp": "t", "target": "y", "prediction": "yhat", "score": {"a": "pa", "b": "pb"}, "id": "key", "query": "q",
    "weight": "w", "latency": "took", "error": "failure", "cpu": "seconds", "memory": "bytes",
    "horizon": "ahead", "naive_scale": 1.5,
    "features": ["x"], "segments": ["city", "ahead"], "sensitive": ["sex"], "kinds": {"x": "numeric"},
    "task": "multiclass", "positive": "a", "classes": ["a", "b"], "many_classes": True,
    "threshold": 0.25, "zone": "Europe/Berlin",
    "privileged": {"sex": "m"}, "origins": {"x": 3.0}, "guessed": ["zone"], "importances": {"x": 2.0},
}  # fmt: skip


def test_roles() -> None:
    schema = Schema(**WHOLE)
    roles = {"t": "timestamp", "y": "target", "yhat": "prediction", "pa": "score", "pb": "score", "key": "id"}
    roles |= {"q": "query", "w": "weight", "x": "feature", "city": "segment", "sex": "sensitive", "other": "feature"}
    assert {column: schema.role(column) for column in roles} == roles
    assert Schema(target="y", features=["y"]).role("y") == "target"
    assert list(Schema(target="y", features=["y"]).roles()) == [("y", "target"), ("y", "feature")]


def test_which_columns_are_profiled() -> None:
    kinds: Any = dict.fromkeys(["key", "y", "x", "z", "city"], "numeric")
    assert list(Schema(kinds=kinds, id="key").profiled()) == ["y", "x", "z", "city"]
    narrow = Schema(kinds=kinds, id="key", target="y", features=["x"], segments=["city"])
    assert list(narrow.profiled()) == ["y", "x", "city"]
    assert list(Schema(kinds=kinds, id="x", features=["x"]).profiled()) == []


def test_scores() -> None:
    assert Schema().scores() == {}
    assert Schema(score="p", positive=True).scores() == {"1": "p"}
    assert Schema(score={0: "p0", 1.0: "p1"}).scores() == {"0": "p0", "1": "p1"}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (True, "1"),
        (False, "0"),
        (-0.0, "0"),
        (0.5, "0.5"),
        ("1.0", "1.0"),
        (1e300, "1e+300"),
        (None, "None"),
    ],
)
def test_labels_as_text(value: object, text: str) -> None:
    assert label_text(value) == text


def test_nearest_column() -> None:
    schema = Schema(target="lable")
    with pytest.raises(UnknownColumn, match=r"Did you mean 'Label'\?") as caught:
        schema.check_columns(["x", "Label"])
    assert (caught.value.name, caught.value.nearest, caught.value.existing) == ("lable", "Label", ["x", "Label"])
    with pytest.raises(UnknownColumn, match="'q'"):
        Schema(kinds={"q": "numeric"}).check_columns(["x"], "schema.yaml")
    Schema(**WHOLE).check_columns(
        [
            "t",
            "y",
            "yhat",
            "pa",
            "pb",
            "key",
            "q",
            "w",
            "took",
            "failure",
            "seconds",
            "bytes",
            "x",
            "city",
            "sex",
            "ahead",
        ]
    )


def test_freezing_and_replacing() -> None:
    schema = Schema(**WHOLE).freeze()
    assert schema.frozen
    with pytest.raises(SchemaFrozen, match=r"schema\.replace\(target=\.\.\.\)") as caught:
        schema.target = "z"
    assert caught.value.field == "target"
    other = schema.replace(target="z")
    assert (other.frozen, other.target, schema.target) == (False, "z", "y")
    other.segments.append("more")
    other.kinds["more"] = "text"
    assert (schema.segments, schema.kinds) == (["city", "ahead"], {"x": "numeric"})
    other.target = "again"
    assert other.target == "again"
    with pytest.raises(UnknownKey, match="'target'"):
        schema.replace(tarket="z")


def test_round_trip_as_plain_values() -> None:
    schema = Schema(**WHOLE)
    assert schema.to_dict() == WHOLE
    assert Schema.from_dict(schema.to_dict()) == schema
    assert Schema.from_dict(schema.to_dict()).fingerprint == schema.fingerprint


@pytest.mark.parametrize(
    "change", [{"zone": None}, {"threshold": 0.3}, {"classes": ["b", "a"]}, {"kinds": {"x": "text"}}]
)
def test_fingerprint_and_difference_see_a_change(change: dict[str, Any]) -> None:
    schema, other = Schema(**WHOLE), Schema(**WHOLE).replace(**change)
    assert schema.fingerprint != other.fingerprint
    with pytest.raises(SchemaMismatch, match=next(iter(change))):
        schema.check_same(other)


def test_what_was_guessed_changes_nothing() -> None:
    schema = Schema(**WHOLE)
    other = schema.replace(guessed=[])
    assert schema.fingerprint == other.fingerprint
    schema.check_same(other)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"segments": "city"}, r"segments=\['city'\]"),
        ({"features": "x"}, r"features=\['x'\]"),
        ({"classes": "ab"}, "list of names"),
        ({"segments": [1]}, "segments should be a list of names"),
        ({"segments": 5}, "segments should be"),
        ({"classes": [["a"]]}, "classes should be"),
        ({"classes": {"a": 1}}, "classes should be"),
        ({"classes": [str(i) for i in range(MOST_CLASSES + 1)]}, "257 entries"),
        ({"timestamp": 5}, "timestamp should be a text, but is 5"),
        ({"score": 5}, "score should be"),
        ({"score": {"a": 5}}, "score should be"),
        ({"score": ["p"]}, "score should be"),
        ({"kinds": ["x"]}, "kinds should be a mapping"),
        ({"kinds": {5: "numeric"}}, "kinds should be a mapping"),
        ({"origins": {"x": "a"}}, "origins should be a mapping to finite numbers"),
        ({"origins": {"x": float("nan")}}, "finite"),
        ({"origins": {"x": True}}, "finite"),
        ({"threshold": None}, "threshold should be"),
        ({"threshold": float("inf")}, "threshold should be"),
        ({"positive": ["a"]}, "positive should be a label"),
        ({"zone": 1}, "zone should be a text"),
        ({"privileged": ["sex"]}, "privileged should be a mapping"),
    ],
)
def test_values_of_wrong_types(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSchema, match=said):
        Schema(**wrong)
    with pytest.raises(InvalidSchema, match=said):
        Schema.from_dict(wrong)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [({"kinds": {"x": "numerical"}}, "numeric"), ({"task": "binery"}, "binary"), ({"kinds": {"x": None}}, None)],
)
def test_kinds_and_tasks_that_none_knows(wrong: dict[str, Any], nearest: str | None) -> None:
    with pytest.raises(UnknownKey) as caught:
        Schema(**wrong)
    assert caught.value.nearest == nearest


def test_scalars_of_numpy_are_taken_as_they_come() -> None:
    schema = Schema(classes=np.array([0, 1]), positive=np.int64(1))  # type: ignore[arg-type]
    assert schema.classes == [0, 1]
    assert type(schema.positive) is int


@pytest.mark.parametrize(
    ("key", "field"), [("datetime", "timestamp"), ("label", "target"), ("prediction_probas", "score")]
)
def test_aliases(key: str, field: str) -> None:
    assert getattr(Schema.from_dict({key: "a"}), field) == "a"


@pytest.mark.parametrize(
    ("key", "nearest"), [("tagret", "target"), ("categorical_features", "features"), ("zzz", None), (5, None)]
)
def test_keys_that_none_knows(key: Any, nearest: str | None) -> None:
    with pytest.raises(UnknownKey, match=str(key)) as caught:
        Schema.from_dict({key: "a"}, where="schema.yaml")
    assert caught.value.where == "schema.yaml"
    if nearest is None:
        assert caught.value.nearest is None
    else:
        assert nearest in str(caught.value)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "schema.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("nested", [True, False])
def test_from_yaml(tmp_path: Path, nested: bool) -> None:
    lines = ["target: späte", "positive: yes", "kinds: {x: numeric}", "threshold: 1", "classes: [0, 1]"]
    text = "schema:\n" + "\n".join("  " + line for line in lines) if nested else "\n".join(lines)
    schema = Schema.from_yaml(write(tmp_path, text))
    assert (schema.target, schema.positive, schema.kinds) == ("späte", True, {"x": "numeric"})
    assert (schema.threshold, schema.classes) == (1, [0, 1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b",
        "a: [",
        "target: {a: b}",
        "schema: 5",
        "schema:",
        "\t- : x",
        b"target: \xff",
        "kinds: 5",
    ],
)
def test_files_that_hold_no_schema(tmp_path: Path, text: str | bytes) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidSchema, match=r"schema\.yaml|should be"):
        Schema.from_yaml(path)


def test_from_yaml_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnknownKey, match=r"schema\.yaml does not know 'tarket'\. Did you mean 'target'"):
        Schema.from_yaml(write(tmp_path, "tarket: y"))
    with pytest.raises(SourceNotFound):
        Schema.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(InvalidSchema, match="YAML"):
        Schema.from_yaml(tmp_path)


def test_a_yaml_file_makes_no_objects(tmp_path: Path) -> None:
    with pytest.raises(InvalidSchema, match="YAML"):
        Schema.from_yaml(write(tmp_path, "target: !!python/object/apply:os.getcwd []"))
