"""A connection asks a real server and gives back what it says, or raises what it says is wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

import watchkeeper as wk
from scored import scored_table
from watchkeeper.client.connection import Connection
from watchkeeper.errors import InputError, ServerRefused, UnknownKey, Unwritable
from watchkeeper.server.run import serving

NOW = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Return a connection to a server with a replayed model."""
    with serving(tmp_path_factory.mktemp("connection") / "store") as (url, secret):
        made = Connection(url, secret)
        schema = wk.Schema(timestamp="when", target="label", prediction="prediction", score="score", id="id")
        ids = pa.array([f"r{n}" for n in range(2000)])
        table = scored_table(2000, 1).append_column("id", ids)
        made.register("m", "1", schema=schema, clock="event")
        made.set_reference("m", "1", wk.profile(scored_table(2000, 2).append_column("id", ids), schema))
        made.send("predictions", stream(table.drop(["label"])), batch="b1", model="m", version="1")
        labels = pa.table({"id": ids, "label": table["label"], "timestamp": table["when"]})
        made.send("labels", stream(labels), batch="b2", model="m")
        pause, end = threading.Event(), time.monotonic() + 60
        while not len(made.measurements("m", metric="roc_auc", source="realised")):
            assert time.monotonic() < end
            pause.wait(0.1)
        yield made


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_it_reads_everything_that_a_server_tells(connection: Connection) -> None:
    (model,) = [model for model in connection.models() if model["model"] == "m"]
    assert (model["model"], model["rows"], model["labels"]) == ("m", 2000, 2000)
    (version,) = connection.versions("m")
    assert version["reference"]["rows"] == 2000
    assert sum(window["rows"] for window in connection.windows("m", "1", every="month")) == 2000
    assert connection.profile("m", "1").rows == 2000
    assert connection.profile("m", "1", start=NOW, end="1970-01-02T00:00:00Z").rows < 2000
    assert connection.distribution("m", "1", "x", start=NOW)["column"] == "x"
    assert connection.quarantine("m", limit=5) == []
    assert connection.serving("m") == "1"
    connection.set_serving("m", "1")


def test_measurements_come_as_arrow_and_can_be_narrowed(connection: Connection) -> None:
    table = connection.measurements("m", metric=["roc_auc", "accuracy"], every="day", version="1")
    assert set(table["metric"].to_pylist()) == {"roc_auc", "accuracy"}
    assert set(table["every"].to_pylist()) == {"day"}
    assert table.schema.field("window_start").type == pa.timestamp("us", "UTC")
    one = connection.measurements("m", metric="roc_auc", every="day", source="realised", end=None, start=NOW)
    assert len(one) < len(table)
    with pytest.raises(UnknownKey, match="metric"):
        connection.measurements("m", metrik="roc_auc")  # type: ignore[call-arg]
    with pytest.raises(InputError, match="time zone"):
        connection.measurements("m", start=datetime(2026, 1, 1))


def test_a_batch_that_was_there_already_is_said_so(connection: Connection) -> None:
    rows = stream(pa.table({"id": ["a"], "label": [1]}))
    connection.register("other", "1")
    sent = [connection.send("labels", rows, batch="b3", model="other") for _ in range(2)]
    assert [receipt["replayed"] for receipt in sent] == [False, True]
    assert [receipt["accepted"] for receipt in sent] == [1, 1]


def test_keys_and_backups(connection: Connection, tmp_path: Path) -> None:
    secret, key = connection.create_key("reader", "viewer", expires=datetime(2100, 1, 1, tzinfo=UTC))
    reader = Connection(connection.url, secret)
    assert reader.models()
    with pytest.raises(ServerRefused, match="viewer"):
        reader.keys()
    connection.revoke_key(key["id"])
    with pytest.raises(ServerRefused, match="revoked"):
        reader.models()
    assert connection.backup(tmp_path / "b.tar") == (tmp_path / "b.tar").stat().st_size > 0
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unwritable):
        connection.backup(tmp_path / "no" / "b.tar")


def test_a_refusal_says_what_the_server_says(connection: Connection) -> None:
    with pytest.raises(ServerRefused, match="Did you mean 'm'") as refused:
        connection.versions("mm")
    assert refused.value.status == 404
    with pytest.raises(ServerRefused, match="'targte'"):
        connection.register("m", "2", schema={"targte": "y"})


def test_nobody_there_is_said_and_the_key_is_not(tmp_path: Path) -> None:
    with pytest.raises(ServerRefused, match="Is it running") as refused:
        wk.connect("http://127.0.0.1:1", "wk_secret").models()
    assert refused.value.status is None
    assert "wk_secret" not in str(refused.value)
    assert "wk_secret" not in repr(wk.connect("http://127.0.0.1:1", "wk_secret"))
    with pytest.raises(InputError):
        wk.connect("nonsense")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "broke off"),
        (b"nonsense\r\n\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "broke off"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.com\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", "did not say why"),
        (b'HTTP/1.1 503 X\r\nContent-Length: 19\r\n\r\n{"detail": "asleep"}'[:-1] + b"}", "503"),
    ],
)
def test_answers_that_are_none(said: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            line, _ = listening.accept()
            with line, contextlib.suppress(OSError):
                line.recv(65536)
                line.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(ServerRefused, match=words):
            wk.connect(f"http://127.0.0.1:{listening.getsockname()[1]}", "wk_1").models()
        thread.join(10)


def test_the_environment_says_which_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_URL", "http://127.0.0.1:2/below")
    monkeypatch.setenv("WATCHKEEPER_KEY", "wk_env")
    assert wk.connect().url == "http://127.0.0.1:2/below"
