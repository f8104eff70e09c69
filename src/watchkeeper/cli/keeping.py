"""Commands for whoever runs a server: serve, keys, backups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli.reach import STORE, reach, reaching, require_server
from watchkeeper.cli.root import FILE, Group, cli
from watchkeeper.cli.tables import show_json, show_table

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@cli.command()
@click.option("--store", type=FILE, default=STORE, show_default=True, help="The folder in which everything is kept.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8640, show_default=True, help="0 is any free one.")
@click.option("--allow-host", multiple=True, help="A further name by which the server may be called; repeatable.")
@click.option("--behind-proxy", is_flag=True, help="A proxy in front does TLS: listen where other machines reach it.")
@click.option("--tls-cert", type=FILE, help="PEM file with the certificate.")
@click.option("--tls-key", type=FILE, help="PEM file with its private key.")
@click.option(
    "--base", type=click.Choice(["hour", "day"]), default="hour", show_default=True,
    help="Keep profiles by the hour, or by the day, which is smaller and faster.",
)  # fmt: skip
@click.option(
    "--window", type=click.Choice(["hour", "day", "week", "month"]), multiple=True, default=["day", "month"],
    show_default=True, help="Measure windows of this length; repeatable.",
)  # fmt: skip
def serve(store: Path, **options: Any) -> int:
    """Serve: take predictions and labels, measure, and answer. The very first start shows a key, once."""
    require_server()
    from watchkeeper.pipeline.settings import PipelineSettings
    from watchkeeper.server.binding import Binding
    from watchkeeper.server.run import serve as run_server

    binding = Binding(
        host=options["host"],
        port=options["port"],
        allow_hosts=options["allow_host"],
        behind_proxy=options["behind_proxy"],
        certificate=options["tls_cert"],
        private_key=options["tls_key"],
    )
    run_server(store, binding, click.echo, PipelineSettings(base=options["base"], measured=options["window"]))
    return 0


@cli.group(cls=Group)
def keys() -> None:
    """Make, list and revoke keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["ingest", "viewer", "admin"]),
    required=True,
    help="ingest sends rows, schemas and references and reads nothing, viewer reads, admin does everything.",
)
@click.option("--days", type=click.IntRange(1, 36500), help="After so many days it is refused.")
@_JSON
@reaching
def create(name: str, role: str, days: int | None, as_json: bool, **options: Any) -> int:
    """Make a key. NAME says what it is for."""
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with reach(options) as connection:
        secret, key = connection.create_key(name, role, expires=expires)
    if as_json:
        show_json({"secret": secret, "key": key})
    else:
        click.echo(secret)
        click.echo("This key is shown once.", err=True)
    return 0


@keys.command(name="list")
@_JSON
@reaching
def list_(as_json: bool, **options: Any) -> int:
    """List keys, without their secrets."""
    with reach(options) as connection:
        found = connection.keys()
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "name", "role", "prefix", "created", "last_used", "expires", "revoked"), "No keys.")
    return 0


@keys.command()
@click.argument("id")
@click.option("--force", is_flag=True, help="Even if it is the last admin key.")
@reaching
def revoke(id: str, force: bool, **options: Any) -> int:  # noqa: A002
    """Refuse the key with this ID from now on."""
    with reach(options) as connection:
        connection.revoke_key(id, force=force)
    click.echo(f"The key {id} is refused from now on.")
    return 0


@cli.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@reaching
def backup(file: Path, force: bool, **options: Any) -> int:
    """Write a consistent backup of a whole store to FILE, a tar that only you can read, while the store is in use."""
    from watchkeeper.errors import InputError
    from watchkeeper.store.folders import private

    if file.exists() and not force:
        raise InputError(f"{file} is there already; name another file, or say --force to write over it.")
    with reach(options) as connection, private():
        size = connection.backup(file)
    click.echo(f"{size:,} bytes in {file}. 'watchkeeper restore --verify {file}' checks it.")
    return 0


@cli.command()
@click.argument("file", type=FILE)
@click.option("--store", type=FILE, help="The folder to restore into; empty or new.")
@click.option("--verify", is_flag=True, help="Check the backup, and restore nothing.")
def restore(file: Path, store: Path | None, verify: bool) -> int:
    """Restore a store from FILE, a backup, or check that it is whole."""
    from watchkeeper.errors import Unwritable
    from watchkeeper.store import backup as backups

    if verify == (store is not None):
        raise click.UsageError("Say either --store DIR, to restore into it, or --verify, to check the backup.")
    try:
        summary = backups.verify(file) if store is None else backups.restore(file, store)
    except OSError as error:
        raise Unwritable(str(store or error.filename), error.strerror or str(error)) from error
    done = "is whole" if store is None else f"is restored into {store}"
    click.echo(
        f"{file} {done}: {summary.files} files, {summary.bytes:,} bytes, {sum(summary.rows.values()):,} records."
    )
    return 0
