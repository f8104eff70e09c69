"""What is learnt from and what is held out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.response.guards import Refusal
from watchkeeper.response.ranges import Hour, Needs, Ranges, split
from watchkeeper.window import DAY, HOUR


def hours(days: int, a_day: int = 240) -> list[Hour]:
    return [Hour(h * HOUR, a_day // 24, a_day // 24) for h in range(days * 24)]


def made(found: Ranges | Refusal) -> Ranges:
    assert isinstance(found, Ranges), found
    return found


def test_a_fifth_is_held_out_but_no_more_than_two_weeks() -> None:
    found = made(split(hours(40), None, None, Needs()))
    assert (found.holdout.start, found.holdout.stop) == (32 * DAY, 40 * DAY)
    assert (found.training.start, found.training.stop, found.training.rows) == (0, 32 * DAY, 32 * 240)
    assert made(split(hours(200), None, None, Needs())).holdout.start == 186 * DAY


def test_at_least_so_many_rows_are_held_out() -> None:
    assert made(split(hours(60, 24), None, None, Needs())).holdout.rows == 504  # 21 days, more than a fifth


def test_days_since_the_trouble_began_are_shared_between_learning_and_judging() -> None:
    found = made(split(hours(100), None, 90 * DAY, Needs()))
    assert found.holdout.start == 95 * DAY
    assert found.training.stop == 95 * DAY
    refused = split(hours(100), None, 96 * DAY, Needs())
    assert isinstance(refused, Refusal)
    assert refused.code == "too early"
    assert "4 days" in refused.text
    assert made(split(hours(100), None, 95 * DAY, Needs())).holdout.start == 97 * DAY


@pytest.mark.parametrize(("some", "code"), [([], "no labels"), (hours(3), "few labels"), (hours(30, 24), "few labels")])
def test_too_few_labels_are_refused(some: list[Hour], code: str) -> None:
    refused = split(some, None, None, Needs())
    assert isinstance(refused, Refusal)
    assert refused.code == code


def test_the_oldest_rows_are_left_out_of_a_large_training() -> None:
    found = made(split(hours(100), None, None, Needs(most_rows=2400)))
    assert found.training.start == found.training.stop - 10 * DAY
    assert found.training.rows == 2400


def test_other_versions_teach_and_do_not_judge() -> None:
    some = [Hour(h.start, h.all, h.serving if h.start >= 20 * DAY else 0) for h in hours(40)]
    found = made(split(some, None, None, Needs()))
    assert found.holdout.start == 36 * DAY  # a fifth of the serving version's twenty days
    assert found.training.rows == 36 * 240


def test_a_day_begins_where_its_zone_says() -> None:
    found = made(split(hours(40), "Asia/Tokyo", None, Needs()))
    assert found.holdout.start % DAY == 15 * HOUR


@given(
    st.lists(
        st.tuples(st.integers(0, 60 * 24), st.integers(1, 400)), min_size=1, max_size=80, unique_by=lambda t: t[0]
    ),
    st.none() | st.integers(0, 60 * DAY),
)
def test_training_and_holdout_never_share_an_hour(some: list[tuple[int, int]], since: int | None) -> None:
    counted = [Hour(h * HOUR, n, n) for h, n in some]
    found = split(counted, None, since, Needs())
    if isinstance(found, Ranges):
        assert found.training.start < found.training.stop == found.holdout.start < found.holdout.stop
        assert found.holdout.rows == sum(h.serving for h in counted if h.start >= found.holdout.start) >= 500
        assert found.training.rows >= 500
