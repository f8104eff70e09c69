"""Look at the arrays before training: rows that stand on both sides of the split, features that tell the label, scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import stats

from watchkeeper.errors import InputError
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.finding import CERTAIN, LIKELY, Finding

SURE = 0.99
"""Area under the ROC curve, or rank correlation, from which one feature alone tells the target."""
SHARED = 0.01
"""Of the held-out rows: so many more may be in the training set than it has rows twice."""
FEW = 50
"""Features with at most so many values are looked at value by value."""
SHIFT = 0.2
"""Distance of Kolmogorov and Smirnov from which a column of the two sets is called another one."""
_MOST_ROWS = 20_000


def check_data(train: Any, target: Any, held: Any = None, *, names: Sequence[str] | None = None) -> list[Finding]:
    """Check the data of a training before it begins.

    Parameters
    ----------
    train, target
        Rows by features, shape ``(n, ...)``, and their classes or numbers, shape ``(n,)`` or ``(n, ...)``.
    held
        Held-out rows, shape ``(m, ...)``; None: the split is not looked at.
    names
        Of the features; None: their places.

    Returns
    -------
    list of Finding
        ``leakage``, ``input_scale`` and ``split_shift``, each with the column it concerns.

    Raises
    ------
    InputError
        There are no rows, or not as many targets as rows.

    Notes
    -----
    Rows are compared byte by byte, all of them. Columns are looked at in the first 20,000 rows, where rows are flat: one
    feature leaks where alone it ranks two classes with an area under the ROC curve of .99, tells one of several in 99 % of the
    rows, or ranks a number with a correlation of .99 (Kaufman and others, "Leakage in Data Mining", 2012).
    """
    train, target = np.asarray(train), np.asarray(target)
    if len(train) == 0 or len(train) != len(target):
        raise InputError(f"{len(train):,} rows and {len(target):,} targets: hand in as many of both, and one at least.")
    found = list(_scales(train, names))
    if held is not None:
        held = np.asarray(held)
        found += _shared(train, held)
    if train.ndim == 2 and target.ndim == 1:
        found += _telling(train[:_MOST_ROWS], target[:_MOST_ROWS], names)
        if held is not None:
            found += _shifts(train[:_MOST_ROWS], held[:_MOST_ROWS], names)
    return found


def _name(names: Sequence[str] | None, place: int) -> str:
    return str(names[place]) if names is not None else f"feature {place}"


def _keys(rows: Any) -> Any:
    flat = np.ascontiguousarray(rows.reshape(len(rows), -1))
    return flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()


def _shared(train: Any, held: Any) -> Iterator[Finding]:
    if len(held) == 0 or held.shape[1:] != train.shape[1:] or held.dtype != train.dtype or train[0].size == 0:
        return
    rows, counts = np.unique(_keys(train), return_counts=True)
    twice = float(counts[counts > 1].sum() / len(train))
    share = float(np.isin(_keys(held), rows).mean())
    error = 3 * np.sqrt(twice * (1 - twice) / len(held))
    if share > twice + SHARED + error:
        words = (
            f"{share:.0%} of the held-out rows are in the training set too, where {twice:.1%} of its own rows repeat."
        )
        numbers = {"share": share, "repeated": twice}
        yield Finding("leakage", 0, words, "warning", None, numbers, CERTAIN)


def _telling(train: Any, target: Any, names: Sequence[str] | None) -> Iterator[Finding]:
    if train.dtype.kind not in "fiub" or target.dtype.kind not in "fiub" or len(train) < 50:
        return
    values = np.asarray(train, dtype=np.float64)
    wanted = np.unique(target)
    if len(wanted) < 2:
        return
    classes = len(wanted) <= FEW and (target.dtype.kind in "iub" or bool((wanted == np.round(wanted)).all()))
    for place in range(values.shape[1]):
        column = values[:, place]
        if not np.isfinite(column).all() or column.min() == column.max():
            continue
        score = _class_score(column, target, wanted) if classes else abs(float(stats.spearmanr(column, target)[0]))
        if score >= SURE:
            name = _name(names, place)
            words = f"{name} alone tells the target ({score:.1%} {'right' if classes else 'rank correlation'})."
            yield Finding("leakage", 0, words, "warning", name, {"score": score}, LIKELY)


def _class_score(column: Floats, target: Any, wanted: Any) -> float:
    """Return how well a column alone tells the classes: the best of three ways.

    With two classes the area under the ROC curve; with more, how often rows that are neighbours by the column have one class;
    with few values, how often the class is the commonest of the row's value. The last two say nothing where one class has
    nine rows in ten.
    """
    codes = np.searchsorted(wanted, target)
    best = _area(column, codes == 1) if len(wanted) == 2 else 0.0
    if np.bincount(codes).max() >= 0.9 * len(codes):
        return best
    kinds, values = np.unique(column, return_inverse=True)
    if len(kinds) <= min(FEW, len(column) // 10):
        table = np.zeros((len(kinds), len(wanted)))
        np.add.at(table, (values, codes), 1)
        return max(best, float(table.max(axis=1).sum() / len(codes)))
    if len(kinds) < len(column) // 2:
        return best
    ordered = codes[np.argsort(column, kind="stable")]
    return max(best, float(np.mean(ordered[1:] == ordered[:-1])))


def _area(column: Floats, yes: Any) -> float:
    count = int(yes.sum())
    if not 5 <= count <= len(yes) - 5:
        return 0.0
    area = (float(stats.rankdata(column)[yes].mean()) - (count + 1) / 2) / (len(yes) - count)
    return max(area, 1 - area)


def _scales(train: Any, names: Sequence[str] | None) -> Iterator[Finding]:
    if train.dtype.kind not in "fiu" or train.ndim < 2:
        return
    whole = train[:_MOST_ROWS].astype(np.float64)
    if not np.isfinite(whole).all():
        bad = float((~np.isfinite(whole)).mean())
        yield Finding(
            "input_scale", 0, f"{bad:.2%} of the inputs are not finite.", "warning", None, {"share": bad}, CERTAIN
        )
        return
    if train.dtype.kind in "iu":
        return  # codes of words or of categories, which an embedding takes as they are
    columns = whole if whole.ndim == 2 else np.moveaxis(whole, 1, -1).reshape(-1, whole.shape[1])
    spread = columns.std(axis=0)
    moving = spread > 0
    if not moving.any():
        yield Finding("input_scale", 0, "Every input is constant.", "warning", None, {"constant": len(spread)}, CERTAIN)
        return
    most, least = int(np.argmax(spread)), float(spread[moving].min())
    if spread[most] > 10:
        words = f"{_name(names, most)} has a standard deviation of {spread[most]:.3g}; the least of the others is {least:.3g}."
        numbers = {"greatest_sd": float(spread[most]), "least_sd": least}
        yield Finding("input_scale", 0, words, "warning", _name(names, most), numbers, LIKELY)
    elif spread[most] < 0.01:
        words = f"The greatest standard deviation of an input is {spread[most]:.2g}: they may have been scaled twice."
        yield Finding("input_scale", 0, words, "warning", None, {"greatest_sd": float(spread[most])}, LIKELY)


def _shifts(train: Any, held: Any, names: Sequence[str] | None) -> Iterator[Finding]:
    """Yield the column that differs most between the two sets, by the distance of Kolmogorov and Smirnov."""
    if train.dtype.kind not in "fiub" or held.shape[1:] != train.shape[1:] or len(held) < 50:
        return
    tests = [stats.ks_2samp(train[:, p], held[:, p], method="asymp") for p in range(train.shape[1])]
    place = int(np.argmax([t.statistic for t in tests]))
    distance, p_value = float(tests[place].statistic), float(tests[place].pvalue) * len(tests)
    if distance > SHIFT and p_value < 1e-6:
        name = _name(names, place)
        words = f"{name} is another one in the held-out rows (a distance of {distance:.2f} between the distributions)."
        yield Finding("split_shift", 0, words, "warning", name, {"distance": distance, "p": p_value}, LIKELY)
