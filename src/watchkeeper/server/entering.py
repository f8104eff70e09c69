"""How people come in: a login link or a key becomes a session, whose cookie their browser keeps and no script reads.

A login link is ``/login#TOKEN``. The token stands behind the ``#`` because browsers keep that part to themselves: it is in
no request, so in no log of a proxy and no ``Referer``; and whatever fetches links before people do (previews of chats,
scanners of mail) cannot use it up, since only the page's script sends it, in the body of a POST, after taking it out of
the address. In a query it would be in all of these.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

import fastapi
from starlette.requests import Request
from starlette.responses import Response

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.body import read_words
from watchkeeper.server.callers import CHALLENGE, authenticate, cookie_of, is_own
from watchkeeper.server.encoding import json_answer, to_json
from watchkeeper.server.loop_documents import LoginLink, SessionBody, SessionShown
from watchkeeper.server.openapi import WITH_BODY, Said, json_of
from watchkeeper.server.policy import READER
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import Nothing
from watchkeeper.server.route import Route
from watchkeeper.server.services import Services, key_of, services_of, session_of
from watchkeeper.server.sessions import LIFE, LINK_LIFE, Session

Unasked = Annotated[Nothing, fastapi.Query()]


def link_path(services: Services, key_id: str) -> str:
    """Return where a session of a key begins, once, behind the server's address."""
    return f"/login#{services.links.make(key_id)}"


async def begin_session(request: Request, where: Unasked) -> Response:
    """Begin a session: the answer sets its cookie. A session that the browser had before ends."""
    del where
    services = services_of(request)
    for origin in request.headers.getlist("origin"):
        if not is_own(origin, request, services.settings):
            raise Problem(403, f"A page from {origin[:100]!r} may not log anybody in here.")
    key = await _entering(request, services)
    before = cookie_of(request, services.settings)

    def call() -> tuple[str, Session]:
        if before is not None:
            services.sessions.end(before)
        made = services.sessions.begin(key)
        services.pipeline.note_audit(key.project, key.name, "session.login", key.id, {"address": _address(request)})
        return made

    secret, session = await services.limits.control.run(call)
    cookie = _cookie(request, services, secret, int(LIFE.total_seconds()))
    return json_answer(to_json(_shown(key, session.expires)), headers={"Set-Cookie": cookie})


async def get_session(request: Request, where: Unasked) -> Response:
    """Ask who asks: the key's name, role and project, and until when the session lasts."""
    del where
    found = services_of(request).sessions.find(session_of(request) or "")
    return json_answer(to_json(_shown(key_of(request), found[0].expires if found is not None else None)))


async def end_session(request: Request, where: Unasked) -> Response:
    """End the session: the server forgets it, and the browser its cookie."""
    del where
    services, key, secret = services_of(request), key_of(request), session_of(request)

    def call() -> bool:
        ended = secret is not None and services.sessions.end(secret)
        if ended:
            services.pipeline.note_audit(key.project, key.name, "session.logout", key.id, {})
        return ended

    if not await services.limits.control.run(call):
        raise Problem(404, "There is no session to end; this came with a key.")
    return Response(status_code=204, headers={"Set-Cookie": _cookie(request, services, "", 0)})


async def make_login_link(request: Request, where: Unasked) -> Response:
    """Make a link that begins one session of the key that asks; good for ten minutes, once."""
    del where
    services, key = services_of(request), key_of(request)
    path = link_path(services, key.id)
    expires = datetime.now(UTC) + timedelta(seconds=LINK_LIFE)
    await services.limits.control.run(
        lambda: services.pipeline.note_audit(key.project, key.name, "session.link", key.id, {})
    )
    return json_answer(to_json({"path": path, "expires": expires}), 201)


async def _entering(request: Request, services: Services) -> Key:
    """Return the key of a token or key that was sent; failures are counted by address.

    Nothing is awaited between looking at the count and adding to it, so that many guesses at once are counted too.
    """
    body = cast(SessionBody, await read_words(request, SessionBody))
    address = _address(request)
    wait = services.attempts.wait(address)
    if wait:
        words = "Too many logins from this address failed; wait, then log in with a new link."
        raise Problem(429, words, {"Retry-After": str(int(wait) + 1)}, "too-many-logins")
    if body.token is not None:
        id_ = services.links.use(body.token)
        key = services.sessions.key(id_) if id_ is not None else None
    else:
        key = authenticate(body.key or "", services)
    if key is None:
        services.attempts.note(address)
        words = "This link was used or is older than ten minutes, or this key is not good."
        raise Problem(401, f"{words} 'watchkeeper login' makes a new link.", CHALLENGE)
    if key.role not in READER:
        raise Problem(403, f"The key {key.name!r} has the role {key.role}, which sees nothing of the page.")
    return key


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _shown(key: Key, expires: datetime | None) -> dict[str, object]:
    return {"name": key.name, "role": key.role, "project": key.project, "expires": expires}


def _cookie(request: Request, services: Services, secret: str, seconds: int) -> str:
    settings = services.settings
    secure = settings.secure or request.headers.get("origin", "").startswith("https://")
    parts = [f"{settings.cookie}={secret}", "Path=/", f"Max-Age={seconds}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, *(["Secure"] if secure else [])])


ROUTES = (
    Route(
        "POST",
        "/api/v1/session",
        begin_session,
        Said(
            json_of(SessionShown), (*WITH_BODY, 401, 422, 429, 503), json_of(SessionBody),
            headers={"Set-Cookie": "The session's cookie."},
        ),
    ),
    Route("GET", "/api/v1/session", get_session, Said(json_of(SessionShown))),
    Route("DELETE", "/api/v1/session", end_session, Said({}, (404, 503), status=204)),
    Route("POST", "/api/v1/session/link", make_login_link, Said(json_of(LoginLink), (503,), status=201)),
)  # fmt: skip
