"""Which labelled rows a retraining learns from, and which later ones judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watchkeeper.response.guards import Refusal
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.window import HOUR, calendar_window, local_days, microseconds


@dataclass(frozen=True, slots=True)
class Needs:
    """How much of what a retraining needs.

    Attributes
    ----------
    holdout_days, holdout_share, holdout_rows
        The last rows are held out: so many days or such a share of them, whichever is less, but at least so many rows.
    least_days
        Days that are held out at least: they are the blocks of the comparison, and one says nothing of how days differ.
    training_days, training_rows
        Rows since the trouble began, or in all, that are needed to learn from: the days before it teach what is no more.
    most_rows
        More are left out of the training, the oldest first.
    """

    holdout_days: int = 14
    holdout_share: float = 0.2
    holdout_rows: int = 500
    least_days: int = 3
    training_days: int = 2
    training_rows: int = 500
    most_rows: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Hour:
    """Labelled rows of an hour: of all versions, and of the one that serves."""

    start: int
    all: int
    serving: int


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open interval of event time in microseconds, and its labelled rows."""

    start: int
    stop: int
    rows: int


@dataclass(frozen=True, slots=True)
class Ranges:
    """The training comes before the hold-out, and shares no row with it."""

    training: Span
    holdout: Span


def split(hours: Sequence[Hour], zone: str | None, since: int | None, needs: Needs) -> Ranges | Refusal:
    """Cut labelled hours, which end where labels are complete, into training and hold-out, at the begin of a local day.

    Where it is known ``since`` when the trouble lasts, at most half of the days since then are held out, so that the training
    sees of the world as it is now as well; before there are enough of them, it is too early.
    """
    if not hours:
        return Refusal("no labels", "no row has a label yet")
    hours = sorted(hours, key=lambda h: h.start)
    of_hours = local_days(np.array([h.start for h in hours], dtype=np.int64), zone)
    served = np.array([h.serving for h in hours], dtype=np.int64)
    days, place = np.unique(of_hours[served > 0], return_inverse=True)
    rows = np.bincount(place, served[served > 0], len(days)).astype(np.int64)
    recent = len(days)
    if since is not None:
        recent = int((days >= local_days(np.array([since], dtype=np.int64), zone)[0]).sum())
    held = _held(rows, recent, since is not None, needs)
    if since is not None and recent < held + needs.training_days:
        text = f"{recent} days since it began have labels; {held} to judge and {needs.training_days} to learn from are needed"
        return Refusal("too early", text)
    if held >= len(days) or int(rows[-held:].sum()) < needs.holdout_rows:
        return Refusal("few labels", f"{int(rows.sum())} rows have labels, too few to learn and to judge")
    first = hours[int(np.flatnonzero(of_hours == days[-held])[0])].start
    start = microseconds(calendar_window(first, "day", zone).start)
    return _ranges(hours, start, needs)


def _held(rows: Int64s, recent: int, bounded: bool, needs: Needs) -> int:
    """Return how many of the last days are held out; ``rows`` by day."""
    from_end = np.cumsum(rows[::-1])
    share = int(np.searchsorted(from_end, needs.holdout_share * from_end[-1], side="right"))
    held = min(needs.holdout_days, share, recent // 2 if bounded else share)
    enough = int(np.searchsorted(from_end, needs.holdout_rows)) + 1
    return max(held, enough, needs.least_days)


def _ranges(hours: Sequence[Hour], start: int, needs: Needs) -> Ranges | Refusal:
    stop = hours[-1].start + HOUR
    learnt, total, begin = 0, 0, start
    for hour in reversed([h for h in hours if h.start < start]):
        total += hour.all
        if total > needs.most_rows:
            break
        learnt, begin = total, hour.start
    if learnt < needs.training_rows:
        return Refusal(
            "few labels", f"{learnt} rows with labels are there to learn from, and {needs.training_rows} are needed"
        )
    held = sum(h.serving for h in hours if h.start >= start)
    return Ranges(Span(begin, start, learnt), Span(start, stop, held))
