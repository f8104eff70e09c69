"""The main path, read aloud: capture, profile, compute, check, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from watchkeeper.capture.nested import LENGTH
from watchkeeper.capture.source import Source, open_source
from watchkeeper.detection.comparison import ALPHA, compare_profiles, with_rules, with_weak_segments
from watchkeeper.detection.rules import Rules
from watchkeeper.detection.rules_checked import check_rules
from watchkeeper.detection.rules_suggested import suggest
from watchkeeper.engines.local import Progress, profile_source
from watchkeeper.errors import EmptySource, InvalidSchema, UnknownColumn, nearest
from watchkeeper.inference import infer, kind_of
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.sample import SAMPLE_ROWS
from watchkeeper.report.report import Report
from watchkeeper.report.rules_report import RuleReport
from watchkeeper.schema import Schema

Tell = Callable[[str, int, float | None], None]
"""Is told which side is being read, how many rows were, and the share of it where that is known."""


def compare(
    reference: object,
    current: object,
    *,
    schema: Schema | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    alpha: float = ALPHA,
    multivariate: bool = False,
    rules: Rules | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    title: str = "",
    threads: int | None = None,
    progress: Tell | None = None,
) -> Report:
    """Compare two tables: what changed, how, and what it did to the model.

    Both are read once, in a stream; memory does not grow with the rows. What the schema leaves open is guessed from the
    reference and said in the report.

    Parameters
    ----------
    reference, current
        Anything that exports Arrow (pandas, Polars, pyarrow, DuckDB), a path or glob of Parquet or CSV files, a mapping
        of columns, an iterator of record batches; or a :class:`~watchkeeper.profiles.profile.Profile`, or the path of a
        saved one (``.profile``).
    schema
        Roles and kinds of columns, as far as you know them: a schema, its fields, or the path of a YAML file.
    alpha
        The budget: the chance of any warning at all when nothing has changed.
    multivariate
        Look at columns together too: a domain classifier, principal components, correlations, MMD. Takes seconds.
    rules
        What the current data should be besides, as :func:`suggest_rules` returns or a YAML file of it holds.
    title
        For the page.
    threads
        By default one for each processor, at most four.
    progress
        Called as ``progress("reference", rows, share)`` while reading.

    Returns
    -------
    A report with verdicts, measurements, words, and a page.

    Raises
    ------
    InputError
        One of the tables cannot be read or is empty, or the schema names a column that it does not have.
    SchemaError
        Roles that contradict each other, or profiles of different schemas.

    Examples
    --------
    >>> report = compare({"x": [1.0, 2.0, 3.0] * 100}, {"x": [2.0, 3.0, 4.0] * 100})
    >>> report.verdict
    'critical'
    """
    if not 0 < alpha < 1:
        raise InvalidSchema(f"alpha is the chance of a false warning, between 0 and 1, not {alpha!r}.")
    expected = None if rules is None else _rules(rules)
    sides = _open(reference, "reference", progress), _open(current, "current", progress)
    whole, said = _agree(sides, _given(schema))
    profiles = [_profile(side, whole, name, threads, progress) for side, name in zip(sides, _SIDES, strict=True)]
    found = with_weak_segments(compare_profiles(profiles[0], profiles[1], alpha, multivariate=multivariate))
    return Report(found if expected is None else with_rules(found, expected), title, said)


def profile(
    data: object,
    schema: Schema | None = None,
    *,
    engine: str = "local",
    sample_rows: int = SAMPLE_ROWS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Return the profile of a table: a small state from which everything is computed, and which can be merged.

    Parameters
    ----------
    data
        As for :func:`compare`.
    schema
        A schema; what it leaves open is guessed. Profiles that are to be merged must be made with one schema.
    engine
        ``local``: threads of this machine.
    sample_rows
        How many rows its sample keeps. From 10,000 on a reference can say how calibration depends on features, which
        makes estimates without labels better; at most 100,000, whose profile takes up to 16 MB.
    threads
        By default one for each processor, at most four.
    progress
        Called as ``progress(rows, share)`` while reading.

    Raises
    ------
    InputError, SchemaError
        As :func:`compare`.
    """
    if engine != "local":
        raise InvalidSchema(f"There is no engine {engine!r} yet; 'local' is the one there is.")
    source = open_source(data, flat=True)
    return profile_source(source, _whole(source, schema), sample_rows=sample_rows, threads=threads, progress=progress)


def suggest_rules(data: object, schema: Schema | None = None, *, progress: Progress | None = None) -> Rules:
    """Return rules of data quality that a reference keeps, with room for what chance brings: to be read and edited.

    Parameters
    ----------
    data
        The reference: a profile, or anything that :func:`compare` takes.
    schema
        As for :func:`profile`.
    progress
        Called as ``progress(rows, share)`` while reading.

    Examples
    --------
    >>> rules = suggest_rules({"age": [float(i % 80) for i in range(1000)]})
    >>> rules.columns["age"].minimum, rules.columns["age"].maximum, rules.columns["age"].null_share
    (0, 79, 0.0046)
    """
    side = _open(data, "the reference", None)
    return suggest(side if isinstance(side, Profile) else profile(data, schema, progress=progress))


def check(
    data: object,
    rules: Rules | Mapping[str, Any] | str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> RuleReport:
    """Hold a table against rules: which are broken, more clearly than chance would show.

    Parameters
    ----------
    data
        A profile, or anything that :func:`compare` takes. Only the columns that the rules name are read, each as its ``type``.
    rules
        As :func:`suggest_rules` returns, as plain values, or the path of a YAML file.
    progress
        Called as ``progress(rows, share)`` while reading.

    Raises
    ------
    InputError, SchemaError
        The table cannot be read, or the rules hold an unknown key or a value of the wrong type.
    """
    expected = _rules(rules)
    side = _open(data, "the data", None)
    made = side if isinstance(side, Profile) else _for_rules(side, expected, progress)
    names = () if isinstance(side, Profile) else side.schema.names
    return RuleReport(made.name, made.rows, expected, check_rules(made, expected, names))


def _rules(rules: Rules | Mapping[str, Any] | str | os.PathLike[str]) -> Rules:
    if isinstance(rules, Rules):
        return rules
    return Rules.from_dict(rules) if isinstance(rules, Mapping) else Rules.from_yaml(rules)


def _for_rules(source: Source, rules: Rules, progress: Progress | None) -> Profile:
    """Return the profile of the columns that rules name, each read as the type that it should have."""
    head = source.head()
    kinds = {
        name: told.type or kind_of(head[name])
        for name, told in rules.columns.items()
        if name in head.column_names and name != rules.id
    }
    if rules.id is not None and rules.id not in head.column_names:
        raise UnknownColumn(rules.id, head.column_names, "The rules")
    kinds = kinds or {
        name: kind_of(head[name]) for name in head.column_names
    }  # none is there: rows are counted all the same
    schema = Schema(kinds={n: k for n, k in kinds.items() if k is not None}, id=rules.id)  # type: ignore[misc]
    made = profile_source(source, schema.freeze(), progress=progress)
    if made.rows == 0:
        raise EmptySource(source.name)
    return made


def infer_schema(data: object, schema: Schema | None = None) -> Schema:
    """Return a whole schema for a table, guessed from its first 10,000 rows where ``schema`` leaves it open.

    The same rows give the same schema. It can be edited until a profile uses it.
    """
    source = open_source(data, flat=True)
    return infer(source.head(), schema)


def _given(schema: Schema | Mapping[str, Any] | str | os.PathLike[str] | None) -> Schema | None:
    if schema is None or isinstance(schema, Schema):
        return schema
    return Schema.from_dict(schema) if isinstance(schema, Mapping) else Schema.from_yaml(os.fspath(schema))


_SIDES = ("reference", "current")


def _open(data: object, name: str, progress: Tell | None) -> Source | Profile:
    if isinstance(data, Profile):
        return data
    if progress is not None:
        progress(name, 0, None)  # opening a CSV file reads all of it once
    if isinstance(data, str | os.PathLike) and Path(data).suffix == ".profile":
        loaded = Profile.load(data)
        loaded.name = loaded.name or Path(data).name
        return loaded
    source = open_source(data, None if isinstance(data, str | os.PathLike) else name, flat=True)
    if not source.schema.names:
        raise EmptySource(source.name, "columns")
    return source


def _agree(sides: tuple[Source | Profile, Source | Profile], given: Schema | None) -> tuple[Schema, list[str]]:
    """Return the one schema for both sides, and what there is to say about their columns."""
    made = [side for side in sides if isinstance(side, Profile)]
    reference, current = sides
    if isinstance(reference, Profile) or isinstance(current, Profile):
        if given is not None and (any(given.roles()) or given.kinds):
            raise InvalidSchema(
                "A profile has its schema already: roles and kinds cannot be given beside it. Make it anew with them."
            )
        return made[0].schema, []
    head, other = reference.head(), current.head()
    schema = infer(_with_roles(head, other, given), _with_kinds(head, other, given))
    return schema, _column_notices(head, other, schema)


def _with_roles(head: pa.Table, other: pa.Table, given: Schema | None) -> pa.Table:
    """Return the first rows with an empty column for each role that only the current data can fill."""
    there, known = set(head.column_names), set(other.column_names)
    for column, _ in given.roles() if given is not None else ():
        if column not in there and column in known:
            there.add(column)
            head = head.append_column(column, pa.nulls(len(head), other.schema.field(column).type))
    return head


def _with_kinds(head: pa.Table, other: pa.Table, given: Schema | None) -> Schema:
    """Return the schema with kinds, seen in the current data, for columns that are all null in the reference."""
    schema = (given or Schema()).replace()
    kinds, known = dict(schema.kinds), set(other.column_names)
    for name in head.column_names:
        empty = head[name].null_count == len(head)
        if empty and name not in kinds and name in known and other[name].null_count < len(other):
            kind = kind_of(other[name])
            if kind is not None:
                kinds[name] = kind
    schema.kinds = kinds
    return schema


def _column_notices(head: pa.Table, other: pa.Table, schema: Schema) -> list[str]:
    said = []
    before, after = set(head.column_names), set(other.column_names)
    gone = [n for n in head.column_names if n not in after]
    new = [n for n in other.column_names if n not in before and n not in schema.kinds]
    sets = {schema.target, schema.prediction} if schema.task in {"multilabel", "multiclass"} else set()
    read = {n for n in head.column_names if n in schema.kinds or f"{n}.{LENGTH}" in schema.kinds}
    unread = [n for n in head.column_names if n not in read | sets]
    if gone:
        said.append(f"The current data lacks {_listed(gone)}; counted as missing in every row.")
    for name in gone:
        near = nearest(name, new)
        if near is not None:
            said.append(f"The current data has {near!r}, and no {name!r}: was the column renamed?")
    if new:
        said.append(f"The current data has {_listed(new)}, which the reference lacks; left out.")
    if unread:
        said.append(f"{_listed(unread)} cannot be profiled (type {head.schema.field(unread[0]).type}); left out.")
    return said


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _whole(source: Source, schema: Schema | None) -> Schema:
    """Return a schema that knows every column's kind: as it stands where it is whole, else completed."""
    if schema is not None and schema.frozen:
        return schema
    head = source.head()
    if len(head) == 0 and (schema is None or not schema.kinds):
        raise EmptySource(source.name)
    if (
        schema is not None
        and schema.kinds
        and set(head.column_names) <= set(schema.kinds)
        and (schema.task or not any(schema.roles()))
    ):
        return schema
    return infer(head, schema)


def _profile(side: Source | Profile, schema: Schema, name: str, threads: int | None, progress: Tell | None) -> Profile:
    if isinstance(side, Profile):
        return side

    def tell(rows: int, share: float | None) -> None:
        if progress is not None:
            progress(name, rows, share)

    made = profile_source(side, schema, threads=threads, progress=tell)
    if made.rows == 0:
        raise EmptySource(side.name)
    return made
