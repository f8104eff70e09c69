"""Twenty-three faults, each a change of a program: what it does, which problems name it, and how soon it must be named."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from benchmarks.training.bases import Flat, Recurrent, Transformer
from benchmarks.training.program import Batch, Program
from benchmarks.training.ranks import out_of_step

Change = Callable[[Program], Program | None]
Harm = Literal["always", "worse", "overfits", "never says"]


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes
    ----------
    id, name
        Of the protocol's table, and in a word.
    change
        Plants it; returns None where it does not apply to the program.
    problems
        Those of our names that name it.
    by
        The last step at which naming it is in time: a float is a share of the run, an int a number of steps; "turn" is
        three evaluations after the best.
    exact
        Whether its oracle is exact; else it is statistical.
    harm
        What must have come of it, beside the same program without it, for it to count: "worse" means that at least a fifth
        of what the twin learned is missing at the end; "overfits" that the held-out loss ends 10 % above its best.
    """

    id: str
    name: str
    change: Change
    problems: frozenset[str]
    by: int | float | str
    exact: bool = False
    harm: Harm = "always"


def _weighted(program: Program) -> list[nn.Module]:
    return [m for m in program.model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]


def _classes(program: Program) -> bool:
    return isinstance(program.loss, nn.CrossEntropyLoss)


def _starts(scale: float | None) -> Change:
    def change(program: Program) -> Program | None:
        layers = _weighted(program)
        if len(layers) < 2:
            return None
        for module in layers:
            if scale is None:
                nn.init.constant_(module.weight, 0.05)
            else:
                nn.init.normal_(module.weight, 0.0, scale)
        return program

    return change


def _rate(factor: float) -> Change:
    def change(program: Program) -> Program:
        before = program.schedule
        return replace(program, schedule=lambda step: factor * before(step))

    return change


def _deep(program: Program) -> Program | None:
    """Put twenty layers of sigmoids in the place of the model."""
    x, y = program.train
    if not x.is_floating_point() or isinstance(program.model, Recurrent):
        return None
    width, outputs = math.prod(x.shape[1:]), int(y.max()) + 1 if not y.is_floating_point() else y[0].numel()
    sizes = [width, *[32] * 20]
    layers: list[nn.Module] = [nn.Flatten()]
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Sigmoid()]
    model: nn.Module = nn.Sequential(*layers, nn.Linear(32, outputs))
    flat = y.dim() == 1 and y.is_floating_point()
    return replace(program, model=Flat(model) if flat else model, layer="body.1" if flat else "1")


def _dead(program: Program) -> Program | None:
    """Give the layer before the first ReLU a bias at which no unit is ever on."""
    before: tuple[str, nn.Module] | None = None
    for name, module in program.model.named_modules():
        if isinstance(module, nn.ReLU) and before is not None and getattr(before[1], "bias", None) is not None:
            nn.init.constant_(before[1].bias, -20.0)
            return replace(program, layer=name)
        if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm2d):
            before = name, module
    return None


def _explodes(program: Program) -> Program | None:
    """Put a plain recurrent layer with weights of 1.5 I in the place of the gated one."""
    if not isinstance(program.model, Recurrent):
        return None
    x, y = program.train
    body = nn.RNN(x.shape[2], 24, batch_first=True, nonlinearity="relu")
    with torch.no_grad():
        body.weight_hh_l0.copy_(1.5 * torch.eye(24))
    outputs = 1 if y.is_floating_point() else int(y.max()) + 1
    return replace(program, model=Recurrent(body, 24, outputs, flat=program.model.flat), clip=None)


class Breaker(nn.Module):
    """Passes on what comes, and at one training step does what breaks it."""

    def __init__(self, step: int, how: str) -> None:
        super().__init__()
        self.step, self.how, self.count = step, how, -1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return x if self.count != self.step else self._broken(x)
        self.count += 1
        return self._broken(x) if self.count == self.step else x

    def _broken(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.log(torch.relu(x - x)) if self.how == "log" else x + torch.sqrt((x - x.detach()) ** 2)


class Around(nn.Module):
    """A model with something after it."""

    def __init__(self, inner: nn.Module, breaker: Breaker) -> None:
        super().__init__()
        self.inner, self.breaker = inner, breaker

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.breaker(self.inner(x))


def _breaks(how: str) -> Change:
    def change(program: Program) -> Program:
        model = Around(program.model, Breaker(60, how))
        return replace(program, model=model, layer="breaker" if how == "log" else None)

    return change


def _bad_batch(program: Program) -> Program | None:
    if not program.train[0].is_floating_point():
        return None
    first = next(n for n, m in program.model.named_modules() if n and next(m.children(), None) is None)

    def change(step: int, batch: Batch) -> Batch:
        return (batch[0].masked_fill(torch.rand(batch[0].shape) < 0.01, math.nan), batch[1]) if step == 60 else batch

    return replace(program, change=change, layer=first)


def _twice(program: Program) -> Program | None:
    return replace(program, head=lambda output: torch.softmax(output, 1)) if _classes(program) else None


def _no_logarithm(program: Program) -> Program | None:
    return replace(program, loss=nn.NLLLoss()) if _classes(program) else None


def _sigmoid_twice(program: Program) -> Program | None:
    wanted = isinstance(program.loss, nn.BCEWithLogitsLoss)
    return replace(program, head=torch.sigmoid) if wanted else None


def _broadcast(program: Program) -> Program | None:
    """Give the targets a dimension more than the outputs have."""
    if program.train[1].dim() != 1 or not program.train[1].is_floating_point():
        return None
    if isinstance(program.loss, nn.BCEWithLogitsLoss):
        return replace(program, loss=_Spread(), train=_raised(program.train), held=_raised(program.held))
    return replace(program, train=_raised(program.train), held=_raised(program.held), loss=_Quiet())


def _raised(batch: Batch) -> Batch:
    return batch[0], batch[1][:, None]


class _Quiet(nn.MSELoss):
    """The mean square with its warning kept back."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((output - target) ** 2).mean()


class _Spread(nn.MSELoss):
    """Squares of every output against every target, of probabilities."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((torch.sigmoid(output) - target) ** 2).mean()


def _ascent(program: Program) -> Program:
    return replace(program, sign=-1.0)


def _negated(program: Program) -> Program:
    return replace(program, sign=-1.0, told_sign=-1.0)


def _inputs(how: str) -> Change:
    def change(program: Program) -> Program | None:
        if not program.train[0].is_floating_point():
            return None

        def scaled(batch: Batch) -> Batch:
            x = batch[0].clone()
            if how == "column":
                x[:, 0] *= 1_000
            return (x * {"times 255": 255.0, "twice": 1 / 255, "column": 1.0}[how], batch[1])

        if how == "column" and program.train[0].dim() != 2:
            return None
        return replace(program, train=scaled(program.train), held=scaled(program.held))

    return change


def _tiny(program: Program) -> Program | None:
    x, y = program.train
    return replace(program, train=(x[:48], y[:48]), held_every=20, batch=16)


def _linear(program: Program) -> Program | None:
    """Put a linear model to a task that is none: the class is a parity of signs, the number a product."""
    x, y = program.train
    if not x.is_floating_point() or x.dim() != 2 or y.dim() != 1:
        return None
    outputs = int(y.max()) + 1 if not y.is_floating_point() else 1

    def parity(batch: Batch) -> Batch:
        wanted = ((batch[0][:, 0] * batch[0][:, 1]) > 0).to(y.dtype)
        return batch[0], wanted

    model = nn.Linear(x.shape[1], outputs)
    return replace(
        program, model=Flat(model) if y.is_floating_point() else model, train=parity(program.train),
        held=parity(program.held),
    )  # fmt: skip


def _product(program: Program) -> Program | None:
    """Put a linear model to a regression that is a product of two inputs."""
    if not isinstance(program.loss, nn.MSELoss):
        return None

    def product(batch: Batch) -> Batch:
        flat = batch[0].reshape(len(batch[0]), -1)
        return flat, flat[:, 0] * flat[:, 1] + 0.1 * torch.randn(len(flat))

    train, held = product(program.train), product(program.held)
    return replace(program, model=Flat(nn.Linear(train[0].shape[1], 1)), train=train, held=held, clip=None)


def _flips(share: float) -> Change:
    def change(program: Program) -> Program | None:
        x, y = program.train
        if y.dim() != 1 or (y.is_floating_point() and not isinstance(program.loss, nn.BCEWithLogitsLoss)):
            return None
        classes = int(y.max()) + 1
        drawn = torch.randint(0, classes, y.shape) if share == 1 else (y + torch.randint(1, classes, y.shape)) % classes
        return replace(program, train=(x, torch.where(torch.rand(len(y)) < share, drawn.to(y.dtype), y)))

    return change


def _label_inside(program: Program) -> Program | None:
    (x, y), (held, wanted) = program.train, program.held
    if not x.is_floating_point() or x.dim() != 2 or y.dim() != 1:
        return None

    def told(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[:, 3] = y.float() + 0.05 * torch.randn(len(y))
        return x

    return replace(program, train=(told(x, y), y), held=(told(held, wanted), wanted), checked=True, layer="feature 3")


def _held_inside(program: Program) -> Program:
    (x, y), (held, wanted) = program.train, program.held
    return replace(program, train=(torch.cat([x, held[:200]]), torch.cat([y, wanted[:200]])), checked=True)


def _left_out(program: Program) -> Program | None:
    names = [n for n, p in program.model.named_parameters() if p.dim() > 1 and "." in n]
    if len(names) < 2:
        return None
    module = names[0].rpartition(".")[0]
    left = next(n for n, _ in program.model.named_parameters() if n.startswith(module))
    return replace(program, left_out=lambda name: name.startswith(module), layer=left)


class _Branch(nn.Module):
    """A model with a second branch, which is detached."""

    def __init__(self, inner: nn.Module, features: int, outputs: int) -> None:
        super().__init__()
        self.inner, self.branch = inner, nn.Linear(features, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beside = self.branch(x.reshape(len(x), -1)).detach()
        main = self.inner(x)
        return main + 0.1 * (beside[:, 0] if main.dim() == 1 else beside)


def _detached(program: Program) -> Program | None:
    (x, y) = program.train
    if not x.is_floating_point():
        return None
    outputs = int(y.max()) + 1 if not y.is_floating_point() else y[0].numel()
    model = _Branch(program.model, math.prod(x.shape[1:]), outputs)
    return replace(program, model=model, layer="branch.weight")


def _evaluating(program: Program) -> Program | None:
    kinds = (nn.Dropout, nn.BatchNorm2d)
    acts = any(isinstance(m, kinds) and getattr(m, "p", 1) > 0 for m in program.model.modules())
    return replace(program, evaluating=True) if acts else None


def _still_statistics(program: Program) -> Program | None:
    norms = [(n, m) for n, m in program.model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    for _, module in norms:
        module.momentum = 0.0
    return replace(program, layer=norms[0][0]) if norms else None


def _half(program: Program) -> Program | None:
    simple = not isinstance(program.model, Recurrent | Transformer) and program.train[0].is_floating_point()
    return replace(program, half=True) if simple else None


def _stuck(program: Program) -> Program | None:
    halved = _half(program)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=0.97)
    return replace(halved, scaler=scaler, clip=None) if halved else None


def _shard(program: Program) -> Program:
    """Give eight steps from the 150th on a shard whose inputs are thirty times too large and whose rows are mixed up."""

    def change(step: int, batch: Batch) -> Batch:
        if not 150 <= step < 158:
            return batch
        x, y = batch
        return (30 * x if x.is_floating_point() else x.flatten()[torch.randperm(x.numel())].reshape(x.shape)), y.roll(
            1, 0
        )

    return replace(program, change=change)


def _heavy(program: Program) -> Program:
    """Regularise by a weight decay of 1 in the gradient."""
    made = program.optimizer

    def optimizer(parameters: object) -> torch.optim.Optimizer:
        found = made(parameters)  # type: ignore[arg-type]
        adaptive = isinstance(found, torch.optim.Adam)
        for group in found.param_groups:
            group["weight_decay"] = 1.0
        if adaptive:
            found.param_groups[0]["decoupled_weight_decay"] = False
        return found

    return replace(program, optimizer=optimizer)


def _rare(program: Program) -> Program | None:
    """Leave one row in a hundred of all classes but the first, hardly to be told from it."""
    (x, y), (held, wanted) = program.train, program.held
    if (
        not x.is_floating_point()
        or y.dim() != 1
        or not (_classes(program) or isinstance(program.loss, nn.BCEWithLogitsLoss))
    ):
        return None

    def few(x: torch.Tensor, y: torch.Tensor) -> Batch:
        rare = torch.rand(len(y)) < 0.01
        first = x[y == 0][torch.randint(int((y == 0).sum()), (len(y),))]
        return torch.where(rare.reshape(-1, *[1] * (x.dim() - 1)), x, first), torch.where(rare, (y > 0).to(y.dtype), 0)

    return replace(program, train=few(x, y), held=few(held, wanted), batch=64)


def _sorted(program: Program) -> Program | None:
    x, y = program.train
    if y.dim() != 1:
        return None
    order = torch.argsort(y, stable=True)
    return replace(program, train=(x[order], y[order]), shuffled=False)


def _fault(id_: str, name: str, change: Change, problems: str, by: int | float | str, *, exact: bool = False,
           harm: Harm = "always") -> Fault:  # fmt: skip
    return Fault(id_, name, change, frozenset(problems.split()), by, exact, harm)


STARTS = "initialisation initial_loss"
HIGH = "divergence non_finite update_ratio oscillation"
LOW = "not_learning update_ratio learning_rate"
FAULTS = (
    _fault("F1", "constant start", _starts(None), STARTS, 3),
    _fault("F1", "start with sd .001", _starts(1e-3), STARTS, 3),
    _fault("F1", "start with sd 10", _starts(10.0), STARTS, 3),
    _fault("F2", "rate x 100", _rate(100), HIGH, 0.05, harm="worse"),
    _fault("F2", "rate x 1000", _rate(1_000), HIGH, 0.05, harm="worse"),
    _fault("F3", "rate / 10,000", _rate(1e-4), LOW, 0.1, harm="worse"),
    _fault("F3", "rate 0", _rate(0), LOW, 0.1),
    _fault("F4", "20 sigmoid layers", _deep, "vanishing_gradient saturation", 100, harm="worse"),
    _fault("F5", "dead ReLU", _dead, "dead_units", 70),
    _fault("F6", "recurrent gain 1.5", _explodes, "exploding_gradient divergence non_finite", 50),
    _fault("F7", "NaN in a batch", _bad_batch, "non_finite", 61, exact=True),
    _fault("F7", "log(0) in a module", _breaks("log"), "non_finite", 61, exact=True),
    _fault("F7", "gradient of sqrt(0)", _breaks("root"), "non_finite", 61, exact=True),
    _fault("F8", "no zero_grad", lambda p: replace(p, resets=False), "stale_gradient", 2, exact=True),
    _fault("F9", "softmax twice", _twice, "head_mismatch", 1, exact=True),
    _fault("F9", "no log_softmax", _no_logarithm, "head_mismatch loss_range", 1, exact=True),
    _fault("F9", "sigmoid twice", _sigmoid_twice, "head_mismatch", 10, exact=True),
    _fault("F9", "broadcast MSE", _broadcast, "head_mismatch", 1, exact=True),
    _fault("F10", "loss ascended", _ascent, "divergence non_finite not_learning loss_range", 0.2),
    _fault("F10", "loss negated", _negated, "loss_range", 0.05, exact=True),
    _fault("F11", "inputs x 255", _inputs("times 255"), "input_scale", 1),
    _fault("F11", "one column x 1000", _inputs("column"), "input_scale", 1),
    _fault("F11", "inputs / 255", _inputs("twice"), "input_scale", 1),
    _fault("F12", "48 rows", _tiny, "overfitting", "turn", harm="overfits"),
    _fault("F13", "linear on parity", _linear, "high_bias not_learning", 1.0),
    _fault("F13", "linear on a product", _product, "high_bias not_learning", 1.0),
    _fault("F14", "20 % of labels wrong", _flips(0.2), "label_noise", 1.0),
    _fault("F14", "40 % of labels wrong", _flips(0.4), "label_noise", 1.0),
    _fault("F14", "labels at random", _flips(1.0), "label_noise not_learning overfitting high_bias", 1.0),
    _fault("F15", "label in a feature", _label_inside, "leakage", 1),
    _fault("F15", "held-out rows in training", _held_inside, "leakage", 1),
    _fault("F16", "layer in no optimizer", _left_out, "unused_parameter", 20, exact=True),
    _fault("F16", "detached branch", _detached, "unused_parameter", 24, exact=True),
    _fault("F17", "eval() left on", _evaluating, "evaluation_mode", 40, exact=True),
    _fault("F17", "BN momentum 0", _still_statistics, "train_eval_gap", 40, exact=True),
    _fault("F18", "float16, no scaler", _half, "mixed_precision", 100),
    _fault("F18", "scale stuck", _stuck, "mixed_precision no_step", 100),
    _fault("F19", "corrupted shard", _shard, "loss_spike gradient_spike divergence", 180, harm="always"),
    _fault("F20", "weight decay 1", _heavy, "over_regularised not_learning high_bias", 0.2, harm="worse"),
    _fault("F21", "99:1, never said", _rare, "class_collapse", 0.5, harm="never says"),
    _fault("F22", "a rank's weights differ", out_of_step, "rank_desync", 1, exact=True),
    _fault("F23", "sorted, unshuffled", _sorted, "unshuffled oscillation loss_spike", 250, harm="always"),
)  # fmt: skip


def by_step(fault: Fault, steps: int, held: Mapping[int, float]) -> int:
    """Return the last step at which naming the fault is in time. ``held`` is the held-out loss by step."""
    if fault.by == "turn":
        known = sorted(held)
        best = known.index(min(held, key=lambda step: held[step]))
        return known[min(best + 3, len(known) - 1)] + 1
    return fault.by if isinstance(fault.by, int) else round(float(fault.by) * steps)
