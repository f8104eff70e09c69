"""How much rows of one day repeat each other: the design effect, and natural variation within the reference."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.window import local_days

FEWEST_DAYS = 5
_FEWEST_ROWS = 50
_TOP = 10
NATURAL_BLOCKS = 4


def day_codes(profile: Profile) -> Int64s | None:
    """Return for each row of the sample the place of its local day, 0 to days - 1; None without enough days."""
    column = profile.schema.timestamp
    moments = profile.sample.column(column) if column is not None else None
    if moments is None or moments.null_count or len(moments) < _FEWEST_ROWS:
        return None
    days = local_days(moments.to_numpy(), profile.schema.zone)
    distinct, codes = np.unique(days, return_inverse=True)
    return codes.astype(np.int64) if len(distinct) >= FEWEST_DAYS else None


def design_effect(values: pa.ChunkedArray, codes: Int64s | None, rows: int) -> float:
    """Return by how much the variance of a mean over all ``rows`` exceeds that of as many independent rows.

    Estimated from a sample: the intraclass correlation of indicators (above each decile for numbers, of each frequent
    category else) within days, by analysis of variance, then Kish's ``1 + (other rows of a row's day) x correlation``. 1 where
    days do not matter or are unknown.

    References
    ----------
    Kish, Survey Sampling (1965), 5.4; Donner and Koval, Biometrics 36 (1980) for the estimator.
    """
    if codes is None or rows <= 1:
        return 1.0
    present = values.is_valid().to_numpy()
    days = codes[present]
    indicators = _indicators(values.drop_null())
    if len(days) < _FEWEST_ROWS or indicators.shape[1] == 0:
        return 1.0
    distinct, days = np.unique(days, return_inverse=True)
    if len(distinct) < FEWEST_DAYS:
        return 1.0
    rho = _intraclass_correlation(indicators, days.astype(np.int64), len(distinct))
    sizes, total = np.bincount(days).astype(np.float64), len(days)
    together = rows * float((sizes * (sizes - 1)).sum()) / (total * (total - 1))  # rows that share a row's day
    return 1.0 + together * max(rho, 0.0)


def _indicators(values: pa.ChunkedArray) -> Floats:
    """Return 0/1 columns, shape (n, k), whose means are what distances compare."""
    if pa.types.is_string(values.type):
        encoded = values.combine_chunks().dictionary_encode() if values.num_chunks else None
        if encoded is None or len(encoded) == 0:
            return np.empty((0, 0))
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        counts = np.bincount(codes)
        top = np.argsort(-counts, kind="stable")[:_TOP]
        columns = codes[:, None] == top[None, :]
    else:
        numbers = values.to_numpy().astype(np.float64)
        if len(numbers) == 0:
            return np.empty((0, 0))
        edges = np.unique(np.quantile(numbers, np.arange(0.1, 1.0, 0.1), method="inverted_cdf"))
        columns = numbers[:, None] > edges[None, :]
    varied = columns.any(axis=0) & ~columns.all(axis=0)
    kept: Floats = columns[:, varied].astype(np.float64)
    return kept


def _intraclass_correlation(columns: Floats, days: Int64s, count: int) -> float:
    """Return the intraclass correlation over days, averaged over columns with their variances as weights."""
    n = len(columns)
    sizes = np.bincount(days, minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(days, column, count) for column in columns.T], axis=1)
    means, whole = sums / sizes[:, None], columns.mean(axis=0)
    between = (sizes[:, None] * (means - whole) ** 2).sum(axis=0) / (count - 1)
    within = ((columns**2).sum(axis=0) - (sums**2 / sizes[:, None]).sum(axis=0)) / max(n - count, 1)
    typical = (n - float((sizes**2).sum()) / n) / (count - 1)
    shared = (between - within) / typical
    return float(shared.sum() / max(float((shared + within).sum()), 1e-12))


def natural_variation(values: pa.ChunkedArray, codes: Int64s | None) -> float:
    """Return how far a quarter of the reference's days lies from the rest, at worst: a drift that is no news.

    For numbers the Wasserstein distance in standard deviations, for categories the Jensen-Shannon distance, each less what
    chance alone gives; 0 where there are too few days to tell.
    """
    if codes is None or int(codes.max()) + 1 < 2 * NATURAL_BLOCKS:
        return 0.0
    block = codes * NATURAL_BLOCKS // (int(codes.max()) + 1)
    present = values.is_valid().to_numpy()
    block, values = block[present], values.drop_null()
    if len(values) < _FEWEST_ROWS:
        return 0.0
    apart = _category_distance if pa.types.is_string(values.type) else _number_distance
    return max(
        (apart(values, block == b) for b in range(NATURAL_BLOCKS) if 0 < (block == b).sum() < len(block)), default=0.0
    )


def _number_distance(values: pa.ChunkedArray, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    numbers = values.to_numpy().astype(np.float64)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    keep = ~np.isnan(numbers)
    numbers, inside = numbers[keep], inside[keep]
    spread = float(numbers.std()) if len(numbers) else 0.0
    if spread == 0 or not np.isfinite(spread) or inside.all() or not inside.any():
        return 0.0
    order = np.argsort(numbers, kind="stable")
    first, second = np.cumsum(inside[order]), np.cumsum(~inside[order])
    gap, steps = np.abs(first / first[-1] - second / second[-1])[:-1], np.diff(numbers[order])
    below = np.arange(1, len(numbers)) / len(numbers)
    bias = 2 / np.pi * (1 / first[-1] + 1 / second[-1]) * float((np.sqrt(below * (1 - below)) * steps).sum()) ** 2
    return float(np.sqrt(max(float((gap * steps).sum()) ** 2 - bias, 0.0))) / spread


def _category_distance(values: pa.ChunkedArray, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    array = values.combine_chunks()
    array = array if not isinstance(array, pa.ChunkedArray) else array.chunk(0)
    codes = array.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    size = int(codes.max()) + 1
    if size > len(codes) // 10:  # too many categories to tell noise from news
        return 0.0
    p, q = (np.bincount(codes[side], minlength=size) / max(int(side.sum()), 1) for side in (inside, ~inside))
    middle = (p + q) / 2
    terms = [
        np.where(s > 0, s * np.log2(np.where(s > 0, s, 1.0) / np.where(s > 0, middle, 1.0)), 0.0).sum() for s in (p, q)
    ]
    bias = (size - 1) / (8 * np.log(2)) * (1 / inside.sum() + 1 / (~inside).sum())
    return float(np.sqrt(max((terms[0] + terms[1]) / 2 - bias, 0.0)))
