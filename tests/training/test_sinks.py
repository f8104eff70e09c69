"""A run is told to sinks as it goes; one that fails ends alone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from watchkeeper.errors import InputError
from watchkeeper.integrations.prometheus import PrometheusFile, exposition
from watchkeeper.training.journal import Journal, read_journal
from watchkeeper.training.run import Run
from watchkeeper.training.scalars import scalars_of
from watchkeeper.training.watching import Watching

SAMPLE = re.compile(r'^([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\} (NaN|[+-]Inf|[-+.e\d]+)$')


class Breaks:
    """A sink whose disk is full from the third row on."""

    def __init__(self) -> None:
        self.told = 0

    def row(self, *_: Any) -> None:
        self.told += 1
        if self.told == 3:
            raise OSError("No space left on device")

    def event(self, *_: Any) -> None: ...

    def finding(self, *_: Any) -> None: ...

    def close(self, *_: Any) -> None:
        raise AssertionError("a sink that failed is told nothing more")


def train(watching: Watching, steps: int = 200) -> Watching:
    for step in range(steps):
        watching.add("learning_rate", step, 0.1)
        watching.add("gradient", step, (3.0, 4.0), ("a", "b"))
        watching.loss(step, 2 * 0.98**step if step < 100 else 0.3 * 1.06 ** (step - 100))
        if step % 50 == 0:
            watching.validation(step, {f"metric {n}": step for n in range(30)} | {"loss": 0.5})
    watching.close()
    return watching


def parsed(text: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = SAMPLE.match(line)
            assert match, line
            found[match[1].removeprefix("watchkeeper_training_"), match[2]] = float(match[3])
    return found


def test_a_sink_that_fails_ends_alone_and_says_so(tmp_path: Path) -> None:
    breaks = Breaks()
    watching = Watching(Run("trial"), [breaks, Journal(tmp_path / "trial.jsonl")], quiet=True)
    with pytest.warns(RuntimeWarning, match="Breaks is told nothing more of trial: No space left"):
        train(watching)
    assert breaks.told == 3
    assert read_journal(tmp_path / "trial.jsonl").run.step == 199


def test_prometheus_has_the_latest_numbers(tmp_path: Path) -> None:
    path = tmp_path / "trial.prom"
    train(Watching(Run('the "first"\\trial'), [PrometheusFile(path, every=0)], quiet=True))
    found = parsed(path.read_text())
    run = r'run="the \"first\"\\trial"'
    assert found["step", run] == 199
    assert found["loss", run] == pytest.approx(0.3 * 1.06**99)
    assert found["gradient_norm", run] == 5
    assert found["ended", run] == 1
    assert found["findings", f'{run},severity="critical"'] == 1
    assert found["found", f'{run},problem="divergence",severity="critical"'] > 100
    assert len([name for name, _ in found if name == "validation"]) == 20
    assert [p.name for p in tmp_path.iterdir()] == ["trial.prom"]


def test_prometheus_is_written_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "trial.prom"
    sink = PrometheusFile(path, every=3600)
    watching = Watching(Run("trial"), [sink], quiet=True)
    for step in range(30):
        watching.loss(step, 1.0)
    assert parsed(path.read_text())["step", 'run="trial"'] == 0
    watching.close()
    assert parsed(path.read_text())["step", 'run="trial"'] == 29
    with pytest.raises(InputError, match=r"\.prom"):
        PrometheusFile(tmp_path / "trial.txt")


def test_numbers_that_are_none_are_written_as_prometheus_reads_them() -> None:
    text = exposition(
        [("loss", {"run": "a"}, math.nan), ("loss", {"run": "b"}, math.inf), ("loss", {"run": "c"}, -math.inf)]
    )
    assert [line.split()[-1] for line in text.splitlines()[2:]] == ["NaN", "+Inf", "-Inf"]


def test_rows_of_many_layers_are_told_by_three_numbers() -> None:
    run = Run()
    run.add("gradient", 0, np.arange(5.0), list("abcde"))
    run.add_loss(0, 2.0)
    run.add("learning_rate", 0, 0.1)
    assert dict(scalars_of(run, "gradient", range(5))) == {f"gradient/{c}": float(i) for i, c in enumerate("abcde")}
    three = {"gradient/least": 0.0, "gradient/median": 2.0, "gradient/greatest": 4.0}
    assert dict(scalars_of(run, "gradient", range(5), most=4)) == three
    run.add("histogram/weight/a", 0, (1.0, 2.0), ("0", "1"))
    assert list(scalars_of(run, "histogram/weight/a", (1.0, 2.0))) == []
    assert dict(scalars_of(run, "loss", (2.0, 2.5))) == {"loss": 2.0, "loss_smooth": 2.5}
    assert dict(scalars_of(run, "learning_rate", (0.1,))) == {"learning_rate": 0.1}
