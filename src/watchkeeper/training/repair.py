"""What may be done about a problem of a training, and in which order: one change at a time, and only so many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from watchkeeper.errors import InputError, UnknownKey
from watchkeeper.training.advice import ADVICE
from watchkeeper.training.finding import Finding

Action = Literal["skip", "lower_rate", "clip", "restore", "stop"]
ACTIONS: dict[Action, str] = {
    "skip": "goes back to the last checkpoint and on with the next batches",
    "lower_rate": "goes back to the best checkpoint and lowers the learning rate",
    "clip": "goes back to the last checkpoint and clips gradients from there on",
    "restore": "stops with the weights of the best checkpoint",
    "stop": "stops with the weights as they are, or those of the best checkpoint where they are no numbers",
}
LADDERS: Mapping[str, tuple[Action, ...]] = MappingProxyType(
    {
        "non_finite": ("skip", "lower_rate", "lower_rate", "lower_rate", "clip", "stop"),
        "divergence": ("lower_rate", "lower_rate", "lower_rate", "stop"),
        "exploding_gradient": ("clip", "lower_rate", "stop"),
        "loss_spike": ("skip", "clip", "lower_rate", "stop"),
        "gradient_spike": ("clip", "lower_rate", "stop"),
        "oscillation": ("lower_rate", "lower_rate", "stop"),
        "not_learning": ("lower_rate", "lower_rate", "lower_rate", "stop"),
        "plateau": ("lower_rate", "stop"),
        "overfitting": ("restore",),
    }
)
"""For each problem, what is tried the first time, the second time, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What may be done about which findings.

    Attributes
    ----------
    ladders
        For each problem what is done the first time, the second, and so on; the last again and again.
    allowed
        Problems about which something is done whatever their severity; about others only where they are critical.
    most
        So many repairs in all; then the run is stopped.
    rate, clip
        By what the learning rate is multiplied, and to which norm gradients are clipped. Where a trial did not keep a lower
        rate, the next is lower by the square of it.
    prove
        ``prove(parts, change)`` says by a trial whether a change is worth keeping, such as
        ``functools.partial(wk.training.trial, loss=..., data=..., held_out=...)``; a change that is not is undone, and the
        next action comes. None: changes are not tried.

    Raises
    ------
    UnknownKey
        A problem or an action is not known.
    InputError
        A number lies outside its range.
    """

    ladders: Mapping[str, tuple[Action, ...]] = field(default_factory=lambda: LADDERS)
    allowed: frozenset[str] = frozenset()
    most: int = 6
    rate: float = 0.5
    clip: float = 1.0
    prove: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        for problem in (*self.ladders, *self.allowed):
            if problem not in ADVICE:
                raise UnknownKey(problem, ADVICE, "Repair")
        for action in (a for ladder in self.ladders.values() for a in ladder):
            if action not in ACTIONS:
                raise UnknownKey(action, ACTIONS, "Repair")
        if not 0 < self.rate < 1 or self.clip <= 0 or self.most < 1:
            raise InputError(
                f"Repair needs 0 < rate < 1, clip > 0 and most >= 1; got {self.rate}, {self.clip} and {self.most}."
            )

    def heeds(self, finding: Finding) -> bool:
        """Whether something is done about a finding."""
        known = bool(self.ladders.get(finding.problem))
        return known and (finding.severity == "critical" or finding.problem in self.allowed)

    def action(self, problem: str, before: Counter[str]) -> Action:
        """Return what comes next for a problem, after so many actions for each problem before."""
        ladder = self.ladders[problem]
        return ladder[min(before[problem], len(ladder) - 1)]


@dataclass(frozen=True, slots=True)
class Done:
    """A repair that was made, or tried.

    Attributes
    ----------
    action
        What was done.
    finding
        Because of what.
    back_to
        The step from which the run goes on.
    kept
        Whether it was kept; False where a trial spoke against it.
    words
        The same in a sentence or two.
    """

    action: Action
    finding: Finding
    back_to: int
    kept: bool
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as the facts of a run hold them."""
        found = {"problem": self.finding.problem, "step": self.finding.step, "reason": self.finding.words}
        return {"action": self.action, **found, "back_to": self.back_to, "kept": self.kept, "words": self.words}

    def __str__(self) -> str:
        return self.words
