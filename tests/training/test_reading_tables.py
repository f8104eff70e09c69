"""Logs as tables of steps are read by what their names say, and judged as if the run had been watched."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import InputError, SourceNotFound, UnknownColumn, UnreadableSource
from watchkeeper.training.comparing import compare_runs
from watchkeeper.training.curves import Curve
from watchkeeper.training.journal import Journal
from watchkeeper.training.reading.log import Log
from watchkeeper.training.reading.roles import Columns, roles_of, words_of
from watchkeeper.training.reading.sources import read_runs
from watchkeeper.training.run import Run
from watchkeeper.training.summary import heading, read_as
from watchkeeper.training.verdict import exit_code, unchecked, verdict_of
from watchkeeper.training.watching import Watching

RNG = np.random.default_rng(5)
FALLING = 2 * np.exp(-np.arange(300) / 80) + 0.05 * RNG.random(300)
RISING = np.concatenate([FALLING[:100], FALLING[99] * 1.05 ** np.arange(100)])


def log_of(*names: str, count: int = 4) -> Log:
    return Log("x", "CSV", {name: [(step, 1.0) for step in range(count)] for name in names})


def csv_of(path: Path, head: str, rows: list[list[object]]) -> Path:
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("names", "loss", "held", "rate"),
    [
        (
            ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"], "loss",
            {"accuracy": "val_accuracy", "loss": "val_loss"}, []),
        (
            ["train_loss_step", "train_loss_epoch", "val_loss", "lr-Adam"],
            "train_loss_step", {"loss": "val_loss"}, ["lr-Adam"],
        ),
        (["Loss/train", "Loss/val", "LearningRate"], "Loss/train", {"loss": "Loss/val"}, ["LearningRate"]),
        (["trainLoss", "validLoss"], "trainLoss", {"loss": "validLoss"}, []),
        (["train/aux_loss", "train/loss", "eval/loss", "eval/runtime"], "train/loss", {"loss": "eval/loss"}, []),
        (["train-logloss", "valid-logloss"], "train-logloss", {"loss": "valid-logloss"}, []),
        (["loss", "train_rmse", "test rmse"], "loss", {"rmse": "test rmse"}, []),
    ],
)  # fmt: skip
def test_names_say_what_is_what(names: list[str], loss: str, held: dict[str, str], rate: list[str]) -> None:
    roles = roles_of(log_of(*names), Columns())
    assert (roles.loss, roles.validation, roles.learning_rate) == (loss, held, rate)


def test_a_name_that_is_rare_is_not_the_loss() -> None:
    log = log_of("loss", count=100)
    log.points["train_loss"] = [(99, 1.0)]
    assert roles_of(log, Columns()).loss == "loss"


def test_what_is_said_comes_before_what_is_guessed() -> None:
    log = log_of("loss", "val_loss", "a", "b", "c")
    roles = roles_of(log, Columns(loss="a", validation="b", learning_rate="c"))
    assert (roles.loss, roles.validation, roles.learning_rate) == ("a", {"loss": "b"}, ["c"])
    with pytest.raises(UnknownColumn, match="Did you mean 'loss'"):
        roles_of(log, Columns(loss="los"))
    with pytest.raises(InputError, match="--loss"):
        roles_of(log_of("a", "b"), Columns())


@given(st.text(max_size=30))
def test_any_name_has_words(name: str) -> None:
    assert all(word == word.lower() and word for word in words_of(name))


def test_a_healthy_csv_is_well(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "run.csv", "step,loss,lr", [[i, v, 0.1] for i, v in enumerate(FALLING)])
    [watching] = read_runs(path)
    assert verdict_of(watching) == "ok"
    assert watching.run.series["loss"].count == 300
    np.testing.assert_array_equal(watching.run.series["loss"].values, FALLING)
    assert watching.run.facts["read_as"] == "loss: loss; learning rate: lr"
    assert "head_mismatch" in unchecked(watching)
    assert "learning_rate" not in unchecked(watching)


def test_a_csv_and_a_watch_find_the_same(tmp_path: Path) -> None:
    watched = Watching(Run("run", "CSV"), quiet=True)
    for step, value in enumerate(RISING):
        watched.loss(step, value)
    watched.close()
    path = csv_of(tmp_path / "run.csv", "step;train_loss", [])
    path.write_text("step;train_loss\n" + "".join(f"{i};{float(v)!r}\n" for i, v in enumerate(RISING)))
    [read] = read_runs(path)
    assert [f.to_dict() for f in read.findings] == [f.to_dict() for f in watched.findings]
    assert "divergence" in {f.problem for f in read.findings}
    assert verdict_of(read) == "critical"


def test_overfitting_shows_from_columns_with_gaps(tmp_path: Path) -> None:
    held = [str(0.5 + abs(i - 100) / 200) if i % 20 == 0 else "" for i in range(300)]
    path = csv_of(
        tmp_path / "m.csv",
        "step,train_loss,val_loss",
        [[i, v, h] for i, (v, h) in enumerate(zip(FALLING, held, strict=True))],
    )
    [found] = read_runs(path)[0].findings
    assert (found.problem, found.numbers["best_step"]) == ("overfitting", 100)
    assert verdict_of(read_runs(path)[0]) == "warning"


def test_not_a_number_is_found_and_blank_is_not(tmp_path: Path) -> None:
    rows: list[list[object]] = [[i, v] for i, v in enumerate(FALLING)]
    rows[70][1], rows[80][1] = "", "nan"
    [found] = read_runs(csv_of(tmp_path / "m.csv", "step,loss", rows))[0].findings
    assert (found.problem, found.step, found.severity) == ("non_finite", 80, "warning")


def test_a_resumed_run_counts_its_steps_once(tmp_path: Path) -> None:
    rows = [[i, v] for i, v in enumerate(FALLING)]
    path = csv_of(tmp_path / "m.csv", "step,loss", rows[:200] + rows[150:])
    assert read_runs(path)[0].run.series["loss"].count == 300 + 1  # the step it was resumed at stands twice


def test_rows_are_counted_where_no_column_has_steps(tmp_path: Path) -> None:
    [watching] = read_runs(
        csv_of(tmp_path / "m.csv", "epoch,loss", [[i // 100 + 0.5, v] for i, v in enumerate(FALLING)])
    )
    assert watching.run.step == 299
    [watching] = read_runs(
        csv_of(tmp_path / "n.csv", "n,loss", [[10 * i, v] for i, v in enumerate(FALLING)]), Columns(step="n")
    )
    assert watching.run.step == 2990
    with pytest.raises(UnknownColumn, match="--step"):
        read_runs(tmp_path / "n.csv", Columns(step="m"))


def test_few_losses_are_not_enough(tmp_path: Path) -> None:
    [watching] = read_runs(csv_of(tmp_path / "m.csv", "step,loss", [[i, v] for i, v in enumerate(FALLING[:49])]))
    assert verdict_of(watching) == "not enough data"
    assert "49" in unchecked(watching)["not_learning"]


def test_the_worst_verdict_is_the_exit_code() -> None:
    assert exit_code(["ok", "critical", "warning"]) == 2
    assert exit_code(["not enough data", "ok"]) == 0
    assert exit_code(["not enough data", "ok"], strict=True) == 3
    assert exit_code(["not enough data", "warning"], strict=True) == 1
    assert exit_code(["not enough data"]) == 3


def test_json_lines_end_where_a_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    lines = [json.dumps({"step": i, "loss": v, "note": "x"}) for i, v in enumerate(FALLING)]
    path.write_text("\n".join(lines) + '\n{"step": 300, "lo')
    assert read_runs(path)[0].run.series["loss"].count == 300
    path.write_text("nothing\n")
    with pytest.raises(UnreadableSource, match="JSON"):
        read_runs(path)


def trainer_state(losses: list[float], **more: object) -> dict[str, object]:
    history: list[dict[str, object]] = [
        {"step": 10 * (i + 1), "epoch": 0.1, "loss": v, "grad_norm": 1.0, "learning_rate": 1e-4}
        for i, v in enumerate(losses)
    ]
    history.append({"step": 10 * len(losses), "eval_loss": 0.7, "eval_runtime": 3.0, "eval_accuracy": 0.9})
    history.append({"step": 10 * len(losses), "train_loss": 99.0, "train_runtime": 4.0})
    return {"global_step": 10 * len(losses), "max_steps": 10 * len(losses), "log_history": history} | more


def test_the_state_of_a_trainer(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "checkpoint-3000"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps(trainer_state(FALLING.tolist())))
    [watching] = read_runs(folder)
    run = watching.run
    assert (run.name, run.step, run.planned_steps) == ("out/checkpoint-3000", 3000, 3000)
    assert run.series["loss"].count == 300
    assert run.series["validation/loss"].last == 0.7
    assert set(run.series) == {"loss", "validation/loss", "validation/accuracy", "learning_rate", "gradient"}
    assert run.facts["ended"]
    assert verdict_of(watching) == "ok"


def test_a_trainer_that_hides_not_a_number_shows_it_in_its_gradients(tmp_path: Path) -> None:
    state = trainer_state([2.0] * 60)
    for entry in state["log_history"][40:60]:  # type: ignore[index]
        entry["loss"], entry["grad_norm"] = 0.0, math.nan
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    assert "non_finite" in {f.problem for f in read_runs(tmp_path / "trainer_state.json")[0].findings}
    state = trainer_state([2.0 - i / 100 for i in range(60)], max_steps=10_000)
    state["log_history"][0]["grad_norm"] = math.inf  # type: ignore[index]
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    [watching] = read_runs(tmp_path / "trainer_state.json")
    assert "non_finite" not in {f.problem for f in watching.findings}
    assert not watching.run.facts.get("ended")


def test_a_folder_has_all_its_runs_and_nothing_is_no_run(tmp_path: Path) -> None:
    csv_of(tmp_path / "a.csv", "step,loss", [[0, 1.0]])
    journal = Watching(Run("trial"), [Journal(tmp_path / "b.jsonl")], quiet=True)
    for step, value in enumerate(RISING):
        journal.loss(step, value)
    journal._sinks[0].close(journal.run)
    read = read_runs(tmp_path)
    assert [watching.run.name for watching in read] == ["a", "trial"]
    assert "divergence" in {f.problem for f in read[1].findings}
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "trainer_state.json").write_text("{}")
    (tmp_path / "y.csv").write_bytes(b"\xff\xfe\x00,\x80")
    for name, words in (
        ("empty", "no run in it"),
        ("x.txt", "does not say"),
        ("trainer_state.json", "log_history"),
        ("y.csv", "CSV"),
    ):
        with pytest.raises(UnreadableSource, match=words):
            read_runs(tmp_path / name)
    with pytest.raises(SourceNotFound):
        read_runs(tmp_path / "nowhere")


def test_held_out_losses_that_are_no_numbers_are_no_error(tmp_path: Path) -> None:
    rows: list[list[object]] = [[i, v, "nan" if i % 50 == 0 else ""] for i, v in enumerate(FALLING)]
    [watching] = read_runs(csv_of(tmp_path / "m.csv", "step,loss,val_loss", rows), Columns(kind="mse"))
    assert watching.run.series["validation/loss"].count == 6


def test_a_log_without_a_training_loss_says_how_to_name_it(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("iteration;total;dev_total_loss\n" + "".join(f"{i};{v};{v}\n" for i, v in enumerate(FALLING)))
    [found] = read_runs(path)
    assert any("say which one is, with --loss" in line for line in read_as(found))
    [named] = read_runs(path, Columns(loss="total"))
    assert not any("--loss" in line for line in read_as(named))


def test_a_loss_that_was_lost_is_not_told_as_its_last_number(tmp_path: Path) -> None:
    rows: list[list[object]] = [[i, v if i < 150 else "nan"] for i, v in enumerate(FALLING)]
    [found] = read_runs(csv_of(tmp_path / "m.csv", "step,loss", rows))
    assert math.isnan(Curve.of(found.run).numbers()["last"])
    assert " to nan" in heading(found)
    row = compare_runs([found, found]).rows[0]
    assert math.isnan(row["last"]) and math.isfinite(row["best"])
