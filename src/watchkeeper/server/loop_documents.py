"""What goes in and out as JSON about monitors, incidents, silences, actions, the audit log, and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from watchkeeper.server.queries import Moment, Name, Title

_FILE = "model: late-flights\nwindow: {every: 1d}\nmonitors:\n  - {metric: roc_auc, segments: [origin]}\n"
Secret = Annotated[str, StringConstraints(max_length=200)]


class MonitorsBody(BaseModel):
    """A file of monitors, as it was written."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": _FILE}]})
    text: str = Field(min_length=1, max_length=500_000, description="YAML.")


class NoteBody(BaseModel):
    """What somebody says of an incident while they change it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "The weather feed is back."}]})
    note: str = Field("", max_length=2000)


class SilenceBody(BaseModel):
    """What is to be silent, until when, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"model": "late-flights", "until": "2026-06-01T08:00:00Z", "reason": "The feed is moved."}]
        },
    )
    model: Name
    environment: Name = "production"
    monitor: Name | None = Field(None, description="This monitor only; every one unless said.")
    until: Moment
    reason: Title = Field(description="Why, for whoever finds it.")


class ApprovalBody(BaseModel):
    """What an approval is bound to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"evidence": "9f2c41d07a3be855"}]})
    evidence: str = Field(
        max_length=256, description="'evidence' of the action that was looked at: with another it is refused."
    )


class SessionBody(BaseModel):
    """What begins a session: the token of a login link, or a key."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": ["token"]}, {"required": ["key"]}],
            "examples": [{"token": "wko_..."}, {"key": "wk_..."}],
        },
    )
    token: Secret | SkipJsonSchema[None] = Field(None, description="The token of a login link, good once.")
    key: Secret | SkipJsonSchema[None] = Field(None, description="A key, instead.")

    @model_validator(mode="after")
    def _one(self) -> SessionBody:
        if (self.token is None) == (self.key is None):
            raise ValueError("either the token of a login link or a key is needed, not both")
        return self


class SessionShown(BaseModel):
    """Who asks: the name, role and project of the key; and until when, where it is by a session."""

    name: str
    role: Literal["ingest", "viewer", "admin"]
    project: str
    expires: datetime | None


class LoginLink(BaseModel):
    """Where to begin a session, once."""

    path: str = Field(description="Goes behind the server's address: /login#TOKEN.")
    expires: datetime


class AppliedMonitors(BaseModel):
    """The monitors of a model."""

    model_config = ConfigDict(extra="allow")
    revision: int
    text: str
    document: dict[str, Any]
    author: str
    created: str | None


class Incident(BaseModel):
    """Something is wrong with a model, for one cause."""

    model_config = ConfigDict(extra="allow")
    id: int
    project: str
    environment: str
    model: str
    cause: str
    state: Literal["open", "acknowledged", "resolved"]
    severity: Literal["warning", "critical"]
    title: str


class Action(BaseModel):
    """Something that is done about an incident, under a guard."""

    model_config = ConfigDict(extra="allow")
    id: str
    name: str
    state: str


class AuditRecord(BaseModel):
    """Who did what, and when."""

    model_config = ConfigDict(extra="allow")
    seq: int
    at: str
    actor: str
    what: str
    target: str


class AuditCheck(BaseModel):
    """Whether the audit log is as it was written."""

    intact: bool
    first_broken: int | None
