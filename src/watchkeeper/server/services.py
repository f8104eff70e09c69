"""What every handler needs: the pipeline, the settings, the limits, the counts, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.counts import Counts
from watchkeeper.server.limits import Limits
from watchkeeper.server.ports import Backend
from watchkeeper.server.settings import ServerSettings
from watchkeeper.server.token import LocalToken


@dataclass(frozen=True, slots=True)
class Services:
    """One for each application."""

    pipeline: Backend
    settings: ServerSettings
    limits: Limits
    counts: Counts
    token: LocalToken | None = None


def services_of(request: Request) -> Services:
    """Return what the application of a request was made with."""
    return cast(Services, request.app.state.services)


def key_of(request: Request) -> Key:
    """Return the key with which a request came."""
    return cast(Key, request.scope["state"]["key"])
