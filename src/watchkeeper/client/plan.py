"""What a logger was told, worked out once: where batches go, and where they wait."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from watchkeeper.client.settings import Settings
from watchkeeper.client.wire import Address
from watchkeeper.config import environment
from watchkeeper.errors import InputError

STAGES = ("serving", "shadow", "canary")


@dataclass(frozen=True, slots=True)
class Plan:
    """A model in an environment at a server.

    Attributes
    ----------
    address, key
        The server, None where the URL is none; the key, None where there is none that can be sent.
    spool
        The folder for batches that wait.
    faults
        What is wrong with what the user said, in sentences.
    """

    model: str
    version: str | None
    environment: str
    stage: str
    settings: Settings
    address: Address | None
    key: str | None
    spool: Path
    faults: tuple[str, ...] = ()

    def predictions(self, version: str | None) -> str:
        """Return the target of predictions of a version."""
        named = {"model": self.model, "version": version, "environment": self.environment, "stage": self.stage}
        return "predictions?" + urlencode({name: value for name, value in named.items() if value is not None})

    def labels(self) -> str:
        """Return the target of labels."""
        return "labels?" + urlencode({"model": self.model, "environment": self.environment})

    def serving(self) -> str:
        """Return where the serving version is asked for."""
        return "serving?" + urlencode({"model": self.model, "environment": self.environment})


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched: names as a user gave them."""

    model: str
    version: str | None
    environment: str
    stage: str


def make(watched: Watched, url: str | None, key: str | None, settings: Settings) -> Plan:
    """Return the plan for a logger; an address or key that is wrong is put among its faults, for rows can wait for another.

    Raises
    ------
    InputError
        The model has no name, or the stage is none: the server would refuse every row for good.
    """
    if not watched.model.strip():
        raise InputError("A logger needs the name of a model, such as Logger('late-flights', version='3').")
    if watched.stage not in STAGES:
        raise InputError(f"A stage is one of {', '.join(STAGES)}, not {watched.stage[:40]!r}.")
    surroundings = environment()
    faults = []
    url = surroundings.url if url is None else str(url)
    key = surroundings.key if key is None else str(key)
    address = None
    try:
        address = Address.of(url)
    except InputError as error:
        faults.append(f"{error} Until then rows stay on disk.")
    if key is None:
        faults.append(
            "There is no key: hand in key=, or set WATCHKEEPER_KEY. Ask for one with 'watchkeeper keys create'."
        )
    elif not (key.isascii() and key.isprintable() and " " not in key and key):
        faults.append("The key holds characters that no key has; it is not sent.")
        key = None
    root = settings.spool or surroundings.spool
    sign = hashlib.sha256("\0".join((url, watched.model, watched.environment)).encode("utf-8", "replace")).hexdigest()
    spool = (Path(root) if root else _home()) / f"spool-{sign[:16]}"
    names = watched.model, watched.version, watched.environment, watched.stage
    return Plan(*names, settings, address, key, spool, tuple(faults))


def _home() -> Path:
    """Return a folder that is the user's own and outlives the process."""
    try:
        home = Path.home()
        if os.access(home, os.W_OK | os.X_OK) and home != Path("/"):
            return home / ".local" / "state" / "watchkeeper"
    except (RuntimeError, OSError):  # a user without a home
        pass
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"watchkeeper-{owner}"
