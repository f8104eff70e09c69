"""Whatever is handed in, nothing is raised, nothing is altered, and the server gets what it can read."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import json
import math
import uuid
from collections import OrderedDict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorder import Recorder, rows_of

from watchkeeper.client.values import MOST_TEXT, Snapshot


class Sour:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class Liar:
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no")

    def item(self) -> Any:
        raise RuntimeError("no")


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(2), 2),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1.0, 2.0]]), [1.0, 2.0]),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (pd.Series([1.0, 2.0]), [1.0, 2.0]),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        (pd.NA, None),
        (pd.NaT, None),
        (decimal.Decimal("1.5"), 1.5),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (b"ab\xff", "ab\\xff"),
        (bytearray(b"a"), "a"),
        ((1, 2.5), [1, 2.5]),
        ({1}, [1]),
        (["a", 1], '["a", 1]'),
        ({"a": [1]}, '{"a": [1]}'),
        (Colour.RED, "red"),
        (Text("abc"), "abc"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2**63, float(2**63)),
        (10**5000, math.inf),
        ("\ud800x", "?x"),
        (Sour(), None),
        (Liar(), None),
        (decimal.Decimal("sNaN"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values(value: object, plain: object) -> None:
    assert Snapshot().value(value) == plain


@pytest.mark.parametrize(
    "value", [LOOP, [[["x"] * 100] * 100] * 100, {"a": LOOP}, ["y"] * 10**6], ids=["loop", "deep", "in", "long"]
)
def test_containers_end_somewhere(value: object) -> None:
    assert len(Snapshot().value(value)) <= MOST_TEXT


def test_long_texts_and_lists_are_cut_and_counted(server: Recorder, logger) -> None:
    log = logger()
    log.prediction({"text": "x" * 10**8, "numbers": np.zeros(10**6)}, prediction="y" * 10**6)
    log.prediction({"é": "é" * 20_000})
    assert log.flush()
    first, second = server.rows()
    assert [len(first["features"]["text"]), len(first["features"]["numbers"]), len(first["prediction"])] == [
        MOST_TEXT
    ] * 3
    assert second["features"] == {"é": "é" * MOST_TEXT}
    assert log.stats.cut == 4


ODD = [LOOP, Sour(), Liar(), Text("t"), Colour.RED, pd.NA, pd.NaT, np.nan, object(), Sour, len, "z" * 10**6, 10**5000]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.datetimes()
    | st.timedeltas() | st.uuids() | st.complex_numbers() | st.fractions()
    | st.integers(0, len(ODD) - 1).map(lambda place: ODD[place])
    | st.builds(np.float32, st.floats(width=32)) | st.builds(np.int64, st.integers(-(2**63), 2**63 - 1))
)  # fmt: skip
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers() | st.binary(), inner, max_size=4)
        | st.builds(np.array, st.lists(st.floats(), max_size=3))
        | st.lists(st.integers() | st.text(), max_size=3).map(frozenset)
    ),
    max_leaves=8,
)
FEATURES = st.dictionaries(st.text() | st.integers() | st.floats() | st.none() | st.binary(), OBJECTS, max_size=5)


@settings(max_examples=2500, suppress_health_check=list(HealthCheck))
@given(features=FEATURES | OBJECTS, given=st.tuples(OBJECTS, OBJECTS, OBJECTS, OBJECTS, OBJECTS))
def test_nothing_is_ever_raised_or_altered(
    session: tuple[Recorder, Any], features: Any, given: tuple[Any, ...]
) -> None:
    _, log = session
    kept = _kept(features)
    prediction, score, when, segments, id_ = given
    assert isinstance(log.prediction(features, prediction, score), str)
    assert isinstance(log.prediction(features, prediction, score, timestamp=when, segments=segments, id=id_), str)
    log.label(id_, prediction, when, score)
    log.observe(lambda it: prediction)(features)
    assert _kept(features) == kept


def _kept(value: Any) -> Any:
    """Return what a value looks like, without asking it to."""
    if type(value) is dict:
        return [(id(k), id(v), _kept(v)) for k, v in value.items()]
    return [id(v) for v in value] if type(value) is list and value is not LOOP else id(value)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory):
    from watchkeeper.client.logger import Logger
    from watchkeeper.client.settings import Settings

    server = Recorder()
    spool = str(tmp_path_factory.mktemp("spool"))
    log = Logger("m", "1", url=server.url, key="k", settings=Settings(spool=spool))
    yield server, log
    assert log.flush(30)
    stats = log.stats
    assert stats.logged == stats.delivered + stats.quarantined + sum(stats.dropped.values())
    assert set(stats.dropped) <= {"too large"}
    for _, _, content_type, body in server.batches.values():
        for row in rows_of(content_type, body):
            for value in row.get("features", {}).values():
                assert (
                    value is None
                    or isinstance(value, bool | int | float | str)
                    or all(type(number) in {int, float} for number in value)
                )
    log.close()
    server.close()


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.lists(st.floats(allow_nan=False)),
    )
)
def test_what_the_wire_allows_arrives_as_it_is(session: tuple[Recorder, Any], features: dict[str, Any]) -> None:
    server, log = session
    before = copy.deepcopy(features)
    id_ = log.prediction(features)
    features.clear()
    EXPECTED[id_] = before
    if len(EXPECTED) == 400:
        assert log.flush(30)
        arrived = {row["id"]: row["features"] for row in server.rows()}
        assert {key: arrived[key] for key in EXPECTED} == EXPECTED


EXPECTED: OrderedDict[str, Any] = OrderedDict()


def test_nan_and_infinity_go_as_they_are(server: Recorder, logger) -> None:
    log = logger()
    log.prediction({"a": math.nan, "b": -math.inf})
    assert log.flush()
    assert '{"a":NaN,"b":-Infinity}' in next(iter(server.batches.values()))[3].decode()
    assert json.loads(next(iter(server.batches.values()))[3])
