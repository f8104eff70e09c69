"""Commands for what the server does by itself: actions and channels."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.root import Group, cli
from watchkeeper.cli.tables import show_json, show_record, show_table

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@cli.group(cls=Group)
def actions() -> None:
    """See what is done about incidents; approve, refuse, stop, halt."""


@actions.command(name="list")
@click.option("--state", help="In this state only, such as 'awaiting approval'.")
@_JSON
@reaching
def list_actions(state: str | None, as_json: bool, **options: Any) -> int:
    """List actions, latest first."""
    with reach(options) as connection:
        found = connection.actions(state=state)
    if as_json:
        show_json(found)
    else:
        columns = ("id", "name", "state", "model", "incident", "proposed", "changed", "approver")
        show_table(found, columns, "No action was proposed yet.")
    return 0


@actions.command()
@click.argument("id")
@_JSON
@reaching
def show(id: str, as_json: bool, **options: Any) -> int:  # noqa: A002
    """Show an action: what it rests on, what came of it, and its log."""
    with reach(options) as connection:
        found = connection.request("GET", _path(id))
    if as_json:
        show_json(found)
        return 0
    show_record({name: value for name, value in found.items() if name != "log"})
    click.echo(f"\n{found.get('log') or 'It has written nothing.'}")
    return 0


@actions.command()
@click.argument("id")
@click.option("--evidence", help="That of the action as you saw it; as it is now unless said.")
@reaching
def approve(id: str, evidence: str | None, **options: Any) -> int:  # noqa: A002
    """Let an action that awaits approval be done."""
    with reach(options) as connection:
        seen = evidence if evidence is not None else connection.request("GET", _path(id))["evidence"]
        found = connection.request("POST", f"{_path(id)}/approve", said={"evidence": seen})
    click.echo(f"Action {found['id']} is {found['state']}.")
    return 0


@actions.command()
@click.argument("id")
@reaching
def refuse(id: str, **options: Any) -> int:  # noqa: A002
    """Have an action that awaits approval not be done."""
    with reach(options) as connection:
        found = connection.request("POST", f"{_path(id)}/refuse")
    click.echo(f"Action {found['id']} is {found['state']}.")
    return 0


@actions.command()
@click.argument("id")
@reaching
def stop(id: str, **options: Any) -> int:  # noqa: A002
    """Stop an action that is being done."""
    with reach(options) as connection:
        found = connection.request("POST", f"{_path(id)}/stop")
    click.echo(f"Action {found['id']} is {found['state']}.")
    return 0


@actions.command()
@reaching
def halt(**options: Any) -> int:
    """Halt the actions of the whole server: none is begun until 'watchkeeper actions resume'."""
    with reach(options) as connection:
        connection.request("POST", "actions/halt")
    click.echo("No action is begun from now on; 'watchkeeper actions resume' ends that.")
    return 0


@actions.command()
@reaching
def resume(**options: Any) -> int:
    """Resume the actions of the whole server."""
    with reach(options) as connection:
        connection.request("POST", "actions/resume")
    click.echo("Actions are begun again.")
    return 0


@cli.group(cls=Group)
def channels() -> None:
    """See where notifications go, and whether they arrive."""


@channels.command(name="list")
@_JSON
@reaching
def list_channels(as_json: bool, **options: Any) -> int:
    """List the channels that the operator's file names, and how they do. Exits with 1 where the file has faults."""
    with reach(options) as connection:
        answer = connection.request("GET", "channels")
    found, problem = answer["channels"], answer.get("operator_problem")
    if as_json:
        show_json(found)
    else:
        columns = ("name", "kind", "state", "last_sent", "waiting", "dead", "last_error")
        show_table(found, columns, "There is no channel; the operator's file names them.")
    if problem:
        click.echo(f"The operator's file, watchkeeper.yaml, has faults: {problem}", err=True)
    return 1 if problem else 0


@channels.command()
@click.argument("name")
@_JSON
@reaching
def test(name: str, as_json: bool, **options: Any) -> int:
    """Send a test by a channel, now."""
    with reach(options) as connection:
        found = connection.request("POST", f"channels/{quote(name, safe='')}/test")
    if as_json:
        show_json(found)
    else:
        click.echo(f"The channel {name} took the test.")
    return 0


def _path(id: str) -> str:  # noqa: A002
    return f"actions/{quote(id, safe='')}"
