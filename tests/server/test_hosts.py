"""By which names, and from which pages, the server may be called."""

from __future__ import annotations

import pytest
from live import Live, Serve

from watchkeeper.server.hosts import LOOPBACK, host_name, host_trouble, is_loopback, is_wildcard


def status(served: Live, *headers: str, path: str = "/healthz") -> int:
    """Return the status of a request with these header lines and no others."""
    lines = "".join(f"{line}\r\n" for line in (*headers, "Connection: close"))
    return int(served.raw(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")).split()[1])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8640", "127.0.0.1", "127.0.0.1:1", "[::1]:8640", "localhost."]
)
def test_names_of_this_machine_are_fine(real: Live, host: str) -> None:
    assert status(real, f"Host: {host}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.com", "evil.com:8640", "localhost.evil.com", "127.0.0.1.evil.com", "127.0.0.2", "0.0.0.0", "2130706433",
        "localhost@evil.com", "localhost:80:80", "localhost:x", "[::2]", "[::1", "", "watchkeeper", "localhost/..",
    ],
)  # fmt: skip
def test_other_names_are_refused_on_every_kind_of_route(real: Live, host: str) -> None:
    for path in ("/healthz", "/api/v1/models", "/nowhere"):
        assert status(real, f"Host: {host}", path=path) in {400, 403}


def test_a_refusal_says_what_to_do(real: Live) -> None:
    answer = real.ask("GET", "/healthz", headers={"Host": "evil.com"})
    assert answer.status == 403
    assert "--allow-host" in answer.json["detail"]


def test_no_host_or_two_are_refused(real: Live) -> None:
    assert status(real) == 400
    assert status(real, "Host: localhost", "Host: localhost") == 400
    assert host_trouble([], LOOPBACK)
    assert host_trouble(["localhost", "localhost"], LOOPBACK)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.com",
        "https://localhost.evil.com",
        "file://",
        "localhost",
        "",
        "chrome-extension://localhost",
    ],
)
def test_pages_from_elsewhere_are_refused(real: Live, origin: str) -> None:
    for who, path in ((None, "/healthz"), ("admin", "/api/v1/models")):
        answer = real.ask("GET", path, who, headers={"Origin": origin})
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


def test_pages_of_this_machine_are_fine_but_nobody_is_told_that_they_may_share(real: Live) -> None:
    answer = real.ask("GET", "/api/v1/models", "admin", headers={"Origin": "http://localhost:3000"})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    assert real.ask("OPTIONS", "/api/v1/models", "admin", headers=asked).status == 405


def test_further_names_may_be_told(serve: Serve) -> None:
    served = serve(hosts=LOOPBACK | {"watch.example.org"})
    assert status(served, "Host: watch.example.org:443") == 200
    assert status(served, "Host: example.org") == 403


def test_names_and_addresses_are_read_alike() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("A.b.:1") == "a.b"
    assert [host_name(t) for t in ("", "a b", "a/b", "a:b", "u@h")] == [None] * 5
    assert [is_loopback(t) for t in ("127.8.0.1", "::1", "localhost", "10.0.0.1", "evil.com")] == [True] * 3 + [
        False
    ] * 2
    assert [is_wildcard(t) for t in ("0.0.0.0", "::", "[::]", "", "127.0.0.1")] == [True] * 4 + [False]
