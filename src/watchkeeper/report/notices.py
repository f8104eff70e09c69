"""What had to be guessed, left out or counted apart, said once."""

from __future__ import annotations

from typing import Any

import numpy as np

from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.importance import NEGLIGIBLE, ignored
from watchkeeper.metrics.dependence import FEWEST_DAYS
from watchkeeper.profiles.column import CategoricalColumn, NumericColumn
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.multilabel import MultilabelOutcome
from watchkeeper.profiles.outcome import RegressionOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.ranking import RankingOutcome
from watchkeeper.profiles.segments import SEGMENT_CAP
from watchkeeper.profiles.tasks import plain_outcome
from watchkeeper.profiles.weighted_lists import WeightedRankingOutcome

_MOST = 8
_BINS = "segment_bins."


def notices(comparison: Comparison) -> list[str]:
    """Return every notice about two profiles."""
    reference, current = comparison.reference, comparison.current
    found = _guesses(reference) + _of_bins(reference) + _of_task(reference)
    for side, profile in (("the reference", reference), ("the current data", current)):
        found += _of_columns(profile, side) + _of_outcome(profile, side) + _of_segments(profile, side)
    return (
        list(dict.fromkeys(found)) + _of_importances(reference) + _of_time(reference) + _of_repeats(reference, current)
    )


def _of_importances(reference: Profile) -> list[str]:
    hints = sorted(name for name in ignored(reference.schema) if name in reference.columns)
    if not hints:
        return []
    listed = ", ".join(hints[:_MOST]) + (f" and {len(hints) - _MOST} more" if len(hints) > _MOST else "")
    return [
        f"By the importances that the reference names, less than {NEGLIGIBLE:.0%} of what the model goes by is {listed}: "
        "such columns are at most a warning, and open no incident."
    ]


def _guesses(profile: Profile) -> list[str]:
    schema = profile.schema
    roles = [name for name in schema.guessed if not name.startswith(("kinds.", _BINS))]
    binned = [name.removeprefix(_BINS) for name in schema.guessed if name.startswith(_BINS)]
    found = [f"{name} = {getattr(schema, name)}" for name in roles]
    found += [f"segment_bins of {c} = {schema.segment_bins[c]}" for c in binned if c in schema.segment_bins]
    if not found:
        return []
    said = ", ".join(found)
    return [f"Guessed, because the schema leaves it open: {said}. Give a schema to say otherwise."]


def _of_bins(profile: Profile) -> list[str]:
    schema = profile.schema
    cut = {column for columns in schema.cuts().values() for column in columns}
    return [
        f"segment_bins names {column!r}, which is in no segment: only the search for weak segments goes by its edges. "
        "Name it in segments to see its bins."
        for column in schema.segment_bins
        if column not in cut
    ]


def _of_task(profile: Profile) -> list[str]:
    schema = profile.schema
    if schema.task is not None and profile.outcome is None:
        return [f"The task {schema.task!r} is not measured yet: only columns were compared."]
    if schema.target is None:
        said = "No target is named, and no column is called target, label or the like"
        return [f"{said}: without labels, performance was not measured."]
    return []


def _of_columns(profile: Profile, side: str) -> list[str]:
    found = []
    mistyped = [n for n, c in profile.columns.items() if c.mistyped]
    if mistyped:
        found.append(f"In {side}, values of another type were counted as missing in {_names(mistyped)}.")
    odd = [n for n, c in profile.columns.items() if isinstance(c, NumericColumn) and (c.nans or c.infinities)]
    if odd:
        found.append(f"In {side}, NaN or infinite values were counted apart in {_names(odd)}.")
    empty = [n for n, c in profile.columns.items() if c.rows and c.nulls == c.rows]
    if empty:
        found.append(f"In {side}, {_names(empty)} {'has' if len(empty) == 1 else 'have'} no values.")
    column = profile.columns.get(profile.schema.timestamp or "")
    if column is not None and column.nulls:
        found.append(f"In {side}, {column.nulls} rows have no readable timestamp: they count, but in no day.")
    many = [n for n, c in profile.columns.items() if isinstance(c, CategoricalColumn) and not c.categories.exact]
    if many:
        found.append(
            f"In {side}, {_names(many)} has more than 4,096 categories; a sample of them, drawn by hash, is compared."
        )
    return found


def _of_outcome(profile: Profile, side: str) -> list[str]:
    outcome = plain_outcome(profile.outcome)
    if outcome is None:
        return []
    found = _of_weights(profile, side)
    if isinstance(outcome, RegressionOutcome):
        if outcome.extreme:
            found.append(
                f"In {side}, {outcome.extreme} rows with targets or predictions beyond 1e75 take no part in errors."
            )
        return found
    if isinstance(outcome, RankingOutcome):
        return found + _of_lists(outcome, side)
    if isinstance(outcome, ManyClassOutcome):
        if outcome.sampled:
            found.append(f"In {side}, F1 is that of {len(outcome.names):,} classes, drawn by hash; there are more.")
        return found
    if isinstance(outcome, MultilabelOutcome):
        return found + _of_sets(outcome, side)
    if outcome.strange:
        known = ", ".join(profile.schema.classes[:5])
        found.append(f"In {side}, {outcome.strange} rows have a label or prediction of no known class ({known}).")
    if outcome.improbable:
        found.append(
            f"In {side}, {outcome.improbable} scores lie outside 0 to 1: losses, calibration and CBPE leave them out, and "
            "say nothing where most are so."
        )
    if profile.schema.score is not None and outcome.scoreless:
        found.append(f"In {side}, {outcome.scoreless} rows have no score.")
    return found


def _of_weights(profile: Profile, side: str) -> list[str]:
    if profile.schema.weight is None:
        return []
    outcome: Any = profile.outcome
    if isinstance(outcome, WeightedRankingOutcome):
        found = ["Metrics are weighted: a list weighs the mean of its rows' weights. Columns count every row once."]
    else:
        found = ["Metrics are weighted; columns, curves and confusion matrices count every row once."]
    if outcome.unweighted:
        found.append(f"In {side}, {outcome.unweighted} rows have no weight from 0 to 1e20: they weigh nothing.")
    return found


def _of_sets(outcome: MultilabelOutcome, side: str) -> list[str]:
    found = []
    if outcome.strange:
        found.append(
            f"In {side}, {outcome.strange} rows have labels that are not among the classes; these are left out."
        )
    if outcome.unpredicted:
        found.append(f"In {side}, {outcome.unpredicted} rows have a label and no prediction.")
    return found


def _of_lists(outcome: RankingOutcome, side: str) -> list[str]:
    found = []
    if outcome.sampled:
        kept = f"{len(np.unique(outcome.query)):,} lists, drawn by hash"
        found.append(f"In {side}, there are more lists than are kept: metrics are those of {kept}.")
    if outcome.unasked or outcome.unscored:
        found.append(
            f"In {side}, {outcome.unasked} rows have no query and {outcome.unscored} no score: they are in no list."
        )
    if outcome.strange:
        found.append(f"In {side}, {outcome.strange} relevances are below 0 or no numbers, and count as not known.")
    return found


def _of_segments(profile: Profile, side: str) -> list[str]:
    full = [column for column, segments in profile.segments.items() if segments.other.rows]
    if not full:
        return []
    return [
        f"In {side}, {_names(full)} has more than {SEGMENT_CAP} values; all others are counted together as __other__."
    ]


def _of_time(reference: Profile) -> list[str]:
    if reference.outcome is None:
        return []
    if reference.schema.timestamp is None:
        return ["No timestamp is named, so rows are taken as independent; intervals are too narrow where days differ."]
    if reference.timeline is not None and len(reference.timeline.outcomes) < FEWEST_DAYS:
        return [f"The reference has fewer than {FEWEST_DAYS} days, so rows are taken as independent."]
    return []


def _of_repeats(reference: Profile, current: Profile) -> list[str]:
    if reference.schema.id is None:
        return []
    repeated = [p for p in (reference, current) if (p.sample.index.copies > 1).any()]
    return [f"Some values of {reference.schema.id!r} come more than once; every row was counted."] if repeated else []


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST])
    return shown + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
