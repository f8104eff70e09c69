"""What a command left: a candidate that is checked before it is believed, and compared with the version that serves."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import ActionRefused, WatchkeeperError
from watchkeeper.pipeline.acting_command import read_small
from watchkeeper.pipeline.acting_export import judged_column
from watchkeeper.pipeline.partition import profile_of
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.rows import ClassRows, NumberRows, outcome_rows
from watchkeeper.response.challenger import Comparison, compare
from watchkeeper.schema import Schema
from watchkeeper.window import local_days

CANDIDATE, SCORED, PROFILE, ROWS = "candidate.json", "holdout.parquet", "reference.profile", "reference.parquet"
_LONGEST = {"version": 256, "artefact": 2048}
_MOST_BYTES = {CANDIDATE: 64 << 10, SCORED: 256 << 20, PROFILE: 64 << 20, ROWS: 1 << 30}
_MOST_UNPACKED = 2 << 30
_OF_PREDICTIONS = {"accuracy", "error_rate", "f1", "precision", "recall", "specificity", "f1_macro", "f1_weighted"}
_LEAST_SHARE = 0.95
"""So many of the held-out rows must be scored: who leaves out the hard ones is no better."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that could serve, and where its artefact lies; the server never opens it."""

    version: str
    artefact: str


def read_candidate(folder: Path) -> Candidate:
    """Read ``candidate.json``; raises :class:`ActionRefused`."""
    try:
        told = json.loads(read_small(folder / CANDIDATE, _MOST_BYTES[CANDIDATE]))
    except ValueError as error:
        raise ActionRefused(f"{CANDIDATE} is no JSON: {error}.") from error
    if not isinstance(told, dict):
        raise ActionRefused(f'{CANDIDATE} should be an object such as {{"version": "4", "artefact": "s3://..."}}.')
    return Candidate(*(_text(told, name) for name in ("version", "artefact")))


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    fine = isinstance(value, str) and 0 < len(value) <= _LONGEST[name] and value.isprintable()
    if not fine:
        raise ActionRefused(f"{CANDIDATE} needs {name!r}, a text of at most {_LONGEST[name]} printable characters.")
    return str(value)


def is_complete(folder: Path) -> bool:
    """Return whether a whole candidate lies there, with its scores."""
    try:
        read_candidate(folder)
        _parquet(folder / SCORED)
    except ActionRefused:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Judged:
    """Held-out rows with what both versions say of them.

    Attributes
    ----------
    champion
        The rows with what the serving version said when they were logged.
    challenger
        The same rows with what the challenger says in its place.
    complete
        Whether the challenger said all that the schema has a column for, so that the rows can be its reference.
    """

    champion: pa.Table
    challenger: pa.Table
    schema: Schema
    complete: bool

    def compare(self, alarmed: str | None = None) -> Comparison:
        """Compare the versions by what alarmed: accuracy where that rests on predictions, AUC where it rests on scores.

        A regression is compared by its root mean squared error. Where nothing is said, or it has no paired comparison, a binary
        task with scores is compared by its AUC.
        """
        batches = [_batch(table, self.schema) for table in (self.champion, self.challenger)]
        days = local_days(batches[0].moments(self.schema.timestamp or "timestamp").values, self.schema.zone)
        first, second = (outcome_rows(batch) for batch in batches)
        if isinstance(first, NumberRows) and isinstance(second, NumberRows):
            known = np.isfinite(first.target)
            return compare("rmse", first.target[known], first.prediction[known], second.prediction[known], days[known])
        if not isinstance(first, ClassRows) or not isinstance(second, ClassRows):
            raise ActionRefused(f"Versions of a {self.schema.task} task cannot be compared yet.")
        known = first.label >= 0
        if alarmed not in _OF_PREDICTIONS and judged_column(self.schema) in self.schema.scores().values():
            sides = first.scores[0][known], second.scores[0][known]
            return compare("roc_auc", first.label[known], *sides, days[known])
        return compare("accuracy", first.label[known], first.prediction[known], second.prediction[known], days[known])

    def reference(self) -> bytes | None:
        """Return a reference made from these rows; None where the challenger left too few columns."""
        return profile_of(self.challenger, self.schema.replace()).to_bytes() if self.complete else None


def _batch(table: pa.Table, schema: Schema) -> Batch:
    return Batch(table.combine_chunks().to_batches()[0], schema)


def _in_place(rows: pa.Table, scored: pa.Table, schema: Schema) -> tuple[pa.Table, bool]:
    """Return rows with what a challenger says in place of what was logged, and whether it said everything."""
    left = {column: column for column in schema.scores().values()}
    if isinstance(schema.score, str):
        left = {schema.score: "score"}
    elif schema.task == "binary" and schema.score is not None:
        left[judged_column(schema)] = "score"
    complete = True
    for column, name in (left | {schema.prediction or "prediction": "prediction"}).items():
        if column not in rows.column_names:
            continue
        said = scored[name] if name in scored.column_names else None
        complete &= said is not None
        new = pa.nulls(len(rows), rows[column].type) if said is None else said
        rows = rows.set_column(rows.column_names.index(column), column, new)
    return rows, complete


def judge(folder: Path, rows: pa.Table, schema: Schema) -> Judged:
    """Read what the challenger said of the held-out rows.

    Raises
    ------
    ActionRefused
        It is no such table, scores other rows, too few of them, or one twice, or says what is no number.
    """
    scored = _parquet(folder / SCORED)
    needed = "prediction" if judged_column(schema) not in schema.scores().values() else "score"
    missing = [name for name in ("id", needed) if name not in scored.column_names]
    if missing:
        raise ActionRefused(f"{SCORED} has no column {missing[0]!r}; it needs id, score and prediction.")
    ids, known = (
        scored["id"].cast(pa.string()).combine_chunks(),
        rows[schema.id or "id"].cast(pa.string()).combine_chunks(),
    )
    strange = ids.filter(pc.invert(pc.is_in(ids, known)))
    if len(strange) or ids.null_count:
        example = repr(strange[0].as_py()) if len(strange) else "null"
        raise ActionRefused(f"{SCORED} has ids that are not held out, such as {example}.")
    if len(pc.unique(ids)) != len(ids):
        raise ActionRefused(f"{SCORED} has ids twice.")
    if len(ids) < _LEAST_SHARE * len(known):
        raise ActionRefused(f"{SCORED} scores {len(ids):,} of {len(known):,} held-out rows; leave none out.")
    place = pc.index_in(known, ids)
    there = pc.is_valid(place)
    chosen, said = rows.filter(there), scored.take(place.filter(there))
    _check_said(said[needed], needed, numbers=needed == "score" or schema.task == "regression")
    challenger, complete = _in_place(chosen, said, schema)
    return Judged(chosen, challenger, schema, complete)


def _check_said(column: pa.ChunkedArray, name: str, *, numbers: bool) -> None:
    if not numbers:
        if column.null_count:
            raise ActionRefused(f"{SCORED} has rows without {name!r}.")
        return
    try:
        values = pc.fill_null(column.cast(pa.float64()), math.nan).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ActionRefused(f"{SCORED} has values of {name!r} that are no numbers: {error}") from error
    if not np.isfinite(values).all():
        raise ActionRefused(f"{SCORED} has values of {name!r} that are no finite numbers.")


def reference_left(folder: Path, training: Path, schema: Schema) -> tuple[bytes | None, str]:
    """Return the reference that the command left, and what is to be said of it; None where it left none.

    Raises
    ------
    ActionRefused
        It is damaged, or has rows that the version was trained on.
    """
    if (folder / PROFILE).exists():
        content = read_small(folder / PROFILE, _MOST_BYTES[PROFILE])
        try:
            if Profile.from_bytes(content).rows == 0:
                raise ActionRefused(f"{PROFILE} has no rows.")
        except WatchkeeperError as error:
            raise ActionRefused(f"{PROFILE} cannot be used: {error}") from error
        return content, "its reference is the command's own; that it is held out is the command's word"
    if not (folder / ROWS).exists():
        return None, ""
    table = _parquet(folder / ROWS, _MOST_BYTES[ROWS])
    id_ = schema.id or "id"
    if id_ in table.column_names and training.exists():
        known = pq.read_table(training, columns=[id_])[id_].cast(pa.string()).combine_chunks()
        if pc.any(pc.is_in(table[id_].cast(pa.string()), known)).as_py():
            raise ActionRefused(f"{ROWS} has rows of the training; a reference is made from rows that were held out.")
    try:
        return profile_of(table, schema.replace()).to_bytes(), "its reference is of rows that the command held out"
    except (WatchkeeperError, pa.ArrowException, KeyError) as error:
        raise ActionRefused(f"{ROWS} cannot be profiled as {schema.target}'s rows are: {error}") from error


def _parquet(path: Path, most: int = _MOST_BYTES[SCORED]) -> pa.Table:
    content = read_small(path, most)
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
        if sum(group.total_byte_size for group in groups) > _MOST_UNPACKED:
            raise ActionRefused(f"{path.name} has more than {_MOST_UNPACKED:,} bytes once it is unpacked.")
        return file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ActionRefused(f"{path.name} is no Parquet file: {error}") from error
