"""The process that serves a store: open it, listen, say where, and end in good order."""

from __future__ import annotations

import contextlib
import logging
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from watchkeeper.errors import InputError, WatchkeeperError
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.response.operator import NAME as OPERATOR
from watchkeeper.server.app import create_app
from watchkeeper.server.binding import Binding
from watchkeeper.server.entering import link_path
from watchkeeper.server.protocol import Connection
from watchkeeper.server.services import Services, services_in
from watchkeeper.server.settings import ServerSettings
from watchkeeper.server.token import LocalToken, make_token, remove_token, write_token

DRAIN = 10.0
"""Seconds that an end may take: requests under way first, then what was accepted is counted as far as time allows."""
_REQUESTS = 6
_MOST_FILES = 65_536
_SWITCH = 0.001  # seconds after which a thread that computes lets the event loop in
_MOST_HEAD = 64 << 10
Tell = Callable[[str], None]


def serve(folder: Path, binding: Binding, tell: Tell, settings: PipelineSettings | None = None) -> None:
    """Serve a store until SIGTERM or SIGINT, then end within :data:`DRAIN` seconds.

    Parameters
    ----------
    folder
        The store; made where it is not there.
    binding
        Where to listen.
    tell
        Is given sentences for people: the address, and on the very first start a key.

    Raises
    ------
    InputError
        The binding is unwise or impossible, or ``tell`` reaches nobody.
    StoreError, Unwritable
        The store cannot be opened.
    """
    binding.check()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.setswitchinterval(_SWITCH)
    _allow_files()
    with _opened(folder, binding, settings=settings) as served:
        unheard: list[OSError] = []

        def begin() -> None:
            try:
                _say(served, binding, tell)
            except OSError as error:
                unheard.append(error)
                served.server.should_exit = True

        served.server.on_start = begin
        served.server.run(sockets=[served.socket])
        if unheard:
            raise InputError(
                f"Nobody can be told where the server is: {unheard[0].strerror}. It has ended."
            ) from unheard[0]
    tell("Ended; everything that was acknowledged is on disk.")


@contextlib.contextmanager
def serving(folder: Path, patience: float = 600.0) -> Iterator[tuple[str, str]]:
    """Serve a store to this process alone while a block runs; gives the address and the key for it.

    What was accepted before is counted first, and what the block sends before the end; each may take ``patience`` seconds.
    """
    with _opened(folder, Binding(port=0), patience) as served:
        served.pipeline.settle(patience)
        started = threading.Event()
        served.server.on_start = started.set
        thread = threading.Thread(
            target=served.server.run, kwargs={"sockets": [served.socket]}, name="watchkeeper-server", daemon=True
        )
        thread.start()
        try:
            if not started.wait(DRAIN):
                raise WatchkeeperError("The server within this command did not start. Please report it.")
            yield served.url, served.token.secret
        finally:
            served.server.should_exit = True
            thread.join(DRAIN)


class Server(uvicorn.Server):
    """Tells when it has begun to listen, and ends a process without killing it by the signal that it was sent."""

    on_start: Callable[[], None]

    def __init__(self, app: FastAPI, binding: Binding) -> None:
        super().__init__(configured(app, binding))
        self._feed = services_in(app).feed

    ending: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests that are under way."""
        self.ending = time.monotonic()
        self._feed.close()  # streams of events have no end of their own
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take SIGINT and SIGTERM as the wish to end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class _Served:
    pipeline: Pipeline
    server: Server
    services: Services
    socket: socket.socket
    url: str
    token: LocalToken


@contextlib.contextmanager
def _opened(
    folder: Path, binding: Binding, patience: float = DRAIN, settings: PipelineSettings | None = None
) -> Iterator[_Served]:
    """Open a store and a socket, and close them in good order; ``patience`` is how long the end may take."""
    hosts = binding.hosts()
    pipeline = Pipeline.open(folder, settings)
    server: Server | None = None
    try:
        with binding.listen() as listening:
            token = make_token()
            url = binding.url(listening.getsockname()[1])
            app = create_app(pipeline, _settings(hosts, binding, listening.getsockname()[1]), token=token)
            server = Server(app, binding)
            write_token(folder, token, binding.certificate)
            yield _Served(pipeline, server, services_in(app), listening, url, token)
    finally:
        remove_token(folder)
        ending = server.ending if server is not None and server.ending is not None else time.monotonic()
        pipeline.close(max(1.0, patience - 1.0 - (time.monotonic() - ending)))


def _settings(hosts: frozenset[str], binding: Binding, port: int) -> ServerSettings:
    """Return the settings of a server; browsers send a cookie to all ports of a machine, so its name has the port."""
    secure = binding.certificate is not None or binding.behind_proxy
    return ServerSettings(hosts=hosts, secure=secure, cookie=f"{'__Host-' if secure else ''}watchkeeper-{port}")


def configured(app: FastAPI, binding: Binding) -> uvicorn.Config:
    """Return how uvicorn serves an application."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_REQUESTS,
        h11_max_incomplete_event_size=_MOST_HEAD,
        ssl_certfile=binding.certificate,
        ssl_keyfile=binding.private_key,
    )


def _say(served: _Served, binding: Binding, tell: Tell) -> None:
    served.pipeline.announce(served.url)
    folder, first = served.pipeline.folder, served.pipeline.keys.empty()
    problem = served.pipeline.operator_problem()
    if problem is not None:
        tell(f"WARNING  {folder / OPERATOR} has faults, so that channels or actions are missing: {problem}")
    if first:
        tell(f"Store    {folder}")  # where this reaches nobody, no key is made
        _say_first_key(served, tell)
    tell(f"Serving  {served.url}")
    tell(f"Page     {served.url}{link_path(served.services, served.token.key.id)}")
    tell("         This link logs one browser in, once, within ten minutes. 'watchkeeper login' makes others.")
    if not first:
        tell(f"Keys     'watchkeeper keys create NAME --role admin --store {folder}' makes one.")
    if binding.behind_proxy and not binding.allow_hosts:
        tell("         It answers to names of this machine only; say others with --allow-host NAME.")


def _say_first_key(served: _Served, tell: Tell) -> None:
    keys = served.pipeline.keys
    secret, key = keys.create("first", "admin")
    try:
        tell(f"Key      {secret}")
    except OSError:
        keys.revoke(key.id, force=True)
        raise
    tell("         This key is shown once: it is an admin's. Keep it, or make others with 'watchkeeper keys create'.")


def _allow_files() -> None:
    """Allow as many connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
