"""Print a CompareView that resembles a season of flights, for tests and for looking at the page without a profile.

Deterministic and made of closed forms where it can be; the numbers are plausible, not measured.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

JSON = dict[str, Any]

ZONE = "America/New_York"
HOSTILE = "<img src=x onerror=alert(1)>"
LONG = "average_of_the_" + "previous_and_the_" * 9 + "next_delay_of_the_same_aircraft"
CARRIERS = ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "YV", "HA", "OO"]
METRICS = [
    ("roc_auc", "ROC AUC", "higher", 0.921, 0.874, 0.913, 0.01),
    ("f1", "F1", "higher", 0.742, 0.668, 0.731, 0.02),
    ("precision", "Precision", "higher", 0.811, 0.792, 0.806, 0.02),
    ("recall", "Recall", "higher", 0.684, 0.578, 0.671, 0.02),
    ("accuracy", "Accuracy", "higher", 0.893, 0.872, 0.889, 0.01),
    ("log_loss", "Log loss", "lower", 0.284, 0.341, 0.292, 0.02),
    ("brier", "Brier score", "lower", 0.081, 0.098, 0.083, 0.01),
    ("ece", "Calibration error", "lower", 0.012, 0.016, 0.012, 0.01),
]


def estimate(value: float, half: float, n: int, coverage: float | None = None) -> JSON:
    """Give a number, its symmetric interval and its n."""
    return {
        "value": round(value, 5),
        "low": round(value - half, 5),
        "high": round(value + half, 5),
        "n": n,
        "coverage": coverage,
    }


def check(effect: float | None, half: float, floor: float, words: str = "", alpha: float = 0.0004) -> JSON:
    """Judge an effect, which is above 0 for the worse, as the vocabulary says."""
    empty = {"effect_low": None, "effect_high": None, "p_value": None, "detectable": None}
    if effect is None:
        shared = {"effect": None, "floor": floor, "alpha": alpha}
        return {"verdict": "not enough data", "words": words or "Fewer than 30 labelled rows.", **shared, **empty}
    p = 0.5 * math.erfc(effect / max(half / 1.96, 1e-9) / math.sqrt(2))
    detectable = half * 2.1
    verdict = "ok"
    if effect > floor and p <= alpha:
        verdict = "critical" if effect - half > 2 * floor else "warning"
    elif detectable > 2 * floor and effect + half > 2 * floor:
        verdict = "not enough data"
    said = words or f"{'Worse' if effect > 0 else 'Better'} by {abs(effect):.3f}, against a floor of {floor:g}."
    return {
        "verdict": verdict,
        "words": said,
        "effect": round(effect, 5),
        "effect_low": round(effect - half, 5),
        "effect_high": round(effect + half, 5),
        "floor": floor,
        "p_value": p,
        "alpha": alpha,
        "detectable": round(detectable, 5),
    }


def above_zero(judged: JSON) -> JSON:
    """Keep the interval of a distance where a distance can be."""
    low = judged["effect_low"]
    return {**judged, "effect_low": None if low is None else max(low, 0.0)}


def metric_row(spec: tuple[Any, ...], n: tuple[int, int], shift: float = 0.0, *, labelled: bool = True) -> JSON:
    """Make one metric's row; too few rows on the current side gives "not enough data"."""
    name, title, better, reference, current, estimated, floor = spec
    scale = 0.9 * (0.2 if name in {"brier", "ece"} else 0.6)
    halves = [scale / math.sqrt(max(rows, 1)) for rows in n]
    change = current - reference + shift if labelled else estimated - reference
    enough = n[1] >= 30
    worse = -change if better == "higher" else change
    judged = check(worse if enough else None, math.hypot(*halves), floor)
    return {
        "metric": name,
        "title": title,
        "unit": None,
        "better": better,
        "reference": estimate(reference, halves[0], n[0], 1.0),
        "current": estimate(reference + change, halves[1], n[1], 0.94) if enough and labelled else None,
        "estimated": estimate(estimated, halves[1] * 1.6, n[1]),
        **judged,
    }


def distance_row(name: str, title: str, value: float, floor: float) -> JSON:
    """Make one drift metric's row, for which only the current side has a value."""
    judged = check(value, 0.12 * value + 0.003, floor)
    sides = {"reference": None, "current": estimate(value, 0.12 * value + 0.003, 28_000), "estimated": None}
    return {"metric": name, "title": title, "unit": None, "better": "lower", **sides, **judged}


def quality_rows(nulls: tuple[float, float], new: float, outside: float) -> list[JSON]:
    """Make the quality rows of a column."""
    shares = [("null_share", "Missing", *nulls), ("out_of_range_share", "Out of range", 0.0, outside)]
    if new:
        shares.append(("new_category_share", "New categories", 0.0, new))
    rows = []
    for name, title, before, after in shares:
        judged = check(after - before, 0.002, 0.01)
        sides = {"reference": estimate(before, 0.001, 29_000), "current": estimate(after, 0.001, 28_000)}
        rows.append(
            {"metric": name, "title": title, "unit": "share", "better": "lower", **sides, "estimated": None, **judged}
        )
    return rows


def phi(x: float, mean: float, sd: float) -> float:
    """Give the normal distribution function."""
    return 0.5 * math.erfc(-(x - mean) / sd / math.sqrt(2))


def numeric(mean: float, sd: float, shift: float, stretch: float = 1.0, *, skew: float = 0.0) -> JSON:
    """Bin two normal (or, with skew, exponentially warped) distributions at the reference's own quantiles."""
    grid = [-3.6, *(-2.4 + 4.8 * i / 26 for i in range(27)), 4.4]
    warp = (lambda z: mean + sd * (math.exp(skew * z) - 1) / skew) if skew else (lambda z: mean + sd * z)
    before = [phi(b, 0, 1) - phi(a, 0, 1) for a, b in pairwise(grid)]
    after = [phi(b, shift, stretch) - phi(a, shift, stretch) for a, b in pairwise(grid)]
    return {
        "kind": "numeric",
        "edges": [round(warp(z), 4) for z in grid],
        "reference": [round(share, 6) for share in before],
        "current": [round(share, 6) for share in after],
    }


def categorical(values: list[str], seed: int, tilt: float, other: bool = False) -> JSON:
    """Give falling shares, tilted by a seeded amount for the current side."""
    draw = random.Random(seed)
    before = [1 / (i + 1.5) for i in range(len(values))]
    after = [share * math.exp(draw.gauss(0, tilt)) for share in before]
    rest = (0.06, 0.08) if other else (0.0, 0.0)
    return {
        "kind": "categorical",
        "values": values,
        "reference": [round(share / sum(before) * (1 - rest[0]), 5) for share in before],
        "current": [round(share / sum(after) * (1 - rest[1]), 5) for share in after],
        "other": list(rest) if other else None,
    }


def summary(distribution: JSON | None, side: str, rows: int, nulls: int) -> JSON:
    """Summarise a distribution by its bins; a categorical one has only counts."""
    blank: JSON = dict.fromkeys(["mean", "sd", "min", "p05", "p25", "median", "p75", "p95", "max"])
    counts = {"rows": rows, "nulls": nulls, "nans": 0, "infinities": 0, "distinct_exact": False}
    if distribution is None or distribution["kind"] != "numeric":
        distinct = len(distribution["values"]) if distribution and "values" in distribution else rows // 9
        return {**counts, "distinct": distinct, **blank}
    edges, shares = distribution["edges"], distribution[side]
    mids = [(a + b) / 2 for a, b in pairwise(edges)]
    mean = sum(m * s for m, s in zip(mids, shares, strict=True))
    sd = math.sqrt(sum((m - mean) ** 2 * s for m, s in zip(mids, shares, strict=True)))

    def quantile(q: float) -> float:
        total = 0.0
        for mid, share in zip(mids, shares, strict=True):
            total += share
            if total >= q:
                return float(mid)
        return float(mids[-1])

    points = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
    found = {name: round(quantile(q), 3) for name, q in points.items()}
    ends = {"min": edges[0], "max": edges[-1], "mean": round(mean, 4), "sd": round(sd, 4)}
    return {**counts, "distinct": rows // 12, **ends, **found}


def column(name: str, kind: str, distribution: JSON | None, effect: float | None, **more: Any) -> JSON:
    """Make one column's row."""
    role = more.get("role", "feature")
    nulls = more.get("nulls", (0.0, 0.0))
    new = more.get("new", [])
    on_a_line = kind in {"numeric", "datetime"}
    metric = "wasserstein" if on_a_line else "jensen_shannon"
    floor = 0.1 if on_a_line else 0.05
    half = 0.02 + 0.06 * (effect or 0)
    unit = "standard deviations of the reference" if on_a_line else "(Jensen-Shannon)"
    said = f"{name} moved by {effect:.2f} {unit}." if effect else ""
    size = effect or 0.0
    distances = [
        distance_row("psi", "PSI", size**2 * 0.9 + 0.002, 0.1),
        distance_row("jensen_shannon", "Jensen-Shannon", min(size * 0.4, 0.9) + 0.004, 0.05),
        distance_row("hellinger", "Hellinger", min(size * 0.35, 0.9) + 0.004, 0.05),
    ]
    if on_a_line:
        distances.insert(0, distance_row("kolmogorov_smirnov", "Kolmogorov-Smirnov", min(size * 0.36, 1), 0.05))
        distances.insert(0, distance_row("wasserstein", "Wasserstein", size, 0.1))
    return {
        "name": name,
        "kind": kind,
        "role": role,
        "metric": metric,
        "distances": distances if distribution else [],
        "quality": quality_rows(nulls, 0.031 if new else 0.0, more.get("outside", 0.0)),
        "new_categories": new,
        "reference": summary(distribution, "reference", 29_425, round(29_425 * nulls[0])),
        "current": summary(distribution, "current", 29_327, round(29_327 * nulls[1])),
        "distribution": distribution,
        **above_zero(check(effect, half, floor, said or "Too few rows that are not missing to compare.")),
    }


def flight_columns() -> list[JSON]:
    """Make the columns that the flights have, the hostile ones among them."""
    edges = ["2013-07-01", "2013-07-11", "2013-07-21", "2013-08-01", "2013-08-11", "2013-08-21", "2013-09-01"]
    when = {
        "kind": "datetime",
        "edges": [f"{day}T00:00:00-04:00" for day in edges],
        "reference": [0.33, 0.33, 0.34, 0, 0, 0],
        "current": [0, 0, 0, 0.33, 0.33, 0.34],
    }
    makers = ["BOEING", "AIRBUS", "EMBRAER", "BOMBARDIER INC", "MCDONNELL DOUGLAS", "CANADAIR"]
    places = ["ATL", "ORD", "LAX", "BOS", "MCO", "CLT", "SFO", "FLL", "MIA", "DCA", "DTW", "DFW"]
    return [
        column("dep_delay", "numeric", numeric(4, 16, 0.46, 1.25, skew=0.55), 0.52, outside=0.004),
        column("precip", "numeric", numeric(0.4, 0.3, 0.36, 1.3, skew=0.8), 0.41),
        column(HOSTILE, "categorical", categorical([HOSTILE, "</script><b>bold", "ordinary"], 3, 0.5), 0.171),
        column("carrier", "categorical", categorical(CARRIERS, 5, 0.35), 0.142, role="segment"),
        column("visib", "numeric", numeric(9, 1.4, -0.24), 0.262, nulls=(0.001, 0.043)),
        column("humid", "numeric", numeric(62, 18, 0.18), 0.187),
        column("dest", "categorical", categorical(places, 8, 0.22, other=True), 0.081, new=["HDN", "EYW", "MTJ"]),
        column("score", "numeric", numeric(0.22, 0.07, 0.13, skew=0.35), 0.136, role="score"),
        column("wind_speed", "numeric", numeric(10, 5, 0.09), 0.094),
        column("origin", "categorical", categorical(["EWR", "JFK", "LGA"], 2, 0.1), 0.034, role="segment"),
        column("temp", "numeric", numeric(79, 7, -0.07), 0.071),
        column("dewp", "numeric", numeric(64, 7, 0.05), 0.055),
        column("pressure", "numeric", numeric(1016, 5, 0.04), 0.043, nulls=(0.09, 0.12)),
        column("distance", "numeric", numeric(1040, 480, 0.02, skew=0.45), 0.024),
        column("air_time", "numeric", numeric(150, 62, 0.02, skew=0.45), 0.022),
        column("manufacturer", "categorical", categorical(makers, 4, 0.05, other=True), 0.018),
        column("seats", "numeric", numeric(137, 60, 0.01), 0.012),
        column("is_holiday", "boolean", categorical(["false", "true"], 11, 0.1), 0.011),
        column("🛫 gate", "categorical", categorical(["A1", "A2", "B7 🚪", "C3"], 6, 0.04), 0.009),
        column("مطار الوصول", "categorical", categorical(["نيويورك", "بوسطن", "ميامي"], 7, 0.04), 0.008),
        column(LONG, "numeric", numeric(2, 9, 0.0), 0.006),
        column("time_hour", "datetime", when, 0.0004, role="timestamp"),
        column("wind_gust", "numeric", numeric(25, 6, 0.1), None, nulls=(0.78, 0.99)),
        column("tailnum", "text", None, None, role="id"),
    ]


def more_columns(count: int) -> list[JSON]:
    """Make numbered columns that did not move much, to see that many columns stay fast."""
    draw = random.Random(13)
    shifts = [abs(draw.gauss(0, 0.04)) for _ in range(count)]
    return [column(f"feature_{i:04d}", "numeric", numeric(0, 1, s), round(s, 4)) for i, s in enumerate(shifts)]


def segments() -> list[JSON]:
    """Make origin, carrier and a sensitive age band, a few carriers of them too small to judge."""
    draw = random.Random(21)
    chosen = [spec for spec in METRICS if spec[0] in {"roc_auc", "f1", "recall"}]
    groups = [
        ("origin", ["EWR", "JFK", "LGA"], False, [10_600, 9_700, 9_100]),
        ("carrier", [*CARRIERS, "__other__"], False, [max(12, int(5_000 / (i + 1) ** 2)) for i in range(17)]),
        ("crew_age", ["under 40", "40 to 55", "over 55"], True, [9_000, 12_000, 8_000]),
    ]
    rows = []
    for name, values, sensitive, sizes in groups:
        for value, size in zip(values, sizes, strict=True):
            shift = draw.gauss(0.012, 0.028) if value != "JFK" else -0.062
            both = (size, int(size * 0.97))
            own = draw.gauss(0, 0.012)
            metrics = [metric_row((*spec[:3], *(v + own for v in spec[3:6]), spec[6]), both, shift) for spec in chosen]
            rows.append(
                {"column": name, "value": value, "rows": list(both), "sensitive": sensitive, "metrics": metrics}
            )
    return rows


def timeline(labels: bool = True) -> list[JSON]:
    """Make 31 reference days and 31 current days; the model falls from the twelfth, labels thin out at the end."""
    draw, day = random.Random(34), timedelta(days=1)
    points = []
    for i in range(62):
        start = datetime(2013, 7, 1, tzinfo=ZoneInfo(ZONE)) + i * day
        n = int((1_010 if start.weekday() != 5 else 760) + draw.gauss(0, 25))
        coverage = (0.99 if labels or i < 31 else 0.0) if i < 55 else max(0.0, 0.99 - (i - 54) * 0.16) * labels
        labelled = int(n * coverage)
        fall = 0.0 if i < 42 else min(1.0, (i - 41) / 6)
        metrics, estimated = {}, {}
        for name, _, _, before, after, guess, _ in METRICS[:6]:
            end = before + (after - before) * 1.5
            noise = draw.gauss(0, 0.007)
            half = 0.55 / math.sqrt(max(labelled, 1))
            if labelled >= 100:
                metrics[name] = estimate(before + (end - before) * fall + noise, half, labelled, coverage)
            slope = before + (guess - before) * fall
            estimated[name] = estimate(slope + draw.gauss(0, 0.004), 0.018, n)
        side = "reference" if i < 31 else "current"
        period = {"start": start.isoformat(), "end": (start + day).isoformat()}
        points.append(
            {"side": side, **period, "n": n, "coverage": coverage, "metrics": metrics, "estimated": estimated}
        )
    return points


def calibration() -> JSON:
    """Make ten bins a side; the current model is too sure of itself."""
    sides: JSON = {}
    for side, bend in (("reference", 0.015), ("current", 0.11)):
        bins = []
        for i in range(10):
            n = int(9_000 * math.exp(-i / 2.2)) + 320 if i != 8 or side == "reference" else 0
            score = (i + 0.45) / 10
            rate = score - bend * math.sin(math.pi * score)
            half = 0.9 / math.sqrt(max(n, 1))
            known = {"score": score, "rate": rate, "low": max(rate - half, 0), "high": min(rate + half, 1)}
            blank = dict.fromkeys(known)
            bins.append({"lower": i / 10, "upper": (i + 1) / 10, "n": n, **(known if n else blank)})
        sides[side] = bins
    return sides


def side(name: str, month: int, rows: int, coverage: float | None) -> JSON:
    """Describe one side; a file that has no time column has no span."""
    zone = ZoneInfo(ZONE)
    start, end = datetime(2013, month, 1, 5, tzinfo=zone), datetime(2013, month, 31, 23, tzinfo=zone)
    times = {"start": start.isoformat(), "end": end.isoformat()}
    return {"name": name, "rows": rows, **times, "coverage": coverage, "bytes": 412_388 + rows}


def sample(columns: int = 0, labels: bool = True, time: bool = True, task: str | None = "binary") -> JSON:
    """Make the whole document.

    Parameters
    ----------
    columns
        How many quiet columns to add to the 24 of the flights.
    labels, time, task
        False, False and None leave out what current rows without labels, or tables without times or a model, lack.
    """
    rows = flight_columns() + more_columns(columns)
    rows.sort(key=lambda c: -((c["effect"] or -1) / c["floor"]))
    performance = [metric_row(spec, (29_100, 26_800), labelled=labels) for spec in METRICS] if task else []
    counts = {"reference": [[21_560, 1_008], [2_065, 4_467]], "current": [[20_150, 1_050], [2_377, 3_223]]}
    document = {
        "format": "watchkeeper.view/1",
        "kind": "compare",
        "title": "Late arrivals, August against July",
        "created": "2013-09-02T09:30:00-04:00",
        "watchkeeper": "0.1.0",
        "verdict": "critical",
        "headline": "The model ranks late flights clearly worse than in July: ROC AUC fell from 0.921 to 0.874.",
        "sentences": [
            "The fall begins around 12 August and is steepest at JFK, where recall lost 17 points.",
            "dep_delay moved by 0.52 standard deviations and precip by 0.41: more long delays and more rain.",
            "Estimated without labels, the fall would have looked half as large, so the relation itself has changed.",
        ],
        "task": task,
        "positive": "late" if task else None,
        "zone": ZONE if time else None,
        "reference": side("flights-2013-07.parquet", 7, 29_425, 0.991),
        "current": side("flights-2013-08.parquet", 8, 29_327, 0.942 if labels else 0.0),
        "budget": {
            "alpha": 0.05,
            "checks": 121,
            "words": "If nothing had changed, at most one report in twenty like this one would raise anything at all.",
        },
        "schema": [
            {"name": c["name"], "kind": c["kind"], "role": c["role"], "guessed": i % 5 == 0} for i, c in enumerate(rows)
        ],
        "notices": [
            "tailnum has 3,112 distinct values in 29,425 rows and was read as an identifier.",
            "Ten rows whose arr_delay could not be read as a number were counted apart.",
            "Seven carriers with fewer than 100 rows are shown, not judged.",
        ],
        "main_metric": "roc_auc" if task else None,
        "performance": performance,
        "confusion": {"classes": ["on time", "late"], **counts} if task and labels else None,
        "calibration": calibration() if task and labels else None,
        "timeline": timeline(labels) if time and task else [],
        "segments": segments() if task and labels else [],
        "columns": rows,
    }
    if not time:
        for name in ("reference", "current"):
            document[name].update(start=None, end=None)  # type: ignore[attr-defined]
    return document


def main() -> None:
    """Print the document that the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=0, help="how many quiet columns to add")
    parser.add_argument("--no-labels", dest="labels", action="store_false")
    parser.add_argument("--no-time", dest="time", action="store_false")
    parser.add_argument("--no-task", dest="task", action="store_const", const=None, default="binary")
    json.dump(sample(**vars(parser.parse_args())), sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()
