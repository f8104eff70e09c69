"""A log as it was read: for each name its values by step, in the order of the steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from watchkeeper.errors import UnknownColumn


@dataclass(slots=True)
class Log:
    """Numbers by name and step.

    Attributes
    ----------
    name
        What the run is called.
    source
        What it was read from, in words.
    points
        For each name pairs of step and value, steps ascending.
    planned_steps
        How many steps there were to be; None: unknown.
    ended
        Whether the run is over, as far as one knows.
    loss
        Which name is the loss of the training, where the format says it; None: to be guessed.
    """

    name: str
    source: str
    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    planned_steps: int | None = None
    ended: bool = True
    loss: str | None = None

    def add(self, name: str, step: int, value: float) -> None:
        """Add a value. A step that lies before the last one is that of a run that was resumed: what came after it goes."""
        known = self.points.setdefault(name, [])
        while known and known[-1][0] > step:
            known.pop()
        known.append((step, value))

    def spread(self) -> None:
        """Count the values of names whose steps say nothing, being all the same."""
        for name, known in self.points.items():
            if len(known) > 1 and known[0][0] == known[-1][0]:
                self.points[name] = [(place, value) for place, (_, value) in enumerate(known)]


def log_of_rows(log: Log, rows: Iterable[Mapping[str, float]], step: str | None) -> Log:
    """Fill a log from rows of a table, of which one column may be the step.

    Parameters
    ----------
    log
        An empty one.
    rows
        What is there of each row; columns may be missing.
    step
        The column of steps as whole numbers; None: the column that is named so, else rows are counted.

    Raises
    ------
    UnknownColumn
        The column of steps is not there.
    """
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if step is not None and step not in names:
        raise UnknownColumn(step, names, "--step")
    column = step or _step_of(names, rows)
    at = -1
    for place, row in enumerate(rows):
        if column is None:
            at = place
        elif column in row:
            at = int(row[column])
        for name, value in row.items():
            if name != column:
                log.add(name, max(at, 0), value)
    return log


_STEPS = ("global_step", "step", "steps", "iteration", "iterations", "iter", "update", "round", "batch", "epoch")


def _step_of(names: list[str], rows: list[Mapping[str, float]]) -> str | None:
    """Return the first column that is named as steps are and holds whole numbers that do not stand still."""
    bare = {name.rsplit("/", 1)[-1].strip(" _").replace(" ", "_").lower(): name for name in reversed(names)}
    for known in _STEPS:
        if known in bare:
            values = [row[bare[known]] for row in rows if bare[known] in row]
            if all(value == value // 1 for value in values) and (len(rows) == 1 or len(set(values)) > 1):
                return bare[known]
    return None
