"""What a process used goes with every batch of predictions, once, whatever happens to the batch on its way."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from recorder import Behaviour, Recorder

from watchkeeper.client.batch import Batch
from watchkeeper.client.meter import MEASURES, Meter, resident
from watchkeeper.client.spoolfile import pack, pack_header, pack_line, pack_usage, unpack, unpack_lines
from watchkeeper.client.usage import CPU_HEADER, RSS_HEADER, Usage

pytestmark = pytest.mark.skipif(not MEASURES, reason="what this system tells of a process is not read")
FEATURES = {"distance": 733}


def work(seconds: float) -> None:
    """Use the processor for so long."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def told(server: Recorder, kind: str = "predictions") -> list[tuple[str, float | None, float | None]]:
    """Return key, processor seconds and bytes of every request, in order."""
    with server.lock:
        sent = [headers for _, path, headers in server.requests if f"/{kind}?" in path]

    def number(headers: dict[str, str], name: str) -> float | None:
        return float(headers[name]) if name in headers else None

    return [(h["Idempotency-Key"], number(h, CPU_HEADER), number(h, RSS_HEADER)) for h in sent]


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_every_batch_of_predictions_tells(server: Recorder, logger, durability: str) -> None:
    before = time.process_time()
    log = logger(durability=durability)
    for _ in range(3):
        work(0.02)
        log.prediction(FEATURES, 1)
        assert log.flush()
    work(0.02)
    log.predictions({"x": [1.0, 2.0], "prediction": [0, 1]})
    log.label("a", 1)
    assert log.flush()
    used = time.process_time() - before
    sent = told(server)
    assert len(sent) == 4
    assert all(cpu is not None and cpu >= 0.02 for _, cpu, _ in sent)
    assert sum(cpu or 0 for _, cpu, _ in sent) <= used
    assert all(rss is not None and 2**22 < rss < 2**40 for _, _, rss in sent)
    assert [(cpu, rss) for _, cpu, rss in told(server, "labels")] == [(None, None)]


def test_it_can_be_switched_off(server: Recorder, logger) -> None:
    log = logger(process_metrics=False)
    log.prediction(FEATURES, 1)
    log.predictions({"x": [1.0], "prediction": [1]})
    assert log.flush()
    assert [(cpu, rss) for _, cpu, rss in told(server)] == [(None, None)] * 2


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_versions_share_by_their_rows(server: Recorder, logger, durability: str) -> None:
    log = logger(flush_interval=60.0, durability=durability)
    log.prediction(FEATURES)
    assert log.flush()
    for place in range(100):
        log.prediction(FEATURES, version="4" if place % 10 == 0 else None)
    work(0.2)
    assert log.flush()
    with server.lock:
        paths = [parse_qs(urlsplit(path).query)["version"][0] for _, path, _ in server.requests]
    shares = {version: cpu for version, (_, cpu, _) in zip(paths[1:], told(server)[1:], strict=True)}
    assert shares["3"] / (shares["3"] + shares["4"]) == pytest.approx(0.9, abs=0.05)


def differing(server: Recorder, log) -> int:
    """Have a batch refused once, and return how many batches did not always tell the same."""

    def refuse(handler) -> None:
        server.behaviour = Behaviour()
        work(0.02)
        handler.answer(503, {"detail": "later"}, {"Retry-After": "0.01"})

    server.behaviour = Behaviour(act=refuse)
    for place in range(20):
        log.prediction({"place": place}, 1)
    assert log.flush(20)
    by_key = defaultdict(set)
    for key, cpu, rss in told(server):
        by_key[key].add((cpu, rss))
    assert len(server.requests) >= 2
    return sum(len(values) > 1 for values in by_key.values())


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_a_batch_that_is_sent_again_tells_the_same(server: Recorder, logger, durability: str) -> None:
    assert differing(server, logger(durability=durability)) == 0


def test_one_that_measures_when_it_sends_would_be_seen(server: Recorder, logger, monkeypatch) -> None:
    meter = Meter()
    headers = Usage.headers
    monkeypatch.setattr(Usage, "headers", lambda self: headers(meter.take(1, 1)))
    assert differing(server, logger()) > 0


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_what_waited_on_disk_tells_what_was_measured_then(server: Recorder, logger, durability: str) -> None:
    server.behaviour = Behaviour(status=500)
    first = logger(durability=durability)
    work(0.05)
    first.prediction(FEATURES, 1)
    assert not first.flush(1)
    first.close()
    server.behaviour = Behaviour()
    second = logger()
    work(0.1)
    second.prediction(FEATURES, 1)
    assert second.flush()
    (key, *_), *_ = told(server)
    assert len({(cpu, rss) for name, cpu, rss in told(server) if name == key}) == 1
    assert len(server.rows()) == 2
    delivered = {name: cpu for name, cpu, _ in told(server)}
    assert len(delivered) == 2
    assert (delivered[key] or 0) >= 0.05


USED = Usage(0.1 + 0.2, 2.0**31 + 1)
BATCH = Batch("w000000000001-0123456789-000000", "predictions?model=m", b"{}", 1, usage=USED)
GROWN = pack_header(BATCH.id, BATCH.target) + pack_line('{"id":"a"}') + pack_line('{"id":"b"}')


def test_it_lies_on_disk_to_the_bit() -> None:
    assert unpack(pack(BATCH)).usage == USED
    batch, damaged = unpack_lines(GROWN + pack_usage(USED))
    assert (batch.rows, batch.usage, damaged) == (2, USED, 0)


def test_torn_it_costs_no_row() -> None:
    end = pack_usage(USED)
    for place in range(len(end)):
        batch, damaged = unpack_lines(GROWN + end[:place])
        assert (batch.rows, batch.usage, damaged) == (2, None, 0)
    torn_row = pack_line('{"id":"c"}')[:-1]
    assert unpack_lines(GROWN + torn_row)[0].usage is None
    assert unpack_lines(GROWN + torn_row[:-2] + end)[0].usage is None


def hostile() -> Iterator[object]:
    yield from ("", " ", "nan", "NaN", "inf", "-inf", "-1", "-1e-9", "1e400", "1e99", "0x10", "1,5", "9" * 5000, "\x00")
    yield from (None, [], {}, float("nan"), float("inf"), -1, 10**400, b"1")


@pytest.mark.parametrize("value", list(hostile()), ids=lambda value: repr(value)[:12])
def test_what_cannot_be_true_is_not_said(value: object) -> None:
    assert Usage.read(value, value) is None
    assert Usage.read(value, "4096") == Usage(None, 4096.0)
    assert Usage.read(0.25, value) == Usage(0.25, None)


def test_every_second_is_handed_out_once() -> None:
    before = time.process_time()
    meter = Meter()
    work(0.02)
    seconds = sum(meter.take(rows, of).cpu_seconds or 0 for rows, of in [(1, 4), (1, 3), (5, 2), (1, 1), (0, 0)])
    assert 0.02 <= seconds <= time.process_time() - before


def test_memory_is_that_of_this_process() -> None:
    held = resident()
    assert held is not None
    ballast = b"x" * 64 * 2**20
    grown = resident()
    assert grown is not None
    assert len(ballast) / 2 < grown - held < 1.5 * len(ballast)


def test_a_system_that_does_not_tell_costs_nothing(server: Recorder, logger, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("watchkeeper.client.meter.resident", lambda: None)
    log = logger()
    log.prediction(FEATURES, 1)
    assert log.flush()
    ((_, cpu, rss),) = told(server)
    assert (cpu is not None, rss) == (True, None)
