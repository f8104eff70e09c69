"""What the server counts of itself, in the text format of Prometheus (0.0.4); the number of series is bounded."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends, in seconds, of the buckets of acknowledgement times."""
MOST_MODELS = 100
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Counts:
    """Requests by route and status, and how long acknowledgements took. Lives in the event loop: no locks."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def note_request(self, method: str, path: str, status: int) -> None:
        """Count a request; ``path`` is a route's, or ``other``."""
        self._requests[method if method in _METHODS else "other", path, status] += 1

    def note_acknowledgement(self, seconds: float) -> None:
        """Count a batch that was acknowledged."""
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def lines(self) -> Iterator[str]:
        """Yield the lines of everything counted here."""
        yield from _head("watchkeeper_http_requests_total", "counter", "Requests answered.")
        for (method, path, status), value in sorted(self._requests.items()):
            yield f"watchkeeper_http_requests_total{_labels(method=method, path=path, status=str(status))} {value}"
        name = "watchkeeper_acknowledgement_seconds"
        yield from _head(name, "histogram", "Seconds from the arrival of a batch to its acknowledgement.")
        below = 0
        for end, value in zip((*BUCKETS, math.inf), self._buckets, strict=True):
            below += value
            yield f"{name}_bucket{_labels(le='+Inf' if end == math.inf else repr(end))} {below}"
        yield f"{name}_sum {self._seconds!r}"
        yield f"{name}_count {below}"


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a pipeline's status: numbers and yes or no; a name that ends in ``_total`` is a counter."""
    for key, value in sorted(status.items()):
        if isinstance(value, bool | int | float):
            name = f"watchkeeper_{_name(key)}"
            yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
            yield f"{name} {_number(value)}"


def model_lines(models: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield rows, labels, pending and quarantined rows of each model, of a hundred models at most."""
    held = [model for _, model in zip(range(MOST_MODELS), models, strict=False)]
    for key in ("rows", "labels", "pending", "quarantined"):
        found = [(model, model[key]) for model in held if isinstance(model.get(key), int | float)]
        if found:
            yield f"# TYPE watchkeeper_model_{key} gauge"
        for model, value in found:
            labels = _labels(model=str(model.get("model", "")), environment=str(model.get("environment", "")))
            yield f"watchkeeper_model_{key}{labels} {_number(value)}"


def _head(name: str, kind: str, said: str) -> Iterator[str]:
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} {kind}"


def _labels(**values: str) -> str:
    shown = (f'{name}="{_escaped(value)}"' for name, value in values.items())
    return "{" + ",".join(shown) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _name(key: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in key)


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    return repr(int(value)) if isinstance(value, bool | int) else repr(value)
