"""How the two settings of estimates by feature fare, on reference periods alone: their first 70 % teach, the rest is scored.

    python -m benchmarks statistics settings

The rest is cut into windows that are all of one level of one feature: shifts as strong as the data have, with labels that the
analysis period has no part in.
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


def main() -> dict[str, np.ndarray]:
    """Print, and return, the mean absolute error by case, penalty, proof and metric; the last proof is CBPE alone."""
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
            table = np.empty((len(PENALTIES), len(PROOFS) + 1, len(METRICS)))
            for row, penalty in enumerate(PENALTIES):
                model = conditional.fit(known, calibrator, penalty)
                seen = [conditional.scored(model, w)[0] for w in windows]
                by = [[conditional.correction(model, s, m) for m in METRICS] for s in seen]
                moves, doubts = (np.array([[getattr(c, name) for c in cs] for cs in by]) for name in ("value", "error"))
                for column, proof in enumerate((*PROOFS, np.inf)):
                    found = np.array(plain) + np.where(np.abs(moves) > proof * doubts, moves, 0.0)
                    table[row, column] = np.abs(found - np.array(truth)).mean(axis=0)
                    said = "CBPE alone" if proof == np.inf else f"penalty {penalty:.0f}, proof {proof:.0f}"
                    if proof < np.inf or row == 0:
                        print(f"  {said:<26}" + "  ".join(f"{v:.4f}" for v in table[row, column]), flush=True)
            results[case.name] = table
    return results


if __name__ == "__main__":
    main()
