"""The server keeps what its description promises, whatever is thrown at it: schemathesis with all its checks, seeded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fake import FakePipeline
from live import live

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.app import create_app
from watchkeeper.server.ports import Backend
from watchkeeper.server.settings import ServerSettings
from watchkeeper.server.token import make_token

ENDLESS = ("follow_events",)  # left out by schemathesis.toml; tests/server/test_events.py has it
HERE = Path(__file__).parent / "promises"


def attack(pipeline: Backend, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against a server over a pipeline."""
    token = make_token()
    app = create_app(pipeline, ServerSettings(most_failed_logins=10**6), token=token)
    described = folder / "openapi.json"
    described.write_text(json.dumps(app.openapi()))
    with live(app) as served:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
        done = subprocess.run(
            [*command, str(described), "--url", served.url, "--checks", "all", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(HERE), "COLUMNS": "120", "WATCHKEEPER_TEST_KEY": token.secret},
        )
        assert served.ask("GET", "/healthz").status == 200
    return done


def test_the_server_keeps_its_promises(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        done = attack(pipeline, tmp_path)
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
        assert pipeline.status()["ready"]
    operations = sum(map(len, json.loads((tmp_path / "openapi.json").read_text())["paths"].values()))
    assert f"Tested: {operations - len(ENDLESS)}" in done.stdout


def test_the_attack_would_see_a_server_that_fails(tmp_path: Path) -> None:
    pipeline = FakePipeline()
    pipeline.fail = ZeroDivisionError("planted")
    done = attack(pipeline, tmp_path, "--include-operation-id", "list_models", "--phases", "coverage")
    assert done.returncode == 1, done.stdout
    assert "Server error" in done.stdout
