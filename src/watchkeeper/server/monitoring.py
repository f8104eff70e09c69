"""Monitors over HTTP: kept as the text that somebody wrote; checked, planned and replayed before they are applied."""

from __future__ import annotations

import functools
from typing import Annotated, Any, cast

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.pipeline.values import Target
from watchkeeper.server.answering import answered
from watchkeeper.server.body import read_words
from watchkeeper.server.loop_documents import AppliedMonitors, MonitorsBody
from watchkeeper.server.openapi import WITH_BODY, Said, anything, json_of, listed
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import Nothing, OfFile, OfModel, Verdicts
from watchkeeper.server.route import Route
from watchkeeper.server.services import Services, key_of, services_of


async def get_monitors(request: Request, where: Annotated[OfModel, fastapi.Query()]) -> Response:
    """Get the monitors of a model, as they were applied last."""
    services, target = services_of(request), where.target(key_of(request))

    def call() -> dict[str, Any]:
        found = services.pipeline.monitors(target)
        if found is None:
            raise Problem(
                404, f"{target.model[:100]!r} has no monitors yet; GET /api/v1/monitors/suggestion suggests some."
            )
        return found

    return await answered(services.limits.reading, call)


async def apply_monitors(request: Request, where: Annotated[OfFile, fastapi.Query()]) -> Response:
    """Have a model monitored as a file says, from the next window on."""
    services, key = services_of(request), key_of(request)
    text = await _text(request)

    def call() -> dict[str, Any]:
        return services.pipeline.apply_monitors(_meant(services, where, key.project, text), text, key.name)

    return await answered(services.limits.control, call)


async def suggest_monitors(request: Request, where: Annotated[OfModel, fastapi.Query()]) -> Response:
    """Get a file of monitors that fits a model, with a reason for each."""
    services, target = services_of(request), where.target(key_of(request))
    return await answered(services.limits.reading, lambda: {"text": services.pipeline.suggest_monitors(target)})


async def check_monitors(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """Check a file of monitors; nothing is kept."""
    del where
    services, text = services_of(request), await _text(request)
    return await answered(services.limits.reading, functools.partial(services.pipeline.check_monitors, text))


async def plan_monitors(request: Request, where: Annotated[OfFile, fastapi.Query()]) -> Response:
    """Ask what a file of monitors would change; nothing is kept."""
    services, project, text = services_of(request), key_of(request).project, await _text(request)

    def call() -> dict[str, Any]:
        return services.pipeline.plan_monitors(_meant(services, where, project, text), text)

    return await answered(services.limits.reading, call)


async def replay_monitors(request: Request, where: Annotated[OfFile, fastapi.Query()]) -> Response:
    """Ask what a file of monitors would have said over the stored history; nothing is kept. One at a time."""
    services, project, text = services_of(request), key_of(request).project, await _text(request)

    def call() -> dict[str, Any]:
        return services.pipeline.replay_monitors(_meant(services, where, project, text), text)

    services.limits.one_replay.claim()
    try:
        return await answered(services.limits.slow, call)
    finally:
        services.limits.one_replay.release()


async def list_verdicts(request: Request, where: Annotated[Verdicts, fastapi.Query()]) -> Response:
    """List the verdicts on a model's sealed windows, with their findings."""
    services, target = services_of(request), where.target(key_of(request))

    def call() -> dict[str, Any]:
        return {"verdicts": services.pipeline.verdicts(target, where.every, where.start, where.end)}

    return await answered(services.limits.reading, call)


async def _text(request: Request) -> str:
    return cast(MonitorsBody, await read_words(request, MonitorsBody)).text


def _meant(services: Services, where: OfFile, project: str, text: str) -> Target:
    """Return the model that a file is for: the one that was said, else the one that it names."""
    told = services.pipeline.check_monitors(text)
    environment = where.environment or str(told.get("environment") or "production")
    return Target(project, where.model or str(told["model"]), environment)


_FILE = json_of(MonitorsBody)
ROUTES = (
    Route("GET", "/api/v1/monitors", get_monitors, Said(json_of(AppliedMonitors), (404,))),
    Route(
        "PUT",
        "/api/v1/monitors",
        apply_monitors,
        Said(json_of(AppliedMonitors), (*WITH_BODY, 404, 409, 503), _FILE),
    ),
    Route("GET", "/api/v1/monitors/suggestion", suggest_monitors, Said(json_of(MonitorsBody), (404,))),
    Route("POST", "/api/v1/monitors/check", check_monitors, Said(anything(), WITH_BODY, _FILE)),
    Route("POST", "/api/v1/monitors/plan", plan_monitors, Said(anything(), (*WITH_BODY, 404, 409), _FILE)),
    Route("POST", "/api/v1/monitors/replay", replay_monitors, Said(anything(), (*WITH_BODY, 404, 409), _FILE)),
    Route("GET", "/api/v1/verdicts", list_verdicts, Said(listed("verdicts"), (404,))),
)
