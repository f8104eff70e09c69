"""What changed of a column, in words: shift, spread, tails, categories, nulls, and a unit that is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchkeeper.detection.comparison import Comparison
from watchkeeper.metrics.shape import Part, parts_of
from watchkeeper.metrics.units import UnitChange
from watchkeeper.profiles.column import Column, DatetimeColumn, TextColumn
from watchkeeper.report.ranking import ranked_columns
from watchkeeper.report.words import number, quoted
from watchkeeper.window import moment

_DAY = 86_400e6
_ALARMS = {"warning", "critical"}
_BRIEF = {
    "null_share": "nulls",
    "infinite_share": "infinite values",
    "out_of_range_share": "out of range",
    "new_category_share": "new categories",
    "mistyped_share": "another type",
    "format_share": "another format",
    "repeated_share": "repeats",
}


def changes(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """Return what changed of each column that alarms or whose values fit another unit, those that changed most first.

    Each aspect as plain values: ``aspect``, ``size``, ``before``, ``after``, ``names`` of categories, ``words``, and ``unit``:
    ``old``, ``new``, ``explained`` and ``by`` (values or shape) where a change of units is guessed, else None.
    """
    found = {}
    for change, _ in ranked_columns(comparison):
        verdict = comparison.column_verdicts()[change.name]
        before, after = comparison.reference.columns[change.name], comparison.current.columns[change.name]
        told = [] if verdict is None else column_changes(before, after, change.name)
        if verdict not in {"warning", "critical"}:  # values that fit another unit need no further evidence
            told = [part for part in told if part["unit"] is not None and part["unit"]["by"] == "values"]
        if told:
            found[change.name] = told
    return found


def column_changes(before: Column, after: Column, name: str) -> list[dict[str, Any]]:
    """Return what changed of one column, as :func:`changes` does."""
    return [
        {
            "aspect": part.aspect, "size": part.size, "before": part.before, "after": part.after,
            "names": list(part.names[:10]), "words": part_words(part, before), "unit": _unit(part.unit),
        }
        for part in parts_of(before, after, name)
    ]  # fmt: skip


def _unit(unit: UnitChange | None) -> dict[str, Any] | None:
    if unit is None:
        return None
    return {"old": unit.old, "new": unit.new, "explained": unit.explained, "by": "values" if unit.values else "shape"}


def unit_words(unit: UnitChange) -> str:
    """Return a guessed change of units with how much it explains."""
    others = f", or {' or '.join(unit.others[:2])}" if unit.others else ""
    return (
        f"Perhaps its unit changed{_turn(unit.old, unit.new, ': ')}{others} (a guess): converted back, "
        f"{number(unit.explained, 'share')} of the distance is gone."
    )


def _turn(old: str, new: str, mark: str = " ") -> str:
    known = {
        ("shares", "percent"): "times 100, such as a share told in percent",
        ("percent", "shares"): "divided by 100, such as a percentage told as a share",
    }
    return f"{mark}{known[old, new]}" if (old, new) in known else f" from {old} to {new}"


def part_words(part: Part, before: Column) -> str:
    """Return one aspect of a change as a sentence."""
    if part.unit is not None:
        return unit_words(part.unit)
    if part.aspect == "shift":
        return _shift_words(part, before)
    if part.aspect == "spread":
        way = "wider" if part.size > 1 else "narrower"
        ratio = part.size if part.size > 1 else 1 / part.size
        spans = _length(part.after, before), _length(part.before, before)
        return f"It is {number(ratio)} times {way}: the middle 80 % of values span {spans[0]}, {spans[1]} before."
    shares = number(part.before, "share"), number(part.after, "share")
    if part.aspect == "tails":
        way = "heavier" if part.size > 0 else "lighter"
        return f"Its tails are {way}: {shares[1]} of values lie where {shares[0]} did, centre and spread set aside."
    if part.aspect == "nulls":
        return f"{shares[1]} of values are missing, {shares[0]} before."
    if part.aspect == "new categories":
        return f"{shares[1]} are categories that are new{_listed(part.names)}."
    if part.aspect == "vanished categories":
        return f"Categories that made up {shares[0]} are gone{_listed(part.names)}."
    return f"{quoted(part.names[0])} makes up {shares[1]}, {shares[0]} before."


def brief(found: Sequence[dict[str, Any]]) -> str:
    """Return the aspects of a change in a few words, for a table."""
    units = [f"{c['unit']['old']} to {c['unit']['new']}?" for c in found if c["unit"] is not None]
    return ", ".join([*units, *(c["aspect"] for c in found if c["unit"] is None)])


def brief_quality(comparison: Comparison) -> dict[str, list[str]]:
    """Return in a few words the alarms of quality of each column whose distribution gives none."""
    drifted = {c.name for c, v in comparison.columns if v is not None and v.name in _ALARMS}
    found: dict[str, list[str]] = {}
    for column, change, verdict in comparison.quality:
        if column.name not in drifted and verdict is not None and verdict.name in _ALARMS:
            found.setdefault(column.name, []).append(_BRIEF.get(change.metric.name, change.metric.title.lower()))
    return found


def units_sentence(found: dict[str, list[dict[str, Any]]]) -> str | None:
    """Return one sentence with every column whose unit seems to have changed; None where there is none."""
    told = [(name, c["unit"]) for name, some in found.items() for c in some if c["unit"] is not None]
    if not told:
        return None
    each = [f"{name}{_turn(u['old'], u['new'])} (explains {number(u['explained'], 'share')})" for name, u in told[:8]]
    more = f", and {len(told) - 8} more" if len(told) > 8 else ""
    return f"Units may have changed, as the values suggest: {', '.join(each)}{more}."


def _shift_words(part: Part, before: Column) -> str:
    if isinstance(before, DatetimeColumn):
        days, way = abs(part.after - part.before) / _DAY, "later" if part.size > 0 else "earlier"
        return f"It moved {way} by {number(days)} days: its middle is {moment(round(part.after)):%d %B %Y} now."
    what = "median length" if isinstance(before, TextColumn) else "median"
    way = "rose" if part.size > 0 else "fell"
    return f"Its {what} {way} from {number(part.before)} to {number(part.after)}."


def _length(value: float, column: Column) -> str:
    return f"{number(value / _DAY)} days" if isinstance(column, DatetimeColumn) else number(value)


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return ": " + ", ".join(map(quoted, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
