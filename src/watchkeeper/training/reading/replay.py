"""Judge a log as if the run were watched: its values are told to a watching in the order of the steps."""

from __future__ import annotations

import math
from collections.abc import Iterator

from watchkeeper.training.reading.log import Log
from watchkeeper.training.reading.roles import Columns, Roles, roles_of
from watchkeeper.training.run import Event, Layer, Run
from watchkeeper.training.watching import Watching

READ_FROM, READ_AS = "read_from", "read_as"
"""Facts of a run that was read from a log: from what, and which name as what."""
_BAD_NORMS = 3
"""So many norms in a row that are not finite: mixed precision skips single steps, and may."""
Point = tuple[int, int, str, float]


def replay(log: Log, columns: Columns | None = None) -> Watching:
    """Tell a log to a watching and judge it.

    Parameters
    ----------
    log
        What was read.
    columns
        What is known about it.

    Raises
    ------
    UnknownColumn, InputError
        A name is not there, or nothing looks like a loss.
    """
    columns = columns or Columns()
    log.spread()
    roles = roles_of(log, columns)
    run = Run(log.name, log.source, loss=columns.kind, classes=columns.classes, planned_steps=log.planned_steps)
    run.facts |= {READ_FROM: log.source, READ_AS: roles.words()}
    if roles.gradient:
        run.layers = [Layer("all parameters", (1,))]
    watching = Watching(run, quiet=True)
    _tell(watching, sorted(_points(log, roles), key=lambda point: point[:2]))
    if log.ended:
        watching.close()
    else:
        watching.look()
    return watching


def _points(log: Log, roles: Roles) -> Iterator[Point]:
    """Yield step, order within a step, series and value: the loss after what led to it, held-out metrics at the end."""
    named = [(0, "learning_rate", name) for name in roles.learning_rate[:1]]
    named += [(1, "gradient", roles.gradient)] if roles.gradient else []
    named += [(2, "loss", roles.loss)] if roles.loss else []
    named += [(3, metric, name) for metric, name in roles.validation.items()]
    for order, series, name in named:
        for step, value in log.points[name]:
            yield step, order, series, value


def _tell(watching: Watching, points: list[Point]) -> None:
    bad = 0
    for step, order, series, value in points:
        if order == 0:
            watching.add("learning_rate", step, value)
        elif order == 1 and math.isfinite(value):
            bad = 0
            watching.add("gradient", step, value, ("all parameters",))
        elif order == 1:
            bad += 1
            if bad == _BAD_NORMS:
                words = f"The norm of the gradients is {value}, {bad} times in a row."
                watching.note(Event("non_finite", step, words=words))
        elif order == 2:
            watching.loss(step, value)
        else:
            watching.validation(step, {series: value})
