"""Asks a server and tells it things, one request at a time: for notebooks, scripts and the command line."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from urllib.parse import quote, urlencode

from watchkeeper.client.wire import Address
from watchkeeper.config import environment as read_environment
from watchkeeper.errors import InputError, ServerRefused, UnknownKey, Unwritable

if TYPE_CHECKING:
    import pyarrow as pa

    from watchkeeper.profiles.profile import Profile
    from watchkeeper.schema import Schema

ARROW = "application/vnd.apache.arrow.stream"
BYTES = "application/octet-stream"
_PIECE = 1 << 20
_PATIENCE = 300.0
Moment = datetime | str


class Span(TypedDict, total=False):
    """Which rows: from ``start`` up to, not including, ``end``, of an environment and a stage."""

    start: Moment | None
    end: Moment | None
    environment: str
    stage: str


class Which(Span, total=False):
    """Which measurements; what is not said means all. ``revisions`` is latest, sealed or all."""

    metric: str | list[str] | tuple[str, ...] | None
    version: str | None
    every: str | None
    segment: str | None
    column: str | None
    source: str | None
    revisions: str
    sequence: bool


def connect(url: str | None = None, key: str | None = None) -> Connection:
    """Return a connection to a server.

    Parameters
    ----------
    url, key
        The server and a key. None: ``WATCHKEEPER_URL`` and ``WATCHKEEPER_KEY``.

    Raises
    ------
    InputError
        The URL is none.

    Examples
    --------
    >>> connection = connect("http://127.0.0.1:8640", "wk_...")
    >>> table = connection.measurements("late-flights", metric="roc_auc", every="day")  # doctest: +SKIP
    """
    found = read_environment()
    return Connection(url or found.url, key or found.key)


class Connection:
    """A server, and a key for it. Nothing is sent until something is asked.

    Every method raises :class:`~watchkeeper.errors.ServerRefused` with what the server says is wrong, or where it does
    not answer.

    Parameters
    ----------
    url, key
        The server and the key.
    certificate
        A PEM file with the one certificate that the server must have. None: whatever the system trusts.
    """

    def __init__(self, url: str, key: str | None = None, certificate: str | None = None) -> None:
        self.url, self._key, self._certificate = url.rstrip("/"), key, certificate
        self._address = Address.of(url)

    def __repr__(self) -> str:
        return f"<Connection to {self.url}>"

    # --- reading ------------------------------------------------------------------------------------------------------

    def models(self) -> list[dict[str, Any]]:
        """Return the models of the key's project."""
        return self._listed("models", {})

    def versions(self, model: str, *, environment: str = "production") -> list[dict[str, Any]]:
        """Return the versions of a model."""
        return self._listed("versions", {"model": model, "environment": environment})

    def windows(self, model: str, version: str, *, every: str = "day", **span: Unpack[Span]) -> list[dict[str, Any]]:
        """Return the windows of a version, with rows, labels, coverage, whether they are sealed, and their revision."""
        return self._listed("windows", {"model": model, "version": version, "every": every, **_known(span, Span)})

    def measurements(self, model: str, **which: Unpack[Which]) -> pa.Table:
        """Return measurements as an Arrow table.

        Parameters
        ----------
        model
            The model's name.
        which
            Narrows them down: ``metric`` (a name or several), ``version``, ``every`` (hour, day, week, month),
            ``segment``, ``column``, ``source``, ``start``, ``end``, ``revisions`` (latest, sealed, all),
            ``environment``, ``stage``. With ``sequence=True`` there are ``sequence_low`` and ``sequence_high`` too: limits
            that hold at every look at once, for whoever looks at a month while it fills and may stop at any day.
        """
        import pyarrow as pa

        body = self._ask("GET", "measurements", {"model": model, **_known(which, Which)}, headers={"Accept": ARROW})
        with pa.ipc.open_stream(body) as reader:
            return reader.read_all()

    def profile(self, model: str, version: str, **span: Unpack[Span]) -> Profile:
        """Return the merged profile of the windows in a span."""
        from watchkeeper.profiles.profile import Profile

        return Profile.from_bytes(
            self._ask("GET", "profiles", {"model": model, "version": version, **_known(span, Span)})
        )

    def distribution(self, model: str, version: str, column: str, **span: Unpack[Span]) -> dict[str, Any]:
        """Return how a column is distributed, beside the reference."""
        query = {"model": model, "version": version, "column": column, **_known(span, Span)}
        return self._object("GET", "distributions", query)

    def quarantine(self, model: str, *, limit: int = 100, environment: str = "production") -> list[dict[str, Any]]:
        """Return rows that were refused, with their reasons, latest first."""
        return self._listed("quarantine", {"model": model, "environment": environment, "limit": limit})

    def serving(self, model: str, *, environment: str = "production") -> str | None:
        """Return the version that serves; None where nobody said."""
        return self._object("GET", "serving", {"model": model, "environment": environment})["version"]  # type: ignore[no-any-return]

    # --- what is wrong, and what is done about it ---------------------------------------------------------------------

    def incidents(
        self, *, model: str | None = None, environment: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return incidents, latest first, with evidence, timeline, notifications and actions.

        Parameters
        ----------
        model, environment, state
            Narrow them down; ``state`` is open, acknowledged or resolved.
        limit
            The most to be told.
        """
        return self._listed("incidents", {"model": model, "environment": environment, "state": state, "limit": limit})

    def incident(self, id: int) -> dict[str, Any]:  # noqa: A002
        """Return an incident."""
        return self._object("GET", f"incidents/{id}", {})

    def actions(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """Return actions, latest first; ``state`` such as "awaiting approval" narrows them down."""
        return self._listed("actions", {"state": state})

    def monitors(self, model: str, *, environment: str = "production") -> dict[str, Any] | None:
        """Return the monitors of a model, the file's text among them; None where none were applied."""
        try:
            return self._object("GET", "monitors", {"model": model, "environment": environment})
        except ServerRefused as refused:
            if refused.status != 404:
                raise
            return None

    def apply_monitors(self, text: str) -> dict[str, Any]:
        """Have the model that a file of monitors names monitored as it says; ``text`` is the file's, YAML."""
        return self._object("PUT", "monitors", {}, {"text": text})

    def request(
        self, method: str, path: str, query: dict[str, Any] | None = None, said: object = None
    ) -> dict[str, Any]:
        """Send any request of the HTTP reference and return the object that is answered.

        Parameters
        ----------
        method, path
            Such as ``POST`` and ``incidents/17/acknowledge``: what stands behind ``/api/v1/``.
        query
            What stands behind the question mark; None is left out.
        said
            The body, sent as JSON; bytes are sent as they are.
        """
        return self._object(method, path, query or {}, said)

    # --- telling ------------------------------------------------------------------------------------------------------

    def register(
        self,
        model: str,
        version: str,
        *,
        schema: Schema | dict[str, Any] | None = None,
        clock: str | None = None,
        facts: dict[str, Any] | None = None,
        environment: str = "production",
    ) -> dict[str, Any]:
        """Register a version: what is known of its schema, by which clock (wall or event) its model's time goes, and facts.

        Facts are numbers and short texts about its training by name; :meth:`versions` tells them.
        """
        given = schema if schema is None or isinstance(schema, dict) else schema.to_dict()
        said = {
            name: value for name, value in (("schema", given), ("clock", clock), ("facts", facts)) if value is not None
        }
        return self._object("PUT", "versions", {"model": model, "version": version, "environment": environment}, said)

    def set_reference(
        self, model: str, version: str, profile: Profile, *, environment: str = "production"
    ) -> dict[str, Any]:
        """Make a profile of held-out or out-of-fold predictions the reference of a version."""
        query = {"model": model, "version": version, "environment": environment}
        return self._object("PUT", "reference", query, profile.to_bytes())

    def set_serving(self, model: str, version: str, *, environment: str = "production") -> None:
        """Say which version serves."""
        self._object("PUT", "serving", {"model": model, "environment": environment}, {"version": version})

    def send(self, kind: str, rows: bytes, *, batch: str, **where: str) -> dict[str, Any]:
        """Send rows, an Arrow IPC stream, and return the receipt; ``replayed`` in it says that they were there already.

        Parameters
        ----------
        kind
            ``predictions`` or ``labels``.
        rows
            100,000 rows and 32 MiB at most.
        batch
            The batch's id: sent twice it counts once.
        where
            ``model``, and where they are meant ``version``, ``environment``, ``stage``.
        """
        headers = {"Content-Type": ARROW, "Idempotency-Key": batch}
        with self._answer("POST", kind, where, headers, rows) as answer:
            told: dict[str, Any] = json.loads(answer.read())
            return told | {"replayed": answer.getheader("Idempotent-Replayed") == "true"}

    # --- keeping ------------------------------------------------------------------------------------------------------

    def keys(self) -> list[dict[str, Any]]:
        """Return the keys of the project, without their secrets."""
        return self._listed("keys", {})

    def create_key(self, name: str, role: str, *, expires: datetime | None = None) -> tuple[str, dict[str, Any]]:
        """Make a key; return its secret, which is shown this once, and what is known of it."""
        said = {"name": name, "role": role} | ({"expires": _moment(expires)} if expires is not None else {})
        told = self._object("POST", "keys", {}, said)
        return str(told["secret"]), told["key"]

    def revoke_key(self, id: str, *, force: bool = False) -> None:  # noqa: A002
        """Refuse a key from now on; the last admin key of the project only by ``force``."""
        self._ask("DELETE", f"keys/{quote(id, safe='')}", {"force": "true"} if force else {})

    def backup(self, file: str | os.PathLike[str]) -> int:
        """Write a backup of the whole store to a file, which appears once it is whole; return its bytes.

        Nobody but its owner may read it: it has what every project logged.
        """
        path = Path(file)
        part = path.with_name(f"{path.name}.part")
        try:
            with open(part, "wb", opener=_private) as out:
                for piece in self._pieces("backup"):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
        except OSError as error:
            raise Unwritable(str(path), error.strerror or str(error)) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return path.stat().st_size

    # --- the wire -----------------------------------------------------------------------------------------------------

    def _listed(self, name: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        return self._object("GET", name, query)[name]  # type: ignore[no-any-return]

    def _object(self, method: str, path: str, query: dict[str, Any], said: object = None) -> dict[str, Any]:
        headers, body = {}, None
        if isinstance(said, bytes):
            headers, body = {"Content-Type": BYTES}, said
        elif said is not None:
            headers, body = {"Content-Type": "application/json"}, json.dumps(said).encode()
        return json.loads(self._ask(method, path, query, body, headers) or b"{}")  # type: ignore[no-any-return]

    def _pieces(self, path: str) -> Iterator[bytes]:
        with self._answer("GET", path, {}) as answer:
            while piece := answer.read(_PIECE):
                yield piece

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        with self._answer(method, path, query, headers, body) as answer:
            return answer.read()

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and give the answer; what is no success, or no answer, is raised."""
        asked = {name: value for name, value in query.items() if value is not None}
        place = f"{self._address.path}/api/v1/{path}" + (f"?{urlencode(asked, doseq=True)}" if asked else "")
        line = self._line()
        with contextlib.closing(line), self._told():
            line.request(method, place, body, {**self._headers(), **(headers or {})})
            with line.getresponse() as answer:
                if not 200 <= answer.status < 300:
                    raise ServerRefused(self.url, answer.status, _detail(answer.read(_PIECE)))
                yield answer

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise ServerRefused(self.url, None, f"its certificate is not trusted ({error.verify_message}).") from error
        except http.client.HTTPException as error:
            raise ServerRefused(self.url, None, f"it broke off ({type(error).__name__}).") from error
        except ConnectionError as error:
            raise ServerRefused(self.url, None, f"{error.strerror or error}. Is it running?") from error
        except OSError as error:
            raise ServerRefused(self.url, None, f"{error.strerror or error}.") from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _line(self) -> http.client.HTTPConnection:
        address = self._address
        if not address.secure:
            return http.client.HTTPConnection(address.host, address.port, timeout=_PATIENCE)
        context = ssl.create_default_context(cafile=self._certificate)
        if self._certificate is not None:  # this very certificate, by whatever name the server is called
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(address.host, address.port, timeout=_PATIENCE, context=context)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _known(given: Any, kind: type) -> dict[str, Any]:
    """Return what narrows a question down, as the server takes it."""
    names = sorted(kind.__annotations__)
    for name in given:
        if name not in names:
            raise UnknownKey(name, names, "The connection")
    return {name: _moment(v) if name in {"start", "end"} and v is not None else v for name, v in given.items()}


def _moment(value: Moment) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InputError(f"{value} needs a time zone, such as datetime(2026, 5, 31, tzinfo=UTC).")
        return value.isoformat()
    return value


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it did not say why."
