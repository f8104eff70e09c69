"""A version that is registered at the end of its training is monitored from its first prediction on."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from live import Live

import watchkeeper as wk
from watchkeeper.errors import InputError, InvalidSchema, ServerRefused
from watchkeeper.server.services import services_in
from watchkeeper.training.report import RunReport
from watchkeeper.training.run import Layer, Run
from watchkeeper.training.watching import Watching

ROLES = {"target": "late", "score": "p", "prediction": "said"}


def flights(n: int, seed: int, *, told: bool = True) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-x))
    late = (rng.random(n) < p).astype(int)
    table = pa.table({"wind": x, "origin": rng.choice(["JFK", "LGA"], n), "late": late})
    return (
        table.append_column("p", pa.array(p)).append_column("said", pa.array((p > 0.5).astype(int))) if told else table
    )


@pytest.fixture
def report() -> RunReport:
    watching = Watching(Run("trial-7", "pytorch", [Layer("w", (4, 2))], "SGD", "mse"), quiet=True)
    for step in range(200):
        watching.loss(step, 2 * 0.98**step)
        watching.validation(step, {"loss": 0.5, "accuracy": 0.9, "broken": math.nan})
    watching.close()
    return RunReport(watching)


def test_it_is_monitored_from_its_first_prediction_on(real: Live, report: RunReport) -> None:
    connection = wk.connect(real.url, real.secrets["admin"])
    told = wk.register_version(
        "late", "4", flights(3_000, 1), wk.Schema(**ROLES), training=flights(5_000, 2, told=False), run=report,
        connection=connection,
    )  # fmt: skip
    assert (told.rows, told.version) == (3_000, "4")
    [version] = connection.versions("late")
    assert version["serving"]
    assert version["reference"] is not None
    assert version["schema"]["score"] is not None
    assert version["facts"] == told.facts
    assert told.facts["validation/accuracy"] == 0.9
    assert told.facts["training/run"] == "trial-7"
    assert told.facts["training/parameters"] == 8
    assert "validation/broken" not in told.facts
    current = flights(2_000, 3)
    with wk.Logger("late", version="4", url=real.url, key=real.secrets["admin"]) as log:
        log.predictions(current.drop_columns(["late"]))
        assert log.flush(timeout=60)
    services_in(real.app).pipeline.settle(60)
    measured = connection.measurements("late", every="day").to_pylist()
    [estimated] = [m for m in measured if (m["metric"], m["source"], m["segment"]) == ("roc_auc", "estimated", None)]
    assert abs(estimated["value"] - estimated["reference"]) < 0.05
    [drift] = [m for m in measured if (m["metric"], m["column"], m["segment"]) == ("jensen_shannon", "wind", None)]
    assert 0 <= drift["value"] < 0.05
    assert drift["n"] == 2_000


def test_rows_that_were_trained_on_are_refused_and_nothing_is_registered(real: Live) -> None:
    connection = wk.connect(real.url, real.secrets["admin"])
    training = flights(2_000, 2)
    leaking = pa.concat_tables([flights(500, 5), training.slice(0, 3)])
    with pytest.raises(InputError, match="3 of 503 held-out rows are in the training table"):
        wk.register_version("refused", "1", leaking, wk.Schema(**ROLES), training=training, connection=connection)
    with pytest.raises(InvalidSchema, match="target"):
        wk.register_version(
            "refused", "1", flights(500, 5, told=False), wk.Schema(target="late"), connection=connection
        )
    assert "refused" not in {found["model"] for found in connection.models()}


def test_facts_are_kept_beside_those_told_before(real: Live) -> None:
    connection = wk.connect(real.url, real.secrets["admin"])
    connection.register("factual", "1", facts={"a": 1, "b": "words"})
    connection.register("factual", "1", facts={"b": None, "c": True})
    connection.register("factual", "1")
    [version] = connection.versions("factual")
    assert version["facts"] == {"a": 1, "b": None, "c": True}
    with pytest.raises(ServerRefused) as refused:
        connection.register("factual", "1", facts={"a": "x" * 1001})
    assert refused.value.status == 422
    with pytest.raises(ServerRefused):
        connection.register("factual", "1", facts={str(n): n for n in range(201)})
