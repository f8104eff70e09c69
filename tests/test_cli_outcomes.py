"""``profile show`` with a report by class and with curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import watchkeeper as wk
from watchkeeper import cli


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    label = (rng.random(300) < 0.4).astype(int)
    score = np.clip(rng.normal(0.3 + 0.3 * label, 0.2), 0, 1)
    path = tmp_path_factory.mktemp("profiles") / "a.profile"
    wk.profile({"y": label, "score": score}, wk.Schema(target="y", task="binary", positive=1)).save(path)
    return path


def test_the_report(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["profile", "show", str(saved), "--report"]) == 0
    assert "weighted avg" in capsys.readouterr().out
    assert cli.run(["profile", "show", str(saved), "--report", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["0"]["support"] + found["1"]["support"] == 300


@pytest.mark.parametrize("name", ["roc", "precision_recall", "lift", "threshold", "calibration"])
def test_curves(saved: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert cli.run(["profile", "show", str(saved), "--curve", name]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 10
    assert cli.run(["profile", "show", str(saved), "--curve", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 300


def test_value(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = ["--price", "true_positive=10", "--price", "false_positive=-4"]
    assert cli.run(["profile", "show", str(saved), "--curve", "value", *prices]) == 0
    assert "Best: " in capsys.readouterr().out
    assert cli.run(["profile", "show", str(saved), "--curve", "value", "--price", "much"]) == 64
    assert "NAME=NUMBER" in capsys.readouterr().err
    assert cli.run(["profile", "show", str(saved), "--curve", "value"]) == 64
    assert "Prices" in capsys.readouterr().err
