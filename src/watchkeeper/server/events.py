"""Server-sent events: what changed, so that a page knows what to fetch again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Annotated

import anyio
import fastapi
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from watchkeeper.pipeline.changes import Change
from watchkeeper.server.callers import caller_of
from watchkeeper.server.openapi import Said
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import LastEvent, Nothing
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of

MEDIA_TYPE = "text/event-stream"
_AGAIN = 2000  # milliseconds after which a browser comes back
_PATIENCE = 20.0  # seconds that a browser may take to read what was sent


async def follow_events(
    request: Request, where: Annotated[Nothing, fastapi.Query()], last: LastEvent = None
) -> Response:
    """Follow what changes in the project, as server-sent events.

    An event ``change`` says what to fetch again (``what``, ``model``, ``environment``), ``reset`` to fetch everything.
    The stream ends with the session or key, and when the server ends; a browser comes back by itself with Last-Event-ID.
    """
    del where
    return EventStream(request, last)


class EventStream(Response):
    """An answer that goes on until one of both leaves."""

    media_type = MEDIA_TYPE

    def __init__(self, request: Request, last: str | None) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._request, self._services, self._last = request, services_of(request), last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope
        with self._services.feed.stream():
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _tell(send, f"retry: {_AGAIN}\n\n")
            async with anyio.create_task_group() as group:
                group.start_soon(_until_gone, receive, group.cancel_scope)
                with contextlib.suppress(ClientDisconnect):
                    async with contextlib.aclosing(self._texts()) as texts:
                        async for text in texts:
                            await _tell(send, text)
                    await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()

    async def _texts(self) -> AsyncGenerator[str, None]:
        feed, project = self._services.feed, key_of(self._request).project
        number = feed.latest() if self._last is None else feed.number(self._last)
        yield f"id: {feed.name(number)}\n\n" if self._last is None else ": on\n\n"
        while not feed.ended and self._allowed():
            news = feed.news()
            number, whole, found = feed.since(number)
            if not whole:
                yield f"id: {feed.name(number)}\nevent: reset\ndata: {{}}\n\n"
                continue
            for change in found:
                if change.project == project:
                    yield _text(feed.name(change.number), change)
            with anyio.move_on_after(self._services.settings.heartbeat) as waiting:
                await news.wait()
            if waiting.cancelled_caught:
                yield ": here\n\n"

    def _allowed(self) -> bool:
        try:
            return caller_of(self._request, self._services).key.project == key_of(self._request).project
        except Problem:
            return False


async def _tell(send: Send, text: str) -> None:
    """Send a piece; who does not read it is left."""
    with anyio.move_on_after(_PATIENCE) as waiting:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    if waiting.cancelled_caught:
        raise ClientDisconnect


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _text(name: str, change: Change) -> str:
    told = {"what": change.what, "model": change.model, "environment": change.environment}
    return f"id: {name}\nevent: change\ndata: {json.dumps(told)}\n\n"


_STREAM = {
    MEDIA_TYPE: {"schema": {"type": "string"}, "example": 'id: 5f0c-7\nevent: change\ndata: {"what": "incident"}'}
}
ROUTES = (Route("GET", "/api/v1/events", follow_events, Said(_STREAM)),)
