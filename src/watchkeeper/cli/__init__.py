"""The command line: parse, call, print.

Exit codes of every command: 0 ok, 1 warning, 2 critical, 3 not enough data, 64 usage, 70 internal.
"""

from __future__ import annotations

import sys
import traceback

import click

import watchkeeper.cli.acting
import watchkeeper.cli.asking
import watchkeeper.cli.comparing
import watchkeeper.cli.judging
import watchkeeper.cli.keeping
import watchkeeper.cli.looking
import watchkeeper.cli.monitoring
import watchkeeper.cli.responding
import watchkeeper.cli.sending
import watchkeeper.cli.trying  # noqa: F401 - each adds its commands
from watchkeeper.cli.root import cli
from watchkeeper.errors import WatchkeeperError

__all__ = ["cli", "main", "run"]
USAGE, INTERNAL, INTERRUPTED = 64, 70, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; errors are one sentence on standard error."""
    try:
        code = cli.main(arguments, prog_name="watchkeeper", standalone_mode=False)
        sys.stdout.flush()
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
    except WatchkeeperError as error:
        _complain(str(error), arguments)
        return USAGE
    except OSError as error:
        _complain(str(error) if error.filename is not None else f"The system says: {error.strerror}.", arguments)
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
