"""What ``watchkeeper doctor`` looks at."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Literal

from watchkeeper.errors import install

_CORE = ("numpy", "pyarrow", "scipy", "click", "rich", "pyyaml", "msgpack")
_EXTRAS = (
    ("demo", "scikit-learn", "sklearn"),
    ("server", "fastapi", "fastapi"),
    ("server", "uvicorn", "uvicorn"),
    ("notify", "apprise", "apprise"),
    ("pandas", "pandas", "pandas"),
    ("polars", "polars", "polars"),
    ("duckdb", "duckdb", "duckdb"),
)
"""Extra, package, and the module that is imported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``fine``, ``absent`` (optional and not there) or ``broken``, and what to do."""

    what: str
    state: Literal["fine", "absent", "broken"]
    said: str


def examine() -> list[Finding]:
    """Look at Python, packages, the page, the time zones and compression, and return what was found."""
    return [_python(), *map(_package, _CORE), _page(), _zones(), _compression(), *_extras()]


def _python() -> Finding:
    said = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return Finding("Python", "fine" if sys.version_info >= (3, 11) else "broken", said)


def _package(name: str) -> Finding:
    try:
        return Finding(name, "fine", version(name))
    except PackageNotFoundError:
        return Finding(name, "broken", f"not installed. Run: pip install {name}")


def _page() -> Finding:
    built = files("watchkeeper.report").joinpath("page.html").is_file()
    return Finding(
        "page", "fine" if built else "broken", "built" if built else "not built. Run: pip install . (in a checkout)"
    )


def _zones() -> Finding:
    from watchkeeper.errors import WatchkeeperError
    from watchkeeper.window import zone_info

    try:
        zone_info("America/New_York")
    except WatchkeeperError:
        return Finding("time zones", "broken", "no database of time zones. Run: pip install tzdata")
    return Finding("time zones", "fine", "found")


def _compression() -> Finding:
    try:
        import pyarrow
    except ImportError:
        return Finding("compression", "broken", "needs pyarrow")
    known = bool(pyarrow.Codec.is_available("zstd"))
    return Finding(
        "compression", "fine" if known else "broken", "Zstandard" if known else "this pyarrow lacks Zstandard"
    )


def _extras() -> list[Finding]:
    found = []
    for extra, package, module in _EXTRAS:
        if importlib.util.find_spec(module) is not None:
            found.append(Finding(f"extra {extra}", "fine", f"{package} {version(package)}"))
        else:
            how = f"{package} is optional. Run: {install(extra)}"
            found.append(Finding(f"extra {extra}", "absent", how))
    return found


def to_text(findings: list[Finding]) -> str:
    """Return findings as lines."""
    marks = {"fine": "ok", "absent": "-", "broken": "BROKEN"}
    return "\n".join(f"{marks[f.state]:>6}  {f.what:14} {f.said}" for f in findings)


def to_json(findings: list[Finding]) -> str:
    """Return findings as JSON."""
    return json.dumps([asdict(f) for f in findings], indent=1)
