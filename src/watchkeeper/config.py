"""The environment as values: the only place that reads it. Standard library only, for the client uses it too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8640"


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says of the server to talk to, and where a client may keep what it could not deliver yet.

    Attributes
    ----------
    url
        ``WATCHKEEPER_URL``, else the address that ``watchkeeper serve`` has by default.
    key
        ``WATCHKEEPER_KEY``; None where it is not set.
    spool
        ``WATCHKEEPER_SPOOL``, a folder; None where it is not set.
    """

    url: str
    key: str | None
    spool: str | None


def environment() -> Environment:
    """Read the environment as it is now."""
    get = os.environ.get
    return Environment(
        get("WATCHKEEPER_URL") or DEFAULT_URL, get("WATCHKEEPER_KEY") or None, get("WATCHKEEPER_SPOOL") or None
    )


def action_folder() -> Path | None:
    """Return the folder in which a command that the server runs finds its request; None in any other process."""
    named = os.environ.get("WATCHKEEPER_ACTION_DIR")
    return Path(named) if named else None
