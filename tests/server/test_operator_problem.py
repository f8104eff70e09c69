"""A broken operator's file is told wherever somebody looks: at the start, in the list of channels, and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.live import Live, live
from tests.server.test_process import process

from watchkeeper.cli import run
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.response.operator import NAME
from watchkeeper.server.app import create_app

BROKEN = "channels: {hook: {ulr: 'slack://a'}, fine: {url: 'slack://b'}}\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Live]:
    pipeline = Pipeline.open(tmp_path / "store")
    (tmp_path / "store" / NAME).write_text(BROKEN)
    try:
        with live(create_app(pipeline)) as made:
            made.secrets = {"viewer": pipeline.keys.create("viewer", "viewer")[0]}
            yield made
    finally:
        pipeline.close(5.0)


@pytest.mark.parametrize("path", ["channels", "views/settings", "views/fleet"])
def test_documents_tell_it(served: Live, path: str) -> None:
    problem = served.ask("GET", f"/api/v1/{path}", "viewer").json["operator_problem"]
    assert problem.startswith("channels.hook: ") and "'url'?" in problem


def test_the_command_tells_it_and_lists_the_rest(served: Live, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["channels", "list", "--url", served.url, "--key", served.secrets["viewer"]]) == 1
    said = capsys.readouterr()
    assert "fine" in said.out and "channels.hook" in said.err


def test_a_file_without_faults_is_no_problem(served: Live, tmp_path: Path) -> None:
    (tmp_path / "store" / NAME).write_text("channels: {fine: {url: 'slack://b'}}\n")
    assert served.ask("GET", "/api/v1/channels", "viewer").json["operator_problem"] is None


def test_a_start_tells_it_before_anything_else(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / NAME).write_text("channels: [\n")
    with process(store) as server:
        server.wait_for("Serving")
        assert server.lines[0].startswith("WARNING") and NAME in server.lines[0]
        code, said = server.end()
    assert code == 0 and "until it is mended there is only the console" in said
