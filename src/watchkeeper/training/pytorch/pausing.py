"""While a check or a trial trains the model for its own ends, watches look away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_depth = [0]  # of the process, not of a context: hooks of a backward pass run in other threads


@contextmanager
def paused() -> Iterator[None]:
    """Keep every watch of this process from seeing what runs meanwhile."""
    _depth[0] += 1
    try:
        yield
    finally:
        _depth[0] -= 1


def is_paused() -> bool:
    """Whether watches look away."""
    return _depth[0] > 0
