"""The outcome that each task has: made empty, read back, and unwrapped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.many import PART_CLASSES, WHOLE_CLASSES, ManyClassOutcome
from watchkeeper.profiles.multilabel import MultilabelOutcome
from watchkeeper.profiles.outcome import BinaryOutcome, ForecastOutcome, MulticlassOutcome, RegressionOutcome
from watchkeeper.profiles.ranking import PART_ROWS, WHOLE_ROWS, RankingOutcome
from watchkeeper.profiles.weighted import WeightedClassOutcome, WeightedNumberOutcome
from watchkeeper.profiles.weighted_lists import WeightedRankingOutcome
from watchkeeper.profiles.weighted_many import WeightedManyOutcome
from watchkeeper.profiles.weighted_sets import WeightedSetOutcome
from watchkeeper.schema import Schema

PlainOutcome = (
    BinaryOutcome | MulticlassOutcome | RegressionOutcome | RankingOutcome | MultilabelOutcome | ManyClassOutcome
)
_Wrapped = WeightedClassOutcome | WeightedNumberOutcome | WeightedSetOutcome | WeightedManyOutcome
Outcome = PlainOutcome | _Wrapped


def empty_outcome(schema: Schema, part: bool = False) -> Outcome | None:
    """Return the empty outcome for a schema's task; None where it has none that is profiled.

    ``part`` says that it is of a segment or day, of which there are many: samples are smaller there.
    """
    plain = _plain(schema, part)
    return plain if schema.weight is None or plain is None else _weighted(plain)


def _weighted(plain: PlainOutcome) -> Outcome:
    """Return the empty outcome with weights beside an empty one without."""
    if isinstance(plain, BinaryOutcome | MulticlassOutcome):
        return WeightedClassOutcome(plain)
    if isinstance(plain, RegressionOutcome):
        return WeightedNumberOutcome(plain)
    if isinstance(plain, MultilabelOutcome):
        return WeightedSetOutcome(plain)
    if isinstance(plain, ManyClassOutcome):
        return WeightedManyOutcome(plain)
    return WeightedRankingOutcome(plain.capacity)


def _plain(schema: Schema, part: bool) -> PlainOutcome | None:
    if schema.task == "binary":
        return BinaryOutcome()
    if schema.task == "multiclass" and schema.many_classes:
        return ManyClassOutcome(PART_CLASSES if part else WHOLE_CLASSES)
    if schema.task == "multiclass":
        return MulticlassOutcome(len(schema.classes))
    if schema.task == "multilabel":
        return MultilabelOutcome(len(schema.classes))
    if schema.task == "regression":
        return RegressionOutcome(schema.origins.get(schema.target or "", 0.0))
    if schema.task == "forecasting":
        scale = None if schema.naive_scale is None else float(schema.naive_scale)
        return ForecastOutcome(schema.origins.get(schema.target or "", 0.0), scale)
    if schema.task == "ranking":
        return RankingOutcome(PART_ROWS if part else WHOLE_ROWS)
    return None


def as_part(outcome: Outcome) -> Outcome:
    """Return an outcome of all rows as that of a segment that holds all of them; never the same one."""
    if isinstance(outcome, ManyClassOutcome | WeightedManyOutcome):
        return outcome.within(PART_CLASSES)
    return outcome.within(PART_ROWS) if isinstance(outcome, RankingOutcome) else outcome.copy()


def read_outcome(state: Mapping[str, Any], schema: Schema, part: bool = False) -> Outcome:
    """Make an outcome from a stored state; raises :class:`CorruptProfile` where it is not what the schema says."""
    like = empty_outcome(schema, part)
    if like is None:
        raise CorruptProfile("an outcome is stored although the schema has no task")
    made = (
        WeightedClassOutcome.read(state, like.plain)
        if isinstance(like, WeightedClassOutcome)
        else like.from_state(state)
    )
    _check(plain_outcome(made), plain_outcome(like), schema)
    return made


def _check(made: PlainOutcome | None, like: PlainOutcome | None, schema: Schema) -> None:
    """Raise :class:`CorruptProfile` where an outcome is not as the schema's own."""
    if type(made) is not type(like):
        raise CorruptProfile("an outcome is of another task than the schema")
    if isinstance(made, MulticlassOutcome | MultilabelOutcome) and made.classes != len(schema.classes):
        raise CorruptProfile("an outcome has another number of classes than the schema")
    if isinstance(made, RegressionOutcome) and isinstance(like, RegressionOutcome) and made.origin != like.origin:
        raise CorruptProfile(f"an outcome has the origin {made.origin}, not {like.origin} as the schema says")
    if isinstance(made, ForecastOutcome) and isinstance(like, ForecastOutcome) and made.scale != like.scale:
        raise CorruptProfile(f"an outcome has the naive scale {made.scale}, not {like.scale} as the schema says")
    bounded = RankingOutcome | ManyClassOutcome
    if isinstance(made, bounded) and isinstance(like, bounded) and made.capacity != like.capacity:
        raise CorruptProfile(
            f"an outcome keeps {made.capacity} rows or classes, not {like.capacity} as the format says"
        )


def plain_outcome(outcome: Outcome | None) -> PlainOutcome | None:
    """Return the outcome in which every row counts once: itself, where rows have no weights, and of lists, which keep them."""
    if isinstance(outcome, _Wrapped):
        plain: PlainOutcome = outcome.plain
        return plain
    return outcome
