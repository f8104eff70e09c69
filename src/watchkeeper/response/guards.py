"""What keeps an action from being proposed: limits, cooldown, weak or stale evidence, too much going on. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watchkeeper.detection.series import Finding
from watchkeeper.response.action import LIVE, State
from watchkeeper.window import DAY, HOUR

LEAST_ROWS = 100
"""A finding that rests on fewer rows is no reason to act."""
MOST_LIVE = 5
"""So many actions of a project may be on their way at once."""
MOST_PROMOTIONS = 2
FREEZE = 7 * DAY
"""After so many promotions in so long, a person decides: what was promoted did not end it."""
FIRST_COOLDOWN, LONGEST_COOLDOWN = HOUR, 7 * DAY
_FAILED: tuple[State, ...] = ("failed", "unknown", "stopped")
_NEVER_RAN: tuple[State, ...] = ("refused", "expired")


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier action of the same model; ``proposed`` by the model's clock, in microseconds."""

    name: str
    state: State
    proposed: int
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be done, and when by the model's clock."""

    name: str
    now: int
    limit: tuple[int, int]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an action is not proposed: a word for programs, a sentence for people."""

    code: str
    text: str


def weak(findings: Sequence[Finding]) -> Refusal | None:
    """Refuse where no alarm rests on enough rows with labels: estimates and missing data are reasons to look, not to act."""
    alarms = [f for f in findings if f.alarming]
    solid = [f for f in alarms if f.state == "data" and f.source == "realised"]
    if not solid:
        return Refusal("weak", "no finding with realised values says that something is wrong")
    most = max(f.point.n for f in solid)
    if most < LEAST_ROWS:
        return Refusal("weak", f"its evidence rests on {most} rows, and {LEAST_ROWS} are needed")
    return None


def stale(now: int, due: int, length: int) -> Refusal | None:
    """Refuse where the window should have been judged long ago, as after an outage: what it says may be over.

    Parameters
    ----------
    due
        When the window was to be sealed.
    length
        The window's own; evidence may be so old, and at least three hours.
    """
    age = now - due
    if age > max(length, 3 * HOUR):
        return Refusal("stale", f"its evidence was due {_long(age)} ago, and may be over")
    return None


def busy(past: Sequence[Past], live_in_project: int) -> Refusal | None:
    """Refuse while another action of the model, or too many of the project, are on their way."""
    other = next((p for p in past if p.state in LIVE), None)
    if other is not None:
        return Refusal("busy", f"{other.name} is {other.state} for this model already")
    if live_in_project >= MOST_LIVE:
        return Refusal("crowded", f"{live_in_project} actions of the project are on their way, as many as may be")
    return None


def limited(proposal: Proposal, past: Sequence[Past]) -> Refusal | None:
    """Refuse where the limit is reached; dry runs count among themselves, what was never run counts nothing."""
    count, period = proposal.limit
    since = proposal.now - period
    mine = [p for p in _ran(proposal, past) if p.proposed > since]
    if len(mine) >= count:
        times = "once" if len(mine) == 1 else f"{len(mine)} times"
        return Refusal("limit", f"it was done {times} in {_long(period)}, and {count} is the limit")
    return None


def cooling(proposal: Proposal, past: Sequence[Past]) -> Refusal | None:
    """Refuse for a while after a failure: an hour, twice as long after each failure in a row, a week at most."""
    failures, last = 0, 0
    for earlier in sorted(_ran(proposal, past), key=lambda p: p.proposed, reverse=True):
        if earlier.state not in _FAILED:
            break
        last = last or earlier.proposed
        failures += 1
    wait = min(LONGEST_COOLDOWN, FIRST_COOLDOWN << min(failures - 1, 20)) if failures else 0
    if failures and proposal.now < last + wait:
        times = "once" if failures == 1 else f"{failures} times in a row"
        return Refusal("cooldown", f"it failed {times}, and is tried again {_long(wait)} after the last time")
    return None


def frozen(proposal: Proposal, past: Sequence[Past]) -> Refusal | None:
    """Return why a person must decide: versions were promoted again and again, and here is trouble again."""
    recent = [p for p in past if p.state == "promoted" and p.proposed > proposal.now - FREEZE]
    if len(recent) >= MOST_PROMOTIONS:
        return Refusal("frozen", f"{len(recent)} versions were promoted in {_long(FREEZE)} and did not end it")
    return None


def _ran(proposal: Proposal, past: Sequence[Past]) -> list[Past]:
    return [p for p in past if p.name == proposal.name and p.dry_run == proposal.dry_run and p.state not in _NEVER_RAN]


def _long(microseconds: int) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (HOUR // 60, "minute")):
        if microseconds >= unit:
            count = round(microseconds / unit)
            return f"{count} {name}" + ("s" if count > 1 else "")
    return "less than a minute"
