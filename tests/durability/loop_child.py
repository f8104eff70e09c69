"""A pipeline as a process that kills itself anywhere between the verdict of a seal and the record of what was sent.

Loads everything once, then forks a process for each order (JSON, a line) on standard input, and answers how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

import outbox_launch
import story
from outbox_launch import Executioner

from watchkeeper.pipeline import outbox_lane, responding
from watchkeeper.pipeline.detecting import Detecting
from watchkeeper.pipeline.incidents import Incidents
from watchkeeper.pipeline.outbox_lane import Lane
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.store.database import Database, Job

TRACED = (
    "detecting.py", "incidents.py", "responding.py", "outbox.py", "outbox_letters.py", "outbox_lane.py", "timeline.py",
    "acting_proposal.py", "windows.py", "database.py", "webhook.py",
)  # fmt: skip
OPENED, PROPOSED, RESOLVED = "opened", "proposed", "resolved"
DAYS = {OPENED: 5, PROPOSED: 9, RESOLVED: 12}
"""During which day of the story it comes to that."""
STORY = story.Story(14, fault=(4, 5, 6, 7, 8, 9))
MONITORS = story.MONITORS + (
    "respond:\n  - {on: {monitor: roc_auc}, notify: [hook], act: {do: retrain, approve: auto, then: nothing}}\n"
)


def die(*_: Any) -> None:
    """End as by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str) -> Callable[[], None]:
    """Kill when something is about to be done."""
    return lambda: _wrap(owner, name, early=True)


def after(owner: Any, name: str) -> Callable[[], None]:
    """Kill when it has just been done."""
    return lambda: _wrap(owner, name, early=False)


def _wrap(owner: Any, name: str, *, early: bool) -> None:
    whole = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if not early:
            whole(*arguments, **named)
        if named.get("sealed", True):
            die()
        return whole(*arguments, **named) if early else None

    setattr(owner, name, wrapped)


POINTS: dict[str, Callable[[], None]] = {
    "judged": after(Detecting, "_written"),
    "verdicts written": before(Incidents, "carry_out"),
    "enqueued": after(responding, "enqueue"),
    "proposed": after(responding, "propose"),
    "incident written": after(Incidents, "carry_out"),
    "committed": before(Detecting, "told"),
    "woken": after(Detecting, "told"),
    "about to send": before(Lane, "_deliver"),
    "sent": after(Lane, "_deliver"),
    "recorded, not committed": after(outbox_lane.letters, "note_sent"),
    "recorded": after(Lane, "_arrived"),
}


def in_a_second_transaction() -> None:
    """Broken: the verdicts are written with the seal, and what they do to incidents right after it."""
    whole, told, later = Detecting._written, Detecting.told, list[Job]()

    def written(self: Detecting, *given: Any) -> Job:
        later.append(whole(self, *given))
        return lambda writer: None

    def tell(self: Detecting, model: Any, *, sealed: bool) -> None:
        while later:
            self._incidents._database.write(later.pop()).result()
        told(self, model, sealed=sealed)

    Detecting._written, Detecting.told = written, tell  # type: ignore[method-assign]


def told_in_a_second_transaction() -> None:
    """Broken: a letter goes into the outbox once the incident is committed."""
    whole, told, later = responding.enqueue, Detecting.told, list[tuple[Any, ...]]()

    def enqueue(connection: sqlite3.Connection, *given: Any) -> str:
        later.append(given)
        return ""

    def tell(self: Detecting, model: Any, *, sealed: bool) -> None:
        while later:
            given = later.pop()
            self._incidents._database.write(lambda c: whole(c, *given)).result()  # noqa: B023 - done before the next
        told(self, model, sealed=sealed)

    responding.enqueue, Detecting.told = enqueue, tell  # type: ignore[assignment,method-assign]


BROKEN = {made.__name__: made for made in (in_a_second_transaction, told_in_a_second_transaction)}


def part(phase: str) -> list[story.Sent]:
    """Return what is sent during the day on which it comes to something."""
    day = DAYS[phase]
    return STORY.before(day + 1)[len(STORY.before(day)) :]


def run(order: dict[str, Any]) -> int:
    """Send what makes it come to something, as a client does that never knows what arrived; return the lines of the way."""
    executioner = Executioner(order.get("line"))
    outbox_launch.TRACED = TRACED
    if order.get("trace"):
        _arm(executioner)
    for name in order.get("sabotage", []):
        BROKEN[name]()
    if "kill" in order:
        POINTS[order["kill"]]()
    with Pipeline.open(Path(order["folder"]), story.settings_of()) as pipeline:
        sent = part(order["phase"])
        waiting = [
            pipeline.submit(kind, story.TARGET, f"{order['phase']}-{n}", story.ARROW, body)  # type: ignore[arg-type]
            for n, (kind, body) in enumerate(sent)
        ]
        for receipt in waiting:
            receipt.result(60)
        assert pipeline.settle()
        assert pipeline.acting.settle(30)
        wait_for_letters(pipeline)
    return executioner.lines


def _arm(executioner: Executioner) -> None:
    """Count lines from the first verdict on."""
    whole = Detecting._written

    def written(self: Detecting, *given: Any) -> Job:
        executioner.armed = True
        return whole(self, *given)

    Detecting._written = written  # type: ignore[method-assign]
    executioner.watch()


def wait_for_letters(pipeline: Pipeline) -> None:
    """Wait until nothing waits in the outbox."""
    database: Database = pipeline.database
    for _ in range(100):
        number = pipeline.changes.number
        with database.reading() as connection:
            if not connection.execute("SELECT 1 FROM outbox WHERE state = 'waiting'").fetchone():
                return
        pipeline.changes.since(number, 0.5)
    raise AssertionError("letters still wait")


def fork(order: dict[str, Any]) -> dict[str, int]:
    """Run an order in a child; returns how it ended, and the lines of the way."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for place, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
                os.dup2(descriptor, place)
            os.write(writing, str(run(order)).encode())
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "lines": int(said or 0)}


def main() -> None:
    """Run orders as they come."""
    for phase in DAYS:
        part(phase)  # made once
    assert threading.active_count() == 1, "no thread may be lost in a fork"
    for line in sys.stdin:
        sys.stdout.write(json.dumps(fork(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
