"""What an operator may choose about the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from watchkeeper.server.hosts import LOOPBACK


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Limits of the server; the defaults are for one machine.

    Attributes
    ----------
    hosts
        The names by which the server may be called (``Host``), without ports.
    most_body_bytes
        The largest body of rows or profiles; more is answered with 413.
    most_words_bytes
        The largest body of any other request.
    most_held_bytes
        So much of all bodies together may be in memory before it is handed on; more is answered with 429.
    most_waiting
        So many requests may wait for a thread; more are answered with 429.
    body_pause, body_time
        Seconds that a body may pause, and that it may take as a whole; longer is answered with 408.
    ingest_threads, read_threads
        Batches are checked, and questions answered, in so many threads each.
    most_streams, heartbeat
        So many pages may wait for events at once; each is told every so many seconds that the server is there.
    most_failed_logins
        So many logins may fail from one address in five minutes; more are answered with 429.
    cookie, secure
        The name of the session's cookie, and whether browsers reach the server through TLS alone.
    """

    hosts: frozenset[str] = field(default=LOOPBACK)
    most_body_bytes: int = 32 << 20
    most_words_bytes: int = 1 << 20
    most_held_bytes: int = 128 << 20
    most_waiting: int = 256
    body_pause: float = 20.0
    body_time: float = 120.0
    ingest_threads: int = 4
    read_threads: int = 4
    most_streams: int = 64
    heartbeat: float = 15.0
    most_failed_logins: int = 10
    cookie: str = "watchkeeper"
    secure: bool = False
