"""Batches come in here: read, checked in a thread, and acknowledged when they are on disk."""

from __future__ import annotations

import functools
import time
from typing import Annotated

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.client.usage import CPU_HEADER, RSS_HEADER, Usage
from watchkeeper.errors import Conflict
from watchkeeper.pipeline.values import Kind, Target
from watchkeeper.server.body import ARROW, JSON, media_type, received
from watchkeeper.server.documents import BatchReceipt, LabelRow, PredictionRow
from watchkeeper.server.encoding import json_answer, to_json
from watchkeeper.server.limits import settled
from watchkeeper.server.openapi import WITH_BODY, Said, json_of, rows_of
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import BatchId, Logged, OfModel
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of

_FILE = b"ARROW1"
_REPLAYED = {"Idempotent-Replayed": "true where the batch had been stored before, and nothing was added."}

_Cpu = Annotated[
    str | None,
    fastapi.Header(
        alias=CPU_HEADER,
        description="Processor seconds that the serving process used since its batch before. What cannot be true is ignored.",
    ),
]
_Rss = Annotated[
    str | None,
    fastapi.Header(alias=RSS_HEADER, description="Bytes of it that are in memory. What cannot be true is ignored."),
]


async def send_predictions(
    request: Request,
    where: Annotated[Logged, fastapi.Query()],
    batch_id: BatchId = None,
    cpu_seconds: _Cpu = None,
    rss_bytes: _Rss = None,
) -> Response:
    """Send predictions. 200 means: on disk, and counted exactly once."""
    usage = Usage.read(cpu_seconds, rss_bytes)
    return await _take("predictions", request, where.target(key_of(request)), batch_id, usage)


async def send_labels(
    request: Request, where: Annotated[OfModel, fastapi.Query()], batch_id: BatchId = None
) -> Response:
    """Send labels. 200 means: on disk, and counted exactly once."""
    return await _take("labels", request, where.target(key_of(request)), batch_id)


async def _take(
    kind: Kind, request: Request, target: Target, batch_id: str | None, usage: Usage | None = None
) -> Response:
    began = time.perf_counter()
    services = services_of(request)
    form = media_type(request, (JSON, ARROW))
    try:
        async with received(request, services.settings.most_body_bytes) as body:
            if form == ARROW and body.startswith(_FILE):
                raise Problem(
                    400, "The body is an Arrow file, and a stream is taken: write it with pyarrow.ipc.new_stream."
                )
            call = functools.partial(services.pipeline.submit, kind, target, batch_id, form, body, usage)
            future = await services.limits.ingest.run(call)
            del body, call
        receipt = await settled(future)
    except Conflict as error:
        raise Problem(422, str(error), kind="conflict") from error
    services.counts.note_acknowledgement(time.perf_counter() - began)
    headers = {"Idempotent-Replayed": "true"} if receipt.replayed else None
    return json_answer(to_json(receipt.to_dict()), headers=headers)


def _said(kind: str, row: type[PredictionRow | LabelRow]) -> Said:
    return Said(json_of(BatchReceipt), (*WITH_BODY, 404, 503), rows_of(kind, row), headers=_REPLAYED)


ROUTES = (
    Route("POST", "/api/v1/predictions", send_predictions, _said("predictions", PredictionRow)),
    Route("POST", "/api/v1/labels", send_labels, _said("labels", LabelRow)),
)
