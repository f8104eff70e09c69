"""A YAML document read strictly: every value knows its place, so that an error can name it, and nothing is guessed.

Differs from YAML as usually read: keys that come twice are refused, so are tags and aliases (a small file must not become
a large one), and only ``true`` and ``false`` are truth values, because ``on`` is a key of ours and ``no`` a country.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from watchkeeper.errors import InvalidMonitors, nearest
from watchkeeper.schema import CROSSING

LONGEST = 1 << 18
"""So many characters a document has at most."""


class _Loader(yaml.SafeLoader):
    """The plain types of YAML 1.2's core schema, each key once, no aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as PyYAML has it

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _refused(event, "tags are not read; leave them out")
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, "aliases are not read; write the value again")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise _refused(key, f"a key must be a text, not {_short(name)}")
            if name in seen:
                raise _refused(key, f"the key {_short(name)} comes twice")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _refused(at: Any, why: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, why, at.start_mark)


class _Dumper(yaml.SafeDumper):
    """Quotes what :class:`_Loader` would not read as a text, beside what YAML in general would not."""


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", "-+.0123456789"),
):
    for _reader in (_Loader, _Dumper):
        _reader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def parse(text: str, what: str = "The file") -> Place:
    """Return a document's mapping as a place.

    Raises
    ------
    InvalidMonitors
        The text is no YAML, too long, or no mapping.
    """
    if len(text) > LONGEST:
        raise InvalidMonitors("", f"{what} has {len(text):,} characters; at most {LONGEST:,} are read.")
    try:
        value = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidMonitors(where, f"{error.problem or error.context}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split()) if not isinstance(error, RecursionError) else "it is nested too deeply"
        raise InvalidMonitors("", f"{what} is not YAML: {reason}.") from error
    if not isinstance(value, dict):
        raise InvalidMonitors(
            "", f"{what} must hold keys and values such as 'model: late-flights', but holds {_kind(value)}."
        )
    return Place(value, "")


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a document, and where it stands there, such as ``monitors[2].detect``."""

    value: Any
    where: str

    def refusal(self, why: str) -> InvalidMonitors:
        """Return the error that says what is wrong here."""
        return InvalidMonitors(self.where or "the file", why)

    def keys(self, known: tuple[str, ...]) -> dict[str, Place]:
        """Return the values of a mapping that may have only ``known`` keys; keys without a value are left out.

        Raises
        ------
        InvalidMonitors
            It is no mapping, or has a key that is not known; names the nearest.
        """
        found = self.mapping()
        for name in found:
            if name not in known:
                raise self.refusal(unknown("the key", name, known))
        return {name: place for name, place in found.items() if place.value is not None}

    def mapping(self) -> dict[str, Place]:
        """Return the values of a mapping with any keys."""
        if not isinstance(self.value, Mapping):
            raise self.refusal(f"should hold keys and values, but holds {_kind(self.value)}.")
        return {str(k): Place(v, f"{self.where}.{k}" if self.where else str(k)) for k, v in self.value.items()}

    def items(self) -> Iterator[Place]:
        """Yield the entries of a list."""
        if not isinstance(self.value, list | tuple):
            raise self.refusal(f"should be a list, but is {_kind(self.value)}.")
        for number, value in enumerate(self.value):
            yield Place(value, f"{self.where}[{number}]")

    def text(self, longest: int = 256) -> str:
        """Return a text without control characters."""
        if not isinstance(self.value, str) or not 0 < len(self.value) <= longest or not self.value.isprintable():
            raise self.refusal(f"should be a text of at most {longest} characters, but is {_kind(self.value)}.")
        return self.value

    def word(self) -> str:
        """Return a text, or a number as one: a version may be ``3``."""
        whole = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        return str(self.value) if whole else self.text()

    def texts(self) -> tuple[str, ...]:
        """Return a list of different texts; a text alone is a list of one."""
        found = (self.text(),) if isinstance(self.value, str) else tuple(place.text() for place in self.items())
        if len(set(found)) < len(found):
            raise self.refusal("names something twice.")
        return found

    def names(self) -> tuple[str, ...]:
        """Return a list of different names; a pair of them, such as ``[origin, carrier]``, is their crossing's name."""
        if not isinstance(self.value, list) or not any(isinstance(name, list) for name in self.value):
            return self.texts()
        return tuple(
            CROSSING.join(place.texts()) if isinstance(place.value, list) else place.text() for place in self.items()
        )

    def choice(self, known: tuple[str, ...]) -> str:
        """Return one of ``known``."""
        if self.value not in known:
            raise self.refusal(unknown("the value", str(self.value), known))
        return str(self.value)

    def number(self, least: float, most: float) -> float:
        """Return a number from ``least`` to ``most``."""
        good = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not good or not math.isfinite(self.value) or not least <= self.value <= most:
            raise self.refusal(f"should be a number from {least:g} to {most:g}, but is {_kind(self.value)}.")
        return float(self.value)

    def whole(self, least: int, most: int) -> int:
        """Return a whole number from ``least`` to ``most``."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            raise self.refusal(f"should be a whole number from {least} to {most}, but is {_kind(self.value)}.")
        return self.value

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.refusal(f"should be true or false, but is {_kind(self.value)}.")
        return self.value


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """Return the sentence that a key or value is not known; with the nearest one that is."""
    near = nearest(name, known)
    hint = f" Did you mean {near!r}?" if near else ""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"does not know {what} {_short(name)}.{hint} It knows: {shown}."


def dump(document: Mapping[str, Any]) -> str:
    """Return a document as YAML that :func:`parse` reads back."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def flow(value: object) -> str:
    """Return a value as YAML on one line, such as ``{metric: roc_auc}``."""
    text = yaml.dump(
        [value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 30, default_flow_style=True
    )
    return text.strip()[1:-1]


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else _short(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
