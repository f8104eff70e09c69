"""The learning rate: nought for nearly the whole run, or spent long before its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.training.finding import CERTAIN, Finding
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class LearningRate:
    """A schedule that is 0 when it should not be."""

    problem: str = "learning_rate"
    needs: tuple[str, ...] = ("learning_rate",)
    least: int = 20
    end: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it from 20 steps at 0 on, before 90 % of the planned steps where those are known."""
        series = run.series["learning_rate"]
        rates = series.rows.max(axis=1)
        if len(rates) < self.least or rates[-1] != 0:
            return
        zero = int(series.steps[np.flatnonzero(rates != 0)[-1]] + 1) if (rates != 0).any() else 0
        stood = run.step - zero
        if stood < self.least:
            return
        if zero == 0 or (run.planned_steps and zero < self.end * run.planned_steps):
            words = f"The learning rate has been 0 since step {zero:,}."
            yield Finding(
                self.problem,
                run.step,
                words,
                "critical" if zero == 0 else "warning",
                numbers={"since": zero},
                confidence=CERTAIN,
            )
