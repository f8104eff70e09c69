"""One of two processes that train together over gloo, run by test_torch_ranks: prints what the watch recorded, as JSON."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch_models import batch, mlp

from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import watch

STEPS = 11


def made(kind: str) -> nn.Module:
    """Return the model as the kind of training has it; its middle is 7 wide, which two ranks cannot share evenly."""
    model = mlp(width=7)
    kind = kind.removesuffix(", fails")
    if kind in {"ddp", "apart"}:
        return DistributedDataParallel(model)
    if kind == "fsdp1":
        return FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu"))
    mesh = init_device_mesh("cpu", (2,))
    for part in model:
        if isinstance(part, nn.Linear):
            fully_shard(part, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def total(model: Any, kind: str) -> float:
    """Return PyTorch's own norm of all gradients."""
    if kind == "fsdp1":
        return float(model.clip_grad_norm_(math.inf))
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)


def trained(kind: str, rank: int) -> dict[str, Any]:
    """Train one model, and return what PyTorch says beside what was recorded."""
    model, loss = made(kind), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = watch(model, optimizer, loss, name=kind, settings=Settings(every=1, resources=False))
    wanted = []
    for step in range(STEPS):
        x, y = batch(2 * step + rank)
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        wanted.append(total(model, kind))
        if kind == "apart" and rank == 1 and step == 1:
            with torch.no_grad():
                model.module[2].weight[0, 0] += 0.01
        if kind.endswith(", fails") and rank == 1 and step == 2:
            seen._looking.take = None  # type: ignore[method-assign, assignment]
        optimizer.step()
        seen.step(value)
    seen.close()
    rows = seen.run.series["gradient"].rows
    return {
        "steps": len(rows),
        "wanted": wanted,
        "norms": (rows**2).sum(axis=1).tolist(),
        "weights": seen.run.series["weight"].rows.tolist(),
        "layers": [layer.name for layer in seen.run.layers],
        "findings": [[f.problem, f.layer, f.step] for f in seen.findings],
    }


def main() -> None:
    """Train by every kind in turn."""
    rank, meeting = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    found = {}
    for kind in sys.argv[3:]:
        found[kind] = trained(kind, rank)
        dist.barrier()
    print("FOUND " + json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
