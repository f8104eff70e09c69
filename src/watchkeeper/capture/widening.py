"""One schema for the files of a source: which type their columns share, and how a batch is brought to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from watchkeeper.errors import InputError

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that stands for ``kind`` in a source: no views, no run-end encoding, 32-bit dictionary codes.

    Polars hands out string views and unsigned codes, pandas 8-bit codes; few Arrow kernels know them all.
    """
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), plain_type(kind.value_type))
    if pa.types.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain_type(field.type)) for field in kind])
    if str(kind).startswith("run_end_encoded"):
        return plain_type(kind.value_type)
    return {"string_view": pa.large_string(), "binary_view": pa.large_binary()}.get(str(kind), kind)


def plain_schema(schema: pa.Schema, name: str) -> pa.Schema:
    """Return ``schema`` with plain types, without metadata and without the nameless index that pandas leaves behind.

    Raises
    ------
    InputError
        A column name occurs twice, so a name would not say which column is meant.
    """
    fields = [pa.field(f.name, plain_type(f.type)) for f in schema if not _PANDAS_INDEX.fullmatch(f.name)]
    check_unique([field.name for field in fields], name)
    return pa.schema(fields)


def check_unique(columns: Sequence[str], name: str) -> None:
    """Raise :class:`InputError` when a column name occurs twice."""
    if len(set(columns)) < len(columns):
        seen: set[str] = set()
        twice = next(c for c in columns if c in seen or seen.add(c))  # type: ignore[func-returns-value]
        raise InputError(
            f"{name} has more than one column named {twice!r}. Rename one: columns are told apart by name."
        )


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the narrowest type that holds the values of both, or None where only text would.

    Null takes the other's type; integers widen to longer ones and to floats; dates to timestamps; timestamps to the
    finer unit, and to UTC where zones differ; a dictionary and plain values become plain values.
    """
    if one == other:
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if pa.types.is_dictionary(one) and pa.types.is_dictionary(other):
        values = wider(one.value_type, other.value_type)
        return None if values is None else pa.dictionary(pa.int32(), values)
    one, other = _undecorated(one, other), _undecorated(other, one)
    try:
        pair = [pa.schema([("", one)]), pa.schema([("", other)])]
        found: pa.DataType = pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None
    # Text is no bytes: a column that is both was written by two programs that disagree.
    return found if pa.types.is_binary(one) == pa.types.is_binary(other) else None


def _undecorated(kind: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return ``kind`` without what ``pa.unify_schemas`` refuses to bridge although the values do agree."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_date(kind) and pa.types.is_timestamp(other):
        return pa.timestamp(other.unit, other.tz)
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(other) and kind.tz and other.tz and kind.tz != other.tz:
        return pa.timestamp(kind.unit, "UTC")
    return kind


def shared_schema(schemas: Iterable[tuple[str, pa.Schema]], *, text: bool = False) -> pa.Schema:
    """Return the schema that all named ``schemas`` can be brought to; columns in order of first appearance.

    Parameters
    ----------
    text
        Whether columns whose types do not agree become strings. Right for CSV, where every value was text before its
        type was guessed.

    Raises
    ------
    InputError
        A column has types that no safe widening bridges; names the column, both types and both files.
    """
    kinds: dict[str, pa.DataType] = {}
    origin: dict[str, str] = {}
    for name, schema in schemas:
        for field in schema:
            known = kinds.get(field.name, pa.null())
            found = wider(known, field.type) or (pa.string() if text else None)
            if found is None:
                raise InputError(
                    f"Column {field.name!r} is {known} in {origin[field.name]} but {field.type} in {name}. "
                    "Files of one source must agree on types; convert one of them, or read them apart."
                )
            kinds[field.name] = found
            origin.setdefault(field.name, name)
    return pa.schema(list(kinds.items()))


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with exactly the columns and types of ``schema``; a missing column is null throughout.

    Costs nothing for columns that have their type already. Raises ``pa.ArrowException`` for a value that does not fit.
    """
    if batch.schema.equals(schema):
        return batch
    # Looking a name up in a schema is linear in its columns; ten thousand of them would cost seconds a batch.
    position = {name: i for i, name in enumerate(batch.schema.names)}
    rows = batch.num_rows
    arrays = [
        _converted(batch.column(position[field.name]), field.type)
        if field.name in position
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _converted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if str(array.type).startswith("run_end_encoded"):
        import pyarrow.compute as pc

        return _converted(pc.run_end_decode(array), kind)
    # An integer of more than 53 bits is rounded rather than refused: a neighbouring file has fractions in that column.
    return array.cast(kind, safe=not (pa.types.is_integer(array.type) and pa.types.is_floating(kind)))
