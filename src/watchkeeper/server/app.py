"""The application: all routes behind the one gate."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server import (
    acting,
    entering,
    events,
    health,
    incidents,
    ingest,
    keeping,
    monitoring,
    page,
    reading,
    telling,
    trail,
    views,
)
from watchkeeper.server.gate import Gate
from watchkeeper.server.openapi import describe
from watchkeeper.server.policy import check_routes
from watchkeeper.server.ports import Backend
from watchkeeper.server.problems import Problem, sentence
from watchkeeper.server.route import names_taken
from watchkeeper.server.services import Services
from watchkeeper.server.settings import ServerSettings
from watchkeeper.server.token import LocalToken

ROUTES = (
    *ingest.ROUTES, *telling.ROUTES, *reading.ROUTES, *monitoring.ROUTES, *incidents.ROUTES, *acting.ROUTES,
    *events.ROUTES, *trail.ROUTES, *keeping.ROUTES, *entering.ROUTES, *views.ROUTES, *page.ROUTES, *health.ROUTES,
)  # fmt: skip


def create_app(
    pipeline: Backend, settings: ServerSettings | None = None, *, token: LocalToken | None = None
) -> FastAPI:
    """Return the application that serves a pipeline.

    Parameters
    ----------
    pipeline
        An open pipeline; whoever opened it closes it.
    settings
        Limits, and the names by which the server may be called.
    token
        A secret beside the keys that is an admin's, for commands on the same machine.

    Raises
    ------
    RuntimeError
        A route has no entry in the policy.
    """
    settings = settings or ServerSettings()
    app = FastAPI(
        title="Watchkeeper",
        version=version("watchkeeper"),
        description="Watches machine-learning models. Errors are problem documents (RFC 9457).",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_checked,
    )
    app.state.services = Services.of(pipeline, settings, token)
    for route in ROUTES:
        route.add_to(app)
    check_routes(app.routes)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.add_middleware(Gate, services=app.state.services)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _told)
    return app


@contextlib.asynccontextmanager
async def _checked(app: FastAPI) -> AsyncIterator[None]:
    check_routes(app.routes)
    yield
    app.state.services.close()


def _described(app: FastAPI) -> dict[str, object]:
    if not app.openapi_schema:
        app.openapi_schema = describe(app)
    return app.openapi_schema


async def _invalid(request: Request, error: Exception) -> Response:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else None
    return Problem(422, sentence(first, "The request", names_taken(request.scope["endpoint"]))).response()


async def _told(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, f"{error.detail}.", error.headers).response()
