"""E-mail, chat and the rest, through the package ``apprise``: it has a network of its own, which the guard does not see."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.errors import ChannelFailed, MissingExtra
from watchkeeper.response.alert import Alert, text_of, title_of

_SCHEME = re.compile(r"([a-z][a-z0-9.+-]*)://.+", re.IGNORECASE)
_TYPES = {"opened": "warning", "escalated": "failure", "resolved": "success", "reminder": "warning", "test": "info"}


def scheme_of(url: str) -> str:
    """Return what a URL of apprise begins with, such as ``slack``; raises :class:`ValueError` where it is none."""
    found = _SCHEME.fullmatch(url)
    if not found:
        raise ValueError("should be a URL of apprise, such as slack://... or mailto://...")
    return found[1].lower()


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """Sends alerts to one service, as its URL says. The URL holds secrets and is never shown."""

    name: str
    url: str = field(repr=False)

    @property
    def kind(self) -> str:
        """The service."""
        return scheme_of(self.url)

    def notify(self, alert: Alert) -> None:
        """Deliver one."""
        try:
            apprise: Any = importlib.import_module("apprise")
        except ImportError as error:
            raise ChannelFailed(
                self.name, str(MissingExtra("apprise", "notify", f"A channel by {self.kind}"))
            ) from error
        asset = apprise.AppriseAsset(
            app_id="Watchkeeper", app_desc="Watchkeeper", async_mode=False, storage_mode="memory"
        )
        sender = apprise.Apprise(asset=asset)
        if not sender.add(self.url):
            raise ChannelFailed(self.name, f"apprise cannot read its URL for {self.kind}")
        took = sender.notify(
            title=title_of(alert), body=text_of(alert), notify_type=_TYPES[alert.kind], body_format="text",
            interpret_escapes=False,
        )  # fmt: skip
        if not took:
            raise ChannelFailed(self.name, f"{self.kind} did not take it")
