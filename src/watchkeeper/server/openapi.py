"""The machine-readable description: which statuses a route answers with, what goes in, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from watchkeeper.server import documents, loop_documents, problems
from watchkeeper.server.body import ARROW, BYTES, JSON
from watchkeeper.server.policy import POLICY, PUBLIC

_REFERENCE = "#/components/schemas/{model}"
_BODIES = (
    documents.PredictionRow, documents.LabelRow, documents.VersionBody, documents.ServingBody, documents.KeyBody,
    loop_documents.MonitorsBody, loop_documents.NoteBody, loop_documents.SilenceBody, loop_documents.ApprovalBody,
    loop_documents.SessionBody,
)  # fmt: skip
_ANSWERS = (
    documents.BatchReceipt, documents.ServingVersion, documents.KeyShown, documents.NewKey,
    loop_documents.AppliedMonitors, loop_documents.Incident, loop_documents.Action, loop_documents.AuditRecord,
    loop_documents.AuditCheck, loop_documents.SessionShown, loop_documents.LoginLink,
)  # fmt: skip
_BINARY = {"type": "string", "format": "binary"}
_WHY = {
    400: "The body is not what it claims to be.",
    401: "There is no key, or one that is not known.",
    403: "The key's role, the Host or the Origin is not allowed.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    409: "It contradicts what is there.",
    413: "The body is too large.",
    415: "The Content-Type or Content-Encoding is not taken.",
    422: "A parameter or what the body says cannot be used.",
    429: "Too much at once; come back after Retry-After seconds.",
    502: "A channel could not deliver.",
    500: "The server made an error, and has it in its log.",
    503: "The store cannot be written or is not ready; come back after Retry-After seconds.",
}
ALWAYS = (401, 403, 422, 429, 500)
"""Statuses that any route with a key may answer with."""
WITH_BODY = (400, 408, 413, 415)


@dataclass(frozen=True, slots=True)
class Said:
    """What the description says of a route: its answer, the problems beyond :data:`ALWAYS`, and its body."""

    answer: dict[str, Any]
    problems: tuple[int, ...] = ()
    body: dict[str, Any] | None = None
    status: int = 200
    headers: dict[str, str] | None = None
    body_needed: bool = True

    def responses(self, *, public: bool) -> dict[int | str, dict[str, Any]]:
        """Return it as FastAPI wants it."""
        statuses = (*((403, 500) if public else ALWAYS), *self.problems)
        found: dict[int | str, dict[str, Any]] = {status: _problem(status) for status in sorted(statuses)}
        found[self.status] = {"description": "As asked.", **({"content": self.answer} if self.answer else {})}
        if self.headers:
            shown = {name: {"description": why, "schema": {"type": "string"}} for name, why in self.headers.items()}
            found[self.status]["headers"] = shown
        return found

    def extra(self) -> dict[str, Any]:
        """Return what FastAPI does not know of by itself."""
        return {"requestBody": {"required": self.body_needed, "content": self.body}} if self.body is not None else {}


def json_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of JSON that a model describes."""
    return {JSON: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def listed(name: str, model: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the description of ``{"name": [object, ...]}``."""
    items = {"$ref": _REFERENCE.format(model=model.__name__)} if model else {"type": "object"}
    properties = {name: {"type": "array", "items": items}}
    return {JSON: {"schema": {"type": "object", "required": [name], "properties": properties}}}


def rows_of(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a body of rows; rows of any other form are taken too, and refused one by one."""
    items = {"anyOf": [{"$ref": _REFERENCE.format(model=model.__name__)}, {}]}
    rows = {"type": "array", "maxItems": 100_000, "items": items}
    schema = {"type": "object", "required": [kind], "properties": {kind: rows}, "additionalProperties": False}
    return {JSON: {"schema": schema}, ARROW: {"schema": _BINARY}}


def binary(media_type: str = BYTES) -> dict[str, Any]:
    """Return the description of bytes."""
    return {media_type: {"schema": _BINARY}}


def anything() -> dict[str, Any]:
    """Return the description of any JSON object."""
    return {JSON: {"schema": {"type": "object"}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of an application."""
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for mode, models in (("validation", _BODIES), ("serialization", (*_ANSWERS, documents.ProblemDocument))):
        for model in models:
            schema = model.model_json_schema(ref_template=_REFERENCE, mode=mode)  # type: ignore[arg-type]
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key: wk_... Browsers have a session instead (POST /api/v1/session), whose cookie, with the "
            "header X-Watchkeeper: page on what changes anything, is as good as the key.",
        }
    }
    made["security"] = [{"key": []}]
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            if POLICY[method.upper(), path] == PUBLIC:
                operation["security"] = []
    return made


def _problem(status: int) -> dict[str, Any]:
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="ProblemDocument")}}}
    said: dict[str, Any] = {"description": _WHY[status], "content": content}
    if status in {429, 503}:
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}, "required": True}
        said["headers"] = {"Retry-After": seconds}
    return said
