"""A server under strace, and what the order of its system calls must be for its promise to survive the loss of power.

A write counts as begun when its call begins, a sync counts as done when its call has returned; strace shows the calls of all
threads in the order in which they begin and return.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import LAUNCH

_CALLS = (
    "openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "?rename", "renameat", "?renameat2", "?unlink",
    "unlinkat", "?mkdir", "mkdirat", "sendto", "sendmsg",
)  # fmt: skip
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"^\d+<((?:\\x[0-9a-f]{2}|[^>])*)>")


@dataclass
class Call:
    """A system call that succeeded: its places in the trace, the file that it is about, and the bytes handed in."""

    name: str
    start: int
    end: int
    file: str
    texts: list[bytes]
    rest: str


def command(trace: Path, order: dict[str, object]) -> list[str]:
    """Return the command that runs an order under strace."""
    return [
        "strace", "-f", "-y", "-xx", "-s", "5000", "-o", str(trace), "-e", f"trace={','.join(_CALLS)}", "-e", "signal=none",
        sys.executable, str(LAUNCH), json.dumps(order),
    ]  # fmt: skip


def child_of(process: subprocess.Popen[str]) -> int:
    """Return the pid of the one child of a process."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def calls(trace: Path) -> list[Call]:
    """Read a trace; calls come in the order in which they returned."""
    return list(_calls(trace))


def _calls(trace: Path) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    with trace.open(encoding="utf-8", errors="replace") as lines:
        for place, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            thread, name, rest = found.groups()
            if rest.endswith("<unfinished ...>"):
                begun[thread] = (place, rest.removesuffix("<unfinished ...>"))
                continue
            start, before = begun.pop(thread, (place, "")) if "resumed>" in line[:60] else (place, "")
            whole = before + rest
            arguments, _, result = whole.rpartition(" = ")
            if result.startswith(("-1", "?")):
                continue
            file = _FILE.match(arguments)
            texts = [_bytes(text) for text in _TEXT.findall(arguments)]
            named = _FILE.match(result) if name == "openat" else file
            path = _bytes(named[1]).decode(errors="replace") if named else ""
            yield Call(name, start, place, path, texts, _TEXT.sub("", arguments))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


@dataclass
class Commit:
    """A transaction in the write-ahead log: what its pages hold, and where its last byte was written."""

    pages: list[bytes]
    start: int
    end: int
    synced: int | None = None


class Trace:
    """What a server did to its store, and what of it is out of order."""

    def __init__(self, made: list[Call], store: Path) -> None:
        self.calls, self.store = made, str(store)
        self.log = f"{self.store}/watchkeeper.db-wal"
        self.syncs: dict[str, list[Call]] = {}
        for call in made:
            if call.name in {"fsync", "fdatasync"}:
                self.syncs.setdefault(call.file, []).append(call)
        self.commits = list(self._commits())

    def _commits(self) -> Iterator[Commit]:
        """Split the frames of the log by their commit marks: a header of 24 bytes with the size of the database, and a page."""
        current: Commit | None = None
        marked = False
        for call in self.calls:
            if call.name != "pwrite64" or call.file != self.log:
                continue
            current = current or Commit([], call.start, call.end)
            if len(call.texts[0]) == 24:
                marked = call.texts[0][4:8] != b"\0\0\0\0"
            elif len(call.texts[0]) == 4096:
                current.pages.append(call.texts[0])
                current.end = call.end
                if marked:
                    current.synced = self._synced(self.log, call.end)
                    yield current
                    current, marked = None, False

    def _synced(self, file: str, after: int) -> int | None:
        """Return when the first sync of a file that began after some moment was done."""
        return next((call.end for call in self.syncs.get(file, []) if call.start > after), None)

    def _commit_with(self, text: bytes) -> Commit | None:
        return next((c for c in self.commits if any(text in page for page in c.pages)), None)

    def acknowledged(self) -> dict[str, int]:
        """Return when the answer 200 to each batch began to be sent."""
        found: dict[str, int] = {}
        begun: dict[str, int] = {}
        for call in self.calls:
            if call.name not in {"sendto", "sendmsg", "write", "writev"}:
                continue
            for text in call.texts:
                if text.startswith(b"HTTP/1.1"):
                    begun.pop(call.file, None)
                    if text.startswith(b"HTTP/1.1 200"):
                        begun[call.file] = call.start
                told = re.search(rb'"batch": ?"([^"]+)"', text)
                if told and call.file in begun:
                    found[told[1].decode()] = begun[call.file]
        return found

    def early_answers(self) -> list[str]:
        """Return the batches that were acknowledged before the transaction that holds them was synced."""
        wrong = []
        for name, sent in self.acknowledged().items():
            commit = self._commit_with(name.encode())
            if commit is None or commit.synced is None or commit.synced >= sent:
                wrong.append(f"{name} was acknowledged before its commit was synced")
        return wrong

    def early_files(self) -> list[str]:
        """Return the Parquet files that were registered before they, their names and their folders were synced."""
        wrong = []
        for call in self.renames():
            partial, target = (text.decode() for text in call.texts)
            name = Path(target).name
            commit = self._commit_with(name.encode())
            registered = commit.start if commit is not None else 2**62
            written = max(c.end for c in self.calls if c.file == partial and c.name in {"write", "pwrite64", "writev"})
            if (self._synced(partial, written) or 2**62) >= call.start:
                wrong.append(f"{name} was named before it was synced")
            if commit is not None and (self._synced(str(Path(target).parent), call.end) or 2**62) >= registered:
                wrong.append(f"{name} was registered before its name was synced")
            wrong += [
                f"{name} was registered before its folder {folder} was synced"
                for folder, made in self.folders().items()
                if target.startswith(f"{folder}/") and made < call.start
                and (self._synced(str(Path(folder).parent), made) or 2**62) >= registered
            ]  # fmt: skip
        return wrong

    def early_removals(self) -> list[str]:
        """Return the Parquet files that were removed before what replaces them was committed and synced."""
        wrong = []
        renames = self.renames()
        for call in self.calls:
            path = call.texts[-1].decode() if call.name in {"unlink", "unlinkat"} and call.texts else ""
            if not path.endswith(".parquet"):
                continue
            here = [r for r in renames if Path(r.texts[1].decode()).parent == Path(path).parent]
            before = [Path(r.texts[1].decode()).name for r in here if r.end < call.start]
            until = min((r.start for r in here if r.start > call.start), default=2**62)
            commit = self._commit_with(before[-1].encode()) if before else None
            if before and before[-1] in self._removed(call.start, until):
                commit = None
            if commit is None or commit.synced is None or commit.synced >= call.start:
                wrong.append(f"{Path(path).name} was removed before what replaces it was synced")
        return wrong

    def _removed(self, start: int, stop: int) -> set[str]:
        some = (c for c in self.calls if c.name.startswith("unlink") and c.texts and start <= c.start < stop)
        return {Path(c.texts[-1].decode()).name for c in some}

    def unnamed(self) -> list[str]:
        """Return what holds the store and whose name was not synced before the first answer."""
        first = min(self.acknowledged().values(), default=0)
        made = {path: at for path, at in self.folders().items() if self.store.startswith(path)}
        made |= {
            call.file: call.end
            for call in reversed(self.calls)
            if call.name == "openat"
            and "O_CREAT" in call.rest
            and call.file in {self.log, f"{self.store}/watchkeeper.db"}
        }
        return [
            f"{path} was not synced by name before the first answer"
            for path, at in made.items()
            if (self._synced(os.path.dirname(path), at) or 2**62) >= first  # noqa: PTH120 - paths as strace shows them
        ]

    def renames(self) -> list[Call]:
        """Return the calls by which Parquet files got their names."""
        return [c for c in self.calls if c.name.startswith("rename") and c.texts[-1].endswith(b".parquet")]

    def folders(self) -> dict[str, int]:
        """Return the folders that were made, and when."""
        return {
            call.texts[-1].decode(): call.end for call in self.calls if call.name.startswith("mkdir") and call.texts
        }
