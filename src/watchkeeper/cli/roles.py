"""Options that say which column is what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli.root import FILE

if TYPE_CHECKING:
    from watchkeeper.schema import Schema


MEASURED = ("binary", "multiclass", "multilabel", "regression", "ranking", "forecasting")


def roles(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which column is what."""
    options = [
        click.option("--schema", "schema_file", type=FILE, help="YAML file with roles and kinds of columns."),
        click.option("--target", help="Column with the label."),
        click.option("--prediction", help="Column with the predicted class or number."),
        click.option("--score", help="Column with the probability of the positive class."),
        click.option("--timestamp", help="Column with the time of the prediction."),
        click.option("--id", "id_", help="Column that names the row."),
        click.option(
            "--segment",
            "segments",
            multiple=True,
            help="Column whose values or bins are reported apart, or 'A x B' for pairs; repeatable.",
        ),
        click.option("--sensitive", multiple=True, help="Sensitive column, reported apart; repeatable."),
        click.option("--task", type=click.Choice(MEASURED), help="What the model does; guessed unless said."),
        click.option("--query", help="Column that names the list a row belongs to (ranking)."),
        click.option("--horizon", help="Column that says how far ahead a forecast looks (forecasting)."),
        click.option("--weight", help="Column with the weight of the row."),
        click.option("--positive", help="The positive class."),
        click.option("--zone", help="Time zone in which days begin, such as Europe/Berlin."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def schema_of(roles: dict[str, Any]) -> Schema:
    """Return the schema that the options say; takes them out of ``roles``."""
    from watchkeeper.schema import CROSSING, Schema

    file = roles.pop("schema_file")
    schema = Schema.from_yaml(file) if file is not None else Schema()
    roles["id"] = roles.pop("id_")
    roles["segments"] = tuple(s.split(CROSSING) if CROSSING in s else s for s in roles.get("segments") or ())
    given = {name: list(v) if isinstance(v, tuple) else v for name, v in roles.items() if v is not None and v != ()}
    return schema.replace(**given)
