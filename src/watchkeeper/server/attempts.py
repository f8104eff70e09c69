"""Failed logins by address: whoever guesses is told to wait before the next guess is even looked at."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

SPAN = 300.0
"""Seconds for which a failed login counts."""
_MOST_NETWORKS = 4096


class Attempts:
    """Lives in the event loop: no locks. An IPv6 network of /64 counts as one address, for whoever has one has all of it.

    Behind a proxy all come from one address and share one count. What counts is failures alone, and keys sent as
    ``Authorization`` are not touched by it, so that nobody's guesses keep a service from sending.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Return for how many seconds no login from an address is looked at; 0 where it may try."""
        failed = self._failed.get(_network(address))
        if failed is None:
            return 0.0
        now = self._clock()
        while failed and failed[0] <= now - SPAN:
            failed.popleft()
        return failed[0] + SPAN - now if len(failed) >= self._most else 0.0

    def note(self, address: str) -> None:
        """Count a login that failed."""
        network = _network(address)
        self._failed.setdefault(network, deque(maxlen=self._most)).append(self._clock())
        self._failed.move_to_end(network)
        if len(self._failed) > _MOST_NETWORKS:
            self._failed.popitem(last=False)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
