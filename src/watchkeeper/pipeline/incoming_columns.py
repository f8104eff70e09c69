"""Rows of a JSON body read column by column, which takes a fifth of the time that row by row takes.

Only bodies in which nothing is odd are read so: every row has the same keys and the same features, in the same order,
and no value needs a second look. For any other body the answer is None, and the rows are read one by one, as
:mod:`watchkeeper.pipeline.incoming` does; both ways give the same batch, which a law of the tests holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from watchkeeper.pipeline.values import LONGEST_ID, LONGEST_NAME, MOST_COLUMNS

_NUMBERS = frozenset({int, float})
_SCALARS = frozenset({bool, int, float, str})
_PLAIN = _SCALARS | {type(None)}
_KEYS = frozenset({"id", "timestamp", "features", "prediction", "score", "latency"})
_LONG = 2**63


def predictions_by_column(
    found: list[Any], taken: frozenset[str], moment: Callable[[Any], int], mint: Callable[[int], str]
) -> dict[str, pa.Array] | None:
    """Return the columns of a body's predictions; None where a row has to be looked at by itself.

    Parameters
    ----------
    found
        The rows, as JSON gave them.
    taken
        Names that a feature cannot have.
    moment
        Reads one timestamp, None where there is none, in microseconds since 1970, or raises ValueError.
    mint
        Makes an id for a moment, where the rows have none.
    """
    if not found or set(map(type, found)) != {dict}:
        return None
    keys = set(map(frozenset, found))
    if len(keys) != 1 or not (names := keys.pop()) <= _KEYS or not names & {"prediction", "score"}:
        return None
    try:
        columns = _roles(found, names, moment, mint)
        features = _table([row["features"] for row in found], taken) if "features" in names else {}
        return None if features is None or columns is None else columns | features
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None


def _roles(
    found: list[dict[str, Any]], names: frozenset[str], moment: Callable[[Any], int], mint: Callable[[int], str]
) -> dict[str, pa.Array] | None:
    times = [moment(row.get("timestamp")) for row in found]
    ids = [row["id"] for row in found] if "id" in names else list(map(mint, times))
    if set(map(type, ids)) != {str} or not all(map(_short, ids)):
        return None
    columns = {"@id": pa.array(ids, pa.string()), "@time": pa.array(times, pa.timestamp("us", "UTC"))}
    if "prediction" in names:
        values = [row["prediction"] for row in found]
        kinds = set(map(type, values))
        if len(kinds) != 1 or not kinds <= _SCALARS or (float in kinds and any(map(math.isnan, values))):
            return None
        columns["@prediction"] = _whole(values, kinds)
    scores = _scores([row["score"] for row in found]) if "score" in names else {}
    latency = _scores([row["latency"] for row in found], "@latency") if "latency" in names else {}
    return None if scores is None or latency is None else columns | scores | latency


def _scores(values: list[Any], name: str = "@score") -> dict[str, pa.Array] | None:
    kinds = set(map(type, values))
    if kinds <= _NUMBERS:
        return {name: pa.array(list(map(float, values)))}
    if kinds != {dict} or name != "@score":
        return None
    layouts = set(map(tuple, values))
    if len(layouts) != 1:
        return None
    columns = list(zip(*map(dict.values, values), strict=True))
    if not columns or any(not set(map(type, column)) <= _NUMBERS for column in columns):
        return None
    names = [f"@score:{label}" for label in layouts.pop()]
    "".join(names).encode()
    return {n: pa.array(list(map(float, c))) for n, c in zip(names, columns, strict=True)}


def _table(rows: list[Any], taken: frozenset[str]) -> dict[str, pa.Array] | None:
    """Return features as columns; None where rows differ in their names, or a value is of no plain kind."""
    if set(map(type, rows)) != {dict}:
        return None
    layouts = set(map(tuple, rows))
    if len(layouts) != 1:
        return None
    names = layouts.pop()
    if len(names) > MOST_COLUMNS - 16 or not all(_usable(name, taken) for name in names):
        return None
    columns = list(zip(*map(dict.values, rows), strict=True))
    arrays = {}
    for name, column in zip(names, columns, strict=True):
        kinds = set(map(type, column))
        if not kinds <= _PLAIN:
            return None
        arrays[name] = _whole(column, kinds)
    return arrays


def _whole(values: Sequence[Any], kinds: set[type]) -> pa.Array:
    """Return values as an array; raises ValueError, or what Arrow raises, where one does not fit."""
    if int in kinds and any(type(v) is int and not -_LONG <= v < _LONG for v in values):
        raise OverflowError
    return pa.array(values)


def _usable(name: str, taken: frozenset[str]) -> bool:
    name.encode()
    return 0 < len(name) <= LONGEST_NAME and name[0] != "@" and name not in taken


def _short(name: str) -> bool:
    return 0 < len(name) <= LONGEST_ID
