"""What is sent about an incident, and its words made inert: no name in it can be markup, a mention, a link or a header."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Protocol, Self

AlertKind = Literal["opened", "escalated", "resolved", "reminder", "test"]
LONGEST_TITLE, LONGEST_TEXT = 200, 4000
_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]+")
_MARKUP = str.maketrans({
    "@": "＠", "<": "‹", ">": "›", "[": "［", "]": "］", "`": "ʼ", "*": "∗", "~": "∼", "|": "¦", "{": "｛", "}": "｝",
    "\\": "⧵",
})  # fmt: skip
"""Look alike, and mean nothing to Markdown, HTML, templates, Slack, Discord or Teams, however often they are unescaped."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A notification about an incident, or a test.

    Attributes
    ----------
    key
        The same whenever it is sent again, so that who receives it twice can tell; empty until it is enqueued.
    title, text
        One line, and a few, for a person.
    evidence
        Findings as plain values.
    opened, at
        When the incident opened and when this was said, ISO 8601 in UTC.
    """

    key: str
    kind: AlertKind
    project: str
    environment: str
    model: str
    version: str
    incident: int | None
    severity: str
    title: str
    text: str
    url: str | None = None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    opened: str = ""
    at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what :meth:`to_dict` made, perhaps in another release."""
        known = {known.name for known in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


class Channel(Protocol):
    """Where alerts go."""

    @property
    def name(self) -> str:
        """What the operator calls it."""

    @property
    def kind(self) -> str:
        """What it is: ``console``, ``webhook``, or a service such as ``slack``."""

    def notify(self, alert: Alert) -> None:
        """Deliver one; raises :class:`~watchkeeper.errors.ChannelFailed`."""


def plain(text: str, longest: int = LONGEST_TEXT, *, lines: bool = False) -> str:
    """Return a text without what no person sees: controls, formats, line breaks unless ``lines``.

    Examples
    --------
    >>> plain("late\\r\\nBcc: everyone")
    'late Bcc: everyone'
    """
    clean = "".join(_seen(letter, lines) for letter in text.replace("\r\n", "\n"))
    made = "\n".join(" ".join(line.split()) for line in clean.split("\n")).strip()
    return made if len(made) <= longest else made[: longest - 1] + "…"


def inert(text: str, longest: int = LONGEST_TEXT, *, lines: bool = False) -> str:
    """Return a plain text that is nothing but text wherever it is shown.

    Examples
    --------
    >>> inert("<!channel> [win](javascript:x) @here")
    '‹!channel› ［win］(javascript:x) ＠here'
    """
    return plain(text, longest, lines=lines).translate(_MARKUP).replace("://", ": //")


def title_of(alert: Alert) -> str:
    """Return one inert line."""
    return inert(alert.title, LONGEST_TITLE) or "Watchkeeper"


def text_of(alert: Alert) -> str:
    """Return inert lines for a person, the link of the incident last; that link is the server's own and stays one."""
    said = inert(alert.text, lines=True) or title_of(alert)
    return f"{said}\n{alert.url}" if alert.url and _LINK.fullmatch(alert.url) else said


def _seen(letter: str, lines: bool) -> str:
    category = unicodedata.category(letter)
    if category in {"Cc", "Zl", "Zp"}:
        return "\n" if lines and letter == "\n" else " "
    return "�" if category == "Cs" else "" if category in {"Cf", "Co", "Cn"} else letter
