"""Whatever goes wrong is a problem document: a status, a sentence, and nothing of the inside."""

from __future__ import annotations

import logging
import socket
import sqlite3
import time
from typing import Any

import pytest
from fake import FakePipeline
from live import Answer, Live, Serve

from watchkeeper.errors import (
    Conflict,
    CorruptProfile,
    CorruptStore,
    InputError,
    InvalidBatch,
    InvalidSchema,
    Overloaded,
    StoreFailed,
    UnknownKey,
    UnknownModel,
)
from watchkeeper.server import protocol
from watchkeeper.server.gate import SECURITY_HEADERS

ROW: dict[str, Any] = {"predictions": [{"prediction": 1}]}
PLACE = "/api/v1/predictions?model=m&version=1"
SECRETS = ("Traceback", ".py", "SELECT", "sqlite", "/var/lib", "wk_")


def check(answer: Answer, status: int) -> str:
    """Check that an answer is a problem, and return its sentence."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json
    assert told.keys() == {"type", "title", "status", "detail"}
    assert told["status"] == status
    assert not any(secret in answer.body.decode() for secret in SECRETS)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name.lower()] == value
    return str(told["detail"])


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (InvalidBatch("no batch"), 400, {}),
        (UnknownModel("model", "m", ["n"]), 404, {}),
        (Conflict("other body"), 422, {}),
        (InputError("unusable"), 422, {}),
        (UnknownKey("x", ["y"], "it"), 422, {}),
        (InvalidSchema("contradiction"), 422, {}),
        (CorruptProfile("cut off"), 422, {}),
        (Overloaded(2.5), 429, {"retry-after": "3"}),
        (StoreFailed("disk I/O error in /var/lib/x, SELECT 1"), 503, {"retry-after": "5"}),
        (CorruptStore("/var/lib/x", "SELECT"), 500, {}),
        (sqlite3.OperationalError("SELECT * FROM /var/lib"), 500, {}),
        (ZeroDivisionError("wk_secret"), 500, {}),
        (OSError(28, "No space left", "/var/lib/x"), 500, {}),
    ],
)
def test_every_error_has_its_status(
    serve: Serve, pipeline: FakePipeline, error: Exception, status: int, headers: dict[str, str]
) -> None:
    served = serve()
    pipeline.fail = error
    answer = served.ask("POST", PLACE, "ingest", ROW)
    assert check(answer, status)
    assert headers.items() <= answer.headers.items()


def test_a_conflict_elsewhere_is_409(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    pipeline.fail = Conflict("another clock")
    assert check(served.ask("PUT", "/api/v1/versions?model=m&version=1", "admin", {}), 409) == "another clock"


def test_an_error_of_ours_is_logged_under_the_id_that_is_told(
    serve: Serve, pipeline: FakePipeline, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve()
    pipeline.fail = ZeroDivisionError("planted")
    with caplog.at_level(logging.ERROR, "watchkeeper.server"):
        detail = check(served.ask("POST", f"{PLACE}&environment=secret-place", "ingest", ROW), 500)
    name = detail.rstrip(".").split()[-1]
    record = next(r for r in caplog.records if name in r.getMessage())
    assert record.exc_info is not None
    assert "planted" not in detail
    assert "secret-place" not in record.getMessage()
    assert served.secrets["ingest"] not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "openapi.json"),
        ("DELETE", "/api/v1/serving", 405, "GET, HEAD, PUT"),
        ("GET", "/api/v1/versions", 422, "The request needs ?model=..."),
        ("GET", "/api/v1/versions?model=", 422, "'model'"),
        ("GET", f"/api/v1/versions?model={'x' * 257}", 422, "256"),
        ("GET", "/api/v1/versions?model=a%00b", 422, "'model'"),
        ("GET", "/api/v1/versions?model=a%0Ab", 422, "'model'"),
        ("GET", "/api/v1/versions?model=m&modle=m", 422, "Did you mean 'model'? It takes 'model', 'environment'."),
        ("GET", "/api/v1/models?modle=m", 422, "It takes nothing."),
        ("GET", "/api/v1/versions?model=a&model=b", 422, "says 'model' 2 times"),
        ("GET", "/api/v1/measurements?model=missing&metric=psi&metric=roc_auc", 404, "missing"),
        ("GET", "/api/v1/versions?model=m&limit=3", 422, "'limit'"),
        ("GET", "/api/v1/windows?model=m&version=1&every=year", 422, "'every'"),
        ("GET", "/api/v1/profiles?model=m&version=1&start=2026-01-01", 422, "offset"),
        ("GET", "/api/v1/profiles?model=m&version=1&start=soon", 422, "such as"),
        ("GET", "/api/v1/quarantine?model=m&limit=0", 422, "'limit'"),
        ("GET", "/api/v1/models?x=1", 422, "'x'"),
        ("DELETE", "/api/v1/keys/none", 404, "It has"),
        ("GET", "/api/v1/versions?model=missing", 404, "missing"),
    ],
)
def test_what_cannot_be_answered_is_said(real: Live, method: str, path: str, status: int, words: str) -> None:
    answer = real.ask(method, path, "admin")
    assert words in check(answer, status)
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD, PUT"


@pytest.mark.parametrize(
    ("path", "method", "headers", "body", "status"),
    [
        (PLACE, "POST", {}, b"{}", 415),
        (PLACE, "POST", {"Content-Type": "text/csv"}, b"{}", 415),
        (PLACE, "POST", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", 415),
        (PLACE, "POST", {"Content-Type": "application/json"}, b"{", 400),
        (PLACE, "POST", {"Content-Type": "application/json"}, b"", 400),
        (PLACE, "POST", {"Content-Type": "application/json"}, b"[" * 100_000, 400),
        (PLACE, "POST", {"Content-Type": "application/vnd.apache.arrow.stream"}, b"no arrow", 400),
        (PLACE, "POST", {"Content-Type": "application/json", "Idempotency-Key": "x" * 129}, b"{}", 422),
        (PLACE, "POST", {"Content-Type": "application/json", "Idempotency-Key": "a b"}, b"{}", 422),
        (f"{PLACE}&stage=elsewhere", "POST", {"Content-Type": "application/json"}, b"{}", 422),
        ("/api/v1/reference?model=m&version=1", "PUT", {"Content-Type": "application/octet-stream"}, b"no profile", 422),
        ("/api/v1/reference?model=m&version=1", "PUT", {"Content-Type": "application/json"}, b"{}", 415),
        ("/api/v1/versions?model=m&version=1", "PUT", {"Content-Type": "application/json"}, b"[]", 422),
        ("/api/v1/versions?model=m&version=1", "PUT", {"Content-Type": "application/json"}, b'{"schema":{"targte":"y"}}', 422),
        ("/api/v1/versions?model=m&version=1", "PUT", {"Content-Type": "application/json"}, b'{"clock":"sun"}', 422),
        ("/api/v1/versions?model=m&version=1", "PUT", {"Content-Type": "application/json"}, b"{" * 9999, 400),
        ("/api/v1/versions?model=m&version=1", "PUT", {"Content-Type": "application/json"}, b'{"clock":"\\ud800"}', 400),
        ("/api/v1/serving?model=missing", "PUT", {"Content-Type": "application/json"}, b'{"version":"1"}', 404),
        ("/api/v1/keys", "POST", {"Content-Type": "application/json"}, b'{"name":"x","role":"king"}', 422),
        ("/api/v1/keys", "POST", {"Content-Type": "application/json"}, b'{"name":" ","role":"admin"}', 422),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_used_are_refused(
    real: Live, path: str, method: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    check(real.ask(method, path, "admin", body, headers), status)


@pytest.mark.parametrize(
    ("method", "path", "kind", "body", "words"),
    [
        ("POST", PLACE, "json", b"[" * 100_000, "nested too deeply"),
        ("PUT", "/api/v1/versions?model=m&version=1", "json", b'{"schema":' * 9999, "nested too deeply"),
        ("PUT", "/api/v1/versions?model=m&version=1", "json", b'{"clok":"wall"}', "Did you mean 'clock'?"),
        ("PUT", "/api/v1/serving?model=m", "json", b"{}", "The body needs 'version'."),
        ("POST", PLACE, "vnd.apache.arrow.stream", b"ARROW1\0\0", "pyarrow.ipc.new_stream"),
    ],
)  # fmt: skip
def test_what_a_body_should_have_been_is_said(
    real: Live, method: str, path: str, kind: str, body: bytes, words: str
) -> None:
    answer = real.ask(method, path, "admin", body, {"Content-Type": f"application/{kind}"})
    assert words in check(answer, answer.status)


def test_a_body_is_counted_as_it_comes(serve: Serve) -> None:
    served = serve(most_body_bytes=1000)
    form = {"Content-Type": "application/json"}
    assert served.ask("POST", PLACE, "ingest", b'{"predictions":[1]}'.ljust(1000), form).status == 200
    assert "1000" in check(served.ask("POST", PLACE, "ingest", b"x" * 1001, form), 413)
    assert "1000" in check(served.ask("POST", PLACE, "ingest", iter([b"x" * 600] * 2), form), 413)
    said = f"POST {PLACE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.secrets['ingest']}\r\n"
    huge = f"{said}Content-Type: application/json\r\nContent-Length: {10**18}\r\nConnection: close\r\n\r\n"
    assert served.raw(huge.encode()).startswith(b"HTTP/1.1 413")  # before a byte of it came


def test_small_bodies_have_a_small_limit(real: Live) -> None:
    form = {"Content-Type": "application/json"}
    check(real.ask("POST", "/api/v1/keys", "admin", b" " * (1 << 20) + b"{}", form), 413)


def test_all_bodies_together_have_a_limit_and_let_go_of_it(serve: Serve) -> None:
    served = serve(most_held_bytes=1000)
    form = {"Content-Type": "application/json"}
    for _ in range(3):
        answer = served.ask("POST", PLACE, "ingest", b" " * 1001, form)
        check(answer, 429)
        assert answer.headers["retry-after"] == "1"
    for _ in range(3):
        assert served.ask("POST", PLACE, "ingest", b'{"predictions":[1]}'.ljust(900), form).status == 200


def test_a_body_that_does_not_come_is_not_waited_for(serve: Serve) -> None:
    served = serve(body_pause=0.2)
    head = f"POST {PLACE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.secrets['ingest']}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"
    assert served.raw(head.encode() + b'{"pre').startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_is_no_error(
    serve: Serve, pipeline: FakePipeline, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve()
    head = f"POST {PLACE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.secrets['ingest']}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection((served.host, served.port), timeout=10) as line:
        line.sendall(head.encode())
    end = time.monotonic() + 10
    while 'status="499"' not in served.ask("GET", "/metrics", "viewer").body.decode():
        assert time.monotonic() < end
    assert caplog.records == []
    assert pipeline.batches == {}


def test_what_is_no_http_is_a_problem_too(real: Live) -> None:
    head, _, body = real.raw(b"\x16\x03\x01 nonsense\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    assert b'"status": 400' in body


def test_who_does_not_say_what_they_want_is_hung_up_on(real: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_TIME", 0.3)
    assert real.raw(b"") == b""
    assert real.raw(b"GET /healthz HTTP/1.1\r\nHost: loc") == b""
    with socket.create_connection((real.host, real.port), timeout=30) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /heal")
        while line.recv(65536):
            pass


def test_not_ready_is_503_and_alive_all_the_same(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    assert served.ask("GET", "/readyz").status == 200
    pipeline.ready = False
    answer = served.ask("GET", "/readyz")
    check(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    pipeline.fail = ZeroDivisionError("planted")
    check(served.ask("GET", "/readyz"), 500)
    assert served.ask("GET", "/healthz").json == {"alive": True}


def test_every_answer_bears_the_headers(real: Live) -> None:
    for method, path, who in (
        ("GET", "/healthz", None), ("GET", "/metrics", "viewer"), ("GET", "/api/v1/models", "viewer"),
        ("GET", "/api/v1/openapi.json", "viewer"), ("GET", "/api/v1/backup", "admin"), ("GET", "/api/v1/models", None),
    ):  # fmt: skip
        answer = real.ask(method, path, who)
        assert {name.lower(): value for name, value in SECURITY_HEADERS.items()}.items() <= answer.headers.items()
        assert "server" not in answer.headers
