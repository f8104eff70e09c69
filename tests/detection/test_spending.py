"""The budget is read, shared out whole, and spent at the promised rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detection.budget import Budget, length_of, rate_of, shares
from watchkeeper.errors import InvalidMonitors
from watchkeeper.window import DAY, HOUR


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1 per 600 days", 600),
        ("1 per 8 weeks", 56),
        ("2 per 4 weeks", 14),
        ("1 per month", 30.4375),
        ("1 per 2 months", 60.875),
        ("1 per 240 hours", 10),
        ("1 per year", 365.25),
        ("0.5 per day", 2),
        ("1 per 60h", 2.5),
    ],
)
def test_budgets(text: str, days: float) -> None:
    budget = Budget.parse(text)
    assert budget.per_window(DAY) == pytest.approx(1 / days)
    assert budget.per_window(HOUR) == pytest.approx(1 / days / 24)
    assert budget.text == text


@pytest.mark.parametrize(
    "text", ["", "1", "1 per", "per day", "0 per day", "-1 per day", "1 per fortnight", "1 per 0 days"]
)
def test_no_budgets(text: str) -> None:
    with pytest.raises(InvalidMonitors, match="budget"):
        Budget.parse(text)


def test_a_budget_that_promises_nothing() -> None:
    with pytest.raises(InvalidMonitors, match="promises nothing"):
        Budget.parse("2 per hour")


@pytest.mark.parametrize(
    ("text", "hours"), [("5m", 1 / 12), ("1h", 1), ("7d", 168), ("2 weeks", 336), ("1 hour", 1), ("day", 24)]
)
def test_lengths(text: str, hours: float) -> None:
    assert length_of(text) == pytest.approx(hours * HOUR)


def test_rates() -> None:
    assert rate_of("1 per day") == (1, DAY)


monitors = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), min_size=1, max_size=60)


@given(monitors, st.floats(1e-9, 0.5))
def test_the_parts_sum_to_the_whole(checks: list[tuple[str, bool]], whole: float) -> None:
    parts = shares(whole, checks)
    assert math.fsum(parts) == pytest.approx(whole, rel=1e-12)
    assert min(parts) > 0
    assert len({(check, part) for check, part in zip(checks, parts, strict=True)}) == len(set(checks)), (
        "the same for alike"
    )


@given(monitors, st.integers(0, 50))
def test_segments_never_take_from_the_whole_more_than_half(checks: list[tuple[str, bool]], more: int) -> None:
    checks = [("a", False), *[c for c in checks if c != ("a", False)]]
    before = shares(1.0, checks)[0]
    after = shares(1.0, [*checks, *[("a", True)] * more])[0]
    assert after >= before / 2 * (1 - 1e-12)


def test_nothing_to_check_spends_nothing() -> None:
    assert shares(0.1, []) == []
