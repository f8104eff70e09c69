"""Runs in Evidently's environment: prints its numbers for the rows in a folder as JSON."""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

import pandas as pd
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType

ASKED = {
    "x": (ColumnType.Numerical, ("wasserstein", "ks", "ed", "cramer_von_mises")),
    "c": (ColumnType.Categorical, ("hellinger", "jensenshannon", "psi")),
}
reference, current = (pd.read_csv(f"{sys.argv[1]}/{side}.csv") for side in ("reference", "current"))
found = {}
for column, (kind, names) in ASKED.items():
    for name in names:
        sides = {"reference_data": reference[column].copy(), "current_data": current[column].copy()}
        test = get_stattest(sides["reference_data"], sides["current_data"], kind, name)
        found[f"{column} {name}"] = float(test(**sides, feature_type=kind, threshold=None).drift_score)
print(json.dumps(found))
