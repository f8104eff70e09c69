"""What the server is told of versions: their schemas, their references, and which one serves."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, cast

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.pipeline.values import Target
from watchkeeper.server.answering import answered
from watchkeeper.server.body import BYTES, media_type, read_words, received
from watchkeeper.server.documents import ServingBody, ServingVersion, VersionBody
from watchkeeper.server.encoding import json_answer, to_json
from watchkeeper.server.openapi import WITH_BODY, Said, anything, binary, json_of
from watchkeeper.server.queries import OfModel, OfVersion
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of


async def register_version(request: Request, where: Annotated[OfVersion, fastapi.Query()]) -> Response:
    """Register a version: its schema, its model's clock, facts of its training, as far as they are known."""
    services, target = services_of(request), where.target(key_of(request))
    body = cast(VersionBody, await read_words(request, VersionBody))
    call = functools.partial(services.pipeline.register, target, body.schema_, body.clock, body.facts)
    return await _told(request, "version.register", target, call)


async def set_reference(request: Request, where: Annotated[OfVersion, fastapi.Query()]) -> Response:
    """Give a version its reference: a profile of held-out or out-of-fold predictions."""
    services, target = services_of(request), where.target(key_of(request))
    media_type(request, (BYTES,))
    async with received(request, services.settings.most_body_bytes) as body:
        call = functools.partial(services.pipeline.set_reference, target, body)
        return await _told(request, "reference.set", target, call)


async def get_serving(request: Request, where: Annotated[OfModel, fastapi.Query()]) -> Response:
    """Ask which version serves; null where nobody said."""
    services, target = services_of(request), where.target(key_of(request))
    version = await services.limits.control.run(functools.partial(services.pipeline.serving, target))
    return json_answer(to_json({"version": version}))


async def set_serving(request: Request, where: Annotated[OfModel, fastapi.Query()]) -> Response:
    """Say which version serves."""
    services, target = services_of(request), where.target(key_of(request))
    body = cast(ServingBody, await read_words(request, ServingBody))

    def call() -> dict[str, Any]:
        services.pipeline.set_serving(target, body.version)
        return {"version": body.version}

    return await _told(request, "serving.set", dataclasses.replace(target, version=body.version), call)


async def _told(request: Request, what: str, target: Target, call: Callable[[], Any]) -> Response:
    """Do what was asked, and note in the audit log who asked it."""
    services, key = services_of(request), key_of(request)

    def noted() -> Any:
        answer = call()
        detail = {"environment": target.environment, "version": target.version}
        services.pipeline.note_audit(key.project, key.name, what, target.model, detail)
        return answer

    return await answered(services.limits.control, noted)


ROUTES = (
    Route(
        "PUT",
        "/api/v1/versions",
        register_version,
        Said(anything(), (*WITH_BODY, 404, 409, 503), json_of(VersionBody)),
    ),
    Route("PUT", "/api/v1/reference", set_reference, Said(anything(), (*WITH_BODY, 404, 409, 503), binary())),
    Route("GET", "/api/v1/serving", get_serving, Said(json_of(ServingVersion), (404,))),
    Route(
        "PUT",
        "/api/v1/serving",
        set_serving,
        Said(json_of(ServingVersion), (*WITH_BODY, 404, 409, 503), json_of(ServingBody)),
    ),
)
