"""Incidents and silences over HTTP."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, cast

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server.answering import answered, done
from watchkeeper.server.body import read_words
from watchkeeper.server.loop_documents import Incident, NoteBody, SilenceBody
from watchkeeper.server.openapi import WITH_BODY, Said, anything, json_of, listed
from watchkeeper.server.queries import IncidentQuery, Nothing, Number
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of


async def list_incidents(request: Request, where: Annotated[IncidentQuery, fastapi.Query()]) -> Response:
    """List incidents, latest first, with evidence and timeline."""
    services, project = services_of(request), key_of(request).project
    call = functools.partial(services.pipeline.incidents, project, **where.model_dump())
    return await answered(services.limits.reading, lambda: {"incidents": call()})


async def get_incident(request: Request, id: Number, where: Annotated[Nothing, fastapi.Query()]) -> Response:  # noqa: A002
    """Get an incident: its evidence, the columns that explain it, its timeline, notifications and actions."""
    del where
    services, project = services_of(request), key_of(request).project
    return await answered(services.limits.reading, functools.partial(services.pipeline.incident, project, id))


async def acknowledge_incident(
    request: Request,
    id: Number,  # noqa: A002
    where: Annotated[Nothing, fastapi.Query()],
) -> Response:
    """Say that somebody looks after an incident; reminders end."""
    del where
    return await _changed(request, id, services_of(request).pipeline.acknowledge)


async def resolve_incident(request: Request, id: Number, where: Annotated[Nothing, fastapi.Query()]) -> Response:  # noqa: A002
    """Say that an incident is over."""
    del where
    return await _changed(request, id, services_of(request).pipeline.resolve)


async def list_silences(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """List the silences of the project."""
    del where
    services, project = services_of(request), key_of(request).project
    return await answered(services.limits.reading, lambda: {"silences": services.pipeline.silences(project)})


async def silence(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """Send nothing about a model, or one of its monitors, until a time. Incidents are opened all the same."""
    del where
    services, key = services_of(request), key_of(request)
    body = cast(SilenceBody, await read_words(request, SilenceBody))
    call = functools.partial(services.pipeline.silence, key.project, actor=key.name, **body.model_dump())
    return await answered(services.limits.control, call, 201)


async def end_silence(request: Request, id: Number, where: Annotated[Nothing, fastapi.Query()]) -> Response:  # noqa: A002
    """End a silence before its time."""
    del where
    services, key = services_of(request), key_of(request)
    return await done(services.limits.control, lambda: services.pipeline.unsilence(key.project, id, key.name))


async def _changed(request: Request, id: int, change: Callable[[str, int, str, str], object]) -> Response:  # noqa: A002
    """Change an incident and return what has become of it."""
    services, key = services_of(request), key_of(request)
    body = cast(NoteBody, await read_words(request, NoteBody, optional=True))

    def call() -> dict[str, Any]:
        change(key.project, id, key.name, body.note)
        return services.pipeline.incident(key.project, id)

    return await answered(services.limits.control, call)


_CHANGED = Said(json_of(Incident), (*WITH_BODY, 404, 409, 503), json_of(NoteBody), body_needed=False)
ROUTES = (
    Route("GET", "/api/v1/incidents", list_incidents, Said(listed("incidents", Incident))),
    Route("GET", "/api/v1/incidents/{id}", get_incident, Said(json_of(Incident), (404,))),
    Route("POST", "/api/v1/incidents/{id}/acknowledge", acknowledge_incident, _CHANGED),
    Route("POST", "/api/v1/incidents/{id}/resolve", resolve_incident, _CHANGED),
    Route("GET", "/api/v1/silences", list_silences, Said(listed("silences"))),
    Route(
        "POST",
        "/api/v1/silences",
        silence,
        Said(anything(), (*WITH_BODY, 404, 409, 503), json_of(SilenceBody), status=201),
    ),
    Route("DELETE", "/api/v1/silences/{id}", end_silence, Said({}, (404, 409, 503), status=204)),
)
