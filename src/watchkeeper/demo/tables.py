"""The two tables of the demo: March, which the model never saw, and July, which is compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from watchkeeper.demo.flights import ZONE, load, months
from watchkeeper.demo.model import fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

TRAINING, REFERENCE, CURRENT = (1, 2), (3,), (7,)
"""Months of 2013, by the clock of New York."""
SCHEMA = f"""\
# Which column plays which role. Everything else in the tables is a feature of the model.
timestamp: departure
target: late
prediction: predicted
score: score
id: id
segments: [origin, carrier]
zone: {ZONE}
task: binary
positive: "1"
"""


def prepare(folder: Path, tell: Callable[[str], None]) -> tuple[Path, Path, dict[str, int | float]]:
    """Fit the model on January and February and write its predictions for March and July.

    Parameters
    ----------
    folder
        Receives ``reference.parquet`` (March), ``current.parquet`` (July) and ``schema.yaml``; made if it is missing.
    tell
        Called with a sentence before each step that takes time.

    Returns
    -------
    reference, current, facts
        The two files, and ``reference_rows``, ``current_rows``, ``reference_coverage``, ``current_coverage`` (share of
        flights with a label), ``threshold``, ``training_rows`` and ``training_auc`` (out of fold).

    Raises
    ------
    MissingExtra
        scikit-learn is not installed.
    """
    tell("Reading the flights that left New York City in 2013, with the weather of the hour.")
    flights = load()
    tell("Fitting a model on January and February: will a flight arrive more than 15 minutes late?")
    model = fit(months(flights, TRAINING))
    facts: dict[str, int | float] = {
        "training_rows": model.training_rows,
        "training_auc": model.training_auc,
        "threshold": model.threshold,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.yaml").write_text(SCHEMA, encoding="utf-8")
    paths = []
    for name, numbers, title in (("reference", REFERENCE, "March"), ("current", CURRENT, "July")):
        tell(f"Predicting {title}, which the model never saw.")
        table = model.predict(months(flights, numbers))
        facts[f"{name}_rows"] = table.num_rows
        facts[f"{name}_coverage"] = _coverage(table)
        paths.append(folder / f"{name}.parquet")
        pq.write_table(table, paths[-1], compression="zstd")
    return paths[0], paths[1], facts


def _coverage(table: pa.Table) -> float:
    return 1 - float(table["late"].null_count) / float(table.num_rows)
