"""What the pipeline is asked and what it answers, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Kind = Literal["predictions", "labels"]
Every = Literal["hour", "day", "week", "month"]
Clock = Literal["wall", "event"]
EVERY: tuple[Every, ...] = ("hour", "day", "week", "month")
STAGES = ("serving", "shadow", "canary")
MOST_ROWS = 100_000
MOST_COLUMNS = 4_096
LONGEST_ID = 256
LONGEST_NAME = 256
MOST_LISTED = 100
"""So many refused rows are listed in a receipt; all are kept."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which model's rows are meant. ``version`` is empty where all versions are (labels, listings)."""

    project: str
    model: str
    environment: str = "production"
    version: str = ""
    stage: str = "serving"


@dataclass(frozen=True, slots=True)
class Place:
    """A window of a version and stage, half-open in microseconds."""

    version_id: int
    stage: str
    every: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was refused: its place in the batch, from 0, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. ``replayed``: it had been stored before, and nothing was added."""

    batch: str
    rows: int
    accepted: int
    rejected: int = 0
    quarantined: tuple[Refusal, ...] = ()
    ids: tuple[str, ...] | None = None
    replayed: bool = field(default=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return what a client is told: ``ids`` only where the server minted them."""
        told = asdict(self)
        told["quarantined"] = [asdict(refusal) for refusal in self.quarantined]
        del told["replayed"]
        return told if self.ids is not None else {k: v for k, v in told.items() if k != "ids"}


@dataclass(frozen=True, slots=True)
class MeasurementQuery:
    """Which measurements are asked for; None means all. An empty ``segment`` or ``column`` means those of no segment or column.

    ``revisions``: ``latest`` (what is known now), ``sealed`` (what was known when the window was sealed), ``all``. With
    ``sequence`` there are limits too that hold at every look at once.
    """

    target: Target
    every: Every | None = None
    metrics: tuple[str, ...] = ()
    segment: str | None = None
    column: str | None = None
    source: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    revisions: Literal["latest", "sealed", "all"] = "latest"
    sequence: bool = False
