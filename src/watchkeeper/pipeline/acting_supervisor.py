"""Runs one command and writes down that it began and how it ended, whether or not the server still lives.

It is a program of its own, of the standard library alone: ``supervisor FOLDER LOCK TIMEOUT CAP COMMAND...``, started in a
session of its own with the descriptor LOCK holding the lock of FOLDER. In FOLDER it makes ``started.json``, which can be made
once only, ``output.log`` (CAP bytes, and the end), and ``ended.json``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

STARTED, ENDED, OUTPUT = "started.json", "ended.json", "output.log"
GRACE = 5.0
"""Seconds between a polite signal and the other one."""
_TAIL = 64 << 10
_PIECE = 64 << 10


def write_once(path: Path, told: dict[str, Any]) -> bool:
    """Make a file that must not be there, on disk when this returns; returns whether it could be made."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(told).encode())
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)
    return True


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_output(source: IO[bytes], path: Path, cap: int) -> None:
    """Copy until the source ends: the first ``cap`` bytes as they come, of the rest the end."""
    written, left_out, tail = 0, 0, b""
    with path.open("wb", buffering=0) as file:
        while piece := os.read(source.fileno(), _PIECE):
            file.write(piece[: cap - written])
            rest = piece[cap - written :]
            written += len(piece) - len(rest)
            tail += rest
            left_out += max(0, len(tail) - _TAIL)
            tail = tail[-_TAIL:]
        if left_out:
            file.write(f"\n[... {left_out} bytes are left out ...]\n".encode())
        file.write(tail)


def run(folder: Path, lock: int, timeout: float, cap: int, command: list[str]) -> dict[str, Any]:
    """Run the command to its end; returns how that was."""
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[lock]
        )
    except OSError as error:
        return {"code": None, "error": f"{command[0]} cannot be run: {error.strerror or error}"}
    assert child.stdout is not None
    copying = threading.Thread(target=copy_output, args=(child.stdout, folder / OUTPUT, cap), daemon=True)
    copying.start()
    late = False
    try:
        code = child.wait(timeout)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(0, signal.SIGTERM)
        try:
            code = child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
    copying.join(2.0)  # a process that it left behind may hold the other end
    return {"code": code, "late": late}


def main(arguments: list[str]) -> int:
    """Do it once: where the command began before, nothing is done."""
    folder, lock, timeout, cap = Path(arguments[0]), int(arguments[1]), float(arguments[2]), int(arguments[3])
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is the command that should end; a handler is not inherited
    if not write_once(folder / STARTED, {"pid": os.getpid()}):
        return 75
    ended = run(folder, lock, timeout, cap, arguments[4:])
    partial = folder / f"{ENDED}.partial"
    partial.unlink(missing_ok=True)
    write_once(partial, ended)
    partial.rename(folder / ENDED)
    sync(folder)
    os.killpg(0, signal.SIGKILL)  # whatever it left behind, and this
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
