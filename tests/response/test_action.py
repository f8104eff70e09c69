"""States, ids of decisions and evidence of actions."""

from __future__ import annotations

from typing import get_args

import pytest

from watchkeeper.response.action import LIVE, State, decision_id, evidence_hash, may_follow


def test_nothing_follows_an_end_and_every_state_can_be_reached() -> None:
    states = get_args(State)
    ends = set(states) - set(LIVE)
    assert not [s for s in ends for after in states if may_follow(s, after)]
    reached = {after for before in LIVE for after in states if may_follow(before, after)}
    assert reached == set(states) - {"awaiting approval"}


def test_the_same_decision_has_the_same_id_and_another_another() -> None:
    made = {
        decision_id(*of)
        for of in [
            (17, "retrain", 3, ("day", 0, 1)), (18, "retrain", 3, ("day", 0, 1)), (17, "tune", 3, ("day", 0, 1)),
            (17, "retrain", 4, ("day", 0, 1)), (17, "retrain", 3, ("day", 1, 2)), (17, "retrain", 3, ("hour", 0, 1)),
        ]
    }  # fmt: skip
    assert len(made) == 6
    assert decision_id(17, "../../etc", 3, ("day", 0, 1)).replace("act-", "").isalnum()


@pytest.mark.parametrize("other", [[{"n": 2}], [{"n": 1}, {"n": 1}], []])
def test_evidence_that_differs_has_another_hash(other: list[dict[str, int]]) -> None:
    assert evidence_hash([{"n": 1}]) != evidence_hash(other)
    assert evidence_hash([{"a": 1, "b": 2}]) == evidence_hash([{"b": 2, "a": 1}])
