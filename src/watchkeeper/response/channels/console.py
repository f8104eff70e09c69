"""The console: a sentence in the server's log, or on a stream."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TextIO

from watchkeeper.errors import ChannelFailed
from watchkeeper.response.alert import Alert, title_of

_LOG = logging.getLogger("watchkeeper.alerts")


@dataclass(frozen=True, slots=True)
class ConsoleChannel:
    """Says an alert in one line; to ``stream``, or where that is None to the logger ``watchkeeper.alerts``."""

    name: str = "console"
    stream: TextIO | None = None

    @property
    def kind(self) -> str:
        """What it is."""
        return "console"

    def notify(self, alert: Alert) -> None:
        """Say it."""
        line = f"{alert.kind}: {title_of(alert)}" + (f" {alert.url}" if alert.url else "")
        if self.stream is None:
            _LOG.warning("%s", line)
            return
        try:
            self.stream.write(f"{line}\n")
            self.stream.flush()
        except (OSError, ValueError) as error:
            raise ChannelFailed(self.name, "its stream is closed") from error
