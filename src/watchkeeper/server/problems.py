"""Everything that goes wrong, as a problem document (RFC 9457) with a status and a sentence."""

from __future__ import annotations

import json
import logging
import math
import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from watchkeeper.errors import (
    ActionRefused,
    ChannelFailed,
    Conflict,
    InputError,
    InvalidBatch,
    InvalidMonitors,
    Overloaded,
    ProfileError,
    SchemaError,
    StoreFailed,
    UnknownModel,
    nearest,
)

MEDIA_TYPE = "application/problem+json"
STORE_AGAIN = 5
"""Seconds after which a store that refused is worth another try."""
_log = logging.getLogger("watchkeeper.server")
_STATUS: list[tuple[type[Exception], int]] = [
    (InvalidBatch, 400),
    (UnknownModel, 404),
    (Conflict, 409),
    (ActionRefused, 409),
    (InvalidMonitors, 422),
    (InputError, 422),
    (SchemaError, 422),
    (ProfileError, 422),
    (Overloaded, 429),
    (ChannelFailed, 502),
    (StoreFailed, 503),
]


class Problem(Exception):
    """Ends a request with a problem document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, kind: str = "") -> None:
        self.status, self.detail, self.headers, self.kind = status, detail, dict(headers or {}), kind
        super().__init__(detail)

    def to_dict(self) -> dict[str, Any]:
        """Return the document."""
        kind = f"urn:watchkeeper:problem:{self.kind}" if self.kind else "about:blank"
        return {"type": kind, "title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.detail}

    def response(self) -> Response:
        """Return the answer."""
        content = json.dumps(self.to_dict()).encode()
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception, where: str) -> Problem:
    """Return what is said of an error; one that nobody foresaw is logged under an id, and only that is told."""
    if isinstance(error, Problem):
        return error
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    kind = _dashed(type(error).__name__)
    if status == 503:
        _log.error("%s: %s", where, error)
        return Problem(
            503, f"The store cannot be written just now. {_NOTHING}", {"Retry-After": str(STORE_AGAIN)}, kind
        )
    if isinstance(error, Overloaded):
        return Problem(429, str(error), {"Retry-After": str(max(1, math.ceil(error.retry_after)))}, kind)
    if status == 500:
        return _unforeseen(error, where)
    if isinstance(error.__cause__, RecursionError):
        return Problem(status, _TOO_DEEP, kind=kind)
    return Problem(status, str(error), kind=kind)


def unreadable_json(error: Exception) -> str:
    """Return what is said of a body that is no JSON."""
    return _TOO_DEEP if "recursion" in str(error).lower() else f"The body is not JSON: {error}."


def sentence(error: object, where: str, known: Iterable[str] = ()) -> str:
    """Return what a validator said of the first thing that is wrong; ``known`` are the names that would be right there."""
    told = error if isinstance(error, dict) else {}
    place = [str(part)[:80] for part in told.get("loc", ())]
    in_query = place[:1] == ["query"]
    place = place[1:] if place[:1] in (["query"], ["header"], ["path"], ["body"]) else place
    if told.get("type") == "extra_forbidden" and len(place) == 1:
        return _unknown(place[0], where, list(known))
    if told.get("type") == "missing" and place:
        return f"{where} needs {f'?{place[-1]}=...' if in_query else repr('.'.join(place))}."
    name = f"{where}: {'.'.join(place)!r}" if place else where
    message = str(told.get("msg", "cannot be used")).removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:300]}."


def _unknown(name: str, where: str, known: list[str]) -> str:
    near = nearest(name, known)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"{where} does not know {name!r}.{hint} It takes {', '.join(map(repr, known)) or 'nothing'}."


_TOO_DEEP = "The body's JSON is nested too deeply."
_NOTHING = "Nothing of this was stored; send it again later."


def _unforeseen(error: Exception, where: str) -> Problem:
    name = secrets.token_hex(6)
    _log.error("error %s in %s", name, where, exc_info=error)
    return Problem(500, f"The server made an error; its log has it under {name}.", kind="internal")


def _dashed(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).strip("-")
