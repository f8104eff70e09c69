"""Merging many at once gives what merging them one after the other gives, to the bit."""

from __future__ import annotations

import functools
from typing import Any

import hypothesis
import pytest
from cases import CASES, EXAMPLES, Case

from watchkeeper.sketches.protocol import merge_all
from watchkeeper.testing import difference

QUICK = [kind for kind in CASES if hasattr(kind, "merged")]


def test_there_are_quick_ways() -> None:
    assert {kind.__name__ for kind in QUICK} >= {
        "Histogram",
        "BinaryOutcome",
        "Segments",
        "Timeline",
        "RowSample",
        "Profile",
    }


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.__name__)
def test_many_at_once(kind: Any) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES.get(kind, 25), database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(CASES[kind])
    def holds(case: Case) -> None:
        parts = [case.make() for _ in range(len(case.parts) + 2)]
        for part, add in zip(parts, case.parts, strict=False):
            add(part)
        before = [part.state() for part in parts]
        slow = functools.reduce(lambda a, b: a.merge(b), parts)
        rules = {"sums": getattr(kind, "SUMS", ()), "annotations": getattr(kind, "ANNOTATIONS", ())}
        assert difference(merge_all(parts).state(), slow.state(), **rules) is None
        assert all(difference(p.state(), b) is None for p, b in zip(parts, before, strict=True))

    holds()
