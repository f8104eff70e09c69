"""Two ranks on one machine, of which one begins with other weights."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from benchmarks.training.program import Program, record

STEPS = 12


def out_of_step(program: Program) -> Program | None:
    """Change one rank's weights after they were made alike; only of plain networks."""
    return replace(program, loop=_two_ranks, steps=STEPS) if isinstance(program.model, nn.Sequential) else None


def _two_ranks(program: Program, folder: Path, name: str) -> None:
    meeting = folder / f"{name}.ranks"
    made = multiprocessing.get_context("fork")
    ranks = [made.Process(target=_rank, args=(rank, program, folder, name, meeting)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    meeting.unlink(missing_ok=True)


def _rank(rank: int, program: Program, folder: Path, name: str, meeting: Path) -> None:
    torch.manual_seed(rank)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    model = nn.parallel.DistributedDataParallel(program.model)
    if rank == 1:
        with torch.no_grad():
            next(model.parameters()).add_(1e-3)
    record(replace(program, model=model, loop=None), folder, name)
    torch.distributed.destroy_process_group()
