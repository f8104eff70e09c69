"""The verdict on a run: the worst that was found, or that there was too little to find anything in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from watchkeeper.training.detectors.exact import SEEN
from watchkeeper.training.detectors.learning import NotLearning
from watchkeeper.training.reading.replay import READ_FROM
from watchkeeper.training.watching import Watching

RunVerdict = Literal["ok", "warning", "critical", "not enough data"]
EXIT_CODES: dict[RunVerdict, int] = {"ok": 0, "warning": 1, "critical": 2, "not enough data": 3}
LEAST, LEAST_ROUNDS = NotLearning().least_steps, 10
"""Fewer losses, or rounds of boosting, do not show whether a run learns."""
_LOGGED = ("loss", "learning rate", "no gradients by layer recorded")
"""What a log may have; all else only a watch of the training records."""
_UNSEEN = "seen only while it trains, by wk.watch or a callback"


def verdict_of(watching: Watching) -> RunVerdict:
    """Return *critical* or *warning* where something as severe was found, else *ok*, or *not enough data*.

    The last is said of fewer than 50 losses (10 rounds of boosting), which do not show whether a run learns.
    """
    worst = watching.findings.worst
    if worst in {"critical", "warning"}:
        return worst
    return "ok" if _losses(watching) >= _least(watching) else "not enough data"


def exit_code(verdicts: Iterable[RunVerdict], *, strict: bool = False) -> int:
    """Return the exit code of several verdicts: the worst; 3 where all are *not enough data*, or, strictly, any is."""
    found = set(verdicts)
    worst = max((EXIT_CODES[v] for v in found if v != "not enough data"), default=3)
    return 3 if strict and worst == 0 and "not enough data" in found else worst


def unchecked(watching: Watching) -> dict[str, str]:
    """Return what could not be looked for in a run, and why."""
    run = watching.run
    missing = dict(watching.unchecked)
    if READ_FROM in run.facts:
        logged = {problem for problem, why in missing.items() if any(name in why for name in _LOGGED)}
        unseen = [*missing, *(seen.problem for seen in SEEN if seen.problem != "watching_failed")]
        missing |= {problem: _UNSEEN for problem in unseen if problem not in logged}
        if run.loss is None:
            missing["high_bias"] = "the kind of loss is not known (--kind)"
    if _losses(watching) < _least(watching):
        missing["not_learning"] = f"{_losses(watching)} losses are there, and {_least(watching)} are needed"
    return missing


def _least(watching: Watching) -> int:
    return LEAST_ROUNDS if watching.run.facts.get("boosting") else LEAST


def _losses(watching: Watching) -> int:
    series = watching.run.series
    name = "loss" if "loss" in series else "validation/loss"
    return series[name].count if name in series else 0
