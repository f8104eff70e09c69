"""Which version should serve, asked of the server in the background."""

from __future__ import annotations

import _thread
import time

from watchkeeper.client.plan import Plan
from watchkeeper.client.wire import Line

PATIENCE = 0.5


class Serving:
    """Remembers what the server said last."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: str | None = None
        self._asked: float | None = None

    def version(self) -> str | None:
        """Return the version as it was said last, asking anew where that is old; the first call waits half a second for it."""
        first, now = self._asked is None, time.monotonic()
        if self._plan.address is not None and (
            self._asked is None or now - self._asked >= self._plan.settings.serving_every
        ):
            self._asked = now
            done = _thread.allocate_lock()
            done.acquire()
            _thread.start_new_thread(self._ask, (done,))
            if first:
                done.acquire(timeout=PATIENCE)
        return self._known if self._known is not None else self._plan.version

    def _ask(self, done: _thread.LockType) -> None:
        try:
            assert self._plan.address is not None
            line = Line(self._plan.address, self._plan.key)
            reply = line.ask(
                ("GET", self._plan.serving()), {"Accept": "application/json"}, None, self._plan.settings.deadline
            )
            line.close()
            said = reply.said.get("version")
            if reply.status == 200 and isinstance(said, str):
                self._known = said
        finally:
            done.release()
