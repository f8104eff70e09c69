"""What may stand behind the question mark; a name that is not known is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Header, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from watchkeeper.pipeline.keys import Key
from watchkeeper.pipeline.values import Every, Target

_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern="^[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"),
]
Stage = Literal["serving", "shadow", "canary"]


def read_moment(text: object) -> datetime:
    """Return the UTC moment that ISO 8601 text with an offset names; clipped to the years 1 to 9999."""
    if isinstance(text, datetime):
        return text
    shown = re.sub(r" (?=\d\d:\d\d$)", "+", str(text).strip().upper())  # a plus that was not encoded
    shown = re.sub(r"(:\d\d):60", r"\1:59", shown)  # a leap second
    try:
        read = datetime.fromisoformat(shown)
    except ValueError:
        raise ValueError("must be a time such as 2026-05-31T08:15:00Z") from None
    if read.tzinfo is None:
        raise ValueError("needs an offset, such as 2026-05-31T08:15:00Z")
    try:
        return read.astimezone(UTC)
    except OverflowError:
        return _FIRST if read.year == 1 else _LAST


Moment = Annotated[datetime, BeforeValidator(read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
BatchId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern="^[!-~]+$",
        description="Names the batch: sent twice it counts once. The server mints one where it is absent.",
    ),
]


LastEvent = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=64,
        description="The id of the last event that was seen: what came since is told first.",
    ),
]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="Its number.")]


class Asked(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Asked):
    """No parameters at all."""


class Revoking(Asked):
    """Says whether a key is refused even if nobody could make another."""

    force: bool = Field(False, description="Revoke the last admin key too.")


class OfModel(Asked):
    """Names a model in an environment."""

    model: Name = Field(description="The model's name.")
    environment: Name = Field("production", description="The environment in which it runs.")

    def target(self, key: Key) -> Target:
        """Return what is meant, in the project of the key that asks."""
        version, stage = getattr(self, "version", None), getattr(self, "stage", "serving")
        return Target(key.project, self.model, self.environment, version or "", stage)


class OfVersion(OfModel):
    """Names a version of a model."""

    version: Name = Field(description="The version's name.")


class OfStage(OfVersion):
    """Names a version of a model where it serves, or runs beside the one that does."""

    stage: Stage = Field("serving", description="Whether its predictions are served, or only compared.")


class Logged(OfStage):
    """Names the version that made predictions; a client that was told of none leaves it out."""

    version: Name = Field("unversioned", description="The version's name.")


class Quarantine(OfModel):
    """Which refused rows."""

    limit: int = Field(100, ge=1, le=1000, description="The most rows to be told.")


class Between(OfStage):
    """A version's rows from ``start`` up to, not including, ``end``."""

    start: Moment | None = Field(None, description="The first moment, with its offset.")
    end: Moment | None = Field(None, description="The moment after the last.")


class OfColumn(Between):
    """One column of them."""

    column: Name = Field(description="The column's name.")


class Windows(Between):
    """A version's windows."""

    every: Every = Field("day", description="How long each lasts.")


class Measurements(OfModel):
    """Which measurements; what is not said means all."""

    version: Name | None = Field(None, description="Of this version only.")
    stage: Stage = Field("serving", description="Of predictions that were served, or only compared.")
    every: Every | None = Field(None, description="Of windows that last so long.")
    metric: list[Name] = Field(default_factory=list, max_length=100, description="Of these metrics; repeatable.")
    segment: Name | None = Field(None, description="Of this segment.")
    column: Name | None = Field(None, description="Of this column.")
    source: Name | None = Field(None, description="realised, estimated or prediction-powered.")
    start: Moment | None = Field(None, description="Of windows from here on.")
    end: Moment | None = Field(None, description="Of windows before this.")
    revisions: Literal["latest", "sealed", "all"] = Field(
        "latest", description="What is known now, what was known when the window was sealed, or every revision."
    )
    sequence: bool = Field(False, description="With sequence_low and sequence_high, which hold at every look at once.")


class OfFile(Asked):
    """Which model a file of monitors is for."""

    model: Name | None = Field(None, description="The model's name; the one that the file names unless said.")
    environment: Name | None = Field(None, description="Where it runs; where the file says unless said.")


class Verdicts(OfModel):
    """Which verdicts."""

    version: Name | None = Field(None, description="Of this version only.")
    stage: Stage = Field("serving", description="Of predictions that were served, or only compared.")
    every: Every = Field("day", description="Of windows that last so long.")
    start: Moment | None = Field(None, description="Of windows from here on.")
    end: Moment | None = Field(None, description="Of windows before this.")


class IncidentQuery(Asked):
    """Which incidents; what is not said means all."""

    model: Name | None = Field(None, description="Of this model only.")
    environment: Name | None = Field(None, description="In this environment only.")
    state: Literal["open", "acknowledged", "resolved"] | None = Field(None, description="In this state only.")
    limit: int = Field(100, ge=1, le=1000, description="The most to be told, latest first.")


ActionState = Literal[
    "proposed", "awaiting approval", "running", "comparing", "promoted", "kept", "done", "failed", "unknown", "refused",
    "stopped", "expired", "dry run",
]  # fmt: skip


class ActionQuery(Asked):
    """Which actions; what is not said means all."""

    state: ActionState | None = Field(None, description="In this state only.")


class AuditQuery(Asked):
    """Which records."""

    limit: int = Field(200, ge=1, le=1000, description="The most to be told, latest first.")
    before: int | None = Field(None, ge=1, le=2**63 - 1, description="Those before the record of this number.")
