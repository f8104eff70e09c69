"""Commands for the first minutes: the demo, and a look at the installation."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.cli.root import FILE, cli
from watchkeeper.cli.tables import show_report


@cli.command()
@click.option(
    "--folder", type=FILE, default=Path("watchkeeper-demo"), show_default=True, help="Where to write the files."
)
@click.option("--exit", "exit_", is_flag=True, help="End by itself (the demo does, as long as it has no server).")
def demo(folder: Path, exit_: bool) -> int:
    """Run the main job on real flights: New York 2013, July against March."""
    from watchkeeper.demo.run import run_demo

    del exit_
    made = run_demo(folder, lambda said: click.echo(f"- {said}"))
    click.echo()
    show_report(made.report)
    click.echo(
        f"Report  {made.page.resolve().as_uri()}\nJSON    {made.document}\nTables  {made.reference}, {made.current}"
    )
    click.echo(f"Again   watchkeeper compare {made.reference} {made.current} --schema {made.schema} --html report.html")
    return 0


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Check this installation, and say what is missing and how to get it."""
    from watchkeeper import diagnosis

    findings = diagnosis.examine()
    click.echo(diagnosis.to_json(findings) if as_json else diagnosis.to_text(findings))
    return 1 if any(f.state == "broken" for f in findings) else 0
