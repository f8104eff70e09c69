"""A small store with something of everything in it, all that can be read from it, and ways to damage its files byte by byte."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness import SCHEMA, TARGET
from loads import batch, labels, predictions

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import WatchkeeperError
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import MeasurementQuery
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.store import backup, files
from watchkeeper.store.database import NAME
from watchkeeper.store.layout import TABLES
from watchkeeper.store.lock import FolderLock

SETTINGS = PipelineSettings(flush_after=timedelta(0), infer_wait=0.0)
State = dict[str, Any]
_FEW = ["id", "when", "n00", "t0", "flag", "risk"]
_SCHEMA = SCHEMA | {"kinds": {name: SCHEMA["kinds"][name] for name in (*_FEW, "bad")}}
ROWS = 12


def resting(folder: Path) -> Pipeline:
    """Open a store whose worker does nothing, so that it stays as it is."""
    lock = FolderLock(folder)
    try:
        return Pipeline(folder, SETTINGS, lock)
    except BaseException:
        lock.close()
        raise


def send(pipeline: Pipeline, number: int, kind: str = "predictions") -> None:
    """Send a batch and wait until it is acknowledged."""
    made = predictions(number % 2, number, ROWS, seed=5).select(_FEW)
    sent = batch(kind, f"{kind}-{number}", labels(made) if kind == "labels" else made, arrow=True)
    pipeline.submit(kind, TARGET, sent.id, sent.form, sent.body).result(30)  # type: ignore[arg-type]


def make(folder: Path) -> None:
    """Make it: rows in Parquet, rows in the database, labels, labels that wait, refused rows, batches not yet counted."""
    reference = Profile(Schema.from_dict(_SCHEMA))
    shown = predictions(0, 99, 40, seed=6)
    shown = shown.select(_FEW).append_column("bad", labels(shown)["label"])
    for some in shown.combine_chunks().to_batches():
        reference.update(Batch(some, reference.schema))
    with Pipeline.open(folder, SETTINGS) as pipeline:
        pipeline.keys.create("one", "viewer")
        pipeline.register(TARGET, _SCHEMA, "wall")
        pipeline.set_reference(TARGET, reference.to_bytes())
        for number in range(2):
            send(pipeline, number)
            send(pipeline, number, "labels")
        assert pipeline.settle()
        pipeline.tidy()
        send(pipeline, 2)
        send(pipeline, 7, "labels")
        refused = b'{"predictions": [{"id": "x", "timestamp": "soon", "prediction": "1"}]}'
        pipeline.submit("predictions", TARGET, "refused", "application/json", refused).result(30)
        assert pipeline.settle()
    pipeline = resting(folder)
    send(pipeline, 3)
    pipeline.close()


def read_rows(folder: Path) -> State:
    """Return every row of a store that nobody has open, as it stands there: checksums are checked elsewhere."""
    with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}


def served(folder: Path) -> State:
    """Return what a server over a store answers."""
    pipeline = resting(folder)
    try:
        models = pipeline.models("default")
        return {
            "models": models,
            "versions": pipeline.versions(TARGET),
            "windows": pipeline.windows(TARGET, "day", None, None),
            "measurements": pipeline.measurements(MeasurementQuery(TARGET)).to_pylist(),
            "revisions": pipeline.measurements(MeasurementQuery(TARGET, revisions="all")).to_pylist(),
            "profile": pipeline.profile(TARGET, None, None).to_bytes(),
            "reference": next(iter(pipeline.catalog.versions.values())).reference.to_bytes(),  # type: ignore[union-attr]
            "quarantine": pipeline.quarantine(TARGET),
            "keys": pipeline.keys.list("default"),
        }
    finally:
        pipeline.close(0)


class Verdict:
    """Compares a damaged store with what it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows, self.served = read_rows(folder), served(folder)
        self.path = folder / NAME

    def of(self, *, serve: bool) -> str:
        """Return ``same`` where nothing is different, ``found`` where the check says so, and what is wrong otherwise.

        With ``serve`` a server over the damaged store is asked as well: it answers right, or refuses, or the check finds it.
        """
        found = self._found()
        if serve:
            try:
                right = served(self.folder) == self.served
            except WatchkeeperError:
                right = True
            if not right and not found:
                return "SERVED WRONG AND NOT FOUND"
        if found:
            return "found"
        return "same" if read_rows(self.folder) == self.rows else "DIFFERENT AND NOT FOUND"

    def _found(self) -> bool:
        try:
            backup.check(self.folder)
        except WatchkeeperError:
            return True
        return False


def flips(content: bytes, places: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the content with one byte different at each of the places: all bits of it, or one, by turns."""
    for turn, place in enumerate(places):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF if turn % 2 else 1 << (turn // 2 % 8)
        yield place, bytes(damaged)


def truncations(content: bytes, places: range) -> Iterator[tuple[int, bytes]]:
    """Yield the content cut off at each of the places."""
    for place in places:
        yield place, content[:place]


def tidy(folder: Path) -> None:
    """Remove what an opening left beside the database."""
    for end in ("-wal", "-shm", "-journal"):
        (folder / f"{NAME}{end}").unlink(missing_ok=True)
    shutil.rmtree(folder / files.QUARANTINE, ignore_errors=True)


@contextlib.contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """Have a file hold something else while a block runs."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)
        tidy(path.parent)
