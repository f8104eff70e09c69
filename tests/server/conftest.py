"""Servers: one over a real store, and as many over pipelines that fail on purpose as a test wants."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake import FakePipeline
from live import Live, live

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.app import create_app
from watchkeeper.server.settings import ServerSettings

Serve = Callable[..., Live]


def make_secrets(pipeline: Pipeline | FakePipeline) -> dict[str, str]:
    """Return a secret of every kind."""
    ring = pipeline.keys
    found = {role: ring.create(role, role)[0] for role in ("ingest", "viewer", "admin")}
    found["elsewhere"] = ring.create("elsewhere", "admin", "other")[0]
    found["revoked"], key = ring.create("revoked", "admin")
    assert ring.revoke(key.id, "default")
    found["expired"] = ring.create("expired", "admin", "default", datetime.now(UTC) - timedelta(seconds=1))[0]
    return found | {"wrong": "wk_" + "0" * 56, "nonsense": "\N{SNOWMAN}".encode().decode("latin-1")}


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
