"""What is not proposed, and why, said in the timeline (X2, X3, X5, X8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acted import DAYS, NEEDS, TARGET, Made, World, finding, made_once, start_of, verdict

from watchkeeper.pipeline.acting_proposal import propose
from watchkeeper.response.operator import ActionSpec
from watchkeeper.response.rule import Act
from watchkeeper.store import rows
from watchkeeper.window import DAY, HOUR


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Any:
    made: Made = made_once(tmp_path_factory)
    with World(made.copy(tmp_path), made.better) as world:
        yield world


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"act": Act("retrian")}, "names no such action (it has: retrain)"),
        ({"findings": [finding(n=10)]}, "rests on 10 rows, and 100 are needed"),
        ({"findings": [finding(source="estimated")]}, "no finding with realised values"),
        ({"now": start_of(DAYS) + DAY + 3 * HOUR}, "was due 1 day ago"),
        ({"since": start_of(DAYS - 4)}, "4 days since it began have labels"),
        ({"day": 2}, "the window before was fine"),
    ],
)
def test_a_refusal_is_said_once(world: World, changes: dict[str, Any], words: str) -> None:
    day = changes.pop("day", DAYS - 1)
    assert world.propose(day, **changes) is None
    assert world.propose(day, **changes) is None
    assert [said for said in world.said() if words in said] == world.said()
    assert len(world.said()) == 1
    assert world.acting.list("default") == []


def test_the_verdicts_say_since_when(world: World) -> None:
    number = world.propose(since=None)
    assert world.get(number)["request"]["training"]["end"].startswith("2026-05-10")
    other = world.decision(DAYS - 1, since=None, incident=18)  # opened a moment ago: nothing before this window is its
    assert world.database.write(lambda c: propose(c, world.actions, other, NEEDS)).result() is None


def test_two_windows_must_agree(world: World) -> None:
    world.database.write(lambda c: verdict(c, world.version.id, DAYS - 2, "ok")).result()
    assert world.propose() is None
    assert "two in a row must agree" in world.said()[-1]


def test_the_same_decision_is_made_once(world: World) -> None:
    number = world.propose()
    assert world.propose() == number
    assert len(world.acting.list("default")) == 1
    assert len(world.said()) == 1


def test_one_at_a_time_then_the_limit_then_again(world: World) -> None:
    first = world.propose(DAYS - 2)
    assert world.propose(DAYS - 1) is None
    assert "is proposed for this model already" in world.said()[-1]
    world.actions = {}
    world.run()
    assert world.get(first)["state"] == "failed"
    assert "does not name it any more" in world.said()[-1]
    world.actions = {"retrain": ActionSpec("retrain", ("true",))}
    limited = Act("retrain", "promote_if_better", "auto", (1, 2 * DAY), "1 per 2 days")
    assert world.propose(DAYS - 1, act=limited) is None
    assert "1 is the limit" in world.said()[-1]
    many = Act("retrain", "promote_if_better", "auto", (9, DAY), "9 per day")
    assert world.propose(DAYS - 1, act=many, now=start_of(DAYS - 1) + HOUR // 2, due=start_of(DAYS - 1)) is None
    assert "it failed once" in world.said()[-1]
    assert world.propose(DAYS - 1, act=many) is not None


def test_a_version_that_serves_no_more_gives_no_reason_to_act(world: World) -> None:
    world.pipeline.register(replace(TARGET, version="2"), None, None)
    world.pipeline.set_serving(TARGET, "2")
    assert world.propose() is None
    assert "version 2 does" in world.said()[-1]


def test_after_two_promotions_a_person_decides(world: World) -> None:
    def before(connection: Any) -> None:
        for turn in range(2):
            at = start_of(DAYS - 4 + turn)
            rows.insert(
                connection, "action", id=f"act-{turn}", project_id=1, model_id=world.version.model.id, incident_id=17,
                name="retrain", state="promoted", rule='{"dry_run": false}', request="{}", result="{}", evidence="",
                proposed=at, changed=at, author="ada", log="",
            )  # fmt: skip

    world.database.write(before).result()
    number = world.propose()
    assert world.get(number)["state"] == "awaiting approval"
    assert "A person must decide: 2 versions were promoted" in world.said()[-1]


def test_while_all_is_stopped_nothing_is_proposed(world: World) -> None:
    world.acting.halt("eve")
    assert world.propose() is None
    assert "all actions were stopped by eve" in world.said()[-1]
    world.acting.resume("eve")
    assert world.propose() is not None


def test_what_rolls_back_with_the_incident_leaves_nothing(world: World) -> None:
    def job(connection: Any) -> None:
        propose(connection, world.actions, world.decision(), NEEDS)
        raise RuntimeError("the seal failed")

    with pytest.raises(RuntimeError):
        world.database.write(job).result()
    assert world.acting.list("default") == []
    assert world.said() == []
