"""A secret in the store's folder by which commands of the same user on the same machine reach the running server."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from watchkeeper.errors import Unwritable
from watchkeeper.pipeline.keys import Key

_NAME = "local.token"


@dataclass(frozen=True, slots=True)
class LocalToken:
    """The token of a running server; it is an admin's, and gone with the server."""

    secret: str = field(repr=False)
    key: Key

    def authenticate(self, secret: str) -> Key | None:
        """Return the admin's key where ``secret`` is the token."""
        mine, theirs = (hashlib.sha256(s.encode("utf-8", "surrogatepass")).digest() for s in (self.secret, secret))
        return self.key if hmac.compare_digest(mine, theirs) else None


def make_token() -> LocalToken:
    """Return a new token."""
    key = Key("local", "this machine", "admin", "default", "wkl_", datetime.now(UTC))
    return LocalToken(f"wkl_{secrets.token_hex(32)}", key)


def write_token(folder: Path, token: LocalToken, certificate: Path | None = None) -> None:
    """Write the token for this user only; with the certificate by which the server is to be known, if it has one."""
    path = folder / _NAME
    told = {"token": token.secret, "certificate": str(certificate.absolute()) if certificate else None}
    try:
        path.unlink(missing_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as written:
            json.dump(told, written)
    except OSError as error:
        raise Unwritable(str(path), error.strerror or str(error)) from error


def read_token(folder: Path) -> tuple[str, str | None] | None:
    """Return the secret and the path of the certificate; None where this user cannot read them."""
    try:
        told = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        return str(told["token"]), told["certificate"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_token(folder: Path) -> None:
    """Remove the token."""
    with contextlib.suppress(OSError):
        (folder / _NAME).unlink()
