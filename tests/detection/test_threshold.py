"""Bounds as people write them, and what they say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daily import day, days
from watchkeeper.detection.threshold import Bound, Threshold
from watchkeeper.detection.watched import METRICS
from watchkeeper.errors import InvalidMonitors

LATENCY, AUC, FAILURES = METRICS["latency_p99"], METRICS["roc_auc"], METRICS["failure_rate"]


@pytest.mark.parametrize(
    ("text", "unit", "limit"),
    [
        ("> 100ms", "s", 0.1),
        ("> 100 ms", "s", 0.1),
        (">= 2s", "s", 2.0),
        ("> 1.5 min", "s", 90.0),
        ("< 0.8", None, 0.8),
        ("<= .8", None, 0.8),
        ("> 5%", "share", 0.05),
        ("> -1e-3", None, -0.001),
        ("> 2GB", "bytes", 2e9),
        ("> reference + 0.02", None, 0.72),
        ("> reference - 2%", "share", 0.68),
        ("> 1.5x reference", None, 1.05),
        ("> 1.5 * reference + 0.1", None, 1.15),
        ("> reference", None, 0.7),
        ("> 1.2x 7d", "s", 1.2 * 0.5),
        ("> 7d + 5ms", "s", 0.505),
        ("> 2x 1 week", "s", 1.0),
    ],
)
def test_a_bound(text: str, unit: str | None, limit: float) -> None:
    history = [*days([9.0] * 3 + [0.4, 0.4, 0.5, 0.5, 0.5, 0.6, 0.6]), day(10, 5.0, reference=0.7)]
    assert Bound.parse(text, unit).limit(history) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *[(text, None) for text in ("> ", "> x", "> 1 parsec", "> 1x", "> 0x 0d", "> nan", "=> 1", "> 1ms")],
        *[(text, "s") for text in ("100ms", "> 5%", "> 1GB", "> 1s + reference")],
        ("> 1ms", "share"),
    ],
)
def test_no_bound(text: str, unit: str | None) -> None:
    with pytest.raises(InvalidMonitors) as error:
        Bound.parse(text, unit, "monitors[0].detect")
    assert str(error.value).startswith("monitors[0].detect: ")


@given(st.sampled_from([">", ">=", "<", "<="]), st.floats(-1e9, 1e9), st.sampled_from(["", "reference + "]))
def test_any_number_is_read_as_written(sign: str, number: float, base: str) -> None:
    written = repr(abs(number) if base else number)
    bound = Bound.parse(f"{sign} {base}{written}")
    assert bound.limit([day(0, 0.0, reference=0.0)]) == float(written)
    assert bound.upward is (sign[0] == ">")


def bounds(**texts: str) -> Threshold:
    return Threshold(LATENCY, **{name: Bound.parse(text, "s") for name, text in texts.items()})


@pytest.mark.parametrize(("value", "verdict"), [(0.1, "ok"), (0.11, "warning"), (0.25, "warning"), (0.3, "critical")])
def test_the_worst_bound_that_is_crossed(value: float, verdict: str) -> None:
    assert bounds(warning="> 100ms", critical="> 250ms").check(days([value]), 0.0)[0] == verdict


def test_words() -> None:
    threshold = bounds(warning="> 100ms", critical="> 250ms")
    assert threshold.check([day(0, 0.32, 0.01)], 0.0) == ("critical", "320 ms (300 ms to 340 ms), above 250 ms")
    assert threshold.check([day(0, 0.05)], 0.0)[1] == "50 ms, within 100 ms"
    past = bounds(warning="> 2x 7d").check([*days([0.1] * 7), day(7, 0.3)], 0.0)
    assert past == ("warning", "300 ms, above 200 ms (2x 7d)")


def test_what_is_not_known_is_not_judged() -> None:
    assert bounds(warning="> 1s").check([day(0, math.nan)], 0.0)[0] == "not enough data"
    assert bounds(warning="> 2x reference").check([day(0, 1.0)], 0.0)[0] == "not enough data"
    assert bounds(warning="> 2x 7d").check(days([1.0, 1.0, 9.0]), 0.0)[0] == "not enough data"
    assert bounds(warning="> 2x 7d").check(days([1.0, 1.0, 1.0, 9.0]), 0.0)[0] == "warning"
    assert bounds(warning="> 2x 1d").check(days([1.0, 9.0]), 0.0)[0] == "warning", "one day has but one window"


def test_an_alarm_stands_until_it_is_cleared() -> None:
    threshold = bounds(warning="> 100ms", clear="< 80ms")
    values = [0.09, 0.12, 0.09, 0.09, 0.07, 0.09]
    found = [threshold.check(days(values[: n + 1]), 0.0)[0] for n in range(len(values))]
    assert found == ["ok", "warning", "warning", "warning", "ok", "ok"]


def test_it_spends_nothing_and_looks_back_only_where_it_must() -> None:
    assert not bounds(warning="> 1s").spends
    assert bounds(warning="> 1s").looks_back == 0 < bounds(warning="> 2x 7d").looks_back
    assert bounds(warning="> 1s", clear="< 0.5s").looks_back > 0
    assert Threshold(FAILURES, Bound.parse("> 5%", "share")).check([day(0, 0.06, 0.001)], 0.0)[1].startswith("6 %")
