"""A run that was written is read again with the same content and the same findings, as far as it was written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from watchkeeper.errors import SourceNotFound, UnreadableSource
from watchkeeper.training.journal import Journal, read_journal
from watchkeeper.training.reading.sources import read_runs
from watchkeeper.training.run import Event, Layer, Run
from watchkeeper.training.watching import Watching


def diverging(path: Path) -> Watching:
    layers = [Layer("first.weight", (4, 3), "Linear"), Layer("last.weight", (2, 4), "Linear")]
    watching = Watching(Run("trial", "pytorch", layers, "SGD", "mse"), [Journal(path)], quiet=True)
    rng = np.random.default_rng(3)
    for step in range(200):
        watching.add("gradient", step, rng.random(2), [layer.name for layer in layers])
        watching.loss(step, float(np.exp(-step / 20) if step < 100 else 1.06 ** (step - 100)) + 0.01 * rng.random())
    watching.validation(200, {"loss": math.inf, "accuracy": 0.5})
    watching.note(Event("head_mismatch", 200, "last", {"n": 3.0}, "Shapes differ."))
    return watching


def test_what_was_written_is_read(tmp_path: Path) -> None:
    first = diverging(tmp_path / "trial.jsonl")
    first.close()
    again = read_journal(tmp_path / "trial.jsonl")
    assert {"divergence", "head_mismatch"} <= {f.problem for f in first.findings}
    assert [f.to_dict() for f in again.findings] == [f.to_dict() for f in first.findings]
    assert again.run.layers == first.run.layers
    assert again.run.facts == first.run.facts
    assert again.run.series.keys() == first.run.series.keys()
    for name, series in first.run.series.items():
        np.testing.assert_array_equal(again.run.series[name].rows, series.rows)
        assert again.run.series[name].columns == series.columns


def test_a_run_that_was_killed_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "trial.jsonl"
    diverging(path).close()
    whole = path.read_bytes()
    cut = whole[: whole.index(b'"t":150') + 3]
    path.write_bytes(cut)
    again = read_journal(path)
    assert again.run.step == 149
    assert "divergence" in {f.problem for f in again.findings}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        read_journal(tmp_path / "nothing.jsonl")
    (tmp_path / "other.jsonl").write_text('{"loss": 1}\n')
    with pytest.raises(UnreadableSource, match="no header of a run"):
        read_journal(tmp_path / "other.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UnreadableSource, match="empty"):
        read_journal(tmp_path / "empty.jsonl")


def test_a_second_run_of_a_name_stands_beside_the_first(tmp_path: Path) -> None:
    for _ in range(3):
        diverging(tmp_path / "trial.jsonl").close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trial-2.jsonl", "trial-3.jsonl", "trial.jsonl"]
    contents = {p.read_bytes() for p in tmp_path.iterdir()}
    assert len(contents) == 1


def test_runs_that_nobody_named_go_by_their_files(tmp_path: Path) -> None:
    for name in ("a/run", "b/run", "b/other"):
        watching = Watching(Run(), [Journal(tmp_path / f"{name}.jsonl")], quiet=True)
        watching.loss(0, 1.0)
        watching.close()
    assert [w.run.name for w in read_runs(tmp_path)] == ["a/run", "other", "b/run"]
