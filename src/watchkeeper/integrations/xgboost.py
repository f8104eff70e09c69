"""Watch a training in XGBoost: one callback for ``xgb.train``, ``xgb.cv`` and the scikit-learn classes.

References
----------
XGBoost 3.2, ``xgboost.callback.TrainingCallback``: ``after_iteration`` gets the history of every metric on every data set
and returns whether to stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from watchkeeper.errors import MissingExtra
from watchkeeper.training.boosting import Rounds
from watchkeeper.training.finding import Severity
from watchkeeper.training.opening import Telling, Watcher, never_raises
from watchkeeper.training.run import Run
from watchkeeper.training.watching import Sink

try:
    from xgboost.callback import TrainingCallback
except ModuleNotFoundError as error:
    raise MissingExtra("xgboost", "xgboost", "Watching a training in XGBoost") from error


class WatchCallback(Watcher, TrainingCallback):  # type: ignore[misc]
    """Watches the rounds: ``xgb.train(..., evals=[(a, "train"), (b, "val")], callbacks=[WatchCallback()])``.

    Parameters
    ----------
    stop_on
        ``"critical"`` or ``"warning"``: stops the training where something as severe is found. None: never.
    train
        The name of the data set that is trained on. None: the one whose name has ``train`` in it, else the first of several.
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.
    """

    def __init__(
        self,
        *,
        stop_on: Severity | None = None,
        train: str | None = None,
        name: str = "run",
        folder: str | Path | None = None,
        sinks: Iterable[Sink] = (),
    ) -> None:
        super().__init__(Telling(name=name, folder=folder, sinks=sinks), stop_on)
        self._train = train

    def before_training(self, model: Any) -> Any:
        """Begin to watch."""
        self._start()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]) -> bool:
        """Take the metrics of a round; return whether to stop."""
        self._take(epoch, evals_log)
        return self.stops

    def after_training(self, model: Any) -> Any:
        """Take the importances, and end the watch."""
        self._end(model)
        return model

    @never_raises
    def _start(self) -> None:
        watching = self.begin(Run(self._telling.name, "xgboost", facts={"boosting": True}))
        self._rounds = Rounds(watching, self._train)

    @never_raises
    def _take(self, step: int, log: Mapping[str, Mapping[str, list[Any]]]) -> None:
        sets = {name: {metric: _value(v[-1]) for metric, v in metrics.items()} for name, metrics in log.items()}
        self._rounds.take(self.watching.run.step + 1 if self.watching.run.step >= step else step, sets)

    @never_raises
    def _end(self, model: Any) -> None:
        if hasattr(model, "get_score"):
            used = model.get_score(importance_type="total_gain")
            names = model.feature_names or [f"f{place}" for place in range(model.num_features())]
            self.watching.run.facts["importances"] = {name: float(_value(used.get(name, 0.0))) for name in names}
        self.watching.close()


def _value(value: Any) -> float:
    """Return a metric; of cross-validation its mean."""
    return float(value[0] if isinstance(value, tuple | list) else value)
