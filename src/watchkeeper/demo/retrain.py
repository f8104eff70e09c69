"""The retraining command of the demo, run by the server: it fits anew on the flights since the trouble began."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from watchkeeper.config import action_folder
from watchkeeper.demo.flights import FEATURES
from watchkeeper.demo.model import LateModel, fit, out_of_fold
from watchkeeper.demo.tables import SCHEMA
from watchkeeper.errors import WatchkeeperError
from watchkeeper.monitor import infer_schema, profile
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

_FEWEST = 1_500


def main() -> None:
    """Read ``request.json`` in the folder that the server names, and leave a candidate there."""
    folder = action_folder()
    if folder is None:
        raise WatchkeeperError(
            "This is run by the server, as an action of the demo; WATCHKEEPER_ACTION_DIR says where."
        )
    request: dict[str, Any] = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    learn = chosen(flights_of(folder / request["training"]["file"]), request.get("since"))
    sys.stdout.write(f"Fitting on {learn.num_rows} flights.\n")
    model = fit(learn)
    held = flights_of(folder / request["holdout"]["file"])
    scored = model.predict(held)
    _write(folder / "holdout.parquet", scored.select(["id", "score"]).append_column("prediction", scored["predicted"]))
    (folder / "reference.profile").write_bytes(reference(model, learn, scored).to_bytes())
    _write(folder / "learned.parquet", learn)
    candidate = {"version": f"retrained-{request['decision'][:8]}", "artefact": str(folder / "learned.parquet")}
    (folder / "candidate.json.part").write_text(json.dumps(candidate), encoding="utf-8")
    (folder / "candidate.json.part").rename(folder / "candidate.json")


def chosen(flights: pa.Table, since: str | None) -> pa.Table:
    """Return the flights to learn from: those since the trouble began, where they are enough, else all."""
    if since is None:
        return flights
    recent = flights.filter(pc.greater_equal(flights["departure"], pa.scalar(datetime.fromisoformat(since))))
    return recent if recent.num_rows >= _FEWEST else flights


def reference(model: LateModel, learned: pa.Table, held: pa.Table) -> Profile:
    """Return the profile of what the model says of flights that it did not learn from.

    Those are the held-out ones and, fold by fold, those of the training: each day scored by a model that did not see it.
    """
    score = out_of_fold(learned)
    folded = (
        learned.select(["id", "departure", *FEATURES])
        .append_column("score", score)
        .append_column("predicted", pc.greater_equal(score, model.threshold).cast(pa.int8()))
        .append_column("late", learned["late"])
    )
    both = pa.concat_tables([folded, held.select(folded.column_names)], promote_options="permissive")
    return profile(both, infer_schema(both, Schema.from_dict(yaml.safe_load(SCHEMA))))


def load(artefact: str) -> LateModel:
    """Return the model that an artefact stands for: the flights it learned from, which always give the same model."""
    return fit(pq.read_table(artefact))


def flights_of(file: Path) -> pa.Table:
    """Return rows as the server left them, with the types that the model takes."""
    table = pq.read_table(file)
    return table.set_column(table.column_names.index("late"), "late", table["late"].cast(pa.float64()).cast(pa.int8()))


def _write(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


if __name__ == "__main__":
    main()
