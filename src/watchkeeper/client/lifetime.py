"""Loggers through the life of a process: its forks and its end."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
from typing import Protocol


class Mortal(Protocol):
    """Something that has to be told of forks and of the end."""

    def after_fork(self) -> None:
        """Begin anew in a child."""

    def finish(self, end: float) -> None:
        """Put everything in order by ``end`` (monotonic seconds)."""

    @property
    def exit_budget(self) -> float:
        """Seconds that this may take at the end."""


_living: dict[int, Mortal] = {}
_hooked: list[bool] = []


def remember(it: Mortal) -> None:
    """Tell ``it`` of forks and of the end from now on."""
    _living[id(it)] = it
    if not _hooked:
        _hooked.append(True)
        atexit.register(leave)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: begin_anew())  # noqa: PLW0108 - looked up when it happens


def dismiss(it: Mortal) -> None:
    """Tell ``it`` no more of the end; a fork still concerns it."""
    _living.pop(id(it), None)


def begin_anew() -> None:
    """In a forked child: no lock, thread, connection, row or file of the parent's is used again."""
    for it in list(_living.values()):
        with contextlib.suppress(Exception):
            it.after_fork()


def leave() -> None:
    """Deliver or keep what every logger holds, within one budget for all."""
    mortals = list(_living.values())
    end = time.monotonic() + max((it.exit_budget for it in mortals), default=0.0)
    for place, it in enumerate(mortals):
        with contextlib.suppress(Exception):
            left = end - time.monotonic()
            it.finish(time.monotonic() + left / (len(mortals) - place))
