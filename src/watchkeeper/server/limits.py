"""Threads for what would block the event loop: those that take batches in, and those that answer questions, apart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import anyio
import anyio.to_thread

from watchkeeper.errors import Overloaded
from watchkeeper.server.settings import ServerSettings

T = TypeVar("T")


class Lane:
    """So many threads, and so many requests that may wait for one; the others are told to come back."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._limiter, self._most = anyio.CapacityLimiter(threads), most_waiting

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in a thread."""
        self._admit()
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and keep it until the end."""
        self._admit()
        async with self._limiter:
            yield

    def _admit(self) -> None:
        if self._limiter.statistics().tasks_waiting >= self._most:
            raise Overloaded(1.0, "too many requests wait for an answer")


class Limits:
    """The lanes of a server, and how much of all bodies together is in memory."""

    def __init__(self, settings: ServerSettings) -> None:
        self.ingest = Lane(settings.ingest_threads, settings.most_waiting)
        self.reading = Lane(settings.read_threads, settings.most_waiting)
        self.control = Lane(2, settings.most_waiting)
        self.backup = Lane(1, settings.most_waiting)
        self._held, self._most = 0, settings.most_held_bytes

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Give a function that notes bytes taken into memory, and let go of them all at the end."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self._held + size > self._most:
                raise Overloaded(1.0, "it holds as many bodies as it can")
            mine += size
            self._held += size

        try:
            yield take
        finally:
            self._held -= mine


async def settled(future: Future[T]) -> T:
    """Wait for a future of another thread; who waits may be cancelled, the future never is."""
    return await asyncio.shield(asyncio.wrap_future(future))
