"""The demo's months, scored once a session by the demo's model, and their profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from watchkeeper import Schema, infer_schema, profile
from watchkeeper.demo import flights, model, tables
from watchkeeper.profiles.profile import Profile

NEEDED = ["departure", "score", "predicted", "late"]


@dataclass(frozen=True)
class Demo:
    """March and July as the demo writes them, with its schema, and the model that scored them."""

    march: pa.Table
    july: pa.Table
    schema: Schema
    model: model.LateModel


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the demo's own preparation, but with two folds for the threshold, which moves it by hundredths at most."""
    fitted: list[model.LateModel] = []

    def fit(table: pa.Table) -> model.LateModel:
        fitted.append(model.fit(table))
        return fitted[0]

    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):  # threads that wait for each other cost more
        patch.setattr(tables, "fit", fit)
        patch.setattr(model, "FOLDS", 2)
        march, july, _ = tables.prepare(tmp_path_factory.mktemp("demo"), lambda _: None)
    march_table = pq.read_table(march)
    schema = infer_schema(march_table, Schema.from_yaml(march.with_name("schema.yaml")))
    return Demo(march_table, pq.read_table(july), schema, fitted[0])


@pytest.fixture(scope="session")
def march_profile(demo: Demo) -> Profile:
    return profile(demo.march, demo.schema)


@pytest.fixture(scope="session")
def july_profile(demo: Demo) -> Profile:
    return profile(demo.july, demo.schema)


@pytest.fixture(scope="session")
def year(demo: Demo) -> pa.Table:
    """All flights of 2013, scored: departure, score, predicted, late."""
    return demo.model.predict(flights.load()).select(NEEDED)


@pytest.fixture(scope="session")
def narrow(year: pa.Table) -> Schema:
    """Return a schema that profiles outcomes and days only."""
    roles = Schema(
        timestamp="departure",
        target="late",
        prediction="predicted",
        score="score",
        features=[],
        zone=flights.ZONE,
        task="binary",
        positive="1",
    )
    return infer_schema(year, roles)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2013)
