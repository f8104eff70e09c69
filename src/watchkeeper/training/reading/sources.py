"""Find the runs in a path and read them, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path

from watchkeeper.errors import SourceNotFound, UnreadableSource
from watchkeeper.training.journal import FORMAT, read_journal
from watchkeeper.training.reading.replay import replay
from watchkeeper.training.reading.roles import Columns
from watchkeeper.training.reading.tables import read_csv, read_records
from watchkeeper.training.reading.tensorboard import MARK, read_events
from watchkeeper.training.reading.trainer import FILE, read_trainer
from watchkeeper.training.run import Run
from watchkeeper.training.watching import Watching

_PARTS = {"train", "training", "validation", "val", "valid", "eval", "test"}
"""Folders of one run in which parts of it write their own event files, as Keras does."""
DEFAULT = Run().name
KNOWN = (
    "a journal of wk.watch (.jsonl), a TensorBoard event file or log folder, a trainer_state.json of Transformers, "
    "or a CSV or JSON lines of steps"
)


def read_runs(path: str | Path, columns: Columns | None = None) -> list[Watching]:
    """Read the runs that a path has: one for a file, one or more for a folder. Each is judged as if it were watched.

    Parameters
    ----------
    path
        A journal, a TensorBoard event file or log folder, a ``trainer_state.json``, a CSV or JSON lines of steps, or a
        folder of these.
    columns
        What is known about a log; what is not said is guessed by names.

    Raises
    ------
    SourceNotFound, UnreadableSource
        There is nothing, or nothing that is a run.
    UnknownColumn, InputError
        A name is not there, or nothing in it looks like a loss.
    """
    path, columns = Path(path), columns or Columns()
    if not path.exists():
        raise SourceNotFound(str(path))
    if not path.is_dir():
        return [_read_file(path, columns)]
    found = [replay(read_events(name, files), columns) for name, files in _logs(path)]
    others = [p for p in sorted(path.iterdir()) if p.name == FILE or (p.suffix in {".jsonl", ".csv"} and p.is_file())]
    found += [_read_file(p, columns) for p in others]
    found = found or [_read_file(p, columns) for p in sorted(path.glob("*/*.jsonl"))]
    if not found:
        raise UnreadableSource(str(path), f"there is no run in it. A run is {KNOWN}.")
    return found


def _read_file(path: Path, columns: Columns) -> Watching:
    if MARK in path.name:
        return replay(read_events(path.resolve().parent.name, [("", path)]), columns)
    if path.suffix == ".json":
        return replay(read_trainer(path), columns)
    if path.suffix in {".csv", ".tsv"}:
        return replay(read_csv(path, columns.step), columns)
    if path.suffix != ".jsonl":
        raise UnreadableSource(str(path), f"its name does not say what it is. A run is {KNOWN}.")
    if not _is_journal(path):
        return replay(read_records(path, columns.step), columns)
    watching = read_journal(path)
    if watching.run.name == DEFAULT:  # nobody named it: the file or its folder tells it from others
        watching.run.name = path.stem if path.stem != DEFAULT else f"{path.resolve().parent.name}/{DEFAULT}"
    if not watching.run.facts.get("ended"):
        watching.look()
    return watching


def _is_journal(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        try:
            first = json.loads(file.readline() or "null")
        except ValueError:
            return False
    return isinstance(first, dict) and first.get("format") == FORMAT


def _logs(path: Path) -> list[tuple[str, list[tuple[str, Path]]]]:
    """Return the logs of TensorBoard in a folder: the name of each and its files, with what is put before their tags."""
    runs: dict[Path, list[tuple[str, Path]]] = {}
    for file in sorted(path.rglob(f"*{MARK}*")):
        folder = file.parent
        part = folder.name.lower() in _PARTS and folder != path
        runs.setdefault(folder.parent if part else folder, []).append((f"{folder.name}/" if part else "", file))
    name = path.resolve().name
    return [(name if run == path else str(run.relative_to(path)), files) for run, files in runs.items()]
