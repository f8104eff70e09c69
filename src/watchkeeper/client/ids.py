"""Ids that sort by event time and name it: ``w``, milliseconds since 1970, the process, a counter."""

from __future__ import annotations

import itertools
import os
import re

_SHAPE = re.compile(r"w([0-9a-f]{12})-[0-9a-f]{10}-[0-9a-f]{6,}")
LATEST_MS = 2**48 - 1


class Mint:
    """Makes ids in one process; thread-safe and safe in signal handlers, for it takes no lock.

    Attributes
    ----------
    middle
        The part that tells processes apart, with its dashes; random.
    count
        Gives the next number of the counter, which has six hexadecimal digits from the start.

    Examples
    --------
    >>> mint = Mint()
    >>> event_ms(mint.at(1_700_000_000_123))
    1700000000123
    """

    __slots__ = ("count", "middle")

    def __init__(self) -> None:
        self.middle = f"-{os.urandom(5).hex()}-"
        self.count = itertools.count(0x100000).__next__

    def at(self, ms: int) -> str:
        """Return a new id for an event ``ms`` milliseconds after 1970; what 12 hex digits cannot hold is clamped."""
        return f"w{min(max(ms, 0), LATEST_MS):012x}{self.middle}{self.count():06x}"


def event_ms(id: str) -> int | None:  # noqa: A002 - the word that users type
    """Return the event time that an id carries, in milliseconds since 1970; None for an id of somebody's own making."""
    found = _SHAPE.fullmatch(id)
    return int(found[1], 16) if found else None
