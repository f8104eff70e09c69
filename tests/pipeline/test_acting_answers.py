"""Approvals, refusals, stopping one action, and stopping all (X6, X8, X9)."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from acted import TARGET, Made, World, made_once

from watchkeeper.errors import ActionRefused, Conflict, UnknownModel
from watchkeeper.pipeline import acting_command, audit
from watchkeeper.response.rule import Act
from watchkeeper.store import rows

PERSON = Act("retrain", "promote_if_better", "person")
Open = Any


@pytest.fixture
def opened(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Any:
    made: Made = made_once(tmp_path_factory)
    worlds: list[World] = []

    def start(how: str = "better") -> World:
        worlds.append(World(made.copy(tmp_path), made.better, how=how))
        return worlds[-1]

    yield start
    for world in worlds:
        world.__exit__()


def asked(world: World) -> dict[str, Any]:
    """Return an action that waits for an answer."""
    found = world.get(world.propose(act=PERSON))
    assert found["state"] == "awaiting approval"
    return found


def await_ledger(world: World, lines: int = 1) -> None:
    """Wait until a command has begun."""
    pause = threading.Event()
    for _ in range(1000):
        if len(world.retrained()) >= lines:
            return
        pause.wait(0.01)
    raise AssertionError("no command began")


def test_an_approved_action_runs(opened: Open) -> None:
    world = opened()
    action = asked(world)
    world.run()
    assert world.retrained() == []
    approved = world.acting.approve("default", action["id"], "grace", action["evidence"])
    assert approved["state"] == "proposed"
    assert approved["approver"] == "grace"
    world.run()
    assert world.get(action["id"])["state"] == "promoted"
    assert ("action.approve", action["id"]) in world.audited()


def test_approvals_that_do_not_count(opened: Open) -> None:
    world = opened()
    action = asked(world)
    with pytest.raises(ActionRefused, match="put these monitors into force"):
        world.acting.approve("default", action["id"], "ada", action["evidence"])
    with pytest.raises(ActionRefused, match="not what you were shown"):
        world.acting.approve("default", action["id"], "grace", "0" * 32)
    with pytest.raises(UnknownModel):
        world.acting.approve("another project", action["id"], "grace", action["evidence"])
    world.acting.approve("default", action["id"], "grace", action["evidence"])
    with pytest.raises(ActionRefused, match="only one that waits"):  # single use
        world.acting.approve("default", action["id"], "grace", action["evidence"])


def test_evidence_that_was_changed_afterwards_is_not_approved(opened: Open) -> None:
    world = opened()
    action = asked(world)
    with world.database.reading() as connection:
        row = rows.select_one(connection, "action", id=action["id"])
    assert row is not None
    changed = row["request"].replace("fell from .9 to .5", "fell from .9 to .1")
    world.database.write(lambda c: rows.update(c, "action", {"id": action["id"]}, request=changed)).result()
    with pytest.raises(ActionRefused, match="not what you were shown"):
        world.acting.approve("default", action["id"], "grace", action["evidence"])


def test_an_approval_that_comes_too_late(opened: Open) -> None:
    world = opened()
    action = asked(world)
    world.database.write(lambda c: rows.update(c, "action", {"id": action["id"]}, expires=1)).result()
    with pytest.raises(ActionRefused, match="is over"):
        world.acting.approve("default", action["id"], "grace", action["evidence"])
    world.run()
    assert world.get(action["id"])["state"] == "expired"
    assert "Nobody answered" in world.said()[-1]


def test_a_refused_action_does_not_run(opened: Open) -> None:
    world = opened()
    action = asked(world)
    assert world.acting.refuse("default", action["id"], "grace")["state"] == "refused"
    world.run()
    assert world.retrained() == []
    with pytest.raises(ActionRefused, match="refused"):
        world.acting.refuse("default", action["id"], "grace")


@pytest.mark.parametrize("how", ["sleeps", "stubborn"])
def test_a_stopped_command_is_gone_with_all_that_it_started(
    opened: Open, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.pipeline.acting_answers.GRACE", 0.3)
    world = opened(how)
    number = world.propose()
    world.acting.start()
    await_ledger(world)
    assert world.acting.stop("default", number, "grace")["state"] == "stopped"
    assert acting_command.status(world.path(number, "")).name != "alive"
    world.run()
    assert world.get(number)["state"] == "stopped"
    assert [what for what, _ in world.audited()].count("action.end") == 1
    with pytest.raises(ActionRefused, match="is over: stopped"):
        world.acting.stop("default", number, "grace")


def test_halt_stops_all_at_once_and_survives_a_restart(opened: Open) -> None:
    world = opened("sleeps")
    number = world.propose()
    world.acting.start()
    await_ledger(world)
    began = time.monotonic()
    world.acting.halt("eve")
    assert time.monotonic() - began < 3.0  # the requirement is one second; the machine is shared
    assert world.get(number)["state"] == "stopped"
    assert acting_command.status(world.path(number, "")).name != "alive"
    world.close()
    again = World(world.folder, how="better")
    with closing(again):
        assert again.acting.halted() == "eve"
        assert again.propose() == number
        again.run()
        assert again.retrained() == [number]
        again.acting.resume("eve")
        assert again.acting.halted() is None
        assert [what for what, _ in again.audited() if "halt" in what or "resume" in what] == [
            "action.halt",
            "action.resume",
        ]


def test_a_file_halts_where_no_server_answers(opened: Open) -> None:
    world = opened()
    number = world.propose()
    (world.folder / "actions").mkdir(exist_ok=True)
    (world.folder / "actions" / "halted").write_text("operator\n")
    world.run()
    assert world.acting.halted() == "operator"
    assert world.retrained() == []
    assert world.get(number)["state"] == "proposed"
    with pytest.raises(ActionRefused, match="stopped by operator"):
        world.acting.approve("default", str(number), "grace", "")


def test_a_file_ends_what_runs(opened: Open) -> None:
    world = opened("sleeps")
    number = world.propose()
    world.acting.start()
    await_ledger(world)
    (world.folder / "actions" / "halted").touch()
    world.run()
    assert world.get(number)["state"] == "stopped"
    assert world.said()[-1] == "somebody stopped all actions."
    assert acting_command.status(world.path(number, "")).name != "alive"


def test_a_reference_that_rotted_is_not_adopted(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened()
    number = world.propose()
    whole = world.acting._promote

    def promote(row: Any, folder: Path, result: Any) -> None:
        reference = folder.with_name(f"{folder.name}-reference.profile")
        reference.write_bytes(reference.read_bytes()[:-1])
        whole(row, folder, result)

    monkeypatch.setattr(world.acting, "_promote", promote)
    world.run()
    assert world.get(number)["state"] == "failed"
    assert "its checksum is wrong" in world.said()[-1]
    assert world.pipeline.serving(TARGET) == "1"


def test_stopping_while_it_begins_never_leaves_a_command(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop comes between the claim and the start of the command."""
    world = opened("sleeps")
    number = world.propose()
    whole = world.acting._launch

    def launch(*arguments: Any) -> None:
        world.acting.stop("default", str(number), "grace")
        whole(*arguments)

    monkeypatch.setattr(world.acting, "_launch", launch)
    world.run()
    assert world.retrained() == []
    assert world.get(number)["state"] == "stopped"


def test_what_is_whole_counts_even_if_nobody_saw_it_end(opened: Open) -> None:
    world = opened("dies after")
    number = world.propose()
    world.run()
    assert world.get(number)["state"] == "promoted"  # what it left was whole
    assert world.retrained() == [number]


def test_an_unknown_outcome_is_run_again_only_if_a_person_says_so(opened: Open) -> None:
    world = opened()
    spec = world.actions["retrain"]
    killed = (*spec.command[:3], "-c", "import os, signal; os.killpg(0, signal.SIGKILL)")
    world.actions = {"retrain": type(spec)("retrain", killed)}
    number = world.propose()
    world.run()
    action = world.get(number)
    assert action["state"] == "unknown"
    assert "nobody saw how it ended" in world.said()[-1]
    world.actions = {"retrain": spec}
    world.run()
    assert world.retrained() == []
    world.acting.approve("default", number, "grace", action["evidence"])
    world.run()
    assert world.get(number)["state"] == "promoted"
    assert world.retrained() == [number]
    runs = [(what, target) for what, target in world.audited() if what in {"action.start", "action.end"}]
    assert runs == [(f"action.{w}", t) for t in (number, f"{number}-2") for w in ("start", "end")]


def test_a_command_is_found_again_by_the_next_server(opened: Open) -> None:
    world = opened("waits")
    number = world.propose()
    world.acting.start()
    await_ledger(world)
    world.close()
    assert acting_command.status(world.path(number, "")).name == "alive"
    again = World(world.folder, how="waits")
    with closing(again):
        again.acting.start()
        Path(f"{world.ledger}.go").touch()
        again.run()
        assert again.get(number)["state"] == "promoted"
        assert again.retrained() == [number]


def test_a_store_that_was_restored_elsewhere_does_not_run_anything_again(opened: Open) -> None:
    world = opened()
    number = world.propose()
    world.database.write(lambda c: rows.update(c, "action", {"id": number}, state="running")).result()
    world.run()
    assert world.get(number)["state"] == "unknown"
    assert "its folder is gone" in world.said()[-1]
    assert world.retrained() == []


def test_the_audit_of_actions_is_a_chain(opened: Open) -> None:
    world = opened()
    world.propose()
    world.run()
    with world.database.reading() as connection:
        assert audit.first_broken(connection) is None
        assert rows.select_all(connection, "audit")[0]["what"] == "action.propose"
    assert world.pipeline.serving(TARGET) == "2"


def test_the_beginning_of_an_id_names_an_action_while_only_one_begins_so(opened: Open) -> None:
    world = opened()
    number = asked(world)["id"]
    for name in (number, number[:8], number[4:8], number[4:]):
        assert world.acting.get("default", name)["id"] == number
    for name in (number[:7], number[4:7], "act-", "", "%%%%%"):
        with pytest.raises(UnknownModel, match=number):
            world.acting.get("default", name)
    twin = number[:-1] + "_"

    def copy(writer: Any) -> None:
        row = rows.select_one(writer, "action", id=number)
        assert row is not None
        rows.insert(writer, "action", **(row | {"id": twin, "window": "another"}))

    world.pipeline.database.write(copy).result()
    with pytest.raises(
        Conflict, match=f"2 actions begin with .*{number}.*{twin}|2 actions begin with .*{twin}.*{number}"
    ):
        world.acting.get("default", number[:8])
    assert world.acting.get("default", number)["id"] == number
    assert world.acting.refuse("default", twin[4:], "grace")["id"] == twin
