"""Answers made in a thread: the call and the JSON of what it returns, both away from the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from watchkeeper.server.encoding import json_answer, to_json
from watchkeeper.server.limits import Lane


async def answered(lane: Lane, call: Callable[[], Any], status: int = 200) -> Response:
    """Return what a call returned, as JSON."""
    return json_answer(await lane.run(lambda: to_json(call())), status)


async def done(lane: Lane, call: Callable[[], Any]) -> Response:
    """Return nothing, once a call is done."""
    await lane.run(call)
    return Response(status_code=204)
