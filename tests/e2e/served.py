"""A real server in a process of its own, started and ended as an operator would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from watchkeeper.client.connection import Connection


class Served:
    """``watchkeeper serve`` on a free port; ends when the block does."""

    def __init__(self, store: Path, key: str | None = None) -> None:
        command = [sys.executable, "-m", "watchkeeper", "serve", "--store", str(store), "--port", "0"]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.said: list[str] = []
        self.url = self._read_until(r"(http://[0-9.:]+)")
        self.key = key if key is not None else re.findall(r"(wk_[0-9a-f]{20,})", "\n".join(self.said))[0]
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def _read_until(self, pattern: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            found = re.search(pattern, line)
            if found:
                return found[1]
        raise AssertionError(f"the server ended: {''.join(self.said)}")

    def _read_on(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    def connect(self) -> Connection:
        return Connection(self.url, self.key)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self._reader.join(10)
        return code

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self._reader.join(10)
        self.process.stdout.close()
