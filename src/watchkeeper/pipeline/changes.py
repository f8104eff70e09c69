"""What changed, for those who look: the last changes with a number each, and a way to wait for the next."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

What = Literal["measured", "incident", "action", "channel", "monitors", "serving"]
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a page may show has changed; it says what to fetch again, not how it is now."""

    number: int
    what: What
    project: str
    model: str | None = None
    environment: str | None = None


class Changes:
    """Kept in memory alone: a page that lost its place, or finds the server started anew, fetches all it shows."""

    def __init__(self) -> None:
        self._last: deque[Change] = deque(maxlen=_KEPT)
        self._state = threading.Condition()
        self._number = 0

    @property
    def number(self) -> int:
        """The number of the last change; 0 before the first."""
        return self._number

    def publish(self, what: What, project: str, model: str | None = None, environment: str | None = None) -> None:
        """Say that something changed, after its commit."""
        with self._state:
            self._number += 1
            self._last.append(Change(self._number, what, project, model, environment))
            self._state.notify_all()

    def since(self, number: int, timeout: float) -> tuple[bool, list[Change]]:
        """Wait up to ``timeout`` seconds for changes after ``number``.

        Returns
        -------
        whole, changes
            ``whole`` is False where some are no longer known, or the number is not of this run: fetch everything then.
        """
        with self._state:
            self._state.wait_for(lambda: self._number != number, timeout)
            found = [change for change in self._last if change.number > number]
            first = self._last[0].number if self._last else self._number + 1
            return number <= self._number and number + 1 >= first, found
