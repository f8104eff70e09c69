"""Who may do what: one entry for each route. What has no entry is refused, and keeps the server from starting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute

PUBLIC: frozenset[str] = frozenset()
"""Needs no key."""
ADMIN = frozenset({"admin"})
SENDER = frozenset({"ingest", "admin"})
READER = frozenset({"viewer", "admin"})
ANYBODY = frozenset({"ingest", "viewer", "admin"})
OPERATORS_PROJECT = "default"
"""What reaches beyond a project (:data:`BEYOND`) is for admins of this one."""
BEYOND = {
    "/api/v1/backup": "A backup holds every project",
    "/api/v1/actions/halt": "This halts the actions of every project",
    "/api/v1/actions/resume": "This resumes the actions of every project",
}

POLICY: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): READER,
    ("GET", "/api/v1/openapi.json"): ANYBODY,
    ("POST", "/api/v1/predictions"): SENDER,
    ("POST", "/api/v1/labels"): SENDER,
    ("PUT", "/api/v1/versions"): SENDER,
    ("PUT", "/api/v1/reference"): SENDER,
    ("GET", "/api/v1/serving"): ANYBODY,
    ("PUT", "/api/v1/serving"): ADMIN,
    ("GET", "/api/v1/models"): READER,
    ("GET", "/api/v1/versions"): READER,
    ("GET", "/api/v1/windows"): READER,
    ("GET", "/api/v1/measurements"): READER,
    ("GET", "/api/v1/profiles"): READER,
    ("GET", "/api/v1/distributions"): READER,
    ("GET", "/api/v1/quarantine"): READER,
    ("GET", "/api/v1/keys"): ADMIN,
    ("POST", "/api/v1/keys"): ADMIN,
    ("DELETE", "/api/v1/keys/{id}"): ADMIN,
    ("GET", "/api/v1/backup"): ADMIN,
    ("POST", "/api/v1/session"): PUBLIC,  # this is where people come in; it counts who fails
    ("GET", "/api/v1/session"): ANYBODY,
    ("DELETE", "/api/v1/session"): ANYBODY,
    ("POST", "/api/v1/session/link"): ADMIN,
    ("GET", "/api/v1/monitors"): READER,
    ("PUT", "/api/v1/monitors"): ADMIN,
    ("GET", "/api/v1/monitors/suggestion"): READER,
    ("POST", "/api/v1/monitors/check"): READER,
    ("POST", "/api/v1/monitors/plan"): READER,
    ("POST", "/api/v1/monitors/replay"): READER,
    ("GET", "/api/v1/verdicts"): READER,
    ("GET", "/api/v1/incidents"): READER,
    ("GET", "/api/v1/incidents/{id}"): READER,
    ("POST", "/api/v1/incidents/{id}/acknowledge"): ADMIN,
    ("POST", "/api/v1/incidents/{id}/resolve"): ADMIN,
    ("GET", "/api/v1/silences"): READER,
    ("POST", "/api/v1/silences"): ADMIN,
    ("DELETE", "/api/v1/silences/{id}"): ADMIN,
    ("GET", "/api/v1/channels"): READER,
    ("POST", "/api/v1/channels/{name}/test"): ADMIN,
    ("GET", "/api/v1/actions"): READER,
    ("GET", "/api/v1/actions/{id}"): READER,
    ("POST", "/api/v1/actions/{id}/approve"): ADMIN,
    ("POST", "/api/v1/actions/{id}/refuse"): ADMIN,
    ("POST", "/api/v1/actions/{id}/stop"): ADMIN,
    ("POST", "/api/v1/actions/halt"): ADMIN,
    ("POST", "/api/v1/actions/resume"): ADMIN,
    ("GET", "/api/v1/audit"): READER,
    ("GET", "/api/v1/audit/check"): READER,
    ("GET", "/api/v1/events"): READER,
    ("GET", "/api/v1/views/{page}"): READER,
    ("GET", "/"): PUBLIC,  # files of the page, which hold no data
    ("GET", "/login"): PUBLIC,
    ("GET", "/assets/{name}"): PUBLIC,
}


def names_of(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Yield method and path of each route; ``*`` for one that takes any method."""
    for route in routes:
        path = getattr(route, "path", repr(route))
        for method in sorted(getattr(route, "methods", None) or {"*"}):
            yield method, path


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raise where a route has no entry."""
    bare = [f"{method} {path}" for method, path in names_of(routes) if (method, path) not in POLICY]
    if bare:
        raise RuntimeError(f"Nobody said who may use {', '.join(bare)}: give each an entry in {__name__}.POLICY.")
