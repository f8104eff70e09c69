"""Watch a training loop in PyTorch: hooks on the optimizer, the model and the loss; the loop stays as it is."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.finding import Findings, Severity
from watchkeeper.training.journal import Journal
from watchkeeper.training.pytorch import model as models
from watchkeeper.training.pytorch.head import loss_kind
from watchkeeper.training.pytorch.looking import Looking
from watchkeeper.training.pytorch.pausing import is_paused
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.stepping import Stepping
from watchkeeper.training.pytorch.transfer import Deliver, Transfer
from watchkeeper.training.report import RunReport
from watchkeeper.training.resources import COLUMNS, Gpu, Resources, nvidia
from watchkeeper.training.run import Event, Run
from watchkeeper.training.watching import Sink, Watching

NO_STEP = 64
"""So many batches without a step of the optimizer are told: more than gradients are commonly accumulated over."""


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Iterable[torch.optim.Optimizer] | None = None,
    loss: Any = None,
    *,
    name: str = "run",
    folder: str | Path | None = None,
    sinks: Iterable[Sink] = (),
    settings: Settings | None = None,
) -> Watch:
    """Watch the training of a model; the loop stays as it is but for ``watch.step(loss)`` after each step.

    Parameters
    ----------
    model
        The module that the loop calls: what ``torch.compile`` or ``DistributedDataParallel`` gave, where one is used.
    optimizer
        One or several; their step hooks say when a step was taken, so gradient accumulation and mixed precision need
        nothing more. None: every ``watch.step`` counts as one.
    loss
        The loss module or function, or the name of its kind: ``cross_entropy``, ``nll``, ``bce_logits``, ``bce``, ``mse``,
        ``mae`` or ``other``. From a module (``nn.CrossEntropyLoss()``) outputs and targets are seen too.
    name, folder
        What the run is called, and where it is written to: ``folder/name.jsonl``, read by ``watchkeeper training``.
    sinks
        Where else it is told to.
    settings
        How often it looks.

    Raises
    ------
    InputError
        The model has no parameters, or the kind of loss is not known.
    """
    settings = settings or Settings()
    optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else list(optimizer or ())
    return Watch(
        model, optimizers, loss, _run(model, optimizers, loss, name, settings), _sinks(folder, name, sinks), settings
    )


def _run(
    model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], loss: Any, name: str, settings: Settings
) -> Run:
    base = models.base_of(model)
    layers, _ = models.layers_of(base, optimizers)
    if not layers:
        raise InputError("the model has no parameters: hand in the module that is trained.")
    run = Run(name, "pytorch", layers, " and ".join(type(o).__name__ for o in optimizers), loss_kind(loss))
    if run.loss not in {None, "cross_entropy", "bce_logits", "bce", "nll", "mse", "mae", "other"}:
        raise InputError(
            f"{run.loss!r} is no kind of loss. Known are cross_entropy, nll, bce_logits, bce, mse, mae and other."
        )
    run.classes, run.planned_steps = settings.classes, settings.steps
    if run.classes is None and run.loss in {"bce", "bce_logits"}:
        run.classes = 2
    run.facts |= {
        "alike_layers": models.alike_layers(base),
        "weight_scales": models.weight_scales(base),
        "normalised": models.normalised_first(base),
        "epoch_steps": settings.epoch_steps,
        "resumed": settings.resumed,
        "weight_decay": max((float(g.get("weight_decay", 0)) for o in optimizers for g in o.param_groups), default=0.0),
    }
    return run


def _sinks(folder: str | Path | None, name: str, sinks: Iterable[Sink]) -> list[Sink]:
    if _rank():
        return []
    return [*sinks, *([Journal(Path(folder) / f"{name}.jsonl")] if folder is not None else [])]


def _rank() -> int:
    started = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if started else 0


def _gpu(parameters: Sequence[nn.Parameter]) -> Gpu | None:
    """Return a reader of the GPU on which the parameters lie."""
    device = next((p.device for p in parameters if p.device.type == "cuda"), None)
    return nvidia(f"GPU-{torch.cuda.get_device_properties(device).uuid}") if device is not None else None


def _single(loss: torch.Tensor | float) -> torch.Tensor:
    if not isinstance(loss, torch.Tensor):
        return torch.tensor(float(loss), dtype=torch.float64)
    loss = loss.detach()
    if loss.dim() == 0 and loss.dtype == torch.float32:
        return loss
    loss = loss.mean() if loss.numel() > 1 else loss.reshape(())
    return loss if loss.dtype in {torch.float32, torch.float64} else loss.float()


class Watch:
    """A training being watched; :func:`watch` makes it. Also a context manager, which ends the watch.

    Nothing in it waits for a GPU, and nothing in it can stop the run: an error in a hook ends the watch, is kept as a
    finding and said once as a warning.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        loss: Any,
        run: Run,
        sinks: Iterable[Sink],
        settings: Settings,
    ) -> None:
        self.model, self.optimizers = model, list(optimizers)
        self._watching = Watching(run, sinks, quiet=_rank() > 0)
        self._transfer = Transfer(settings.border)
        self._settings = settings
        self._step = 0
        self._broken = self._urgent = False
        self._losses: list[torch.Tensor] = []
        self._held: list[tuple[int, torch.Tensor]] = []
        self._shown: list[tuple[torch.Tensor, Deliver]] = []
        base = models.base_of(model)
        parameters = list(base.parameters())
        self._stepping = Stepping(model, parameters, settings, self._guard)
        self._stepping.follow(optimizers)
        self._due = True
        self._stepping.begin(0, True)
        self._looking = Looking(model, loss, run, settings, self._guard, self._stepping)
        self._resources = Resources(_gpu(parameters)) if settings.resources else None
        self._stepping.broken = self._diagnose
        for layer in models.frozen_statistics(base):
            words = (
                f"{layer} has a momentum of 0: the statistics that it uses in evaluation never move from their start."
            )
            self._watching.note(Event("train_eval_gap", 0, layer, words=words))

    @property
    def run(self) -> Run:
        """What is recorded."""
        return self._watching.run

    @property
    def findings(self) -> Findings:
        """What was found so far, the worst first. Waits for what is on its way from a GPU."""
        self._arrive()
        self._watching.look()
        return self._watching.findings

    @property
    def unchecked(self) -> dict[str, str]:
        """What could not be looked for, and why."""
        return self._watching.unchecked

    def report(self) -> RunReport:
        """Return the report of the run so far: a page in a notebook, ``save`` writes it. Waits as :attr:`findings` does."""
        assert self.findings is not None  # which waits, and looks
        return RunReport(self._watching)

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def step(self, loss: torch.Tensor | float, target: torch.Tensor | None = None) -> None:
        """Take the loss of a batch, after ``optimizer.step()``; of each micro-batch where gradients are accumulated.

        ``target`` is looked at in some steps, where the loss is no module that shows it. Never raises.
        """
        try:
            if not self._broken:
                self._take(loss, target)
        except Exception as error:  # whatever it is, training goes on
            self._fail(error)
        if self._broken and self._stepping.together and self._stepping.stepped:
            self._stepping.join()
            self._step += 1
            self._stepping.begin(self._step, self._settings.due(self._step))

    def validation(self, **metrics: float) -> None:
        """Take metrics of held-out rows, such as ``loss=.3, accuracy=.9``; ``loss`` is what overfitting is judged by."""
        self._watching.validation(self._step, {name: float(value) for name, value in metrics.items()})
        self._watching.tick(self._step)

    def optimizer(self, *optimizers: torch.optim.Optimizer) -> None:
        """Follow these optimizers from the next step on instead of those of before: one was made anew, or swapped.

        Which parameters are in an optimizer is asked again.
        """
        self._guard(self._follow)(optimizers)

    def _follow(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        if self._broken:
            return
        self._stepping.follow(optimizers)
        self._stepping.begin(self._step, self._due)
        known = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
        pairs = zip(self.run.layers, self._stepping.parameters, strict=True)
        self.run.layers[:] = [replace(layer, optimized=id(p) in known) for layer, p in pairs]
        self.run.optimizer = " and ".join(type(o).__name__ for o in optimizers)
        self.run.facts.setdefault("optimizers", []).append([self._step, self.run.optimizer])

    @property
    def steps(self) -> int:
        """How many steps were taken; those that a repair went back over do not count."""
        return self._step

    def tell(self, sink: Sink) -> None:
        """Tell one more sink of the run, from now on."""
        self._watching.tell(sink)

    def repaired(self, event: Event) -> None:
        """Record a repair, and go on from the step that it went back to. Waits for what is on its way from a GPU."""
        self._arrive()
        self._watching.note(event)
        self._losses, self._urgent, self._step = [], False, min(self._step, int(event.numbers["to"]))
        self._due = self._settings.due(self._step)
        self._stepping.begin(self._step, self._due)
        self._looking.begin(self._step, self._due)

    def clip_grad_norm_(self, max_norm: float) -> torch.Tensor:
        """Clip gradients as ``torch.nn.utils.clip_grad_norm_`` does, and record the norm before it. Returns that norm."""
        return self._stepping.clip(max_norm)

    def gradients(self, optimizer: torch.optim.Optimizer, limit: float | None = None) -> None:
        """Take the gradients of an optimizer as they are now, before they are clipped to the norm ``limit``.

        Callbacks of frameworks call it. Without it they are taken where the optimizer steps.
        """
        self._guard(self._stepping.see)(optimizer, limit)

    def record(self, name: str, row: Sequence[float], columns: Sequence[str] = ("value",)) -> None:
        """Add one row to a series of the run at the current step, such as ``clip`` with its columns norm and limit."""
        self._guard(self._watching.add)(name, self._step, row, columns)

    def reached(self, severity: Severity | None) -> bool:
        """Whether something as severe was found so far; waits for nothing. None: False."""
        return self._watching.reached(severity)

    def _take(self, loss: torch.Tensor | float, target: torch.Tensor | None) -> None:
        self._losses.append(_single(loss))
        if not self._stepping.stepped:
            if len(self._losses) == NO_STEP:
                words = f"The optimizer took no step in {NO_STEP} batches."
                self._watching.note(Event("no_step", self._step, words=words))
                self._watching.look()
            return
        step = self._step
        due = self._due
        if due or self._stepping.clipped or not self._looking.quiet:
            due = self._show(step, due, target)
        self._lose(step, due or self._urgent)
        self._losses, self._urgent, self._step = [], False, step + 1
        self._due = self._settings.due(step + 1)
        self._stepping.begin(step + 1, self._due)
        self._looking.begin(step + 1, self._due)
        if self._transfer.waiting:
            self._transfer.collect()

    def _show(self, step: int, due: bool, target: torch.Tensor | None) -> bool:
        """Send what the step showed; return whether it is to be judged soon."""
        rows = self._looking.take(step, target)
        rows = self._stepping.take() | rows if due else self._stepping.clips() | rows
        self._shown += [(row, functools.partial(self._arrived, n, step, names)) for n, (row, names) in rows.items()]
        for event in self._looking.events(step):
            self._watching.note(event)
            due = True
        if due and self._resources is not None and (used := self._resources.take()) is not None:
            self._watching.add("resources", step, used, COLUMNS)
        return due

    def _lose(self, step: int, due: bool) -> None:
        """Hold the losses of a step; all that a few steps showed is sent together, at a fraction of the cost."""
        losses = self._losses
        self._held.append((step, losses[0] if len(losses) == 1 else torch.stack(losses).mean()))
        if due or len(self._held) >= self._settings.every:
            self._send()

    def _send(self) -> None:
        held, shown = self._held, self._shown
        self._held, self._shown = [], []
        if held:
            steps, losses = [step for step, _ in held], torch.stack([loss for _, loss in held])
            shown = [*shown, (losses, functools.partial(self._lost, steps))]
        if shown:
            self._transfer.send_all([row for row, _ in shown], [deliver for _, deliver in shown])

    def _lost(self, steps: Sequence[int], values: Floats) -> None:
        for step, value in zip(steps, values.tolist(), strict=True):
            self._watching.loss(step, value)

    def _arrive(self) -> None:
        """Wait for all that is on its way."""
        self._send()
        self._transfer.collect(wait=True)

    def _arrived(self, name: str, step: int, columns: Sequence[str], values: Floats) -> None:
        if name in {"head", "input", "stale", "scale", "replicas", "gradient"}:
            for event in self._looking.judge(name, step, values):
                self._watching.note(event)
        if name not in {"stale", "replicas"}:
            self._watching.add(name, step, values, columns)

    def _diagnose(self) -> None:
        """Say where something that is not finite comes from, before the step spoils the weights."""
        event = self._looking.diagnose(self._step)
        if event is not None:
            self._watching.note(event)
            self._urgent = True

    def _guard(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Return a hook that never raises."""

        @functools.wraps(hook)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if is_paused():
                return None
            try:
                return hook(*args, **kwargs)
            except Exception as error:  # whatever it is, training goes on
                self._fail(error)
                return None

        return guarded

    def _fail(self, error: Exception) -> None:
        if self._broken:
            return
        self._broken = True
        self._unhook()
        if self._stepping.together:
            self._stepping.only_count()
        words = f"Watching stopped at step {self._step:,}: {type(error).__name__}: {error}."
        with contextlib.suppress(Exception):  # the fault may lie in a sink or a detector
            self._watching.note(Event("watching_failed", self._step, words=words))
            self._watching.look()
        warnings.warn(f"{words} The run goes on unwatched.", RuntimeWarning, stacklevel=2)

    def _unhook(self) -> None:
        self._stepping.unhook()
        self._looking.unhook()

    def close(self) -> None:
        """End the watch: take the hooks away, wait for what is on its way, judge the run, close the sinks."""
        if self._step == 0 and not self._losses and self._stepping.stepped and self._stepping.hooked:
            words = "The optimizer took steps, and watch.step(loss) was never called."
            self._watching.note(Event("not_told", 0, words=words))
        self._unhook()
        self._arrive()
        self._watching.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        found = "\n".join(f"  {finding}" for finding in self._watching.findings)
        return f"<watch of {self.run.name!r}: {self._step:,} steps, {found or 'nothing found'}>"
