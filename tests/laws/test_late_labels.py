"""A label that comes late only adds: the profile is then that of the same rows with their labels."""

from __future__ import annotations

import copy

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from cases import (
    BINARY,
    MANY,
    MULTICLASS,
    MULTILABEL,
    RANKING,
    REGRESSION,
    WEIGHTED,
    WEIGHTED_LISTS,
    WEIGHTED_MANY,
    WEIGHTED_NUMBERS,
    WEIGHTED_SETS,
    batch,
    cuts,
    magnitudes,
    seeds,
    small_sizes,
    table,
)
from hypothesis import strategies as st

from watchkeeper.errors import InvalidSchema
from watchkeeper.profiles.outcome import BinaryOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.testing import difference

TASKS = [
    BINARY,
    MULTICLASS.replace(id="id"),
    REGRESSION,
    BINARY.replace(prediction="b"),
    BINARY.replace(features=["x"]),
    RANKING,
    MULTILABEL,
    WEIGHTED,
    WEIGHTED_NUMBERS,
    WEIGHTED_SETS,
    WEIGHTED_MANY,
    WEIGHTED_LISTS,
    MANY,
]
NAMES = [
    "binary", "multiclass", "regression", "predicted", "few features", "ranking", "multilabel", "weights", "numbers",
    "weighted sets", "weighted many", "weighted lists", "many",
]  # fmt: skip
SETTINGS = hypothesis.settings(max_examples=25, database=None)


def unlabelled(rows: pa.Table, schema: Schema, late: np.ndarray) -> pa.Table:
    """Return the rows with a null for a target where the label is late."""
    place = rows.column_names.index(schema.target)
    column = rows[schema.target].combine_chunks()
    return rows.set_column(place, schema.target, pa.array(column.to_pylist(), column.type, mask=late))


def labelled_late(rng: np.random.Generator, rows: pa.Table, schema: Schema) -> tuple[Profile, Profile]:
    """Return the profile of the rows whose labels came late, in pieces and between merges, and that of all at once."""
    rows = rows.set_column(rows.column_names.index("id"), "id", pa.array(rng.permutation(len(rows))))
    late = rng.random(len(rows)) < 0.6
    whole = Profile(schema)
    whole.update(batch(rows, schema))
    early = unlabelled(rows, schema, late)
    made = Profile(schema)
    for piece in cuts(rng, len(rows)):  # each part is merged, then some of its late labels come, in pieces
        span = slice(*piece.indices(len(rows)))
        part = Profile(schema)
        part.update(batch(early.slice(span.start, span.stop - span.start), schema))
        made = made.merge(part)
        places = rng.permutation(np.flatnonzero(late[span]) + span.start)
        for cut in cuts(rng, len(places)):
            made.label(batch(rows.take(pa.array(places[cut])), schema))
    return made, whole


def apart(made: Profile, whole: Profile) -> str | None:
    """Return the first difference of two profiles, sums being sums."""
    state = whole.state()
    return difference(made.state(), state, sums=Profile.SUMS, annotations=Profile.ANNOTATIONS, scale=magnitudes(state))


@pytest.mark.parametrize("schema", TASKS, ids=NAMES)
@SETTINGS
@hypothesis.given(seed=seeds, rows=small_sizes)
def test_a_late_label_only_adds(schema: Schema, seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    made, whole = labelled_late(rng, table(rng, rows), schema.replace())
    assert apart(made, whole) is None


@hypothesis.given(seed=st.just(3))
def test_a_broken_one_is_caught(seed: int) -> None:
    rng = np.random.default_rng(seed)
    genuine = BinaryOutcome.label

    def without_moving(outcome: BinaryOutcome, rows: object) -> None:
        confusion = outcome.confusion
        genuine(outcome, rows)  # type: ignore[arg-type]
        outcome.confusion = confusion

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BinaryOutcome, "label", without_moving)
        made, whole = labelled_late(rng, table(rng, 200), BINARY.replace())
    assert apart(made, whole) is not None


def test_it_says_when_it_cannot() -> None:
    rng = np.random.default_rng(1)
    for schema in (BINARY.replace(id=None), BINARY.replace(segments=["label"])):
        profile = Profile(schema)
        assert not profile.takes_labels
        with pytest.raises(InvalidSchema, match="Late labels"):
            profile.label(batch(table(rng, 10), schema))


def test_neither_the_label_nor_what_was_merged_changes_the_parts() -> None:
    rng = np.random.default_rng(2)
    rows = table(rng, 300)
    rows = rows.set_column(0, "id", pa.array(np.arange(300)))
    schema = BINARY.replace()
    part = Profile(schema)
    part.update(batch(unlabelled(rows, schema, np.ones(300, bool)), schema))
    before = copy.deepcopy(part.state())
    whole = Profile(schema).merge(part)
    whole.label(batch(rows, schema))
    assert difference(part.state(), before) is None
