"""Commands for rules of data quality: suggest them from a reference, hold data against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.cli.reading import Bars
from watchkeeper.cli.roles import roles, schema_of
from watchkeeper.cli.root import FILE, Group, cli
from watchkeeper.cli.tables import console


@cli.group(cls=Group)
def quality() -> None:
    """Suggest rules that a table should keep, and check whether data keep them."""


@quality.command()
@click.argument("reference")
@click.option("-o", "--output", type=FILE, help="Where to write the rules (YAML); standard output unless said.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@roles
def suggest(reference: str, output: Path | None, force: bool, **options: Any) -> int:
    """Write rules that REFERENCE keeps, with room for what chance brings: edit them as you like.

    REFERENCE is a Parquet or CSV file, a folder or quoted glob, or a saved profile.
    """
    from watchkeeper import monitor

    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} is there already; say --force to write over it, edits and all.")
    with Bars() as reading:
        rules = monitor.suggest_rules(
            reference, schema_of(options), progress=lambda rows, share: reading.tell(reference, rows, share)
        )
    title = f"What {reference} keeps, with room for chance. Shares are bounds; edit what you know better.\n"
    title += f"Check data by: watchkeeper quality check DATA --rules {output or 'FILE'}"
    if output is None:
        click.echo(rules.to_yaml(title), nl=False)
        return 0
    output.write_text(rules.to_yaml(title), encoding="utf-8")
    click.echo(f"{sum(1 for _ in rules.columns)} columns in {output}.")
    return 0


@quality.command()
@click.argument("data")
@click.option("--rules", "rules_file", type=FILE, required=True, help="The rules (YAML).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit with 3 where any rule had not enough data and none is broken.")
def check(data: str, rules_file: Path, as_json: bool, strict: bool) -> int:
    """Check whether DATA keeps the rules; 2 is the exit code where any is broken.

    DATA is a Parquet or CSV file, a folder or quoted glob, or a saved profile.
    """
    from watchkeeper import monitor

    with Bars() as reading:
        found = monitor.check(data, rules_file, progress=lambda rows, share: reading.tell(data, rows, share))
    if as_json:
        click.echo(found.to_json(indent=1))
    else:
        console().print(found.to_terminal())
    return found.exit_code(strict)
