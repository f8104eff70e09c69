"""Watch a training in Lightning: one callback, whether the trainer comes from ``lightning`` or ``pytorch_lightning``.

References
----------
Lightning 2.6, ``lightning.pytorch.callbacks.Callback``: ``on_before_optimizer_step`` is called within the optimizer's
step, after the backward pass, with gradients unscaled and not yet clipped.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from watchkeeper.errors import MissingExtra
from watchkeeper.training.finding import Findings, Severity
from watchkeeper.training.naming import held_out
from watchkeeper.training.run import Run
from watchkeeper.training.watching import Sink

try:
    import torch
    from torch import nn

    from watchkeeper.training.pytorch.head import loss_kind
    from watchkeeper.training.pytorch.settings import Settings
    from watchkeeper.training.pytorch.watched import Watch, watch
except ModuleNotFoundError as error:
    raise MissingExtra("torch", "lightning", "Watching a training in Lightning") from error

_HOMES = ("lightning.pytorch", "pytorch_lightning")
DECIDE_EVERY = 10
"""Ranks agree on whether to stop in each so many-th batch, which costs a message."""


def _bases() -> tuple[type, ...]:
    """Return the class of callbacks in the package that is in use; in both, where both are."""
    used = [name for name in _HOMES if sys.modules.get(name) is not None]
    for name in used or _HOMES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        used = used or [name]
    if not used:
        raise MissingExtra("lightning", "lightning", "Watching a training in Lightning")
    return tuple(dict.fromkeys(sys.modules[name].Callback for name in used))


class WatchCallback(*_bases()):  # type: ignore[misc]
    """Watches a fit: ``Trainer(callbacks=[WatchCallback()])``, then ``callback.findings``.

    Automatic and manual optimization, accumulation, several optimizers, mixed precision and clipping are seen as they are;
    metrics of validation are those in ``trainer.callback_metrics`` whose names begin with ``val``.

    Parameters
    ----------
    loss
        The loss module or the name of its kind, as in :func:`watchkeeper.watch`. None: the only loss module among the
        model's attributes, where there is one.
    stop_on
        ``"critical"`` or ``"warning"``: sets ``trainer.should_stop`` where something as severe is found. None: never.
    name, folder, sinks, settings
        As in :func:`watchkeeper.watch`.
    """

    def __init__(
        self,
        loss: Any = None,
        *,
        stop_on: Severity | None = None,
        name: str = "run",
        folder: str | Path | None = None,
        sinks: Iterable[Sink] = (),
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        self._loss, self._stop_on = loss, stop_on
        self._name, self._folder, self._sinks = name, folder, list(sinks)
        self._settings = settings
        self._resumed = False
        self.watch: Watch | None = None

    @property
    def findings(self) -> Findings:
        """What was found so far, the worst first."""
        return self.watch.findings if self.watch is not None else Findings()

    @property
    def run(self) -> Run:
        """What is recorded."""
        return self.watch.run if self.watch is not None else Run(self._name, "lightning")

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint."""
        return f"watchkeeper.{self._name}"

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the step, and what was found."""
        return {"step": self.run.step, "findings": [finding.to_dict() for finding in self.findings]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what a checkpoint kept: the run goes on, so its start says nothing about initialisation."""
        self._resumed = int(state_dict["step"]) >= 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        if self.watch is not None:
            self.watch.close()
        loss = self._loss if self._loss is not None else _loss_in(pl_module)
        settings = self._settings or Settings(steps=_positive(trainer.estimated_stepping_batches))
        settings = replace(settings, resumed=settings.resumed or self._resumed)
        self.watch = watch(
            _called(pl_module),
            trainer.optimizers,
            loss,
            name=self._name,
            folder=self._folder,
            sinks=self._sinks,
            settings=settings,
        )
        self.watch.run.framework = "lightning"

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
        """Take gradients before they are clipped."""
        if self.watch is not None:
            by_norm = trainer.gradient_clip_algorithm in {None, "norm"}
            self.watch.gradients(optimizer, trainer.gradient_clip_val if by_norm else None)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Take the loss, and stop where that was asked for."""
        loss = _loss_of(outputs, trainer)
        if self.watch is None or loss is None:
            return
        self.watch.step(loss)
        if self._stop_on is not None and (trainer.world_size == 1 or batch_idx % DECIDE_EVERY == 0):
            stop = self.watch.reached(self._stop_on)
            trainer.should_stop = trainer.should_stop or trainer.strategy.reduce_boolean_decision(stop, all=False)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Take what was logged in validation."""
        if self.watch is not None and not trainer.sanity_checking:
            metrics = held_out(trainer.callback_metrics)
            if metrics:
                self.watch.validation(**metrics)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the watch."""
        if self.watch is not None:
            self.watch.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the watch of a run that failed."""
        self.on_train_end(trainer, pl_module)


def _called(module: nn.Module) -> nn.Module:
    """Return the module whose calls show inputs and outputs: the only child, where it has all the parameters."""
    whole = sum(1 for _ in module.parameters())
    for child in module.children():
        if sum(1 for _ in child.parameters()) == whole and not isinstance(child, nn.ModuleList | nn.ModuleDict):
            return child
    return module


def _loss_in(module: nn.Module) -> nn.Module | None:
    found = [child for child in module.children() if loss_kind(child) != "other"]
    return found[0] if len(found) == 1 else None


def _loss_of(outputs: Any, trainer: Any) -> Any:
    """Return the loss of a batch: what ``training_step`` returned, else what it logged; None where it did neither."""
    loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
    if isinstance(loss, torch.Tensor) and loss.numel() == 1:
        automatic = trainer.lightning_module.automatic_optimization
        return loss * (trainer.accumulate_grad_batches if automatic else 1)  # automatic optimization divides it
    logged = trainer.callback_metrics
    return next((logged[name] for name in ("train_loss", "train/loss", "loss") if name in logged), None)


def _positive(steps: float) -> int | None:
    return int(steps) if 0 < steps < float("inf") else None
