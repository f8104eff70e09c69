"""The files of the page: few, typed, kept by browsers as long as they are good, and under a strict policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from live import Serve
from test_problems import check

from watchkeeper.server import page


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "site" / "assets").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("<!doctype html><title>W</title>")
    (tmp_path / "site" / "assets" / "app-0a1b2c.js").write_text("go()")
    (tmp_path / "site" / "assets" / "notes.txt").write_text("no")
    (tmp_path / "secret.js").write_text("secret")
    monkeypatch.setattr(page, "SITE", tmp_path / "site")
    return tmp_path / "site"


def test_the_page_and_its_assets(serve: Serve, site: Path) -> None:
    served = serve()
    for path in ("/", "/login"):
        answer = served.ask("GET", path)
        assert (answer.status, answer.body) == (200, (site / "index.html").read_bytes())
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
    asset = served.ask("GET", "/assets/app-0a1b2c.js")
    assert asset.body == b"go()"
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]
    for answer in (asset, served.ask("GET", "/")):
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
        assert {"default-src": "'self'", "script-src": "'self'", "object-src": "'none'"}.items() <= policy.items()
        assert {"base-uri": "'none'", "frame-ancestors": "'none'"}.items() <= policy.items()
        assert "unsafe" not in answer.headers["content-security-policy"].replace("style-src 'self' 'unsafe-inline'", "")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "name", ["missing.js", "notes.txt", ".hidden.js", "..%2fsecret.js", "..%2f..%2fsecret.js", "%2e%2e%2findex.html", "a%00.js"]
)  # fmt: skip
def test_nothing_else_is_served(serve: Serve, site: Path, name: str) -> None:
    answer = serve().ask("GET", f"/assets/{name}")
    assert answer.status in {401, 404}
    assert b"secret" not in answer.body


def test_a_page_that_was_not_built_says_what_to_do(serve: Serve, site: Path) -> None:
    (site / "index.html").unlink()
    served = serve()
    answer = served.ask("GET", "/")
    assert answer.status == 503
    assert b"pip install" in answer.body
    check(served.ask("GET", "/assets/gone.js"), 404)
