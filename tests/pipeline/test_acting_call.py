"""An action that is a call of a webhook: signed, under one key however often it is sent, and told in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from acted import Made, World, made_once

sys.path.insert(0, str(Path(__file__).parents[1] / "response"))

from receiver import SECRET, Receiver

from watchkeeper.errors import InvalidMonitors
from watchkeeper.response.operator import Operator
from watchkeeper.response.rule import Act

ACT = Act("retrain", "nothing", "auto")


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_once(tmp_path_factory)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def world_of(made: Made, folder: Path, receiver: Receiver, timeout: str = "1m") -> World:
    """Return a store whose operator names a webhook for retrain, as its file would."""
    store = folder / "store"
    world = World(store if store.exists() else made.copy(folder))
    told = {"webhook": f"http://127.0.0.1:{receiver.port}/retrain", "secret": SECRET, "allow": ["127.0.0.1"]}
    (store / "watchkeeper.yaml").write_text(json.dumps({"actions": {"retrain": told | {"timeout": timeout}}}))
    world.actions = dict(Operator.load(store).actions)
    return world


def test_it_is_called_once_and_signed(made: Made, tmp_path: Path, receiver: Receiver) -> None:
    with world_of(made, tmp_path, receiver) as world:
        number = world.propose(act=ACT)
        world.run()
        assert world.get(number)["state"] == "done"
        assert world.said()[-1] == "retrain was called and answered 204; what it does is its own."
        assert [what for what, _ in world.audited()][-3:] == ["action.propose", "action.start", "action.end"]
    (message,) = receiver.messages
    assert message.genuine
    assert message.id == message.headers["Idempotency-Key"] == number
    assert message.body["decision"] == number
    assert message.body["model"] == "loans"
    assert "training" not in message.body  # rows are not sent


def test_one_that_is_away_is_called_again_under_the_same_key(made: Made, tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda message: 503 if len(receiver.messages) < 2 else 200
    with world_of(made, tmp_path, receiver) as world:
        number = world.propose(act=ACT)
        world.run()
        assert world.get(number)["state"] == "done"
    assert [message.id for message in receiver.messages] == [number] * 3


def test_a_server_that_ends_meanwhile_calls_again_after_its_start(
    made: Made, tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = lambda message: 503
    with world_of(made, tmp_path, receiver) as world:
        number = world.propose(act=ACT)
        world.acting.start()
        assert receiver.wait(lambda messages: len(messages) > 0)
    receiver.answer = lambda message: 200
    with world_of(made, tmp_path, receiver) as world:
        world.run()
        assert world.get(number)["state"] == "done"
        assert [what for what, _ in world.audited()].count("action.end") == 1
    assert {message.id for message in receiver.messages} == {number}


@pytest.mark.parametrize(
    ("status", "timeout", "words"), [(410, "1m", "it answered 410"), (503, "0.1s", "it answered 503")]
)
def test_one_that_refuses_or_stays_away_too_long_has_failed(
    made: Made, tmp_path: Path, receiver: Receiver, status: int, timeout: str, words: str
) -> None:
    receiver.answer = lambda message: status
    with world_of(made, tmp_path, receiver, timeout) as world:
        number = world.propose(act=ACT)
        world.run()
        assert world.get(number)["state"] == "failed"
        assert world.said()[-1] == f"retrain failed: {words}."
    assert len(receiver.messages) == 1


def test_it_can_be_stopped_while_it_waits(made: Made, tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda message: 503
    with world_of(made, tmp_path, receiver) as world:
        number = world.propose(act=ACT)
        world.acting.start()
        assert receiver.wait(lambda messages: len(messages) > 0)
        world.acting.halt("ada")
        assert world.acting.settle(10)
        assert world.get(number)["state"] == "stopped"


def test_it_leaves_no_candidate_so_none_is_promoted(made: Made, tmp_path: Path, receiver: Receiver) -> None:
    with world_of(made, tmp_path, receiver) as world:
        assert world.propose(act=Act("retrain", "promote_if_better", "auto")) is None
        assert "a webhook leaves no candidate" in world.said()[-1]


def test_a_dry_run_calls_nobody(made: Made, tmp_path: Path, receiver: Receiver) -> None:
    with world_of(made, tmp_path, receiver) as world:
        number = world.propose(act=Act("retrain", "nothing", "auto", dry_run=True))
        world.run()
        assert world.get(number)["state"] == "dry run"
    assert receiver.messages == []


def test_a_command_and_a_webhook_are_not_one_action(tmp_path: Path) -> None:
    told = {"webhook": "https://example.com/x", "command": ["true"]}
    (tmp_path / "watchkeeper.yaml").write_text(json.dumps({"actions": {"retrain": told}}))
    with pytest.raises(InvalidMonitors, match="one of command"):
        Operator.load(tmp_path)
