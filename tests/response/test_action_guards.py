"""Guards of actions: limits, cooldowns, weak and stale evidence (X2, X3, X5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from watchkeeper.detection.series import Finding, Point
from watchkeeper.response import guards
from watchkeeper.response.action import State
from watchkeeper.response.guards import Past, Proposal
from watchkeeper.window import DAY, HOUR

NOW = 100 * DAY
ASKED = Proposal("retrain", NOW, (1, DAY))


def finding(**changes: Any) -> Finding:
    made = Finding(
        "auc", "roc_auc", None, None, "realised", "critical", "data", Point(0, DAY, 0.5, n=500), 0.001, "fell"
    )
    return replace(made, **changes)


def code(refusal: guards.Refusal | None) -> str | None:
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"point": Point(0, DAY, 0.5, n=10)}, "weak"),
        ({"source": "estimated"}, "weak"),
        ({"state": "no data"}, "weak"),
        ({"verdict": "ok"}, "weak"),
        ({"verdict": "not enough data"}, "weak"),
    ],
)
def test_evidence_must_be_realised_and_rest_on_rows(changes: dict[str, Any], expected: str | None) -> None:
    assert code(guards.weak([finding(**changes)])) == expected


def test_what_was_due_long_ago_is_no_reason_to_act() -> None:
    assert guards.stale(NOW, NOW - 3 * HOUR, HOUR) is None
    assert code(guards.stale(NOW, NOW - 3 * HOUR - 1, HOUR)) == "stale"
    assert guards.stale(NOW, NOW - 20 * HOUR, DAY) is None


def test_a_limit_counts_what_ran_in_its_period() -> None:
    ran = Past("retrain", "kept", NOW - DAY + 1)
    assert code(guards.limited(ASKED, [ran])) == "limit"
    assert guards.limited(ASKED, [replace(ran, proposed=NOW - DAY)]) is None
    for other in (replace(ran, name="tune"), replace(ran, state="refused"), replace(ran, dry_run=True)):
        assert guards.limited(ASKED, [other]) is None
    assert code(guards.limited(replace(ASKED, dry_run=True), [replace(ran, dry_run=True)])) == "limit"


def test_the_cooldown_doubles_with_each_failure_in_a_row() -> None:
    for failures, hours in ((1, 1), (2, 2), (3, 4), (4, 8), (20, 7 * 24)):
        past = [Past("retrain", "failed", NOW - i * HOUR // 10) for i in range(failures)]
        wait = hours * HOUR
        assert code(guards.cooling(replace(ASKED, now=NOW + wait - 1), past)) == "cooldown"
        assert guards.cooling(replace(ASKED, now=NOW + wait), past) is None
    ended_well = [Past("retrain", "failed", NOW - 2), Past("retrain", "kept", NOW - 1)]
    assert guards.cooling(ASKED, ended_well) is None


def test_one_action_of_a_model_at_a_time_and_five_of_a_project() -> None:
    assert code(guards.busy([Past("tune", "running", 0)], 1)) == "busy"
    assert code(guards.busy([Past("tune", "kept", 0)], guards.MOST_LIVE)) == "crowded"
    assert guards.busy([Past("tune", "kept", 0)], guards.MOST_LIVE - 1) is None


def test_two_promotions_in_a_week_and_trouble_again_ask_a_person() -> None:
    past = [Past("retrain", "promoted", NOW - 6 * DAY), Past("tune", "promoted", NOW - DAY)]
    assert code(guards.frozen(ASKED, past)) == "frozen"
    assert guards.frozen(replace(ASKED, now=NOW + DAY), past) is None


def test_a_thousand_alarms_a_day_for_a_month_stay_within_the_limits() -> None:
    """X2 and X3: an incident that flaps all the time; every retraining fails, or every one is promoted."""
    for ends in ("failed", "promoted"):
        past: list[Past] = []
        asked = replace(ASKED, limit=(2, DAY))
        for moment in range(NOW, NOW + 30 * DAY, DAY // 1000):
            asked = replace(asked, now=moment)
            refused = guards.limited(asked, past) or guards.cooling(asked, past) or guards.frozen(asked, past)
            if refused is None:
                state: State = "failed" if ends == "failed" else "promoted"
                past.append(Past("retrain", state, moment))
        days = [sum(NOW + d * DAY <= p.proposed < NOW + (d + 1) * DAY for p in past) for d in range(30)]
        assert max(days) <= 2
        if ends == "promoted":
            first = past[0].proposed
            assert sum(p.proposed < first + guards.FREEZE for p in past) == guards.MOST_PROMOTIONS
        else:
            assert len(past) <= 13  # 1 + 2 + 4 ... hours, then a week each
