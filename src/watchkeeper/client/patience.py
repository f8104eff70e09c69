"""When to try again: longer after every failure, at random within that, and when the server says so."""

from __future__ import annotations

import random
import time

from watchkeeper.client.wire import Reply

FOREVER = frozenset({400, 413, 415, 422})  # the same body would be refused again
BARRED = frozenset({401, 403})
_AWAITED = 1.0
_FIRST, _LONGEST, _MOST_ASKED, _BARRED_PAUSE = 1.0, 60.0, 300.0, 60.0


class Patience:
    """Counts failures in a row, on a clock that nobody sets."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = self._last = 0.0
        self._asked = False

    def wait(self, *, awaited: bool = False) -> float:
        """Return the seconds to wait before the next try: about one where somebody waits and the server asked for no quiet."""
        until = min(self._until, self._last + _AWAITED) if awaited and not self._asked else self._until
        return max(0.0, until - time.monotonic())

    def may_hurry(self) -> bool:
        """Whether a try before the time does no harm: the server did not ask for quiet."""
        return not self._asked

    def succeeded(self) -> None:
        """Start anew."""
        self._failures, self._until, self._asked = 0, 0.0, False

    def failed(self, reply: Reply) -> None:
        """Wait as ``reply`` demands."""
        pause = min(_LONGEST, _FIRST * 2 ** min(self._failures, 10)) * random.random()
        self._failures += 1
        self._asked = reply.status in BARRED or reply.retry_after is not None
        if reply.status in BARRED or (reply.status and not self._asked and reply.status < 500):
            pause = _BARRED_PAUSE * (1 + random.random() / 2)
        elif reply.retry_after is not None:
            pause += min(reply.retry_after, _MOST_ASKED)
        self._last = time.monotonic()
        self._until = self._last + pause


def trouble(reply: Reply) -> str:
    """Return in words why a batch was not taken."""
    if not reply.status:
        return f"The server cannot be reached ({reply.trouble})."
    detail = str(reply.said.get("detail", ""))[:500]
    if reply.status in BARRED:
        return f"The server does not accept the key ({reply.status}). {detail}".strip()
    if 200 <= reply.status < 300:
        return f"What answers there is no Watchkeeper server (status {reply.status}, but no receipt for the batch)."
    return f"The server answered {reply.status}. {detail}".strip()
