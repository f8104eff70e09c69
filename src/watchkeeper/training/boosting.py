"""A boosted run, whatever library boosts: which of its data sets was trained on, and which of its metrics is the loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from watchkeeper.training.run import Loss
from watchkeeper.training.watching import Watching

_KINDS: dict[str, Loss] = {
    "logloss": "bce", "binary_logloss": "bce", "binary": "bce", "mlogloss": "cross_entropy", "multi_logloss": "cross_entropy",
    "rmse": "mse", "mse": "mse", "l2": "mse", "mae": "mae", "l1": "mae",
}  # fmt: skip
RISING = frozenset(
    {
        "auc",
        "aucpr",
        "average_precision",
        "auc_mu",
        "ndcg",
        "map",
        "pre",
        "accuracy",
        "f1",
        "r2",
        "interval-regression-accuracy",
    }
)
"""Metrics of XGBoost and LightGBM, and common own ones, that are better when greater."""


@dataclass(slots=True)
class Rounds:
    """Takes the metrics of each round.

    Attributes
    ----------
    watching
        The run.
    train
        The name of the data set that was trained on; None: the one whose name has ``train`` in it, else the first of
        several; a single data set is held out.
    rising
        Metrics that are better when greater.
    """

    watching: Watching
    train: str | None = None
    rising: frozenset[str] = RISING
    _sets: tuple[str | None, str | None] | None = field(default=None, repr=False)

    def take(self, step: int, sets: Mapping[str, Mapping[str, float]]) -> None:
        """Record one round: metrics by data set."""
        if not sets:
            return
        if self._sets is None:
            self._sets = self._train_and_held(list(sets))
        train, held = self._sets
        loss = self._loss_of(sets[held or train or next(iter(sets))])
        for name, value in sets.get(held or "", {}).items():
            self.watching.add(f"validation/{name}", step, value, (name,))
        if held is not None and loss is not None:
            self.watching.add("validation/loss", step, sets[held][loss], ("loss",))
        if loss is not None and train is not None and loss in sets[train]:
            self.watching.loss(step, sets[train][loss])
        else:
            self.watching.tick(step)

    def _train_and_held(self, names: Sequence[str]) -> tuple[str | None, str | None]:
        train = self.train or next((name for name in names if "train" in name.lower()), None)
        if train is None and len(names) > 1:
            train = names[0]
        return train, next((name for name in reversed(names) if name != train), None)

    def _loss_of(self, metrics: Iterable[str]) -> str | None:
        """Return the metric that is the loss: the last that falls, which is the one that early stopping uses."""
        known = [name for name in metrics if _base(name) not in self.rising]
        run = self.watching.run
        if known and run.loss is None:
            run.loss = _KINDS.get(_base(known[-1]), "other")
            run.classes = 2 if run.loss == "bce" else run.classes
        return known[-1] if known else None


def _base(metric: str) -> str:
    return metric.split("@", 1)[0].removesuffix("-mean")
