"""A run in words and in one document: its verdict, its losses, what was found, and what could not be looked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from watchkeeper.training.curves import HELD_OUT, LOSS, Curve
from watchkeeper.training.reading.replay import READ_AS, READ_FROM
from watchkeeper.training.verdict import unchecked, verdict_of
from watchkeeper.training.watching import Watching


def summary(watching: Watching) -> dict[str, Any]:
    """Return the run as plain values: name, framework, steps, verdict, losses, findings, and what was not looked for."""
    run = watching.run
    return {
        "run": run.name,
        "framework": run.framework,
        "optimizer": run.optimizer or None,
        "last_step": run.step,
        "ended": bool(run.facts.get("ended")),
        "read_as": run.facts.get(READ_AS),
        "verdict": verdict_of(watching),
        "loss": Curve.of(run, LOSS).numbers(),
        "validation": Curve.of(run, HELD_OUT).numbers(),
        "findings": [finding.to_dict() for finding in watching.findings],
        "unchecked": unchecked(watching),
    }


def facts_of(watching: Watching) -> dict[str, Any]:
    """Return a run's last metrics and what was found as plain facts: numbers and short texts by name."""
    run = watching.run
    held = {name: run.series[name].last for name in run.series if name.startswith("validation/")}
    numbers = {"training/loss": Curve.of(run, LOSS).numbers()["last"], **held}
    found = [f.problem for f in watching.findings if f.severity != "info"]
    said = {
        "training/run": run.name[:1000],
        "training/framework": run.framework,
        "training/optimizer": run.optimizer,
        "training/last_step": run.step,
        "training/parameters": sum(layer.numel for layer in run.layers) or None,
        "training/verdict": verdict_of(watching),
        "training/problems": ", ".join(dict.fromkeys(found))[:1000],
    }
    finite = {name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}
    return {name: value for name, value in said.items() if value not in {None, ""}} | finite


def heading(watching: Watching) -> str:
    """Return one line: name, verdict, what it runs in, steps, how the losses went."""
    return f"{watching.run.name}: {verdict_of(watching).upper()} ({'; '.join(facts(watching))})"


def facts(watching: Watching) -> list[str]:
    """Return what it runs in, how many steps, and how the losses went."""
    run = watching.run
    said = [text for text in (run.framework, run.optimizer, f"up to step {run.step:,}") if text]
    for name, words in ((LOSS, "loss"), (HELD_OUT, "held-out loss")):
        numbers = Curve.of(run, name).numbers()
        if numbers["last"] is not None:
            best = f", best {numbers['best']:.4g} at step {numbers['best_step']:,}"
            said.append(f"{words} {numbers['first']:.4g} to {numbers['last']:.4g}{best}")
    return said


def read_as(watching: Watching) -> Iterator[str]:
    """Yield the line that says what in a log was read as what."""
    facts = watching.run.facts
    if READ_FROM in facts:
        yield f"Read as {facts[READ_AS]}."
        if not watching.run.has(LOSS):
            yield "No name in it looks like a training loss: say which one is, with --loss."


def missing(watching: Watching) -> dict[str, list[str]]:
    """Return why some problems could not be looked for, and which."""
    found: dict[str, list[str]] = {}
    for problem, why in unchecked(watching).items():
        found.setdefault(why, []).append(problem)
    return found
