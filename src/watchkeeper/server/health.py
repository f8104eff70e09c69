"""How the server is: alive, ready, and in numbers; and its description."""

from __future__ import annotations

import functools
from itertools import chain
from typing import Annotated

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server import counts
from watchkeeper.server.encoding import json_answer, to_json
from watchkeeper.server.openapi import Said, anything
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import Nothing
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of

_READY_AGAIN = "2"


async def get_health() -> Response:
    """Say that the server is alive."""
    return json_answer(b'{"alive":true}')


async def get_readiness(request: Request) -> Response:
    """Say whether the server is ready to take rows."""
    services = services_of(request)
    if not (await services.limits.control.run(services.pipeline.status)).get("ready"):
        raise Problem(503, "The store takes no rows just now.", {"Retry-After": _READY_AGAIN}, "not-ready")
    return json_answer(b'{"ready":true}')


async def get_metrics(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """Get counters and gauges for Prometheus."""
    del where
    services, project = services_of(request), key_of(request).project
    status = await services.limits.control.run(services.pipeline.status)
    models = await services.limits.reading.run(functools.partial(services.pipeline.models, project))
    lines = chain(services.counts.lines(), counts.status_lines(status), counts.model_lines(models))
    return Response("\n".join(lines) + "\n", media_type=counts.MEDIA_TYPE)


async def get_description(request: Request) -> Response:
    """Get the OpenAPI description."""
    return json_answer(to_json(request.app.openapi()))


_TEXT = {"text/plain": {"schema": {"type": "string"}}}
ROUTES = (
    Route("GET", "/healthz", get_health, Said(anything())),
    Route("GET", "/readyz", get_readiness, Said(anything(), (429, 503))),
    Route("GET", "/metrics", get_metrics, Said(_TEXT)),
    Route("GET", "/api/v1/openapi.json", get_description, None),
)
