"""Channels and actions over HTTP: where notifications go, and what is done about incidents."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, cast

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server.answering import answered
from watchkeeper.server.body import read_words
from watchkeeper.server.loop_documents import Action, ApprovalBody
from watchkeeper.server.openapi import WITH_BODY, Said, anything, json_of, listed
from watchkeeper.server.queries import ActionQuery, Name, Nothing
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of

Unasked = Annotated[Nothing, fastapi.Query()]


async def list_channels(request: Request, where: Unasked) -> Response:
    """List the channels that the operator's file names, and how they do; ``operator_problem`` says what is wrong with it."""
    del where
    pipeline, project = services_of(request).pipeline, key_of(request).project

    def call() -> dict[str, Any]:
        return {"channels": pipeline.channels(project), "operator_problem": pipeline.operator_problem()}

    return await answered(services_of(request).limits.reading, call)


async def test_channel(request: Request, name: Name, where: Unasked) -> Response:
    """Send a test by a channel, now, and say what became of it."""
    del where
    services, key = services_of(request), key_of(request)
    call = functools.partial(services.pipeline.test_channel, key.project, name, key.name)
    return await answered(services.limits.slow, call)


async def list_actions(request: Request, where: Annotated[ActionQuery, fastapi.Query()]) -> Response:
    """List actions, latest first."""
    services, project = services_of(request), key_of(request).project
    return await answered(services.limits.reading, lambda: {"actions": services.pipeline.actions(project, where.state)})


async def get_action(request: Request, id: Name, where: Unasked) -> Response:  # noqa: A002
    """Get an action: its state, the evidence that it rests on, its result and its log."""
    del where
    services, project = services_of(request), key_of(request).project
    return await answered(services.limits.reading, functools.partial(services.pipeline.action, project, id))


async def approve_action(request: Request, id: Name, where: Unasked) -> Response:  # noqa: A002
    """Let an action that awaits approval be done. Bound to the evidence that was looked at, and good once."""
    del where
    body = cast(ApprovalBody, await read_words(request, ApprovalBody))
    approve = services_of(request).pipeline.approve_action
    return await _changed(request, id, lambda project, named, actor: approve(project, named, actor, body.evidence))


async def refuse_action(request: Request, id: Name, where: Unasked) -> Response:  # noqa: A002
    """Have an action that awaits approval not be done."""
    del where
    return await _changed(request, id, services_of(request).pipeline.refuse_action)


async def stop_action(request: Request, id: Name, where: Unasked) -> Response:  # noqa: A002
    """Stop an action that is being done."""
    del where
    return await _changed(request, id, services_of(request).pipeline.stop_action)


async def halt_actions(request: Request, where: Unasked) -> Response:
    """Halt the actions of the whole server: none is begun until they are resumed. For admins of the project default."""
    del where
    return await _switched(request, on=True)


async def resume_actions(request: Request, where: Unasked) -> Response:
    """Resume the actions of the whole server. For admins of the project default."""
    del where
    return await _switched(request, on=False)


async def _changed(request: Request, id: str, change: Callable[[str, str, str], object]) -> Response:  # noqa: A002
    """Change an action and return what has become of it."""
    services, key = services_of(request), key_of(request)

    def call() -> dict[str, Any]:
        change(key.project, id, key.name)
        return services.pipeline.action(key.project, id)

    return await answered(services.limits.control, call)


async def _switched(request: Request, *, on: bool) -> Response:
    services, key = services_of(request), key_of(request)

    def call() -> dict[str, Any]:
        services.pipeline.halt_actions(key.name, on)
        return {"halted": on}

    return await answered(services.limits.control, call)


_CHANGED = Said(json_of(Action), (404, 409, 503))
_APPROVED = Said(json_of(Action), (*WITH_BODY, 404, 409, 503), json_of(ApprovalBody))
ROUTES = (
    Route("GET", "/api/v1/channels", list_channels, Said(listed("channels"))),
    Route("POST", "/api/v1/channels/{name}/test", test_channel, Said(anything(), (404, 502, 503))),
    Route("GET", "/api/v1/actions", list_actions, Said(listed("actions", Action))),
    Route("POST", "/api/v1/actions/halt", halt_actions, Said(anything(), (503,))),
    Route("POST", "/api/v1/actions/resume", resume_actions, Said(anything(), (503,))),
    Route("GET", "/api/v1/actions/{id}", get_action, Said(json_of(Action), (404, 409))),
    Route("POST", "/api/v1/actions/{id}/approve", approve_action, _APPROVED),
    Route("POST", "/api/v1/actions/{id}/refuse", refuse_action, _CHANGED),
    Route("POST", "/api/v1/actions/{id}/stop", stop_action, _CHANGED),
)
