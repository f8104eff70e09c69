"""The domain classifier: can a model tell current rows from those of the reference? Its out-of-fold AUC is the distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

from watchkeeper.metrics import boosting
from watchkeeper.metrics.roots import middle_ranks
from watchkeeper.metrics.row_matrix import Rows
from watchkeeper.sketches.kernel import Floats, Int64s

FOLDS = 4


@dataclass(frozen=True, slots=True)
class Domain:
    """What the classifier found.

    Attributes
    ----------
    auc, low, high
        Out of fold, with its 95 % interval: .5 where nothing tells the two apart, 1 where everything does.
    error, p_value
        Standard error, and the chance of such an AUC where nothing changed (one-sided).
    importances
        Column to what AUC loses when its values are shuffled among held-out rows, largest first.
    """

    auc: float
    low: float
    high: float
    error: float
    p_value: float
    importances: dict[str, float]


def domain_classifier(reference: Rows, current: Rows) -> Domain | None:
    """Return how well boosted trees tell current rows from those of the reference; None with fewer than 8 blocks a side.

    Each fold's rows are scored by trees that saw none of their blocks (days), so under the null scores know nothing of
    them, and the AUC of a fold has mean 1/2 with the variance of its blocks' structural components. What is chance in one fold
    trains the trees of the others, which makes the AUCs of folds repeat each other: for scores that are linear in the training
    rows the variance of their mean is just twice that of independent ones, which is what is taken.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); Obuchowski, Biometrics 53 (1997) for blocks; Lopez-Paz and
    Oquab, ICLR 2017, for the test.
    """
    if min(reference.block_count, current.block_count) < 2 * FOLDS or not reference.names:
        return None
    rng = np.random.default_rng(0)
    folds = _folds(reference, rng), _folds(current, rng)
    found, variances, lost = [], [], np.zeros(len(reference.names))
    for fold in range(FOLDS):
        inside = [side == fold for side in folds]
        model = _fitted(reference.values[~inside[0]], current.values[~inside[1]])
        held = [model.binning.place(r.values[i]) for r, i in zip((reference, current), inside, strict=True)]
        scores = [model.score_bins(bins) for bins in held]
        blocks = [r.blocks[i] for r, i in zip((reference, current), inside, strict=True)]
        auc, variance = _clustered_auc(scores[0], scores[1], (blocks[0], blocks[1]))
        found.append(auc)
        variances.append(variance)
        lost += _lost(model, held, auc, rng)
    auc, error = float(np.mean(found)), math.sqrt(2 * float(np.sum(variances))) / FOLDS
    degrees = max(min(reference.block_count, current.block_count) - FOLDS, 1)
    p_value = float(stdtr(degrees, -(auc - 0.5) / error)) if error > 0 else float(auc <= 0.5)
    half = float(ndtri(0.975)) * error
    told = dict(sorted(zip(reference.names, (lost / FOLDS).tolist(), strict=True), key=lambda item: -item[1]))
    return Domain(auc, max(auc - half, 0.0), min(auc + half, 1.0), error, p_value, told)


def _folds(rows: Rows, rng: np.random.Generator) -> Int64s:
    """Return a fold for each row; a block lies in one."""
    order = rng.permutation(rows.block_count) % FOLDS
    return order[rows.blocks].astype(np.int64)


def _fitted(first: Floats, second: Floats) -> boosting.Boosted:
    labels = np.repeat([0.0, 1.0], [len(first), len(second)])
    smaller = min(len(first), len(second))
    weights = np.repeat([smaller / len(first), smaller / len(second)], [len(first), len(second)])
    return boosting.fit(np.concatenate([first, second]), labels, weights)


def _lost(model: boosting.Boosted, held: list[Int64s], auc: float, rng: np.random.Generator) -> Floats:
    both = np.concatenate(held)
    lost = np.zeros(both.shape[1])
    used = {
        int(c) for tree in model.trees for c, cut in zip(tree.columns, tree.cuts, strict=True) if cut < boosting.BINS
    }
    for column in used:
        shuffled = both.copy()
        shuffled[:, column] = rng.permutation(both[:, column])
        scores = model.score_bins(shuffled)
        lost[column] = auc - _auc(scores[: len(held[0])], scores[len(held[0]) :])
    return lost


def _auc(first: Floats, second: Floats) -> float:
    ranks = middle_ranks(np.concatenate([first, second]))[len(first) :]
    return float((ranks.sum() - len(second) * (len(second) + 1) / 2) / (len(first) * len(second)))


def _clustered_auc(first: Floats, second: Floats, blocks: tuple[Int64s, Int64s]) -> tuple[float, float]:
    """Return the AUC of ``second`` above ``first`` with its variance over blocks."""
    n, m = len(first), len(second)
    ranks = middle_ranks(np.concatenate([first, second]))
    above = 1 - (ranks[:n] - middle_ranks(first)) / m  # share of current rows above each reference row
    below = (ranks[n:] - middle_ranks(second)) / n
    auc = float(below.mean())
    return auc, _block_variance(above - auc, blocks[0]) + _block_variance(below - auc, blocks[1])


def _block_variance(parts: Floats, blocks: Int64s) -> float:
    """Return the variance of the mean of parts whose blocks are independent of each other."""
    _, places = np.unique(blocks, return_inverse=True)
    sums = np.bincount(places, parts)
    count = len(sums)
    return float((sums**2).sum()) / len(parts) ** 2 * (count / max(count - 1, 1))
