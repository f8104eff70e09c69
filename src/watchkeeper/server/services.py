"""What every handler needs: the pipeline, the settings, the limits, the counts, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.attempts import Attempts
from watchkeeper.server.counts import Counts
from watchkeeper.server.feed import Feed
from watchkeeper.server.limits import Limits
from watchkeeper.server.ports import Backend
from watchkeeper.server.sessions import Links, Sessions
from watchkeeper.server.settings import ServerSettings
from watchkeeper.server.token import LocalToken


@dataclass(frozen=True, slots=True)
class Services:
    """One for each application."""

    pipeline: Backend
    settings: ServerSettings
    limits: Limits
    counts: Counts
    token: LocalToken | None
    sessions: Sessions
    links: Links
    attempts: Attempts
    feed: Feed

    @classmethod
    def of(cls, pipeline: Backend, settings: ServerSettings, token: LocalToken | None = None) -> Services:
        """Return those of a new application."""
        limits = Limits(settings)
        sessions = Sessions(pipeline.database, pipeline.keys, token)
        feed = Feed(pipeline.changes, limits.events, settings.most_streams)
        attempts = Attempts(settings.most_failed_logins)
        return cls(pipeline, settings, limits, Counts(), token, sessions, Links(), attempts, feed)

    def close(self) -> None:
        """Let its threads end."""
        self.feed.close()
        self.limits.close()


def services_in(app: Starlette) -> Services:
    """Return what an application was made with."""
    return cast(Services, app.state.services)


def services_of(request: Request) -> Services:
    """Return what the application of a request was made with."""
    return services_in(request.app)


def key_of(request: Request) -> Key:
    """Return the key with which a request came, or whose session it came from."""
    return cast(Key, request.scope["state"]["key"])


def session_of(request: Request) -> str | None:
    """Return the secret of the session from which a request came; None where it came with a key."""
    return cast("str | None", request.scope["state"]["session"])
