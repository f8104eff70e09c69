"""Planted faults and healthy runs, judged by ours and by others' rules: ``python -m benchmarks training faults``.

Thresholds were set on the tuning half of the programs alone; the other half is scored and printed first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.training.classic import CLASSIC_FAULTS, LEFT_OUT
from benchmarks.training.others import MISSING, OTHERS
from benchmarks.training.planted import FAULTS, Fault
from benchmarks.training.recording import Case, controls, planted, planted_classic, traces
from benchmarks.training.scoring import Judged, Score, harmed, judged, layer_of, wilson

FAULT_SEEDS, HEALTHY_SEEDS = 3, 5
QUICK_BASES, QUICK_KINDS = ("logistic", "bag"), ("plain_sgd", "easy", "frozen", "ten_steps")


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; ``--quick`` for some of the runs, ``--traces`` for where they are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks training faults")
    parser.add_argument("--quick", action="store_true", help="two programs, one seed: under a minute")
    parser.add_argument("--traces", type=Path, help="a folder for the traces, used again the next time")
    parser.add_argument("--only", choices=("scored", "tuning"), help="one half of the programs")
    parser.add_argument("--seeds", type=int, help="of each fault (3), and one more of each healthy run (5)")
    parser.add_argument("--details", action="store_true", help="name each run that was missed, and each false alarm")
    chosen = parser.parse_args(arguments or [])
    if chosen.traces is not None:
        _print(chosen, chosen.traces)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _print(chosen, Path(folder))
    return 0


def _cases(chosen: argparse.Namespace) -> tuple[list[Case], list[Case]]:
    if chosen.quick:
        return controls([0], (*QUICK_BASES, *QUICK_KINDS)), planted([0], QUICK_BASES)
    seeds = range(chosen.seeds or FAULT_SEEDS)
    healthy = controls(range(HEALTHY_SEEDS if chosen.seeds is None else chosen.seeds + 1))
    faulty = planted(seeds) + planted_classic(seeds)
    if chosen.only is not None:
        wanted = chosen.only == "tuning"
        return [c for c in healthy if c.tuning == wanted], [c for c in faulty if c.tuning == wanted]
    return healthy, faulty


def _print(chosen: argparse.Namespace, folder: Path) -> None:
    healthy, faulty = _cases(chosen)
    paths = traces([*healthy, *faulty], folder)
    print(f"judging {len(paths):,} traces", file=sys.stderr, flush=True)
    well = {case: judged(paths[case]) for case in healthy}
    for tuning in (False, True):
        found = {case: found for case, found in well.items() if case.tuning == tuning}
        faults = [case for case in faulty if case.tuning == tuning and case in paths]
        if found:
            print(f"\n## {'Tuning' if tuning else 'Scored'} half\n")
            tell_faults(score(faults, well, paths, details=chosen.details))
            tell_healthy(found, details=chosen.details)
    if LEFT_OUT:
        print(f"\nNot installed, and left out: {', '.join(LEFT_OUT)}.")
    print(f"\nNot in the traces, so not run of the others: {MISSING}.")


def score(
    faulty: list[Case], well: dict[Case, Judged], paths: dict[Case, Path], *, details: bool
) -> dict[Fault, Score]:
    """Return the score of each fault."""
    scores: dict[Fault, Score] = {fault: Score() for fault in (*FAULTS, *CLASSIC_FAULTS)}
    for case in faulty:
        assert case.fault is not None
        found, now = judged(paths[case]), scores[case.fault]
        if not harmed(case.fault, found.run, well[case.twin].run):
            now.harmless += 1
            continue
        before = now.named
        now.add(case.fault, found, *layer_of(case))
        if details and now.named == before:
            seen = ", ".join(f"{p} at {s}" for s, p, _ in found.alarms) or "nothing"
            print(f"missed: {case.base} {case.fault.name} {case.seed}: {seen}")
        elif details and found.top not in case.fault.problems:
            print(f"named, not first: {case.base} {case.fault.name} {case.seed}: {found.top}")
    return {fault: found for fault, found in scores.items() if found.runs or found.harmless}


def _share(hits: int, of: int) -> str:
    return f"{hits / of:.0%}" if of else "-"


def _line(name: str, problems: str, s: Score) -> str:
    spent = f"{int(np.median(s.steps))}" if s.steps else "-"
    others = " | ".join(_share(s.others.get(system, 0), s.runs) for system in OTHERS)
    shares = f"{_share(s.named, s.runs)} | {_share(s.late, s.runs)} | {_share(s.top, s.runs)} | {_share(s.placed, s.layered)}"
    return f"| {name} | {problems} | {s.runs} ({s.harmless}) | {shares} | {spent} | {others} |"


def tell_faults(scores: dict[Fault, Score]) -> None:
    """Print the table of faults, and the two totals that goals are set for."""
    columns = "fault | named by | runs (did no harm) | named in time | at all | diagnosis | layer | steps"
    print(f"| {columns} | {' | '.join(OTHERS)} |")
    print("|---|---|--:|--:|--:|--:|--:|--:|" + "--:|" * len(OTHERS))
    for fault, found in scores.items():
        print(_line(f"{fault.id} {fault.name}", ", ".join(sorted(fault.problems)[:2]), found))
    for exact, name in ((True, "exact oracles"), (False, "statistical")):
        total = Score()
        for fault, found in scores.items():
            total = total.join(found) if fault.exact == exact else total
        low, high = wilson(total.named, total.runs)
        print(_line(f"**{name}**", f"95 % interval {low:.0%} to {high:.0%}", total))


def tell_healthy(well: dict[Case, Judged], *, details: bool) -> None:
    """Print how many healthy runs have an alarm, by system."""
    print(f"\n| alarms in {len(well)} healthy runs | any | 95 % interval | which |\n|---|--:|--:|---|")
    ours = [j for j in well.values() if j.critical]
    _tell_alarms("Watchkeeper, critical", len(ours), len(well), [j.top or "" for j in ours])
    loud = {case: j for case, j in well.items() if j.alarms}
    names = [p for j in loud.values() for p in {problem for _, problem, _ in j.alarms}]
    _tell_alarms("Watchkeeper, warning or critical", len(loud), len(well), names)
    for system in OTHERS:
        fired = [{name for _, _, name in j.others[system]} for j in well.values()]
        _tell_alarms(system, sum(map(bool, fired)), len(well), [name for f in fired for name in f])
    for case, j in loud.items() if details else ():
        print(f"false: {case.base} {case.seed}: {', '.join(f'{p} at {s}' for s, p, _ in j.alarms)}")


def _tell_alarms(system: str, hits: int, of: int, names: list[str]) -> None:
    low, high = wilson(hits, of)
    counts = sorted({n: names.count(n) for n in names}.items(), key=lambda item: -item[1])[:6]
    which = ", ".join(f"{n} {c}" for n, c in counts)
    print(f"| {system} | {hits} ({_share(hits, of)}) | {low:.1%} to {high:.1%} | {which} |")
