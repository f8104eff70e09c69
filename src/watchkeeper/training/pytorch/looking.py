"""Hooks on the model and on the loss: inputs, outputs and targets of some steps, the mode, gradients left over, the probe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.pytorch import head
from watchkeeper.training.pytorch import model as models
from watchkeeper.training.pytorch.norms import norms
from watchkeeper.training.pytorch.pausing import DEPTH
from watchkeeper.training.pytorch.probe import Probe, first_bad_module
from watchkeeper.training.pytorch.settings import Guard, Row, Settings
from watchkeeper.training.pytorch.stepping import Stepping
from watchkeeper.training.run import Event, Run
from watchkeeper.training.scales import scale_events

EVAL_STEPS = 3
STALE = frozenset({1, 2, 5})
STALE_EVERY = 100
FIRST_PROBES = (0, 20, 60)
DIAGNOSE_EVERY = 100
INPUTS = 5
"""So many batches are looked at."""
SURE = 8
"""So many rows must agree before outputs are called probabilities."""


class Looking:
    """What the model's and the loss's calls show."""

    def __init__(
        self, model: nn.Module, loss: Any, run: Run, settings: Settings, guard: Guard, stepping: Stepping
    ) -> None:
        self._model, self._base = model, models.base_of(model)
        self._run, self._settings, self._stepping, self._guard = run, settings, stepping, guard
        self._forgetful = models.forgetful(self._base)
        self._probe: Probe | None = Probe(self._base, settings.probe_rows)
        self._next_probe: float = FIRST_PROBES[0]
        if not self._probe.useful or _is_sharded(model):
            self._probe, self._next_probe = None, math.inf
        self._probes = self._batch_rows = self._eval_steps = 0
        self._wrong = self._scaled_down = 0
        self._inputs_shown = 0
        self._diagnosed = -DIAGNOSE_EVERY
        self._last_scale = 0.0
        self._busy = True
        self._host = all(settings.border.open(p.device) for p in self._base.parameters())
        self._filling = self._probe is not None
        self._handles: list[Any] = []
        seen = _uncompiled(guard(self._forward), self._glance)
        self._handles.append(model.register_forward_hook(seen, with_kwargs=True))
        if isinstance(loss, nn.Module):
            lost = _uncompiled(guard(self._loss), lambda *_: self._busy and self._half_due)
            self._handles.append(loss.register_forward_hook(lost))
            stepping.shown = True
        self.begin(0, True)

    @property
    def quiet(self) -> bool:
        """Whether this step has nothing to show."""
        return not (self._busy or self._evaluated or self._eval_steps or self._step >= self._next_probe)

    def begin(self, step: int, due: bool) -> None:
        """Begin a step, in which norms are due or not."""
        self._step = step
        self._trained = self._evaluated = False
        self._inputs: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        busy, self._busy = self._busy, due or step in STALE or step % STALE_EVERY == 0
        if not (busy or self._busy):
            return
        self._due, self._half_due = due, due and self._settings.half(step)
        self._stale = step in STALE or (step > 0 and step % STALE_EVERY == 0)
        self._rows: dict[str, Row] = {}
        self._pending: list[Event] = []
        self._output: torch.Tensor | None = None
        self._left: torch.Tensor | None = None
        self._half = self._headed = False

    def _glance(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> bool:
        """Take what every call shows at no cost; return whether there is more to see."""
        if not torch.is_grad_enabled() or DEPTH[0]:
            return False
        if module.training:
            self._trained = True
        else:
            self._evaluated = True
        if self._host:
            self._inputs = args, kwargs
        return self._busy or self._filling

    def _forward(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if self._filling:
            self._fill(args, kwargs)
        if not self._busy:
            return
        if self._step < 3:
            self._half = _autocast_half(args)
        tensors = [t for t in head.tensors_in(output) if t.is_floating_point()]
        if not tensors:
            return
        self._output = _scores(output, tensors)
        first = next((t for t in tensors if t.requires_grad), None)
        if self._stale and first is not None:
            first.register_hook(self._guard(self._backward))
        if self._due and "input" not in self._rows:
            self._input(args, kwargs)

    def _fill(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._probe is not None:
            self._probe.keep(args, kwargs)
        self._filling = self._probe is not None and not self._probe.full

    def _input(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        first = next(head.tensors_in((args, kwargs)), None)
        if first is None or first.dim() < 2:
            return
        self._batch_rows = max(self._batch_rows, first.shape[0])
        if first.is_floating_point() and first.shape[0] >= SURE and self._inputs_shown < INPUTS:
            self._inputs_shown += 1
            self._rows["input"] = head.input_vector(first), head.INPUT

    def _backward(self, gradient: torch.Tensor) -> None:
        """At the start of a backward pass: what is left of the last step's gradients; the least of the step's passes."""
        left = self._stepping.gradients()
        found = torch.stack(norms(left)).sum() if left else torch.zeros((), device=gradient.device)
        self._left = found if self._left is None else torch.minimum(self._left, found)

    def _loss(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if len(args) > 1 and torch.is_grad_enabled():
            self._head(args[0], args[1])

    def _head(self, output: torch.Tensor, target: torch.Tensor | None) -> None:
        kind = self._run.loss
        elementwise = kind in {"mse", "mae", "bce", "bce_logits"}
        if target is not None and elementwise and head.shapes_differ(output, target):
            shapes = f"{tuple(output.shape)} and {tuple(target.shape)}"
            words = f"Output and target have the shapes {shapes}: each is compared with every other."
            self._pending.append(Event("head_mismatch", self._step, words=words))
            return
        if kind in {"cross_entropy", "nll"} and output.dim() > 1:
            classes = output.shape[1] if output.dim() > 1 else 1
            self._run.classes = self._run.classes or classes
            self._run.facts["sequence"] = output.dim() > 2 or self._run.facts.get("sequence", False)
            if classes == 1:
                words = (
                    "Cross entropy over a single output is always 0: use one output a class, or binary cross entropy."
                )
                self._pending.append(Event("head_mismatch", self._step, words=words))
        self._headed = True
        if kind in {"mse", "mae"} or self._settings.seldom(self._step):
            self._rows["head"] = head.head_vector(output, target), head.HEAD
        classes = self._run.classes or 0
        if (
            target is not None
            and 2 <= classes <= head.MOST_CLASSES
            and kind in {"cross_entropy", "nll", "bce_logits", "bce"}
        ):
            if target.is_floating_point() and kind in {"cross_entropy", "nll"}:
                return
            if kind in {"bce_logits", "bce"} and output.dim() > 1 and output.shape[-1] > 1:
                return
            wanted, given = head.class_counts(output, target, classes, kind)
            names = [str(c) for c in range(classes)]
            self._rows |= {"targets": (wanted, names), "predictions": (given, names)}
            if len(target) >= head.QUARTERED:
                self._rows["certain"] = head.certain_vector(output, target, kind), head.CERTAIN

    def take(self, step: int, target: torch.Tensor | None) -> dict[str, Row]:
        """Return what the step showed: vectors on the device, with the names of their columns."""
        if self._half_due and not self._headed and self._output is not None and self._run.loss is not None:
            known = target is not None
            if known or self._run.loss in {"cross_entropy", "bce_logits", "bce"}:
                self._head(self._output, target)
        if self._left is not None:
            self._rows["stale"] = self._left, ("left",)
        if self._probe is not None and self._probe.held and step >= self._next_probe:
            self._look_at_units(step)
        return self._rows

    def _look_at_units(self, step: int) -> None:
        assert self._probe is not None
        self._busy = True
        try:
            self._rows |= self._probe.run(spread=self._probes < len(FIRST_PROBES))
        except Exception as error:  # a model that cannot be called in evaluation: the rest is watched on
            self._run.facts["probe"] = f"failed: {type(error).__name__}: {error}"
            self._probe, self._next_probe = None, math.inf
            return
        self._plan_probe(step)

    def _plan_probe(self, step: int) -> None:
        assert self._probe is not None
        self._probes += 1
        if self._probes < len(FIRST_PROBES):
            self._next_probe = FIRST_PROBES[self._probes]
            return
        work = self._probe.held / max(self._batch_rows, 1) / 3  # a step is a forward pass and about two more
        self._next_probe = step + max(self._settings.every, round(work / max(self._settings.probe_share, 1e-6)))

    def events(self, step: int) -> Iterator[Event]:
        """Yield what is exact and known without waiting for the device."""
        yield from self._pending
        self._pending = []
        self._eval_steps = self._eval_steps + 1 if self._evaluated and not self._trained else 0
        if self._eval_steps >= EVAL_STEPS and self._forgetful:
            words = (
                f"The model is in evaluation mode in {self._eval_steps} training steps: no dropout, frozen statistics."
            )
            yield Event("evaluation_mode", step, words=words)
        if self._half and self._stepping.scaler is None:
            yield Event(
                "mixed_precision", step, words="The forward pass runs in float16, and no gradient scaler is used."
            )
        self._half = False

    def diagnose(self, step: int) -> Event | None:
        """Return where something that is not finite comes from: the forward pass is made again. Waits for the device.

        None where nothing is, or where it was said not long ago.
        """
        if step - self._diagnosed < DIAGNOSE_EVERY:
            return None
        layers, module = self._stepping.bad_layers(), None
        if self._inputs is not None and not _is_sharded(self._model):
            module = first_bad_module(self._base, *self._inputs)
        numbers = {"layers": float(len(layers))}
        if module is not None or layers:
            self._diagnosed = step
        if module is not None:
            given = module.removeprefix("the input of ")
            words = f"The first output that is not finite is that of module {module!r}."
            if given != module:
                words = f"What comes into module {given!r} is not finite already."
            return Event("non_finite", step, given, numbers, words)
        if not layers:
            return None
        last = layers[-1]
        words = f"The outputs are finite; the gradients of {len(layers)} layers, {last} the last of them, are not."
        return Event("non_finite", step, last, numbers, words)

    def judge(self, name: str, step: int, values: Floats) -> Iterator[Event]:
        """Yield what vectors that have arrived show for certain."""
        look = {"head": self._of_head, "input": self._of_input, "stale": self._of_stale}
        look |= {"scale": self._of_scale, "replicas": self._of_replicas, "gradient": self._of_gradient}
        yield from look[name](step, values)

    def _of_head(self, step: int, values: Floats) -> Iterator[Event]:
        error, low, high, _, _, least, most = values
        kind = self._run.loss
        shares = low >= 0 and high <= 1 + 1e-6
        if kind == "cross_entropy" and shares and error < 1e-3 and (self._run.classes or 2) > 1:
            words = "The outputs are probabilities already, and cross entropy takes their softmax again."
            yield Event("head_mismatch", step, words=words)
        self._wrong = self._wrong + 1 if kind == "bce_logits" and shares and high < 1 and high - low > 0.1 else 0
        if self._wrong >= 5:
            words = f"The outputs lie between {low:.3g} and {high:.3g}, and this loss takes their sigmoid again."
            yield Event("head_mismatch", step, words=words)
        if kind == "nll" and high > 1e-6:
            words = (
                f"The outputs reach {high:.3g}; this loss takes log-probabilities, which are at most 0 (log_softmax)."
            )
            yield Event("head_mismatch", step, words=words)
        if kind == "bce_logits" and (most > 1 or least < 0):
            words = f"Targets lie between {least:.3g} and {most:.3g}; binary cross entropy takes 0 to 1."
            yield Event("head_mismatch", step, words=words)

    def _of_input(self, step: int, values: Floats) -> Iterator[Event]:
        yield from scale_events(step, values, minor=bool(self._run.facts.get("normalised")))

    def _of_stale(self, step: int, values: Floats) -> Iterator[Event]:
        if values[0] > 0:
            words = "Gradients of the last step were still there when the next backward pass began: they add up."
            yield Event("stale_gradient", step, numbers={"norm": float(values[0])}, words=words)

    def _of_scale(self, step: int, values: Floats) -> Iterator[Event]:
        self._run.facts["scaled"] = True
        self._scaled_down = self._scaled_down + 1 if values[0] < self._last_scale else 0
        self._last_scale = float(values[0])
        if values[0] < 1 or self._scaled_down >= 5:
            words = f"The gradient scale is down to {values[0]:.3g}: steps are skipped again and again."
            yield Event("mixed_precision", step, numbers={"scale": float(values[0])}, words=words)

    def _of_gradient(self, step: int, values: Floats) -> Iterator[Event]:
        """Yield what is not finite on a device whose gradients are not asked in every step; a scaler meets some and skips."""
        bad = np.flatnonzero(~np.isfinite(values))
        unsaid = step - self._diagnosed >= DIAGNOSE_EVERY
        if len(bad) and unsaid and not self._host and self._stepping.scaler is None:
            self._diagnosed = step
            layer, numbers = self._run.layers[bad[-1]].name, {"layers": float(len(bad))}
            words = f"The gradients of {len(bad)} layers are not finite, {layer} the last of them."
            yield Event("non_finite", step, layer, numbers, words)

    def _of_replicas(self, step: int, values: Floats) -> Iterator[Event]:
        least, greatest = values.reshape(2, -1)
        apart = np.flatnonzero(~(greatest - least <= 1e-6 * np.abs(greatest)))
        if len(apart):
            layer, low, high = self._run.layers[apart[0]].name, float(least[apart[0]]), float(greatest[apart[0]])
            words = f"The ranks' weights differ in {len(apart)} layers: the norms of {layer} go from {low:.8g} to {high:.8g}."
            numbers = {"layers": float(len(apart)), "least": low, "greatest": high}
            yield Event("rank_desync", step, layer, numbers, words)

    def unhook(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []


def _autocast_half(args: tuple[Any, ...]) -> bool:
    """Whether arithmetic on the arguments' device is made in float16 of itself."""
    device = next((t.device.type for t in head.tensors_in(args)), "cpu")
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return False
    return bool(torch.get_autocast_dtype(device) == torch.float16)


def _scores(output: Any, tensors: list[torch.Tensor]) -> torch.Tensor | None:
    """Return what of a model's output goes into the loss: the only or the last tensor, or what is called logits.

    None where those are of a sequence with classes last, which the looks at a head would read the wrong way.
    """
    if not hasattr(output, "items"):
        return tensors[-1].detach() if isinstance(output, tuple) else tensors[0].detach()
    logits = output.get("logits")
    if logits is None:
        logits = next((t for t in tensors if t.dim() > 0), None)
    return logits.detach() if logits is not None and logits.dim() in {1, 2} else None


def _finite(value: Any) -> bool:
    return bool(abs(float(value)) < float("inf"))


def _is_sharded(model: nn.Module) -> bool:
    flat = "FullyShardedDataParallel" in type(model).__name__
    return flat or any(hasattr(p, "placements") for p in model.parameters())


def _uncompiled(hook: Callable[..., Any], glance: Callable[..., bool]) -> Callable[..., Any]:
    """Return a hook that ``torch.compile`` leaves alone: not there where it would be traced, uncompiled where it is called.

    It is called only where a glance says so, which must call nothing itself.
    """
    alone = torch.compiler.disable(hook)

    def called(*args: Any) -> None:
        if not torch.compiler.is_compiling() and glance(*args):
            alone(*args)

    skip = getattr(torch._dynamo.eval_frame, "skip_code", None)
    if skip is not None:  # else it compiles a hook that does nothing
        skip(called.__code__)
        skip(glance.__code__)
    return called
