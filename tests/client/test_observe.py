"""Observed functions do what they did, and their calls are logged."""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pandas as pd
import polars as pl
import pytest
from anyio.from_thread import start_blocking_portal
from recorder import Recorder


def logged(log, server: Recorder) -> list[dict]:
    assert log.flush()
    return server.rows()


def test_a_function_of_features(server: Recorder, logger) -> None:
    log = logger()

    @log.observe
    def predict(features: dict, threshold: float = 0.5) -> int:
        """Say so."""
        features["seen"] = True
        return 1

    assert (predict.__name__, predict.__doc__, list(inspect.signature(predict).parameters)) == (
        "predict",
        "Say so.",
        ["features", "threshold"],
    )
    assert predict({"x": 1}) == 1
    assert predict(features={"x": 2}) == 1
    first, second = logged(log, server)
    assert (first["features"], first["prediction"], second["features"]) == ({"x": 1}, 1, {"x": 2})
    assert 0 <= first["latency"] < 60


def test_async_functions(server: Recorder, logger) -> None:
    log = logger()

    @log.observe
    async def predict(features: dict) -> tuple[str, float]:
        await asyncio.sleep(0)
        return "late", 0.9

    @log.observe()
    async def fail(features: dict) -> None:
        raise KeyError("x")

    async def main() -> None:
        assert await predict({"x": 1}) == ("late", 0.9)
        with pytest.raises(KeyError):
            await fail({"x": 2})

    assert inspect.iscoroutinefunction(predict)
    with start_blocking_portal() as portal:  # a loop of its own: the browser of other tests leaves one in this thread
        portal.call(main)
    first, second = logged(log, server)
    assert (first["prediction"], first["score"]) == ("late", 0.9)
    assert (second["error"], second["features"]) == ("KeyError", {"x": 2})


def test_failures_pass_unchanged(server: Recorder, logger) -> None:
    log, error = logger(), ValueError("mine")

    @log.observe
    def fail(x: int) -> None:
        raise error

    with pytest.raises(ValueError) as caught:
        fail(3)
    assert caught.value is error
    (row,) = logged(log, server)
    assert (row["error"], row["features"]) == ("ValueError", {"x": 3})
    assert "prediction" not in row


class Model:
    def predict(self, rows):
        return np.array([row["x"] > 1 for row in rows])


def test_arguments_by_name_and_methods(server: Recorder, logger) -> None:
    log = logger()
    assert log.observe(lambda age, income=3: age + income)(4) == 7
    Model.observed = log.observe(Model.predict)
    assert list(Model().observed([{"x": 1}, {"x": 2}])) == [False, True]
    rows = logged(log, server)
    assert [(row["features"], row["prediction"]) for row in rows] == [
        ({"age": 4}, 7),
        ({"x": 1}, False),
        ({"x": 2}, True),
    ]


@pytest.mark.parametrize("table", [pd.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [1, 2]})], ids=["pandas", "polars"])
def test_tables_make_a_row_each(server: Recorder, logger, table) -> None:
    log = logger()
    log.observe(lambda t: np.array([0.25, 0.5]))(table)
    assert [(row["features"], row["prediction"]) for row in logged(log, server)] == [({"x": 1}, 0.25), ({"x": 2}, 0.5)]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (1, {"prediction": 1}),
        (np.float32(0.5), {"prediction": 0.5}),
        (np.array([2]), {"prediction": 2}),
        (("a", {"a": 0.7, "b": 0.3}), {"prediction": "a", "score": {"a": 0.7, "b": 0.3}}),
        ({"prediction": 1, "score": 0.5, "id": "mine", "other": 3}, {"prediction": 1, "score": 0.5, "id": "mine"}),
        ([1], {"prediction": 1}),
    ],
)
def test_outputs(server: Recorder, logger, output, expected) -> None:
    log = logger()
    log.observe(lambda features: output)({"x": 1})
    (row,) = logged(log, server)
    assert {name: row[name] for name in expected} == expected
    assert log.stats.unreadable == 0


@pytest.mark.parametrize("output", [None, object(), [1, 2], {"other": 1}, (1, 2, 3)])
def test_other_outputs_are_counted_not_kept(server: Recorder, logger, output) -> None:
    log = logger()
    assert log.observe(lambda features: output)({"x": 1}) is output
    (row,) = logged(log, server)
    assert "prediction" not in row
    assert log.stats.unreadable == 1


def test_options(server: Recorder, logger) -> None:
    log = logger()

    @log.observe(features=lambda request: request["body"], output=lambda answer: answer["result"])
    def predict(request: dict) -> dict:
        return {"result": {"prediction": 3}}

    predict({"body": {"x": 1}})
    (row,) = logged(log, server)
    assert (row["features"], row["prediction"]) == ({"x": 1}, 3)


def test_options_that_raise_do_no_harm(server: Recorder, logger) -> None:
    log = logger()
    assert log.observe(features=lambda it: 1 / 0, output=lambda it: 1 / 0)(lambda it: 5)(1) == 5
    assert log.flush()
    assert log.stats.unreadable >= 1


@pytest.mark.parametrize("thing", [3, None, "text"])
def test_what_is_no_function_comes_back(logger, thing) -> None:
    log = logger()
    assert log.observe()(thing) is thing
