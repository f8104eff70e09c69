"""From --url, --key and --store to a connection."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli.root import FILE

if TYPE_CHECKING:
    from watchkeeper.client.connection import Connection

STORE = Path("watchkeeper-store")


def reaching(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which server is meant."""
    options = [
        click.option("--url", help="The server's address; else WATCHKEEPER_URL, else http://127.0.0.1:8640."),
        click.option("--key", help="A key for it; else WATCHKEEPER_KEY."),
        click.option(
            "--store", type=FILE, help="A store on this machine, whether a server has it open or not, instead of both."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def require_server() -> None:
    """Raise where the packages that a server needs are not installed."""
    from watchkeeper.errors import MissingExtra

    for package in ("fastapi", "uvicorn"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingExtra(package, "server", "Opening a store") from error


@contextlib.contextmanager
def reach(options: dict[str, Any], *, make: bool = False, running: bool = False) -> Iterator[Connection]:
    """Give a connection to the server that the options mean; takes them out of ``options``.

    A store that no server has open is opened here, for this command alone; ``make``: also one that is not there yet;
    ``running``: never, for what the command asks for would end with it.
    """
    from watchkeeper.client.connection import Connection, connect
    from watchkeeper.errors import InputError
    from watchkeeper.store.folders import check_folder

    url, key, store = options.pop("url"), options.pop("key"), options.pop("store")
    if store is None:
        with _hinting():
            yield connect(url, key)
        return
    if url is not None or key is not None:
        raise InputError("Either --store says which server is meant, or --url and --key do; not both.")
    check_folder(store)
    found = _held(store)
    if found is not None:
        yield Connection(*found)
        return
    if running:
        raise InputError(
            f"No server has {store} open. 'watchkeeper serve --store {store}' starts one, and prints a link."
        )
    if not make and not (store / "watchkeeper.db").exists():
        raise InputError(f"There is no store in {store}. 'watchkeeper serve --store {store}' makes one.")
    require_server()
    from watchkeeper.server.run import serving

    with serving(store) as (address, secret):
        yield Connection(address, secret)


@contextlib.contextmanager
def _hinting() -> Iterator[None]:
    """Say where a key goes, where the server asks for one."""
    from watchkeeper.errors import ServerRefused

    try:
        yield
    except ServerRefused as refused:
        if refused.status != 401:
            raise
        detail = f"{refused.detail} Give a key with --key or WATCHKEEPER_KEY, or name the server's --store."
        raise ServerRefused(refused.url, refused.status, detail) from refused


def _held(store: Path) -> tuple[str, str, str | None] | None:
    """Return address, key and certificate of the server that has the store open; None where none has."""
    from watchkeeper.errors import InputError, StoreLocked
    from watchkeeper.server.token import read_token
    from watchkeeper.store.lock import read_holder

    holder = read_holder(store)
    if holder is None:
        return None
    if not holder.url:
        raise StoreLocked(str(store), holder.pid or None, holder.host)
    token = read_token(store)
    if token is None:
        raise InputError(
            f"{store} is open in the server at {holder.url}, which runs as another user. Use --url and --key."
        )
    return holder.url, *token
