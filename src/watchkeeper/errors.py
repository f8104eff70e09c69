"""Every error that Watchkeeper raises on purpose, as one tree.

::

    WatchkeeperError
    ├── InputError              what was handed in cannot be used
    │   ├── SourceNotFound      no file there
    │   ├── UnreadableSource    a file is there, but it is truncated, corrupt or of another format
    │   ├── UnsupportedSource   an object that does not export Arrow
    │   ├── EmptySource         no rows, or no columns
    │   ├── UnknownColumn       a name that the table does not have; carries the nearest
    │   └── UnknownKey          a key that a file or call does not know; carries the nearest
    ├── SchemaError
    │   ├── InvalidSchema       roles or kinds that contradict each other or the data
    │   ├── SchemaFrozen        an edit after the schema was used
    │   └── SchemaMismatch      profiles of two schemas cannot be merged or compared
    ├── ProfileError
    │   ├── CorruptProfile      bytes that are no profile, or a damaged one
    │   └── ProfileVersion      a profile of a format that this release does not know
    ├── StoreError
    │   ├── StoreLocked         another process has the store open; carries its pid, host and address
    │   ├── StoreVersion        a store of a format that this release does not know
    │   ├── CorruptStore        a store or a backup that is damaged
    │   └── StoreFailed         the disk refused; nothing was acknowledged
    ├── ServiceError
    │   ├── Overloaded          the server's queue is full; carries after how many seconds to come back
    │   ├── UnknownModel        no such model, version or window; carries the nearest
    │   ├── Conflict            what is asked for contradicts what is there
    │   ├── InvalidBatch        a body that is no batch of predictions or labels
    │   ├── InvalidMonitors     a file of monitors, channels or actions that cannot be used; says where
    │   ├── ActionRefused       a guard keeps an action from being done
    │   ├── ChannelFailed       a notification could not be delivered; says whether to try again
    │   └── ServerRefused       a server answered with a problem, or not at all
    ├── Unwritable              a file cannot be written
    ├── MissingExtra            an optional package is needed; names the exact ``pip install``
    └── PageMissing             the page was not built into the package

Each says what was expected, what came, what exists and what to do, and carries its data as attributes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WatchkeeperError(Exception):
    """Base of every error raised on purpose."""


class InputError(WatchkeeperError):
    """What was handed in cannot be used."""


class SourceNotFound(InputError):
    """No file at ``path``."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"There is no file at {path!r}. Check the spelling, or quote a glob such as 'data/*.parquet'.")


class UnreadableSource(InputError):
    """The file at ``path`` could not be read; ``reason`` is the reader's own word."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read: {reason}")


class UnsupportedSource(InputError):
    """An object of a type that Watchkeeper cannot read."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name
        super().__init__(
            f"Cannot read rows from {type_name}. Hand in anything that exports Arrow (pandas, Polars, pyarrow, DuckDB), "
            "a path or glob of Parquet or CSV files, a mapping of columns, or an iterator of record batches."
        )


class EmptySource(InputError):
    """A source without rows or without columns."""

    def __init__(self, name: str, what: str = "rows") -> None:
        self.name, self.what = name, what
        super().__init__(f"{name} has no {what}: there is nothing to profile.")


class UnknownColumn(InputError):
    """A column name that the table does not have."""

    def __init__(self, name: str, existing: Iterable[str], where: str = "schema") -> None:
        self.name, self.existing, self.where = name, list(existing), where
        self.nearest = nearest(name, self.existing)
        super().__init__(
            f"{where} names the column {name!r}, which the data does not have." + _hint(self.nearest, self.existing)
        )


class UnknownKey(InputError):
    """A key or name that is not among those known."""

    def __init__(self, name: str, existing: Iterable[str], where: str) -> None:
        self.name, self.existing, self.where = name, list(existing), where
        self.nearest = nearest(name, self.existing)
        super().__init__(f"{where} does not know {name!r}." + _hint(self.nearest, self.existing))


class SchemaError(WatchkeeperError):
    """Something about roles and kinds."""


class InvalidSchema(SchemaError):
    """Roles or kinds that contradict each other or the data."""


class SchemaFrozen(SchemaError):
    """An edit of a schema that a profile already uses."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(
            f"This schema is frozen because a profile uses it; {field!r} can no longer be set. "
            f"Make another with schema.replace({field}=...)."
        )


class SchemaMismatch(SchemaError):
    """Two profiles with different schemas."""

    def __init__(self, differences: list[str]) -> None:
        self.differences = differences
        super().__init__(
            "These profiles were made with different schemas and cannot be put together: "
            + "; ".join(differences)
            + "."
        )


class ProfileError(WatchkeeperError):
    """Something about a stored profile."""


class CorruptProfile(ProfileError):
    """Bytes that are no profile, or a damaged one."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"This is not a whole Watchkeeper profile: {reason}.")


class ProfileVersion(ProfileError):
    """A profile of a format that this release does not know."""

    def __init__(self, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"This profile has format {found}; this release of Watchkeeper reads format {known}. "
            + ("Update Watchkeeper to read it." if found > known else "Make it anew from the rows.")
        )


class StoreError(WatchkeeperError):
    """Something about the folder in which a server keeps everything."""


class StoreLocked(StoreError):
    """Another process has the store open."""

    def __init__(self, folder: str, pid: int | None, host: str, url: str = "") -> None:
        self.folder, self.pid, self.host, self.url = folder, pid, host, url
        holder = f"process {pid} on {host}" if pid else "another process"
        where = f" It serves {url}." if url else ""
        super().__init__(f"{folder} is in use by {holder}.{where} Stop it first, or name another folder with --store.")


class StoreVersion(StoreError):
    """A store of a format that this release does not know."""

    def __init__(self, folder: str, found: int, known: int) -> None:
        self.folder, self.found, self.known = folder, found, known
        super().__init__(
            f"{folder} has format {found}; this release of Watchkeeper knows {known}. Nothing was changed. "
            "Use the release that wrote it, or update Watchkeeper."
        )


class CorruptStore(StoreError):
    """A store or a backup that is damaged, and how."""

    def __init__(self, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what} is damaged: {reason}.")


class StoreFailed(StoreError):
    """The disk or the database refused; nothing was acknowledged."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The store cannot be written: {reason}. Nothing of this was stored; send it again later.")


class ServiceError(WatchkeeperError):
    """Something that a server says to who asks it."""


class Overloaded(ServiceError):
    """The server's queue is full."""

    def __init__(self, retry_after: float, why: str = "its queue is full") -> None:
        self.retry_after, self.why = retry_after, why
        super().__init__(f"The server takes no more just now: {why}. Send the same batch again in {retry_after:g} s.")


class UnknownModel(ServiceError):
    """No such model, version or window."""

    def __init__(self, what: str, name: str, existing: Iterable[str]) -> None:
        self.what, self.name, self.existing = what, name, list(existing)
        self.nearest = nearest(name, self.existing)
        super().__init__(f"There is no {what} {name!r}." + _hint(self.nearest, self.existing))


class Conflict(ServiceError):
    """What is asked for contradicts what is there."""


class InvalidBatch(ServiceError):
    """A body that is no batch of predictions or labels."""


class InvalidMonitors(ServiceError):
    """A file of monitors, channels or actions that cannot be used; ``where`` names the place in it."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where}: {why}" if where else why)


class ActionRefused(ServiceError):
    """A guard keeps an action from being done."""


class ChannelFailed(ServiceError):
    """A notification could not be delivered; ``again`` says whether another try may help."""

    def __init__(self, channel: str, why: str, *, again: bool = True) -> None:
        self.channel, self.why, self.again = channel, why, again
        super().__init__(f"The channel {channel!r} failed: {why}")


class ServerRefused(ServiceError):
    """A server answered with a problem (``status``), or not at all (None)."""

    def __init__(self, url: str, status: int | None, detail: str) -> None:
        self.url, self.status, self.detail = url, status, detail
        said = f"answered {status}: {detail}" if status is not None else f"cannot be reached: {detail}"
        super().__init__(f"The server at {url} {said}")


class Unwritable(WatchkeeperError):
    """A file that cannot be written; ``reason`` is the system's own word."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be written: {reason}. Check that the folder exists and may be written to.")


class MissingExtra(WatchkeeperError):
    """An optional package is needed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(f"{purpose} needs {package}, which is not installed. Run: {install(extra)}")


class PageMissing(WatchkeeperError):
    """The page was not built into the package."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"The page is not built ({path} is missing). Run 'pip install .' in a checkout, or reinstall watchkeeper."
        )


def install(extra: str) -> str:
    """Return what installs an extra."""
    return f"pip install '.[{extra}]' in a clone of Watchkeeper's repository"


def nearest(name: str, existing: Iterable[str]) -> str | None:
    """Return the existing name that looks most like ``name``, or None if none is near."""
    names = list(existing)
    folded = {n.casefold(): n for n in reversed(names)}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def _hint(near: str | None, existing: list[str]) -> str:
    shown = ", ".join(map(repr, existing[:20])) + (f" and {len(existing) - 20} more" if len(existing) > 20 else "")
    start = f" Did you mean {near!r}?" if near else ""
    return f"{start} It has: {shown}." if existing else start
