"""What a PyTorch model is made of: its parameters as layers, and what their first values say."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from watchkeeper.training.run import Layer

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Bilinear)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm, nn.RMSNorm)


def base_of(model: nn.Module) -> nn.Module:
    """Return the model inside ``torch.compile`` and ``DistributedDataParallel``."""
    for attribute in ("_orig_mod", "module"):
        inner = getattr(model, attribute, None)
        wrapped = attribute == "_orig_mod" or type(model).__name__ in {"DistributedDataParallel", "DataParallel"}
        if isinstance(inner, nn.Module) and wrapped:
            return base_of(inner)
    return model


def clean_name(name: str) -> str:
    """Return a parameter's name without what wrappers put into it."""
    for part in ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."):
        name = name.removeprefix(part) if part == "module." else name.replace(part, "")
    return name


def layers_of(model: nn.Module, optimizers: Iterable[torch.optim.Optimizer]) -> tuple[list[Layer], list[nn.Parameter]]:
    """Return the model's parameters as layers, in the order of their definition, with the parameters themselves."""
    optimized = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
    kinds = {id(p): type(m).__name__ for m in model.modules() for p in m.parameters(recurse=False)}
    layers, parameters = [], []
    for name, parameter in model.named_parameters():
        whole = tuple(parameter.shape)
        known = parameter.numel() > 0 and not parameter.is_meta
        zero = known and not bool(local(parameter).any())
        kind = kinds.get(id(parameter), "")
        layers.append(Layer(clean_name(name), whole, kind, parameter.requires_grad, id(parameter) in optimized, zero))
        parameters.append(parameter)
    return layers, parameters


def local(tensor: torch.Tensor) -> torch.Tensor:
    """Return the part of a tensor that this process holds: itself, unless it is a DTensor."""
    part = getattr(tensor, "to_local", None)
    return part() if part is not None else tensor


def alike_layers(model: nn.Module) -> list[str]:
    """Return layers all of whose units have one and the same weights: they would stay so.

    Layers of zeros are common (the last of a residual branch, the second half of LoRA) and count only where all are.
    """
    alike, zero, seen = [], [], 0
    for name, module in _weighted(model):
        weight = module.weight.detach()
        if weight.shape[0] < 2 or weight.numel() == 0:
            continue
        seen += 1
        if not bool(weight.any()):
            zero.append(name)
        elif bool((weight == weight[:1]).all()):
            alike.append(name)
    return alike or (zero if seen > 1 and len(zero) == seen else [])


def weight_scales(model: nn.Module) -> dict[str, float]:
    """Return the spread of each layer's weights times the root of its inputs: 1 keeps the size of signals.

    PyTorch's own initialisation has .58, Glorot's about 1, He's 1.41. Layers of zeros are left out.
    """
    scales = {}
    for name, module in _weighted(model):
        weight = module.weight.detach()
        spread = float(weight.float().std()) if weight.numel() > 1 else 0.0
        if spread > 0:
            scales[name] = spread * math.sqrt(weight[0].numel())
    return scales


def _weighted(model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, WEIGHTED) and weight is not None and not (hasattr(weight, "to_local") or weight.is_meta):
            yield clean_name(name), module


def normalised_first(model: nn.Module) -> bool:
    """Whether the first module with parameters normalises what comes in."""
    for module in model.modules():
        if next(module.parameters(recurse=False), None) is not None:
            return isinstance(module, NORMS)
    return False


def frozen_statistics(model: nn.Module) -> list[str]:
    """Return batch normalisations whose running statistics can never move: a momentum of 0."""
    norms = nn.modules.batchnorm._BatchNorm
    found = [(n, m) for n, m in model.named_modules() if isinstance(m, norms) and m.track_running_stats]
    return [clean_name(name) for name, module in found if module.momentum == 0]


def forgetful(model: nn.Module) -> bool:
    """Whether the model acts differently in training and in evaluation: it has dropout or batch normalisation."""
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return any(isinstance(m, kinds) and getattr(m, "p", 1) > 0 for m in model.modules())
