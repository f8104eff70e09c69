"""Guess the roles, kinds and task that a schema leaves open, from a first look at the data."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.errors import InvalidSchema
from watchkeeper.schema import MOST_CLASSES, NUMBER_TASKS, Kind, Schema, Task, label_text, split_labels

FEW = 20
"""Integers with at most so many distinct values are categorical unless the schema says otherwise."""
BY_VALUE = 32
"""Numbers and times with more values are cut into bins where they make segments; hours and days of a month are not."""
_NAMES: dict[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "event_time", "prediction_time", "event_timestamp", "datetime", "ts"),
    "target": ("target", "label", "y_true", "ground_truth", "actual", "y"),
    "prediction": ("prediction", "predicted", "y_pred", "y_hat", "pred"),
    "score": ("score", "probability", "proba", "y_score", "y_prob", "y_proba", "prediction_score", "pred_proba", "p"),
    "id": ("id", "prediction_id", "row_id", "uuid"),
}
_POSITIVE = ("1", "true", "yes", "y", "positive", "t")


def infer(table: pa.Table, given: Schema | None = None) -> Schema:
    """Return ``given`` with every column's kind, and with roles and task filled in where they can be guessed.

    A pure function of the rows handed in (10,000 of the reference are enough). What it fills in is listed in
    ``guessed``. Integers with at most 20 distinct values, and texts that repeat or are short, are categorical; columns
    of types that cannot be profiled (binary, structures) get no kind and are left out.

    Raises
    ------
    UnknownColumn
        A role names a column that the table does not have.
    InvalidSchema
        The task does not fit the target, or there are too many classes.
    """
    schema = (given or Schema()).replace()  # which adds a horizon that was set later to the segments
    schema.check_columns(table.column_names)
    guessed = list(schema.guessed)
    taken = {column for column, _ in schema.roles()}
    for role, names in _NAMES.items():
        if getattr(schema, role) is None and (column := _guess(table, role, names, taken)) is not None:
            setattr(schema, role, column)
            taken.add(column)
            guessed.append(role)
    _infer_kinds(table, schema, guessed)
    _infer_task(table, schema, guessed)
    schema.segment_bins = schema.segment_bins | _infer_bins(table, schema, guessed)
    _infer_origins(table, schema)
    _infer_naive_scale(table, schema, guessed)
    schema.guessed = guessed
    return schema


def _guess(table: pa.Table, role: str, names: tuple[str, ...], taken: set[str]) -> str | None:
    free = {name.casefold(): name for name in reversed(table.column_names) if name not in taken}
    if role == "timestamp":
        moments = [name for name in free.values() if _is_moment(table.schema.field(name).type)]
        known = [free[name] for name in names if name in free and free[name] in moments]
        return known[0] if known else moments[0] if len(moments) == 1 else None
    found = next((free[name] for name in names if name in free), None)
    if found is not None and role == "score" and not _is_share(table[found]):
        return None
    return found


def _is_share(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type):
        return False
    ends = pc.min_max(column).as_py()
    return ends["min"] is None or (ends["min"] >= 0 and ends["max"] <= 1)


def _infer_kinds(table: pa.Table, schema: Schema, guessed: list[str]) -> None:
    classes = schema.task in {"binary", "multiclass"} or (schema.task is None and schema.score and schema.query is None)
    labels = {schema.target, schema.prediction} if classes else set()
    kinds: dict[str, Kind] = {}
    cut = {column for columns in schema.cuts().values() for column in columns} - labels
    for name in table.column_names:
        if name in schema.kinds:
            kinds[name] = schema.kinds[name]
            continue
        kind = "datetime" if name == schema.timestamp else kind_of(table[name])
        if name in cut:
            _check_bins(name, table[name], schema.segment_bins.get(name, []))
            kind = _segment_kind(table[name], kind, schema.segment_bins.get(name), name == schema.horizon)
        elif name in labels:
            kind = "categorical" if kind != "boolean" else kind
        elif name in schema.scores().values() or (
            schema.task in NUMBER_TASKS and name in {schema.target, schema.prediction}
        ):
            kind = "numeric"
        if kind is not None:
            kinds[name] = kind
            guessed.append(f"kinds.{name}")
    schema.kinds = kinds


def _segment_kind(column: pa.ChunkedArray, kind: Kind | None, edges: list[Any] | None, steps: bool) -> Kind:
    """Return the kind of a segment column: binned where edges are given or it has too many values to tell each."""
    if edges:
        return "datetime" if isinstance(edges[0], str) else "numeric"
    if kind in {"numeric", "datetime"} and not steps and pc.count_distinct(column).as_py() > BY_VALUE:
        return kind
    return "boolean" if kind == "boolean" else "categorical"


def _check_bins(name: str, column: pa.ChunkedArray, edges: list[Any]) -> None:
    """Raise where edges are for a column of texts none of which is a number (or a time, where edges are)."""
    if not edges or not (pa.types.is_dictionary(column.type) or _is_text(column.type)):
        return
    texts = [str(value) for value in pc.unique(column).drop_null().to_pylist()]
    if texts and not any(_is_place(text, isinstance(edges[0], str)) for text in texts):
        raise InvalidSchema(
            f"segment_bins names {name!r}, which holds texts ({texts[0]!r}, ...); bins are for numbers and times."
        )


def _is_place(text: str, moment: bool) -> bool:
    try:
        _ = datetime.fromisoformat(text.strip()) if moment else float(text)
    except ValueError:
        return False
    return True


def _infer_bins(table: pa.Table, schema: Schema, guessed: list[str]) -> dict[str, list[Any]]:
    """Return edges for the segment columns that hold many numbers or times and have none: quintiles, rounded."""
    found = {}
    for column in dict.fromkeys(column for columns in schema.cuts().values() for column in columns):
        kind = schema.kinds.get(column)
        if kind not in {"numeric", "datetime"} or column in schema.segment_bins or column == schema.horizon:
            continue
        values = _values(table[column], schema.zone)
        if len(np.unique(values)) > BY_VALUE:
            found[column] = rounded_edges(values) if kind == "numeric" else _days(values)
            guessed.append(f"segment_bins.{column}")
    return found


def _values(column: pa.ChunkedArray, zone: str | None) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the finite numbers of a column, or its moments as local microseconds; none of a column of texts."""
    column, values = column.drop_null(), np.empty(0)
    if _is_moment(column.type):
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            column = pc.local_timestamp(column.cast(pa.timestamp("us", zone or "UTC")))
        values = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype(np.int64)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        values = column.cast(pa.float64(), safe=False).to_numpy()
    return values[np.isfinite(values)]


def rounded_edges(values: np.ndarray[Any, np.dtype[Any]], bins: int = 5) -> list[float]:
    """Return edges that cut numbers into about equal parts, as round as they can be without moving past each other.

    Examples
    --------
    >>> rounded_edges(np.arange(1000) / 9.97)
    [20.0, 40.0, 60.0, 80.0]
    """
    steps = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    steps = steps[steps > values.min()]
    if len(steps) == 0:  # most rows have the least value: they are one bin
        return [float(values[values > values.min()].min())]
    gap = float(np.diff(steps).min()) if len(steps) > 1 else float(np.ptp(values)) / bins
    unit = 10.0 ** math.floor(math.log10(gap / 2)) if 0 < gap < math.inf else 1.0
    unit *= 5 if 5 * unit <= gap / 2 else 2 if 2 * unit <= gap / 2 else 1
    rounded = {float(f"{round(step / unit) * unit:.12g}") for step in steps.tolist()}
    kept = sorted(edge for edge in rounded if math.isfinite(edge) and edge > values.min())
    return kept or [float(steps[0])]


def _days(values: np.ndarray[Any, np.dtype[Any]]) -> list[str]:
    """Return dates that cut moments (local microseconds) into about equal parts; times where they are closer than days."""
    steps = np.unique(np.quantile(values, [0.2, 0.4, 0.6, 0.8]).astype(np.int64)).astype("datetime64[us]")
    by_day = np.unique(steps.astype("datetime64[D]"))
    return [str(edge) for edge in (by_day if len(by_day) == 4 else np.unique(steps.astype("datetime64[s]")))]


def kind_of(column: pa.ChunkedArray) -> Kind | None:
    """Return the kind that a column of this type and content has, or None for a type that cannot be profiled."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return "categorical" if _is_text(kind.value_type) else kind_of(column.cast(kind.value_type))
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "categorical" if 0 < pc.count_distinct(column).as_py() <= FEW else "numeric"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        return "numeric"
    if _is_moment(kind):
        return "datetime"
    if _is_text(kind):
        return _text_kind(column)
    if pa.types.is_null(kind):
        return "categorical"
    return None


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _text_kind(column: pa.ChunkedArray) -> Kind:
    """Prose is long and hardly ever repeats; everything else is a category."""
    length = pc.mean(pc.utf8_length(column.cast(pa.large_string()))).as_py() or 0
    seen = len(column) - column.null_count
    return "text" if length > 40 and pc.count_distinct(column).as_py() > 0.5 * seen else "categorical"


def _distinct(table: pa.Table, name: str | None) -> list[str]:
    if name is None:
        return []
    values: list[Any] = pc.unique(table[name]).drop_null().to_pylist()
    return sorted({label_text(v) for v in values if not (isinstance(v, float) and math.isnan(v))}, key=_label_order)


def _label_order(label: str) -> tuple[bool, float, str]:
    try:
        number = float(label)
    except ValueError:
        number = math.nan
    return (False, number, label) if math.isfinite(number) else (True, 0.0, label)


def _is_whole(label: str) -> bool:
    try:
        return float(label).is_integer()
    except ValueError:
        return True


def _infer_task(table: pa.Table, schema: Schema, guessed: list[str]) -> None:
    if schema.target is None and schema.prediction is None and schema.score is None:
        return
    if schema.target is not None and schema.target in {schema.prediction, *schema.scores().values()}:
        raise InvalidSchema(
            f"{schema.target!r} is named as target and as what is measured against it; one of the two is another."
        )
    for score in schema.scores().values():
        if _is_text(table.schema.field(score).type) or pa.types.is_dictionary(table.schema.field(score).type):
            raise InvalidSchema(f"The score {score!r} holds text. A score is a number, best a probability from 0 to 1.")
    if schema.task is None:
        schema.task = _guess_task(table, schema)
        guessed.append("task")
    if schema.task == "multilabel":
        _infer_labels(table, schema, guessed)
    elif schema.task == "multiclass" and not schema.classes and _has_many(table, schema, "task" not in guessed):
        if not schema.many_classes:
            schema.many_classes = True
            guessed.append("many_classes")
        schema.kinds = schema.kinds | {
            c: "categorical" for c in (schema.target, schema.prediction) if c in schema.kinds
        }
    elif schema.task in {"binary", "multiclass"}:
        _infer_classes(table, schema, guessed)
    elif schema.task in NUMBER_TASKS:
        if schema.task == "ranking" and schema.query is None:
            raise InvalidSchema(
                "A ranking is measured by query: name the column that says which list a row is in, query=."
            )
        for column in (schema.target, schema.prediction):
            if column is not None:
                schema.kinds = schema.kinds | {column: "numeric"}


def _guess_task(table: pa.Table, schema: Schema) -> Task:
    lists = [
        c is not None and pa.types.is_nested(table.schema.field(c).type) for c in (schema.target, schema.prediction)
    ]
    if lists[0] or (lists[1] and schema.target is None):
        return "multilabel"
    if schema.many_classes or lists[1]:
        return "multiclass"
    if schema.query is not None:
        return "ranking"
    if schema.horizon is not None:
        return "forecasting"
    if isinstance(schema.score, dict) and len(schema.score) > 2:
        return "multiclass"
    if schema.score is not None:
        return "binary"
    named = [column for column in (schema.target, schema.prediction) if column is not None]
    filled = [column for column in named if table[column].null_count < len(table)]  # labels may all come later
    column = (filled or named)[0]
    distinct = _distinct(table, column)
    kind = table.schema.field(column).type
    whole = all(_is_whole(label) for label in distinct)
    if (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)) and not (
        whole and len(distinct) <= FEW
    ):
        return "regression"
    return "binary" if len(distinct) <= 2 else "multiclass"


def _has_many(table: pa.Table, schema: Schema, said: bool) -> bool:
    """Whether the classes cannot be listed: predicted as lists, or more texts than are kept apart where the task is said."""
    if schema.many_classes or isinstance(schema.score, dict):
        return schema.many_classes
    columns = [table[c] for c in (schema.target, schema.prediction) if c is not None]
    if any(pa.types.is_nested(column.type) for column in columns):
        return True
    return said and any(
        (_is_text(c.type) or pa.types.is_dictionary(c.type)) and pc.count_distinct(c).as_py() > MOST_CLASSES
        for c in columns
    )


def _infer_classes(table: pa.Table, schema: Schema, guessed: list[str]) -> None:
    for column in (schema.target, schema.prediction):
        if column is not None and schema.kinds.get(column) != "boolean":
            schema.kinds = schema.kinds | {column: "categorical"}
    if not schema.classes:
        seen = _distinct(table, schema.target) + _distinct(table, schema.prediction)
        if "boolean" in {schema.kinds.get(c) for c in (schema.target, schema.prediction) if c} and {
            "true",
            "false",
        } & set(seen):
            seen = [c for c in seen if c not in {"0", "1"}]  # booleans on one side, their names as text on the other
        seen += list(schema.score) if isinstance(schema.score, dict) else []
        if schema.positive is not None:
            schema.positive = label_text(schema.positive)
            if schema.task == "binary" and len(set(seen)) == 2 and schema.positive not in seen:
                raise InvalidSchema(_no_class(schema, sorted(set(seen), key=_label_order)))
            seen.append(schema.positive)
        schema.classes = sorted(set(seen), key=_label_order)
        guessed.append("classes")
    if len(schema.classes) > MOST_CLASSES:
        raise InvalidSchema(
            f"The target {schema.target!r} has more than {MOST_CLASSES} classes in its first rows. If it is a number, "
            "say task='regression'; else say many_classes=True, or list the classes that matter in classes=[...]."
        )
    schema.classes = [label_text(c) for c in schema.classes]
    if schema.task == "binary":
        _infer_positive(schema, guessed)


def _infer_labels(table: pa.Table, schema: Schema, guessed: list[str]) -> None:
    if not schema.classes:
        seen = set(schema.score) if isinstance(schema.score, dict) else set()
        for column in (schema.target, schema.prediction):
            if column is not None and len(table):
                seen |= _members(table[column])
        schema.classes = sorted(seen, key=_label_order)
        guessed.append("classes")
    if len(schema.classes) > MOST_CLASSES:
        raise InvalidSchema(
            f"The target {schema.target!r} has more than {MOST_CLASSES} labels in its first rows: list the labels that "
            "matter in classes=[...]."
        )
    schema.classes = [label_text(c) for c in schema.classes]


def _members(column: pa.ChunkedArray) -> set[str]:
    """Return every label in the sets of a column."""
    if pa.types.is_nested(column.type):
        column = pc.list_flatten(column)
        return {label_text(value) for value in pc.unique(column).drop_null().to_pylist()}
    return {name for value in pc.unique(column).drop_null().to_pylist() for name in split_labels(value)}


def _no_class(schema: Schema, classes: list[str]) -> str:
    return (
        f"{schema.positive!r} is no class of {schema.target or schema.prediction}; it has {', '.join(classes)}. "
        "Say positive=... as it stands there."
    )


def _infer_positive(schema: Schema, guessed: list[str]) -> None:
    if len(schema.classes) > 2:
        raise InvalidSchema(
            f"A binary task has two classes, but {schema.target or schema.prediction!r} has {len(schema.classes)}: "
            f"{', '.join(schema.classes[:10])}. Say task='multiclass', or list the two in classes=[...]."
        )
    if schema.positive is None:
        lower = {c.casefold(): c for c in schema.classes}
        named = [lower[p] for p in _POSITIVE if p in lower]
        schema.positive = named[0] if named else schema.classes[-1] if len(schema.classes) == 2 else "1"
        guessed.append("positive")
    schema.positive = label_text(schema.positive)
    if schema.positive not in schema.classes and len(schema.classes) == 2:
        raise InvalidSchema(
            f"The positive class {schema.positive!r} is not among the classes: {', '.join(schema.classes)}. "
            "Say positive=... as it stands in the target."
        )
    if schema.positive not in schema.classes:
        schema.classes = [*schema.classes, schema.positive]
    if len(schema.classes) == 1:
        schema.classes = ["0" if schema.positive == "1" else f"not {schema.positive}", schema.positive]


def _infer_origins(table: pa.Table, schema: Schema) -> None:
    """Sum squares about a number near the mean where they would otherwise cancel."""
    origins = dict(schema.origins)
    for name, kind in schema.kinds.items():
        column = table[name]
        if (
            kind != "numeric"
            or name in origins
            or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type))
        ):
            continue
        values = column.drop_null().to_numpy().astype(np.float64)
        values = values[np.isfinite(values)]
        if len(values) == 0:
            continue
        with np.errstate(over="ignore"):
            middle, spread = float(np.median(values)), float(np.ptp(values))
        if abs(middle) > 1000 * spread and abs(middle) < 1e100:
            origins[name] = middle
    schema.origins = origins


def _infer_naive_scale(table: pa.Table, schema: Schema, guessed: list[str]) -> None:
    """Take the mean absolute step of the target, where the rows of the first horizon are one series in time.

    References
    ----------
    Hyndman and Koehler, International Journal of Forecasting 22 (2006), 679-688: the scale of their MASE.
    """
    if schema.task != "forecasting" or schema.naive_scale is not None or not (schema.target and schema.timestamp):
        return
    rows = table.select(list(dict.fromkeys(filter(None, [schema.timestamp, schema.target, schema.horizon]))))
    if schema.horizon is not None and len(rows):
        first = _distinct(rows, schema.horizon)[:1]
        texts = [label_text(v) for v in rows[schema.horizon].to_pylist()]
        rows = rows.filter(pa.array([text in first for text in texts]))
    if not (pa.types.is_integer(rows[schema.target].type) or pa.types.is_floating(rows[schema.target].type)):
        return
    rows = rows.drop_null().sort_by(schema.timestamp)
    steps = np.abs(np.diff(rows[schema.target].to_numpy().astype(np.float64)))
    one_series = pc.count_distinct(rows[schema.timestamp]).as_py() == len(rows)
    if one_series and len(steps) and np.isfinite(steps).all() and steps.any():
        schema.naive_scale = float(steps.mean())
        guessed.append("naive_scale")
