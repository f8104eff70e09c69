"""Detectors of boosted trees: rounds that only fit noise, and features that decide nearly everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.training.detectors.protocol import robust
from watchkeeper.training.finding import CERTAIN, LIKELY, Finding
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class BoostingOverfit:
    """The held-out loss was best before half of the rounds, and has risen since."""

    problem: str = "boosting_overfit"
    needs: tuple[str, ...] = ()
    rounds: int = 20
    """So many after the best."""
    above: float = 0.02
    """Of the best loss, and 4 standard deviations from round to round."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it for boosted runs; where no round was better than the first ones, there was nothing to learn."""
        if not run.facts.get("boosting") or not run.has("validation/loss"):
            return
        held = run.series["validation/loss"]
        values = held.values
        if len(values) <= self.rounds or not np.isfinite(values).all():
            return
        best = int(np.argmin(values))
        after, now = len(values) - 1 - best, float(np.mean(values[-5:]))
        noise = robust(np.diff(values))[1]
        margin = max(self.above * abs(float(values[best])), 4 * noise)
        if after < self.rounds or best * 2 >= len(values) or now <= values[best] + margin:
            return
        step, count = int(held.steps[best]), len(values)
        if run.has("loss"):
            train = run.series["loss"]
            if train.last >= float(np.interp(step, train.steps, train.values)):
                return  # training itself got worse
        nothing = best < max(3, len(values) // 50)
        words = f"The held-out loss was best in round {step:,} of {count:,} ({values[best]:.4g}) and is {now:.4g} now"
        words += ": no round after the first few helped." if nothing else "."
        numbers = {"best_round": step, "best": float(values[best]), "now": now}
        yield Finding(self.problem, run.step, words, "critical" if nothing else "warning", None, numbers, LIKELY)


@dataclass(frozen=True, slots=True)
class ImportanceConcentration:
    """One feature, or three, have nearly all of the importance: the fact ``importances`` holds them by name."""

    problem: str = "importance_concentration"
    needs: tuple[str, ...] = ()
    one: float = 0.95
    three: float = 0.8
    least: int = 10
    """With fewer features it says nothing."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a warning for one feature, information for three."""
        given = run.facts.get("importances") or {}
        total = float(sum(given.values()))
        if len(given) < self.least or not total > 0:
            return
        ranked = sorted(((value / total, name) for name, value in given.items()), reverse=True)
        share, name = ranked[0]
        if share > self.one:
            words = f"The feature {name!r} has {share:.0%} of the importance of {len(given)} features."
            yield Finding(self.problem, run.step, words, "warning", name, {"share": share}, CERTAIN)
        elif (top := sum(value for value, _ in ranked[:3])) > self.three:
            names = ", ".join(repr(name) for _, name in ranked[:3])
            words = f"The features {names} have {top:.0%} of the importance of {len(given)} features."
            yield Finding(self.problem, run.step, words, "info", name, {"share": top}, CERTAIN)
