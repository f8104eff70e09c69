"""Runs in NannyML's environment: prints its numbers for the rows in a folder as JSON."""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

import nannyml
import pandas as pd

DRIFT = {"x": ("kolmogorov_smirnov", "wasserstein"), "c": ("chi2", "jensen_shannon", "l_infinity", "hellinger")}
METRICS = ("roc_auc", "accuracy", "f1")
reference, current = (pd.read_csv(f"{sys.argv[1]}/{side}.csv") for side in ("reference", "current"))
drift = nannyml.UnivariateDriftCalculator(
    column_names=list(DRIFT), continuous_methods=list(DRIFT["x"]), categorical_methods=list(DRIFT["c"]), chunk_number=1
)
table = drift.fit(reference).calculate(current).filter(period="analysis").to_df()
found = {f"{column} {name}": float(table[column, name, "value"].iloc[0]) for column in DRIFT for name in DRIFT[column]}
cbpe = nannyml.CBPE(
    problem_type="classification_binary", y_pred_proba="score", y_pred="pred", y_true="y", metrics=list(METRICS),
    chunk_number=1,
)  # fmt: skip
table = cbpe.fit(reference).estimate(current).filter(period="analysis").to_df()
found |= {f"{name} {what}": float(table[name, what].iloc[0]) for name in METRICS for what in ("value", "realized")}
print(json.dumps(found))
