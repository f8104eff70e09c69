"""A recording server and loggers that talk to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorder import Recorder

from watchkeeper.client.logger import Logger
from watchkeeper.client.settings import Settings

Make = Callable[..., Logger]


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture
def logger(server: Recorder, tmp_path: Path) -> Iterator[Make]:
    """Return a maker of loggers: settings by name, and url= for another server. All are closed at the end."""
    made = []

    def make(*, url: str | None = None, key: str = "wk_test", version: str | None = "3", **settings: object) -> Logger:
        chosen = Settings(**{"spool": str(tmp_path / "spool"), "exit_budget": 1.0, "deadline": 2.0, **settings})  # type: ignore[arg-type]
        made.append(Logger("late-flights", version, url=url or server.url, key=key, settings=chosen))
        return made[-1]

    yield make
    for each in made:
        each.close()
