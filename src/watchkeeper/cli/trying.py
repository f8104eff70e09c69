"""Commands for the first minutes: the demo, and a look at the installation."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli.reach import require_server
from watchkeeper.cli.root import FILE, cli
from watchkeeper.cli.tables import show_report


@cli.command()
@click.option(
    "--folder", type=FILE, default=Path("watchkeeper-demo"), show_default=True, help="Where to write the files."
)
@click.option("--exit", "exit_", is_flag=True, help="End by itself, with a summary, when all months were served.")
@click.option(
    "--months", type=click.IntRange(1, 9), default=9, show_default=True, help="So many months, from April on."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the server; any free one unless said.")
@click.option("--compare", is_flag=True, help="Only compare two tables, July with March: no server, half a minute.")
def demo(folder: Path, exit_: bool, months: int, port: int, compare: bool) -> int:
    """Serve a model of real flights for nine months in minutes: late labels, drift, an incident, a model that is fitted anew.

    New York 2013; one fault is planted, and named. Then it stays up, so that you can look, until Ctrl-C.
    """
    if compare:
        return _compare(folder)
    require_server()
    from watchkeeper.demo.loop import MONTHS, run_loop

    began = time.monotonic()
    made = run_loop(folder, lambda said: click.echo(said, nl=True), numbers=MONTHS[:months], port=port)
    try:
        _tell(made.summary, time.monotonic() - began)
        click.echo(f"Summary  {made.file}\nStore    {folder / 'store'}")
        if not exit_:
            click.echo(f"Page     {made.login()}\n         This link logs one browser in. Ctrl-C ends the demo.")
            with contextlib.suppress(KeyboardInterrupt):
                made.server.wait()
    finally:
        made.close()
    return 0


def _tell(summary: dict[str, Any], seconds: float) -> None:
    click.echo(f"\nDone in {seconds:.0f} s. Incidents:")
    for incident in summary["incidents"]:
        ended = (incident["resolved"] or "still open")[:10]
        click.echo(f"  {incident['opened'][:10]} to {ended}  {incident['severity']:8}  {incident['title']}")
        for action in incident["actions"]:
            click.echo(f"      {action['state']}: {_last_words(incident, action['id'])}")
    click.echo()


def _last_words(incident: dict[str, Any], action: str) -> str:
    return next(str(e["text"]) for e in reversed(incident["timeline"]) if e["data"].get("action") == action)


def _compare(folder: Path) -> int:
    """Compare July with March, two tables and nothing else."""
    from watchkeeper.demo.run import run_demo

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
