"""What a judge makes of traces: which faults it names, in time and first, and in how many healthy runs it gives an alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.training.others import OTHERS
from benchmarks.training.planted import Fault, by_step
from benchmarks.training.recording import Case, quietly
from watchkeeper.training.finding import Finding
from watchkeeper.training.journal import read_journal
from watchkeeper.training.run import Event, Run

FIFTH = 0.2


class Heard:
    """A sink that keeps what is told, with the step at which it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Finding]] = []

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Take a row; nothing is kept of it."""

    def event(self, run: Run, event: Event) -> None:
        """Take an event; nothing is kept of it."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Keep a finding."""
        self.told.append((run.step, finding))

    def close(self, run: Run) -> None:
        """Take the end."""


@dataclass
class Judged:
    """A trace, judged: alarms as (step, problem, layer), of ours the worst first at its end, and of others by system."""

    run: Run
    alarms: list[tuple[int, str, str | None]]
    critical: bool
    top: str | None
    others: dict[str, list[tuple[int, frozenset[str], str]]] = field(default_factory=dict)


def judged(path: Path) -> Judged:
    """Judge a trace by ours, as it would have been judged while it ran, and by the others' rules."""
    heard = Heard()
    with quietly():
        watching = read_journal(path, [heard])
        others = {
            system: [
                (int(min(steps)), means, name)
                for name, rule, means in rules
                if len(steps := rule(watching.run))
            ]
            for system, rules in OTHERS.items()
        }  # fmt: skip
    loud = [(step, f) for step, f in heard.told if f.severity != "info"]
    first = watching.findings.diagnosis
    critical = any(f.severity == "critical" for _, f in loud)
    alarms = [(step, f.problem, f.layer) for step, f in loud]
    return Judged(watching.run, alarms, critical, first.problem if first else None, others)


def _held(run: Run) -> dict[int, float]:
    series = run.series.get("validation/loss")
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True)) if series is not None else {}


def harmed(fault: Fault, run: Run, twin: Run) -> bool:
    """Whether the fault did what it is there to do."""
    if fault.harm == "always":
        return True
    held, best = list(_held(run).values()), list(_held(twin).values())
    if fault.harm == "never says":
        return run.series["validation/rare"].last < 0.05
    if not held:
        return False
    if not math.isfinite(held[-1]):
        return True
    if fault.harm == "overfits":
        return held[-1] > min(held) + 0.1 * abs(min(held))
    first = float(np.median(twin.series["loss"].values[:3]))
    return held[-1] > best[-1] + FIFTH * (first - best[-1])


@dataclass
class Score:
    """Of one fault: runs that count, those named in time, at all, by the diagnosis, at the right layer, and after how long."""

    runs: int = 0
    harmless: int = 0
    named: int = 0
    late: int = 0
    top: int = 0
    layered: int = 0
    placed: int = 0
    steps: list[int] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)

    def add(self, fault: Fault, found: Judged, layer: str | None, planned: int) -> None:
        """Add one run."""
        by = by_step(fault, planned, _held(found.run))
        self.runs += 1
        self.late += any(problem in fault.problems for _, problem, _ in found.alarms)
        right = [(step, where) for step, problem, where in found.alarms if problem in fault.problems and step <= by]
        if right:
            self.named += 1
            self.steps.append(right[0][0])
        self.top += found.top in fault.problems
        if layer is not None and right:
            self.layered += 1
            self.placed += any(where is not None and same(where, layer) for _, where in right)
        for system, alarms in found.others.items():
            hit = any(step <= by and means & fault.problems for step, means, _ in alarms)
            self.others[system] = self.others.get(system, 0) + hit

    def join(self, other: Score) -> Score:
        """Return both together."""
        systems = {*self.others, *other.others}
        return Score(
            self.runs + other.runs, self.harmless + other.harmless, self.named + other.named, self.late + other.late,
            self.top + other.top,
            self.layered + other.layered, self.placed + other.placed, self.steps + other.steps,
            {s: self.others.get(s, 0) + other.others.get(s, 0) for s in systems},
        )  # fmt: skip


def same(found: str, planted: str) -> bool:
    """Whether two names are of the same module."""
    shorter, longer = sorted((found.split("."), planted.split(".")), key=len)
    return longer[: len(shorter)] == shorter or longer[-len(shorter) :] == shorter


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson, 1927); (0, 1) where there is nothing."""
    if of == 0:
        return 0.0, 1.0
    share, denominator = hits / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / denominator
    half = z / denominator * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def layer_of(case: Case) -> tuple[str | None, int]:
    """Return the layer that a case's fault lies in, and how many steps were planned."""
    with quietly():
        program = case.program()
    assert program is not None
    return program.layer, program.steps
