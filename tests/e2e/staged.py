"""A filled store behind a real server, with a browser at its door: what the live page is tested against."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.server.app import create_app
from watchkeeper.server.binding import Binding
from watchkeeper.server.run import Server

UI = Path(__file__).parents[2] / "ui"
sys.path.insert(0, str(UI))

from sample_loop import Staged  # noqa: E402
from sample_store import ODD, Size, furnish  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass
class Stage:
    """A running server over a pipeline whose incidents are made up."""

    pipeline: Staged
    url: str
    secrets: dict[str, str]

    def enter(self, page: Page, who: str = "admin", path: str = "/fleet") -> None:
        """Log in as a person would, and go to a page."""
        page.goto(f"{self.url}/#{path}")
        page.fill("#login-key", self.secrets[who])
        page.keyboard.press("Enter")
        page.wait_for_selector(".live-bar")

    def go(self, page: Page, path: str) -> None:
        """Follow a link to a page of the site."""
        page.evaluate("path => { location.hash = path }", path)


@contextlib.contextmanager
def staged(folder: Path, size: Size | None = None) -> Iterator[Stage]:
    """Serve a filled store while a block runs."""
    size = size or Size(models=5, columns=10, days=60, profiles=4)
    furnish(folder, size)
    with Staged.open(folder) as pipeline:
        pipeline.stage(*([] if size.hostile else [ODD]))
        listening = Binding(port=0).listen()
        server, started = Server(create_app(pipeline), Binding()), threading.Event()
        server.on_start = started.set
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(10)
        keys = {role: pipeline.keys.create(role, role)[0] for role in ("admin", "viewer")}
        try:
            yield Stage(pipeline, f"http://127.0.0.1:{listening.getsockname()[1]}", keys)
        finally:
            server.should_exit = True
            thread.join(15)
            listening.close()
            assert not thread.is_alive()
