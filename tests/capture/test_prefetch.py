"""Working ahead keeps the order, passes errors on and leaves no thread behind."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from watchkeeper.capture.prefetch import prefetched
from watchkeeper.capture.source import open_source


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "watchkeeper-prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_left():
    yield
    assert threads() == []


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_order(depth: int, count: int) -> None:
    assert list(prefetched(iter(range(count)), depth)) == list(range(count))
    assert threads() == []


def test_works_ahead_but_not_further_than_depth() -> None:
    taken = []

    def source():
        for i in range(100):
            taken.append(i)
            yield i

    ahead = prefetched(source(), depth=2)
    assert taken == []
    assert next(ahead) == 0
    time.sleep(0.05)
    assert len(taken) == 4  # one handed over, two ready, one waiting for room
    ahead.close()
    assert len(taken) <= 5


@pytest.mark.parametrize("error", [ValueError("late"), KeyboardInterrupt("late")])
def test_errors_are_passed_on_after_what_came_before(error: BaseException) -> None:
    def source():
        yield 1
        raise error

    ahead = prefetched(source())
    assert next(ahead) == 1
    with pytest.raises(type(error), match="late"):
        next(ahead)


@pytest.mark.parametrize("taken", [0, 1, 3])
@pytest.mark.parametrize("leave", ["close", "drop", "throw"])
def test_abandoned(leave: str, taken: int) -> None:
    closed = []

    def source():
        try:
            yield from itertools.count()
        finally:
            closed.append(threading.current_thread().name)

    ahead = prefetched(source())
    assert list(itertools.islice(ahead, taken)) == list(range(taken))
    start = time.monotonic()
    if leave == "throw":
        with pytest.raises(ZeroDivisionError):
            ahead.throw(ZeroDivisionError())
    elif leave == "close":
        ahead.close()
    del ahead
    assert time.monotonic() - start < 1
    assert threads() == []
    assert closed == (["watchkeeper-prefetch"] if taken else [])


def test_abandoned_source(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": range(100_000)}), tmp_path / "a.parquet")
    batches = open_source(tmp_path / "a.parquet").batches(batch_rows=100)
    next(batches)
    assert len(threads()) == 1
    del batches
    assert threads() == []
