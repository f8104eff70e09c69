"""How verdicts and texts of others look in a terminal."""

from __future__ import annotations

STYLES = {"ok": "green", "warning": "yellow", "critical": "bold red", "not enough data": "dim"}


def printable(value: str) -> str:
    """Return a text in one line, without characters that would steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in value)
