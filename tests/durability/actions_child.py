"""A server's part that acts, as a process that kills itself where it is told to, or is broken on purpose.

Loads everything once, then forks a process for each order (JSON, a line) on standard input, and answers how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from acted import NEEDS, World

from watchkeeper.pipeline import acting, acting_command, acting_proposal
from watchkeeper.pipeline.acting import Acting


def die(*_: Any) -> None:
    """End as by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, turn: int = 1) -> Callable[[World], None]:
    """Kill when something is about to be done for the n-th time."""
    return lambda world: _wrap(owner, name, turn, early=True)


def after(owner: Any, name: str, turn: int = 1) -> Callable[[World], None]:
    """Kill when it has just been done."""
    return lambda world: _wrap(owner, name, turn, early=False)


def _wrap(owner: Any, name: str, turn: int, *, early: bool) -> None:
    whole, count = getattr(owner, name), [0]

    def wrapped(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if early and count[0] == turn:
            die()
        answer = whole(*arguments, **named)
        if count[0] == turn:
            die()
        return answer

    setattr(owner, name, wrapped)


def once_begun(world: World) -> None:
    """Kill while the command runs: once it has written that it began."""

    def wait(*_: Any) -> None:
        while not world.retrained():
            threading.Event().wait(0.005)
        die()

    Acting._wait = wait  # type: ignore[method-assign]


def after_adopting(world: World) -> None:
    """Kill once the challenger has its reference and does not serve yet."""
    object.__setattr__(world.acting._hands, "adopt", lambda *a: (world.pipeline.set_reference(*a), die()))


POINTS: dict[str, Callable[[World], None]] = {
    "decided, not committed": after(acting_proposal, "_write"),
    "decided": lambda world: None,  # the order says so
    "some rows written": after(acting, "write_table"),
    "folder ready": after(Acting, "_prepare"),
    "claimed": before(Acting, "_launch"),
    "supervisor forked": after(acting_command.subprocess, "Popen"),
    "started": after(acting_command, "launch"),
    "running": once_begun,
    "ended": before(acting_command, "last_lines"),
    "end recorded": before(Acting, "_conclude"),
    "compared": after(acting, "outcome"),
    "outcome recorded": before(Acting, "_promote"),
    "adopted": after_adopting,
    "served, not committed": after(acting, "serve"),
    "promoted": before(Acting, "_tidy"),
}


def again() -> None:
    """Broken: what was running when the server was killed is run again."""
    whole = Acting._follow
    met: set[str] = set()

    def follow(self: Acting, row: dict[str, Any]) -> None:
        if row["id"] not in met:
            met.add(row["id"])
            folder = self.folder / row["id"]
            for name in ("lock", "started.json", "ended.json", "candidate.json"):
                (folder / name).unlink(missing_ok=True)
        whole(self, row)

    Acting._follow = follow  # type: ignore[method-assign]


def unsupervised() -> None:
    """Broken: the command is the server's own child, and nothing but the database says that it began."""

    def launch(folder: Path, spec: Any, where: Path) -> None:
        process = subprocess.Popen(spec.command, env=acting_command._environment(spec, folder), start_new_session=True)
        threading.Thread(target=process.wait, daemon=True).start()
        running[folder] = process

    def status(folder: Path) -> Any:
        process = running.get(folder)
        name = "new" if process is None else "alive" if process.poll() is None else "ended"
        return acting_command.Status(name)  # type: ignore[arg-type]

    running: dict[Path, Any] = {}
    acting_command.launch, acting_command.status = launch, status


BROKEN = {made.__name__: made for made in (again, unsupervised)}


def run(order: dict[str, Any]) -> None:
    """Decide, if nobody did before, and act until nothing is left to do."""
    for name in order.get("sabotage", []):
        BROKEN[name]()
    with World(Path(order["folder"]), Path(order["better"]), how=order.get("how", "better")) as world:
        point = order.get("kill")
        if point is not None:
            POINTS[point](world)
        decided = world.decision()
        world.database.write(lambda c: acting_proposal.propose(c, world.actions, decided, NEEDS)).result()
        if point == "decided":
            die()
        world.run()


def fork(order: dict[str, Any]) -> int:
    """Run an order in a child; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for place, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(descriptor, place)
        run(order)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Run orders as they come; with a pause (``after``) a child is killed that many seconds after its start."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = fork(order)
        if "after" in order:
            threading.Event().wait(order["after"])
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
