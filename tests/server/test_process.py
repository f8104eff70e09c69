"""The server as people meet it: a process with an address, a first key, and an end in good order."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from watchkeeper.cli import run
from watchkeeper.errors import InputError
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.binding import Binding
from watchkeeper.store.lock import read_holder

TLS = Path(__file__).parent / "tls"
MAIN = "from watchkeeper.cli import main; main()"


@dataclass
class Process:
    """A server that was started from a shell."""

    popen: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def wait_for(self, word: str) -> str:
        """Read until a line begins with ``word``, and return the rest of it."""
        assert self.popen.stdout is not None
        while line := self.popen.stdout.readline():
            self.lines.append(line)
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise AssertionError(f"no {word!r} in {self.lines}: {self.popen.stderr and self.popen.stderr.read()}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it by a signal; return its exit code, and all that it said."""
        self.popen.send_signal(number)
        assert self.popen.stdout is not None and self.popen.stderr is not None
        self.lines += self.popen.stdout.readlines()
        said = "".join(self.lines) + self.popen.stderr.read()
        return self.popen.wait(15), said


@contextlib.contextmanager
def process(store: Path, *arguments: str, port: int = 0) -> Iterator[Process]:
    command = [sys.executable, "-c", MAIN, "serve", "--store", str(store), "--port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        try:
            yield Process(popen)
        finally:
            if popen.poll() is None:
                popen.kill()


def ask(url: str, path: str, key: str, body: bytes | None = None) -> tuple[int, bytes]:
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    with contextlib.closing(line):
        line.request("POST" if body else "GET", path, body, headers)
        answer = line.getresponse()
        return answer.status, answer.read()


def test_the_first_start_shows_a_key_once_and_sigterm_ends_in_good_order(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with process(store) as first:
        key = first.wait_for("Key")
        url = first.wait_for("Serving")
        link = first.wait_for("Page")
        assert re.fullmatch(re.escape(url) + r"/login#wko_[0-9a-f]{64}", link)
        said = json.dumps({"token": link.partition("#")[2]}).encode()
        assert [ask(url, "/api/v1/session", "", said)[0] for _ in range(2)] == [200, 401]
        assert re.fullmatch(r"wk_[0-9a-f]{56}", key)
        assert "shown once" in "".join(first.lines)
        assert ask(url, "/api/v1/predictions?model=m&version=1", key, b'{"predictions":[{"prediction":1}]}')[0] == 200
        holder = read_holder(store)
        assert holder is not None
        assert (holder.pid, holder.url) == (first.popen.pid, url)
        assert (store / "local.token").stat().st_mode & 0o777 == 0o600
        assert first.end()[0] == 0
    assert not (store / "local.token").exists()
    assert read_holder(store) is None
    kept = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert key.encode() not in kept
    assert link.partition("#")[2].encode() not in kept
    with process(store) as second:
        url = second.wait_for("Serving")
        assert f"'watchkeeper keys create NAME --role admin --store {store}'" in second.wait_for("Keys")
        assert json.loads(ask(url, "/api/v1/models", key)[1])["models"][0]["model"] == "m"
        code, said = second.end(signal.SIGINT)
        assert code == 0
        assert "wk_" not in said


@pytest.mark.parametrize("told", [0, 1])
def test_a_key_that_nobody_saw_is_not_good(tmp_path: Path, told: int) -> None:
    """Standard output that is full from the start, or takes so many lines: one sentence, and no key in force."""
    out = "/dev/full" if not told else "/dev/null"
    fails = (
        "import click\n"
        "def echo(said, real=click.echo, **more):\n"
        "    if said.startswith('Key'): raise OSError(28, 'No space left on device')\n"
        "    real(said, **more)\n"
        "click.echo = echo\n"
    )
    fails = fails if told else ""
    command = [sys.executable, "-c", fails + MAIN, "serve", "--store", str(tmp_path / "store"), "--port", "0"]
    with Path(out).open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (64, 1), ended.stderr
    assert "No space left on device" in ended.stderr
    with Pipeline.open(tmp_path / "store") as pipeline:
        assert [key for key in pipeline.keys.list("default") if key.revoked is None] == []
        assert pipeline.keys.empty() is not bool(told)


def test_output_that_cannot_be_written_is_one_sentence() -> None:
    command = [sys.executable, "-c", MAIN, "doctor"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (64, "Error: The system says: No space left on device.\n")


def answer_across(number: int, folder: Path) -> tuple[bytes, int]:
    """Return the answer to a request that was half sent when the server got a signal, and the exit code."""
    with process(folder / "store") as served:
        key, url = served.wait_for("Key"), served.wait_for("Serving")
        address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        body = b'{"predictions":[{"prediction":1}]}'
        head = (
            f"POST /api/v1/predictions?model=m&version=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        )
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(address, timeout=15) as line:
            line.sendall(head.encode() + body[:5])
            assert ask(url, "/api/v1/models", key)[0] == 200  # the server has seen what came before
            served.popen.send_signal(number)
            end = time.monotonic() + 5
            while True:  # until it no longer listens
                try:
                    socket.create_connection(address, timeout=1).close()
                    assert time.monotonic() < end
                except OSError:
                    break
            got = b""
            with contextlib.suppress(OSError):
                line.sendall(body[5:])
                while piece := line.recv(65536):
                    got += piece
        return got, served.popen.wait(15)


def test_a_request_under_way_is_finished_and_new_ones_find_nobody(tmp_path: Path) -> None:
    got, code = answer_across(signal.SIGTERM, tmp_path)
    assert got.startswith(b"HTTP/1.1 200")
    assert b'"accepted":1' in got
    assert code == 0


def test_that_would_be_seen_if_the_server_just_died(tmp_path: Path) -> None:
    assert answer_across(signal.SIGKILL, tmp_path) == (b"", -signal.SIGKILL)


def test_a_client_that_never_ends_delays_the_end_by_ten_seconds_at_most(tmp_path: Path) -> None:
    with process(tmp_path / "store") as served:
        key, url = served.wait_for("Key"), served.wait_for("Serving")
        address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        head = f"POST /api/v1/labels?model=m HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        with socket.create_connection(address, timeout=15) as line:
            line.sendall(head.encode())
            assert ask(url, "/api/v1/models", key)[0] == 200
            began = time.monotonic()
            code, said = served.end()
            assert time.monotonic() - began < 12
        assert code == 0
        assert key not in said.replace(f"Key      {key}", "")


def test_the_second_server_on_a_store_names_the_first(tmp_path: Path) -> None:
    with process(tmp_path / "store") as first:
        url = first.wait_for("Serving")
        with process(tmp_path / "store") as second:
            _, said = second.popen.communicate(timeout=30)
            assert second.popen.returncode == 64
        assert f"process {first.popen.pid}" in said
        assert url in said
        assert "Traceback" not in said
        with process(tmp_path / "other", port=urlsplit(url).port or 0) as third:
            _, said = third.popen.communicate(timeout=30)
            assert third.popen.returncode == 64
        assert "--port" in said
        assert first.end()[0] == 0


def test_a_killed_server_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with process(tmp_path / "store") as first:
        key, url = first.wait_for("Key"), first.wait_for("Serving")
        assert ask(url, "/api/v1/predictions?model=m&version=1", key, b'{"predictions":[{"prediction":1}]}')[0] == 200
        first.popen.kill()
        first.popen.wait()
    with process(tmp_path / "store") as second:
        url = second.wait_for("Serving")
        (model,) = json.loads(ask(url, "/api/v1/models", key)[1])["models"]
        assert model["rows"] + model["pending"] == 1
        assert second.end()[0] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_does_not_listen_where_others_reach_it_in_plain_text(
    tmp_path: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--store", str(tmp_path / "s"), "--host", host, "--port", "0"]) == 64
    said = capsys.readouterr().err
    assert "--behind-proxy" in said
    assert "--tls-cert" in said
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        (Binding(host=""), "no address"),
        (Binding(host="no such host"), "no address"),
        (Binding(certificate=TLS / "cert.pem"), "both"),
        (Binding(certificate=TLS / "cert.pem", private_key=TLS / "missing.pem"), "cannot be used"),
        (Binding(certificate=TLS / "cert.pem", private_key=TLS / "cert.pem"), "cannot be used"),
    ],
)
def test_what_cannot_be_bound_is_said(binding: Binding, words: str) -> None:
    with pytest.raises(InputError, match=words):
        binding.check()


def test_names_and_addresses_of_a_binding() -> None:
    with pytest.raises(InputError, match="--allow-host"):
        Binding(allow_hosts=("a/b",)).hosts()
    assert "watch.example.org" in Binding(allow_hosts=("Watch.example.org:443",)).hosts()
    assert "0.0.0.0" not in Binding(host="0.0.0.0").hosts()
    assert Binding(host="::1").url(1) == "http://[::1]:1"
    assert Binding(host="0.0.0.0", certificate=TLS / "cert.pem").url(2) == "https://127.0.0.1:2"
    Binding(host="0.0.0.0", behind_proxy=True).check()
    with pytest.raises(InputError, match="--host"):
        Binding(host="192.0.2.1").listen()


def test_small_answers_do_not_wait_for_each_other() -> None:
    with Binding(port=0).listen() as listening:
        assert listening.proto == socket.IPPROTO_TCP  # without it asyncio leaves Nagle's algorithm on: 40 ms an answer


def test_it_speaks_tls_and_commands_on_this_machine_know_its_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = ["--host", "0.0.0.0", "--tls-cert", str(TLS / "cert.pem"), "--tls-key", str(TLS / "key.pem")]
    with process(tmp_path / "store", *tls) as served:
        key, url = served.wait_for("Key"), served.wait_for("Serving")
        assert url.startswith("https://127.0.0.1:")
        assert run(["models", "--store", str(tmp_path / "store"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []
        assert run(["models", "--url", url, "--key", key]) == 64
        assert "certificate is not trusted" in capsys.readouterr().err
        assert served.end()[0] == 0


def test_behind_a_proxy_it_says_which_names_it_lacks(tmp_path: Path) -> None:
    with process(tmp_path / "store", "--host", "0.0.0.0", "--behind-proxy") as served:
        served.wait_for("Serving")
        assert "--allow-host" in served.end()[1]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["serve", "--store", str(tmp_path / "file" / "store"), "--port", "0"]) == 64
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
