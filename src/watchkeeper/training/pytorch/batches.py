"""A batch, however a loader gives it: its rows, parts of it, and the loss of a model on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.training.pytorch.head import tensors_in

TARGETS = ("labels", "label", "target", "targets", "y")
"""The names by which a batch that is a mapping may call its targets."""
Loss = Callable[[Any, Any], torch.Tensor] | None
"""Of an output and a target; None: the model computes it, and its output has it as ``loss``."""


def split(batch: Any) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """Return a batch as arguments, keyword arguments and the target.

    Raises
    ------
    InputError
        It is neither a pair (or longer tuple, its last item the target) nor a mapping with a target.
    """
    if isinstance(batch, tuple | list) and len(batch) > 1:
        *inputs, target = batch
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            return (), dict(inputs[0]), target
        if len(inputs) == 1 and isinstance(inputs[0], tuple):
            return inputs[0], {}, target
        return tuple(inputs), {}, target
    if isinstance(batch, Mapping):
        name = next((n for n in TARGETS if n in batch), None)
        if name is not None:
            return (), {key: value for key, value in batch.items() if key != name}, batch[name]
    raise InputError(
        f"A batch is (inputs, targets), or a mapping with one of {', '.join(TARGETS)}; this one is a "
        f"{type(batch).__name__}. Hand in pairs, or loss=None where the model computes its own loss from a mapping."
    )


def output_of(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    """Return the model's output for a batch, and the target."""
    args, kwargs, target = split(batch)
    found = model(*args, **kwargs)
    return getattr(found, "logits", found), target


def loss_on(model: nn.Module, loss: Loss, batch: Any) -> torch.Tensor:
    """Return the loss of a model on a batch, a scalar with its graph.

    Raises
    ------
    InputError
        The batch cannot be read, or the loss is no scalar.
    """
    if loss is None:
        first = batch if isinstance(batch, Mapping) else batch[0]
        given = model(**first) if isinstance(first, Mapping) else model(*batch)
        found = getattr(given, "loss", given)
    else:
        output, target = output_of(model, batch)
        found = loss(output, target)
    if not isinstance(found, torch.Tensor) or found.numel() != 1:
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise InputError(f"The loss of a batch is one number; this one is {shape}. Use reduction='mean'.")
    return found.reshape(())


def rows(batch: Any) -> int:
    """Return how many rows a batch has: the length of its first tensor."""
    first = next((t for t in tensors_in(batch) if t.dim()), None)
    return int(first.shape[0]) if first is not None else 0


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return a batch with each of its tensors changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(mapped(item, change) for item in value) if type(value) in {tuple, list} else value
    return value


def cut(batch: Any, start: int, stop: int) -> Any:
    """Return some rows of a batch; what does not go by row stays whole."""
    size = rows(batch)
    return mapped(batch, lambda t: t[start:stop] if t.dim() and t.shape[0] == size else t)


def on_device(batch: Any, model: nn.Module) -> Any:
    """Return a batch on the device of the model's first parameter."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return mapped(batch, lambda t: t.to(device))


def endless(loader: Iterable[Any], steps: int) -> Iterator[Any]:
    """Yield so many batches, beginning anew as often as it takes.

    Raises
    ------
    InputError
        The loader is an iterator, which cannot begin anew and would be used up, or it is empty.
    """
    if iter(loader) is loader:
        raise InputError(
            "The loader is an iterator, which this would use up. Hand in a DataLoader or a list of batches."
        )
    left = steps
    while left:
        before = left
        for batch in islice(loader, left):
            left -= 1
            yield batch
        if left == before:
            raise InputError("The loader is empty: it gives no batch.")
