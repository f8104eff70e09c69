"""The saved report: one file, its document read back as it was, and nothing in it that could run or fetch."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.errors import PageMissing
from watchkeeper.report import html as report

UI = Path(__file__).parents[2] / "ui"
NASTY = "</script><!--<script>\u2028&amp;"

# Names of XML vocabularies and an address in the text of an error; none is ever fetched.
NEVER_FETCHED = {
    "http://www.w3.org/1998/Math/MathML",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/2000/xmlns/",
    "http://www.w3.org/XML/1998/namespace",
    "https://react.dev/errors/",
}


@pytest.fixture(scope="module")
def view() -> dict[str, Any]:
    document: dict[str, Any] = runpy.run_path(str(UI / "sample.py"))["sample"]()
    return document


def embedded(page: str) -> str:
    found = re.search(r'<script id="watchkeeper-view" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_document_comes_back_as_it_was(view: dict[str, Any]) -> None:
    assert json.loads(embedded(report.render(view))) == view


def test_no_text_of_the_document_can_end_its_script(view: dict[str, Any]) -> None:
    page = report.render({**view, "title": NASTY, "headline": NASTY})
    assert json.loads(embedded(page))["headline"] == NASTY
    assert not set("<>&\u2028\u2029") & set(embedded(page))


def test_the_title_is_text(view: dict[str, Any]) -> None:
    page = report.render({**view, "title": "</title><b>x"})
    assert "<title>&lt;/title&gt;&lt;b&gt;x</title>" in page


def test_a_title_that_looks_like_the_place_of_the_document_stays_a_title(view: dict[str, Any]) -> None:
    place = '<script id="watchkeeper-view" type="application/json">null</script>'
    assert json.loads(embedded(report.render({**view, "title": place})))["title"] == place


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused(view: dict[str, Any], value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        report.render({**view, "budget": {"alpha": value}})


def test_the_policy_names_the_script_that_is_in_the_page(view: dict[str, Any]) -> None:
    page = report.render(view)
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    script = re.search(r'<script id="watchkeeper-page">(.*?)</script>', page, re.DOTALL)
    assert policy is not None
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    rules = policy[1].split("; ")
    assert "default-src 'none'" in rules
    assert f"script-src 'sha256-{digest}'" in rules
    assert {"base-uri 'none'", "form-action 'none'", "img-src data: blob:"} <= set(rules)
    assert policy.start() < page.index("<style>") < script.start()


def test_the_page_names_no_address_that_could_be_fetched(view: dict[str, Any]) -> None:
    page = report.render(view)
    assert {found.rstrip("\\") for found in re.findall(r"https?://[^\s\"'`<>)]+", page)} <= NEVER_FETCHED
    assert not re.search(r"<(?:link|iframe|object|embed|base)\b[^>]*(?:href|src)=", page.split("<script")[0])
    assert "@import" not in page
    assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", page)


def test_the_page_is_one_file_of_less_than_a_megabyte(view: dict[str, Any]) -> None:
    bare = len(report.render({}).encode())
    assert bare < 950_000
    assert len(report.render(view).encode()) < bare + 2 * len(json.dumps(view))


def test_a_frame_holds_the_whole_page_and_sees_nothing_around_it(view: dict[str, Any]) -> None:
    frame = report.embed({**view, "title": '"><b>'})
    found = re.fullmatch(r'<iframe title="([^"]*)" srcdoc="([^"]*)" sandbox="([^"]*)" style="([^"]*)"></iframe>', frame)
    assert found is not None
    assert html.unescape(found[2]) == report.render({**view, "title": '"><b>'})
    assert found[3].split() == ["allow-scripts", "allow-downloads"]
    assert "min-height: 640px" in found[4]


def test_a_page_that_was_not_built_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("watchkeeper.report.html.resources.files", lambda _: tmp_path)
    report._page.cache_clear()
    try:
        with pytest.raises(PageMissing, match="pip install") as raised:
            report.render({})
        assert raised.value.path == str(tmp_path / "page.html")
    finally:
        report._page.cache_clear()
