"""Sessions of people at the page: a cookie that stands for a key, and links that begin one session each.

A session never outlives its key, and the server knows only hashes of what browsers hold.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.ports import KeyRing, Storage
from watchkeeper.server.token import LocalToken
from watchkeeper.store import rows
from watchkeeper.window import microseconds, moment

LIFE = timedelta(hours=12)
LINK_LIFE = 600.0
"""Seconds for which a link begins a session."""
_MOST_LINKS, _MOST_OF_A_KEY = 64, 50


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a key."""

    digest: bytes
    key_id: str
    created: datetime
    expires: datetime


class Sessions:
    """The sessions of a store; each request is answered from memory, and what has ended is refused at once."""

    def __init__(
        self,
        storage: Storage,
        keys: KeyRing,
        token: LocalToken | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage, self._keys, self._token, self._now = storage, keys, token, now
        self._lock = threading.Lock()
        with storage.reading() as connection:
            found = [_session(row) for row in rows.select_all(connection, "session")]
        self._known = {session.digest: session for session in found}

    def begin(self, key: Key) -> tuple[str, Session]:
        """Begin a session of a key; return its secret, which only the browser keeps, and the session.

        Sessions that expired, and the oldest of a key that has fifty, are forgotten on this occasion.
        """
        secret, now = f"wks_{secrets.token_hex(32)}", self._now()
        made = Session(_digest(secret), key.id, now, now + LIFE)
        with self._lock:
            mine = sorted((s for s in self._known.values() if s.key_id == key.id), key=lambda s: s.created)
            gone = {s.digest for s in self._known.values() if s.expires <= now}
            gone |= {s.digest for s in mine[: max(0, len(mine) - _MOST_OF_A_KEY + 1)]}

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM session WHERE digest = ?", [(digest,) for digest in gone])
            rows.insert(
                connection, "session", digest=made.digest, key_id=key.id, created=microseconds(now),
                expires=microseconds(made.expires),
            )  # fmt: skip

        self._storage.write(job).result()
        with self._lock:
            self._known = {d: s for d, s in self._known.items() if d not in gone} | {made.digest: made}
        return secret, made

    def find(self, secret: str) -> tuple[Session, Key] | None:
        """Return a session that has not ended, and its key, which is still good."""
        session = self._known.get(_digest(secret))
        if session is None or self._now() >= session.expires:
            return None
        key = self.key(session.key_id)
        return (session, key) if key is not None else None

    def end(self, secret: str) -> bool:
        """End a session; False where there is none."""
        digest = _digest(secret)
        with self._lock:
            if self._known.pop(digest, None) is None:
                return False
        self._storage.write(lambda c: c.execute("DELETE FROM session WHERE digest = ?", (digest,))).result()
        return True

    def key(self, id: str) -> Key | None:  # noqa: A002
        """Return the key of an id where it is still good; the one of this machine's commands too."""
        if self._token is not None and id == self._token.key.id:
            return self._token.key
        key = self._keys.get(id)
        return key if key is not None and key.usable(self._now()) else None


class Links:
    """One-time secrets that each begin one session. In memory alone: they end with the server, or after ten minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def make(self, key_id: str) -> str:
        """Return a new secret for a key; the oldest of many is given up for it."""
        secret = f"wko_{secrets.token_hex(32)}"
        with self._lock:
            self._open[_digest(secret)] = (key_id, self._clock() + LINK_LIFE)
            if len(self._open) > _MOST_LINKS:
                self._open.popitem(last=False)
        return secret

    def use(self, secret: str) -> str | None:
        """Return the key's id, once; None ever after, and for what is no such secret."""
        with self._lock:
            key_id, end = self._open.pop(_digest(secret), (None, 0.0))
        return key_id if self._clock() < end else None


def _session(row: dict[str, object]) -> Session:
    created, expires = (moment(int(str(row[name]))) for name in ("created", "expires"))
    assert isinstance(row["digest"], bytes)
    return Session(row["digest"], str(row["key_id"]), created, expires)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
