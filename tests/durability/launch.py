"""Starts the real server in a process of its own; may break it on purpose first.

With an order (JSON) as its argument it runs that. Without, it loads everything once, then forks a server for each order that
comes on standard input, so that a start costs no imports: ``{"run": ORDER}`` answers the pid, ``{"wait": PID}`` the exit code.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import pyarrow.parquet  # noqa: F401 - loaded before the forks
import sabotage
import uvicorn.protocols.http.h11_impl  # noqa: F401

import watchkeeper.cli
import watchkeeper.server.run


def run(order: dict[str, Any]) -> int:
    """Do what an order says: break what is to be broken, then the real command."""
    sabotage.hurry(order.get("settings", {}))
    for name in order.get("sabotage", []):
        sabotage.KNOWN[name]()
    return watchkeeper.cli.run(["serve", "--store", order["folder"], "--port", "0"])


def fork(order: dict[str, Any]) -> int:
    """Run an order in a child whose output goes to the files that it names; returns the pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        nothing, out = os.open(os.devnull, os.O_RDONLY), os.open(order["out"], os.O_WRONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for place, descriptor in enumerate((nothing, out, log)):
            os.dup2(descriptor, place)
            os.close(descriptor)
        if "go" in order:  # racing starts begin when this pipe is opened
            os.close(os.open(order["go"], os.O_RDONLY))
        code = run(order)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    """Start servers as they are ordered; when nobody orders any more, none is left behind."""
    running: set[int] = set()
    for line in sys.stdin:
        told = json.loads(line)
        if "run" in told:
            answer = fork(told["run"])
            running.add(answer)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(told["wait"], 0)[1])
            running.discard(told["wait"])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(run(json.loads(sys.argv[1])))
    main()
