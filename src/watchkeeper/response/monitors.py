"""A file of monitors: what is watched of one model, how often, within which budget, and what is done about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Self

from watchkeeper.detection.budget import UNITS, Budget, length_of
from watchkeeper.errors import UnknownKey, WatchkeeperError
from watchkeeper.response.document import Place, dump, parse, unknown
from watchkeeper.response.monitor import Monitor
from watchkeeper.response.rule import Rule
from watchkeeper.response.schedule import Schedule, zone_of
from watchkeeper.schema import Schema

Every = Literal["hour", "day", "week", "month"]
Clock = Literal["wall", "event"]
_EVERY: dict[str, Every] = {"1h": "hour", "1d": "day", "1w": "week", "7d": "week", "1mo": "month"}
_WRITTEN: dict[Every, str] = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}
_KEYS = (
    "model", "environment", "schema", "window", "clock", "reference", "budget", "schedule", "monitors", "respond",
)  # fmt: skip
_MOST = 500
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Reference:
    """What is compared against: the reference of a training (``latest``: of the version itself), a range, or what went before.

    Exactly one is given: ``training`` a version, ``range`` the first day and the one after the last, ``trailing`` a length
    in microseconds (and as written).
    """

    training: str | None = "latest"
    range: tuple[date, date] | None = None
    trailing: int | None = None
    text: str = ""

    @classmethod
    def read(cls, place: Place) -> Self:
        """Read ``{training: latest}``, ``{range: [2013-03-01, 2013-04-01]}`` or ``{trailing: 28d}``."""
        values = place.keys(("training", "range", "trailing"))
        if len(values) != 1:
            raise place.refusal("needs exactly one of training, range and trailing, such as {training: latest}.")
        if "training" in values:
            return cls(values["training"].word())
        if "trailing" in values:
            text = values["trailing"].text()
            return cls(None, None, length_of(text, values["trailing"].where), text)
        days = [_day(entry) for entry in values["range"].items()]
        if len(days) != 2 or days[0] >= days[1]:
            raise values["range"].refusal("should be two days such as [2013-03-01, 2013-04-01], the second left out.")
        return cls(None, (days[0], days[1]))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`read` takes back."""
        if self.range is not None:
            return {"range": [day.isoformat() for day in self.range]}
        return {"trailing": self.text} if self.trailing is not None else {"training": self.training}


def _day(place: Place) -> date:
    try:
        return date.fromisoformat(place.text())
    except ValueError as error:
        raise place.refusal(f"{place.value!r} is no day such as 2013-03-01.") from error


@dataclass(frozen=True, slots=True)
class Monitors:
    """A file of monitors, read; every default is filled in.

    Attributes
    ----------
    model, environment
        Which model.
    schema
        What the file says of the schema; None where it says nothing.
    every, zone
        The windows that are judged, and the zone in which their days begin (None: that of the schema).
    clock
        ``event``: time is what the rows say; None where the file leaves it to the model.
    budget, share
        The project's budget of false incidents, and the model's share of it (None: what the project gives it).
    """

    model: str
    monitors: tuple[Monitor, ...]
    environment: str = "production"
    schema: Mapping[str, Any] | None = None
    every: Every = "day"
    zone: str | None = None
    clock: Clock | None = None
    reference: Reference = field(default_factory=Reference)
    budget: Budget = field(default_factory=Budget)
    share: float | None = None
    schedule: Schedule = field(default_factory=Schedule)
    respond: tuple[Rule, ...] = ()

    @property
    def every_microseconds(self) -> int:
        """How long a window is, months as on average."""
        return UNITS[self.every]

    @property
    def opening(self) -> frozenset[str]:
        """The monitors whose alarms open incidents."""
        return frozenset(m.name for m in self.monitors if m.role == "incident")

    def monitor(self, name: str) -> Monitor | None:
        """Return the monitor with a name."""
        return next((m for m in self.monitors if m.name == name), None)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read a file of monitors.

        Raises
        ------
        InvalidMonitors
            It cannot be used; says where, and names what is nearest to a word that is not known.

        Examples
        --------
        >>> watched = Monitors.from_yaml("{model: late-flights, monitors: [{metric: roc_auc}]}")
        >>> watched.monitors[0].detect.to_dict()
        {'risk': {'tolerance': 0.02, 'relative': False}}
        """
        return cls.read(parse(text, "The file of monitors"))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_dict` gave."""
        return cls.read(Place(document, ""))

    @classmethod
    def read(cls, place: Place) -> Self:
        """Read a document."""
        values = place.keys(_KEYS)
        for name in ("model", "monitors"):
            if name not in values:
                raise place.refusal(f"needs {name!r}.")
        monitors = _monitors(values["monitors"])
        names = tuple(m.name for m in monitors)
        given: dict[str, Any] = {"model": values["model"].text(), "monitors": monitors}
        if "environment" in values:
            given["environment"] = values["environment"].text()
        if "schema" in values:
            given["schema"] = _schema(values["schema"])
        if "window" in values:
            given |= _window(values["window"])
        if "clock" in values:
            given["clock"] = values["clock"].choice(("wall", "event"))
        if "reference" in values:
            given["reference"] = Reference.read(values["reference"])
        if "budget" in values:
            given |= _budget(values["budget"])
        if "schedule" in values:
            given["schedule"] = Schedule.read(values["schedule"])
        if "respond" in values:
            given["respond"] = tuple(Rule.read(entry, names) for entry in values["respond"].items())
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, every default written out."""
        made: dict[str, Any] = {"model": self.model, "environment": self.environment}
        if self.schema is not None:
            made["schema"] = dict(self.schema)
        window = {"every": _WRITTEN[self.every]} | ({"zone": self.zone} if self.zone else {})
        budget = {"per": self.budget.text, "share": self.share} if self.share is not None else self.budget.text
        made |= {"window": window, "reference": self.reference.to_dict(), "budget": budget}
        made |= {"clock": self.clock} if self.clock is not None else {}
        made |= {"schedule": self.schedule.to_dict(), "monitors": [m.to_dict() for m in self.monitors]}
        return made | {"respond": [rule.to_dict() for rule in self.respond]}

    def to_yaml(self) -> str:
        """Return a file that :meth:`from_yaml` takes back."""
        return dump(self.to_dict())


def _monitors(place: Place) -> tuple[Monitor, ...]:
    found: dict[str, Monitor] = {}
    for number, entry in enumerate(place.items()):
        monitor = Monitor.read(entry)
        if number >= _MOST:
            raise place.refusal(f"has more than {_MOST} entries; a monitor may have many columns.")
        if monitor.name in found:
            raise entry.refusal(f"is called {monitor.name!r}, as is another. Give one of them another 'name'.")
        found[monitor.name] = monitor
    if not found:
        raise place.refusal("has no entry; give at least one, such as {metric: roc_auc}.")
    return tuple(found.values())


def _schema(place: Place) -> Mapping[str, Any]:
    values = {name: inner.value for name, inner in place.mapping().items()}
    try:
        Schema.from_dict(values)
    except UnknownKey as error:
        raise place.refusal(unknown("the key", error.name, tuple(error.existing))) from error
    except WatchkeeperError as error:
        raise place.refusal(str(error)) from error
    return values


def _window(place: Place) -> dict[str, Any]:
    values = place.keys(("every", "zone"))
    made: dict[str, Any] = {}
    if "every" in values:
        name = values["every"].text()
        known = (*_EVERY, *_WRITTEN)
        if name not in known:
            raise values["every"].refusal(unknown("the length", name, known))
        made["every"] = _EVERY.get(name, name)
    if "zone" in values:
        made["zone"] = zone_of(values["zone"])
    return made


def _budget(place: Place) -> dict[str, Any]:
    if isinstance(place.value, str):
        return {"budget": Budget.parse(place.value, place.where)}
    values = place.keys(("per", "share"))
    made: dict[str, Any] = {}
    if "per" in values:
        made["budget"] = Budget.parse(values["per"].text(), values["per"].where)
    if "share" in values:
        made["share"] = values["share"].number(0.0, 1.0)
    return made
