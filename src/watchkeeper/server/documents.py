"""What goes in and out as JSON. Bodies of rows are described here for people and tools; the pipeline reads them itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from watchkeeper.server.queries import Moment, Name, Title

Scalar = bool | int | float | str | None
FactName = Annotated[str, Field(min_length=1, max_length=200)]
Fact = bool | int | float | Annotated[str, Field(max_length=1000)] | None


class PredictionRow(BaseModel):
    """A prediction. A row that cannot be used is refused alone, and says why in the answer."""

    model_config = ConfigDict(extra="forbid")
    id: str | None = Field(None, min_length=1, max_length=256, description="Minted where absent.")
    timestamp: str | float | None = Field(None, description="ISO 8601 with an offset, or a number since 1970.")
    features: dict[str, Scalar | list[float]] = Field(default_factory=dict)
    prediction: Scalar = Field(None, description="The predicted class or number.")
    score: float | dict[str, float] | None = Field(None, description="The positive class's, or by class.")
    latency: float | None = Field(None, description="Seconds.")
    segments: dict[str, str | None] = Field(default_factory=dict)
    error: str | None = Field(None, description="The error's name, where the call of the model failed.")


class LabelRow(BaseModel):
    """A label."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(min_length=1, max_length=256, description="That of the prediction.")
    label: bool | int | float | str
    timestamp: str | float | None = Field(None, description="When it became known; now where absent.")
    prediction_time: str | float | None = None


class RefusedRow(BaseModel):
    """A row that was refused."""

    row: int = Field(ge=0, description="Its place in the batch, from 0.")
    reason: str


class BatchReceipt(BaseModel):
    """What became of a batch that is on disk."""

    batch: str
    rows: int = Field(ge=0)
    accepted: int = Field(ge=0)
    rejected: int = Field(ge=0)
    quarantined: list[RefusedRow] = Field(max_length=100)
    ids: list[str] | None = Field(None, description="Only where the server minted some.")


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class VersionBody(BaseModel):
    """What is said of a version."""

    model_config = ConfigDict(extra="forbid")
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="Roles and kinds of columns.")
    clock: Literal["wall", "event"] | None = Field(None, description="By which clock its model's time goes.")
    facts: dict[FactName, Fact] | None = Field(
        None,
        max_length=200,
        description="What is known of its training, such as metrics; kept beside those told before.",
    )


class ServingBody(BaseModel):
    """Which version serves."""

    model_config = ConfigDict(extra="forbid")
    version: Name


class ServingVersion(BaseModel):
    """Which version serves; null where nobody said."""

    version: str | None


class KeyBody(BaseModel):
    """The key that is wanted."""

    model_config = ConfigDict(extra="forbid")
    name: Title = Field(description="What it is for.")
    role: Literal["ingest", "viewer", "admin"]
    expires: Moment | None = Field(None, description="From when on it is refused.")


class KeyShown(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    role: str
    project: str
    prefix: str
    created: datetime
    last_used: datetime | None
    expires: datetime | None
    revoked: datetime | None


class NewKey(BaseModel):
    """A key with its secret, which nobody is shown again."""

    secret: str
    key: KeyShown
