"""Runs in datasketches' environment: prints quantiles, distinct counts and frequent items of the rows in a folder as JSON."""

import json
import sys

import pandas as pd
from datasketches import frequent_items_error_type, frequent_strings_sketch, hll_sketch, kll_doubles_sketch

current = pd.read_csv(f"{sys.argv[1]}/current.csv")
quantiles, distinct, frequent = kll_doubles_sketch(400), hll_sketch(14), frequent_strings_sketch(8)
for value in current["x"]:
    quantiles.update(value)
    distinct.update(value)
for value in current["c"]:
    frequent.update(value)
items = frequent.get_frequent_items(frequent_items_error_type.NO_FALSE_POSITIVES)
print(
    json.dumps(
        {
            "quantiles": [quantiles.get_quantile(q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)],
            "rank_error": quantiles.normalized_rank_error(False),
            "distinct": distinct.get_estimate(),
            "frequent": {name: estimate for name, estimate, *_ in items},
        }
    )
)
