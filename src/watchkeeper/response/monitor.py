"""One monitor: a metric, over columns or segments, with a detector and the part it plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from watchkeeper.detection.series import Detector
from watchkeeper.detection.verdict import FEWEST
from watchkeeper.detection.watched import OF_COLUMNS, PERFORMANCE, Cause, Role, cause_of, default_role
from watchkeeper.metrics.names import Metric
from watchkeeper.response.detect import Detect, metric_of
from watchkeeper.response.document import Place

Source = Literal["realised", "estimated"]
NoData = Literal["keep", "ok", "warning", "critical"]
_KEYS = ("name", "metric", "columns", "segments", "source", "detect", "role", "least_rows", "no_data")


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is checked at each seal.

    Attributes
    ----------
    name
        By default the metric, with ``_estimated`` where it is.
    columns
        For drift and quality: ``"all"``, or their names; None for other metrics.
    segments
        Columns for each of whose values the metric is checked too, beside all rows.
    source
        With labels (realised) or without (estimated).
    detect
        The detector, and how long its verdicts must last.
    role
        ``incident``, or ``evidence`` that explains but opens none.
    least_rows
        Below so many rows there is not enough data.
    no_data
        The verdict where a window has no rows: ``keep`` says that there is not enough data.
    """

    name: str
    metric: Metric
    columns: Literal["all"] | tuple[str, ...] | None
    segments: tuple[str, ...]
    source: Source
    detect: Detect
    role: Role
    least_rows: int
    no_data: NoData = "keep"

    @property
    def detector(self) -> Detector:
        """What judges."""
        return self.detect.detector

    @property
    def m_of_n(self) -> tuple[int, int]:
        """So many of the last so many windows make an alarm."""
        return self.detect.persistence.m, self.detect.persistence.n

    @property
    def refractory(self) -> int:
        """For so many microseconds after its last window an alarm stands."""
        return self.detect.persistence.refractory

    @property
    def cause(self) -> Cause:
        """What its alarms point to."""
        return cause_of(self.metric.name)

    @classmethod
    def read(cls, place: Place) -> Self:
        """Read one entry of ``monitors``.

        Raises
        ------
        InvalidMonitors
            It has no metric, an unknown key or name, or columns or segments that its metric does not have.
        """
        values = place.keys(_KEYS)
        if "metric" not in values:
            raise place.refusal("needs a metric, such as {metric: roc_auc}.")
        metric = metric_of(values["metric"])
        source = _source(values, metric)
        default = metric.name if source == "realised" else f"{metric.name}_{source}"
        role = values["role"].choice(get_args(Role)) if "role" in values else default_role(metric.name)
        least = 0 if metric.name == "throughput" else FEWEST
        made: dict[str, Any] = {"no_data": values["no_data"].choice(get_args(NoData))} if "no_data" in values else {}
        return cls(
            name=values["name"].text(100) if "name" in values else default,
            metric=metric,
            columns=_columns(values, metric),
            segments=_segments(values, metric),
            source=source,
            detect=Detect.read(values.get("detect", Place(None, f"{place.where}.detect")), metric),
            role=role,  # type: ignore[arg-type]  # one of the choices
            least_rows=values["least_rows"].whole(0, 10**9) if "least_rows" in values else least,
            **made,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`read` takes back, with every default written out."""
        made: dict[str, Any] = {"name": self.name, "metric": self.metric.name}
        if self.columns is not None:
            made["columns"] = "all" if self.columns == "all" else list(self.columns)
        if self.segments:
            made["segments"] = list(self.segments)
        if self.metric.name in PERFORMANCE:
            made["source"] = self.source
        made |= {"detect": self.detect.to_dict(), "role": self.role}
        return made | {"least_rows": self.least_rows, "no_data": self.no_data}


def _source(values: dict[str, Place], metric: Metric) -> Source:
    source = values["source"].choice(get_args(Source)) if "source" in values else "realised"
    if source == "estimated" and metric.name not in PERFORMANCE:
        raise values["source"].refusal(f"{metric.name} needs no labels, so nothing is estimated; leave source out.")
    return "estimated" if source == "estimated" else "realised"


def _columns(values: dict[str, Place], metric: Metric) -> Literal["all"] | tuple[str, ...] | None:
    if metric.name not in OF_COLUMNS:
        if "columns" in values:
            raise values["columns"].refusal(
                f"{metric.name} is not of columns; it may have segments if it needs a label."
            )
        return None
    if "columns" not in values or values["columns"].value == "all":
        return "all"
    return values["columns"].texts() or _nothing(values["columns"])


def _segments(values: dict[str, Place], metric: Metric) -> tuple[str, ...]:
    if "segments" not in values:
        return ()
    if metric.name not in PERFORMANCE:
        raise values["segments"].refusal(f"{metric.name} is not measured by segment; performance is.")
    return values["segments"].names()


def _nothing(place: Place) -> tuple[str, ...]:
    raise place.refusal("names no column; write 'all', or leave it out.")
