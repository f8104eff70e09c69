"""A server that is away, slow, hostile or of another opinion; a disk that refuses."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from recorder import Behaviour, BlackHole, Recorder

from watchkeeper.client import patience
from watchkeeper.client.logger import Logger
from watchkeeper.client.patience import Patience
from watchkeeper.client.settings import Settings
from watchkeeper.client.wire import Reply
from watchkeeper.errors import InputError


def fill(log, rows: int) -> list[str]:
    return [log.prediction({"place": place}, 1) for place in range(rows)]


def adds_up(log) -> bool:
    s = log.stats
    there = s.delivered + s.quarantined + s.refused + s.spooled + s.pending + sum(s.dropped.values())
    return s.logged + s.adopted == there


def test_while_the_server_is_away_rows_wait_on_disk(server: Recorder, logger) -> None:
    server.behaviour = Behaviour(status=500)
    log = logger()
    ids = fill(log, 100)
    assert not log.flush(1)
    assert (log.stats.spooled, log.stats.pending) == (100, 0)
    assert log.stats.retries >= 1
    assert "500" in log.stats.last_error
    server.behaviour = Behaviour()
    assert log.flush(10)
    assert list(server.ids()) == ids
    assert adds_up(log)


def test_an_answer_that_is_lost_counts_no_row_twice(server: Recorder, logger) -> None:
    def keep_and_hang_up(handler) -> None:
        server.behaviour = Behaviour()
        server.keep(handler.path, handler.headers, handler.body)
        handler.close_connection = True

    server.behaviour = Behaviour(act=keep_and_hang_up)
    log = logger()
    ids = fill(log, 10)
    assert log.flush(10)
    assert (list(server.ids()), server.replays, log.stats.delivered) == (ids, 1, 10)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_is_refused_for_good_is_set_aside(server: Recorder, logger, status: int, caplog) -> None:
    server.behaviour = Behaviour(status=status)
    log = logger()
    fill(log, 10)
    assert not log.flush(5)  # refused is not delivered, and is said once
    assert log.flush(5)
    server.behaviour = Behaviour()
    fill(log, 5)
    assert log.flush(5)
    stats = log.stats
    assert (stats.refused, stats.delivered) == (10, 5)
    assert len(list(log._plan.spool.glob("*.refused"))) == 1
    assert len([r for r in caplog.records if str(status) in r.getMessage()]) == 1
    assert adds_up(log)


def test_labels_of_a_model_that_is_not_there_yet_let_its_predictions_pass(server: Recorder, logger) -> None:
    def unknown(handler) -> None:
        if handler.path.startswith("/api/v1/labels") and not server.rows():
            handler.answer(404, {"detail": "There is no model 'late-flights'."})
        else:
            handler.answer(200, server.keep(handler.path, handler.headers, handler.body))

    server.behaviour = Behaviour(act=unknown)
    log = logger()
    log.label("a", 1)
    assert not log.flush(0.5)
    fill(log, 3)
    assert log.flush(20)
    assert (len(server.rows()), len(server.rows("labels"))) == (3, 1)
    assert adds_up(log)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_is_tried_rarely_and_said_once(
    server: Recorder, logger, status: int, caplog
) -> None:
    server.behaviour = Behaviour(status=status)
    log = logger()
    for _ in range(4):
        fill(log, 10)
        assert not log.flush(0.7)
    assert len(server.requests) == 1
    assert log.stats.spooled == 40
    assert len(caplog.records) == 1
    assert "key" in caplog.text


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_says_when_to_come_back(server: Recorder, logger, status: int) -> None:
    server.behaviour = Behaviour(status, {"Retry-After": "1"})
    log = logger(flush_interval=0.05)
    ids = fill(log, 10)
    server.wait_for_requests(1)
    server.behaviour = Behaviour()
    assert log.flush(10)
    first, second = (moment for moment, _, _ in server.requests[:2])
    assert second - first >= 0.99
    assert list(server.ids()) == ids


def test_pauses_grow_and_are_random() -> None:
    pauses = []
    for _ in range(200):
        after = Patience()
        for _ in range(6):
            after.failed(Reply(0))
        pauses.append(after.wait())
    assert max(pauses) <= 32
    assert max(pauses) - min(pauses) > 16
    after.failed(Reply(401))
    assert after.wait() >= 59
    assert after.wait(awaited=True) >= 59
    assert not after.may_hurry()
    after.succeeded()
    assert after.wait() == 0


def test_who_waits_has_the_server_tried_each_second(server: Recorder, logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST", 60.0)
    monkeypatch.setattr(patience.random, "random", lambda: 1.0)
    server.behaviour = Behaviour(status=500)
    log = logger()
    ids = fill(log, 10)
    assert not log.flush(0.3)
    waiter = threading.Thread(target=log.flush, args=(20,))
    waiter.start()
    server.wait_for_requests(3)
    server.behaviour = Behaviour()
    waiter.join()
    assert list(server.ids()) == ids
    assert len(server.requests) <= 8


@pytest.mark.parametrize("wrong", [{"model": ""}, {"model": "  "}, {"stage": "prod"}])
def test_a_wrong_argument_is_said_where_it_is_made(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"stage|model"):
        Logger(**{"model": "m", "version": "1", "settings": Settings(spool=str(tmp_path))} | wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no.such.host.invalid", "nonsense", "ftp://x", "http://[", "", "http://a b"]
)
def test_a_wrong_url(logger, url: str, caplog) -> None:
    start = time.monotonic()
    log = logger(url=url or "http://")
    assert time.monotonic() - start < 1
    ids = fill(log, 10)
    assert len(set(ids)) == 10
    assert not log.flush(1)
    log.close()
    assert log.stats.spooled == 10
    assert 1 <= len(caplog.records) <= 2


@pytest.mark.parametrize("key", ["wk\nX-Evil: 1", "wk ü", ""])
def test_a_bad_key_is_not_sent(server: Recorder, logger, key: str, caplog) -> None:
    log = logger(key=key)
    fill(log, 1)
    assert log.flush(5)
    assert "Authorization" not in server.requests[0][2]
    assert "key" in caplog.text


def test_another_server_is_not_taken_for_ours(server: Recorder, logger) -> None:
    server.behaviour = Behaviour(act=lambda handler: handler.answer(200, {"welcome": "to nginx"}))
    log = logger()
    fill(log, 10)
    assert not log.flush(0.5)
    assert log.stats.spooled == 10
    assert "no Watchkeeper server" in log.stats.last_error


def huge(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(10 * 2**30))
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"x" * 2**20)


def heads(handler) -> None:
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def elsewhere(handler) -> None:
    handler.answer(307, {}, {"Location": "http://127.0.0.1:1/steal"})


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("act", [huge, heads, elsewhere])
def test_hostile_answers(server: Recorder, logger, act) -> None:
    log = logger()
    fill(log, 1)
    assert log.flush(5)
    server.behaviour, before = Behaviour(act=act), memory()
    ids = fill(log, 10)
    assert not log.flush(1)
    assert memory() - before <= 16 * 2**20
    assert log.stats.spooled == 10
    server.behaviour = Behaviour()
    log.close()
    other = logger()
    assert other.flush(10)
    assert set(ids) <= set(server.ids())


def test_one_deadline_for_an_answer_that_drips(server: Recorder, logger) -> None:
    over = threading.Event()

    def drip(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not over.wait(0.1):
                handler.wfile.write(b"x")

    server.behaviour = Behaviour(act=drip)
    log = logger(deadline=1.0)
    fill(log, 10)
    assert not log.flush(4)
    over.set()
    assert log.stats.retries >= 1
    assert log.stats.spooled == 10


def test_a_black_hole_holds_up_no_call(logger) -> None:
    hole = BlackHole()
    log = logger(url=hole.url, flush_interval=0.05)
    fill(log, 10)
    worst = 0.0
    for _ in range(1000):
        start = time.perf_counter()
        fill(log, 1)
        worst = max(worst, time.perf_counter() - start)
        time.sleep(0.0005)
    assert worst < 0.5
    start = time.monotonic()
    log.close()
    assert time.monotonic() - start < 1.5
    assert log.stats.spooled == 1010
    assert len(hole.held) == 1
    hole.close()


def test_a_full_queue_refuses_the_newest_and_counts(logger) -> None:
    hole = BlackHole()
    log = logger(url=hole.url, queue_rows=1000, flush_interval=60.0)
    fill(log, 5000)
    log.close()
    stats = log.stats
    assert stats.logged == 5000
    assert stats.dropped["queue full"] >= 1
    assert stats.spooled == 5000 - stats.dropped["queue full"]
    hole.close()


def test_large_rows_are_bounded_by_bytes(logger) -> None:
    hole = BlackHole()
    log = logger(url=hole.url, queue_bytes=2**20, flush_interval=60.0)
    for _ in range(1000):
        log.prediction({"text": "x" * 10_000})
    assert (
        log.stats.pending + log.stats.spooled <= 400
    )  # what waits in the queue, and what the thread has taken from it
    assert log.stats.dropped["queue full"] >= 600
    log.close()
    hole.close()


def test_a_full_spool_counts_every_row(server: Recorder, logger) -> None:
    server.behaviour = Behaviour(status=500)
    log = logger(spool_bytes=50_000, batch_rows=100)
    for _ in range(20):
        fill(log, 500)
        log.flush(0.05)
    assert log.stats.dropped["spool full"] > 0
    assert log.stats.spooled > 0
    assert adds_up(log)
    server.behaviour = Behaviour()
    log.flush(10)
    stats = log.stats
    assert stats.delivered + sum(stats.dropped.values()) == stats.logged == 10_000
    assert len(server.rows()) == stats.delivered


def test_a_disk_that_refuses(server: Recorder, logger, tmp_path: Path, caplog) -> None:
    (tmp_path / "file").write_text("no folder")
    server.behaviour = Behaviour(status=500)
    log = logger(spool=str(tmp_path / "file" / "spool"))
    fill(log, 100)
    assert not log.flush(1)
    assert (log.stats.pending, log.stats.spooled) == (100, 0)
    assert len([r for r in caplog.records if "spool" in r.getMessage()]) == 1
    (tmp_path / "file").unlink()  # the disk is well again
    end = time.monotonic() + 10
    while log.stats.spooled < 100 and time.monotonic() < end:
        log.flush(0.1)
    assert log.stats.spooled == 100
    server.behaviour = Behaviour()
    assert log.flush(10)
    assert adds_up(log)


def test_a_disk_that_refuses_the_journal(server: Recorder, logger, tmp_path: Path) -> None:
    log = logger(spool=str(tmp_path / "file" / "spool"), durability="disk")
    shutil.rmtree(tmp_path / "file")
    (tmp_path / "file").write_text("no folder")
    ids = fill(log, 10)
    assert log.flush(5)
    assert list(server.ids()) == ids


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(server: Recorder, tmp_path: Path, logger) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        server.behaviour = Behaviour(status=500)
        log = logger(spool=str(folder), batch_rows=1000, flush_interval=0.05)
        (folder / "ballast").write_bytes(b"x" * 900_000)
        fill(log, 5000)
        log.flush(1)
        assert log.stats.logged == 5000
        (folder / "ballast").unlink()
        server.behaviour = Behaviour()
        log.flush(10)
        stats = log.stats
        assert stats.delivered + sum(stats.dropped.values()) == 5000
        log.close()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_many_threads(server: Recorder, logger) -> None:
    log = logger()
    ids: list[str] = []

    def work() -> None:
        ids.extend([log.prediction({"place": place}, 1) for place in range(1000)])

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(30)
    assert log.stats.dropped == {}
    arrived = server.ids()
    assert (len(arrived), max(arrived.values()), set(arrived) == set(ids)) == (64_000, 1, True)


def test_a_handler_of_the_host_that_raises_does_no_harm(server: Recorder, logger) -> None:
    class Bad(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("no")

    handler = Bad()
    logging.getLogger("watchkeeper").addHandler(handler)
    try:
        server.behaviour = Behaviour(status=422)
        log = logger()
        fill(log, 10)
        assert not log.flush(5)
        assert log.stats.refused == 10
        assert log.stats.refused == 10
    finally:
        logging.getLogger("watchkeeper").removeHandler(handler)


def test_single_rows_need_the_standard_library_only(server: Recorder, tmp_path: Path) -> None:
    code = f"""
import sys
import watchkeeper as wk
log = wk.Logger("m", "1", url={server.url!r}, key="k")
id = log.prediction({{"x": 1}}, 1, 0.5)
log.label(id, 1)
assert log.flush()
log.close()
print([name for name in ("numpy", "pyarrow", "pandas", "scipy") if name in sys.modules])
"""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]"


def test_rows_that_are_to_survive_need_a_spool_that_can_be_written(server: Recorder, logger, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"durability='disk'.*spool="):
        logger(spool=str(tmp_path / "file" / "spool"), durability="disk")
    assert logger(spool=str(tmp_path / "file" / "spool")).prediction({"x": 1}, 1)  # in memory nothing is promised


def test_a_spool_that_breaks_later_is_said_and_nothing_is_called_kept(server: Recorder, logger, tmp_path: Path) -> None:
    server.behaviour = Behaviour(status=503)
    log = logger(durability="disk", flush_interval=0.02)
    log.prediction({"x": 1}, 1)
    shutil.rmtree(tmp_path / "spool")
    (tmp_path / "spool").write_text("no folder any more")
    end = time.monotonic() + 10
    while "503" not in (said := log.stats.last_error) or "lost with the process" not in said:
        assert time.monotonic() < end, said
        log.prediction({"x": 2}, 1)
        time.sleep(0.02)
    assert "Rows are kept" not in said
