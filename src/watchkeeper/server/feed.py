"""Tells the streams of events that something changed: one thread waits for all of them, and keeps none of them waiting."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
from collections.abc import Iterator

from watchkeeper.errors import Overloaded
from watchkeeper.pipeline.changes import Change
from watchkeeper.server.limits import Lane
from watchkeeper.server.ports import Changing

_LOOK = 1.0


class Feed:
    """The changes of a pipeline, for so many streams at once. Lives in the event loop, but for the one thread that waits.

    A stream holds the number of the last change that it told, never the changes themselves: one that reads slowly takes
    no memory, and fetches everything again where it fell too far behind.

    Attributes
    ----------
    ended
        Whether the server is about to end; streams end then by themselves, so that nobody has to wait for them.
    """

    def __init__(self, changes: Changing, lane: Lane, most: int) -> None:
        self._changes, self._lane, self._most = changes, lane, most
        self._run = secrets.token_hex(4)
        self._open, self._seen, self.ended = 0, 0, False
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count as one of the streams."""
        if self._open >= self._most:
            raise Overloaded(10.0, f"{self._most} pages follow its events already")
        self._open += 1
        if self._pump is None or self._pump.done():
            self._seen = self._changes.number
            self._pump = asyncio.get_running_loop().create_task(self._wait_for_all())
        try:
            yield
        finally:
            self._open -= 1

    def news(self) -> asyncio.Event:
        """Return what is set at the next change; to be asked for before :meth:`since`, so that none is missed."""
        return self._news

    def latest(self) -> int:
        """Return the number of the last change."""
        return self._changes.number

    def since(self, number: int) -> tuple[int, bool, list[Change]]:
        """Return the number to go on from, whether nothing was missed, and the changes after a number."""
        now = self._changes.number
        whole, found = self._changes.since(number, 0.0)
        return (found[-1].number if found else now if not whole else number), whole, found

    def name(self, number: int) -> str:
        """Return the id under which a stream tells of a number; numbers of another run of the server mean nothing."""
        return f"{self._run}-{number}"

    def number(self, name: str) -> int:
        """Return the number of an id; one before all others where it is none of this run."""
        run, _, number = name.partition("-")
        return int(number) if run == self._run and number.isdecimal() and len(number) < 16 else -1

    def close(self) -> None:
        """Let every stream end."""
        self.ended = True
        self._wake()

    async def _wait_for_all(self) -> None:
        while self._open and not self.ended:
            await self._lane.run(functools.partial(self._changes.since, self._seen, _LOOK), begun=True)
            if self._changes.number != self._seen:
                self._seen = self._changes.number
                self._wake()

    def _wake(self) -> None:
        self._news, woken = asyncio.Event(), self._news
        woken.set()
