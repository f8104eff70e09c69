"""Watch a training in LightGBM: one callback for ``lgb.train``, ``lgb.cv`` and the scikit-learn classes.

References
----------
LightGBM 4.7, ``lightgbm.callback``: a callback is called with a ``CallbackEnv`` in the order of its ``order`` (early
stopping has 30), and stops the training by raising ``EarlyStopException``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from watchkeeper.errors import MissingExtra
from watchkeeper.training.boosting import RISING, Rounds
from watchkeeper.training.finding import Severity
from watchkeeper.training.opening import Telling, Watcher, never_raises
from watchkeeper.training.run import Run
from watchkeeper.training.watching import Sink

try:
    from lightgbm.callback import EarlyStopException
except ModuleNotFoundError as error:
    raise MissingExtra("lightgbm", "lightgbm", "Watching a training in LightGBM") from error


class WatchCallback(Watcher):
    """Watches the rounds: ``lgb.train(..., valid_sets=[a, b], valid_names=["train", "val"], callbacks=[WatchCallback()])``.

    Parameters
    ----------
    stop_on
        ``"critical"`` or ``"warning"``: stops the training where something as severe is found, with the round that was best
        on held-out rows. None: never.
    train
        The name of the data set that is trained on. None: the one whose name has ``train`` in it, else the first of several.
    name, folder, sinks
        What the run is called; where it is written to, as ``folder/name.jsonl``; where else it is told to.
    """

    order = 25
    before_iteration = False

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

    def __call__(self, env: Any) -> None:
        """Take the metrics of a round; in the last one the importances too."""
        if env.iteration == env.begin_iteration:
            self._start(env.end_iteration - env.begin_iteration)
        self._take(env)
        last = env.iteration + 1 >= env.end_iteration
        if last or self.stops:
            self._end(env)
        if not last and self.stops:
            raise EarlyStopException(self._best(env), env.evaluation_result_list or [])

    @never_raises
    def _start(self, rounds: int) -> None:
        run = Run(self._telling.name, "lightgbm", planned_steps=rounds, facts={"boosting": True})
        watching = self.begin(run)
        self._rounds = Rounds(watching, self._train)

    @never_raises
    def _take(self, env: Any) -> None:
        sets: dict[str, dict[str, float]] = {}
        rising = set(RISING)
        for name, metric, value, higher, *_ in map(_plain, env.evaluation_result_list or ()):
            sets.setdefault(name, {})[metric] = float(value)
            rising |= {metric} if higher else set()
        self._rounds.rising = frozenset(rising)
        self._rounds.take(env.iteration - env.begin_iteration, sets)

    @never_raises
    def _end(self, env: Any) -> None:
        if not hasattr(env.model, "boosters"):  # of a cross-validation, which has as many importances as folds
            names, gains = env.model.feature_name(), env.model.feature_importance(importance_type="gain")
            self.watching.run.facts["importances"] = {n: float(g) for n, g in zip(names, gains, strict=True)}
        self.watching.close()

    def _best(self, env: Any) -> int:
        held = self.watching.run.series.get("validation/loss")
        return int(held.steps[held.values.argmin()]) if held is not None and len(held) else int(env.iteration)


def _plain(result: Any) -> tuple[Any, ...]:
    return tuple(result)
