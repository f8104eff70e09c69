"""Histograms of a layer's weights and gradients by fixed bins: 31 octaves on either side of nought, whatever the framework."""

from __future__ import annotations

import numpy as np

from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.run import Run

SIDE = 31
"""So many bins on either side, an octave each; one more takes what is smaller."""
LOWEST = -24
"""The power of two at which the first bin of a side begins; the last also takes all that is greater."""
BINS = 2 * SIDE + 1


def edges() -> Floats:
    """Return the lower ends of the bins above nought, shape ``(31,)``: powers of two from 2^-24 to 2^6."""
    return np.asarray(2.0 ** np.arange(LOWEST, LOWEST + SIDE))


def columns() -> list[str]:
    """Return a name for each bin, from the most negative to the most positive: where it begins, seen from nought."""
    side = [f"{edge:.3g}" for edge in edges()]
    return [*(f"-{edge}" for edge in reversed(side)), "0", *side]


def middles() -> Floats:
    """Return the number that stands for each bin: 1.5 times where it begins; 0 for the bin around nought."""
    side = 1.5 * edges()
    return np.concatenate([-side[::-1], [0.0], side])


def sketch(run: Run, layer: str, kind: str = "gradient", *, row: int = -1) -> Histogram | None:
    """Return the histogram of a layer's ``gradient`` or ``weight`` as a sketch, from its latest row or another.

    Quantiles are off by half an octave at most, within 2^-24 and 2^7. None where none was recorded.
    """
    series = run.series.get(f"histogram/{kind}/{layer}")
    if series is None:
        return None
    made = Histogram()
    made.update_floats(np.repeat(middles(), series.rows[row].astype(np.int64)))
    return made
