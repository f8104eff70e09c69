"""The command line: parse, call, print.

Exit codes of every command: 0 ok, 1 warning, 2 critical, 3 not enough data, 64 usage, 70 internal.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watchkeeper import __version__
from watchkeeper.errors import WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from watchkeeper.schema import Schema

USAGE, INTERNAL, INTERRUPTED = 64, 70, 130
_UNKNOWN_WIDTH, _WIDE = 80, 120
_FILE = click.Path(path_type=Path)


class _Group(click.Group):
    """A group that names the nearest command for one that it does not know."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from watchkeeper.errors import nearest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = nearest(args[0], self.list_commands(ctx))
            ctx.fail(f"There is no command {args[0]!r}." + (f" Did you mean {near!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(str(__version__), prog_name="watchkeeper")
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where in the code an error came from.")
def cli(show_traceback: bool) -> None:
    """Watch machine-learning models, from their first gradient to their last prediction.

    Exit codes: 0 ok, 1 warning, 2 critical, 3 not enough data, 64 wrong usage or input, 70 an error of ours.
    """
    del show_traceback  # read from the arguments where errors are caught, which is before click has parsed them


def _roles(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which column is what."""
    options = [
        click.option("--schema", "schema_file", type=_FILE, help="YAML file with roles and kinds of columns."),
        click.option("--target", help="Column with the label."),
        click.option("--prediction", help="Column with the predicted class or number."),
        click.option("--score", help="Column with the probability of the positive class."),
        click.option("--timestamp", help="Column with the time of the prediction."),
        click.option("--id", "id_", help="Column that names the row."),
        click.option(
            "--segment", "segments", multiple=True, help="Column whose values are reported apart; repeatable."
        ),
        click.option("--sensitive", multiple=True, help="Sensitive column, reported apart; repeatable."),
        click.option("--positive", help="The positive class."),
        click.option("--zone", help="Time zone in which days begin, such as Europe/Berlin."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _schema(roles: dict[str, Any]) -> Schema:
    from watchkeeper.schema import Schema

    file = roles.pop("schema_file")
    schema = Schema.from_yaml(file) if file is not None else Schema()
    roles["id"] = roles.pop("id_")
    given = {name: list(v) if isinstance(v, tuple) else v for name, v in roles.items() if v not in {None, ()}}
    return schema.replace(**given)


@cli.command()
@click.argument("reference")
@click.argument("current")
@_roles
@click.option("--html", type=_FILE, help="Write the page: one file that opens without a network.")
@click.option("--json", "json_", type=_FILE, help="Write the report as JSON; - is standard output.")
@click.option("--alpha", type=float, default=None, help="Chance of any false warning (0.05 unless said).")
@click.option("--strict", is_flag=True, help="Exit with 3 where any check had not enough data and none was worse.")
@click.option("--title", default="", help="Title of the page.")
def compare(reference: str, current: str, **options: Any) -> int:
    """Compare two tables: what changed, how, and what it did to the model.

    REFERENCE and CURRENT are Parquet or CSV files, folders or quoted globs of them, or saved profiles (.profile). The
    worst verdict is the exit code.
    """
    from watchkeeper import monitor
    from watchkeeper.detection.comparison import ALPHA

    outputs = {name: options.pop(name) for name in ("html", "json_", "alpha", "strict", "title")}
    with _Reading() as reading:
        report = monitor.compare(
            reference,
            current,
            schema=_schema(options),
            alpha=outputs["alpha"] if outputs["alpha"] is not None else ALPHA,
            title=outputs["title"],
            progress=reading.tell,
        )
    if outputs["json_"] == Path("-"):
        click.echo(report.to_json(indent=1))
    else:
        _show(report)
        if outputs["json_"] is not None:
            report.save(outputs["json_"], "json")
    if outputs["html"] is not None:
        report.save(outputs["html"], "html")
        click.echo(f"Report: {outputs['html']}", err=True)
    return report.exit_code(outputs["strict"])


def _show(report: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and console.width == _UNKNOWN_WIDTH:  # a pipe or a file: nothing has to be left out
        console = Console(highlight=False, width=_WIDE)
    console.print(report.to_terminal(console.width))


class _Reading:
    """A progress bar on standard error for each side that is read; nothing where that is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self._progress: Progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def tell(self, side: str, rows: int, share: float | None) -> None:
        if side not in self._tasks:
            self._tasks[side] = self._progress.add_task(f"reading {side}", total=None if share is None else 1.0, rows=0)
        total = None if share is None else 1.0
        self._progress.update(self._tasks[side], total=total, completed=share or 0.0, rows=rows)

    def __enter__(self) -> _Reading:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@cli.group(cls=_Group)
def profile() -> None:
    """Make, merge and show profiles: small states from which everything is computed."""


@profile.command()
@click.argument("data")
@click.option("-o", "--output", type=_FILE, required=True, help="Where to write the profile.")
@_roles
def make(data: str, output: Path, **options: Any) -> int:
    """Make the profile of DATA, a Parquet or CSV file, folder or quoted glob."""
    from watchkeeper import monitor

    with _Reading() as reading:
        made = monitor.profile(data, _schema(options), progress=lambda rows, share: reading.tell(data, rows, share))
    made.save(output)
    click.echo(f"{made.rows:,} rows of {len(made.columns)} columns in {output} ({output.stat().st_size:,} bytes).")
    return 0


@profile.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("-o", "--output", type=_FILE, required=True, help="Where to write the merged profile.")
def merge(files: tuple[Path, ...], output: Path) -> int:
    """Merge profiles that were made with one schema."""
    from watchkeeper.profiles.profile import Profile
    from watchkeeper.profiles.profile import merge as merge_profiles

    merged = merge_profiles(map(Profile.load, files))
    merged.save(output)
    click.echo(f"{merged.rows:,} rows of {len(files)} profiles in {output} ({output.stat().st_size:,} bytes).")
    return 0


@profile.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: Path, as_json: bool) -> int:
    """Show what a profile knows."""
    from rich.console import Console

    from watchkeeper.profiles.profile import Profile
    from watchkeeper.report import profile_table

    loaded = Profile.load(file)
    if as_json:
        click.echo(profile_table.to_json(loaded))
    else:
        Console(highlight=False).print(profile_table.render(loaded))
    return 0


@cli.command()
@click.option(
    "--folder", type=_FILE, default=Path("watchkeeper-demo"), show_default=True, help="Where to write the files."
)
@click.option("--exit", "exit_", is_flag=True, help="End by itself (the demo does, as long as it has no server).")
def demo(folder: Path, exit_: bool) -> int:
    """Run the main job on real flights: New York 2013, July against March."""
    from watchkeeper.demo.run import run_demo

    del exit_
    made = run_demo(folder, lambda said: click.echo(f"- {said}"))
    click.echo()
    _show(made.report)
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


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; errors are one sentence on standard error."""
    try:
        code = cli.main(arguments, prog_name="watchkeeper", standalone_mode=False)
    except click.ClickException as error:
        _complain(error.format_message(), arguments)
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(
                f"See 'watchkeeper {' '.join(error.ctx.command_path.split()[1:])} --help'.".replace("  ", " "), err=True
            )
        return USAGE
    except click.exceptions.Exit as ended:
        return int(ended.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except (WatchkeeperError, OSError) as error:
        _complain(str(error), arguments)
        return USAGE
    except MemoryError:
        _complain("There is not enough memory for this.", arguments)
        return INTERNAL
    except Exception as error:
        _complain(
            f"Watchkeeper made an error ({type(error).__name__}: {error}). Please report it with --traceback.",
            arguments,
        )
        return INTERNAL
    return code if isinstance(code, int) else 0


def _complain(sentence: str, arguments: list[str]) -> None:
    if "--traceback" in arguments:
        traceback.print_exc()
    click.echo(f"Error: {sentence}", err=True)
