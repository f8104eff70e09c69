"""Who asks: by a key in the head of the request, or by the cookie of a session, and then only from the server's own page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.hosts import LOOPBACK, folded
from watchkeeper.server.problems import Problem
from watchkeeper.server.services import Services
from watchkeeper.server.settings import ServerSettings

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="watchkeeper"'}
PAGE = ("X-Watchkeeper", "page")
"""A header that a form cannot send, and a script of another origin only after asking, which is always denied."""
_SAFE = frozenset({"GET", "HEAD"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks: the key, and the session's secret where it came by cookie."""

    key: Key
    session: str | None = None


def caller_of(request: Request, services: Services) -> Caller:
    """Return who asks.

    A key in ``Authorization`` counts before a cookie: it was put there on purpose, a cookie comes by itself.

    Raises
    ------
    Problem
        401 where nobody known asks, 403 where a browser sent its cookie for a page that is not ours.
    """
    given = request.headers.getlist("authorization")
    if given:
        return Caller(_key(given, services))
    secret = cookie_of(request, services.settings)
    found = services.sessions.find(secret) if secret is not None else None
    if secret is None:
        raise Problem(401, "This needs a key, sent as 'Authorization: Bearer wk_...', or a session.", CHALLENGE)
    if found is None:
        raise Problem(401, "This session has ended; 'watchkeeper login' makes a link that begins another.", CHALLENGE)
    trouble = page_trouble(request, services.settings)
    if trouble:
        raise Problem(403, trouble)
    return Caller(found[1], secret)


def authenticate(secret: str, services: Services) -> Key | None:
    """Return the key of a secret: one of the store's, or the one of commands on this machine."""
    key = services.token.authenticate(secret) if services.token is not None else None
    return key or services.pipeline.keys.authenticate(secret)


def cookie_of(request: Request, settings: ServerSettings) -> str | None:
    """Return the secret of a request's session; None where there is none, or several, one of which somebody planted."""
    pieces = [piece.strip() for line in request.headers.getlist("cookie") for piece in line.split(";")]
    found = [piece.partition("=")[2] for piece in pieces if piece.partition("=")[0] == settings.cookie]
    return found[0] if len(found) == 1 and found[0] else None


def page_trouble(request: Request, settings: ServerSettings) -> str | None:
    """Return what speaks against a request that bears a cookie: it has to come from a page of this very server.

    ``SameSite=Strict`` is not enough, for browsers count all ports of a machine as one site.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return "A page from elsewhere may not call this server in your name."
    origins = request.headers.getlist("origin")
    if not all(is_own(origin, request, settings) for origin in origins):
        return f"A page from {origins[0][:100]!r} may not call this server in your name."
    if request.method in _SAFE:
        return None
    if len(origins) != 1:
        return "With a session, what changes anything needs the page's Origin; scripts send a key instead."
    name, value = PAGE
    if request.headers.getlist(name) != [value]:
        return f"With a session, what changes anything needs the header '{name}: {value}'."
    return None


def is_own(origin: str, request: Request, settings: ServerSettings) -> bool:
    """Whether a page's origin is this server as the request calls it: the same name and port, and TLS where that is asked."""
    scheme, _, authority = origin.lower().partition("://")
    if scheme not in _PORTS:
        return False
    mine, theirs = (_place(text, _PORTS[scheme]) for text in (request.headers.get("host", ""), authority))
    return mine == theirs and mine is not None and (scheme == "https" or not settings.secure or mine[0] in LOOPBACK)


def _place(authority: str, port: int) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{authority}")
        return (folded(parts.hostname), port if parts.port is None else parts.port) if parts.hostname else None
    except ValueError:
        return None


def _key(given: list[str], services: Services) -> Key:
    scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Problem(401, "This needs a key, sent as 'Authorization: Bearer wk_...'.", CHALLENGE)
    key = authenticate(secret.strip(), services)
    if key is None:
        raise Problem(401, "This key is not known, has expired or was revoked.", CHALLENGE)
    return key
