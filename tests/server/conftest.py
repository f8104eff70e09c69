"""Servers: one over a real store, and as many over pipelines that fail on purpose as a test wants."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake import FakePipeline
from live import Live, Serve, live, make_secrets

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.app import create_app
from watchkeeper.server.settings import ServerSettings


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Return a server over a real store."""
    with Pipeline.open(tmp_path_factory.mktemp("store") / "store") as pipeline, live(create_app(pipeline)) as served:
        served.secrets = make_secrets(pipeline)
        yield served


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


@pytest.fixture
def serve(pipeline: FakePipeline) -> Iterator[Serve]:
    """Return a maker of servers over the fake pipeline, with settings by name."""
    with contextlib.ExitStack() as stack:

        def make(**settings: object) -> Live:
            app = create_app(pipeline, ServerSettings(**settings))  # type: ignore[arg-type]
            served = stack.enter_context(live(app))
            served.secrets = make_secrets(pipeline)
            return served

        yield make
