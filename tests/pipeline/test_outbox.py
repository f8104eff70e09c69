"""The outbox: at least once, each channel at its own pace, one current letter after an outage, and no resolve is lost."""

from __future__ import annotations

import json
import sqlite3
import statistics
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from posted import Fixed, Post, Receiver, alert, hooks

from watchkeeper.errors import ChannelFailed, StoreFailed, UnknownModel
from watchkeeper.pipeline import audit, outbox_lane, outbox_letters
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.outbox import Patience, enqueue
from watchkeeper.response.alert import Alert, Channel
from watchkeeper.window import DAY

HOUR = 3600.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def post(tmp_path: Path, receiver: Receiver) -> Iterator[Post]:
    made = Post(tmp_path / "store").write(hooks(hook=receiver.port))
    yield made
    made.close()


def test_what_was_enqueued_arrives_signed_and_is_noted(post: Post, receiver: Receiver) -> None:
    post.start()
    number = post.changes.number
    key = post.enqueue(["hook"])
    assert post.settled()
    message = receiver.messages[0]
    assert message.genuine
    assert message.id == key == message.body["data"]["key"]
    assert key.endswith("-7-opened-1")
    row = post.rows()[0]
    assert (row["state"], row["attempts"], row["error"], row["key"]) == ("sent", 1, None, key)
    assert row["sent"] >= row["created"]
    note = post.rows("timeline")[0]
    assert (note["incident_id"], note["kind"], note["text"]) == (7, "notified", "hook was told (opened).")
    assert json.loads(note["data"]) == {"channel": "hook", "key": key, "kind": "opened", "attempts": 1}
    assert post.until(lambda: {c.what for c in post.changes.since(number, 0)[1]} == {"channel", "incident"})


def test_what_was_not_committed_is_not_sent(post: Post, receiver: Receiver) -> None:
    def job(connection: sqlite3.Connection) -> None:
        enqueue(connection, "default", 7, ["hook"], alert(key=""))
        raise ValueError("no")

    post.start()
    with pytest.raises(ValueError, match="no"):
        post.database.write(job).result()
    post.enqueue(["hook"], incident=8)
    assert post.settled()
    assert [message.body["data"]["incident"] for message in receiver.messages] == [8]


def test_keys_are_the_same_for_all_channels_and_of_no_other_store(tmp_path: Path, post: Post) -> None:
    other = Post(tmp_path / "other")
    keys = [
        post.enqueue(["hook", "mail", "hook"]),
        post.enqueue(["hook"], kind="escalated"),
        post.enqueue(["hook"], kind="escalated"),
    ]
    assert [key.partition("-")[2] for key in keys] == ["7-opened-1", "7-escalated-1", "7-escalated-2"]
    assert len({key.partition("-")[0] for key in keys}) == 1
    assert other.enqueue(["hook"]) != keys[0]
    assert Counter(row["channel"] for row in post.rows(key=keys[0])) == {"hook": 1, "mail": 1}
    other.close()


def test_a_key_of_the_caller_is_kept_and_the_same_twice_is_one_letter(post: Post) -> None:
    assert [post.enqueue(["hook"], key="7-opened-1") for _ in range(2)] == ["7-opened-1"] * 2
    assert len(post.rows()) == 1


class Outage:
    """Three channels: one healthy, one that answers 500, one that hangs; both recover."""

    def __init__(self, folder: Path) -> None:
        self.healthy, self.failing, self.hanging, self._go = Receiver(), Receiver(), Receiver(), threading.Event()
        self.failing.answer = lambda message: 500
        self.hung = threading.Event()
        self.hanging.answer = self._hang
        ports = {"healthy": self.healthy.port, "failing": self.failing.port, "hanging": self.hanging.port}
        self.post = Post(folder).write(hooks(**ports)).start()

    def _hang(self, message: Any) -> int:
        self.hung.set()
        self._go.wait(30)
        return 204

    def enqueue(self, incident: int, kind: str) -> None:
        self.post.enqueue(["failing", "hanging", "healthy"], incident, kind)

    def recover(self) -> list[dict[str, Any]]:
        """End the outage; return what the one that failed gets after it."""
        before = len(self.failing.messages)
        self.failing.answer = lambda message: 204
        self._go.set()
        assert self.post.settled(20.0)
        return [message.body["data"] for message in self.failing.messages[before:]]

    def close(self) -> None:
        self._go.set()
        self.post.close()
        for one in (self.healthy, self.failing, self.hanging):
            one.close()


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    made = Outage(tmp_path / "outage")
    yield made
    made.close()


def test_one_bad_channel_delays_no_other_and_after_an_outage_each_incident_has_one_letter(outage: Outage) -> None:
    for incident in range(1, 21):
        outage.enqueue(incident, "opened")
        assert outage.healthy.wait(lambda m, n=incident: len(m) == n, 5.0), f"incident {incident} was late"
    for incident in range(1, 21):
        for kind in ("escalated", "reminder", "reminder", *(["resolved"] if incident % 2 else [])):
            outage.enqueue(incident, kind)
    assert outage.healthy.wait(lambda m: sum(n.body["data"]["kind"] == "resolved" for n in m) == 10, 5.0)
    states = {told["name"]: told["state"] for told in outage.post.outbox.status("default")}
    assert states["failing"] == "failing"
    late = outage.recover()
    last = {told["incident"]: told["kind"] for told in late}
    assert last == {incident: "resolved" if incident % 2 else "reminder" for incident in range(1, 21)}
    assert len(late) <= 22  # the one that was under way, and one for each incident
    resolved = {m.body["data"]["incident"] for m in outage.hanging.messages if m.body["data"]["kind"] == "resolved"}
    assert resolved == set(range(1, 21, 2))
    assert {told["state"] for told in outage.post.outbox.status("default")} == {"fine"}


def test_channels_that_wait_for_each_other_would_be_caught(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, one = outbox_lane.deliver, threading.Lock()

    def deliver(channel: Channel, alert: Alert) -> None:
        with one:
            whole(channel, alert)

    monkeypatch.setattr(outbox_lane, "deliver", deliver)
    outage.enqueue(1, "opened")
    assert outage.hung.wait(10)
    outage.enqueue(2, "opened")
    assert not outage.healthy.wait(lambda m: len(m) == 2, 1.0)


def test_a_backlog_after_an_outage_would_be_caught(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_letters, "_replace", lambda *told: None)
    for incident in range(1, 21):
        for kind in ("opened", "escalated", "reminder"):
            outage.enqueue(incident, kind)
    assert len(outage.recover()) > 50


def test_a_resolve_is_never_replaced(post: Post) -> None:
    for kind in ("opened", "escalated", "resolved", "reminder", "resolved"):
        post.enqueue(["hook", "mail"], kind=kind)
    post.enqueue(["hook"], incident=8)
    expected = [
        ("opened", "replaced"), ("escalated", "replaced"), ("resolved", "waiting"), ("reminder", "replaced"),
        ("resolved", "waiting"),
    ]  # fmt: skip
    assert post.states(channel="mail") == expected
    assert post.states(channel="hook") == [*expected, ("opened", "waiting")]


def test_a_letter_that_nobody_takes_is_kept_dead_and_shown(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda message: 500
    post = Post(tmp_path / "store", Patience(first=0.001, probe=0.001, give_up=0.0, attempts=4))
    post.write(hooks(hook=receiver.port)).start()
    key = post.enqueue(["hook"], kind="resolved")
    assert post.settled()
    assert [message.id for message in receiver.messages] == [key] * 4
    assert post.states() == [("resolved", "dead")]
    notes = [row["text"] for row in post.rows("timeline")]
    assert notes == [
        "hook could not be told (resolved): it answered 500; it is tried again.",
        "hook could not be told (resolved): it answered 500; given up after 4 attempts.",
    ]
    told = post.outbox.status("default")[0]
    assert (told["state"], told["dead"], told["waiting"], told["last_error"]) == (
        "dead letters",
        1,
        0,
        "it answered 500",
    )
    assert told["last_sent"] is None
    post.close()


def test_what_would_be_refused_again_is_dead_at_once_and_delays_nothing(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda message: 422 if message.body["data"]["incident"] == 7 else 204
    post.start()
    post.enqueue(["hook"])
    post.enqueue(["hook"], incident=8)
    assert post.settled()
    assert [row["state"] for row in post.rows()] == ["dead", "sent"]
    assert len(receiver.messages) == 2


def test_one_letter_that_always_fails_does_not_hold_up_the_others(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda message: 500 if message.body["data"]["incident"] == 7 else 204
    post.start()
    post.enqueue(["hook"])
    assert receiver.wait(lambda m: len(m) > 1)
    for incident in range(8, 12):
        post.enqueue(["hook"], incident)
    assert post.until(lambda: [row["state"] for row in post.rows()] == ["waiting", "sent", "sent", "sent", "sent"])


def test_the_first_letter_that_arrives_again_frees_those_that_wait_for_long(tmp_path: Path, receiver: Receiver) -> None:
    post = Post(tmp_path / "store", Patience()).write(hooks(hook=receiver.port))
    post.enqueue(["hook"])
    post.enqueue(["hook"], incident=8)
    in_half_an_hour = now() + 1_800_000_000
    for number in (1, 2):
        post.set("outbox", {"id": number}, attempts=9, error="it answered 500", due=in_half_an_hour)
    post.start()
    post.enqueue(["hook"], incident=9)
    assert post.settled()
    first, *others = [message.body["data"]["incident"] for message in receiver.messages]
    assert (first, sorted(others)) == (9, [7, 8])
    post.close()


def test_a_channel_that_fails_is_seen_to_though_fresh_letters_replace_the_old(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda message: 500
    post.start()
    post.enqueue(["hook"])
    assert post.until(lambda: post.rows()[0]["attempts"] > 0)
    post.outbox.stop(10)
    post.enqueue(["hook"], kind="escalated")
    post.enqueue(["hook"], kind="resolved")
    told = post.outbox.status("default")[0]
    assert (told["state"], told["last_error"], told["waiting"]) == ("failing", "it answered 500", 1)
    receiver.answer = lambda message: 204
    post.restart()
    assert post.settled()
    told = post.outbox.status("default")[0]
    assert (told["state"], told["last_error"]) == ("fine", None)


def test_pauses_are_at_random_double_and_end_at_an_hour() -> None:
    patience = Patience()
    for failures in (1, 2, 5, 12, 40, 5000):
        pauses = [patience.pause(failures, patience.longest) for _ in range(400)]
        most = min(HOUR, 2.0 * 2.0 ** min(failures - 1, 30))
        assert 0 <= min(pauses) < most * 0.1
        assert most * 0.9 < max(pauses) <= most
        assert 0.4 * most < statistics.fmean(pauses) < 0.6 * most


@pytest.mark.parametrize(
    ("age", "attempts", "state"),
    [(1.1, 30, "dead"), (0.9, 300, "waiting"), (3.0, 1, "waiting"), (3.0, 11, "waiting"), (3.0, 12, "dead")],
)
def test_a_letter_is_given_up_after_a_day_of_failing_not_of_being_off(
    post: Post, age: float, attempts: int, state: str
) -> None:
    post.enqueue(["hook"])
    post.set("outbox", {"id": 1}, created=now() - round(age * DAY), attempts=attempts - 1)
    letter = outbox_letters.Letter(1, "default", 7, "hook", attempts - 1, alert())
    post.database.write(lambda c: outbox_letters.note_failed(c, letter, "x", True, Patience())).result()
    row = post.rows()[0]
    assert row["state"] == state
    assert now() - 1_000_000 <= row["due"] <= now() + 3_600_000_000


def test_a_clock_that_was_set_back_delays_nothing(post: Post, receiver: Receiver) -> None:
    post.enqueue(["hook"])
    post.set("outbox", {"id": 1}, due=now() + 2 * 3_600_000_000)
    post.start()
    assert post.settled()
    assert len(receiver.messages) == 1


def test_a_channel_that_nobody_named_waits_until_somebody_does(post: Post, receiver: Receiver) -> None:
    post.start()
    post.enqueue(["later"])
    assert post.until(lambda: bool(post.rows()[0]["error"]))
    told = {row["name"]: row for row in post.outbox.status("default")}["later"]
    assert (told["kind"], told["state"], told["waiting"]) == ("unknown", "failing", 1)
    assert told["last_error"] == "the operator's file names no channel of this name"
    post.write(hooks(hook=receiver.port, later=receiver.port))
    assert post.settled()
    assert [message.genuine for message in receiver.messages] == [True]


def test_a_test_arrives_is_audited_and_frees_what_waits(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda message: 500
    post = Post(tmp_path / "store", Patience(first=HOUR, probe=HOUR)).write(hooks(hook=receiver.port)).start()
    post.enqueue(["hook"])
    assert post.until(lambda: post.rows()[0]["attempts"] == 1)
    with pytest.raises(ChannelFailed, match="it answered 500"):
        post.outbox.test("default", "hook", "ann")
    receiver.answer = lambda message: 204
    told = post.outbox.test("default", "hook", "ann")
    assert told["channel"] == "hook" and told["sent"] is True
    assert post.settled()
    assert [message.body["data"]["kind"] for message in receiver.messages] == ["opened", "test", "test", "opened"]
    assert receiver.messages[2].body["data"]["text"].startswith("A test of this channel, asked for by ann.")
    records = [(row["actor"], row["what"], row["target"], json.loads(row["detail"])) for row in post.rows("audit")]
    assert records == [
        ("ann", "channel.test", "hook", {"sent": False, "error": "it answered 500"}),
        ("ann", "channel.test", "hook", {"sent": True, "key": told["key"]}),
    ]
    with post.database.reading() as connection:
        assert audit.first_broken(connection) is None
    with pytest.raises(UnknownModel, match="Did you mean 'hook'"):
        post.outbox.test("default", "hok", "ann")
    post.close()


def test_where_the_disk_refuses_the_record_nothing_is_sent_twice_and_others_go_on(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for incident in (1, 2, 3):
        post.enqueue(["hook"], incident)
    whole, full = post.database.write, threading.Event()
    full.set()

    def write(job: Any) -> Future[Any]:
        if not full.is_set():
            return whole(job)
        refused: Future[Any] = Future()
        refused.set_exception(StoreFailed("no space left on device"))
        return refused

    monkeypatch.setattr(post.database, "write", write)
    post.start()
    assert receiver.wait(lambda m: len(m) == 3)
    assert [row["state"] for row in post.rows()] == ["waiting"] * 3
    full.clear()
    post.outbox.wake()
    assert post.settled()
    assert len(receiver.messages) == 3


def test_a_damaged_letter_costs_itself_alone(post: Post, receiver: Receiver) -> None:
    for incident in (1, 2, 3):
        post.enqueue(["hook"], incident)
    post.execute("UPDATE outbox SET payload = replace(payload, 'late', 'lame') WHERE id = 2")
    post.enqueue(["hook"], 2, "resolved")
    post.start()
    assert receiver.wait(lambda m: len(m) == 3)
    assert [message.body["data"]["incident"] for message in receiver.messages] == [1, 3, 2]


class Rude:
    """Raises what it should not, once."""

    name, kind = "rude", "rude"

    def __init__(self) -> None:
        self.taken: list[Alert] = []
        self.first = True

    def notify(self, alert: Alert) -> None:
        if self.first:
            self.first = False
            raise ZeroDivisionError("token=secret")
        self.taken.append(alert)


def test_whatever_a_channel_raises_its_thread_goes_on_and_the_error_is_not_shown(tmp_path: Path) -> None:
    rude = Rude()
    post = Post(tmp_path / "store", operator=Fixed(tmp_path, rude)).start()
    post.enqueue(["rude"])
    assert post.settled()
    assert len(rude.taken) == 1
    assert post.rows("timeline")[0]["text"] == (
        "rude could not be told (opened): an unexpected ZeroDivisionError; the log has it; it is tried again."
    )
    rude.first = True
    with pytest.raises(ChannelFailed, match="unexpected ZeroDivisionError"):
        post.outbox.test("default", "rude", "ann")
    post.close()


def test_an_end_waits_for_what_is_being_sent_but_not_for_ever(post: Post, receiver: Receiver) -> None:
    held, go = threading.Event(), threading.Event()

    def answer(message: Any) -> int:
        held.set()
        go.wait(30)
        return 204

    receiver.answer = answer
    post.start()
    key = post.enqueue(["hook"])
    assert held.wait(5)
    post.outbox.stop(0.2)
    assert [row["state"] for row in post.rows()] == ["waiting"]
    go.set()
    receiver.answer = lambda message: 204
    post.restart()
    assert post.settled()
    assert {message.id for message in receiver.messages} == {key}


def test_a_project_sees_its_own_letters(post: Post) -> None:
    post.start()
    post.enqueue(["hook"], project="default")
    assert post.settled()
    mine, others = post.outbox.status("default")[0], post.outbox.status("other")[0]
    assert mine["last_sent"] is not None and mine["last_sent"].endswith("+00:00")
    assert others == {
        "name": "hook", "kind": "webhook", "state": "fine", "last_sent": None, "last_error": None, "waiting": 0, "dead": 0,
    }  # fmt: skip
