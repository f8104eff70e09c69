"""A search over parameters by Optuna, whose trials end early where their training goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from watchkeeper.errors import InputError, MissingExtra
from watchkeeper.integrations.optuna import FOUND, TrialSink, WatchPruner
from watchkeeper.training.finding import Severity

try:
    import optuna
except ModuleNotFoundError as error:
    raise MissingExtra("optuna", "optuna", "Tuning") from error


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    parameters, value
        The best ones, and what the objective returned for them.
    lost
        For each trial that ended early because of a finding, by its number: the problem and what was seen.
    study
        Optuna's study, with every trial.
    """

    parameters: dict[str, Any]
    value: float
    lost: dict[int, str]
    study: optuna.study.Study

    def __str__(self) -> str:
        count = len(self.study.trials)
        return (
            f"Best of {count:,} trials: {self.value:.4g} with {self.parameters}. {len(self.lost):,} ended by a finding."
        )


def tune(
    objective: Callable[[optuna.trial.Trial, TrialSink], float],
    *,
    trials: int = 20,
    direction: Literal["minimize", "maximize"] = "minimize",
    seed: int = 0,
    pruner: optuna.pruners.BasePruner | None = None,
    stop_on: Severity = "critical",
    progress: Callable[[str], None] | None = None,
) -> Tuned:
    """Search for the parameters with the best objective, by Optuna's sampler (TPE), seeded.

    Parameters
    ----------
    objective
        ``objective(trial, sink)`` returns what is searched for, of held-out rows. It asks the trial for parameters
        (``trial.suggest_float("rate", 1e-4, 1e-1, log=True)``), watches its training with the sink
        (``wk.watch(..., sinks=[sink])``), and calls ``sink.prune()`` now and then, which ends it where something
        severe was found.
    trials, direction, seed
        How many, which way is better, and the sampler's seed.
    pruner
        Another pruner, asked where the objective reports values.
    stop_on
        How severe a finding must be to end a trial.
    progress
        Told a sentence after each trial.

    Raises
    ------
    InputError
        There are no trials, or none came to its end.
    """
    if trials < 1:
        raise InputError(f"A search needs trials; got {trials}.")
    sampler, both = optuna.samplers.TPESampler(seed=seed), WatchPruner(pruner, stop_on=stop_on)
    study = optuna.create_study(direction=direction, sampler=sampler, pruner=both)

    def tell(study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> None:
        if progress is not None:
            progress(f"Trial {trial.number + 1} of {trials}: {_said(trial)}")

    study.optimize(lambda trial: objective(trial, TrialSink(trial)), n_trials=trials, callbacks=[tell])
    lost = {t.number: _said(t) for t in study.trials if t.state.name == "PRUNED" and t.user_attrs.get(FOUND)}
    if not any(t.state.name == "COMPLETE" for t in study.trials):
        raise InputError(
            f"None of {trials} trials came to its end: {'; '.join(list(lost.values())[:3]) or 'all were pruned'}."
        )
    return Tuned(study.best_params, float(study.best_value), lost, study)


def _said(trial: optuna.trial.FrozenTrial) -> str:
    if trial.state.name == "COMPLETE":
        return f"{trial.value:.4g} with {trial.params}"
    found = trial.user_attrs.get(FOUND, [])
    return f"ended with {trial.params}" + (f" by {found[-1]['problem']}: {found[-1]['words']}" if found else "")
