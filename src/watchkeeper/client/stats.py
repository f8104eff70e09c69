"""What became of every row, in numbers that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """Where rows are: ``logged + adopted = delivered + quarantined + refused + spooled + pending + sum(dropped)``.

    Attributes
    ----------
    logged
        Rows handed in, by this process since it began (or was forked).
    adopted
        Rows found in the spools of processes that are no more.
    delivered
        Rows that the server has taken.
    quarantined
        Rows that the server refused alone.
    refused
        Rows of batches that the server refused as a whole, for good; they lie in the spool as ``*.refused``.
    spooled, pending
        Rows on disk and in memory that are still to be delivered.
    dropped
        Rows lost, by reason.
    cut, unreadable
        Values that were longer than a row may hold; values and outputs that could not be read.
    retries
        Requests that failed and will be made again.
    last_error
        What went wrong last; empty where nothing did.
    """

    logged: int
    adopted: int
    delivered: int
    quarantined: int
    refused: int
    spooled: int
    pending: int
    dropped: Mapping[str, int]
    cut: int
    unreadable: int
    retries: int
    last_error: str


class Tally:
    """The counters behind :class:`Stats`. Only the courier counts here, so none needs a lock."""

    __slots__ = (
        "adopted",
        "cut",
        "delivered",
        "dropped",
        "last_error",
        "quarantined",
        "refused",
        "retries",
        "taken",
        "unreadable",
    )

    def __init__(self) -> None:
        self.taken = self.adopted = self.delivered = self.quarantined = self.refused = self.retries = 0
        self.cut = self.unreadable = 0
        self.dropped: Counter[str] = Counter()
        self.last_error = ""
