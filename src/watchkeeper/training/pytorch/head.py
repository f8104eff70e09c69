"""What goes into the loss, looked at on the device: outputs, targets, their classes; and what goes into the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from watchkeeper.training.run import Loss

MOST_CLASSES = 64
"""With more classes they are not counted one by one."""
HEAD = ("row_sum_error", "low", "high", "target_mean", "target_variance", "target_low", "target_high")
INPUT = ("mean", "sd", "low", "high", "centre", "greatest_sd", "least_sd", "constant")
CERTAIN = ("rows", "wrong", "surest", "surest_wrong")
QUARTERED = 8
"""From so many rows on a batch is asked which quarter of them the model is surest of."""
_MOST_ROWS = 4096
_MODULES: dict[type[nn.Module], Loss] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.NLLLoss: "nll",
    nn.BCEWithLogitsLoss: "bce_logits",
    nn.BCELoss: "bce",
    nn.MSELoss: "mse",
    nn.L1Loss: "mae",
    nn.SmoothL1Loss: "mae",
    nn.HuberLoss: "mae",
}
_FUNCTIONS: dict[Callable[..., Any], Loss] = {
    functional.cross_entropy: "cross_entropy",
    functional.nll_loss: "nll",
    functional.binary_cross_entropy_with_logits: "bce_logits",
    functional.binary_cross_entropy: "bce",
    functional.mse_loss: "mse",
    functional.l1_loss: "mae",
}


def loss_kind(loss: Any) -> Loss | None:
    """Return the kind of a loss given by name, as a module or as a function of ``torch.nn.functional``."""
    if isinstance(loss, nn.Module):
        return next((kind for cls, kind in _MODULES.items() if isinstance(loss, cls)), "other")
    if callable(loss):
        return _FUNCTIONS.get(loss, "other")
    return loss  # type: ignore[no-any-return]


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in arguments or an output: in tuples, lists, mappings and data classes."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict) or hasattr(value, "items"):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


def rows_of(output: torch.Tensor) -> torch.Tensor:
    """Return scores by class as a matrix: the second dimension, or the last of a sequence's, is that of classes."""
    scores = output.detach()
    if scores.dim() > 2:
        scores = scores.movedim(1, -1)
    scores = scores.reshape(-1, scores.shape[-1]) if scores.dim() > 1 else scores[:, None]
    return scores[:_MOST_ROWS].float()


def head_vector(output: torch.Tensor, target: torch.Tensor | None) -> torch.Tensor:
    """Return what :data:`HEAD` names, as one vector on the device; NaN where there is no target."""
    scores = rows_of(output)
    unknown = torch.full((4,), float("nan"), device=scores.device)
    found = [(scores.sum(dim=1) - 1).abs().max(), scores.min(), scores.max()]
    if target is not None and target.numel():
        values = target.detach().reshape(-1)[:_MOST_ROWS].float()
        unknown = torch.stack([values.mean(), values.var(correction=0), values.min(), values.max()])
    return torch.cat([torch.stack(found), unknown])


def class_counts(
    output: torch.Tensor, target: torch.Tensor, classes: int, kind: Loss
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how often each class stands among targets and among predictions, shape ``(classes,)`` each."""
    scores = rows_of(output)
    flat = target.detach().reshape(-1)[:_MOST_ROWS]
    if kind in {"bce_logits", "bce"}:
        predicted = (scores.reshape(-1)[:_MOST_ROWS] > (0.0 if kind == "bce_logits" else 0.5)).long()
        wanted = (flat > 0.5).long()
    else:
        predicted, wanted = scores.argmax(dim=1), flat.long()
    size = min(len(wanted), len(predicted))
    cells = (wanted[:size].clamp(-1, classes) + 1) * classes + predicted[:size].clamp(0, classes - 1)
    counts = torch.zeros((classes + 2) * classes, device=cells.device)  # the first and the last row: of no class
    table = counts.scatter_add_(0, cells, counts.new_ones(size)).view(classes + 2, classes)[1:-1]
    return table.sum(dim=1), table.sum(dim=0)


def certain_vector(output: torch.Tensor, target: torch.Tensor, kind: Loss) -> torch.Tensor:
    """Return what :data:`CERTAIN` names: how many rows are wrong, of all and of the quarter that the model is surest of."""
    scores = rows_of(output)
    flat = target.detach().reshape(-1)[:_MOST_ROWS]
    if kind in {"bce_logits", "bce"}:
        margin = scores.reshape(-1)[:_MOST_ROWS] - (0.0 if kind == "bce_logits" else 0.5)
        sure, wrong = margin.abs(), (margin > 0) != (flat > 0.5)
    else:
        chances = torch.softmax(scores, dim=1) if kind == "cross_entropy" else scores
        sure, given = chances.max(dim=1)
        wrong = given != flat
    top = sure.topk(len(sure) // 4).indices
    rows, most = (scores.new_full((), float(size)) for size in (len(sure), len(top)))
    return torch.stack([rows, wrong.float().sum(), most, wrong[top].float().sum()])


def input_vector(values: torch.Tensor) -> torch.Tensor:
    """Return what :data:`INPUT` names of a float tensor ``(rows, features, ...)``, as one vector on the device."""
    values = values.detach()[:_MOST_ROWS].float()
    columns = values.movedim(1, -1).reshape(-1, values.shape[1]) if values.dim() > 2 else values
    spread, middle = columns.std(dim=0, correction=0), columns.mean(dim=0)
    moving = spread > 0
    largest = torch.where(moving, middle.abs() / spread.clamp_min(1e-30), torch.zeros_like(spread)).max()
    least = torch.where(moving, spread, torch.full_like(spread, float("inf"))).min()
    numbers = (columns.mean(), columns.std(correction=0), columns.min(), columns.max(), largest, spread.max(), least)
    return torch.stack([*numbers, (~moving).sum().float()])


def shapes_differ(output: torch.Tensor, target: torch.Tensor) -> bool:
    """Whether output and target of an element-wise loss have shapes that spread out against each other."""
    if output.shape == target.shape or output.numel() == 1 or target.numel() == 1:
        return False
    try:
        spread = torch.broadcast_shapes(output.shape, target.shape)
    except RuntimeError:
        return False
    return bool(spread.numel() > max(output.numel(), target.numel()))
