"""Commands that need no server: compare two tables; make, merge and show profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.cli.outcomes import CURVES
from watchkeeper.cli.reading import Bars
from watchkeeper.cli.roles import roles, schema_of
from watchkeeper.cli.root import FILE, Group, cli
from watchkeeper.cli.tables import show_report


@cli.command()
@click.argument("reference")
@click.argument("current")
@roles
@click.option("--html", type=FILE, help="Write the page: one file that opens without a network.")
@click.option("--json", "json_", type=FILE, help="Write the report as JSON; - is standard output.")
@click.option("--alpha", type=float, default=None, help="Chance of any false warning (0.05 unless said).")
@click.option("--multivariate", is_flag=True, help="Look at columns together too: classifier, PCA, correlations, MMD.")
@click.option("--rules", type=FILE, help="YAML file of rules that the current data should keep ('quality suggest').")
@click.option("--strict", is_flag=True, help="Exit with 3 where any check had not enough data and none was worse.")
@click.option("--title", default="", help="Title of the page.")
def compare(reference: str, current: str, **options: Any) -> int:
    """Compare two tables: what changed, how, and what it did to the model.

    REFERENCE and CURRENT are Parquet or CSV files, folders or quoted globs of them, or saved profiles (.profile). The
    worst verdict is the exit code.
    """
    from watchkeeper import monitor
    from watchkeeper.detection.comparison import ALPHA

    outputs = {
        name: options.pop(name) for name in ("html", "json_", "alpha", "strict", "title", "multivariate", "rules")
    }
    with Bars() as reading:
        report = monitor.compare(
            reference,
            current,
            schema=schema_of(options),
            alpha=outputs["alpha"] if outputs["alpha"] is not None else ALPHA,
            multivariate=outputs["multivariate"],
            rules=outputs["rules"],
            title=outputs["title"],
            progress=reading.tell,
        )
    if outputs["json_"] == Path("-"):
        click.echo(report.to_json(indent=1))
    else:
        show_report(report)
        if outputs["json_"] is not None:
            report.save(outputs["json_"], "json")
    if outputs["html"] is not None:
        report.save(outputs["html"], "html")
        click.echo(f"Report: {outputs['html']}", err=True)
    return report.exit_code(outputs["strict"])


@cli.group(cls=Group)
def profile() -> None:
    """Make, merge and show profiles: small states from which everything is computed."""


@profile.command()
@click.argument("data")
@click.option("-o", "--output", type=FILE, required=True, help="Where to write the profile.")
@click.option(
    "--sample", type=click.IntRange(min=100), default=5_000, help="Rows kept whole; a reference gains by 100000."
)
@roles
def make(data: str, output: Path, sample: int, **options: Any) -> int:
    """Make the profile of DATA, a Parquet or CSV file, folder or quoted glob."""
    from watchkeeper import monitor

    with Bars() as reading:
        made = monitor.profile(
            data, schema_of(options), sample_rows=sample, progress=lambda rows, share: reading.tell(data, rows, share)
        )
    made.save(output)
    click.echo(f"{made.rows:,} rows of {len(made.columns)} columns in {output} ({output.stat().st_size:,} bytes).")
    return 0


@profile.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="Where to write the merged profile.")
def merge(files: tuple[Path, ...], output: Path) -> int:
    """Merge profiles that were made with one schema."""
    from watchkeeper.profiles.profile import Profile
    from watchkeeper.profiles.profile import merge as merge_profiles

    merged = merge_profiles(map(Profile.load, files))
    merged.save(output)
    click.echo(f"{merged.rows:,} rows of {len(files)} profiles in {output} ({output.stat().st_size:,} bytes).")
    return 0


@profile.command()
@click.argument("file", type=FILE)
@click.option("--report", is_flag=True, help="Show precision, recall and F1 by class.")
@click.option("--curve", type=click.Choice(CURVES), help="Show a curve over the thresholds of the score.")
@click.option(
    "--price",
    multiple=True,
    metavar="NAME=NUMBER",
    help="What a row is worth, such as true_positive=100; repeatable (--curve value).",
)
@click.option("--class", "positive", help="The class that a curve is of, against all others (multiclass).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: Path, report: bool, curve: str | None, as_json: bool, **options: Any) -> int:
    """Show what a profile knows: its columns, or a report by class, or a curve."""
    from rich.console import Console

    from watchkeeper.cli import outcomes
    from watchkeeper.profiles.profile import Profile
    from watchkeeper.report import profile_table

    loaded = Profile.load(file)
    if report:
        outcomes.show_classes(loaded, as_json)
    elif curve is not None:
        outcomes.show_curve(loaded, curve, options, as_json)
    elif as_json:
        click.echo(profile_table.to_json(loaded))
    else:
        Console(highlight=False).print(profile_table.render(loaded))
    return 0
