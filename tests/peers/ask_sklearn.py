"""Runs in scikit-learn's environment: prints its numbers for the rows in a folder as JSON."""

import json
import sys

import pandas as pd
from sklearn import metrics

current = pd.read_csv(f"{sys.argv[1]}/current.csv")
y, prediction, score = current["y"], current["pred"], current["score"]
print(
    json.dumps(
        {
            "roc_auc": metrics.roc_auc_score(y, score),
            "average_precision": metrics.average_precision_score(y, score),
            "log_loss": metrics.log_loss(y, score),
            "brier": metrics.brier_score_loss(y, score),
            "accuracy": metrics.accuracy_score(y, prediction),
            "precision": metrics.precision_score(y, prediction),
            "recall": metrics.recall_score(y, prediction),
            "f1": metrics.f1_score(y, prediction),
            "f1_macro": metrics.f1_score(y, prediction, average="macro"),
            "f1_weighted": metrics.f1_score(y, prediction, average="weighted"),
        }
    )
)
