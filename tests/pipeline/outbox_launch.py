"""Runs an outbox in a process of its own that may be killed at any line between an enqueue, the sending and the record.

Loads everything once, then forks a child for each order (JSON, a line) that comes on standard input, and answers with what the
child said and its exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from posted import Post, alert

from watchkeeper.pipeline import outbox_lane, outbox_letters
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.outbox_lane import Lane
from watchkeeper.store import rows

TRACED = ("outbox.py", "outbox_lane.py", "outbox_letters.py", "webhook.py", "pinned.py", "database.py")


class Executioner:
    """Counts lines of the traced files, in all threads, from when it is armed; kills the process at line ``at``."""

    def __init__(self, at: int | None) -> None:
        self.at, self.lines, self.armed = at, 0, False

    def watch(self) -> None:
        sys.settrace(self._call)
        threading.settrace(self._call)

    def _call(self, frame: Any, event: str, told: Any) -> Any:
        return self._line if self.armed and frame.f_code.co_filename.endswith(TRACED) else None

    def _line(self, frame: Any, event: str, told: Any) -> Any:
        if event == "line" and self.armed:
            self.lines += 1
            if self.lines == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def recorded_first() -> None:
    """Mark a letter sent before it is."""
    whole = Lane._deliver

    def deliver(self: Lane, letter: Any) -> None:
        self._write(letter, lambda connection: outbox_letters.note_sent(connection, letter))
        whole(self, letter)

    Lane._deliver = deliver  # type: ignore[method-assign]
    Lane._arrived = lambda self, letter: None  # type: ignore[method-assign]


def enqueued_later() -> None:
    """Put a letter in the outbox after the commit of what it tells of."""


def keyed_anew() -> None:
    """Send each attempt under a key of its own."""
    whole = outbox_letters.read

    def read(connection: sqlite3.Connection, number: int) -> Any:
        letter = whole(connection, number)
        return letter and replace(letter, alert=replace(letter.alert, key=secrets.token_hex(8)))

    outbox_lane.letters.read = read


KNOWN: dict[str, Callable[[], None]] = {made.__name__: made for made in (recorded_first, enqueued_later, keyed_anew)}


def decide(connection: sqlite3.Connection, incident: int, kind: str) -> None:
    """Open an incident, or resolve it."""
    if kind == "opened":
        rows.insert(connection, "incident", id=incident, project_id=1, state="open", opened=now())
    else:
        rows.update(connection, "incident", {"id": incident}, state="resolved", resolved=now())


def run(order: dict[str, Any], say: Callable[[str], None]) -> None:
    """Finish what an earlier process left, then decide, tell and record, unless killed on the way."""
    broken = order.get("sabotage")
    if broken:
        KNOWN[broken]()
    executioner = Executioner(order.get("kill"))
    executioner.watch()
    post = Post(Path(order["store"])).start()
    assert post.settled(30.0)
    if "kind" in order:
        incident, kind = int(order["incident"]), str(order["kind"])
        told = alert(kind, key="", incident=incident)

        def enqueue(connection: sqlite3.Connection) -> str:
            return outbox_letters.enqueue(connection, "default", incident, ["hook"], told)

        def job(connection: sqlite3.Connection) -> str:
            decide(connection, incident, kind)
            return "" if broken == "enqueued_later" else enqueue(connection)

        executioner.armed = True
        key = post.database.write(job).result()
        if broken == "enqueued_later":
            key = post.database.write(enqueue).result()
        say(key)
        post.outbox.wake()
        assert post.settled(30.0)
        executioner.armed = False
    post.close()
    say(f"lines {executioner.lines}")


def fork(order: dict[str, Any]) -> dict[str, Any]:
    """Run an order in a child; return what it said and how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        code = 70
        with contextlib.suppress(BaseException):
            run(order, lambda words: os.write(writing, f"{words}\n".encode()) and None)
            code = 0
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read().splitlines()
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "said": said}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(fork(json.loads(line))) + "\n")
        sys.stdout.flush()
