"""What can be read: models, versions, windows, measurements, profiles, distributions, and what was refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.errors import UnknownColumn
from watchkeeper.pipeline.values import MeasurementQuery
from watchkeeper.profiles.profile import Profile
from watchkeeper.server.body import ARROW, BYTES, JSON
from watchkeeper.server.encoding import arrow_pieces, json_answer, json_pieces, to_json
from watchkeeper.server.openapi import Said, anything, binary, listed
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import Between, Measurements, Nothing, OfColumn, OfModel, Quarantine, Windows
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of
from watchkeeper.server.streaming import Streamed


async def list_models(request: Request, where: Annotated[Nothing, fastapi.Query()]) -> Response:
    """List the models of the key's project."""
    del where
    return await _listed(request, "models", functools.partial(_pipeline(request).models, key_of(request).project))


async def list_versions(request: Request, where: Annotated[OfModel, fastapi.Query()]) -> Response:
    """List the versions of a model."""
    target = where.target(key_of(request))
    return await _listed(request, "versions", functools.partial(_pipeline(request).versions, target))


async def list_windows(request: Request, where: Annotated[Windows, fastapi.Query()]) -> Response:
    """List a version's windows, with rows, labels, coverage, whether they are sealed, and their revision."""
    target = where.target(key_of(request))
    call = functools.partial(_pipeline(request).windows, target, where.every, where.start, where.end)
    return await _listed(request, "windows", call)


async def list_measurements(request: Request, where: Annotated[Measurements, fastapi.Query()]) -> Response:
    """List measurements, as JSON or as an Arrow stream."""
    query = MeasurementQuery(
        where.target(key_of(request)),
        where.every,
        tuple(where.metric),
        where.segment,
        where.column,
        where.source,
        where.start,
        where.end,
        where.revisions,
        where.sequence,
    )
    lane = services_of(request).limits.reading
    table: pa.Table = await lane.run(functools.partial(_pipeline(request).measurements, query))
    if ARROW in request.headers.get("accept", ""):
        return await Streamed.begin(lane, arrow_pieces(table), ARROW)
    return await Streamed.begin(lane, json_pieces("measurements", table), JSON)


async def get_profile(request: Request, where: Annotated[Between, fastapi.Query()]) -> Response:
    """Get the merged profile of a version's base windows."""
    target = where.target(key_of(request))

    def call() -> bytes:
        profile: Profile = _pipeline(request).profile(target, where.start, where.end)
        return profile.to_bytes()

    return Response(await services_of(request).limits.reading.run(call), media_type=BYTES)


async def get_distribution(request: Request, where: Annotated[OfColumn, fastapi.Query()]) -> Response:
    """Get how a column is distributed, beside the reference."""
    target = where.target(key_of(request))

    def call() -> bytes:
        try:
            return to_json(_pipeline(request).distribution(target, where.column, where.start, where.end))
        except UnknownColumn as error:
            raise Problem(404, str(error), kind="unknown-column") from error

    return json_answer(await services_of(request).limits.reading.run(call))


async def list_quarantine(request: Request, where: Annotated[Quarantine, fastapi.Query()]) -> Response:
    """List rows that were refused, with their reasons, newest first."""
    target = where.target(key_of(request))
    return await _listed(request, "quarantine", functools.partial(_pipeline(request).quarantine, target, where.limit))


def _pipeline(request: Request) -> Any:
    return services_of(request).pipeline


async def _listed(request: Request, name: str, call: Callable[[], list[dict[str, Any]]]) -> Response:
    content = await services_of(request).limits.reading.run(lambda: to_json({name: call()}))
    return json_answer(content)


_TABLE = {**listed("measurements"), **binary(ARROW)}
ROUTES = (
    Route("GET", "/api/v1/models", list_models, Said(listed("models"))),
    Route("GET", "/api/v1/versions", list_versions, Said(listed("versions"), (404,))),
    Route("GET", "/api/v1/windows", list_windows, Said(listed("windows"), (404,))),
    Route("GET", "/api/v1/measurements", list_measurements, Said(_TABLE, (404,))),
    Route("GET", "/api/v1/profiles", get_profile, Said(binary(), (404,))),
    Route("GET", "/api/v1/distributions", get_distribution, Said(anything(), (404,))),
    Route("GET", "/api/v1/quarantine", list_quarantine, Said(listed("quarantine"), (404,))),
)
