"""The runs of the benchmark: which there are, and their traces in a folder, recorded once."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.training.bases import BASES, TUNING
from benchmarks.training.classic import CLASSIC, CLASSIC_FAULTS, TUNING_CLASSIC
from benchmarks.training.healthy import KINDS, TUNING_KINDS
from benchmarks.training.planted import FAULTS, Fault
from benchmarks.training.program import Program, record


@dataclass(frozen=True)
class Case:
    """One run: a base or a kind of healthy run, a fault or none, a seed."""

    base: str
    seed: int
    fault: Fault | None = None

    @property
    def tuning(self) -> bool:
        """Whether it belongs to the half that thresholds were set on."""
        return self.base in TUNING | TUNING_KINDS | TUNING_CLASSIC

    @property
    def name(self) -> str:
        """What its trace is called."""
        words = f"{self.base} {self.fault.id} {self.fault.name}" if self.fault else f"{self.base} healthy"
        return "".join(c if c.isalnum() else "-" for c in f"{words} {self.seed}")

    @property
    def twin(self) -> Case:
        """The same program and seed without the fault."""
        return Case(self.base, self.seed)

    def program(self) -> Program | None:
        """Make the program; None where the fault does not apply to it."""
        torch.manual_seed(zlib.crc32(self.base.encode()) % 10_000 + 100_000 * self.seed)
        program = {**BASES, **KINDS, **CLASSIC}[self.base]()
        return self.fault.change(program) if self.fault else program


def planted(seeds: Iterable[int], bases: Iterable[str] = BASES, faults: Iterable[Fault] = FAULTS) -> list[Case]:
    """Return the runs with a fault; those to which it does not apply too."""
    return [Case(base, seed, fault) for base in bases for fault in faults for seed in seeds]


def planted_classic(seeds: Iterable[int]) -> list[Case]:
    """Return the runs of models without gradients that have a fault."""
    return planted(seeds, CLASSIC, CLASSIC_FAULTS)


def controls(seeds: Iterable[int], kinds: Iterable[str] = (*BASES, *KINDS, *CLASSIC)) -> list[Case]:
    """Return the healthy runs."""
    return [Case(kind, seed) for kind in kinds for seed in seeds]


@contextmanager
def quietly() -> Iterator[None]:
    """Say nothing of what runs do, and use one thread, as results were made with."""
    before, level = torch.get_num_threads(), logging.getLogger("watchkeeper").level
    torch.set_num_threads(1)
    logging.getLogger("watchkeeper").setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before)
        logging.getLogger("watchkeeper").setLevel(level)


def traces(cases: list[Case], folder: Path) -> dict[Case, Path]:
    """Record what is not there yet; return the trace of each case to which its fault applies."""
    found, began = {}, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with quietly():
        for place, case in enumerate(cases):
            path = folder / f"{case.name}.jsonl"
            if path.exists() or _recorded(case, folder):
                found[case] = path
            _tell(place + 1, len(cases), began)
    return found


def _recorded(case: Case, folder: Path) -> bool:
    program = case.program()
    if program is None:
        return False
    whole = f"{case.name}-{os.getpid()}"
    record(program, folder, whole)
    (folder / f"{whole}.jsonl").rename(folder / f"{case.name}.jsonl")
    return True


def _tell(done: int, of: int, began: float) -> None:
    if done % 50 == 0 or done == of:
        spent = time.monotonic() - began
        left = "" if done == of else f", about {math.ceil(spent / done * (of - done) / 60)} more"
        print(f"  {done:,} of {of:,} runs, {spent / 60:.1f} min{left}", file=sys.stderr, flush=True)
