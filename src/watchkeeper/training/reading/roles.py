"""Which name of a log is the loss, which are held-out metrics, the learning rate and the norm of gradients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from watchkeeper.errors import InputError, UnknownColumn
from watchkeeper.training.reading.log import Log
from watchkeeper.training.run import Loss

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_HELD_OUT = frozenset({"val", "valid", "validation", "eval", "evaluation", "test", "dev", "holdout", "heldout"})
_TRAIN = frozenset({"train", "training", "tr"})
_LOSS = frozenset({"loss", "nll", "cost", "objective"})
_ERROR = frozenset({"logloss", "mlogloss", "rmse", "mse", "mae", "entropy", "deviance", "error", "perplexity"})
_BY_THE_WAY = frozenset({"epoch", "step", "steps", "vs", "iterations", "loop", "dataloader", "idx", "0"})
_NO_METRIC = frozenset({"runtime", "second", "seconds", "samples", "time", "compilation", "timestamp", "created"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What somebody says about a log; None is guessed.

    Attributes
    ----------
    step, loss, validation, learning_rate
        Names in the log.
    kind, classes
        Which loss it is, and of how many classes: more can be judged then.
    """

    step: str | None = None
    loss: str | None = None
    validation: str | None = None
    learning_rate: str | None = None
    kind: Loss | None = None
    classes: int | None = None


@dataclass(slots=True)
class Roles:
    """The names of a log by what they are; ``validation`` maps a metric to the name that it has in the log."""

    loss: str | None = None
    validation: dict[str, str] = field(default_factory=dict)
    learning_rate: list[str] = field(default_factory=list)
    gradient: str | None = None

    def words(self) -> str:
        """Say what was read as what."""
        said = [("loss", [self.loss] if self.loss else [])]
        said += [("held-out metrics", list(self.validation.values())), ("learning rate", self.learning_rate)]
        said += [("norm of gradients", [self.gradient] if self.gradient else [])]
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in said if names)


def roles_of(log: Log, columns: Columns) -> Roles:
    """Return which name is what: what somebody says, then what the format says, then what names say.

    Raises
    ------
    UnknownColumn
        A name that the log does not have.
    InputError
        Nothing in it looks like a loss.
    """
    names = list(log.points)
    for option, name in (
        ("--loss", columns.loss),
        ("--validation", columns.validation),
        ("--lr", columns.learning_rate),
    ):
        if name is not None and name not in names:
            raise UnknownColumn(name, names, option)
    made = Roles(columns.loss or log.loss or _loss_of(log.points))
    made.validation = _held_out({name: words_of(name) for name in names if name != made.loss}, made.loss)
    if columns.validation is not None:
        others = {metric: name for metric, name in made.validation.items() if name != columns.validation}
        made.validation = others | {"loss": columns.validation}
    made.learning_rate = [columns.learning_rate] if columns.learning_rate else _named(names, _is_rate)
    made.gradient = next(iter(_named(names, _is_norm)), None)
    if made.loss is None and not made.validation:
        there = ", ".join(map(repr, names[:20])) or "nothing"
        raise InputError(f"{log.name}: no name in it looks like a loss ({there}). Say which one is, with --loss.")
    return made


def words_of(name: str) -> list[str]:
    """Return the words of a name: ``valLoss``, ``val_loss`` and ``Loss/val`` have the same two."""
    return [word.lower() for word in _WORD.findall(name)]


def _loss_of(points: Mapping[str, list[tuple[int, float]]]) -> str | None:
    most = max((len(known) for known in points.values()), default=0)
    best: tuple[tuple[bool, bool, bool, bool, int], str] | None = None
    for name, known in points.items():
        words = words_of(name)
        if _HELD_OUT & set(words) or not (_LOSS | _ERROR) & set(words):
            continue
        rare = 2 * len(known) < most
        place = not _LOSS & set(words), rare, "epoch" in words, not _TRAIN & set(words), len(words)
        if best is None or place < best[0]:
            best = place, name
    return best[1] if best else None


def _held_out(names: Mapping[str, list[str]], loss: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    trained = _metric(words_of(loss)) if loss else ""
    for name, words in names.items():
        if not _HELD_OUT & set(words) or _NO_METRIC & set(words):
            continue
        metric = _metric(words)
        metric = "loss" if metric and metric == trained else metric
        if metric and metric not in found:
            found[metric] = name
    return found


def _metric(words: Iterable[str]) -> str:
    return "_".join(word for word in words if word not in _HELD_OUT | _TRAIN | _BY_THE_WAY)


def _named(names: Iterable[str], is_it: object) -> list[str]:
    assert callable(is_it)
    return [name for name in names if is_it(words_of(name))]


def _is_rate(words: list[str]) -> bool:
    return "lr" in words or {"learning", "rate"} <= set(words)


def _is_norm(words: list[str]) -> bool:
    return "norm" in words and bool({"grad", "gradient", "gradients", "grads"} & set(words)) and len(words) <= 4
