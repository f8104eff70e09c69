"""Which column plays which role, of which kind it is, and what the model's task is."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from watchkeeper.errors import InvalidSchema, SchemaFrozen, SchemaMismatch, SourceNotFound, UnknownColumn, UnknownKey

Kind = Literal["numeric", "categorical", "boolean", "datetime", "text", "vector", "image", "audio"]
Task = Literal["binary", "multiclass", "multilabel", "regression", "ranking", "forecasting", "generation"]
Role = Literal[
    "id", "timestamp", "target", "prediction", "score", "feature", "segment",
    "sensitive", "embedding", "text", "image", "query", "weight", "latency", "error",
    "cpu", "memory", "horizon",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
TASKS: tuple[Task, ...] = get_args(Task)
NUMBER_TASKS: tuple[Task, ...] = ("regression", "forecasting", "ranking")
"""Tasks whose target is a number."""
MOST_CLASSES = 256
"""So many classes are kept apart at most."""
_SINGLE: tuple[Role, ...] = (
    "id", "timestamp", "target", "prediction", "query", "weight", "latency", "error",
    "cpu", "memory", "horizon",
)  # fmt: skip
_MANY: dict[str, Role] = {"segments": "segment", "sensitive": "sensitive"}
_REMARKS = {"guessed", "importances"}
"""Fields that change no profile."""
_LATER = {"importances", "crossed", "segment_bins"}
"""Fields that came later: left out where they say nothing, so that older profiles keep the fingerprint of their schema."""
CROSSING = " x "
"""What stands between the columns, and the values, of a crossed segment."""
MOST_VALUES = 64
"""Part of the format: so many values of a segment column are kept apart."""
MOST_EDGES = MOST_VALUES - 2
"""So many edges cut a column into bins at most, which with those that are missing are as many segments as are kept apart."""
_ALIASES = {"datetime": "timestamp", "label": "target", "prediction_probas": "score", "categorical_features": None}


@dataclass
class Schema:
    """Roles and kinds of columns. Give what you know; :func:`watchkeeper.infer_schema` guesses the rest and says so.

    A schema can be edited until a profile uses it. From then on it is frozen; :meth:`replace` makes another.

    Parameters
    ----------
    timestamp, target, prediction, id, query, weight
        Name of the column that plays the role.
        ``query`` names the list that a row belongs to in a ranking: a search, a session, a user.
    latency, error
        Columns with the seconds that the call of the model took, and with the name of the error where it failed.
    cpu, memory
        Columns with the processor seconds and the bytes in memory of the process that serves the model, null in rows
        that do not say; seconds are added up, bytes are not.
    horizon
        Column that says how far ahead a forecast looks (1, 2, ... steps, or words); errors are reported for each.
    naive_scale
        The mean absolute error of the naive forecast on the reference, by which ``mase`` is scaled. None: that of the
        last known value, where the reference's first rows are one series in time.
    score
        Name of the column with the probability of the positive class (binary), or a mapping of class to column
        (multiclass).
    features
        Names of the model's inputs. None: every column without another role.
    segments, sensitive
        Columns for whose values outcomes are kept apart; ``sensitive`` ones are also groups in fairness. A pair of columns
        among the segments, such as ``["origin", "carrier"]``, keeps them apart for each pair of values.
    crossed
        The pairs among the segments; where ``segments`` holds pairs, they are moved here. Each is one segment column,
        called ``origin x carrier``.
    segment_bins
        Column to the edges of the bins by which it is a segment: numbers, or texts of dates. A bin holds its lower edge.
        Inference gives edges (quintiles, rounded) to numbers and times with more than 32 distinct values.
    kinds
        Kind by column.
    task
        ``binary``, ``multiclass``, ``multilabel``, ``regression``, ``forecasting`` or ``ranking``.
    positive
        The positive class of a binary task, as it stands in the target.
    classes
        All classes, as text. Others that turn up later are counted together as ``__other__``.
    many_classes
        Whether a multiclass task has more classes than can be listed: they are then taken as they come. Its prediction may
        be a list of classes, best first, for top-k accuracy.
    threshold
        Where there is a score but no prediction, a score of at least this predicts the positive class.
    zone
        IANA zone in which days begin, and which naive timestamps are taken to be in. None is UTC.
    privileged
        Sensitive column to its privileged value.
    origins
        Numeric column to the number about which its squares are summed. Set it near the mean for columns whose
        spread is tiny beside their size, such as seconds since 1970.
    importances
        Feature to what the model makes of it, on any scale: weights what is told of its drift. No part of what is counted.
    guessed
        Fields that inference filled in; for people to check.

    Examples
    --------
    >>> schema = Schema(target="y", kinds={"y": "categorical"})
    >>> schema.role("y"), schema.role("x")
    ('target', 'feature')
    """

    timestamp: str | None = None
    target: str | None = None
    prediction: str | None = None
    score: str | dict[str, str] | None = None
    id: str | None = None
    query: str | None = None
    weight: str | None = None
    latency: str | None = None
    error: str | None = None
    cpu: str | None = None
    memory: str | None = None
    horizon: str | None = None
    naive_scale: float | None = None
    features: list[str] | None = None
    segments: list[str] = field(default_factory=list)
    sensitive: list[str] = field(default_factory=list)
    crossed: list[list[str]] = field(default_factory=list)
    segment_bins: dict[str, list[Any]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    task: Task | None = None
    positive: str | int | float | bool | None = None
    classes: list[str] = field(default_factory=list)
    many_classes: bool = False
    threshold: float = 0.5
    zone: str | None = None
    privileged: dict[str, str] = field(default_factory=dict)
    origins: dict[str, float] = field(default_factory=dict)
    importances: dict[str, float] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.segments, self.crossed = _apart(self.segments, self.crossed)
        _check_values(self)
        self.segment_bins = {column: _edges(column, edges) for column, edges in self.segment_bins.items()}
        for name in (*_MANY, "classes", "guessed"):
            setattr(self, name, [_plain(value) for value in getattr(self, name)])
        self.positive = _plain(self.positive)
        if self.horizon is not None and self.horizon not in self.segments:
            self.segments = [*self.segments, self.horizon]
        self.origins = {column: float(origin) for column, origin in self.origins.items()}
        self.importances = {column: float(_plain(value)) for column, value in self.importances.items()}
        if isinstance(self.score, dict):
            self.score = {label_text(label): column for label, column in self.score.items()}
        for column, kind in self.kinds.items():
            if kind not in KINDS:
                raise UnknownKey(str(kind), KINDS, f"The kind of column {column!r}")
        if self.task is not None and self.task not in TASKS:
            raise UnknownKey(str(self.task), TASKS, "task")

    def __setattr__(self, name: str, value: object) -> None:
        if name != "_frozen" and getattr(self, "_frozen", False):
            raise SchemaFrozen(name)
        object.__setattr__(self, name, value)

    @property
    def frozen(self) -> bool:
        """Whether a profile uses this schema."""
        return getattr(self, "_frozen", False)

    def freeze(self) -> Schema:
        """Forbid further edits and return the schema itself."""
        self._frozen = True
        return self

    def replace(self, **changes: Any) -> Schema:
        """Return an unfrozen copy with ``changes``."""
        known = [f.name for f in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise UnknownKey(name, known, "Schema")
        return Schema(**(self.to_dict() | changes))

    def scores(self) -> dict[str, str]:
        """Return class to score column; a binary score stands under the positive class's name."""
        if self.score is None:
            return {}
        return dict(self.score) if isinstance(self.score, dict) else {label_text(self.positive): self.score}

    def roles(self) -> Iterator[tuple[str, Role]]:
        """Yield column and role for every role given; a column may come more than once."""
        for role in _SINGLE:
            column = getattr(self, role)
            if column is not None:
                yield column, role
        for column in self.scores().values():
            yield column, "score"
        for name, many in _MANY.items():
            for column in getattr(self, name):
                yield column, many
        for pair in self.crossed:
            for column in pair:
                yield column, "segment"
        for column in self.features or []:
            yield column, "feature"

    def cuts(self) -> dict[str, tuple[str, ...]]:
        """Return what rows are kept apart by: the name of each cut with its column, or with the two that are crossed."""
        found = {column: (column,) for column in (*self.segments, *self.sensitive)}
        return found | {CROSSING.join(pair): tuple(pair) for pair in self.crossed}

    def role(self, column: str) -> Role:
        """Return the column's leading role; ``feature`` for one that no role names."""
        return next((role for name, role in self.roles() if name == column), "feature")

    @property
    def operational(self) -> set[str]:
        """The columns that tell of the service, not of the data: latency, error, cpu and memory."""
        told = (self.latency, self.error, self.cpu, self.memory)
        return {column for column in told if column is not None}

    def profiled(self) -> dict[str, Kind]:
        """Return the columns that get a profile of their own: not ids and queries, nor what ``features`` leaves out."""
        named = {name for name, _ in self.roles()}
        apart = {self.id, self.query}
        return {c: k for c, k in self.kinds.items() if c not in apart and (c in named or self.features is None)}

    def check_columns(self, existing: list[str], where: str = "The schema") -> None:
        """Raise :class:`UnknownColumn` for the first role, kind or importance of a column that the data does not have."""
        there = set(existing)
        for column in (*(name for name, _ in self.roles()), *self.kinds, *self.importances, *self.segment_bins):
            if column not in there:
                raise UnknownColumn(column, existing, where)

    def check_same(self, other: Schema) -> None:
        """Raise :class:`SchemaMismatch` naming each difference that keeps two profiles from being put together."""
        mine, theirs = self.to_dict(), other.to_dict()
        differences = [
            f"{k} is {_short(mine.get(k))} and {_short(theirs.get(k))}"
            for k in mine | theirs
            if k not in _REMARKS and mine.get(k) != theirs.get(k)
        ]
        if differences:
            raise SchemaMismatch(differences)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with anything that changes a profile."""
        content = {k: v for k, v in self.to_dict().items() if k not in _REMARKS}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_dict` takes back."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in _LATER or value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "The schema") -> Schema:
        """Make a schema from plain values.

        Raises
        ------
        UnknownKey
            A key that is none of the parameters; names the nearest.
        """
        known = [f.name for f in dataclasses.fields(cls)]
        if not isinstance(values, Mapping):
            raise InvalidSchema(
                f"{where} must hold keys and values such as 'target: late', but holds {_short(values)}."
            )
        fields: dict[str, Any] = {}
        for key, value in values.items():
            name = _ALIASES.get(key, key)
            if name not in known:
                raise UnknownKey(str(key), known, where)
            fields[name] = value
        try:
            return cls(**fields)
        except (TypeError, AttributeError) as error:
            raise InvalidSchema(f"{where} has a value of the wrong type: {error}.") from error

    @classmethod
    def from_yaml(cls, path: str | Path) -> Schema:
        """Read a schema from a YAML file with the parameters as keys."""
        import yaml

        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SourceNotFound(str(path)) from error
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise InvalidSchema(f"{path} is not a YAML file: {reason}") from error
        if not isinstance(content, dict):
            raise InvalidSchema(
                f"{path} must hold keys and values such as 'target: late', but holds {type(content).__name__}."
            )
        return cls.from_dict(content.get("schema", content), where=str(path))


def _check_values(schema: Schema) -> None:
    """Raise :class:`InvalidSchema` for the first value of a type that its parameter does not take."""
    for name in (*_SINGLE, "zone"):
        _check(name, getattr(schema, name), _is_name, "a text")
    for name in (*_MANY, "classes", "guessed", "features"):
        value = getattr(schema, name)
        if isinstance(value, str):
            raise InvalidSchema(f"{name} is a list of names; write {name}=[{value!r}], not {name}={value!r}.")
        _check(name, value, _is_names if name != "classes" else _is_labels, "a list of names")
    for name in ("kinds", "privileged", "origins", "importances", "segment_bins"):
        value = getattr(schema, name)
        _check(name, value, lambda v: isinstance(v, Mapping) and all(map(_is_name, v)), "a mapping of names")
    _check("crossed", schema.crossed, lambda v: isinstance(v, list), "a list of pairs of columns")
    _check("origins", list(schema.origins.values()), lambda v: all(map(_is_number, v)), "a mapping to finite numbers")
    weights = [_plain(value) for value in schema.importances.values()]
    _check("importances", weights, lambda v: all(map(_is_number, v)), "a mapping to finite numbers")
    _check("privileged", list(schema.privileged.values()), _is_labels, "a mapping to labels")
    score = list(schema.score.values()) if isinstance(schema.score, dict) else [schema.score]
    _check("score", score, lambda v: v == [None] or _is_names(v), "a name, or a mapping of class to name")
    _check("many_classes", schema.many_classes, lambda v: isinstance(v, bool), "True or False")
    _check("positive", schema.positive, lambda v: _is_labels([v]), "a label")
    _check("threshold", [schema.threshold], lambda v: all(map(_is_number, v)), "a finite number")
    scale = [0.0] if schema.naive_scale is None else [schema.naive_scale]
    _check("naive_scale", scale, lambda v: all(_is_number(n) and n >= 0 for n in v), "a finite number from 0 on")
    if len(schema.classes) > MOST_CLASSES:
        raise InvalidSchema(
            f"classes has {len(schema.classes)} entries; at most {MOST_CLASSES} are kept apart. "
            "For thousands, leave classes out and say many_classes=True."
        )


def _apart(segments: Any, crossed: Any) -> tuple[Any, Any]:
    """Return columns and pairs of columns apart; what is neither stays where it is, to be refused by its type."""
    if not isinstance(segments, list | tuple | set | frozenset) or not isinstance(crossed, list | tuple):
        return segments, crossed
    pairs = [list(s) for s in (*segments, *crossed) if isinstance(s, list | tuple)]
    for pair in pairs:
        if len(pair) != 2 or not _is_names(pair) or len(set(pair)) < 2:
            raise InvalidSchema(
                f"A crossed segment is a pair of different columns such as [origin, carrier], not {_short(pair)}."
            )
    if not all(isinstance(pair, list | tuple) for pair in crossed):
        raise InvalidSchema(f"crossed should be a list of pairs such as [origin, carrier], but is {_short(crossed)}.")
    columns = [s for s in segments if not isinstance(s, list | tuple)]
    return columns, [pair for place, pair in enumerate(pairs) if pair not in pairs[:place]]


def _edges(column: str, edges: object) -> list[Any]:
    """Return the edges of a column's bins as plain values; raises :class:`InvalidSchema` where they are no such."""
    found = [_plain(edge) for edge in edges] if isinstance(edges, list | tuple) else []
    numbers = bool(found) and all(map(_is_number, found))
    if not (numbers or (found and all(map(_is_moment, found)))) or len(found) > MOST_EDGES:
        raise InvalidSchema(
            f"segment_bins of {column!r} should be 1 to {MOST_EDGES} edges, numbers or texts of dates, but is {_short(edges)}."
        )
    if numbers:
        found = [float(edge) for edge in found]
    order = [edge if numbers else datetime.fromisoformat(edge).replace(tzinfo=None) for edge in found]
    if any(second <= first for first, second in itertools.pairwise(order)):
        raise InvalidSchema(f"The edges in segment_bins of {column!r} should go up, but are {_short(found)}.")
    return found


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _check(name: str, value: object, fits: Callable[[Any], bool], expected: str) -> None:
    if value is not None and not fits(value):
        raise InvalidSchema(f"{name} should be {expected}, but is {_short(value)}.")


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(map(_is_name, value))


def _is_labels(value: object) -> bool:
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        return False
    return all(isinstance(v, str) or not hasattr(v, "__len__") for v in value)


def _plain(value: Any) -> Any:
    """Return NumPy's scalars as Python's, for they cannot be stored."""
    return value.item() if hasattr(value, "item") else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def label_text(value: object) -> str:
    """Return a class or category as text: 1, 1.0 and True are ``'1'``, so that a 0/1 target meets a boolean prediction."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def split_labels(value: object) -> list[str]:
    """Return the labels of one entry of a multilabel column: of a text, what stands between bars, semicolons and commas."""
    if isinstance(value, str):
        return [part for part in map(str.strip, re.split(r"[|;,]", value)) if part]
    return [label_text(value)]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
