"""The audit log over HTTP: read, and checked to be as it was written. Nothing changes it."""

from __future__ import annotations

from typing import Annotated, Any

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server.answering import answered
from watchkeeper.server.loop_documents import AuditCheck, AuditRecord
from watchkeeper.server.openapi import Said, json_of, listed
from watchkeeper.server.queries import AuditQuery, Nothing
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of


async def list_audit(request: Request, where: Annotated[AuditQuery, fastapi.Query()]) -> Response:
    """List who did what in the project, latest first."""
    services, project = services_of(request), key_of(request).project

    def call() -> dict[str, Any]:
        return {"audit": services.pipeline.audit(project, where.limit, where.before)}

    return await answered(services.limits.reading, call)


async def check_audit(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """Check that no record of the audit log, of whatever project, was changed or is missing."""
    del where
    services = services_of(request)

    def call() -> dict[str, Any]:
        broken = services.pipeline.audit_intact()
        return {"intact": broken is None, "first_broken": broken}

    return await answered(services.limits.slow, call)


ROUTES = (
    Route("GET", "/api/v1/audit", list_audit, Said(listed("audit", AuditRecord))),
    Route("GET", "/api/v1/audit/check", check_audit, Said(json_of(AuditCheck))),
)
