"""A route as a value: where it is, what answers, and what the description says of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, get_origin, get_type_hints

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server.openapi import Said
from watchkeeper.server.policy import POLICY, PUBLIC
from watchkeeper.server.problems import Problem

Endpoint = Callable[..., Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. ``said`` is None for what the description leaves out."""

    method: str
    path: str
    endpoint: Endpoint
    said: Said | None

    def add_to(self, app: FastAPI) -> None:
        """Have an application answer it."""
        said = self.said or Said({})
        public = POLICY.get((self.method, self.path)) == PUBLIC
        app.add_api_route(
            self.path,
            self.endpoint,
            methods=[self.method],
            dependencies=[Depends(_said_once)],
            status_code=said.status,
            response_class=Response,
            response_model=None,
            responses=said.responses(public=public),
            openapi_extra=said.extra(),
            operation_id=self.endpoint.__name__,
            include_in_schema=self.said is not None,
        )


@functools.cache
def names_taken(endpoint: Endpoint) -> dict[str, bool]:
    """Return what may stand behind the question mark of an endpoint, and whether it may stand there more than once."""
    fields = getattr(get_type_hints(endpoint).get("where"), "model_fields", {})
    return {name: get_origin(field.annotation) is list for name, field in fields.items()}


async def _said_once(request: Request) -> None:
    """Refuse a parameter that came twice, of which one would be taken and nobody told which."""
    asked = request.query_params
    for name, repeatable in names_taken(request.scope["endpoint"]).items():
        count = len(asked.getlist(name))
        if count > 1 and not repeatable:
            raise Problem(422, f"The request says {name!r} {count} times; say it once.")
