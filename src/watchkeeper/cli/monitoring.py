"""Commands for monitors as code: suggest, check, plan, apply, replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.root import FILE, Group, cli
from watchkeeper.cli.tables import show_json, show_table

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ENVIRONMENT = click.option("--environment", default="production", show_default=True, help="Where the model runs.")


def _file(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a command over a file of monitors takes."""
    for add in (reaching, _JSON, click.argument("file", type=FILE)):
        command = add(command)
    return command


@cli.group(cls=Group)
def monitors() -> None:
    """Say what is monitored, as a file: suggested, checked, planned, applied, replayed."""


@monitors.command()
@click.argument("model")
@click.option("-o", "--output", type=FILE, help="Write the file instead of printing it.")
@_ENVIRONMENT
@reaching
def suggest(model: str, output: Path | None, environment: str, **options: Any) -> int:
    """Write a file of monitors that fits MODEL, with a reason for each."""
    with reach(options) as connection:
        text = connection.request("GET", "monitors/suggestion", {"model": model, "environment": environment})["text"]
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return 0
    _write(output, text)
    click.echo(f"{output} is for you to edit; 'watchkeeper monitors replay {output}' says what it would have said.")
    return 0


@monitors.command()
@click.argument("file", type=FILE)
@_JSON
@reaching
def check(file: Path, as_json: bool, **options: Any) -> int:
    """Check that FILE can be used. Without --url, --key or --store no server is asked."""
    text = _read(file)
    if any(options[name] is not None for name in ("url", "key", "store")):
        with reach(options) as connection:
            found = connection.request("POST", "monitors/check", said={"text": text})
    else:
        from watchkeeper.response.monitors import Monitors

        read = Monitors.from_yaml(text)
        found = {"model": read.model, "monitors": len(read.monitors)}
    if as_json:
        show_json(found)
    else:
        click.echo(f"{file} has {found['monitors']} monitors for {found['model']}.")
    return 0


@monitors.command()
@_file
def plan(file: Path, as_json: bool, **options: Any) -> int:
    """Show what FILE would change; nothing is kept."""
    with reach(options) as connection:
        found = connection.request("POST", "monitors/plan", said={"text": _read(file)})
    if as_json:
        show_json(found)
    else:
        changes = [{name: _said(value) for name, value in change.items()} for change in found["changes"]]
        show_table(changes, ("what", "monitor", "from", "to"), "It changes nothing.")
    _warn(found)
    return 0


@monitors.command(name="apply")
@_file
def apply_(file: Path, as_json: bool, **options: Any) -> int:
    """Have the model that FILE names monitored as it says, from the next window on."""
    with reach(options) as connection:
        found = connection.apply_monitors(_read(file))
    if as_json:
        show_json(found)
    else:
        click.echo(f"Revision {found['revision']} of the monitors is in force.")
    _warn(found)
    return 0


@monitors.command()
@_file
def replay(file: Path, as_json: bool, **options: Any) -> int:
    """Show what FILE would have said over the stored history; nothing is kept."""
    with reach(options) as connection:
        found = connection.request("POST", "monitors/replay", said={"text": _read(file)})
    if as_json:
        show_json(found)
        return 0
    count = len(found["incidents"])
    click.echo(f"{count} incidents in {found['windows']} windows, {found['per_week']:.2g} a week.")
    show_table(found["incidents"], ("opened", "severity", "title"), "No incident would have been opened.")
    counted = [{"monitor": name, "findings": n} for name, n in found["findings_by_monitor"].items()]
    show_table(counted, ("monitor", "findings"), "No monitor would have found anything.")
    return 0


def _warn(found: dict[str, Any]) -> None:
    """Say what a file names that the operator's file does not have."""
    for warning in found.get("warnings", []):
        click.echo(f"Warning: {warning}", err=True)


def _said(value: Any) -> Any:
    """Return what a monitor was or is to be, on one line."""
    return ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else value


def _read(file: Path) -> str:
    from watchkeeper.errors import SourceNotFound, UnreadableSource

    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SourceNotFound(str(file)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSource(str(file), str(getattr(error, "strerror", None) or error)) from error


def _write(file: Path, text: str) -> None:
    from watchkeeper.errors import Unwritable

    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unwritable(str(file), error.strerror or str(error)) from error
