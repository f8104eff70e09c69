"""Ids sort by time, are never made twice, and say when."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.client.ids import Mint, event_ms
from watchkeeper.client.moments import moment

SHAPE = re.compile(r"^w[0-9a-f]{12}-[0-9a-f]{10}-[0-9a-f]{6,}$")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ids(a: int, b: int) -> None:
    mint = Mint()
    one, other = mint.at(a), mint.at(b)
    assert SHAPE.match(one) and SHAPE.match(other) and one != other
    assert (event_ms(one), event_ms(other)) == (a, b)
    assert a == b or (one < other) == (a < b)


@given(st.text())
def test_other_ids_carry_no_time(text: str) -> None:
    assert event_ms(text) is None or SHAPE.match(text)


def test_times_that_do_not_fit_are_clamped() -> None:
    assert (event_ms(Mint().at(-5)), event_ms(Mint().at(2**60))) == (0, 2**48 - 1)


MOMENT = 1_767_323_045_000
AWARE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "value",
    [
        MOMENT // 1000,
        MOMENT / 1000,
        MOMENT,
        MOMENT * 1000,
        MOMENT * 10**6,
        np.int64(MOMENT),
        AWARE,
        AWARE.astimezone(ZoneInfo("Asia/Tokyo")),
        AWARE.astimezone().replace(tzinfo=None),
        pd.Timestamp(AWARE),
        pd.Timestamp(AWARE.astimezone().replace(tzinfo=None)),
        np.datetime64("2026-01-02T03:04:05", "ns"),
        "2026-01-02T03:04:05Z",
        " 2026-01-02T12:04:05+09:00 ",
    ],
)
def test_moments(value: object) -> None:
    ms, wire = moment(value)
    assert ms == MOMENT
    assert isinstance(wire, int | float | str)
    assert not isinstance(wire, str) or datetime.datetime.fromisoformat(wire) == AWARE


@pytest.mark.parametrize(
    "value", ["soon", True, None, float("nan"), float("inf"), pd.NaT, np.datetime64("NaT"), [1], object()]
)
def test_what_is_no_moment(value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        moment(value)
