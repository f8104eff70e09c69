"""The commands about training runs, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from watchkeeper.cli import run
from watchkeeper.training.curves import Curve, sparklines

FALLING = 2 * np.exp(-np.arange(300) / 80)
Runs = dict[str, Path]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["training", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    losses = {
        "well": FALLING,
        "slow": 2 * np.exp(-np.arange(300) / 200),
        "few": FALLING[:10],
        "diverges": np.concatenate([FALLING[:100], FALLING[99] * 1.05 ** np.arange(100)]),
        "still": np.full(300, np.log(10)),
    }
    for name, values in losses.items():
        (tmp_path / f"{name}.csv").write_text("step,loss\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values)))
    return {name: tmp_path / f"{name}.csv" for name in losses}


def test_check_exits_with_the_worst_verdict(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "check", runs["well"])[0] == 0
    assert call(capsys, "check", runs["few"])[0] == 3
    assert call(capsys, "check", runs["few"], runs["well"])[0] == 0
    assert call(capsys, "check", runs["few"], runs["well"], "--strict")[0] == 3
    code, out, err = call(capsys, "check", runs["well"], runs["diverges"])
    assert (code, err) == (2, "")
    assert "well: OK" in out
    assert "diverges: CRITICAL" in out
    assert "Read as loss: loss." in out
    assert "divergence: Lower the learning rate" in out
    assert "head_mismatch" in out


def test_what_is_said_of_the_loss_lets_more_be_judged(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "check", runs["still"])[0] == 0  # of a loss of no known kind it is information only
    assert call(capsys, "check", runs["still"], "--kind", "cross_entropy", "--classes", 10)[0] == 2


def test_json_has_what_the_table_has(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "check", runs["diverges"], "--json")
    [document] = json.loads(out)
    assert (code, document["verdict"], document["last_step"], document["run"]) == (2, "critical", 199, "diverges")
    assert document["findings"][0]["problem"] == "divergence"
    assert document["findings"][0]["advice"]
    assert document["unchecked"]["dead_units"]


def test_compare_tells_who_is_lower_and_sooner(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "compare", runs["well"], runs["slow"], "--target", 1.0, "--json")
    compared = json.loads(out)
    assert code == 0
    assert compared["target"] == 1.0
    reached = {row["run"]: row["reached"] for row in compared["rows"]}
    assert reached["well"] == pytest.approx(80 * np.log(2), abs=6)
    assert reached["slow"] == pytest.approx(200 * np.log(2), abs=6)
    code, out, _ = call(capsys, "compare", runs["well"], runs["slow"])
    assert "By training loss" in out
    assert "█" in out
    assert call(capsys, "compare", runs["well"], runs["diverges"])[0] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "nowhere.csv"], "There is no file"),
        (["check", "{well}", "--loss", "lsos"], "Did you mean 'loss'"),
        (["check"], "Missing argument"),
        (["compare", "{well}"], "name another"),
        (["chekc", "{well}"], "Did you mean 'check'"),
    ],
)
def test_wrong_use_ends_in_one_sentence(
    runs: Runs, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    code, out, err = call(capsys, *(a.format(**{n: str(p) for n, p in runs.items()}) for a in arguments))
    assert (code, out) == (64, "")
    assert sentence in err


def test_a_sparkline_is_high_where_the_curve_is() -> None:
    steps = np.arange(80)
    falling, flat, none = (
        Curve(steps, 100.0 - steps),
        Curve(steps[:40], np.full(40, 100.0)),
        Curve(steps[:0], np.empty(0)),
    )
    lines = sparklines([falling, flat, none], width=8)
    assert lines == ["█▇▆▅▄▃▂▁", "████", ""]
    assert sparklines([none]) == [""]
    assert sparklines([Curve(steps, 0.5 ** steps.astype(float))], width=4) == ["█▆▃▁"]
