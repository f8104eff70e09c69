"""A signed webhook: JSON with the headers of Standard Webhooks, to an address that the guard let pass."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.errors import ChannelFailed
from watchkeeper.response import signing
from watchkeeper.response.addresses import NOTHING, Allowed, Resolve, Url, checked, look_up
from watchkeeper.response.alert import Alert, text_of, title_of
from watchkeeper.response.channels.pinned import Deadline, post

_NEVER = frozenset({400, 410, 413, 415, 422})
"""Answers after which the same body would be refused again, or nobody is there any more."""


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """Posts alerts to a URL; any answer from 200 to 299 within ``deadline`` seconds means that it was taken.

    Attributes
    ----------
    keys
        Each makes a signature: the new secret and, while receivers change over, the old one.
    allowed
        What the operator opened; else only public addresses are connected to, by TLS.
    trust
        Whose certificates count; the system's where it is None.
    resolve
        Returns the addresses of a host; called once for each attempt.
    """

    name: str
    url: Url = field(repr=False)
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    allowed: Allowed = NOTHING
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    deadline: float = 10.0
    resolve: Resolve = field(default=look_up, repr=False)

    @property
    def kind(self) -> str:
        """What it is."""
        return "webhook"

    def notify(self, alert: Alert) -> None:
        """Deliver one."""
        self.send(alert.key, body_of(alert))

    def send(self, key: str, body: bytes) -> int:
        """Post a body once, signed; returns the status, which is from 200 to 299.

        Parameters
        ----------
        key
            Tells the receiver that two bodies are one: in the header ``webhook-id``, and in ``Idempotency-Key``.

        Raises
        ------
        ChannelFailed
            It was not taken; says why, and whether another attempt makes sense.
        """
        deadline = Deadline(self.deadline)
        headers = {"Content-Type": "application/json", "User-Agent": "Watchkeeper", "Idempotency-Key": key}
        try:
            addresses = _within(deadline, self)
            headers |= signing.headers(self.keys, key, int(time.time()), body)
            status = post(self.url, addresses, body, headers, deadline, self.trust)
        except TimeoutError as error:
            raise ChannelFailed(self.name, f"it did not answer within {self.deadline:g} s") from error
        except ssl.SSLCertVerificationError as error:
            raise ChannelFailed(self.name, f"its certificate is not trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            raise ChannelFailed(self.name, f"it cannot be reached ({_reason(error)})") from error
        except ValueError as error:
            raise ChannelFailed(self.name, str(error)) from error
        if not 200 <= status < 300:
            more = "; redirects are not followed" if 300 <= status < 400 else ""
            raise ChannelFailed(self.name, f"it answered {status}{more}", again=status not in _NEVER)
        return status


def body_of(alert: Alert) -> bytes:
    """Return the JSON of an alert: words for people are inert, names and evidence as they are."""
    told = alert.to_dict() | {"title": title_of(alert), "text": text_of(alert)}
    data = {"type": f"incident.{alert.kind}" if alert.kind != "test" else "test", "timestamp": alert.at, "data": told}
    return json.dumps(data, separators=(",", ":")).encode()


def _within(deadline: Deadline, channel: WebhookChannel) -> tuple[str, ...]:
    """Return the checked addresses; a look-up that takes too long is left to itself."""
    found: list[Any] = []

    def look() -> None:
        try:
            found.append(checked(channel.url, channel.allowed, channel.resolve))
        except (OSError, ValueError) as error:
            found.append(error)

    looking = threading.Thread(target=look, name="watchkeeper-look-up", daemon=True)
    looking.start()
    looking.join(deadline.left())
    if not found:
        raise TimeoutError("the look-up of its host took too long")
    if isinstance(found[0], Exception):
        raise found[0]
    addresses: tuple[str, ...] = found[0]
    return addresses


def _reason(error: Exception) -> str:
    """Return the system's own word, and nothing of what was answered."""
    known = isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror
    return str(known) if known else type(error).__name__
