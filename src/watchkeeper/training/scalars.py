"""A row of a series as single numbers with names, for systems that know nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from watchkeeper.training.run import Run

HISTOGRAM = "histogram/"
"""So series are named that count values by bins; no number of theirs says anything alone."""
MOST_LAYERS = 64
"""Of a row with more columns only its least, median and greatest number are told."""


def scalars_of(run: Run, name: str, values: Sequence[float], most: int = MOST_LAYERS) -> Iterator[tuple[str, float]]:
    """Yield names and numbers of a row: ``loss`` and ``loss_smooth``, ``validation/accuracy``, ``gradient/first.weight``.

    No name is the beginning of another up to a slash: MLflow may keep each as a file.

    Parameters
    ----------
    run, name, values
        The run, the name of a series in it, and a row of that.
    most
        With more columns there are ``gradient/least``, ``gradient/median`` and ``gradient/greatest`` instead.
    """
    columns = run.series[name].columns
    if name.startswith(HISTOGRAM):
        return
    if name == "loss":
        yield from zip(("loss", "loss_smooth"), map(float, values), strict=True)
    elif len(columns) == 1:
        yield name, float(values[0])
    elif len(columns) <= most:
        yield from ((f"{name}/{column}", float(value)) for column, value in zip(columns, values, strict=True))
    else:
        known = np.asarray(values, dtype=float)
        known = known[np.isfinite(known)]
        if len(known):
            yield f"{name}/least", float(known.min())
            yield f"{name}/median", float(np.median(known))
            yield f"{name}/greatest", float(known.max())
