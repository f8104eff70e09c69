"""API keys: shown once, stored hashed, each with one project and one role."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from watchkeeper.errors import Conflict, InputError, UnknownKey
from watchkeeper.pipeline.catalog import project_id
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import microseconds, moment

ROLES = ("ingest", "viewer", "admin")
_PREFIX = "wk_"
_USE_NOTED = 60_000_000  # the time of last use is written at most once a minute


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret."""

    id: str
    name: str
    role: str
    project: str
    prefix: str
    created: datetime
    last_used: datetime | None = None
    expires: datetime | None = None
    revoked: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """The keys of a store; authentication is answered from memory, and a key that was revoked is refused at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[bytes, Key] = {}
        with database.reading() as connection:
            self._load(connection)

    def create(
        self, name: str, role: str, project: str = "default", expires: datetime | None = None
    ) -> tuple[str, Key]:
        """Make a key and return its secret, which nobody can be shown again, with the key.

        The secret has 192 random bits and ends with a checksum, so that scanners for leaked secrets know it.

        Raises
        ------
        UnknownKey
            The role is none of ingest, viewer, admin.
        """
        if role not in ROLES:
            raise UnknownKey(role, ROLES, "The role of a key")
        if not name.strip() or len(name) > 200:
            raise InputError(f"A key needs a name of 1 to 200 characters that says what it is for, not {name[:40]!r}.")
        random = secrets.token_hex(24)
        secret = f"{_PREFIX}{random}{zlib.crc32(random.encode()):08x}"
        now = datetime.now(UTC)
        key = Key(secrets.token_hex(6), name, role, project, secret[:9], now, None, expires)

        def job(connection: sqlite3.Connection) -> None:
            rows.insert(
                connection, "key", id=key.id, digest=_digest(secret), prefix=key.prefix, name=name, role=role,
                project_id=project_id(connection, project), created=microseconds(now),
                expires=microseconds(expires) if expires else None,
            )  # fmt: skip

        self._database.write(job).result()
        with self._lock:
            self._known[_digest(secret)] = key
        return secret, key

    def list(self, project: str) -> list[Key]:
        """Return the keys of a project, revoked ones too, oldest first."""
        with self._lock:
            return sorted((k for k in self._known.values() if k.project == project), key=lambda k: (k.created, k.id))

    def get(self, id: str) -> Key | None:  # noqa: A002
        """Return the key of an id, revoked or not; None where there is none."""
        with self._lock:
            return next((key for key in self._known.values() if key.id == id), None)

    def empty(self) -> bool:
        """Whether there is no key at all yet."""
        with self._lock:
            return not self._known

    def revoke(self, id: str, project: str = "default", *, force: bool = False) -> bool:  # noqa: A002
        """Refuse a key from now on; False where the project has none of that id that is not revoked.

        Raises
        ------
        Conflict
            It is the last admin key of the project that can be used, and ``force`` does not say that this is meant.
        """
        with self._lock:
            found = [(d, k) for d, k in self._known.items() if (k.id, k.project, k.revoked) == (id, project, None)]
            if not found:
                return False
            digest, key = found[0]
            now = datetime.now(UTC)
            admins = [k for k in self._known.values() if (k.project, k.role) == (project, "admin") and k.usable(now)]
            if admins == [key] and not force:
                raise Conflict(
                    f"{key.name!r} is the last admin key of the project: without one nobody can make another key over "
                    "HTTP. Make one first, or say force."
                )
            self._known[digest] = replace(key, revoked=datetime.now(UTC))
        changed = {"revoked": microseconds(datetime.now(UTC))}
        self._database.write(lambda c: rows.update(c, "key", {"id": id}, **changed)).result()
        return True

    def authenticate(self, secret: str) -> Key | None:
        """Return the key of a secret; None where it is unknown, expired or revoked.

        Looking up the hash of what was sent takes no longer for one that is nearly right.
        """
        now = datetime.now(UTC)
        with self._lock:
            key = self._known.get(_digest(secret))
            if key is None or not key.usable(now):
                return None
            stale = key.last_used is None or microseconds(now) - microseconds(key.last_used) > _USE_NOTED
            if stale:
                self._known[_digest(secret)] = replace(key, last_used=now)
        if stale:
            self._database.write(lambda c: rows.update(c, "key", {"id": key.id}, last_used=microseconds(now)))
        return key

    def _load(self, connection: sqlite3.Connection) -> None:
        projects = {p["id"]: p["name"] for p in rows.select_all(connection, "project")}
        for row in rows.select_all(connection, "key"):
            self._known[row["digest"]] = _key(row, projects[row["project_id"]])


def _key(row: dict[str, Any], project: str) -> Key:
    times = {name: moment(row[name]) if row[name] is not None else None for name in ("last_used", "expires", "revoked")}
    created = moment(row["created"])
    return Key(row["id"], row["name"], row["role"], project, row["prefix"], created, **times)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
