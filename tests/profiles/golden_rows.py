"""The rows behind the stored golden profile; run as a script to write the file of a new format.

A file once committed is never written again: it stands for profiles that users have.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from watchkeeper.capture.batch import Batch
from watchkeeper.profiles.codec import FORMAT
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

FOLDER = Path(__file__).parent / "golden"
SCHEMA = {
    "target": "label",
    "score": "p",
    "task": "binary",
    "positive": "yes",
    "classes": ["no", "yes"],
    "timestamp": "t",
    "id": "id",
    "segments": ["city"],
    "zone": "Europe/Berlin",
    "origins": {"x": 100.0},
    "kinds": {
        "id": "numeric", "t": "datetime", "x": "numeric", "city": "categorical", "b": "boolean", "note": "text",
        "many": "categorical", "label": "categorical", "p": "numeric",
    },
}  # fmt: skip


def table(n: int = 40) -> pa.Table:
    """Return n rows without any chance in them."""
    start = datetime(2024, 3, 30, 12, tzinfo=UTC)  # a clock is put forward in the night that follows
    rows = range(n)
    return pa.table(
        {
            "id": pa.array(rows, pa.int64()),
            "t": pa.array([start + timedelta(hours=2 * i) for i in rows], pa.timestamp("us", "UTC")),
            "x": pa.array([None if i % 10 == 9 else 100 + (i * 7 % 16) / 4 for i in rows], pa.float64()),
            "city": pa.array([None if i % 13 == 5 else ["Ulm", "Köln", ""][i % 3] for i in rows], pa.string()),
            "b": pa.array([i % 4 == 0 for i in rows]),
            "note": pa.array(["é" * (i % 9) for i in rows], pa.string()),
            "many": pa.array([f"v{i * 17 % 101}" for i in rows], pa.string()),
            "label": pa.array([None if i % 5 == 4 else "yes" if i % 3 == 0 else "no" for i in rows], pa.string()),
            "p": pa.array([(i * 11 % 32) / 32 for i in rows], pa.float64()),
        }
    )


def profile(n: int = 40, name: str = "golden") -> Profile:
    """Return the profile of the rows."""
    schema = Schema.from_dict(SCHEMA)
    made = Profile(schema, name)
    for batch in table(n).to_batches(max_chunksize=17):
        made.update(Batch(batch, schema))
    return made


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"format{FORMAT}.profile").open("xb") as file:
        file.write(profile().to_bytes())
