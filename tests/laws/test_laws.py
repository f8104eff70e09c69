"""Every class that merges obeys the laws of merging; a class without a strategy fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import hypothesis
import pytest
from cases import CASES, EXAMPLES, Case

import watchkeeper.profiles
import watchkeeper.sketches
from watchkeeper.testing import check_laws

PACKAGES = (watchkeeper.sketches, watchkeeper.profiles)
NO_SKETCHES = {"Sketch"}  # the protocol itself


def mergeable() -> list[type]:
    """Return every public class of the packages that has ``merge`` and ``state``."""
    found = []
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            found += [kind for _, kind in members if kind.__module__ == module.name]
    public = [kind for kind in found if not kind.__name__.startswith("_") and kind.__name__ not in NO_SKETCHES]
    return [kind for kind in public if hasattr(kind, "merge") and hasattr(kind, "state")]


FOUND = mergeable()


def test_classes_are_found() -> None:
    assert {kind.__name__ for kind in FOUND} >= {"Histogram", "Categories", "NumericColumn", "Timeline", "Profile"}


@pytest.mark.parametrize("kind", FOUND, ids=lambda kind: kind.__name__)
def test_laws(kind: type) -> None:
    assert kind in CASES, f"{kind.__name__} merges: give it a strategy in tests/laws/cases.py"

    @hypothesis.settings(
        max_examples=EXAMPLES.get(kind, 25),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(CASES[kind])
    def obeys(case: Case) -> None:
        assert isinstance(case.make(), kind)
        check_laws(case.make, case.parts, case.whole, scale=case.scale, read=case.read)

    obeys()


def test_no_strategy_is_for_a_class_that_is_gone() -> None:
    assert set(CASES) == set(FOUND)
