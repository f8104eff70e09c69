"""Reads what this process uses of its machine, and hands out every processor second once."""

from __future__ import annotations

import sys
import time

from watchkeeper.client.usage import Usage

if sys.platform == "linux":
    import os

    def resident() -> float | None:
        """Return the bytes of this process that are in memory now; None where the system does not say."""
        try:
            handle = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            try:
                return float(int(os.read(handle, 128).split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            finally:
                os.close(handle)
        except (OSError, ValueError, IndexError):
            return None

elif sys.platform == "darwin":
    import resource

    def resident() -> float | None:
        """Return the most bytes of this process that were in memory so far, for the system tells nothing nearer."""
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

else:

    def resident() -> float | None:
        """Return None: it is not known how to ask this system."""
        return None


MEASURES = sys.platform in {"linux", "darwin"}


class Meter:
    """Measures from when it is made. One thread at a time may use it."""

    def __init__(self) -> None:
        self._handed_out = time.process_time()

    def take(self, rows: int, of: int) -> Usage:
        """Return what goes with ``rows`` rows: their share of the processor time since, where ``of`` rows are to be sent."""
        share = rows / max(rows, of, 1)
        used = max(0.0, time.process_time() - self._handed_out) * share
        self._handed_out += used
        return Usage(used, resident())
