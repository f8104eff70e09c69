"""``import watchkeeper`` does nothing: it loads no other package and touches neither files, network nor environment."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Runs in a fresh interpreter. What Python itself does for an import (reading its own library) is left out.
PROBE = """
import collections.abc, importlib, json, os, sys, sysconfig, threading

events, reads = [], []
own = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sys.base_prefix})
LOUD = ("socket.", "subprocess.", "urllib.", "http.", "sqlite3.", "tempfile.", "shutil.", "ctypes.dlopen", "signal.")
LOUD += ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.mkdir", "os.remove", "os.rename", "os.putenv")


class Recorder(collections.abc.MutableMapping):
    def __init__(self, inner):
        self.inner = inner

    def note(self, key):
        frame = sys._getframe(2)
        while frame.f_globals["__name__"] in ("os", "_collections_abc", "collections.abc"):
            frame = frame.f_back
        reader = frame.f_globals["__name__"]
        if reader.split(".")[0] not in sys.stdlib_module_names:
            reads.append(f"{reader} reads {key}")

    def __getitem__(self, key):
        self.note(key)
        return self.inner[key]

    def __setitem__(self, key, value):
        self.note(key)
        self.inner[key] = value

    def __delitem__(self, key):
        self.note(key)
        del self.inner[key]

    def __iter__(self):
        self.note("everything")
        return iter(self.inner)

    def __len__(self):
        return len(self.inner)


def hook(event, args):
    if event == "open":
        path = os.fspath(args[0]) if isinstance(args[0], (str, os.PathLike)) else str(args[0])
        is_code = path.endswith((".py", ".pyc")) and "watchkeeper" in path
        if not is_code and not path.startswith(own):
            events.append(f"open {path}")
    elif event.startswith(LOUD):
        events.append(event)


def count_threads(start):
    def started(*args, **kwargs):
        events.append("a thread")
        return start(*args, **kwargs)
    return started


threading.Thread.start = count_threads(threading.Thread.start)
os.environ = Recorder(os.environ)
known = set(sys.modules)
sys.addaudithook(hook)
if len(sys.argv) > 1:
    exec(sys.argv[1])
else:
    import watchkeeper
loud, sys.argv = list(events), []
roots = {name.split(".")[0] for name in set(sys.modules) - known}
print(json.dumps({
    "packages": sorted(roots - set(sys.stdlib_module_names) - {"watchkeeper"}),
    "events": loud,
    "reads": reads,
}))
"""


def probe(code: str | None = None) -> dict[str, object]:
    command = [sys.executable, "-W", "error", "-c", PROBE, *([code] if code else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_import_does_nothing() -> None:
    assert probe() == {"packages": [], "events": [], "reads": []}


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("import yaml", "packages"),
        ("import socket; socket.socket().close()", "events"),
        ("open('/dev/null').close()", "events"),
        ("import subprocess; subprocess.run(['true'])", "events"),
        ("import os; os.getenv('HOME')", "reads"),
        ("import os; os.environ.get('HOME')", "reads"),
        ("import threading; threading.Thread(target=int).start()", "events"),
    ],
)
def test_the_probe_would_see_it(code: str, key: str) -> None:
    assert probe(code)[key]
