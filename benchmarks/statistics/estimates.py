"""How near estimates without labels come to what was realised: NannyML's own data, by windows of 2,000 and 5,000 rows.

    python -m benchmarks statistics estimates
    WHEEL=nannyml-0.13.1-py3-none-any.whl python -m benchmarks statistics estimates

The data lie in the wheel of NannyML 0.13.1, which ``pip download`` fetches into a temporary folder; NannyML itself is not
run, its figures are those published (see docs/explanation/statistics.md). Windows are whole ones of the analysis period, in
its order. Everything is fitted on the reference period; no setting was chosen on the analysis period.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.performance import MetricChange, calibrator_of, estimate_metric, performance_changes
from watchkeeper.monitor import profile
from watchkeeper.profiles.sample import REFERENCE_ROWS
from watchkeeper.schema import Schema

WHEEL = "nannyml==0.13.1"
SIZES = (2_000, 5_000)
METRICS = ("roc_auc", "accuracy", "f1")
NANNYML = {
    ("employment", 2_000): (0.0061, 0.0071, 0.0088),
    ("employment", 5_000): (0.0040, 0.0051, 0.0066),
    ("car loan", 2_000): (0.0037, 0.0041, 0.0038),
}
GOALS = {
    ("employment", 2_000): (0.0056, 0.0067, 0.0070),
    ("employment", 5_000): (0.0035, 0.0045, 0.0048),
    ("car loan", 2_000): (0.0037, 0.0042, 0.0039),
}
FLOOR = {("employment", 2_000): (0.0053, 0.0066, 0.0071)}
"""What chance in the realised values alone makes of it, as measured elsewhere."""

_CARDS = ["prepaid_card", "highstreet_card", "upmarket_card"]


@dataclass(frozen=True)
class Case:
    """A data set: its name, its files in the wheel, and its schema."""

    name: str
    reference: str
    analysis: str
    labels: str
    schema: Schema
    without: tuple[str, ...] = ()


MORE = (
    Case(
        "credit cards (multiclass)", "mc_reference.csv", "mc_analysis.csv", "mc_analysis_gt.csv",
        Schema(id="id", target="y_true", prediction="y_pred", timestamp="timestamp", task="multiclass", classes=_CARDS,
               score={card: f"y_pred_proba_{card}" for card in _CARDS}),
    ),
    Case(
        "car prices (regression)", "regression_synthetic_reference.csv", "regression_synthetic_analysis.csv",
        "regression_synthetic_analysis_targets.csv",
        Schema(id="id", target="y_true", prediction="y_pred", timestamp="timestamp", task="regression"),
    ),
)  # fmt: skip
SHOWN = {"binary": METRICS, "multiclass": ("roc_auc", "accuracy", "f1_macro"), "regression": ("mae", "rmse")}
CASES = (
    Case(
        "employment", "employment_MA_reference.pq", "employment_MA_analysis.pq", "employment_MA_analysis_target.pq",
        Schema(id="id", target="employed", score="predicted_probability", prediction="prediction", task="binary",
               positive="1", classes=["0", "1"]),
        ("year",),
    ),
    Case(
        "car loan", "synthetic_car_loan_reference.csv", "synthetic_car_loan_analysis.csv",
        "synthetic_car_loan_analysis_target.csv",
        Schema(id="id", target="repaid", score="y_pred_proba", prediction="y_pred", timestamp="timestamp", task="binary",
               positive="1", classes=["0", "1"]),
    ),
)  # fmt: skip


def wheel(folder: Path) -> Path:
    """Return the path of NannyML's wheel: the one that the environment names, else downloaded into ``folder``."""
    given = os.environ.get("WHEEL")
    if given:
        return Path(given)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    return next(folder.glob("nannyml-*.whl"))


def read(archive: zipfile.ZipFile, name: str) -> pa.Table:
    """Return a table of the wheel."""
    data = io.BytesIO(archive.read(f"nannyml/datasets/data/{name}"))
    if name.endswith(".pq"):
        return pyarrow.parquet.read_table(data)
    return pyarrow.csv.read_csv(data)


def tables(archive: zipfile.ZipFile, case: Case) -> tuple[pa.Table, pa.Table]:
    """Return the reference, and the analysis period with its labels, both with whole numbers as labels."""
    target = case.schema.target or ""
    analysis, labels = read(archive, case.analysis), read(archive, case.labels).select(["id", target])
    labels = labels.set_column(0, "id", labels["id"].cast(pa.int64()))
    place = np.argsort(labels["id"].to_numpy())
    found = place[np.searchsorted(labels["id"].to_numpy()[place], analysis["id"].to_numpy())]
    analysis = analysis.append_column(target, labels[target].take(pa.array(found)))
    both = [_plain(t.drop_columns(list(case.without)), target) for t in (read(archive, case.reference), analysis)]
    return both[0], both[1]


def _plain(table: pa.Table, target: str) -> pa.Table:
    label = table[target]
    if pa.types.is_floating(label.type) and target != "y_true":
        table = table.set_column(table.column_names.index(target), target, label.cast(pa.int64()))
    return table


@dataclass(frozen=True)
class Errors:
    """Estimated less realised, shape (windows, metrics): by CBPE, and as Watchkeeper says."""

    cbpe: np.ndarray
    ours: np.ndarray
    held: np.ndarray


def errors(reference: pa.Table, analysis: pa.Table, case: Case, size: int) -> Errors:
    """Return the errors of each whole window of ``size`` rows."""
    known = profile(reference, case.schema, sample_rows=REFERENCE_ROWS)
    baseline = Baseline(known)
    assert known.outcome is not None
    calibrator = calibrator_of(known.outcome, ())
    cbpe, ours, held = [], [], []
    for first in range(0, len(analysis) - size + 1, size):
        window = profile(analysis.slice(first, size), known.schema)
        changes: dict[str, MetricChange] = {c.metric.name: c for c in performance_changes(baseline, window)}
        shown = [changes[name] for name in METRICS]
        ours.append([c.estimated.value - c.current.value for c in shown])
        held.append([c.estimated.low <= c.current.value <= c.estimated.high for c in shown])
        plain = [estimate_metric(window.outcome, calibrator, name).value for name in METRICS]
        cbpe.append([value - c.current.value for value, c in zip(plain, shown, strict=True)])
    return Errors(np.array(cbpe), np.array(ours), np.array(held))


def further(archive: zipfile.ZipFile, case: Case, size: int) -> np.ndarray:
    """Print, and return, estimated less realised of another task, beside what the reference's own value is off by."""
    reference, analysis = tables(archive, case)
    known = profile(reference, case.schema)
    baseline, names = Baseline(known), SHOWN[case.schema.task or ""]
    found, stayed, held = [], [], []
    for first in range(0, len(analysis) - size + 1, size):
        window = profile(analysis.slice(first, size), known.schema)
        changes = {c.metric.name: c for c in performance_changes(baseline, window)}
        shown = [changes[name] for name in names]
        found.append([c.estimated.value - c.current.value for c in shown])
        stayed.append([c.reference.value - c.current.value for c in shown])
        held.append([c.estimated.low <= c.current.value <= c.estimated.high for c in shown])
    print(f"{case.name}, {len(found)} windows of {size:,} rows: mean absolute error of {', '.join(names)}")
    for name, values in (("watchkeeper", found), ("the reference's own value", stayed)):
        errors = np.abs(values)
        print(_row(name, errors.mean(axis=0), errors.std(axis=0) / len(errors) ** 0.5))
    print(_row("windows within the 95 % interval", np.mean(held, axis=0)), flush=True)
    return np.array(found)


def _row(name: str, values: Sequence[float], errors: Sequence[float] | None = None) -> str:
    given = errors if errors is not None else [None] * len(values)
    cells = [f"{v:.4f}" + (f" +- {e:.4f}" if e is not None else " " * 10) for v, e in zip(values, given, strict=True)]
    return f"  {name:<34}" + "  ".join(cells)


def told(case: str, size: int, found: Errors) -> None:
    """Print the table of one data set and size."""
    windows = len(found.ours)
    root = windows**0.5
    print(f"{case}, {windows} windows of {size:,} rows: mean absolute error of {', '.join(METRICS)}")
    mine, plain = np.abs(found.ours), np.abs(found.cbpe)
    print(_row("watchkeeper", mine.mean(axis=0), mine.std(axis=0) / root))
    print(_row("CBPE alone", plain.mean(axis=0), plain.std(axis=0) / root))
    gain = mine - plain
    print(_row("difference, window by window", gain.mean(axis=0), gain.std(axis=0) / root))
    for name, table in (("NannyML 0.13.1, published", NANNYML), ("goal", GOALS), ("chance alone", FLOOR)):
        if (case, size) in table:
            print(_row(name, table[case, size]))
    print(_row("windows within the 95 % interval", found.held.mean(axis=0)), flush=True)


def main() -> dict[tuple[str, int], Errors]:
    """Print, and return, what was found."""
    results = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel(Path(folder))) as archive:
        for case in CASES:
            reference, analysis = tables(archive, case)
            for size in SIZES:
                results[case.name, size] = found = errors(reference, analysis, case, size)
                told(case.name, size, found)
        for case in MORE:
            further(archive, case, SIZES[0])
    return results


if __name__ == "__main__":
    main()
