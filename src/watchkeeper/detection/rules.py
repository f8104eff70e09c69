"""What a table is expected to be, column by column: rules that people read, edit and keep beside their code."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from watchkeeper.errors import InvalidSchema, SourceNotFound, UnknownKey
from watchkeeper.profiles.formats import FORMATS
from watchkeeper.schema import KINDS, label_text

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"])


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What one column is expected to be; what is None is not checked. Shares are of rows, or of values that are there.

    Attributes
    ----------
    type
        Its kind: numeric, categorical, boolean, datetime or text. No value may be one that cannot be read as a number or a
        time where ``mistyped_share`` does not say how many may.
    optional
        Whether the column may be missing.
    null_share, mistyped_share, infinite_share
        At most so many rows without a value, of another type, infinite.
    minimum, maximum, out_of_range_share
        The range, and how many values may lie outside it at most (0 unless said).
    allowed, new_category_share
        The categories, and how many values may be others at most (0 unless said).
    unique, repeated_share
        Whether no value may come twice, and how many rows may share theirs at most (0 unless said).
    format, format_share
        The shape of its texts, and how many have it at least (all unless said).
    """

    type: str | None = None
    optional: bool = False
    null_share: float | None = None
    mistyped_share: float | None = None
    infinite_share: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    out_of_range_share: float | None = None
    allowed: tuple[str, ...] | None = None
    new_category_share: float | None = None
    unique: bool | None = None
    repeated_share: float | None = None
    format: str | None = None
    format_share: float | None = None

    @classmethod
    def read(cls, values: object, where: str) -> Self:
        """Read the rules of one column; raises :class:`UnknownKey` or :class:`InvalidSchema`."""
        given = _mapping(values, where, [f.name for f in fields(cls)])
        made = {key: _value(key, value, f"{where}, {key}") for key, value in given.items()}
        least, most = made.get("minimum"), made.get("maximum")
        if least is not None and most is not None and least > most:
            raise InvalidSchema(f"{where}: the minimum, {least!r}, is above the maximum, {most!r}. Exchange them.")
        return cls(**made)


@dataclass(frozen=True)
class Rules:
    """Rules of a table.

    Attributes
    ----------
    columns
        Rules by column.
    id
        The column by which rows are told apart; None: by all of their content.
    duplicate_share
        At most so many rows may repeat another.
    remarks
        What the reference had, by column (None: of all rows) and rule: the comments of a suggestion.
    """

    columns: dict[str, ColumnRules] = field(default_factory=dict)
    id: str | None = None
    duplicate_share: float | None = None
    remarks: dict[tuple[str | None, str], str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "The rules") -> Self:
        """Make rules from plain values.

        Raises
        ------
        UnknownKey
            A key that is no rule; names the nearest.
        InvalidSchema
            A value that its rule does not take.
        """
        given = _mapping(values, where, ["columns", "id", "duplicate_share"])
        told = given.get("columns") or {}
        if not isinstance(told, Mapping):
            raise InvalidSchema(f"{where}: columns should hold rules by column, but is {told!r}.")
        columns = {str(name): ColumnRules.read(rules or {}, f"{where}, {name}") for name, rules in told.items()}
        made = {k: _value(k, given[k], f"{where}, {k}") for k in ("id", "duplicate_share") if given.get(k) is not None}
        return cls(columns, **made)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Self:
        """Read rules from a YAML file; raises :class:`SourceNotFound`, or as :meth:`from_dict`."""
        import yaml

        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SourceNotFound(str(path)) from error
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise InvalidSchema(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error
        return cls.from_dict(content if content is not None else {}, where=str(path))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_dict` takes back."""
        head = {"id": self.id, "duplicate_share": self.duplicate_share}
        columns = {name: _told(rules) for name, rules in self.columns.items()}
        return {k: v for k, v in head.items() if v is not None} | {"columns": columns}

    def to_yaml(self, title: str = "") -> str:
        """Return the rules as YAML, each with what the reference had as a comment."""
        lines = [f"# {line}" for line in title.splitlines()]
        for key, value in self.to_dict().items():
            if key != "columns":
                lines.append(_line("", key, value, self.remarks.get((None, key))))
        lines.append("columns:" if self.columns else "columns: {}")
        for name, rules in self.columns.items():
            told = _told(rules)
            lines.append(f"  {_key(name)}:" if told else f"  {_key(name)}: {{}}")
            lines += [_line("    ", key, value, self.remarks.get((name, key))) for key, value in told.items()]
        return "\n".join(lines) + "\n"


def _told(rules: ColumnRules) -> dict[str, Any]:
    told = {f.name: getattr(rules, f.name) for f in fields(rules)}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}
    return {key: value for key, value in plain.items() if value is not None and (key, value) != ("optional", False)}


def _line(indent: str, key: str, value: Any, remark: str | None) -> str:
    said = f"{indent}{key}: {_quoted(value)}"
    return f"{said}  # {' '.join(remark.split())}" if remark else said


def _key(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and name.casefold() not in _WORDS
    return name if plain else _quoted(name)


def _quoted(value: Any) -> str:
    """Return a value as JSON that is YAML too: what cannot be printed is escaped by its number."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def _mapping(values: object, where: str, known: list[str]) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise InvalidSchema(f"{where} should hold keys and values such as 'null_share: 0.01', but holds {values!r}.")
    for key in values:
        if key not in known:
            raise UnknownKey(str(key), known, where)
    return dict(values)


def _value(key: str, value: Any, where: str) -> Any:
    """Return the value of a rule; raises :class:`InvalidSchema` where it does not take it."""
    if value is None:
        return False if key == "optional" else None
    number = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if key in {"type", "format"}:
        known = KINDS if key == "type" else FORMATS
        if value not in known:
            raise UnknownKey(str(value), known, where)
        return value
    if key.endswith("_share"):
        good, expected = number and 0 <= value <= 1, "a share from 0 to 1"
    elif key in {"minimum", "maximum"}:
        good, expected = number, "a number"
    elif key in {"optional", "unique"}:
        good, expected = isinstance(value, bool), "true or false"
    elif key == "allowed":
        good, expected = (
            isinstance(value, list | tuple) and not any(isinstance(v, dict | list) for v in value),
            "a list",
        )
        value = (
            tuple("true" if v is True else "false" if v is False else label_text(v) for v in value) if good else value
        )
    else:
        good, expected = isinstance(value, str), "a name"
    if not good:
        raise InvalidSchema(f"{where} should be {expected}, but is {value!r}.")
    return value
