"""A receiver of webhooks, as somebody on call would run one: it checks the signature before it believes a word."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OLDEST = 300.0


class Receiver:
    """Listens on a free port of this machine; ``received`` holds every alert once, by its id."""

    def __init__(self, hear: Callable[[dict[str, Any]], None]) -> None:
        self.received: dict[str, dict[str, Any]] = {}
        self.refused = 0
        self.secret = ""
        self._hear = hear
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1 << 20))
                self.send_response(204 if receiver.take(dict(self.headers), body) else 401)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/alerts"
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)
        self._thread.start()

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Keep an alert whose signature is right and fresh; returns whether it was."""
        named = {name.lower(): value for name, value in headers.items()}
        identity, at = named.get("webhook-id", ""), named.get("webhook-timestamp", "0")
        if not self._signed(identity, at, body, named.get("webhook-signature", "")):
            self.refused += 1
            return False
        if identity not in self.received:
            self.received[identity] = json.loads(body)["data"]
            self._hear(self.received[identity])
        return True

    def _signed(self, identity: str, at: str, body: bytes, signatures: str) -> bool:
        if not at.isdigit() or abs(time.time() - int(at)) > _OLDEST:
            return False
        key = base64.b64decode(self.secret.removeprefix("whsec_")) if self.secret else b""
        right = base64.b64encode(hmac.digest(key, f"{identity}.{at}.".encode() + body, hashlib.sha256)).decode()
        return any(hmac.compare_digest(s, f"v1,{right}") for s in signatures.split())

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
