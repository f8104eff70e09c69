"""Signatures as Standard Webhooks has them: HMAC-SHA256 over ``id.timestamp.body``, one for each secret that still counts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
_FEWEST, _MOST = 24, 64


def new_secret() -> str:
    """Return a fresh secret of 32 bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """Return the bytes of a secret.

    Raises
    ------
    ValueError
        It is not base64 of 24 to 64 bytes, which may begin with ``whsec_``.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _FEWEST <= len(key) <= _MOST:
        raise ValueError(
            f"should be base64 of {_FEWEST} to {_MOST} random bytes, such as 'openssl rand -base64 32' writes"
        )
    return key


def headers(keys: Sequence[bytes], message: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message; without keys there is no signature.

    Parameters
    ----------
    message
        Its id, the same whenever it is sent again.
    at
        Seconds since 1970 of this attempt.

    References
    ----------
    The Standard Webhooks specification, version 1.0.0, "Signature scheme".

    Examples
    --------
    >>> headers([b"k" * 24], "1-opened-1", 1700000000, b"{}")["webhook-signature"]
    'v1,wLNrLGy/ucxSHiMLZvtdo/kumZclQkv6MC36FacyTlM='
    """
    made = {"webhook-id": message, "webhook-timestamp": str(at)}
    signed = f"{message}.{at}.".encode() + body
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return made | ({"webhook-signature": " ".join(f"v1,{one}" for one in signatures)} if signatures else {})
