"""The profile of a window: merging, saving, and tables at the edges."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from golden_rows import SCHEMA, profile, table

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import (
    CorruptProfile,
    EmptySource,
    InvalidSchema,
    SchemaMismatch,
    SourceNotFound,
    UnreadableSource,
    Unwritable,
)
from watchkeeper.inference import infer
from watchkeeper.profiles.profile import Profile, merge
from watchkeeper.schema import Schema
from watchkeeper.testing import difference

ODD_NAMES = [
    "",
    " ",
    "\n",
    "\x00",
    "total",
    "gram",
    "squares",
    "name",
    "frequent",
    "guessed",
    "a.b",
    "🦉",
    "x" * 5000,
    "rows",
]


def profiled(rows: pa.Table, schema: Schema) -> Profile:
    made = Profile(schema)
    for batch in rows.combine_chunks().to_batches():
        made.update(Batch(batch, schema))
    return made


def same(first: Profile, second: Profile) -> None:
    where = difference(first.state(), second.state(), sums=Profile.SUMS, annotations=Profile.ANNOTATIONS)
    assert where is None, where


def test_odd_names_are_names_like_any_other() -> None:
    rows = pa.table({name: np.linspace(0, 1, 7) + place for place, name in enumerate(ODD_NAMES)})
    schema = infer(rows)
    made = profiled(rows, schema)
    assert list(made.columns) == ODD_NAMES
    again = Profile.from_bytes(made.to_bytes())
    same(again, made)
    both = again.merge(made)
    assert [both.columns[name].moments.count for name in ODD_NAMES] == [14] * len(ODD_NAMES)
    assert both.columns["total"].moments.minimum == 4.0


def test_ten_thousand_columns() -> None:
    rows = pa.table({f"c{i}": [float(i), i + 0.5] for i in range(10_000)})
    schema = Schema(kinds=dict.fromkeys(rows.column_names, "numeric"))
    made = profiled(rows, schema)
    again = Profile.from_bytes(made.to_bytes())
    assert again.columns["c9999"].moments.total == 9999 * 2 + 0.5
    assert made.merge(again).columns["c77"].histogram.counts.tolist() == [2, 2]
    assert made.sample.index.size == 100


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_few_rows(n: int) -> None:
    made = profile(n)
    assert made.rows == n
    assert (made.window is None) == (n == 0)
    assert made.outcome is not None
    assert made.outcome.rows == n
    assert (made.coverage is None) == (n == 0)
    same(Profile.from_bytes(made.to_bytes()), made)
    same(made.merge(profile(0)), made)


def test_an_empty_batch_changes_nothing() -> None:
    made = profile(5)
    before = made.to_bytes()
    made.update(Batch(pa.RecordBatch.from_pylist([], table(1).schema), made.schema))
    assert made.to_bytes() == before


def test_all_null_and_columns_that_are_not_there() -> None:
    schema = Schema.from_dict(SCHEMA)
    names = [name for name in schema.kinds if name != "note"]
    made = profiled(pa.table({name: pa.nulls(9) for name in names}), schema)
    assert {name: (c.rows, c.nulls, c.mistyped) for name, c in made.columns.items()} == dict.fromkeys(
        made.columns, (9, 9, 0)
    )
    assert made.window is None
    assert made.coverage == 0
    assert made.outcome.scoreless == 9
    assert made.sample.index.copies.tolist() == [9]
    assert made.sample.rows.to_pylist() == [dict.fromkeys(made.sample.rows.column_names)]
    same(Profile.from_bytes(made.to_bytes()), made)


def test_only_text() -> None:
    made = profiled(pa.table({"note": ["ab", None, ""]}), Schema(kinds={"note": "text"}))
    again = Profile.from_bytes(made.to_bytes()).merge(made)
    assert again.columns["note"].histogram.counts.tolist() == [2, 2]
    assert again.columns["note"].nulls == 2


def test_merge_of_many_and_of_none() -> None:
    rows = table(40).combine_chunks().to_batches(max_chunksize=9)
    schema = Schema.from_dict(SCHEMA)
    parts = []
    for batch in rows:
        parts.append(Profile(schema))
        parts[-1].update(Batch(batch, schema))
    same(merge(parts), profile(40))
    same(merge(reversed(parts)), profile(40))
    assert merge(parts[:1]) is parts[0]
    with pytest.raises(EmptySource, match="profiles"):
        merge([])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"zone": "UTC"}, "zone is 'Europe/Berlin' and 'UTC'"),
        ({"positive": "no"}, "positive is 'yes' and 'no'"),
        ({"kinds": SCHEMA["kinds"] | {"b": "categorical"}}, "kinds is"),
        ({"segments": []}, "segments is ['city'] and []"),
        ({"origins": {}}, "origins is {'x': 100.0} and {}"),
    ],
)
def test_profiles_of_two_schemas_do_not_merge(changes: dict[str, object], said: str) -> None:
    other = Profile(Schema.from_dict(SCHEMA).replace(**changes))
    with pytest.raises(SchemaMismatch) as caught:
        profile(3).merge(other)
    assert len(caught.value.differences) == 1
    assert said in str(caught.value)


def test_what_was_guessed_does_not_keep_profiles_apart() -> None:
    other = Profile(Schema.from_dict(SCHEMA).replace(guessed=["zone"]))
    assert profile(3).merge(other).rows == 3


def test_a_zone_that_is_none_is_said_at_once() -> None:
    with pytest.raises(InvalidSchema, match="Atlantis"):
        Profile(Schema(zone="Europe/Atlantis"))


def test_a_schema_in_use_is_frozen() -> None:
    schema = Schema(kinds={"x": "numeric"})
    Profile(schema)
    assert schema.frozen


def test_update_after_merge_leaves_the_operands_alone() -> None:
    first, second = profile(10), profile(20)
    before = first.to_bytes(), second.to_bytes()
    whole = first.merge(second)
    batch = Batch(table(40).combine_chunks().to_batches()[0], whole.schema)
    whole.update(batch)
    assert (first.to_bytes(), second.to_bytes()) == before
    assert whole.rows == 70
    assert sum(outcome.rows for _, outcome in whole.timeline.items()) == 70
    assert sum(outcome.rows for _, outcome in whole.segments["city"].items()) == 70


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "a b.profile"
    profile(9).save(path)
    same(Profile.load(str(path)), profile(9))
    profile(4).save(path)
    assert Profile.load(path).rows == 4
    assert [p.name for p in tmp_path.iterdir()] == ["a b.profile"]


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    profile(2).save(path)
    assert Profile.load(path).rows == 2


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "p"
    profile(9).save(path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync" if broken == "fsync" else "pathlib.Path.replace", fail)
    with pytest.raises(Unwritable, match="No space left"):
        profile(4).save(path)
    assert Profile.load(path).rows == 9
    assert list(tmp_path.iterdir()) == [path]


def test_saving_from_two_threads_never_shows_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "p"
    profiles = [profile(9), profile(30)]
    profiles[0].save(path)

    def write(made: Profile) -> None:
        for _ in range(25):
            made.save(path)

    threads = [threading.Thread(target=write, args=(p,)) for p in profiles for _ in range(2)]
    for thread in threads:
        thread.start()
    seen = {Profile.load(path).rows for _ in range(40)}
    for thread in threads:
        thread.join()
    assert seen <= {9, 30}
    assert list(tmp_path.iterdir()) == [path]


def test_load_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="nothing"):
        Profile.load(tmp_path / "nothing")
    with pytest.raises(UnreadableSource):
        Profile.load(tmp_path)
    with pytest.raises(Unwritable, match="cannot be written"):
        profile(1).save(tmp_path / "no folder" / "p")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CorruptProfile, match="empty"):
        Profile.load(tmp_path / "empty")


def test_int_origins_come_back() -> None:
    schema = Schema(
        target="y", prediction="z", task="regression", kinds={"y": "numeric", "z": "numeric"}, origins={"y": 5, "z": 2}
    )
    made = profiled(pa.table({"y": [1.0, 2.0], "z": [1.5, 1.0]}), schema)
    same(Profile.from_bytes(made.to_bytes()), made)
    assert made.outcome.errors.sums[0] == -7.0
