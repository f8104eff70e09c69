"""An incident's evidence says which units seem to have changed, as the values of the window suggest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from watchkeeper.metrics.units import guess_units
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.values import Place
from watchkeeper.profiles.profile import Profile
from watchkeeper.report.change_words import unit_words
from watchkeeper.response.incidents import Explanation
from watchkeeper.window import DAY

_WEEKS = 14 * DAY


class Windowed(Protocol):
    """A sealed window, with a way to its rows and to those before it."""

    @property
    def version(self) -> Version:
        """Whose it is."""

    @property
    def window(self) -> Place:
        """Where it lies."""

    @property
    def between(self) -> Callable[[int, int], Profile | None] | None:
        """Return the profile of the rows between two moments."""


def units_told(columns: Sequence[Explanation], sealed: Windowed) -> list[Explanation]:
    """Return explanations with a guessed change of units in their words.

    The window is held against the two weeks before it, the two before those (an incident may open days after what caused it),
    and the reference; the first against which units seem to have changed is believed.
    """
    window = sealed.between(sealed.window.start, sealed.window.stop) if columns and sealed.between is not None else None
    if window is None:
        return list(columns)
    told = list(columns)
    for earlier in _earlier(sealed):
        told = [_told(one, earlier, window) if "unit changed" not in one.words else one for one in told]
    return told


def _earlier(sealed: Windowed) -> Iterator[Profile]:
    assert sealed.between is not None
    start, baseline = sealed.window.start, sealed.version.baseline
    for stop in (start, start - _WEEKS):
        found = sealed.between(stop - _WEEKS, stop)
        if found is not None:
            yield found
    if baseline is not None:
        yield baseline.profile


def _told(one: Explanation, earlier: Profile, window: Profile) -> Explanation:
    before, after = earlier.columns.get(one.column), window.columns.get(one.column)
    unit = guess_units(before, after, one.column) if before is not None and after is not None else None
    return one if unit is None else replace(one, words=f"{one.words.rstrip('.')}. {unit_words(unit)}")
