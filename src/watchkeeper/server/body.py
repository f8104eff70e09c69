"""Bodies of requests, read piece by piece and never beyond what is allowed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from watchkeeper.server.problems import Problem, sentence, unreadable_json
from watchkeeper.server.services import Services, services_of

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
BYTES = "application/octet-stream"


def media_type(request: Request, allowed: tuple[str, ...]) -> str:
    """Return what a body claims to be; 415 where that is none of what is taken, or it is packed."""
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed not in {"identity", ""}:
        raise Problem(415, f"Bodies are taken as they are, not with the Content-Encoding {packed[:40]!r}.")
    given = request.headers.get("content-type", "")
    found = given.partition(";")[0].strip().lower()
    if found not in allowed:
        shown = f"not {given[:80]!r}" if given else "but there is none"
        raise Problem(415, f"The Content-Type must be {' or '.join(allowed)}, {shown}.")
    return found


@contextlib.asynccontextmanager
async def received(request: Request, most: int) -> AsyncIterator[bytes]:
    """Give a body of at most so many bytes; it counts as held until the end.

    Raises
    ------
    Problem
        413 where it is larger, 408 where it does not come.
    Overloaded
        All bodies together are more than the server holds.
    """
    services = services_of(request)
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and (len(told) > 18 or int(told) > most):
        raise _too_large(most)
    with services.limits.holding() as take:
        pieces: list[bytes] = []
        size = 0
        async for piece in _pieces(request, services):
            take(len(piece))
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
        body = b"".join(pieces)
        del pieces
        yield body


async def read_words(request: Request, model: type[BaseModel], *, optional: bool = False) -> BaseModel:
    """Return a small JSON body as what it should be; 400 where it is no JSON, 422 where it says something else.

    ``optional``: nothing at all will do as well.
    """
    if optional and request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return model()
    media_type(request, (JSON,))
    async with received(request, services_of(request).settings.most_words_bytes) as body:
        try:
            return model.model_validate(from_json(body, allow_inf_nan=False))
        except ValidationError as error:
            raise Problem(422, sentence(error.errors()[0], "The body", model.model_fields)) from error
        except ValueError as error:
            raise Problem(400, unreadable_json(error)) from error


async def _pieces(request: Request, services: Services) -> AsyncIterator[bytes]:
    stream = request.stream()
    end = anyio.current_time() + services.settings.body_time
    while True:
        piece: bytes | None = None
        left = min(services.settings.body_pause, end - anyio.current_time())
        with anyio.move_on_after(left) as waiting:
            piece = await anext(stream, None)
        if waiting.cancelled_caught:
            raise Problem(408, "The body did not come in time; send it again.")
        if piece is None:
            return
        yield piece


def _too_large(most: int) -> Problem:
    return Problem(413, f"A body may have {most} bytes at most; send the rows in several batches.")
