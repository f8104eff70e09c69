"""Watch a training in the Trainer of Hugging Face's Transformers: one callback.

References
----------
Transformers 5.24, ``Trainer._run_epoch``: gradients are clipped before any event, their norm before that is
``logs["grad_norm"]``; the loss of a step is in no event, so it is taken from the model's output.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
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
    from transformers import TrainerCallback

    from watchkeeper.training.pytorch.model import base_of
    from watchkeeper.training.pytorch.settings import Settings
    from watchkeeper.training.pytorch.watched import Watch, watch
except ModuleNotFoundError as error:
    raise MissingExtra("transformers", "transformers", "Watching a training of Transformers") from error

DECIDE_EVERY = 10
"""Ranks agree on whether to stop in each so many-th step, which costs a message."""
HIDES = (
    "logging_nan_inf_filter is on (it is by default), so the Trainer logs a loss that is NaN or infinite as the mean of the "
    "others. Watchkeeper sees the loss itself; for your logs set TrainingArguments(logging_nan_inf_filter=False)."
)


class WatchCallback(TrainerCallback):  # type: ignore[misc]
    """Watches a training: ``Trainer(..., callbacks=[WatchCallback()])``, then ``callback.findings``.

    Parameters
    ----------
    loss
        The kind of loss, as in :func:`watchkeeper.watch`. None: what the model's configuration says it is.
    stop_on
        ``"critical"`` or ``"warning"``: sets ``control.should_training_stop`` where something as severe is found. None: never.
    name, folder, sinks, settings
        As in :func:`watchkeeper.watch`.

    Notes
    -----
    By the Trainer's default ``max_grad_norm=1``, gradients are clipped before they can be seen by layer; the norms before
    that, at the steps that are logged, make the series ``clip``. The loss of each step is the one in the model's output; a
    Trainer that computes its own (label smoothing, ``compute_loss_func``) is followed by what it logs.
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
        self._loss, self._stop_on = loss, stop_on
        self._name, self._folder, self._sinks = name, folder, list(sinks)
        self._settings = settings
        self._losses: list[torch.Tensor] = []
        self._summed = False
        self._target: torch.Tensor | None = None
        self._handle: Any = None
        self.watch: Watch | None = None

    @property
    def findings(self) -> Findings:
        """What was found so far, the worst first."""
        return self.watch.findings if self.watch is not None else Findings()

    @property
    def run(self) -> Run:
        """What is recorded."""
        return self.watch.run if self.watch is not None else Run(self._name, "transformers")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to watch."""
        if args.logging_nan_inf_filter:
            warnings.warn(HIDES, UserWarning, stacklevel=2)
        self._end()
        model = kwargs["model"]
        kind, classes = _head_of(base_of(model))
        resumed, steps = state.global_step > 0, state.max_steps if state.max_steps > 0 else None
        self.watch = watch(
            model,
            _inner(kwargs["optimizer"]),
            self._loss if self._loss is not None else kind,
            name=self._name,
            folder=self._folder,
            sinks=self._sinks,
            settings=self._settings or Settings(classes=classes, steps=steps, resumed=resumed),
        )
        self.watch.run.framework = "transformers"
        self._losses = []
        self._handle = model.register_forward_hook(self._forward, with_kwargs=True)

    def _forward(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Keep the loss of a micro-batch; sums over one number of items for the whole step are added up."""
        loss = output.get("loss") if hasattr(output, "get") else None
        if torch.is_grad_enabled() and isinstance(loss, torch.Tensor) and loss.requires_grad:
            self._losses.append(loss.detach().float().mean())
            self._summed = kwargs.get("num_items_in_batch") is not None
            labels = kwargs.get("labels")
            classes = isinstance(labels, torch.Tensor) and labels.dim() == 1 and not labels.is_floating_point()
            self._target = labels if classes else None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Take the loss, and stop where that was asked for."""
        if self.watch is not None and self._losses:
            whole = torch.stack(self._losses)
            self.watch.step(whole.sum() if self._summed else whole.mean(), self._target)
            self._losses, self._target = [], None
        self._decide(args, state, control)
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """Take the norm of the gradients before clipping; and the loss, where the model's output has none."""
        logs = logs or {}
        if self.watch is not None and "grad_norm" in logs and args.max_grad_norm:
            self.watch.record("clip", (float(logs["grad_norm"]), float(args.max_grad_norm)), ("norm", "limit"))
        own = self.watch is not None and self.watch.run.has("loss") and not self.watch.run.facts.get("logged_loss")
        if self.watch is not None and "loss" in logs and not own:
            self.watch.run.facts["logged_loss"] = True
            self.watch.step(float(logs["loss"]))
        return control

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Take metrics of held-out rows."""
        found = held_out(metrics or {})
        if self.watch is not None and found:
            self.watch.validation(**found)
        return control

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the watch."""
        self._end()

    def _decide(self, args: Any, state: Any, control: Any) -> None:
        if self._stop_on is None or self.watch is None:
            return
        stop = self.watch.reached(self._stop_on)
        if args.world_size > 1 and torch.distributed.is_initialized():
            if state.global_step % DECIDE_EVERY:
                return
            votes = torch.tensor(float(stop), device=args.device)
            torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX)
            stop = bool(votes)
        if stop:
            control.should_training_stop = True

    def _end(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self.watch is not None:
            self.watch.close()


def _inner(optimizer: Any) -> torch.optim.Optimizer:
    """Return the optimizer inside Accelerate's."""
    while isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        optimizer = optimizer.optimizer
    return optimizer


def _head_of(model: nn.Module) -> tuple[str | None, int | None]:
    """Return the kind of loss and the number of classes by what the model is: words of a language, or labels."""
    config, name = getattr(model, "config", None), type(model).__name__
    if config is None:
        return None, None
    if name.endswith(("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "ForSeq2SeqLM")):
        return "cross_entropy", getattr(config, "vocab_size", None)
    labels = getattr(config, "num_labels", None)
    if not name.endswith("Classification") or labels is None:
        return "other", None
    problem = getattr(config, "problem_type", None)
    if problem == "multi_label_classification":
        return "bce_logits", None
    return ("mse", None) if problem == "regression" or labels == 1 else ("cross_entropy", labels)
