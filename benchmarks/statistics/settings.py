"""How the settings of estimates by feature fare, on reference periods alone: their first 70 % teach, the rest is scored.

    python -m benchmarks statistics settings

The rest is cut into windows that are all of one level of one feature: shifts as strong as the data have, with labels that the
analysis period has no part in. Beside a correction that has to be proven stands one that is shrunk by how well it is known,
``1 - (error / correction)^2`` of it, at least 0 (positive-part shrinkage: James and Stein 1961).
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.statistics.estimates import CASES, METRICS, Case, tables, wheel
from watchkeeper.detection.performance import calibrator_of
from watchkeeper.metrics import classification, conditional, estimation
from watchkeeper.monitor import profile
from watchkeeper.profiles.sample import REFERENCE_ROWS

LEARNT, LEAST, MOST = 0.7, 500, 40
PENALTIES, PROOFS = (3.0, 10.0, 30.0, 100.0), (0.0, 2.0, 3.0, 4.0)


def cuts(table: pa.Table, case: Case) -> list[pa.Table]:
    """Return the rows of each level of each feature that has enough of them, and of either class."""
    roles = {column for column, _ in case.schema.roles()}
    found = []
    for name in (n for n in table.column_names if n not in roles):
        values = table[name]
        if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            numbers = values.to_numpy(zero_copy_only=False)
            codes = np.searchsorted(np.unique(np.quantile(numbers, np.linspace(0, 1, 9)[1:-1])), numbers, side="right")
        else:
            codes = np.unique(values.cast(pa.string()).to_numpy(zero_copy_only=False), return_inverse=True)[1]
        for code in np.unique(codes):
            part = table.filter(pa.array(codes == code))
            labels = part[case.schema.target or ""].to_numpy().astype(float)
            if len(part) >= LEAST and min(labels.sum(), len(labels) - labels.sum()) >= LEAST / 10:
                found.append(part)
    return found[:MOST]


def shrinkage(moves: np.ndarray, doubts: np.ndarray) -> np.ndarray:
    """Return which part of each correction is kept when it is shrunk."""
    return np.maximum(1 - np.square(doubts / np.where(moves == 0, np.inf, moves)), 0.0) * (moves != 0)


def told(name: str, off: np.ndarray) -> None:
    """Print the mean of each metric's errors over windows, with its standard error."""
    errors = off.std(axis=0) / len(off) ** 0.5
    cells = "  ".join(f"{v:7.4f} +- {e:.4f}" for v, e in zip(off.mean(axis=0), errors, strict=True))
    print(f"  {name:<26}{cells}", flush=True)


def main() -> dict[str, np.ndarray]:
    """Print, and return, the mean absolute error by case, penalty, proof and metric; then shrinkage, and CBPE alone."""
    results = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel(Path(folder))) as archive:
        for case in CASES:
            reference, _ = tables(archive, case)
            learnt = round(LEARNT * len(reference))
            known = profile(reference.slice(0, learnt), case.schema, sample_rows=REFERENCE_ROWS)
            calibrator = calibrator_of(known.outcome, ())
            windows = [profile(part, known.schema) for part in cuts(reference.slice(learnt), case)]
            truth = [[getattr(classification, m)(w.outcome).value for m in METRICS] for w in windows]
            plain = [[estimation.estimate(w.outcome, calibrator, m).value for m in METRICS] for w in windows]
            print(f"{case.name}, {len(windows)} windows of one kind: mean absolute error of {', '.join(METRICS)}")
            table = np.empty((len(PENALTIES), len(PROOFS) + 2, len(METRICS)))
            for row, penalty in enumerate(PENALTIES):
                model = conditional.fit(known, calibrator, penalty)
                seen = [conditional.scored(model, w)[0] for w in windows]
                by = [[conditional.correction(model, s, m) for m in METRICS] for s in seen]
                moves, doubts = (np.array([[getattr(c, name) for c in cs] for cs in by]) for name in ("value", "error"))
                kept = [(f"proof {proof:.0f}", np.abs(moves) > proof * doubts) for proof in PROOFS]
                kept += [("shrunk", shrinkage(moves, doubts)), ("CBPE alone", np.zeros_like(moves))]
                off = {name: np.abs(np.array(plain) + share * moves - np.array(truth)) for name, share in kept}
                for column, (name, found) in enumerate(off.items()):
                    table[row, column] = found.mean(axis=0)
                    told(f"penalty {penalty:.0f}, {name}", found)
                for name in ("proof 3", "CBPE alone"):
                    told(f"  shrunk less {name}", off["shrunk"] - off[name])
            results[case.name] = table
    return results


if __name__ == "__main__":
    main()
