"""Series as columns of numbers over shared windows: six figures, and null for what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from watchkeeper.metrics.names import CLASSIFICATION, DRIFT, QUALITY, REGRESSION, Metric
from watchkeeper.pipeline.measure import NUMBERS
from watchkeeper.pipeline.overview import Series, Span

_SERVICE = (
    Metric("latency_p50", "Latency, median", "quality", "lower", "s"),
    Metric("latency_p95", "Latency, 95 %", "quality", "lower", "s"),
    Metric("latency_p99", "Latency, 99 %", "quality", "lower", "s"),
    Metric("latency_mean", "Latency, mean", "quality", "lower", "s"),
    Metric("latency_max", "Latency, greatest", "quality", "lower", "s"),
    Metric("failure_rate", "Failed calls", "quality", "lower", "share"),
    Metric("throughput", "Traffic", "quality", None, "rows/s"),
    Metric("cpu_seconds", "Processor time", "quality", "lower", "s"),
    Metric("rss_bytes", "Memory", "quality", "lower", "bytes"),
    Metric("rss_bytes_max", "Memory, greatest", "quality", "lower", "bytes"),
)
SERVICE = {metric.name: metric for metric in _SERVICE}
PERFORMANCE = {name: metric for name, (metric, _) in {**CLASSIFICATION, **REGRESSION}.items()}
KNOWN: dict[str, Metric] = PERFORMANCE | {n: m for n, (m, _) in QUALITY.items()} | DRIFT | SERVICE
_READABLE = {"s": (1e3, "ms"), "bytes": (2.0**-20, "MiB"), "B": (2.0**-20, "MiB")}
"""Units in which a service is measured, and those in which people read it."""
_PLACE = {name: place for place, name in enumerate(NUMBERS)}


def rounded(value: float | int | None) -> float | int | None:
    """Return a number in six figures, which is more than a screen shows."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def windows(spans: Sequence[Span], versions: dict[int, str]) -> dict[str, Any]:
    """Return windows as columns; times in seconds since 1970, versions as places in the list beside them."""
    places = {number: place for place, number in enumerate(versions)}
    return {
        "start": [s.start // 1_000_000 for s in spans], "end": [s.stop // 1_000_000 for s in spans],
        "rows": [s.rows for s in spans], "labelled": [s.labelled for s in spans],
        "sealed": [int(s.sealed) for s in spans], "version": [places[s.version] for s in spans],
        "served": [int(s.served) for s in spans],
        "versions": list(versions.values()),
    }  # fmt: skip


def column(series: Sequence[Series], spans: Sequence[Span], number: str) -> list[Any]:
    """Return one number of a metric by window; where versions overlap, that of the version that is drawn."""
    place, by_version = _PLACE[number], {s.version_id: s for s in series}
    found = []
    for span in spans:
        one = by_version.get(span.version)
        point = one.points.get(span.start) if one is not None else None
        found.append(rounded(point[place]) if point is not None else None)
    return found


def line(series: Sequence[Series], spans: Sequence[Span], *, sealed: bool = False) -> dict[str, list[Any]] | None:
    """Return value, interval and n by window; None where nothing is known."""
    made = {name: column(series, spans, name) for name in ("value", "low", "high", "n")}
    if not any(value is not None for value in made["value"]):
        return None
    if sealed:
        by_version = {s.version_id: s for s in series}
        made["sealed"] = [
            rounded(by_version[s.version].sealed.get(s.start)) if s.version in by_version else None for s in spans
        ]
    return made


def references(series: Sequence[Series], spans: Sequence[Span], version: int | None = None) -> dict[str, Any]:
    """Return what windows were held against: of the last one, and of each where they differ.

    With a version it is its last one that counts: an incident of an older version is not about the newest reference.
    """
    found = column(series, spans, "reference")
    known = [v for v in found if v is not None]
    own = [v for v, span in zip(found, spans, strict=True) if v is not None and span.version == version]
    return {"reference": (own or known or [None])[-1], "references": found if len(set(known)) > 1 else None}


def metric_lines(series: Iterable[Series], spans: Sequence[Span], version: int | None = None) -> list[dict[str, Any]]:
    """Return a metric each, realised and estimated side by side, in the order in which the metrics are known.

    ``version`` is the number of the one whose reference is meant, see :func:`references`.
    """
    by_metric: dict[str, list[Series]] = {}
    for one in series:
        by_metric.setdefault(one.metric, []).append(one)
    order = {name: place for place, name in enumerate(KNOWN)}
    names = sorted(by_metric, key=lambda n: (order.get(n, 999), n))
    return [_metric(name, by_metric[name], spans, version) for name in names]


def readable(lines: dict[str, Any]) -> dict[str, Any]:
    """Return a metric of a service in the unit in which people read it."""
    times, unit = _READABLE.get(lines["unit"] or "", (1.0, lines["unit"]))
    if times == 1.0:
        return lines

    def scaled(numbers: dict[str, list[Any]] | None) -> dict[str, list[Any]] | None:
        if numbers is None:
            return None
        return {
            name: values if name == "n" else [None if v is None else rounded(v * times) for v in values]
            for name, values in numbers.items()
        }

    before = scaled({"reference": [lines["reference"]], "references": lines["references"] or []}) or {}
    return lines | {
        "unit": unit, "realised": scaled(lines["realised"]), "estimated": scaled(lines["estimated"]),
        "reference": before["reference"][0], "references": before["references"] or None,
    }  # fmt: skip


def _metric(name: str, series: list[Series], spans: Sequence[Span], version: int | None) -> dict[str, Any]:
    realised = [s for s in series if s.source == "realised"]
    estimated = [s for s in series if s.source == "estimated"]
    powered = [s for s in series if s.source == "prediction-powered"]
    return words_of(name, series[0].unit) | references(realised or estimated, spans, version) | {
        "realised": line(realised, spans, sealed=True), "estimated": line(estimated, spans),
        "powered": line(powered, spans),
    }  # fmt: skip


def words_of(name: str, unit: str | None) -> dict[str, Any]:
    """Return what people need to read a metric."""
    known = KNOWN.get(name)
    return {
        "metric": name, "title": known.title if known else name.replace("_", " "),
        "unit": unit or (known.unit if known else None), "better": known.better if known else None,
        "floor": known.floor if known and not known.relative else None,
    }  # fmt: skip
