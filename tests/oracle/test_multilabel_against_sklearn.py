"""Metrics of sets of labels against scikit-learn, and their errors against a bootstrap."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

import watchkeeper as wk
from watchkeeper.metrics import multilabel as ours
from watchkeeper.profiles.multilabel import MultilabelOutcome

NAMES = np.array(["art", "biology", "chess", "dance"])
SCHEMA = wk.Schema(target="y", prediction="p", task="multilabel")


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    label = rng.random((n, 4)) < np.array([0.5, 0.3, 0.2, 0.1])
    flip = rng.random((n, 4)) < rng.choice([0.05, 0.4], n)[:, None]  # rows are easy or hard
    return label, label ^ flip


def lists(sets: np.ndarray) -> pa.Array:
    return pa.array([NAMES[row].tolist() for row in sets], pa.list_(pa.string()))


def texts(sets: np.ndarray, mark: str) -> list[str]:
    return [mark.join(NAMES[row]) for row in sets]


def outcome_of(columns: dict[str, object], schema: wk.Schema = SCHEMA) -> MultilabelOutcome:
    outcome = wk.profile(pa.table(columns), schema.replace()).outcome
    assert isinstance(outcome, MultilabelOutcome)
    return outcome


def expected(label: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    f1 = {kind: sk.f1_score(label, guess, average=kind, zero_division=0) for kind in ("macro", "micro", "samples")}
    return {f"f1_{kind}": value for kind, value in f1.items()} | {
        "hamming_loss": sk.hamming_loss(label, guess),
        "subset_accuracy": sk.accuracy_score(label, guess),
    }


@pytest.mark.parametrize("form", ["lists", "bars", "commas"])
def test_every_metric(rng: np.random.Generator, form: str) -> None:
    label, guess = drawn(rng, 400)
    label[:5], guess[:5] = False, False
    write = {"lists": lists, "bars": lambda s: texts(s, "|"), "commas": lambda s: texts(s, " , ")}[form]
    outcome = outcome_of({"y": write(label), "p": write(guess)})
    for name, value in expected(label, guess).items():
        found = getattr(ours, name)(outcome)
        assert found.value == pytest.approx(value), name
        assert found.low < found.value < found.high, name
    assert outcome.labels[:, 0].tolist() == (label & guess).sum(axis=0).tolist()


def test_errors_are_those_of_a_bootstrap(rng: np.random.Generator) -> None:
    label, guess = drawn(rng, 300)
    outcome = outcome_of({"y": lists(label), "p": lists(guess)})
    again: dict[str, list[float]] = {name: [] for name in expected(label, guess)}
    for _ in range(150):
        pick = rng.integers(0, 300, 300)
        for name, value in expected(label[pick], guess[pick]).items():
            again[name].append(value)
    for name, values in again.items():
        ratio = getattr(ours, name)(outcome).error / np.std(values)
        assert 0.8 < ratio < (2.5 if name in {"f1_macro", "f1_micro"} else 1.25), name  # macro: never too narrow


def test_rows_without_label_or_prediction_and_labels_of_no_class(rng: np.random.Generator) -> None:
    columns = {
        "y": pa.array([["art"], None, ["art", "opera"], [], ["chess"]]),
        "p": pa.array([["art"], ["art"], ["art"], [], None], pa.list_(pa.string())),
    }
    outcome = outcome_of(columns, SCHEMA.replace(classes=["art", "chess"]))
    assert (outcome.rows, outcome.unlabelled, outcome.unpredicted, outcome.strange) == (5, 1, 1, 1)
    assert ours.subset_accuracy(outcome).value == 1.0
    assert ours.subset_accuracy(outcome).n == 3


def test_scores_make_predictions(rng: np.random.Generator) -> None:
    label, _ = drawn(rng, 200)
    scores = rng.random((200, 4))
    columns: dict[str, object] = {"y": lists(label)} | {f"s{k}": scores[:, k] for k in range(4)}
    schema = wk.Schema(
        target="y", task="multilabel", score={name: f"s{k}" for k, name in enumerate(NAMES)}, threshold=0.7
    )
    found = ours.hamming_loss(outcome_of(columns, schema)).value
    assert found == pytest.approx(sk.hamming_loss(label, scores >= 0.7))


def test_it_is_compared(rng: np.random.Generator) -> None:
    label, guess = drawn(rng, 2000)
    worse = guess ^ (rng.random(guess.shape) < 0.2)
    before, after = ({"y": lists(label), "p": lists(said), "x": rng.normal(size=2000)} for said in (guess, worse))
    report = wk.compare(pa.table(before), pa.table(after), schema=wk.Schema(target="y", prediction="p"))
    assert report.comparison.reference.schema.task == "multilabel"
    assert report.verdict == "critical"
    assert "F1, micro" in repr(report)
    rows = {row["metric"]: row for row in report.measurements().to_pylist() if row["column"] is None}
    assert rows["f1_micro"]["value"] < rows["f1_micro"]["reference"]
    assert not any("cannot be profiled" in notice for notice in report.to_dict()["notices"])
    assert wk.compare(pa.table(before), pa.table(before), schema=wk.Schema(target="y", prediction="p")).verdict == "ok"
