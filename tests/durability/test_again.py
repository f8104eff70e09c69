"""Acknowledgements that get lost on the way: the same batch comes again, and counts once (I8)."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import sqlite3
import threading
from contextlib import closing

from audit import stored
from harness import NUMBERS, Forker, Server, Store
from loads import JSON, Sent, as_json, batch, predictions, send

from watchkeeper.store.database import NAME


class Proxy:
    """Passes connections on, and closes three in ten when the answer has come, without a word of it."""

    def __init__(self, server: Server, seed: int) -> None:
        self._to = (server.host, server.port)
        self._random = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listening.getsockname()
        self.dropped = self.passed = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        """Pass one request on and its answer back; each connection of the clients here has one."""
        with line, contextlib.suppress(OSError), socket.create_connection(self._to, timeout=30) as onward:
            onward.sendall(_whole(line))
            answer = _whole(onward)
            if self._random.random() < 0.3:
                self.dropped += 1
            else:
                line.sendall(answer)
                self.passed += 1

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


def _whole(line: socket.socket) -> bytes:
    """Read one message: its head, and as many bytes as that says."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


def nameless(writer: int, number: int) -> Sent:
    """Return rows without ids of their own: the server would not notice that it has them already."""
    rows = predictions(writer, number, 50, seed=8)
    told = json.loads(as_json("predictions", rows))
    for row in told["predictions"]:
        del row["id"]
    return Sent("predictions", f"nameless-{writer}-{number}", rows, json.dumps(told).encode(), JSON)


def deliver(store: Store, proxy: Proxy, sent: Sent) -> int:
    """Send until it is acknowledged; returns how often that took."""
    for attempt in range(1, 1000):
        line = http.client.HTTPConnection(proxy.host, proxy.port, timeout=30)
        with contextlib.suppress(OSError, http.client.HTTPException), closing(line):
            status, body = send(line, store.secret, sent)
            assert status == 200, body
            assert json.loads(body)["accepted"] == sent.rows.num_rows
            return attempt
    raise AssertionError("never acknowledged")


def values(tables: list[object]) -> list[tuple[object, ...]]:
    return sorted(
        tuple(row[name] for name in NUMBERS if row[name] is not None)
        for table in tables
        for row in table.to_pylist()  # type: ignore[attr-defined]
    )


def through_the_proxy(forker: Forker, store: Store, batches: int, sabotage: list[str] | None = None) -> bool:
    """Send batches without ids of rows from four writers through the proxy; returns whether exactly they are stored."""
    server = forker.start(store.folder, sabotage)
    assert server.ready(), server.complaints()
    proxy = Proxy(server, seed=8)
    all_sent = [[nameless(writer, number) for number in range(batches)] for writer in range(4)]
    tries: list[int] = []
    works = [
        threading.Thread(target=lambda mine=mine: tries.extend(deliver(store, proxy, sent) for sent in mine))
        for mine in all_sent
    ]
    for work in works:
        work.start()
    for work in works:
        work.join()
    proxy.close()
    told = store.counted(server)
    server.terminate()
    assert server.ended(20) == 0
    assert len(tries) == 4 * batches
    print(
        f"{proxy.dropped} acknowledgements dropped, {proxy.passed} passed on; a batch took {max(tries)} tries at most"
    )
    assert proxy.dropped > batches / 2
    with closing(sqlite3.connect(store.folder / NAME)) as connection:
        found = stored(connection, store.folder, "predictions")
    sent_rows = [sent.rows for mine in all_sent for sent in mine]
    return values([found]) == values(list(sent_rows)) and told["rows"] == sum(rows.num_rows for rows in sent_rows)


def test_three_in_ten_acknowledgements_are_lost_and_every_row_counts_once(forker: Forker, store: Store) -> None:
    assert through_the_proxy(forker, store, 40)


def test_a_server_that_takes_every_batch_for_a_new_one_is_caught(forker: Forker, store: Store) -> None:
    assert not through_the_proxy(forker, store, 10, ["forgetful"])


def test_one_batch_sent_a_thousand_times_changes_nothing(forker: Forker, store: Store) -> None:
    server = forker.start(store.folder)
    assert server.ready(), server.complaints()
    sent = nameless(0, 0)
    answers = set()
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as line:
        first = send(line, store.secret, sent)
        store.counted(server)
        shown = told_by(store, server)
        answers = {send(line, store.secret, sent) for _ in range(1000)}
        other = batch("predictions", sent.id, predictions(0, 1), arrow=True)
        assert send(line, store.secret, other)[0] == 422
    assert answers == {first}
    assert store.counted(server)["rows"] == sent.rows.num_rows
    assert told_by(store, server) == shown
    server.kill()


def told_by(store: Store, server: Server) -> list[object]:
    """Return what a server tells, apart from whether hours were merged into days yet."""
    model = {name: value for name, value in store.counted(server).items() if name not in {"first", "last"}}
    paths = ("/api/v1/profiles?model=credit&version=3", "/api/v1/quarantine?model=credit")
    return [model, *(store.ask(server, "GET", path) for path in paths)]


def test_a_batch_that_is_sent_by_many_at_once_counts_once(forker: Forker, store: Store) -> None:
    server = forker.start(store.folder)
    assert server.ready(), server.complaints()
    sent, answers = nameless(0, 0), []

    def once() -> None:
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as line:
            answers.append(send(line, store.secret, sent))

    threads = [threading.Thread(target=once) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert store.counted(server)["rows"] == sent.rows.num_rows
    server.kill()
