"""Why a question about measurements found nothing: a name that does not exist, rows that wait, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchkeeper.client.connection import Connection

_KEPT = ("version", "stage", "environment")


def check_metrics(asked: Iterable[str]) -> None:
    """Raise for a metric that does not exist, with the nearest that does."""
    if not asked:
        return
    from watchkeeper.detection.watched import METRICS
    from watchkeeper.errors import UnknownKey
    from watchkeeper.metrics.names import metric_names

    known = list(dict.fromkeys([*metric_names(), *METRICS]))
    for name in asked:
        if name not in known:
            raise UnknownKey(name, known, "--metric")


def nothing(connection: Connection, model: str, asked: dict[str, Any]) -> str:
    """Return why nothing was found; raises for a segment or a column that nothing was measured of.

    Raises
    ------
    UnknownModel
        With the segments or columns that there are.
    """
    from watchkeeper.errors import UnknownModel

    table = connection.measurements(model, **{name: asked[name] for name in _KEPT if name in asked})
    if not table.num_rows:
        return f"Nothing was measured yet{_pending(connection, model, asked['environment'])}."
    for name in ("segment", "column"):
        there = [value for value in table[name].unique().to_pylist() if value is not None]
        if name in asked and asked[name] not in there:
            raise UnknownModel(name, asked[name], there)
    there = sorted(table["metric"].unique().to_pylist())
    missing = [name for name in asked.get("metric", ()) if name not in there]
    if missing:
        return f"{', '.join(missing)} was not measured of {model}; there is: {', '.join(there)}."
    return f"Nothing was measured that is all of this{_pending(connection, model, asked['environment'])}."


def _pending(connection: Connection, model: str, environment: str) -> str:
    found = [m for m in connection.models() if (m["model"], m["environment"]) == (model, environment)]
    count = sum(m["pending"] for m in found)
    return f"; {count:,} rows are still being counted" if count else ""
