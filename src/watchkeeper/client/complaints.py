"""What a client says aloud: one warning a minute for one cause, through ``logging.getLogger("watchkeeper")``."""

from __future__ import annotations

import contextlib
import logging
import time

EVERY = 60.0


class Complaints:
    """Remembers when each cause was last spoken of."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def say(self, cause: str, sentence: str) -> None:
        """Warn of ``cause``, unless that was done within a minute. Raises nothing, whatever handlers do."""
        now = time.monotonic()
        if now - self._said.get(cause, -EVERY) < EVERY:
            return
        self._said[cause] = now
        with contextlib.suppress(Exception):  # a handler of the host's may raise
            logging.getLogger("watchkeeper").warning("%s", sentence)
