"""M of N, and for how long an alarm stands."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from daily import days
from watchkeeper.detection.persistence import Judged, Persistence
from watchkeeper.detection.series import Point
from watchkeeper.detection.verdict import VerdictName
from watchkeeper.window import DAY

NAMES: dict[str, VerdictName] = {"o": "ok", "w": "warning", "c": "critical", "?": "not enough data"}
LETTERS = {name: letter for letter, name in NAMES.items()}
raws = st.text("owc?", min_size=1, max_size=25)


def settled(raw: str, persistence: Persistence) -> str:
    """Return a letter for each day, from how each day was judged by itself."""
    history = days([float(n) for n in range(len(raw))])

    def judge(points: Sequence[Point]) -> Judged:
        return NAMES[raw[int(points[-1].value)]], "words"

    return "".join(LETTERS[persistence.settle(history[: n + 1], judge)[0]] for n in range(len(raw)))


def test_two_of_three() -> None:
    assert settled("owowwooccoo?", Persistence(2, 3)) == "ooowwwoocco?"


def test_what_is_bad_most_of_the_time_is_found() -> None:
    """In a row it would never be."""
    assert settled("wowowowo" * 3, Persistence(2, 4)).count("w") >= 20


def test_a_metric_that_crosses_its_bound_every_other_day_is_one_alarm() -> None:
    found = settled("wo" * 20 + "oooo", Persistence(refractory=DAY))
    assert found == "w" * 40 + "oooo"


def test_for_the_refractory_time_after_its_last_day_an_alarm_stands() -> None:
    assert settled("coooooo", Persistence(refractory=2 * DAY)) == "cwwoooo"
    assert settled("cooc?oooo", Persistence(refractory=DAY)) == "cwocwoooo"


@given(raws)
def test_one_of_one_is_every_day_for_itself(raw: str) -> None:
    assert settled(raw, Persistence()) == raw


@given(raws, st.integers(1, 4), st.integers(0, 3), st.integers(0, 4))
def test_against_counting(raw: str, m: int, more: int, wait: int) -> None:
    n = m + more
    found = settled(raw, Persistence(m, n, wait * DAY))
    windows = [raw[max(0, end - n) : end] for end in range(1, len(raw) + 1)]
    counted = [sum(w.count(x) for x in "wc") >= m for w in windows]
    for place, letter in enumerate(found):
        assert (letter in "wc") == any(counted[max(0, place - wait) : place + 1])
        assert (letter == "c") == (windows[place].count("c") >= m)
        if not any(counted[max(0, place - wait) : place + 1]):
            assert (letter == "?") == (raw[place] == "?")


@given(raws, st.integers(1, 4), st.integers(0, 3), st.integers(0, 4), st.integers(0, 24))
def test_days_long_ago_do_not_matter(raw: str, m: int, more: int, wait: int, cut: int) -> None:
    persistence = Persistence(m, m + more, wait * DAY)
    enough = m + more + wait
    assert settled("ccccc" + raw, persistence)[5 + enough :] == settled(raw, persistence)[enough:]
