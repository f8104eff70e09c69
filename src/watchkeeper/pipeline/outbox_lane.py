"""The thread of one channel: sends what is due, records what became of it, and never waits for another channel.

A letter is recorded as sent after it was, so whoever is killed between the two sends it again, under the same key.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from watchkeeper.errors import ChannelFailed, CorruptStore, StoreError
from watchkeeper.pipeline import outbox_letters as letters
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.outbox_letters import Letter, Patience
from watchkeeper.response.alert import Alert, Channel
from watchkeeper.response.operator import OperatorFile
from watchkeeper.store.database import Database

_LOG = logging.getLogger("watchkeeper")
_IDLE = 30.0
_TROUBLE = 5.0
Job = Callable[[sqlite3.Connection], None]


class Lane:
    """Sends the letters of the channel ``name``; with None those to channels that the operator's file does not name."""

    def __init__(
        self, name: str | None, database: Database, operator: OperatorFile, changes: Changes, patience: Patience
    ) -> None:
        self.name = name
        self._database, self._operator, self._changes, self._patience = database, operator, changes, patience
        self._event = threading.Event()
        self._stopping = self._abandoned = False
        self._failures = 0
        self._until = 0.0
        self._owed: dict[int, tuple[Letter, Job]] = {}
        self._damaged: set[int] = set()
        self._thread = threading.Thread(target=self._run, name=f"watchkeeper-outbox-{name or 'nowhere'}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look again: something may wait."""
        self._event.set()

    def hurry(self) -> None:
        """Forget that the channel failed."""
        self._failures, self._until = 0, 0.0
        self.wake()

    def halt(self) -> None:
        """Send nothing more after what is being sent."""
        self._stopping = True
        self.wake()

    def join(self, timeout: float) -> None:
        """Wait for the end; a letter that is still being sent then is not recorded, and is sent again after the next start."""
        if self._thread.is_alive():
            self._thread.join(max(timeout, 0.0))
        self._abandoned = True

    def _run(self) -> None:
        while not self._stopping:
            self._event.clear()
            try:
                pause = self._step()
            except StoreError as error:
                _LOG.warning("the outbox cannot be read or written: %s", error)
                pause = _TROUBLE
            except Exception:
                if self._abandoned:
                    return
                _LOG.exception("the outbox of %s stumbled", self.name)
                pause = _TROUBLE
            if pause > 0 and not self._stopping:
                self._event.wait(pause)

    def _step(self) -> float:
        """Send one letter if one is due; return the seconds until there is anything to do unless somebody wakes us."""
        self._settle()
        if self._until > time.monotonic():
            return self._until - time.monotonic()
        letter, pause = self._next()
        if letter is None:
            return pause
        try:
            self._deliver(letter)
        except ChannelFailed as error:
            self._failed(letter, error)
        else:
            self._arrived(letter)
        return 0.0

    def _next(self) -> tuple[Letter | None, float]:
        known = self._operator.current().channels
        if self.name is not None and self.name not in known:
            return None, _IDLE
        with self._database.reading() as connection:
            found = letters.waiting(connection, self.name, known)
            for number, due in found:
                if number in self._owed or number in self._damaged:
                    continue
                wait = (due - now()) / 1e6
                if 0 < wait <= self._patience.longest:  # longer only where somebody set the clock back
                    return None, min(wait, _IDLE)
                letter = self._read(connection, number)
                if letter is not None:
                    return letter, 0.0
        return None, _TROUBLE if self._owed else _IDLE

    def _read(self, connection: sqlite3.Connection, number: int) -> Letter | None:
        try:
            return letters.read(connection, number)
        except (CorruptStore, ValueError, TypeError) as error:
            _LOG.error("the letter %d of the outbox is damaged and is not sent: %s", number, error)
            self._damaged.add(number)
            return None

    def _deliver(self, letter: Letter) -> None:
        channel = self._operator.current().channels.get(letter.channel)
        if channel is None:
            raise ChannelFailed(letter.channel, "the operator's file names no channel of this name")
        deliver(channel, letter.alert)

    def _arrived(self, letter: Letter) -> None:
        self._failures, self._until = 0, 0.0
        self._owed[letter.id] = letter, lambda connection: letters.note_sent(connection, letter)
        self._settle()

    def _failed(self, letter: Letter, error: ChannelFailed) -> None:
        self._failures += error.again
        pause = self._patience.pause(self._failures, self._patience.probe) if error.again else 0.0
        self._until = time.monotonic() + pause
        if not letter.attempts:
            _LOG.warning("%s", error)
        self._write(letter, lambda c: letters.note_failed(c, letter, error.why, error.again, self._patience))

    def _settle(self) -> None:
        """Record what arrived; where the disk refuses it is owed, and not sent again meanwhile."""
        for number, (letter, job) in list(self._owed.items()):
            try:
                self._write(letter, job)
            except StoreError as error:
                _LOG.warning("%s arrived, which cannot be recorded yet: %s", letter.alert.key, error)
                return
            del self._owed[number]

    def _write(self, letter: Letter, job: Job) -> None:
        if self._abandoned:
            return
        self._database.write(job).result()
        model = (letter.alert.model, letter.alert.environment)
        self._changes.publish("channel", letter.project)
        if letter.incident is not None:
            self._changes.publish("incident", letter.project, *model)


def deliver(channel: Channel, alert: Alert) -> None:
    """Send an alert; raises :class:`ChannelFailed`, whatever the channel raises."""
    try:
        channel.notify(alert)
    except ChannelFailed:
        raise
    except Exception as error:
        _LOG.exception("the channel %s raised what it should not", channel.name)
        raise ChannelFailed(channel.name, f"an unexpected {type(error).__name__}; the log has it") from error
