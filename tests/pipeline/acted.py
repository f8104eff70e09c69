"""A store with an incident that a retraining can end, and commands that retrain well, badly, or not at all."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from traffic import ARROW, ipc

from watchkeeper.capture.batch import Batch
from watchkeeper.client.ids import Mint
from watchkeeper.detection.series import Finding, Point
from watchkeeper.pipeline.acting import Acting, Hands
from watchkeeper.pipeline.acting_proposal import Decision, propose
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.partition import RawRows
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import Target
from watchkeeper.profiles.profile import Profile
from watchkeeper.response.operator import ActionSpec
from watchkeeper.response.ranges import Needs
from watchkeeper.response.rule import Act
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.window import DAY, microseconds

TARGET = Target("default", "loans", "production", "1")
BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
DAYS, A_DAY, BROKEN_FROM = 12, 120, 5
NEEDS = Needs(holdout_rows=200, training_rows=200)
SCHEMA = Schema(
    id="id", timestamp="when", target="bad", prediction="flag", score="risk", task="binary", positive="1",
    classes=["0", "1"],
    kinds={"when": "datetime", "amount": "numeric", "flag": "categorical", "risk": "numeric", "bad": "categorical",
           "id": "categorical"},
)  # fmt: skip

COMMAND = """
import json, os, pathlib, shutil, signal, subprocess, sys, time
how, ledger, scores = sys.argv[1:4]
here = pathlib.Path(os.environ["WATCHKEEPER_ACTION_DIR"])
request = json.loads((here / "request.json").read_text())
with open(ledger, "a") as file:
    file.write(request["decision"] + "\\n")
print("training", request["decision"], flush=True)
if how == "fails":
    sys.exit("out of cheese")
if how == "sleeps":
    time.sleep(600)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    time.sleep(600)
if how == "floods":
    for _ in range(3000):
        print("x" * 1000)
    print("the very end", flush=True)
while how == "waits" and not pathlib.Path(ledger + ".go").exists():
    time.sleep(0.01)
if how != "leaves nothing":
    shutil.copy(scores, here / "holdout.parquet")
    told = {"version": "2", "artefact": "file:///models/2"}
    partial = here / "candidate.partial"
    partial.write_text(json.dumps(told))
    partial.rename(here / "candidate.json")
if how == "dies after":
    os.killpg(0, signal.SIGKILL)
"""


class Unattended(Pipeline):
    """A pipeline whose own actor does nothing: the one of a test is to be the only one."""

    def _start_loop(self) -> None:
        pass


def traffic(seed: int = 3) -> pa.Table:
    """Return rows whose label follows the amount; the score does so too, until it breaks."""
    rng = np.random.default_rng(seed)
    count = DAYS * A_DAY
    day = np.repeat(np.arange(DAYS), A_DAY)
    times = (
        int(BEGIN.timestamp()) * 1_000_000
        + day * DAY
        + np.sort(rng.integers(0, DAY // 6000, (DAYS, A_DAY)), axis=1).ravel() * 1000
    )
    amount = np.round(rng.random(count), 4)
    risk = np.where(day < BROKEN_FROM, amount, np.round(rng.random(count), 4))
    mint = Mint()
    return pa.table(
        {
            "id": [mint.at(int(t) // 1000) for t in times],
            "when": pa.array(times, pa.timestamp("us", "UTC")),
            "amount": amount,
            "flag": (risk > 0.5).astype(int),
            "risk": risk,
            "bad": (rng.random(count) < 0.1 + 0.8 * (amount > 0.5)).astype(int),
        }
    )


def make_store(folder: Path) -> pa.Table:
    """Make the store, its model replayed by its own clock; returns the rows that were sent."""
    table = traffic()
    with Unattended.open(folder, PipelineSettings(evaluation_delay=timedelta(hours=1))) as pipeline:
        pipeline.register(TARGET, SCHEMA.to_dict(), "event")
        reference = Profile(SCHEMA.replace())
        for batch in table.slice(0, A_DAY).combine_chunks().to_batches():
            reference.update(Batch(batch, reference.schema))
        pipeline.set_reference(TARGET, reference.to_bytes())
        pipeline.submit("predictions", TARGET, None, ARROW, ipc(table.drop_columns(["bad"]))).result(30)
        labels = pa.table({"id": table["id"], "label": table["bad"], "timestamp": table["when"]})
        pipeline.submit("labels", TARGET, None, ARROW, ipc(labels)).result(30)
        assert pipeline.settle()
        version = pipeline.catalog.version(TARGET)
        pipeline.database.write(lambda c: _open_incident(c, version)).result()
    return table


def _open_incident(connection: Any, version: Any) -> None:
    rows.insert(
        connection, "incident", id=17, project_id=1, model_id=version.model.id, version="1", cause="model", state="open",
        severity="critical", title="roc_auc fell", opened=now(), opened_wall=now(), changed=now(), quiet=0, evidence="[]",
    )  # fmt: skip
    for day in range(BROKEN_FROM, DAYS):
        verdict(connection, version.id, day, "critical")


def verdict(connection: Any, version: int, day: int, name: str) -> None:
    """Write what the monitor said of a day."""
    rows.insert(
        connection, "verdict", version_id=version, stage="serving", every="day", start=start_of(day), monitor="auc",
        name=name, checks=1, findings="[]", known_at=now(), replace=True,
    )  # fmt: skip


def start_of(day: int) -> int:
    """Return where a day begins, in microseconds."""
    return microseconds(BEGIN) + day * DAY


def finding(day: int = DAYS - 1, n: int = A_DAY, **changes: Any) -> Finding:
    """Return what the monitor found."""
    point = Point(start_of(day), start_of(day + 1), 0.5, 0.4, 0.6, n, 1.0, 0.9, 0.4, 1e-9, 0.05, n)
    made = {
        "monitor": "auc", "metric": "roc_auc", "column": None, "segment": None, "source": "realised",
        "verdict": "critical", "state": "data", "point": point, "alpha": 0.001, "words": "fell from .9 to .5",
    }  # fmt: skip
    return Finding(**made | changes)


class World:
    """A server's part that acts, over a store, with commands that behave as they are told."""

    def __init__(self, folder: Path, better: Path | None = None, *, how: str = "better", timeout: float = 60.0) -> None:
        self.closed = False
        self.folder, self.ledger = folder, folder.parent / "ledger"
        self.program = folder.parent / "retrain.py"
        if not self.program.exists():  # a command that was begun before may be about to read it
            partial = self.program.with_suffix(".partial")
            partial.write_text(COMMAND)
            partial.rename(self.program)
        command = (sys.executable, "-I", "-S", str(self.program), how, str(self.ledger), str(better))
        self.actions: dict[str, ActionSpec] = {"retrain": ActionSpec("retrain", command, timeout)}
        self.pipeline = Unattended.open(folder, PipelineSettings(evaluation_delay=timedelta(hours=1)))
        self.version = self.pipeline.catalog.version(TARGET)
        self.database = self.pipeline.database
        raw = RawRows(folder, lambda *_: None)
        hands = Hands(lambda: self.actions, self.pipeline.set_reference, self.pipeline._worker.upkeep.keeping_files)
        self.changes = hands.changes
        self.acting = Acting(self.database, self.pipeline.catalog, raw, folder, hands)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.acting.end_commands(0.1)

    def close(self) -> None:
        """End as a server does."""
        if not self.closed:
            self.closed = True
            self.acting.close()
            self.pipeline.close()

    def decision(self, day: int = DAYS - 1, **changes: Any) -> Decision:
        """Return what the seal of a day gives reason to."""
        act = changes.pop("act", None) or Act("retrain", "promote_if_better", "auto")
        made: dict[str, Any] = {
            "version": self.version, "incident": 17, "window": ("day", start_of(day), start_of(day + 1)), "act": act,
            "findings": [finding(day)], "now": start_of(day + 1), "author": "ada", "since": start_of(BROKEN_FROM),
            "due": start_of(day + 1),
        }  # fmt: skip
        return Decision(**made | changes)

    def propose(self, day: int = DAYS - 1, **changes: Any) -> str | None:
        """Have it proposed as the seal's transaction does."""
        decided = self.decision(day, **changes)
        return self.database.write(lambda c: propose(c, self.actions, decided, NEEDS)).result()

    def run(self, timeout: float = 30.0) -> None:
        """Let it act until nothing is left to do."""
        if not self.acting.alive:
            self.acting.start()
        assert self.acting.settle(timeout)

    def get(self, number: str | None) -> dict[str, Any]:
        """Return an action."""
        assert number is not None
        return self.acting.get("default", number)

    def said(self) -> list[str]:
        """Return the incident's timeline."""
        with self.database.reading() as connection:
            return [row["text"] for row in rows.select_all(connection, "timeline", incident_id=17, tail="ORDER BY id")]

    def audited(self) -> list[tuple[str, str]]:
        """Return what was audited of actions, and of which."""
        with self.database.reading() as connection:
            found = rows.select_all(connection, "audit", tail="ORDER BY seq")
        return [(row["what"], row["target"]) for row in found]

    def retrained(self) -> list[str]:
        """Return the decisions for which a command began."""
        return self.ledger.read_text().split() if self.ledger.exists() else []

    def path(self, number: str | None, name: str) -> Path:
        """Return a file of an action's folder."""
        return self.folder / "actions" / str(number) / name


@dataclass(frozen=True)
class Made:
    """A store to copy, and what a good and a bad challenger say of its hold-out."""

    store: Path
    better: Path
    worse: Path
    rows: pa.Table

    def copy(self, folder: Path) -> Path:
        """Return a copy of the store."""
        return Path(shutil.copytree(self.store, folder / "store"))


_MADE: list[Made] = []


def made_once(factory: pytest.TempPathFactory) -> Made:
    """Return what :func:`make` makes; made once for all tests of a run."""
    if not _MADE:
        _MADE.append(make(factory.mktemp("acted")))
    return _MADE[0]


def make(folder: Path) -> Made:
    """Make a store, and learn from a dry run what is held out."""
    table = make_store(folder / "store")
    trial = folder / "trial"
    trial.mkdir()
    shutil.copytree(folder / "store", trial / "store")
    with World(trial / "store") as world:
        number = world.propose(act=Act("retrain", "promote_if_better", "auto", dry_run=True))
        world.run()
        held = pq.read_table(world.path(number, "holdout_rows.parquet"))
    for name, column in (("better", held["amount"]), ("worse", pc.subtract(1.0, held["amount"]))):
        flags = [str(int(v > 0.5)) for v in column.to_pylist()]
        pq.write_table(pa.table({"id": held["id"], "score": column, "prediction": flags}), folder / f"{name}.parquet")
    return Made(folder / "store", folder / "better.parquet", folder / "worse.parquet", table)


def request_of(world: World, number: str | None) -> dict[str, Any]:
    """Return the request that the command gets."""
    found: dict[str, Any] = json.loads(world.path(number, "request.json").read_text())
    return found
