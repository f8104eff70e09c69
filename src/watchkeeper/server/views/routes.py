"""Where the documents of the page are: one route, a page each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server.encoding import json_answer, plain
from watchkeeper.server.openapi import Said, anything
from watchkeeper.server.route import Route
from watchkeeper.server.services import key_of, services_of
from watchkeeper.server.views.asking import Asking, Page
from watchkeeper.server.views.column import column, distributions
from watchkeeper.server.views.fleet import fleet
from watchkeeper.server.views.incident import incident, incidents
from watchkeeper.server.views.model import drift, model, quality, segments
from watchkeeper.server.views.monitors import monitors
from watchkeeper.server.views.outcome import outcome
from watchkeeper.server.views.settings import settings

PageName = Literal[
    "fleet", "model", "drift", "quality", "segments", "column", "distributions", "incidents", "incident", "monitors",
    "outcome", "settings",
]  # fmt: skip
PAGES: dict[PageName, Callable[[Page], dict[str, Any]]] = {
    "fleet": fleet,
    "model": model,
    "drift": drift,
    "quality": quality,
    "segments": segments,
    "column": column,
    "distributions": distributions,
    "incidents": incidents,
    "incident": incident,
    "monitors": monitors,
    "outcome": outcome,
    "settings": settings,
}


async def get_view(request: Request, page: PageName, where: Annotated[Asking, fastapi.Query()]) -> Response:
    """Get the document that a page of the site draws; its form follows the page and may change with it."""
    made = PAGES[page]
    asked = Page(services_of(request).pipeline, key_of(request), where)
    content = await services_of(request).limits.reading.run(lambda: _bytes(made(asked)))
    return json_answer(content)


def _bytes(document: dict[str, Any]) -> bytes:
    """Return a document as JSON; its tens of thousands of numbers are finite already, so they are not looked at one by one."""
    try:
        text = json.dumps(document, default=plain, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        text = json.dumps(plain(document), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


ROUTES = (Route("GET", "/api/v1/views/{page}", get_view, Said(anything(), (404,))),)
