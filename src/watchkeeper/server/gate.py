"""The one door: every request to every route passes here, and what nobody allowed is refused.

It checks by what name the server is called, which page asks, whose key it is and what that key may; it adds the headers
that every answer bears, counts the answer, and makes a problem document of whatever goes wrong inside.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.callers import caller_of
from watchkeeper.server.hosts import host_trouble, origin_trouble
from watchkeeper.server.policy import BEYOND, OPERATORS_PROJECT, POLICY, PUBLIC, names_of
from watchkeeper.server.problems import Problem, problem_of
from watchkeeper.server.services import Services

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


@dataclass(frozen=True, slots=True)
class Way:
    """Where a request leads: the route's path (None where there is none), the methods it takes, and who may go there.

    ``method`` is the one by which it is answered: HEAD is GET without the body.
    """

    path: str | None
    method: str
    methods: frozenset[str]
    allowed: frozenset[str] | None
    public: bool


class Gate:
    """ASGI middleware around all routes of one application."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # there is no other way in
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = _Reply(send, whole=scope["method"] != "HEAD")
        way = way_of(scope["app"].routes, scope)
        name = f"{scope['method']} {way.path or 'no route'}"
        try:
            with contextlib.suppress(_HeadSent):
                await self._let_in({**scope, "method": way.method}, receive, reply, way)
        except ClientDisconnect:
            reply.status = reply.status or 499
        except Exception as error:
            if reply.status:
                raise
            with contextlib.suppress(_HeadSent):
                await problem_of(error, name).response()(scope, receive, reply)
        finally:
            self._services.counts.note_request(scope["method"], way.path or "other", reply.status or 500)

    async def _let_in(self, scope: Scope, receive: Receive, reply: _Reply, way: Way) -> None:
        self._check(Request(scope), way)
        await self._app(scope, receive, reply)

    def _check(self, request: Request, way: Way) -> None:
        hosts = self._services.settings.hosts
        trouble = host_trouble(request.headers.getlist("host"), hosts)
        trouble = trouble or origin_trouble(request.headers.getlist("origin"), hosts)
        if trouble:
            raise Problem(403, trouble)
        caller = None if way.public else caller_of(request, self._services)
        if way.path is None:
            raise Problem(404, "There is nothing here; GET /api/v1/openapi.json says what there is.")
        if request.method not in way.methods:
            allow = ", ".join(sorted(way.methods))
            raise Problem(405, f"This takes {allow}, not {request.method[:20]}.", {"Allow": allow})
        if caller is not None:
            _check_role(caller.key, way)
            request.scope.setdefault("state", {}).update(key=caller.key, session=caller.session)


def way_of(routes: list[BaseRoute], scope: Scope) -> Way:
    """Return where a request leads, by the routes as they are now: of two paths that fit, the first counts alone.

    A method that is not taken needs no key where another is public: it is refused all the same.
    """
    path: str | None = None
    found: dict[str, tuple[str, str]] = {}
    for route in routes:
        named = getattr(route, "path", repr(route))
        if route.matches(scope)[0] != Match.NONE and path in {None, named}:
            path = named
            for method, name in names_of([route]):
                found.setdefault(method, (method, name))
    method = "GET" if scope["method"] == "HEAD" and not found.keys() & {"HEAD", "*"} else scope["method"]
    entry = found.get(method, found.get("*"))
    everything = [POLICY.get(name) for name in found.values()]
    allowed = POLICY.get(entry) if entry is not None else None
    public = bool(found) and (allowed == PUBLIC if entry is not None else any(a == PUBLIC for a in everything))
    heads = {"HEAD"} if "GET" in found else set()
    methods = frozenset(found.keys() | heads) if "*" not in found else frozenset({method})
    return Way(entry[1] if entry is not None else path, method, methods, allowed, public)


def _check_role(key: Key, way: Way) -> None:
    if way.allowed is None or key.role not in way.allowed:
        able = " or ".join(sorted(way.allowed or {"nobody"}))
        raise Problem(403, f"The key {key.name!r} has the role {key.role}; this is for {able}.")
    if way.path in BEYOND and key.project != OPERATORS_PROJECT:
        raise Problem(403, f"{BEYOND[way.path]}; it is for admins of the project {OPERATORS_PROJECT!r}.")


class _HeadSent(Exception):
    """Ends an answer to HEAD, whose body nobody asked for."""


class _Reply:
    """Sends an answer with the headers that every answer bears, and remembers its status."""

    def __init__(self, send: Send, *, whole: bool = True) -> None:
        self._send, self._whole, self.status = send, whole, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", [])
            there = {name.lower() for name, _ in given}
            message = {**message, "headers": [*given, *(h for h in _HEADERS if h[0] not in there)]}
        elif not self._whole:
            await self._send({"type": "http.response.body", "body": b""})
            raise _HeadSent
        await self._send(message)
