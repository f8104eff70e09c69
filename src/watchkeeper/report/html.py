"""The report as one HTML file that fetches nothing: the built page with a document inside it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from watchkeeper.errors import PageMissing

_SCRIPT = re.compile(r'<script id="watchkeeper-page">(.*?)</script>', re.DOTALL)
_DOCUMENT = '<script id="watchkeeper-view" type="application/json">null</script>'
_TITLE = "<title>Watchkeeper</title>"
_CHARSET = '<meta charset="utf-8">'

# Inside <script>, these could end the element or open a comment, or (the two line ends) end a line of JavaScript.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@cache
def _page() -> str:
    """Read the built page, with a policy that lets it run its own script and reach nothing."""
    source = resources.files("watchkeeper.report").joinpath("page.html")
    if not source.is_file():
        raise PageMissing(str(source))
    page = source.read_bytes().decode("utf-8")
    script = _SCRIPT.search(page)
    if script is None or _DOCUMENT not in page or _TITLE not in page or _CHARSET not in page:
        raise PageMissing(str(source))
    return page.replace(_CHARSET, f"{_CHARSET}\n{_policy(script[1])}", 1)


def _policy(script: str) -> str:
    """State the content security policy: this one script by its hash, inline styles, pictures made in the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rules = (
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'


def render(view: Mapping[str, object]) -> str:
    """Draw a report as one HTML file, to save, send or open without a network.

    The file holds the script, the styles and the document. Its policy allows that one script, known by its hash, and
    no request of any kind; names from the data are text everywhere, so a column may be called anything.

    Parameters
    ----------
    view
        The document of a report, as ``report.to_dict()`` gives it. What is not known is None; it has no NaN.

    Returns
    -------
    str
        HTML, about 0.9 MB and the size of the document. Write it as UTF-8.

    Raises
    ------
    PageMissing
        When the package was installed without building the page.
    ValueError
        When the document holds NaN or an infinity, which JSON does not have.
    """
    document = json.dumps(view, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)
    title = html.escape(str(view.get("title") or "Watchkeeper"))
    # One pass over the page for both: text that was put in is never searched again.
    parts = re.split(f"({re.escape(_TITLE)}|{re.escape(_DOCUMENT)})", _page(), maxsplit=2)
    filled = {_TITLE: f"<title>{title}</title>", _DOCUMENT: _DOCUMENT.replace("null", document)}
    return "".join(filled.get(part, part) for part in parts)


def embed(view: Mapping[str, object]) -> str:
    """Draw a report as a frame for a notebook's cell.

    The frame is sandboxed: it runs its script and saves files, and sees nothing of the notebook around it.

    Parameters
    ----------
    view
        As for `render`.

    Returns
    -------
    str
        An ``<iframe>`` that holds the whole page, the width of the cell and at least 640 pixels high.

    Raises
    ------
    PageMissing, ValueError
        As for `render`.
    """
    title = html.escape(str(view.get("title") or "Watchkeeper"))
    return (
        f'<iframe title="{title}" srcdoc="{html.escape(render(view))}" sandbox="allow-scripts allow-downloads" '
        'style="width: 100%; height: 80vh; min-height: 640px; border: 0; border-radius: 6px"></iframe>'
    )
