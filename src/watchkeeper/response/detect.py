"""The ``detect`` of a monitor: which detector, with which numbers, and how long it must last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from watchkeeper.detection.budget import length_of
from watchkeeper.detection.calibrated import Calibrated
from watchkeeper.detection.persistence import Persistence
from watchkeeper.detection.risk import Risk
from watchkeeper.detection.robust import RobustZScore
from watchkeeper.detection.series import Detector
from watchkeeper.detection.threshold import Bound, Threshold
from watchkeeper.detection.watched import METRICS, PERFORMANCE
from watchkeeper.detection.zscore import FEWEST_WINDOWS, WINDOWS, ZScore
from watchkeeper.metrics.names import DRIFT, Metric
from watchkeeper.response.document import Place, unknown

_LASTING = ("m_of_n", "refractory")


@dataclass(frozen=True, slots=True)
class Detect:
    """A detector of one metric, and how long its verdicts must last."""

    detector: Detector
    persistence: Persistence = field(default_factory=Persistence)

    @classmethod
    def read(cls, place: Place, metric: Metric) -> Self:
        """Read ``calibrated``, ``{risk: {tolerance: 0.02}}`` or ``{threshold: {...}, m_of_n: [2, 3], refractory: 2d}``.

        Without any: ``risk`` for performance, ``calibrated`` for drift and quality, ``robust_zscore`` for the rest.
        """
        if place.value is None:
            return cls(_READERS[_default(metric)](Place({}, place.where), metric))
        if isinstance(place.value, str):
            return cls(_reader(place.value, place)(Place({}, place.where), metric))
        values = place.mapping()
        named = [name for name in values if name not in _LASTING]
        if len(named) != 1:
            raise place.refusal(f"needs exactly one detector of {', '.join(_READERS)}, but has {len(named)}.")
        inner = values[named[0]]
        inner = inner if inner.value is not None else Place({}, inner.where)
        return cls(_reader(named[0], place)(inner, metric), _persistence(values))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`read` takes back."""
        lasting, made = self.persistence, _written(self.detector)
        if (lasting.m, lasting.n) != (1, 1):
            made["m_of_n"] = [lasting.m, lasting.n]
        if lasting.refractory:
            made["refractory"] = f"{lasting.refractory // 1_000_000}s"
        return made


def _default(metric: Metric) -> str:
    if metric.name in PERFORMANCE and metric.floor is not None:
        return "risk"
    return "calibrated" if metric.family in {"quality", "drift"} and metric.floor is not None else "robust_zscore"


def _reader(name: str, place: Place) -> Callable[[Place, Metric], Detector]:
    if name not in _READERS:
        raise place.refusal(unknown("the detector", name, (*_READERS, *_LASTING)))
    return _READERS[name]


def _persistence(values: dict[str, Place]) -> Persistence:
    m, n, refractory = 1, 1, 0
    if "m_of_n" in values:
        place = values["m_of_n"]
        pair = [entry.whole(1, 100) for entry in place.items()]
        if len(pair) != 2 or pair[0] > pair[1]:
            raise place.refusal("should be two numbers such as [2, 3], the first not above the second.")
        m, n = pair
    if "refractory" in values:
        refractory = length_of(values["refractory"].text(), values["refractory"].where) // 1_000_000 * 1_000_000
    return Persistence(m, n, refractory)


def _threshold(place: Place, metric: Metric) -> Threshold:
    values = place.keys(("warning", "critical", "clear"))
    bounds = {name: Bound.parse(inner.text(), metric.unit, inner.where) for name, inner in values.items()}
    alarms = [bounds[name] for name in ("warning", "critical") if name in bounds]
    if not alarms:
        raise place.refusal("needs a bound for warning or critical, such as {warning: '> 100ms', critical: '> 250ms'}.")
    if len({bound.upward for bound in alarms}) > 1:
        raise place.refusal("has warning and critical on different sides.")
    if "clear" in bounds and bounds["clear"].upward is alarms[0].upward:
        raise place.refusal(f"clear must point the other way, such as '{'<' if alarms[0].upward else '>'} ...'.")
    return Threshold(metric, **bounds)


def _zscore(place: Place, metric: Metric) -> ZScore:
    return ZScore(metric, *_unusual(place))


def _robust(place: Place, metric: Metric) -> RobustZScore:
    return RobustZScore(metric, *_unusual(place))


def _unusual(place: Place) -> tuple[int, float | None]:
    values = place.keys(("windows", "z"))
    windows = values["windows"].whole(FEWEST_WINDOWS, 1000) if "windows" in values else WINDOWS
    return windows, values["z"].number(1.0, 100.0) if "z" in values else None


def _calibrated(place: Place, metric: Metric) -> Calibrated:
    values = place.keys(("floor",))
    if metric.floor is None and metric.name not in DRIFT:
        raise place.refusal(f"{metric.name} comes without a p-value; take risk, threshold or robust_zscore.")
    if metric.floor is None and "floor" not in values:
        raise place.refusal(f"{metric.name} has no smallest change that matters; give one, such as {{floor: 0.1}}.")
    return Calibrated(metric, values["floor"].number(0.0, 1e12) if "floor" in values else None)


def _risk(place: Place, metric: Metric) -> Risk:
    values = place.keys(("tolerance", "relative"))
    if metric.better is None or metric.name in DRIFT:
        raise place.refusal(
            f"{metric.name} has no value in the reference to be worse than; take calibrated or robust_zscore."
        )
    if "tolerance" not in values:
        if metric.floor is None or "relative" in values:
            raise place.refusal(f"needs a tolerance for {metric.name}, such as {{tolerance: 0.05}}.")
        return Risk(metric, metric.floor, metric.relative)
    return Risk(metric, values["tolerance"].number(0.0, 1e12), "relative" in values and values["relative"].flag())


_READERS: dict[str, Callable[[Place, Metric], Detector]] = {
    "risk": _risk, "calibrated": _calibrated, "threshold": _threshold, "zscore": _zscore, "robust_zscore": _robust,
}  # fmt: skip


def _written(detector: Detector) -> dict[str, Any]:
    if isinstance(detector, Threshold):
        bounds = {"warning": detector.warning, "critical": detector.critical, "clear": detector.clear}
        return {"threshold": {name: bound.text for name, bound in bounds.items() if bound is not None}}
    if isinstance(detector, ZScore | RobustZScore):
        name = "zscore" if isinstance(detector, ZScore) else "robust_zscore"
        return {name: {"windows": detector.windows} | ({"z": detector.z} if detector.z is not None else {})}
    if isinstance(detector, Risk):
        return {"risk": {"tolerance": detector.tolerance, "relative": detector.relative}}
    assert isinstance(detector, Calibrated)
    return {"calibrated": {"floor": detector.floor} if detector.floor is not None else {}}


def metric_of(place: Place) -> Metric:
    """Return the metric that a place names."""
    name = place.text()
    if name not in METRICS:
        raise place.refusal(unknown("the metric", name, tuple(METRICS)))
    return METRICS[name]
