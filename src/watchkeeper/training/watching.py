"""A run being watched, whatever the framework: what comes is recorded, judged now and then, and told to sinks."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.finding import SEVERITIES, Finding, Findings, Severity
from watchkeeper.training.judge import Judge
from watchkeeper.training.run import REPAIR, Event, Run

LOOK_EVERY = 50
"""So many steps lie between two looks at most; early in a run an eighth of its steps, and four at least."""
SUSPECT, SUSPECT_EVERY = 1.5, 5
"""A loss so many times the smoothed one is looked at soon: once in so many steps."""
_EARLY = frozenset({0, 1, 2, 4})
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
log = logging.getLogger("watchkeeper.training")


class Sink(Protocol):
    """Where a run is told to, as it goes: a file, TensorBoard, a server. One that raises is told nothing more."""

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Take one row of a series."""

    def event(self, run: Run, event: Event) -> None:
        """Take something exact that was seen."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Take a finding that is new or worse."""

    def close(self, run: Run) -> None:
        """Take the end."""


class Watching:
    """Records a run and judges it: often at the start, then every 50 steps, and soon where something odd was seen.

    Parameters
    ----------
    run
        What is known before it begins.
    sinks
        Where it is told to.
    quiet
        Whether findings are not logged.
    """

    def __init__(self, run: Run, sinks: Iterable[Sink] = (), *, quiet: bool = False) -> None:
        self.run = run
        self._sinks = list(sinks)
        self._quiet = quiet
        self._judge = Judge()
        self._due = False
        self._looked = -1
        self._ended = False

    @property
    def findings(self) -> Findings:
        """What was found so far, the worst first."""
        return self._judge.findings

    @property
    def unchecked(self) -> dict[str, str]:
        """What could not be looked for, and why."""
        return self._judge.unchecked(self.run)

    def reached(self, severity: Severity | None) -> bool:
        """Whether something as severe was found so far. None: False."""
        worst = self._judge.findings.worst
        if severity is None or worst is None:
            return False
        return SEVERITIES.index(worst) >= SEVERITIES.index(severity)

    def add(
        self, name: str, step: int, row: Floats | Sequence[float] | float, columns: Sequence[str] = ("value",)
    ) -> None:
        """Record one row of a series."""
        self.run.add(name, step, row, columns)
        self._tell(name, step)

    def loss(self, step: int, loss: float) -> None:
        """Record the loss of one step, and judge the run if that is due."""
        self.run.add_loss(step, loss)
        self._tell("loss", step)
        if not abs(loss) < float("inf"):
            self._due = True
        elif step - self._looked >= SUSPECT_EVERY and abs(loss) > SUSPECT * abs(self.run.series["loss"].rows[-1, 1]):
            self._due = step > 4 * SUSPECT_EVERY
        self.tick(step)

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record metrics of held-out rows."""
        self.run.add_validation(step, metrics)
        for name in metrics:
            self._tell(f"validation/{name}", step)
        self._due = True

    def note(self, event: Event) -> None:
        """Record something exact. A repair that goes back to a step makes what came since as if it had not been."""
        if event.kind == REPAIR:
            back = int(event.numbers["to"])
            self.run.rewind(back)
            self._judge.findings.rewind(back)
            self._looked = min(self._looked, back - 1)
        before = len(self.run.events)
        self.run.note(event)
        if len(self.run.events) > before:
            self._due = True
            self._each(lambda sink: sink.event(self.run, event))

    def tell(self, sink: Sink) -> None:
        """Tell one more sink, from now on."""
        self._sinks.append(sink)

    def _tell(self, name: str, step: int) -> None:
        if self._sinks:
            values = self.run.series[name].rows[-1].tolist()
            self._each(lambda sink: sink.row(self.run, name, step, values))

    def _each(self, tell: Callable[[Sink], None]) -> None:
        """Tell every sink; what goes wrong in one ends that one, not the run and not the others."""
        for sink in list(self._sinks):
            try:
                tell(sink)
            except Exception as error:  # whatever it is, training goes on
                self._sinks.remove(sink)
                words = f"{type(sink).__name__} is told nothing more of {self.run.name}: {error}"
                warnings.warn(words, RuntimeWarning, stacklevel=2)

    def tick(self, step: int) -> list[Finding]:
        """Judge the run if that is due at this step; return what is new."""
        if self._due or step in _EARLY or step - self._looked >= min(LOOK_EVERY, max(4, step // 8)):
            self._looked = step
            return self.look()
        return []

    def look(self) -> list[Finding]:
        """Judge the run now; return what is new."""
        self._due = False
        new = self._judge.look(self.run)
        for finding in new:
            if not self._quiet:
                log.log(_LEVELS[finding.severity], "%s: %s", self.run.name, finding)
            self._each(functools.partial(_found, self.run, finding))
        return new

    def close(self) -> None:
        """End the run: judge it once more, and close the sinks. A second time nothing happens."""
        if self._ended:
            return
        self._ended = True
        self.run.facts["ended"] = True
        self.look()
        self._each(lambda sink: sink.close(self.run))
        self._sinks = []  # what comes after the end is recorded, and told to nobody


def _found(run: Run, finding: Finding, sink: Sink) -> None:
    sink.finding(run, finding)
