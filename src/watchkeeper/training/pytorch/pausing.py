"""While a check or a trial trains the model for its own ends, watches look away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

DEPTH = [0]
"""How often watches were paused and not yet let go on; of the process, for hooks of a backward pass run in other threads."""


@contextmanager
def paused() -> Iterator[None]:
    """Keep every watch of this process from seeing what runs meanwhile."""
    DEPTH[0] += 1
    try:
        yield
    finally:
        DEPTH[0] -= 1


def is_paused() -> bool:
    """Whether watches look away."""
    return DEPTH[0] > 0
