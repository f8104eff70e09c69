"""What 5 % of the labels, at random, say of a week's accuracy: prediction-powered estimates on the demo's flights.

    python -m benchmarks statistics labelled

The demo's model is fitted on January and February 2013 and its reference is March; scored are the weeks from April to December,
each of whose flights keeps its label with a chance of 5 %. Truth is the accuracy over all flights of the week that arrived.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.demo.flights import load, months
from watchkeeper.demo.model import fit
from watchkeeper.detection.performance import calibrator_of, days_of
from watchkeeper.metrics import classification, estimation, powered
from watchkeeper.monitor import profile
from watchkeeper.schema import Schema

SHARE, DRAWS, SEED = 0.05, 20, 0
SCHEMA = Schema(
    id="id", timestamp="departure", target="late", prediction="predicted", score="score", task="binary",
    positive="1", classes=["0", "1"], zone="America/New_York",
)  # fmt: skip
_NEEDED = ["id", "departure", "score", "predicted", "late"]


@dataclass(frozen=True)
class Weeks:
    """Estimated less true accuracy, and whether the interval held the truth and its half width, by draw and week."""

    errors: np.ndarray
    held: np.ndarray
    widths: np.ndarray


def weeks() -> tuple[pa.Table, list[pa.Table]]:
    """Return the reference, March, and the flights of each whole week from April on that have a label."""
    flights = load()
    model = fit(months(flights, (1, 2)))
    scored = [model.predict(months(flights, part)).select(_NEEDED) for part in ((3,), range(4, 13))]
    reference, later = (t.filter(pc.is_valid(t["late"])) for t in scored)
    week = pc.floor_temporal(pc.local_timestamp(later["departure"].cast(pa.timestamp("us", SCHEMA.zone))), unit="week")
    parts = [later.filter(pc.equal(week, start)) for start in pc.unique(week).sort()]
    most = max(len(part) for part in parts)
    return reference, [part for part in parts if 2 * len(part) > most]


def thinned(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Return the table with most labels taken away, at random."""
    hidden = pa.array(rng.random(len(table)) >= SHARE)
    late = pc.if_else(hidden, pa.scalar(None, table["late"].type), table["late"])
    return table.set_column(table.column_names.index("late"), "late", late)


def main(draws: int = DRAWS) -> dict[str, Weeks]:
    """Print, and return, the errors of the labelled rows alone, of CBPE, and of both together."""
    reference, parts = weeks()
    known = profile(reference, SCHEMA)
    assert known.outcome is not None
    calibrator = calibrator_of(known.outcome, days_of(known))
    assert calibrator is not None
    truth = [classification.accuracy(profile(part, known.schema).outcome).value for part in parts]
    rng = np.random.default_rng(SEED)
    found: dict[str, list[tuple[float, bool, float]]] = {
        name: [] for name in ("labelled rows", "CBPE", "prediction-powered")
    }
    for _ in range(draws):
        for part, value in zip(parts, truth, strict=True):
            window = profile(thinned(part, rng), known.schema)
            days, outcome = days_of(window), window.outcome
            estimates = (
                classification.accuracy(outcome, days), estimation.estimate(outcome, calibrator, "accuracy"),
                powered.estimate(outcome, calibrator, "accuracy", days),
            )  # fmt: skip
            for name, e in zip(found, estimates, strict=True):
                found[name].append((e.value - value, e.low <= value <= e.high, (e.high - e.low) / 2))
    results = {}
    print(
        f"{len(parts)} weeks, {draws} draws of {SHARE:.0%} of the labels, "
        f"about {SHARE * np.mean([*map(len, parts)]):.0f} a week"
    )
    print(f"  {'accuracy':<22}{'mean absolute error':<26}{'weeks within the interval':<28}half width")
    for name, rows in found.items():
        errors, held, widths = (np.array(column).reshape(draws, -1) for column in zip(*rows, strict=True))
        results[name] = made = Weeks(errors, held, widths)
        by_draw = np.abs(made.errors).mean(axis=1)
        covered = made.held.mean(axis=1)
        print(
            f"  {name:<22}{by_draw.mean():.4f} +- {by_draw.std() / draws**0.5:.4f}          "
            f"{100 * covered.mean():.1f} % +- {100 * covered.std() / draws**0.5:.1f}             {made.widths.mean():.4f}"
        )
    return results


if __name__ == "__main__":
    main()
