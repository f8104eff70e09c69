"""Rules suggested from a reference: what it was, with room for what chance brings."""

from __future__ import annotations

import math
from typing import Any

from scipy.special import betaincinv

from watchkeeper.detection.rules import ColumnRules, Rules
from watchkeeper.metrics import quality, uniqueness
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.column import CategoricalColumn, Column, NumericColumn
from watchkeeper.profiles.profile import Profile

CHANCE = 0.05
"""The chance that any bound is below the share that the reference's source truly has."""
MOST_ALLOWED = uniqueness.FEW
"""Of more categories none are listed: a list that nobody reads is no rule."""
_PER_COLUMN = 5
_USUAL = 0.05
_NAMED = {"allowed", "new_category_share"}
"""What is not expected of texts that are dates: time goes on."""


def suggest(profile: Profile) -> Rules:
    """Return rules that the reference keeps, each bound the upper limit of the share that its source may truly have.

    Limits are exact binomial ones (Clopper and Pearson, Biometrika 26, 1934), 5 % over all rules together. Labels may come
    late, so that they are missing is not held against them; times go on, so they have no range. Duplicates and repeats that
    are usual in the reference are left alone.
    """
    schema = profile.schema
    left_out = schema.operational
    names = [name for name in profile.columns if name not in left_out]
    alpha = CHANCE / max(_PER_COLUMN * len(names), 1)
    columns: dict[str, ColumnRules] = {}
    remarks: dict[tuple[str | None, str], str] = {}
    for name in names:
        told = _of_column(profile.columns[name], schema.kinds[name], alpha, late=name == schema.target)
        columns[name] = ColumnRules(**{key: value for key, (value, _) in told.items()})
        remarks |= {(name, key): remark for key, (_, remark) in told.items() if remark}
    repeats = uniqueness.repeats_of_rows(profile)
    share = uniqueness.duplicate_share(profile)
    bound = None
    if share.known and share.value <= _USUAL:
        bound = upper(repeats.repeated, repeats.seen, alpha)
        what = f"rows repeat the {schema.id} of another" if schema.id else "rows repeat all of another"
        remarks[None, "duplicate_share"] = f"at most; in the reference {_share(share)} of {what}"
    return Rules(columns, schema.id, bound, remarks)


_Told = dict[str, tuple[Any, str]]


def _of_column(column: Column, kind: str, alpha: float, *, late: bool) -> _Told:
    told: _Told = {"type": (kind, "")}
    if not late:
        missing = quality.null_share(column)
        told["null_share"] = _bounded(missing, column.rows, alpha, "is missing")
    if kind in {"numeric", "datetime"}:
        told["mistyped_share"] = _bounded(uniqueness.mistyped_share(column), column.rows, alpha, "is of another type")
    if isinstance(column, NumericColumn) and column.histogram.count:
        told |= _range(column, alpha)
    name = uniqueness.main_format(column)
    if isinstance(column, CategoricalColumn):
        moments = uniqueness.main_format(column, few=0)
        name = moments if moments in {"date", "datetime"} else name
        told |= {k: v for k, v in _categories(column, alpha).items() if name is None or k not in _NAMED}
    return told | _shape(column, name, alpha)


def _range(column: NumericColumn, alpha: float) -> _Told:
    least, greatest = column.moments.minimum, column.moments.maximum
    alone = quality.edge_share(column)
    low = (_plain(least), "the reference's least")
    high = (_plain(greatest), "its greatest")
    share = (upper(round(alone.value * alone.n), alone.n, alpha), "at most; what chance puts beyond the ends")
    return {"minimum": low, "maximum": high, "out_of_range_share": share}


def _categories(column: CategoricalColumn, alpha: float) -> _Told:
    repeats = uniqueness.repeats_of_column(column)
    if repeats is None:
        return {}
    if repeats.repeated <= uniqueness.UNIQUE * repeats.seen:
        remark = (
            f"share of rows with a value that another has: {_number(repeats.repeated / repeats.seen)} in the reference"
        )
        if repeats.repeated == 0:
            return {"unique": (True, "no value comes twice in the reference")}
        return {"repeated_share": (upper(repeats.repeated, repeats.seen, alpha), f"at most; {remark}")}
    if not column.categories.exact or column.categories.distinct > MOST_ALLOWED:
        return {}
    counts = column.categories.counts()
    single = sum(1 for n in counts.values() if n == 1)
    share = upper(single, column.categories.count, alpha)
    return {
        "allowed": (tuple(sorted(counts)), f"the {len(counts)} categories of the reference"),
        "new_category_share": (share, "at most; what chance makes new (Good-Turing)"),
    }


def _shape(column: Column, name: str | None, alpha: float) -> _Told:
    if name is None:
        return {}
    share = uniqueness.share_of_format(column, name)
    most = upper(share.n - round(share.value * share.n), share.n, alpha)
    return {"format": (name, ""), "format_share": (round(1 - most, 12), f"at least; {_share(share)} in the reference")}


def _bounded(found: Estimate, rows: int, alpha: float, what: str) -> tuple[float, str]:
    return upper(round(found.value * rows) if found.known else 0, rows, alpha), f"at most; {_share(found)} {what}"


def upper(count: int, n: int, alpha: float) -> float:
    """Return the upper limit of a share at a level of 1 - alpha, rounded up to two digits; 1 where nothing was seen.

    Examples
    --------
    >>> upper(0, 100, 0.05), upper(12, 1000, 0.001)
    (0.03, 0.027)
    """
    if n == 0 or count >= n:
        return 1.0
    limit = float(betaincinv(count + 1, n - count, 1 - alpha))
    unit = 10.0 ** (math.floor(math.log10(limit)) - 1)
    return min(float(f"{math.ceil(limit / unit - 1e-9) * unit:.12g}"), 1.0)


def _share(found: Estimate) -> str:
    return f"{_number(100 * found.value)} %" if found.known else "nothing known"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _plain(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
