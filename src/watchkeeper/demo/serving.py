"""A server of the demo's own, in a process of its own, as an operator would start it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from watchkeeper.errors import WatchkeeperError

_PATIENCE = 30.0


class Server:
    """``watchkeeper serve``; ends with the block. What it says after its start goes to ``tell``.

    Attributes
    ----------
    url, key, page
        Where it answers, an admin's key, and the link that logs one browser in.
    """

    def __init__(self, store: Path, port: int, tell: Callable[[str], None]) -> None:
        command = [sys.executable, "-u", "-m", "watchkeeper", "serve", "--base", "day"]
        command += ["--store", str(store), "--port", str(port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        said = self._first_words()
        self.url = _found(r"^Serving +(\S+)", said)
        self.key = _found(r"^Key +(\S+)", said)
        self.page = _found(r"^Page +(\S+)", said)
        self._thread = threading.Thread(target=self._pass_on, args=(tell,), daemon=True)
        self._thread.start()

    def _first_words(self) -> str:
        said = ""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said += line
            if line.startswith("Page "):
                return said
        raise WatchkeeperError(f"The demo's server did not start. It said: {said.strip() or 'nothing'}")

    def _pass_on(self, tell: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            tell(line.rstrip())

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait(self) -> None:
        """Wait until it ends by itself, or somebody interrupts."""
        self._process.wait()

    def close(self) -> None:
        """End it; what was acknowledged is on disk."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._thread.join(_PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said, re.MULTILINE)
    if found is None:
        raise WatchkeeperError(f"The demo's server said nothing of {pattern!r}: {said}")
    return found[1]
