"""Compare runs: which loss came lowest, how fast, and what was found in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from watchkeeper.training.curves import HELD_OUT, LOSS, Curve, sparklines
from watchkeeper.training.verdict import verdict_of
from watchkeeper.training.watching import Watching


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Runs side by side.

    Attributes
    ----------
    by
        What is compared: the held-out loss where all runs have it, else the training loss.
    target
        The level that :attr:`rows` says when each run reaches: what was asked for, or the lowest that all reach.
    rows
        A record for each run.
    """

    by: str
    target: float | None
    rows: list[dict[str, Any]]


def compare_runs(runs: Sequence[Watching], target: float | None = None) -> RunComparison:
    """Compare runs by their held-out loss where all have it, else by the loss of the training.

    Parameters
    ----------
    runs
        Two or more.
    target
        A level of the loss; None: the lowest that every run reaches.
    """
    by = HELD_OUT if all(watching.run.has(HELD_OUT) for watching in runs) else LOSS
    curves = [Curve.of(watching.run, by) for watching in runs]
    if target is None and all(len(curve) for curve in curves):
        target = max(float(curve.values.min()) for curve in curves)
    rows = [
        _row(watching, curve, target) | {"curve": line}
        for watching, curve, line in zip(runs, curves, sparklines(curves), strict=True)
    ]
    return RunComparison(by, target, rows)


def _row(watching: Watching, curve: Curve, target: float | None) -> dict[str, Any]:
    counted = Counter(finding.severity for finding in watching.findings)
    return {
        "run": watching.run.name,
        "verdict": verdict_of(watching),
        "last_step": watching.run.step,
        **curve.numbers(),
        "reached": curve.reaches(target) if target is not None else None,
        "findings": dict(counted),
        "problems": list(dict.fromkeys(f.problem for f in watching.findings if f.severity != "info")),
    }
