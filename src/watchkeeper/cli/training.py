"""Commands about training runs: judge one from what it wrote, and put several side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli.root import FILE, Group, cli
from watchkeeper.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from watchkeeper.training.watching import Watching

_KINDS = ("cross_entropy", "nll", "bce_logits", "bce", "mse", "mae", "other")
_FOUND = ("severity", "problem", "layer", "step", "seen")
_COMPARED = ("run", "verdict", "last_step", "first", "last", "best", "best_step", "reached", "problems", "curve")


@cli.group(cls=Group)
def training() -> None:
    """Judge training runs from what they wrote.

    A RUN is a journal of wk.watch (.jsonl), a TensorBoard event file or log folder, a trainer_state.json of Transformers, a
    CSV or JSON lines of steps, or a folder of these.
    """


def naming(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that say what is what in a log."""
    for option in reversed(
        (
            click.option("--step", help="The column of steps of a CSV; guessed by its name unless said."),
            click.option("--loss", help="What is the loss of the training; guessed unless said."),
            click.option("--validation", help="What is the loss of held-out rows; guessed unless said."),
            click.option("--lr", "learning_rate", help="What is the learning rate; guessed unless said."),
            click.option("--kind", type=click.Choice(_KINDS), help="Which loss it is: more can be judged then."),
            click.option(
                "--classes", type=click.IntRange(min=2), help="Of how many classes, where it is one of classes."
            ),
        )
    ):
        command = option(command)
    return command


@training.command()
@click.argument("runs", nargs=-1, required=True, type=FILE, metavar="RUN...")
@naming
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit with 3 where any run had not enough data and none was worse.")
def check(runs: tuple[Path, ...], as_json: bool, strict: bool, **columns: Any) -> int:
    """Look for what went wrong in training runs. The worst verdict is the exit code."""
    from watchkeeper.training import verdict
    from watchkeeper.training.summary import summary

    found = _read(runs, columns)
    verdicts = [verdict.verdict_of(watching) for watching in found]
    if as_json:
        show_json([summary(watching) for watching in found])
    else:
        for place, watching in enumerate(found):
            click.echo("\n" if place else "", nl=False)
            _show(watching)
    return verdict.exit_code(verdicts, strict=strict)


@training.command()
@click.argument("runs", nargs=-1, required=True, type=FILE, metavar="RUN RUN...")
@naming
@click.option("--target", type=float, help="Tell when each run reaches this loss; else the lowest that all reach.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(runs: tuple[Path, ...], target: float | None, as_json: bool, **columns: Any) -> int:
    """Put training runs side by side: first, last and best loss, steps to reach a level, and what was found.

    They are compared by their held-out loss where all have it. The worst verdict is the exit code.
    """
    from dataclasses import asdict

    from watchkeeper.training.comparing import compare_runs
    from watchkeeper.training.verdict import exit_code

    found = _read(runs, columns)
    if len(found) < 2:
        raise click.UsageError("There is one run; name another to compare it with.")
    compared = compare_runs(found, target)
    if as_json:
        show_json(asdict(compared))
    else:
        what = "held-out loss" if compared.by == "validation/loss" else "training loss"
        at = "" if compared.target is None else f", and the step at which each reaches {compared.target:.4g}"
        click.echo(f"By {what}{at}:\n")
        show_table(compared.rows, _COMPARED, "")
    return exit_code([row["verdict"] for row in compared.rows])


@training.command()
@click.argument("run", type=FILE)
@naming
@click.option("-o", "--output", type=FILE, required=True, help="Where to write the page.")
def report(run: Path, output: Path, **columns: Any) -> int:
    """Write the page of a training run: one file that opens without a network. The verdict is the exit code.

    It has the losses with what was found, the learning rate, norms of gradients by layer, and what to do.
    """
    from watchkeeper.training.report import RunReport
    from watchkeeper.training.verdict import exit_code

    found = _read([run], columns)
    if len(found) > 1:
        names = ", ".join(watching.run.name for watching in found)
        raise click.UsageError(f"{run} has {len(found)} runs ({names}); name one of them.")
    made = RunReport(found[0])
    made.save(output)
    click.echo(f"Report: {output}", err=True)
    return exit_code([made.verdict])


def _read(paths: Sequence[Path], columns: dict[str, Any]) -> list[Watching]:
    from watchkeeper.training.reading.roles import Columns
    from watchkeeper.training.reading.sources import read_runs

    said = Columns(**columns)
    return [watching for path in paths for watching in read_runs(path, said)]


def _show(watching: Watching) -> None:
    from watchkeeper.training.summary import heading, missing, read_as

    click.echo(heading(watching))
    for line in read_as(watching):
        click.echo(line)
    found = [{**f.to_dict(), "seen": f.words} for f in watching.findings]
    if found:
        click.echo()
        show_table(found, _FOUND, "")
        click.echo("\nWhat to do:")
        for problem, advice in dict.fromkeys((f.problem, f.advice) for f in watching.findings):
            click.echo(f"  {problem}: {advice}")
    unchecked = missing(watching)
    if unchecked:
        click.echo("\nCould not be looked for:")
        for why, problems in unchecked.items():
            click.echo(f"  {', '.join(problems)}: {why}")
