"""A guard around a training loop: it keeps checkpoints, and does about critical findings what a policy says."""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from watchkeeper.errors import InputError
from watchkeeper.training.finding import Finding
from watchkeeper.training.pytorch.changes import Change, Clip, ScaleRate
from watchkeeper.training.pytorch.checkpoints import Checkpoint, Checkpoints
from watchkeeper.training.pytorch.snapshot import Parts
from watchkeeper.training.pytorch.watched import Watch
from watchkeeper.training.repair import Action, Done, Repair
from watchkeeper.training.run import REPAIR, Event, Run

log = logging.getLogger("watchkeeper.training")


class Guard:
    """Keeps checkpoints of a watched training, and repairs it: one change at a time, each recorded with its reason.

    ``if not guard.step(): break`` stands after ``watch.step(loss)``. Only critical findings, and problems that the policy
    allows, make it act; a run without any is not touched. What a repair goes back over is as if it had not been: the run's
    record goes back too, and says so by an event of the kind ``repair``; the fact ``repairs`` of the run lists all of them.

    Parameters
    ----------
    watch
        What :func:`watchkeeper.watch` gave.
    folder
        Where checkpoints go: model, optimizers, schedule, scaler, random numbers and step.
    repair
        The policy.
    scheduler, scaler
        Those of the loop, if there are any.
    every
        So many steps lie between two checkpoints. Each waits for the device and for the disk.
    keep
        How many of the last checkpoints are kept, besides the best.

    Raises
    ------
    InputError
        The folder has checkpoints of an earlier run, and the watch's settings do not say ``resumed``; where they do, the last
        of them is restored. Or several processes train together: their guards would not act as one.
    """

    def __init__(
        self,
        watch: Watch,
        folder: str | Path,
        repair: Repair | None = None,
        *,
        scheduler: Any = None,
        scaler: Any = None,
        every: int = 100,
        keep: int = 3,
    ) -> None:
        if (
            torch.distributed.is_available()
            and torch.distributed.is_initialized()
            and torch.distributed.get_world_size() > 1
        ):
            raise InputError(
                "A Guard is for one process; several train here together. Restart them from a checkpoint by hand."
            )
        self.parts = Parts(watch.model, watch.optimizers, scheduler, scaler)
        self.repair = repair or Repair()
        self.checkpoints = Checkpoints(folder, keep=keep)
        self.done: list[Done] = []
        self.stopped = False
        self._watch, self._every = watch, max(1, every)
        self._times: Counter[str] = Counter()
        self._waiting: list[Finding] = []
        self._begun = self._begin()
        self._kept = watch.steps
        watch.tell(self)

    def _begin(self) -> int:
        """Return how many steps were taken before this run."""
        if self.checkpoints.last is None:
            self.checkpoints.write(self.parts, 0)
            return 0
        if not self._watch.run.facts.get("resumed"):
            raise InputError(
                f"{self.checkpoints.folder} holds checkpoints of an earlier run. Name another folder, or say that this run "
                "goes on from it: wk.watch(..., settings=wk.training.Settings(resumed=True))."
            )
        return self.checkpoints.restore(self.parts)

    def step(self) -> bool:
        """Keep a checkpoint where one is due, or repair what was found; return whether the loop should go on.

        Raises
        ------
        Unwritable
            A checkpoint cannot be written.
        """
        if self._waiting and not self.stopped:
            finding, self._waiting = self._waiting[0], []
            self._act(finding)
        elif self._watch.steps - self._kept >= self._every:
            self._keep(self._smooth(), held_out=False)
        return not self.stopped

    def validation(self, **metrics: float) -> None:
        """Take metrics of held-out rows, as the watch does; a checkpoint is kept, judged by ``loss`` where it is among them."""
        self._watch.validation(**metrics)
        if "loss" in metrics and math.isfinite(metrics["loss"]) and not self._waiting:
            self._keep(float(metrics["loss"]), held_out=True)

    def restore_best(self) -> int:
        """Put the weights and all else of the best checkpoint back; return how many steps had been taken then."""
        return self.checkpoints.restore(self.parts, self.checkpoints.best, chance=False)

    def _keep(self, value: float, *, held_out: bool) -> None:
        self.checkpoints.write(self.parts, self._begun + self._watch.steps, value, held_out=held_out)
        self._kept = self._watch.steps

    def _smooth(self) -> float:
        loss = self._watch.run.series.get("loss")
        return float(loss.rows[-1, 1]) if loss is not None and len(loss) else math.nan

    def _act(self, finding: Finding) -> None:
        """Do what comes next about a finding, until something is kept."""
        while True:
            action = self.repair.action(finding.problem, self._times)
            if sum(self._times.values()) >= self.repair.most:
                action = "stop"
            self._times[finding.problem] += 1
            if self._tried(action, finding):
                return

    def _tried(self, action: Action, finding: Finding) -> bool:
        """Return whether an action was kept."""
        if action == "stop":
            return self._stop(action, finding, None if self._finite() else self._best())
        which = self._best() if action in {"lower_rate", "restore"} else self.checkpoints.all[-1]
        self.checkpoints.restore(self.parts, which, chance=False)
        for parameter in self.parts.parameters:
            parameter.grad = None
        if action == "restore":
            return self._stop(action, finding, which)
        said = f"went back to step {which.step:,}"
        if action == "skip":
            return self._went_back(action, finding, which, f"{said}, and on with the next batches")
        change: Change = (
            ScaleRate(self.repair.rate ** (1 + 2 * self._in_vain()))
            if action == "lower_rate"
            else Clip(self.repair.clip)
        )
        if self.repair.prove is None:
            change(self.parts)
            return self._went_back(action, finding, which, f"{said}, with {change}")
        verdict = self.repair.prove(self.parts, change)
        if verdict:
            return self._went_back(action, finding, which, f"{said}. {verdict}")
        self._went_back(action, finding, which, f"{said}. {verdict}", kept=False)
        return False

    def _stop(self, action: Action, finding: Finding, which: Checkpoint | None) -> bool:
        """Stop, with the weights of a checkpoint where one is given."""
        self.stopped = True
        words = "stopped, with the weights as they are"
        if which is not None:
            self.checkpoints.restore(self.parts, which, chance=False)
            words = f"stopped, with the weights of step {which.step:,}"
        self._record(action, finding, self._watch.steps, words)
        return True

    def _finite(self) -> bool:
        return all(bool(torch.isfinite(p).all()) for p in self.parts.parameters)

    def _in_vain(self) -> int:
        """Return how many lower rates were tried last and not kept."""
        tried = itertools.takewhile(lambda d: not d.kept, reversed(self.done))
        return sum(d.action == "lower_rate" for d in tried)

    def _best(self) -> Checkpoint:
        """Return the best checkpoint: the first where no later one has a smaller training loss than the run began with."""
        first, best, loss = self.checkpoints.all[0], self.checkpoints.best, self._watch.run.series.get("loss")
        if best is None or (not best.held_out and loss is not None and len(loss) and best.value > loss.rows[0, 1]):
            return first
        return best

    def _went_back(self, action: Action, finding: Finding, which: Checkpoint, words: str, *, kept: bool = True) -> bool:
        self.checkpoints.forget_after(which.step)
        if kept and action != "skip":  # so that going back here once more goes on from the change
            self.checkpoints.write(self.parts, which.step, which.value, held_out=which.held_out)
        self._record(action, finding, max(0, which.step - self._begun), words, kept=kept)
        self._kept = self._watch.steps
        return True

    def _record(self, action: Action, finding: Finding, back: int, words: str, *, kept: bool = True) -> None:
        came = self._watch.steps
        said = f"{finding.problem} at step {finding.step:,} ({finding.words.rstrip('.')}): {words}."
        done = Done(action, finding, back, kept, said.replace("..", "."))
        self.done.append(done)
        self._watch.run.facts["repairs"] = [d.to_dict() for d in self.done]
        self._watch.repaired(Event(REPAIR, back, None, {"from": came, "to": back, "kept": float(kept)}, done.words))
        self._waiting = []  # of what came in until now: it was gone back over, or is known
        log.warning("%s: %s", self._watch.run.name, done.words)

    # What follows makes it a sink: it is told what is found.

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Do nothing: findings say enough."""

    def event(self, run: Run, event: Event) -> None:
        """Do nothing: findings say enough."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Remember a finding that the policy heeds until :meth:`step`."""
        if self.repair.heeds(finding):
            self._waiting.append(finding)

    def close(self, run: Run) -> None:
        """Do nothing: checkpoints stay."""
