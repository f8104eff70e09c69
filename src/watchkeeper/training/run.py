"""A run: what is recorded of one training; collectors add to it, detectors read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.series import Series

SMOOTHING = 2 / 21
"""Weight of a new loss in the smoothed one: an exponential mean over about 20 steps."""
Loss = Literal["cross_entropy", "bce_logits", "bce", "nll", "mse", "mae", "other"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A parameter of the model: its full name, shape, the kind of its module, and whether it is trained.

    ``optimized`` says whether some optimizer has it; ``zero`` whether it began as all zeros.
    """

    name: str
    shape: tuple[int, ...]
    kind: str = ""
    trained: bool = True
    optimized: bool = True
    zero: bool = False

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def matrix(self) -> bool:
        """Whether it has two dimensions or more: weights, not biases or scales."""
        return len(self.shape) > 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something exact that a collector saw at a step, such as gradients that were not reset."""

    kind: str
    step: int
    layer: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    words: str = ""


@dataclass(slots=True)
class Run:
    """One training of a model, as far as it is recorded.

    Attributes
    ----------
    name, framework
        What it is called, and what it runs in (``pytorch``, ``keras``, ``xgboost``, ...).
    layers
        The model's parameters in the order of their definition.
    optimizer, loss, classes, planned_steps
        The optimizer's class name, the kind of loss, the number of classes, how many steps there will be; None: unknown.
    series
        What was measured, by name. Of every framework: ``loss`` (columns ``loss`` and ``smooth``), ``learning_rate``,
        ``validation`` (a series for each metric, as ``validation/loss``). Of networks, a column a layer: ``gradient``,
        ``weight`` and ``update`` (2-norms). Others are described where they are collected.
    events
        What is exact and happened at a step.
    facts
        What else is known, by name: plain values.
    """

    name: str = "run"
    framework: str = ""
    layers: list[Layer] = field(default_factory=list)
    optimizer: str = ""
    loss: Loss | None = None
    classes: int | None = None
    planned_steps: int | None = None
    series: dict[str, Series] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    step: int = -1
    best_smooth: float = math.inf
    best_step: int = -1

    def add(
        self, name: str, step: int, row: Floats | Sequence[float] | float, columns: Sequence[str] = ("value",)
    ) -> None:
        """Add one row to a series, which begins with its first one."""
        known = self.series.get(name)
        if known is None:
            known = self.series[name] = Series(columns)
        known.append(step, row)
        self.step = max(self.step, step)

    def add_loss(self, step: int, loss: float) -> None:
        """Add the loss of one step on its own batch, and the smoothed one beside it."""
        series = self.series.get("loss")
        before = series.last_row[1] if series is not None else math.nan
        smooth = before + SMOOTHING * (loss - before) if math.isfinite(before) and math.isfinite(loss) else loss
        if not math.isfinite(loss) and math.isfinite(before):
            smooth = before
        self.add("loss", step, (loss, smooth), ("loss", "smooth"))
        if series is not None and len(series) > round(1 / SMOOTHING) and smooth < self.best_smooth:
            self.best_smooth, self.best_step = smooth, step

    def add_validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add metrics of held-out rows."""
        for name, value in metrics.items():
            self.add(f"validation/{name}", step, float(value), (name,))

    def note(self, event: Event) -> None:
        """Keep an event; the same kind at the same layer is kept once in a hundred steps."""
        for known in reversed(self.events[-200:]):
            if (known.kind, known.layer) == (event.kind, event.layer) and event.step - known.step < 100:
                return
        self.events.append(event)
        self.step = max(self.step, event.step)

    def has(self, name: str, rows: int = 1) -> bool:
        """Whether a series has so many rows."""
        return name in self.series and len(self.series[name]) >= rows

    def of(self, kind: str) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if event.kind == kind]
