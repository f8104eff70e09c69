"""A reference with what follows from it alone, computed once however many windows are compared with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from watchkeeper.profiles.profile import Profile

T = TypeVar("T")


class Baseline:
    """A reference profile, which does not change any more, and a memory of its own metrics, calibrators and design effects."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what ``compute`` gives; computed when it is first asked for under ``key``."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[no-any-return]
