"""The group under which every command stands, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper import __version__

FILE = click.Path(path_type=Path)


class Group(click.Group):
    """A group that names the nearest command for one that it does not know."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from watchkeeper.errors import nearest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = nearest(args[0], self.list_commands(ctx))
            ctx.fail(f"There is no command {args[0]!r}." + (f" Did you mean {near!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(str(__version__), prog_name="watchkeeper")
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where in the code an error came from.")
def cli(show_traceback: bool) -> None:
    """Watch machine-learning models, from their first gradient to their last prediction.

    Exit codes: 0 ok, 1 warning, 2 critical, 3 not enough data, 64 wrong usage or input, 70 an error of ours.
    """
    del show_traceback  # read from the arguments where errors are caught, which is before click has parsed them
