"""Who is told, and what is run, when a monitor alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from watchkeeper.detection.budget import rate_of
from watchkeeper.detection.series import Finding
from watchkeeper.detection.watched import METRICS
from watchkeeper.errors import InvalidMonitors
from watchkeeper.response.document import Place, unknown
from watchkeeper.window import DAY

Then = Literal["promote_if_better", "nothing"]
Approve = Literal["auto", "person"]
Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class Act:
    """An action of the operator's file, by name, and under which guards.

    Attributes
    ----------
    do
        Its name there; what it is cannot be said here.
    then
        What becomes of the model that it leaves.
    approve
        ``person``: it waits until somebody approves.
    limit
        So many at most in so many microseconds, as ``1 per day``.
    dry_run
        Everything but the last step.
    """

    do: str
    then: Then = "nothing"
    approve: Approve = "person"
    limit: tuple[int, int] = (1, DAY)
    limit_text: str = "1 per day"
    dry_run: bool = False

    @classmethod
    def read(cls, place: Place) -> Self:
        """Read ``{do, then, approve, limit, dry_run}``; a text alone is the name."""
        if isinstance(place.value, str):
            return cls(place.text())
        values = place.keys(("do", "then", "approve", "limit", "dry_run"))
        if "do" not in values:
            raise place.refusal("needs the name of an action, such as {do: retrain}.")
        given: dict[str, Any] = {"do": values["do"].text()}
        if "then" in values:
            given["then"] = values["then"].choice(("promote_if_better", "nothing"))
        if "approve" in values:
            given["approve"] = values["approve"].choice(("auto", "person"))
        if "limit" in values:
            given["limit"], given["limit_text"] = _limit(values["limit"])
        if "dry_run" in values:
            given["dry_run"] = values["dry_run"].flag()
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`read` takes back."""
        made = {"do": self.do, "then": self.then, "approve": self.approve, "limit": self.limit_text}
        return made | {"dry_run": self.dry_run}


@dataclass(frozen=True, slots=True)
class Rule:
    """For findings of at least a severity, perhaps of one metric or monitor: the channels to tell, and an action."""

    on_severity: Severity = "warning"
    on_metric: str | None = None
    on_monitor: str | None = None
    notify: tuple[str, ...] = ()
    act: Act | None = None

    def matches(self, finding: Finding) -> bool:
        """Whether a finding is what this rule waits for."""
        severe = finding.verdict == "critical" or (finding.verdict == "warning" and self.on_severity == "warning")
        named = self.on_metric in {None, finding.metric} and self.on_monitor in {None, finding.monitor}
        return severe and named

    @classmethod
    def read(cls, place: Place, monitors: tuple[str, ...]) -> Self:
        """Read ``{on: {severity, metric, monitor}, notify: [...], act: {...}}``."""
        values = place.keys(("on", "notify", "act"))
        if not values.keys() & {"notify", "act"}:
            raise place.refusal("needs channels to notify or an action, such as {notify: [oncall]}.")
        on = values["on"].keys(("severity", "metric", "monitor")) if "on" in values else {}
        given: dict[str, Any] = {}
        if "severity" in on:
            given["on_severity"] = on["severity"].choice(("warning", "critical"))
        for name, known in (("metric", tuple(METRICS)), ("monitor", monitors)):
            if name in on:
                given[f"on_{name}"] = _known(on[name], name, known)
        if "notify" in values:
            given["notify"] = values["notify"].texts()
        if "act" in values:
            given["act"] = Act.read(values["act"])
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`read` takes back."""
        on = {"severity": self.on_severity, "metric": self.on_metric, "monitor": self.on_monitor}
        made: dict[str, Any] = {"on": {k: v for k, v in on.items() if v is not None}, "notify": list(self.notify)}
        return made | ({"act": self.act.to_dict()} if self.act is not None else {})


def _known(place: Place, what: str, known: tuple[str, ...]) -> str:
    name = place.text()
    if name not in known:
        raise place.refusal(unknown(f"the {what}", name, known))
    return name


def _limit(place: Place) -> tuple[tuple[int, int], str]:
    text = place.text()
    count, period = rate_of(text, place.where)
    if count != int(count):
        raise InvalidMonitors(
            place.where, f"{text!r} should be a whole number of actions in a time, such as '1 per day'."
        )
    return (int(count), period), " ".join(text.split())
