"""Pages of others in a real browser that holds a session: whatever they send in its name changes nothing."""

from __future__ import annotations

import contextlib
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from fake import FakePipeline
from live import Live, live

from watchkeeper.server import callers
from watchkeeper.server.app import create_app

ATTACKS = """async (base) => {
  const paths = ["actions/halt", "actions/resume", "session/link", "session", "keys", "incidents/1/resolve", "silences/1"]
  const tries = []
  for (const path of paths)
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      for (const mode of ["cors", "no-cors"])
        for (const headers of [{}, {"X-Watchkeeper": "page"}, {"Content-Type": "application/json"}])
          tries.push(() => fetch(`${base}/api/v1/${path}`, {method, mode, headers, credentials: "include",
                                                            body: '{"name": "mine", "role": "admin"}'}))
  const read = []
  for (const one of tries)
    try { const answer = await one(); if (answer.type !== "opaque") read.push(await answer.text()) } catch (e) {}
  navigator.sendBeacon(`${base}/api/v1/actions/halt`, "x")
  for (const path of paths.slice(0, 4)) {
    const frame = document.body.appendChild(document.createElement("iframe"))
    frame.name = path
    const form = document.body.appendChild(document.createElement("form"))
    Object.assign(form, {method: "POST", action: `${base}/api/v1/${path}`, target: path, enctype: "text/plain"})
    const landed = new Promise(done => { frame.onload = done; setTimeout(done, 300) })
    form.submit()
    await landed
  }
  return read
}"""
IN_SANDBOX = """([attacks, base]) => new Promise(done => {
  const frame = document.createElement("iframe")
  frame.sandbox = "allow-scripts allow-forms"
  window.addEventListener("message", told => done(told.data))
  frame.srcdoc = `<body><script>(${attacks})("${base}").then(read => parent.postMessage(read, "*"))</` + `script>`
  document.body.append(frame)
})"""


class Empty(http.server.BaseHTTPRequestHandler):
    """A page with nothing on it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<body>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of another server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


@pytest.fixture
def served(pipeline: FakePipeline) -> Iterator[Live]:
    with live(create_app(pipeline)) as made:
        made.secrets["admin"], _ = pipeline.keys.create("admin", "admin")
        yield made


@contextlib.contextmanager
def victim(browser: Browser, served: Live) -> Iterator[Page]:
    """Give a page of a browser that has logged in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{served.url}/login")
    assert send(page, "POST", "session", {"key": served.secrets["admin"]}) == 200
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert page.evaluate("document.cookie") == ""
    yield page
    context.close()


def send(page: Page, method: str, path: str, said: dict[str, str] | None = None) -> int:
    """Send a request as the page does; return the status."""
    script = """async ([method, path, said]) => (await fetch(`/api/v1/${path}`, {method,
        headers: {"X-Watchkeeper": "page", "Content-Type": "application/json"}, body: said && JSON.stringify(said)})).status"""
    return int(page.evaluate(script, [method, path, said]))


def attack(page: Page, served: Live, place: str) -> list[str]:
    """Attack from another page, and return what it could read of the answers."""
    page.goto(place.removesuffix("#sandbox"))
    if place.endswith("#sandbox"):
        return list(page.evaluate(IN_SANDBOX, [ATTACKS, served.url]))
    return list(page.evaluate(ATTACKS, served.url))


@pytest.mark.parametrize("place", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://127.0.0.1:{}/#sandbox"])
def test_no_page_of_others_changes_anything(
    browser: Browser, served: Live, pipeline: FakePipeline, port: int, place: str
) -> None:
    with victim(browser, served) as page:
        before = list(pipeline.records)
        assert attack(page, served, place.format(port)) == []
        assert pipeline.records == before
        assert (pipeline.halted, len(pipeline.keys.known)) == (False, 1)
        page.goto(f"{served.url}/login")
        assert send(page, "GET", "session") == 200  # nobody logged it out either
        assert send(page, "POST", "actions/halt") == 200  # which the page itself may


def test_that_would_see_a_server_that_trusts_the_cookie(
    browser: Browser, served: Live, pipeline: FakePipeline, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "page_trouble", lambda request, settings: None)
    with victim(browser, served) as page:
        attack(page, served, f"http://127.0.0.1:{port}/")  # another port is the same site: SameSite does not help
        assert {"actions.halt", "session.link"} <= {record["what"] for record in pipeline.records}
