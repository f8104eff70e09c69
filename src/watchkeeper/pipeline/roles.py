"""The names under which rows are kept: roles by the version's schema, which is guessed from the first rows if need be."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import InvalidSchema, SchemaError, WatchkeeperError
from watchkeeper.inference import infer, kind_of
from watchkeeper.pipeline.incoming_arrow import score_columns
from watchkeeper.schema import NUMBER_TASKS, Kind, Schema, label_text
from watchkeeper.window import zone_info

_LOG = logging.getLogger("watchkeeper")

DEFAULTS = {
    "id": "id", "timestamp": "timestamp", "target": "label", "prediction": "prediction", "score": "score",
    "latency": "latency", "error": "error",
}  # fmt: skip
"""What a role's column is called where nobody said."""
PROCESS = {"cpu": "process_cpu_seconds", "memory": "process_rss_bytes"}
"""The same for what is told of the process: roles that a version gets when a batch first tells of it."""
_PLACES = {
    "id": "@id", "timestamp": "@time", "target": "@target", "prediction": "@prediction", "latency": "@latency",
    "error": "@error", "cpu": "@cpu", "memory": "@memory",
}  # fmt: skip
_FORCED: dict[str, Kind] = {
    "timestamp": "datetime", "latency": "numeric", "error": "categorical", "cpu": "numeric", "memory": "numeric",
}  # fmt: skip
KEPT = ("@prediction", "@score")
"""Places whose content stays in the raw rows although no role names it."""
_MOSTLY = 0.95, 0.51
"""The shares of predictions, tried in turn, beyond which the others are taken for strange."""


def with_roles(given: Schema, taken: set[str], classes: list[str]) -> Schema:
    """Return a schema in which every role that a service has stands for a column: those given, the others by default.

    Parameters
    ----------
    taken
        Names of features; a default that is among them gets a leading underscore.
    classes
        Classes of which scores were given one by one; empty for one score.
    """
    made = given.replace()
    for role, default in DEFAULTS.items():
        if getattr(made, role) is None:
            name = _free(default, taken)
            if role == "score" and classes:
                made.score = {label: _free(f"score_{label}", taken) for label in classes}
            else:
                setattr(made, role, name)
    forced = {getattr(made, role): kind for role, kind in _FORCED.items()}
    made.kinds = made.kinds | {column: kind for column, kind in forced.items() if column is not None}
    return made


def with_process(schema: Schema, roles: Iterable[str], taken: Iterable[str]) -> Schema:
    """Return a schema in which those of the roles ``cpu`` and ``memory`` stand for columns too; itself if they do.

    Parameters
    ----------
    taken
        Names that the rows have beside those of the schema; a column of one of them is a feature.
    """
    new = [role for role in PROCESS if role in roles and getattr(schema, role) is None]
    if not new:
        return schema
    used = {*taken, *schema.kinds, *(column for column, _ in schema.roles())}
    names = {role: _free(PROCESS[role], used) for role in new}
    return schema.replace(**names, kinds=schema.kinds | {names[role]: _FORCED[role] for role in new}).freeze()


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def guess_schema(rows: pa.Table, given: Schema, of: str = "a version") -> Schema:
    """Return the whole schema of a version from its first rows, in the form in which they came in.

    What the rows cannot show is left out of the roles: a model without scores has none. A few predictions at odds with all
    others do not decide: the task is that of nearly all of them, else of most. Where what was given contradicts the rows,
    what contradicts is guessed anew, for rows that were acknowledged must be counted. Where no task can be guessed there is
    none, but roles keep their columns, so that what was logged can be counted once a reference says how.

    Parameters
    ----------
    of
        Whose rows these are, for the log.
    """
    schema = _with_given(rows, given)
    plain = _with_given(rows, Schema(zone=_zone(given.zone))).replace(score=schema.score, prediction=schema.prediction)
    attempts = [schema, plain, *([plain.replace(score=None)] if plain.score and plain.prediction else [])]
    reason: WatchkeeperError | None = None
    for attempt in attempts:
        try:
            made = _fitted(rows, attempt)
        except WatchkeeperError as error:
            reason = reason or error
            continue
        if reason is not None:
            _LOG.warning("%s: the first rows do not fit a schema, which is guessed anew: %s", of, reason)
        return made
    _LOG.warning("%s: no task can be guessed, so predictions are kept and not measured: %s", of, reason)
    return _without_task(rows, plain)


def fit_schema(rows: pa.Table, given: Schema) -> Schema:
    """Return the whole schema of rows, in the form in which they came in, of which ``given`` says what is known.

    Raises
    ------
    WatchkeeperError
        The rows do not fit it.
    """
    return _fitted(rows, _with_given(rows, given))


def _with_given(rows: pa.Table, given: Schema) -> Schema:
    features = {name for name in rows.column_names if not name.startswith("@")}
    classes = [name.removeprefix("@score:") for name in rows.column_names if name.startswith("@score:")]
    schema = with_roles(given, features, classes)
    segments = json.loads((rows.schema.metadata or {}).get(b"segments", b"[]"))
    schema.segments = list(dict.fromkeys([*schema.segments, *(s for s in segments if s in features)]))
    if not any(name.startswith("@score") for name in rows.column_names) and given.score is None:
        schema.score = None
    if "@prediction" not in rows.column_names and given.prediction is None:
        schema.prediction = None
    return schema


def _fitted(rows: pa.Table, schema: Schema) -> Schema:
    """Return the schema made whole from nearly all rows, else from most; raises what the rows have against the first."""
    reason: WatchkeeperError | None = None
    for share in _MOSTLY:
        table = _named_whole(_with_numbers(rows, share), schema)
        try:
            return infer(table, _with_classes(table, schema, share))
        except WatchkeeperError as error:
            reason = reason or error
    assert reason is not None
    raise reason


def _with_numbers(rows: pa.Table, share: float) -> pa.Table:
    """Return rows with scores that came as text read as numbers, and outcomes too where so many of them are numbers."""
    texts = [
        n for n in rows.column_names if n.startswith((*KEPT, "@target")) and _holds_text(rows.schema.field(n).type)
    ]
    for name in texts if rows.num_rows else []:
        numbers = Batch(rows.select([name]).combine_chunks().to_batches()[0], Schema()).numbers(name)
        read = pa.array(numbers.values, mask=numbers.null)
        enough = share * max(1, len(rows) - rows[name].null_count)
        if name.startswith("@score") or len(read) - read.null_count >= enough:
            rows = rows.set_column(rows.column_names.index(name), name, read)
    return rows


def _holds_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _with_classes(table: pa.Table, schema: Schema, share: float) -> Schema:
    """Return a binary schema with the two classes that so many predictions are of, where a few are of others."""
    binary = schema.task == "binary" or (schema.task is None and isinstance(schema.score, str))
    if not binary or schema.classes or schema.prediction is None:
        return schema
    counts = Counter(map(label_text, table[schema.prediction].drop_null().to_pylist()))
    del counts["nan"]
    positive = [] if schema.positive is None else [label_text(schema.positive)]
    classes = [*positive, *(label for label, _ in counts.most_common(3) if label not in positive)][:2]
    if len(counts) <= 2 or sum(counts[label] for label in classes) < share * counts.total():
        return schema
    return schema.replace(classes=sorted(classes))


def _without_task(rows: pa.Table, plain: Schema) -> Schema:
    """Return a schema in which nothing is measured against a label, but every role and feature has its column."""
    table = _named_whole(_with_numbers(rows, 1.0), plain)
    kinds = {name: kind_of(table[name]) for name in table.column_names if name not in plain.kinds}
    kinds |= dict.fromkeys(plain.scores().values(), "numeric")
    found: dict[str, Kind] = {name: kind for name, kind in kinds.items() if kind is not None}
    return plain.replace(kinds=plain.kinds | found, guessed=[f"kinds.{name}" for name in found])


def _named_whole(rows: pa.Table, schema: Schema) -> pa.Table:
    """Return rows under the schema's names, with every column that it names and no other role."""
    named = named_rows(rows, schema)
    return _with_empty(named.drop_columns([name for name in named.column_names if name.startswith("@")]), schema)


def _zone(name: str | None) -> str | None:
    """Return a zone's name if there is such a zone."""
    try:
        zone_info(name)
    except InvalidSchema:
        return None
    return name


def _with_empty(table: pa.Table, schema: Schema) -> pa.Table:
    """Return the table with an empty column for each role and kind that no row has filled yet."""
    like = schema.prediction if schema.prediction in table.column_names else None
    for column in dict.fromkeys([*(name for name, _ in schema.roles()), *schema.kinds]):
        if column not in table.column_names:
            numeric = column in schema.scores().values() or column in {schema.latency, schema.cpu, schema.memory}
            kind = pa.float64() if numeric else table.schema.field(like).type if like else pa.string()
            kind = pa.timestamp("us", "UTC") if schema.kinds.get(column) == "datetime" else kind
            table = table.append_column(column, pa.nulls(len(table), kind))
    return table


def column_by_place(schema: Schema) -> dict[str, str]:
    """Return the column for each place (``@id``, ``@score:CLASS`` and so on) that the schema has a role for."""
    named = {place: getattr(schema, role) for role, place in _PLACES.items()}
    return {place: column for place, column in named.items() if column} | {
        place: column for column, place in score_columns(schema).items()
    }


def named_rows(rows: pa.Table, schema: Schema) -> pa.Table:
    """Return rows that came in with the schema's names for their roles.

    A prediction or score that no role names stays under its place, so that a later schema can have it.
    """
    names, there = column_by_place(schema), set(rows.column_names)
    positive = label_text(schema.positive)
    one, own = "@score", f"@score:{positive}"  # one score is that of the positive class, and the other way round
    if isinstance(schema.score, dict) and own not in there and positive in schema.scores():
        names[one] = schema.scores()[positive]
    elif isinstance(schema.score, str) and one not in there:
        names[own] = schema.score
    kept = [n for n in rows.column_names if not n.startswith("@") or n in names or n.startswith(KEPT)]
    return rows.select(kept).rename_columns([names.get(name, name) for name in kept])


def check_reference(schema: Schema) -> Schema:
    """Return the schema that a version gets from its reference: every role of a service stands for a column.

    Raises
    ------
    SchemaError
        It names no score and no prediction, so nothing that is logged could be compared with it.
    """
    if schema.score is None and schema.prediction is None:
        raise SchemaError(
            "The reference names neither a score nor a prediction, so predictions cannot be compared with it. "
            "Say which columns they are (--score, --prediction)."
        )
    taken = set(schema.kinds) | {column for column, _ in schema.roles()}
    made = with_roles(schema, taken, [])
    made.score, made.prediction = schema.score, schema.prediction
    target = made.target or ""
    if target not in made.kinds:
        made.kinds = made.kinds | {target: "numeric" if made.task in NUMBER_TASKS else "categorical"}
    return made
