"""A route as a value: where it is, what answers, and what the description says of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from watchkeeper.server.openapi import Said
from watchkeeper.server.policy import POLICY, PUBLIC

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
            status_code=said.status,
            response_class=Response,
            response_model=None,
            responses=said.responses(public=public),
            openapi_extra=said.extra(),
            operation_id=self.endpoint.__name__,
            include_in_schema=self.said is not None,
        )
