"""Where rows arrive, from any thread and from signal handlers: nothing here waits, and nothing needs a lock."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from watchkeeper.client.batch import Batch, Row
from watchkeeper.client.ids import Mint
from watchkeeper.client.settings import Settings


class Intake:
    """A bounded queue; beyond its bounds the newest rows are refused and counted.

    Attributes
    ----------
    queue
        (version, id, ns, features, prediction, score, latency), (target, row, bytes), or a batch.
    lost
        The reason of each row that is lost.
    flaws
        (texts cut, values unreadable) as they happened.
    wake_at
        Rows in the queue from which :meth:`admit` has to be asked; 0 until the courier's thread runs.
    heavy
        About how many bytes the large rows in the queue take.
    limit
        The most rows in the queue; the courier lowers it where rows are large.
    """

    def __init__(self, settings: Settings, start: Callable[[], None], wake: Callable[[], None]) -> None:
        self._settings, self._start, self._wake = settings, start, wake
        self._starts = itertools.count().__next__
        self.queue: deque[Any] = deque()
        self.lost: deque[tuple[str, int]] = deque()
        self.flaws: deque[tuple[int, int]] = deque()
        self.mint = Mint()
        self.wake_at = self.heavy = 0
        self.limit = settings.queue_rows
        self.closed = False

    def begin(self) -> None:
        """Start the courier's thread if this is the first time."""
        if not self.wake_at and self._starts() == 0:
            self._start()
            self.wake_at = max(1, min(self._settings.batch_rows, self._settings.queue_rows))

    def admit(self) -> bool:
        """Whether one more row may come; starts or wakes the courier."""
        self.begin()
        if self.closed:
            self.lose("closed")
            return False
        if len(self.queue) >= self.limit or self.heavy > self._settings.queue_bytes:
            self._wake()
            self.lose("queue full")
            return False
        if len(self.queue) >= self.wake_at:
            self._wake()
        return True

    def take(self, target: str, row: Row, size: int = 0) -> None:
        """Take a row that is plain already."""
        if (len(self.queue) < self.wake_at and self.heavy <= self._settings.queue_bytes) or self.admit():
            self.heavy += size
            self.queue.append((target, row, size))

    def submit(self, batch: Batch) -> bool:
        """Take a batch, or say that there is no room for it now."""
        self.begin()
        self._wake()
        if self.closed or (self.heavy and self.heavy + len(batch.body) > self._settings.queue_bytes):
            return False
        self.heavy += len(batch.body)
        self.queue.append(batch)
        return True

    def lose(self, reason: str, rows: int = 1) -> None:
        """Note rows that are lost."""
        self.lost.append((reason, rows))

    def waiting(self) -> int:
        """Return how many rows are in the queue."""
        return sum(item.rows if type(item) is Batch else 1 for item in self.queue.copy())

    def losses(self) -> Counter[str]:
        """Return what was lost since this was last asked, by reason."""
        counted: Counter[str] = Counter()
        for _ in range(len(self.lost)):
            reason, rows = self.lost.popleft()
            counted[reason] += rows
        return counted
