"""The files of the page, as they were built: the document for every address of a person's, and assets that never change."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.server.problems import Problem
from watchkeeper.server.route import Route
from watchkeeper.server.services import services_of

SITE = Path(__file__).parent / "site"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
_FOREVER = "public, max-age=31536000, immutable"  # the names of assets have a hash of what is in them
_UNBUILT = (
    "<!doctype html><meta charset=utf-8><title>Watchkeeper</title><h1>The page is not built</h1>"
    "<p>The server runs, and answers under /api/v1. Its page was not built into this installation: run "
    "<code>pip install .</code> in a checkout, or reinstall watchkeeper."
)


async def get_page(request: Request) -> Response:
    """Get the page."""
    found = await _read(request, SITE / "index.html")
    if found is None:
        return Response(_UNBUILT, 503, {"Content-Security-Policy": POLICY}, _TYPES[".html"])
    return Response(found, 200, {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}, _TYPES[".html"])


async def get_asset(request: Request, name: str) -> Response:
    """Get a file that the page needs."""
    suffix = Path(name).suffix
    found = await _read(request, SITE / "assets" / name) if _NAME.fullmatch(name) and suffix in _TYPES else None
    if found is None:
        raise Problem(404, "The page has no such file; load it again.")
    return Response(found, 200, {"Content-Security-Policy": POLICY, "Cache-Control": _FOREVER}, _TYPES[suffix])


async def _read(request: Request, path: Path) -> bytes | None:
    def call() -> bytes | None:
        return path.read_bytes() if path.is_file() else None

    return await services_of(request).limits.control.run(call)


ROUTES = (
    Route("GET", "/", get_page, None),
    Route("GET", "/login", get_page, None),
    Route("GET", "/assets/{name}", get_asset, None),
)
