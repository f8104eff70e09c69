"""A run as lines of JSON: written as it goes, read again whole, and judged anew as it was judged then."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from watchkeeper.errors import SourceNotFound, UnreadableSource, Unwritable
from watchkeeper.training.finding import Finding
from watchkeeper.training.run import Event, Layer, Run
from watchkeeper.training.watching import Sink, Watching

FORMAT = "watchkeeper.run/1"
_WRITTEN_AS_LOSS, _HELD_OUT = "loss", "validation/"
HELD = 100
"""At most so many lines are lost with a process that is killed."""


class Journal:
    """Writes a run to a file, a line a row. Where a file of that name is there, this one's name ends in ``-2``, ``-3``, ..."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._columns: set[str] = set()
        self._held = 0

    def _line(self, run: Run, content: dict[str, Any]) -> None:
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._open()
            except OSError as error:
                raise Unwritable(str(self._path), str(error)) from error
            self._write({"format": FORMAT, "run": _head(run)})
        self._write(content)
        self._held += 1
        if self._held >= HELD and self._file is not None:
            self._file.flush()
            self._held = 0

    def _open(self) -> TextIO:
        wanted, number = self._path, 1
        while True:
            try:
                return self._path.open("x", encoding="utf-8")
            except FileExistsError:
                number += 1
                self._path = wanted.with_stem(f"{wanted.stem}-{number}")

    def _write(self, content: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(content, default=float, separators=(",", ":")) + "\n")

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Write one row."""
        content: dict[str, Any] = {"s": name, "t": step, "v": [_plain(v) for v in values]}
        if name not in self._columns:
            self._columns.add(name)
            content["c"] = run.series[name].columns
        self._line(run, content)

    def event(self, run: Run, event: Event) -> None:
        """Write an event."""
        self._line(run, {"event": asdict(event)})

    def finding(self, run: Run, finding: Finding) -> None:
        """Write a finding, and all that was held back."""
        self._line(run, {"finding": finding.to_dict()})
        if self._file is not None:
            self._file.flush()

    def close(self, run: Run) -> None:
        """Write the end."""
        self._line(run, {"end": run.step, "facts": _facts(run)})
        if self._file is not None:
            self._file.close()
            self._file = None


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _facts(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.facts.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | dict | None)


def _head(run: Run) -> dict[str, Any]:
    fields = {"name", "framework", "optimizer", "loss", "classes", "planned_steps"}
    return {f: getattr(run, f) for f in fields} | {"layers": [asdict(x) for x in run.layers], "facts": _facts(run)}


def read_journal(path: str | Path, sinks: Iterable[Sink] = ()) -> Watching:
    """Read a run that :class:`Journal` wrote, judging it as it grows; what a killed process left is read as far as it goes.

    ``sinks`` are told of it as they would have been then.

    Raises
    ------
    SourceNotFound, UnreadableSource
        There is no such file, or it is no run.
    """
    path = Path(path)
    if not path.exists():
        raise SourceNotFound(str(path))
    watching: Watching | None = None
    for content in _lines(path):
        if watching is None:
            if content.get("format") != FORMAT:
                raise UnreadableSource(str(path), f"its first line is no header of a run ({FORMAT}).")
            watching = Watching(_from_head(content["run"]), sinks, quiet=True)
        else:
            _replay(watching, content)
    if watching is None:
        raise UnreadableSource(str(path), "it is empty.")
    return watching


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                content = json.loads(line)
            except ValueError:
                return  # the last line of a process that was killed
            if isinstance(content, dict):
                yield content


def _from_head(head: dict[str, Any]) -> Run:
    layers = [Layer(**(layer | {"shape": tuple(layer["shape"])})) for layer in head.pop("layers")]
    return Run(layers=layers, **head)


def _replay(watching: Watching, content: dict[str, Any]) -> None:
    run = watching.run
    if "s" in content:
        name, step, values = content["s"], int(content["t"]), [float(v) for v in content["v"]]
        if name == _WRITTEN_AS_LOSS:
            watching.loss(step, values[0])
        elif name.startswith(_HELD_OUT) and not run.facts.get("boosting"):
            watching.validation(step, {name.removeprefix(_HELD_OUT): values[0]})
        else:
            known = run.series[name].columns if name in run.series else content.get("c", ["value"])
            watching.add(name, step, values, known)
    elif "event" in content:
        watching.note(Event(**content["event"]))
    elif "end" in content:
        run.facts |= content.get("facts", {})
        watching.close()
