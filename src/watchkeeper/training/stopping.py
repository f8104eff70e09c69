"""When a training should have stopped: the best step by the smoothed held-out metric, where it can be told from the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from watchkeeper.errors import InputError
from watchkeeper.training.run import Run
from watchkeeper.training.smoothing import smoothed

FEWEST = 5
_WIDTH = 1.5
"""Standard deviation of the smoothing, in evaluations."""
_OF_A_DIFFERENCE = 0.75
"""Standard error of the smoothed value at the end less one in the middle, for noise of 1: 1 / (2 sqrt(pi) width) is the
variance of the latter, and the former has twice that."""
_SURE = 3.0


@dataclass(frozen=True, slots=True)
class BestStep:
    """When to stop.

    Attributes
    ----------
    verdict
        ``stop``: the metric is worse now than it was at ``step``; ``go on``: it is still getting better; ``flat``: neither.
    step, value
        Where the smoothed metric is best, and what it is there.
    now
        The smoothed metric at the end.
    noise
        Standard deviation of one evaluation around the smooth curve.
    words
        The same in a sentence.
    """

    verdict: Literal["stop", "go on", "flat"]
    step: int
    value: float
    now: float
    noise: float
    words: str

    def __str__(self) -> str:
        return self.words


def best_step(run: Run, metric: str = "loss", *, better: Literal["lower", "higher"] = "lower") -> BestStep:
    """Return the best step of a run by a metric of held-out rows, smoothed over neighbouring evaluations.

    To choose at the end of a run, or now and then in it, where single evaluations are noisy. The state of that step comes back
    by ``checkpoints.restore(parts, checkpoints.near(found.step))``.

    Parameters
    ----------
    run
        ``watch.run``, or one that was read again.
    metric
        A name that was handed to ``validation``.
    better
        Which way is better.

    Raises
    ------
    InputError
        The metric was evaluated fewer than five times.

    Notes
    -----
    Noise is taken from second differences, so that the course of the curve takes no part in it. The verdicts *stop* and *go
    on* need three standard errors of the smoothed difference.
    """
    series = run.series.get(f"validation/{metric}")
    known = np.isfinite(series.values) if series is not None else np.zeros(0, dtype=bool)
    if series is None or known.sum() < FEWEST:
        raise InputError(
            f"The best step needs {FEWEST} evaluations of {metric!r} or more; there are "
            f"{int(known.sum())}. Call watch.validation."
        )
    sign = 1.0 if better == "lower" else -1.0
    steps, values = series.steps[known], sign * series.values[known]
    smooth = smoothed(values, _WIDTH)
    noise = float(np.std(np.diff(values, 2))) / math.sqrt(6)
    error = _OF_A_DIFFERENCE * noise
    best = int(np.argmin(smooth))
    above, before = float(smooth[-1] - smooth[best]), float(smooth[max(0, len(smooth) - 4)] - smooth[-1])
    step, value, now = int(steps[best]), sign * float(smooth[best]), sign * float(smooth[-1])
    if above > _SURE * error and above > 0:
        words = f"The {metric} was best near step {step:,} ({value:.4g}); it is {now:.4g} now. Stop, and go back there."
        return BestStep("stop", step, value, now, noise, words)
    if best >= len(smooth) - 2 and before > _SURE * error:
        words = f"The {metric} is still getting better ({now:.4g}): go on."
        return BestStep("go on", step, value, now, noise, words)
    words = f"The {metric} is {now:.4g}, which cannot be told from its best ({value:.4g} near step {step:,})."
    return BestStep("flat", step, value, now, noise, words)
