"""Nested columns made flat: structs as a column for each field, lists by their length."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

LENGTH = "length"


def is_nested(schema: pa.Schema) -> bool:
    """Whether there is a column that :func:`flattened` changes."""
    return any(pa.types.is_struct(kind) or _is_list(kind) for kind in schema.types)


def flat_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of what :func:`flattened` makes of batches with this one."""
    return flattened(pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)).schema


def flattened(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with struct fields as columns of their own (``address.city``), and with the lengths of lists beside them.

    A field of a struct that is null is null. A list stays as it is, for those who know what is in it, and gets a column
    ``tags.length``: its number of items, null where it is null. It is a float, so that no length is taken for a category.
    Lists of a fixed size have no such column. A name that is there already keeps its column, and the nested one of that name
    is left out.

    Examples
    --------
    >>> batch = pa.RecordBatch.from_pylist([{"a": {"b": 1, "c": {"d": "x"}}, "t": [1, 2]}, {"a": None, "t": None}])
    >>> flattened(batch).schema.names
    ['a.b', 'a.c.d', 't', 't.length']
    >>> flattened(batch).column("t.length").to_pylist()
    [2.0, None]
    """
    plain = {
        name for name, kind in zip(batch.schema.names, batch.schema.types, strict=True) if not pa.types.is_struct(kind)
    }
    made: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for full, part in _parts(name, column):
            if full == name or (full not in plain and full not in made):
                made[full] = part
    return pa.RecordBatch.from_arrays(list(made.values()), names=list(made))


def origin(name: str, schema: pa.Schema) -> str:
    """Return the column of ``schema`` from which :func:`flattened` makes the one called ``name``."""
    if name in schema.names and not pa.types.is_struct(schema.field(name).type):
        return name
    parts = name.split(".")
    heads = [".".join(parts[:k]) for k in range(len(parts), 0, -1)]
    return next((head for head in heads if head in schema.names), name)


def _parts(name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if pa.types.is_struct(column.type):
        for field, part in zip(column.type, column.flatten(), strict=True):
            yield from _parts(f"{name}.{field.name}", part)
        return
    yield name, column
    if _is_list(column.type):
        lengths = column.cast(pa.list_(column.type.item_type)) if pa.types.is_map(column.type) else column
        yield f"{name}.{LENGTH}", pc.list_value_length(lengths).cast(pa.float64())


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
