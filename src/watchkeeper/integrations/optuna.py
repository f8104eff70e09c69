"""Prune trials of Optuna by what is found in their training: a sink tells a trial, a pruner reads it.

References
----------
Optuna 5.0: ``optuna.pruners.BasePruner.prune(study, trial)``; user attributes of a trial are in its storage, so the pruner
sees them wherever it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchkeeper.errors import MissingExtra
from watchkeeper.training.finding import SEVERITIES, Finding, Severity
from watchkeeper.training.run import Event, Run

try:
    import optuna
except ModuleNotFoundError as error:
    raise MissingExtra("optuna", "optuna", "Pruning trials of Optuna") from error

FOUND = "watchkeeper"
"""The user attribute of a trial that holds its findings: problem, severity, step and words of each."""


class TrialSink:
    """Tells a trial what is found: ``wk.watch(..., sinks=[TrialSink(trial)])``, or the same with any callback.

    Parameters
    ----------
    trial
        The trial.
    """

    def __init__(self, trial: optuna.trial.Trial) -> None:
        self._trial = trial
        self._found: list[dict[str, Any]] = []

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Do nothing: which value is reported to the trial, the objective says."""

    def event(self, run: Run, event: Event) -> None:
        """Do nothing: what matters of it becomes a finding."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Write a finding to the trial."""
        kept = {key: finding.to_dict()[key] for key in ("problem", "severity", "step", "words")}
        self._found = [*self._found, kept]
        self._trial.set_user_attr(FOUND, self._found)

    def close(self, run: Run) -> None:
        """Do nothing."""

    def prune(self, stop_on: Severity = "critical") -> None:
        """Raise ``optuna.TrialPruned`` where something as severe was found: without a value to report, or a pruner."""
        worst = _worst(self._found, stop_on)
        if worst is not None:
            raise optuna.TrialPruned(f"{worst['problem']}: {worst['words']}")


class WatchPruner(optuna.pruners.BasePruner):  # type: ignore[misc]
    """Prunes trials in whose training something severe was found, and those that another pruner prunes.

    Parameters
    ----------
    pruner
        The other one; None: no other.
    stop_on
        How severe it must be.

    Notes
    -----
    The objective reports values and asks ``trial.should_prune()`` as ever. In a study with several objectives Optuna has
    no pruning; :meth:`TrialSink.prune` can be called there.
    """

    def __init__(self, pruner: optuna.pruners.BasePruner | None = None, *, stop_on: Severity = "critical") -> None:
        self._pruner, self._stop_on = pruner, stop_on

    def prune(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Return whether to prune the trial."""
        if _worst(trial.user_attrs.get(FOUND, []), self._stop_on) is not None:
            return True
        return self._pruner is not None and bool(self._pruner.prune(study, trial))


def _worst(found: Sequence[dict[str, Any]], least: Severity) -> dict[str, Any] | None:
    severe = [f for f in found if SEVERITIES.index(f["severity"]) >= SEVERITIES.index(least)]
    return severe[0] if severe else None
