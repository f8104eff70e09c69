"""What only the operator may say, in ``watchkeeper.yaml`` in the store's folder: what channels and actions are."""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

from watchkeeper.detection.budget import UNITS, length_of
from watchkeeper.errors import InvalidMonitors
from watchkeeper.response import signing
from watchkeeper.response.addresses import NOTHING, Allowed, parse_url
from watchkeeper.response.alert import Channel
from watchkeeper.response.channels.apprise import AppriseChannel, scheme_of
from watchkeeper.response.channels.console import ConsoleChannel
from watchkeeper.response.channels.webhook import WebhookChannel
from watchkeeper.response.document import Place, parse, unknown

NAME = "watchkeeper.yaml"
CONSOLE = "console"
_Entry = TypeVar("_Entry")
_LOG = logging.getLogger("watchkeeper")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_LONGEST_RUN = 7 * UNITS["day"]
_LONGEST = 8192
_PATIENCE = 600.0
_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """A command that may be run, never through a shell, or a webhook that may be called.

    Attributes
    ----------
    command
        The program and its arguments; empty where ``call`` is given.
    timeout
        Seconds after which it is killed.
    folder
        Where it runs; None: in the store's folder.
    environment
        All that it finds in its environment beside the least that programs need; nothing of the server's own.
    call
        The webhook that is called, until it answers or ``timeout`` is over; it leaves no candidate behind.
    """

    name: str
    command: tuple[str, ...] = ()
    timeout: float = 3600.0
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    call: WebhookChannel | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """Channels and actions by name, and the hosts that all may reach. ``files`` are those that were read for it."""

    channels: Mapping[str, Channel]
    actions: Mapping[str, ActionSpec]
    files: tuple[Path, ...] = ()
    opened: Allowed = NOTHING

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the file; where there is none, or it names no channels, there is the console.

        Raises
        ------
        InvalidMonitors
            Some of it cannot be used; says all that is wrong, where, and of what it does not know names the nearest.
        """
        found, faults = cls.read(folder)
        if len(faults) > 1:
            raise InvalidMonitors("", " ".join(map(str, faults))) from faults[0]
        if faults:
            raise faults[0]
        return found

    @classmethod
    def read(cls, folder: Path, before: Self | None = None) -> tuple[Self, list[InvalidMonitors]]:
        """Read what can be read, and return all that cannot.

        Parameters
        ----------
        folder
            That of the store.
        before
            What counts so far: a channel or action that cannot be read stays as it is there.
        """
        path = folder / NAME
        try:
            return cls._read(_Reader(folder, [path]), path.read_text(encoding="utf-8"), before)
        except FileNotFoundError:
            return cls(_console(), {}, (path,)), []
        except (OSError, UnicodeDecodeError) as error:
            faults = [InvalidMonitors("", f"{path} cannot be read: {_why(error)}.")]
        except InvalidMonitors as error:  # it is no document
            faults = [error]
        return before or cls(_console(), MappingProxyType({}), (path,)), faults

    @classmethod
    def _read(cls, reader: _Reader, text: str, before: Self | None) -> tuple[Self, list[InvalidMonitors]]:
        place = parse(text, NAME) if _says(text) else Place({}, "")
        known = ("channels", "actions", "allow_hosts")
        faults: list[InvalidMonitors] = []
        values = {name: one for name, one in place.mapping().items() if name in known and one.value is not None}
        strange = [name for name in place.mapping() if name not in known]
        faults += [place.refusal(unknown("the key", name, known)) for name in strange]
        opened = before.opened if before is not None else NOTHING
        try:
            opened = _allowed(values.get("allow_hosts"))
        except InvalidMonitors as error:
            faults.append(error)
        old_channels, old_actions = (before.channels, before.actions) if before is not None else ({}, {})
        made = _entries(
            values.get("channels"), lambda name, one: reader.channel(name, one, opened), old_channels, faults
        )
        acts = _entries(values.get("actions"), lambda name, one: reader.action(name, one, opened), old_actions, faults)
        told = made if made or ("channels" in values and not faults) else _console()
        return cls(MappingProxyType(told), MappingProxyType(acts), tuple(reader.files), opened), faults


class OperatorFile:
    """The file as it changes: what cannot be read stays as it was, and what is wrong is shown. Thread-safe.

    Attributes
    ----------
    problem
        All that is wrong with the file, as sentences; None while nothing is. :meth:`current` looks again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem: str | None = None
        self._lock = threading.Lock()
        self._operator = Operator(_console(), MappingProxyType({}), (folder / NAME,))
        self._good = False
        self._stamp: object = None
        self._looked = -_LOOK

    def current(self) -> Operator:
        """Return what counts now; the file is read when it, or a file that it names, has changed."""
        with self._lock:
            stamp = tuple(map(_stamp_of, self._operator.files))
            since = time.monotonic() - self._looked
            if stamp != self._stamp or (self.problem is not None and since >= _LOOK):
                self._stamp, self._looked = stamp, time.monotonic()
                self._load(stamp[0])
            return self._operator

    def _load(self, before: object) -> None:
        found, faults = Operator.read(self.folder, self._operator)
        problem = " ".join(map(str, faults)) or None
        if problem is not None and problem != self.problem:
            _LOG.error("%s has faults; %s: %s", self.folder / NAME, self._counting(found), problem)
        if found != self._operator:
            self._operator = found
        self.problem, self._good = problem, self._good or problem is None
        self._stamp = before, *map(_stamp_of, self._operator.files[1:])  # a change while it was read is one more

    def _counting(self, found: Operator) -> str:
        """Return what counts while the file is broken."""
        if self._good:
            return "what cannot be read stays as it was"
        if found.channels.keys() == {CONSOLE} and not found.actions:
            return "until it is mended there is only the console"
        return "until it is mended only what else it says counts"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads channels and actions; remembers the files that hold their secrets."""

    folder: Path
    files: list[Path]

    def channel(self, name: str, place: Place, opened: Allowed) -> Channel:
        if place.value is None or place.value == {}:
            if name != CONSOLE:
                raise place.refusal("needs one of webhook and url; only 'console' needs nothing.")
            return ConsoleChannel(name)
        values = place.keys(("url", "webhook", "secret", "allow", "ca"))
        if "url" in values and len(values) == 1:
            return self._apprise(name, values["url"])
        if "webhook" not in values or "url" in values:
            raise place.refusal("needs one of webhook (with secret, allow, ca) and url (alone).")
        return self._webhook(name, values, opened)

    def _apprise(self, name: str, place: Place) -> Channel:
        url = self.secret(place)
        try:
            if scheme_of(url) in {"http", "https"}:
                raise ValueError("is not one of apprise's; for a URL that takes JSON say webhook instead of url")
        except ValueError as error:
            raise place.refusal(f"{error}.") from error
        return AppriseChannel(name, url)

    def _webhook(self, name: str, values: dict[str, Place], opened: Allowed) -> WebhookChannel:
        try:
            url = parse_url(self.secret(values["webhook"]))
        except ValueError as error:
            raise values["webhook"].refusal(f"{error}.") from error
        allowed = opened | _allowed(values.get("allow"))
        keys = self._keys(values["secret"]) if "secret" in values else ()
        trust = self._trust(values["ca"]) if "ca" in values else None
        return WebhookChannel(name, url, keys, allowed, trust)

    def _keys(self, place: Place) -> tuple[bytes, ...]:
        keys = []
        for one in place.items() if isinstance(place.value, list) else [place]:
            try:
                keys.append(signing.key_of(self.secret(one)))
            except ValueError as error:
                raise one.refusal(f"{error}.") from error
        if not keys:
            raise place.refusal("should hold a secret.")
        return tuple(keys)

    def _trust(self, place: Place) -> ssl.SSLContext:
        path = self.folder / place.text(4096)
        self.files.append(path)
        try:
            return ssl.create_default_context(cafile=str(path))
        except (OSError, ssl.SSLError) as error:
            raise place.refusal(f"{path} holds no certificates that can be read: {_why(error)}.") from error

    def secret(self, place: Place) -> str:
        """Return a line that stands here, or in the file that is named here; no error ever quotes it."""
        if isinstance(place.value, Mapping):
            named = place.keys(("file",))
            if "file" not in named:
                raise place.refusal("should be a text, or {file: path} of a file that holds it.")
            path = self.folder / named["file"].text(4096)
            self.files.append(path)
            try:
                value: object = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise place.refusal(f"{path} cannot be read: {_why(error)}.") from error
        else:
            value = place.value
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
            raise place.refusal(f"should hold one line of at most {_LONGEST} characters.")
        return value

    def action(self, name: str, place: Place, opened: Allowed) -> ActionSpec:
        values = place.keys(("command", "timeout", "folder", "environment", "webhook", "secret", "allow", "ca"))
        if "webhook" in values:
            if values.keys() & {"command", "folder", "environment"}:
                raise place.refusal(
                    "needs one of command (with folder, environment) and webhook (with secret, allow, ca)."
                )
            patience = _seconds(values["timeout"]) if "timeout" in values else _PATIENCE
            return ActionSpec(name, timeout=patience, call=self._webhook(name, values, opened))
        if "command" not in values or values.keys() & {"secret", "allow", "ca"}:
            raise place.refusal("needs a command, such as [python, train.py], or a webhook.")
        command = tuple(_argument(one) for one in values["command"].items())
        if not command or not command[0]:
            raise values["command"].refusal("should begin with a program.")
        timeout, folder = values.get("timeout"), values.get("folder")
        return ActionSpec(
            name,
            command,
            3600.0 if timeout is None else _seconds(timeout),
            None if folder is None else self._directory(folder),
            self._environment(values["environment"]) if "environment" in values else {},
        )

    def _directory(self, place: Place) -> Path:
        path = (self.folder / place.text(4096)).absolute()
        if not path.is_dir():
            raise place.refusal(f"there is no folder {path}.")
        return path

    def _environment(self, place: Place) -> Mapping[str, str]:
        found = place.mapping()
        for name, one in found.items():
            if not _VARIABLE.fullmatch(name):
                raise one.refusal("is no name of a variable.")
        return MappingProxyType({name: self._variable(one) for name, one in found.items()})

    def _variable(self, place: Place) -> str:
        return place.word() if isinstance(place.value, int | float) else self.secret(place)


def _console() -> Mapping[str, Channel]:
    return MappingProxyType({CONSOLE: ConsoleChannel()})


def _entries(
    place: Place | None,
    read: Callable[[str, Place], _Entry],
    before: Mapping[str, _Entry],
    faults: list[InvalidMonitors],
) -> dict[str, _Entry]:
    """Return the entries that can be read, and as before those that cannot; notes what is wrong."""
    made: dict[str, _Entry] = {}
    try:
        found = {} if place is None else place.mapping()
    except InvalidMonitors as error:
        faults.append(error)
        return dict(before)
    for name, one in found.items():
        try:
            if not _NAME.fullmatch(name):
                raise one.refusal("a name is up to 64 letters, digits, dots, dashes and underscores.")
            made[name] = read(name, one)
        except InvalidMonitors as error:
            faults.append(error)
            if name in before:
                made[name] = before[name]
    return made


def _says(text: str) -> bool:
    """Whether there is anything but comments."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _allowed(place: Place | None) -> Allowed:
    try:
        return NOTHING if place is None else Allowed.read(place.texts())
    except ValueError as error:
        assert place is not None
        raise place.refusal(f"{error}; name exact hosts, addresses, or networks such as 10.1.0.0/16.") from error


def _argument(place: Place) -> str:
    if isinstance(place.value, str) and len(place.value) <= 1 << 16 and "\0" not in place.value:
        return place.value
    return place.word()


def _seconds(place: Place) -> float:
    length = length_of(place.text(), place.where)
    if length > _LONGEST_RUN:
        raise place.refusal("is longer than 7 days.")
    return length / UNITS["second"]


def _stamp_of(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
