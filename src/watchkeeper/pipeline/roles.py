"""The names under which rows are kept: roles by the version's schema, which is guessed from the first rows if need be."""

from __future__ import annotations

import json
import logging

import pyarrow as pa

from watchkeeper.errors import InvalidSchema, SchemaError, WatchkeeperError
from watchkeeper.inference import infer
from watchkeeper.pipeline.incoming_arrow import score_columns
from watchkeeper.schema import Kind, Schema
from watchkeeper.window import zone_info

_LOG = logging.getLogger("watchkeeper")

DEFAULTS = {
    "id": "id", "timestamp": "timestamp", "target": "label", "prediction": "prediction", "score": "score",
    "latency": "latency", "error": "error",
}  # fmt: skip
"""What a role's column is called where nobody said."""
_PLACES = {
    "id": "@id", "timestamp": "@time", "target": "@target", "prediction": "@prediction", "latency": "@latency",
    "error": "@error",
}  # fmt: skip
_FORCED: dict[str, Kind] = {"timestamp": "datetime", "latency": "numeric", "error": "categorical"}


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
    made.kinds = made.kinds | {getattr(made, role): kind for role, kind in _FORCED.items()}
    return made


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def guess_schema(rows: pa.Table, given: Schema) -> Schema:
    """Return the whole schema of a version from its first rows, in the form in which they came in.

    What the rows cannot show is left out of the roles: a model without scores has none. Where what was given contradicts the
    rows, what contradicts is guessed anew, for rows that were acknowledged must be counted.
    """
    features = {name for name in rows.column_names if not name.startswith("@")}
    classes = [name.removeprefix("@score:") for name in rows.column_names if name.startswith("@score:")]
    schema = with_roles(given, features, classes)
    segments = json.loads((rows.schema.metadata or {}).get(b"segments", b"[]"))
    schema.segments = list(dict.fromkeys([*schema.segments, *segments]))
    if not any(name.startswith("@score") for name in rows.column_names) and given.score is None:
        schema.score = None
    if "@prediction" not in rows.column_names and given.prediction is None:
        schema.prediction = None
    plain = with_roles(Schema(zone=_zone(given.zone)), features, classes)
    plain.score, plain.prediction = schema.score, schema.prediction
    without_task = plain.replace(score=None, prediction=None, target=None)
    for attempt in (schema, plain, without_task):
        try:
            return infer(_with_empty(named_rows(rows, attempt), attempt), attempt)
        except WatchkeeperError as error:
            _LOG.warning("The first rows do not fit a schema, which is guessed anew: %s", error)
    return without_task


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
            numeric = column in schema.scores().values() or column == schema.latency
            kind = pa.float64() if numeric else table.schema.field(like).type if like else pa.string()
            kind = pa.timestamp("us", "UTC") if schema.kinds.get(column) == "datetime" else kind
            table = table.append_column(column, pa.nulls(len(table), kind))
    return table


def named_rows(rows: pa.Table, schema: Schema) -> pa.Table:
    """Return rows that came in with the schema's names for their roles; what no role names is left out."""
    names = {place: getattr(schema, role) for role, place in _PLACES.items()}
    names |= {place: column for column, place in score_columns(schema).items()}
    if isinstance(schema.score, dict) and "@score" not in names:
        positive = schema.scores().get(str(schema.positive))
        names["@score"] = positive
    kept = [name for name in rows.column_names if not name.startswith("@") or names.get(name) is not None]
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
        made.kinds = made.kinds | {target: "numeric" if made.task == "regression" else "categorical"}
    return made
