"""A store with an outbox over real receivers, for the tests of the outbox."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "response"))

from receiver import SECRET, Receiver, alert

from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.outbox import Outbox, Patience, enqueue
from watchkeeper.response.alert import Channel
from watchkeeper.response.operator import NAME, Operator, OperatorFile
from watchkeeper.store import rows
from watchkeeper.store.database import Database

__all__ = ["Fixed", "Post", "Receiver", "alert", "hooks"]
QUICK = Patience(first=0.01, longest=0.2, probe=0.05)


def hooks(**ports: int) -> str:
    """Return an operator's file with a webhook on each port of this machine."""
    lines = [f'{name}: {{webhook: "http://127.0.0.1:{port}/", secret: "{SECRET}"}}' for name, port in ports.items()]
    return f"allow_hosts: [127.0.0.1]\nchannels: {{{', '.join(lines)}}}\n"


class Fixed(OperatorFile):
    """Channels that no file can name."""

    def __init__(self, folder: Path, *channels: Channel) -> None:
        super().__init__(folder)
        self.fixed = Operator({channel.name: channel for channel in channels}, {})

    def current(self) -> Operator:
        return self.fixed


@dataclass
class Post:
    """A store whose outbox may be started and stopped."""

    folder: Path
    patience: Patience = QUICK
    operator: OperatorFile | None = None
    changes: Changes = field(default_factory=Changes)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.database = Database(self.folder)
        self.outbox = self._outbox()

    def _outbox(self) -> Outbox:
        return Outbox(self.database, self.operator or OperatorFile(self.folder), self.changes, self.patience)

    def write(self, text: str) -> Post:
        (self.folder / NAME).write_text(text)
        return self

    def start(self) -> Post:
        self.outbox.start()
        return self

    def restart(self) -> Post:
        self.outbox.stop(10.0)
        self.outbox = self._outbox()
        return self.start()

    def close(self) -> None:
        self.outbox.stop(10.0)
        self.database.close()

    def enqueue(self, channels: list[str], incident: int = 7, kind: str = "opened", **changes: Any) -> str:
        """Put an alert in and wake the outbox; returns its key."""
        told = alert(kind, **{"key": "", "incident": incident} | changes)
        key = self.database.write(lambda c: enqueue(c, told.project, told.incident, channels, told)).result()
        self.outbox.wake()
        return key

    def rows(self, table: str = "outbox", **where: Any) -> list[dict[str, Any]]:
        with self.database.reading() as connection:
            return rows.select_all(connection, table, tail="ORDER BY 1", **where)

    def states(self, **where: Any) -> list[tuple[Any, ...]]:
        return [(row["kind"], row["state"]) for row in self.rows(**where)]

    def until(self, so: Callable[[], bool], timeout: float = 10.0) -> bool:
        """Wait until something is so; looks at every change."""
        end = time.monotonic() + timeout
        while not so():
            number = self.changes.number
            if so():
                return True
            if time.monotonic() > end:
                return False
            self.changes.since(number, 0.5)
        return True

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until nothing waits."""
        return self.until(lambda: not self.rows(state="waiting"), timeout)

    def execute(self, statement: str, *values: Any) -> None:
        """Change the store behind its back."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        self.database.write(job).result()

    def set(self, table: str, where: dict[str, Any], **values: Any) -> None:
        """Change rows properly."""
        self.database.write(lambda c: rows.update(c, table, where, **values)).result()
