"""A command in its folder: started once, found again after the server was killed, and stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from watchkeeper.errors import ActionRefused
from watchkeeper.pipeline import acting_supervisor
from watchkeeper.pipeline.acting_supervisor import ENDED, GRACE, OUTPUT, STARTED
from watchkeeper.response.operator import ActionSpec
from watchkeeper.store.folders import sync_folder

_LOCK = "lock"
_CAP = 1 << 20
_LOOK = 0.02
_SPARE = 30.0
LAST_LINES, LAST_BYTES = 40, 8 << 10


@dataclass(frozen=True, slots=True)
class Status:
    """How a command stands.

    Attributes
    ----------
    name
        ``new`` (it never began), ``alive``, ``ended``, or ``lost``: it began, is gone, and nobody saw how it ended.
    words
        What is to be said of its end; empty where it ended well.
    """

    name: Literal["new", "alive", "ended", "lost"]
    words: str = ""


def launch(folder: Path, spec: ActionSpec, where: Path) -> None:
    """Start the command of an action in its folder, unless it began there before.

    It gets no environment but what programs need, what the operator gives it, and ``WATCHKEEPER_ACTION_DIR``; it lives on when
    the server ends.

    Raises
    ------
    ActionRefused
        It could not be started.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        told = [str(folder), str(lock), str(spec.timeout), str(_CAP), *spec.command]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", acting_supervisor.__file__, *told], cwd=spec.folder or where,
            env=_environment(spec, folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=[lock],
        )  # fmt: skip
    except BlockingIOError:
        return
    except OSError as error:
        raise ActionRefused(f"{spec.name} cannot be started in {spec.folder or where}: {error.strerror}") from error
    finally:
        os.close(lock)
    while not (folder / STARTED).exists() and process.poll() is None:
        time.sleep(_LOOK)
    if not (folder / STARTED).exists():
        raise ActionRefused(f"{spec.name} could not be started: its supervisor ended with {process.returncode}.")
    threading.Thread(target=process.wait, name="watchkeeper-reaper", daemon=True).start()


def _environment(spec: ActionSpec, folder: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    try:
        home = Path.home()
    except RuntimeError:  # a user whom the system does not know
        home = folder
    least = {"PATH": paths, "HOME": str(home), "LANG": "C.UTF-8"}
    return least | dict(spec.environment) | {"WATCHKEEPER_ACTION_DIR": str(folder)}


def status(folder: Path) -> Status:
    """Return how the command of a folder stands."""
    if _locked(folder):
        return Status("alive")
    ended = _read(folder / ENDED)
    if ended is not None:
        return Status("ended", _words(ended))
    return Status("lost" if (folder / STARTED).exists() else "new")


def _locked(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _words(ended: dict[str, Any]) -> str:
    code = ended.get("code")
    if ended.get("error"):
        return str(ended["error"])
    if ended.get("late"):
        return "the time that it may take was over"
    if isinstance(code, int) and code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return "" if code == 0 else f"it ended with exit code {code}"


def overdue(folder: Path, timeout: float) -> bool:
    """Return whether a command lives that should have been ended: its supervisor was killed alone."""
    try:
        began = (folder / STARTED).stat().st_mtime
    except FileNotFoundError:
        return False
    return time.time() > began + timeout + GRACE + _SPARE


def stop(folder: Path, grace: float = GRACE) -> None:
    """End the command of a folder with all that it started, politely first; returns once it is gone.

    While the lock is held supervisor or command lives, so the number of their group cannot be another's.
    """
    for name, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        until = time.monotonic() + patience
        sent = False
        while _locked(folder) and time.monotonic() < until:
            group = _read(folder / STARTED)
            if group is not None and not sent:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(group["pid"]), name)
                sent = True
            time.sleep(_LOOK)


def last_lines(folder: Path) -> str:
    """Return the end of what the command wrote."""
    try:
        content = (folder / OUTPUT).read_bytes()[-LAST_BYTES:]
    except OSError:
        return ""
    return "\n".join(content.decode("utf-8", "replace").splitlines()[-LAST_LINES:])


def read_small(path: Path, most: int) -> bytes:
    """Return the content of a file that a command left; only of a plain file of at most ``most`` bytes.

    Raises
    ------
    ActionRefused
        It is not there, larger, or something else than a plain file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ActionRefused(f"{path.name} cannot be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ActionRefused(f"{path.name} is no plain file.")
        if found.st_size > most:
            raise ActionRefused(f"{path.name} has {found.st_size:,} bytes, and {most:,} are read at most.")
        return file.read(most + 1)[:most]


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is whole, or not there, whatever happens; on disk when this returns."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_folder(path.parent)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
