"""Runs in SciPy's environment: prints its numbers for the rows in a folder as JSON."""

import json
import sys
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial import distance

warnings.filterwarnings("ignore")

reference, current = (pd.read_csv(f"{sys.argv[1]}/{side}.csv") for side in ("reference", "current"))
a, b = reference["x"], current["x"]
counts = np.stack(
    [side["c"].value_counts().reindex(sorted(set(reference["c"]))).to_numpy() for side in (reference, current)]
)
shares = counts / counts.sum(axis=1, keepdims=True)
print(
    json.dumps(
        {
            "x kolmogorov_smirnov": float(stats.ks_2samp(a, b).statistic),
            "x wasserstein_raw": float(stats.wasserstein_distance(a, b)),
            "x energy_distance": float(stats.energy_distance(a, b)),
            "x cramer_von_mises": float(stats.cramervonmises_2samp(a, b).statistic),
            "c chi2": float(stats.chi2_contingency(counts, correction=False).statistic),
            "c jensen_shannon": float(distance.jensenshannon(shares[0], shares[1], base=2)),
        }
    )
)
