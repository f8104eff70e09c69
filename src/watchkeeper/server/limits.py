"""Threads for what would block the event loop: those that take batches in, and those that answer questions, apart."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from watchkeeper.errors import Overloaded
from watchkeeper.server.settings import ServerSettings

T = TypeVar("T")


class Lane:
    """So many threads, and so many requests that may wait for one; the others are told to come back.

    The threads stay, for a store keeps a connection open for each; they keep no process alive.
    """

    def __init__(self, name: str, threads: int, most_waiting: int) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._name, self._threads, self._most = name, threads, most_waiting
        self._started = 0

    async def run(self, call: Callable[[], T], *, begun: bool = False) -> T:
        """Run a call in a thread of this lane; one that nobody waits for any more is not begun.

        ``begun``: it goes on with an answer that was let in before.
        """
        if not begun and self._jobs.qsize() >= self._most:
            raise Overloaded(1.0, "too many requests wait for an answer")
        return await asyncio.wrap_future(self.post(call))

    def post(self, call: Callable[[], T]) -> Future[T]:
        """Have a call run in a thread of this lane."""
        if self._started < self._threads:
            self._started += 1
            name = f"watchkeeper-{self._name}-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        future: Future[T] = Future()
        self._jobs.put((future, call))
        return future

    def close(self) -> None:
        """Let the threads end when what they have begun is done."""
        for _ in range(self._started):
            self._jobs.put((Future(), _stop))

    def _work(self) -> None:
        while True:
            future, call = self._jobs.get()
            if call is _stop:
                return
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call


def _stop() -> None:
    """End a thread."""


class Single:
    """What only one request at a time may do."""

    def __init__(self, what: str) -> None:
        self._what, self._taken = what, False

    def claim(self) -> None:
        """Take the one place; the others are told to come back."""
        if self._taken:
            raise Overloaded(10.0, f"{self._what} is under way")
        self._taken = True

    def release(self) -> None:
        """Give it back."""
        self._taken = False


class Limits:
    """The lanes of a server, and how much of all bodies together is in memory."""

    def __init__(self, settings: ServerSettings) -> None:
        most = settings.most_waiting
        self.ingest = Lane("ingest", settings.ingest_threads, most)
        self.reading = Lane("reading", settings.read_threads, most)
        self.control = Lane("control", 2, most)
        self.slow, self.one_replay = Lane("slow", 2, 8), Single("another replay")
        self.events = Lane("events", 1, 1)
        self.backup, self.one_backup = Lane("backup", 1, most), Single("another backup")
        self._held, self._most = 0, settings.most_held_bytes

    def close(self) -> None:
        """Let all threads end."""
        for lane in (self.ingest, self.reading, self.control, self.slow, self.events, self.backup):
            lane.close()

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
