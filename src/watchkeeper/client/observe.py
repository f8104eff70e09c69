"""A predict function whose calls are logged: what went in, what came out, how long it took, how it failed."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_OUTPUTS = (int, float, str, bool)


class Log(Protocol):
    """What takes the rows."""

    def call(self, features: Any, about: dict[str, Any]) -> None:
        """Log one row of a call."""

    def unreadable(self) -> None:
        """Count an output or an input that holds nothing to log."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to find features among arguments, and what of the output to log."""

    features: Callable[..., Any] | None = None
    output: Callable[[Any], Any] | None = None


def observed(log: Log, function: Any, options: Options) -> Any:
    """Return ``function`` with every call logged; what cannot be called comes back as it is, and is counted."""
    if not callable(function):
        log.unreadable()
        return function
    watch = _Watch(log, function, options)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*args: Any, **kwargs: Any) -> Any:
            rows, start = watch.before(args, kwargs), time.perf_counter()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                watch.failed(rows, time.perf_counter() - start, error)
                raise
            watch.returned(rows, time.perf_counter() - start, result)
            return result

        return later

    @functools.wraps(function)
    def at_once(*args: Any, **kwargs: Any) -> Any:
        rows, start = watch.before(args, kwargs), time.perf_counter()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            watch.failed(rows, time.perf_counter() - start, error)
            raise
        watch.returned(rows, time.perf_counter() - start, result)
        return result

    return at_once


class _Watch:
    """Turns the calls of one function into rows; whatever goes wrong here stays here."""

    def __init__(self, log: Log, function: Callable[..., Any], options: Options) -> None:
        self._log, self._options = log, options
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError):  # some built-in functions do not tell
            self._signature = inspect.signature(lambda *args, **kwargs: None)
        names = list(self._signature.parameters)
        self._skip = 1 if names[:1] in (["self"], ["cls"]) else 0
        self._first = names[self._skip] if len(names) > self._skip else ""

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[Any, Any]]:
        """Return the features of each row of a call, copied because the function may change them."""
        try:
            if self._options.features is not None:
                return _rows(self._options.features(*args, **kwargs)) or []
            first = args[self._skip] if len(args) > self._skip else kwargs.get(self._first)
            rows = _rows(first)
            return [self._named(args, kwargs)] if rows is None else rows
        except Exception:  # of the arguments, or of the user's function
            self._log.unreadable()
            return []

    def returned(self, rows: list[dict[Any, Any]], latency: float, result: Any) -> None:
        """Log a call that went well."""
        try:
            if self._options.output is not None:
                result = self._options.output(result)
            for features, about in self._paired(rows, result):
                about["latency"] = latency
                self._log.call(features, about)
        except Exception:
            self._log.unreadable()

    def failed(self, rows: list[dict[Any, Any]], latency: float, error: BaseException) -> None:
        """Log a call that failed."""
        try:
            for features in rows or [{}]:
                self._log.call(features, {"latency": latency, "error": type(error).__name__})
        except Exception:
            self._log.unreadable()

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = self._signature.bind(*args, **kwargs).arguments
        return {name: value for place, (name, value) in enumerate(bound.items()) if place >= self._skip}

    def _paired(self, rows: list[dict[Any, Any]], result: Any) -> Iterator[tuple[dict[Any, Any], dict[str, Any]]]:
        outputs = _outputs(result, len(rows))
        for features, output in zip(rows, outputs, strict=True):
            about = _about(output)
            if about is None:
                self._log.unreadable()
            yield features, about or {}


def _rows(value: Any) -> list[dict[Any, Any]] | None:
    """Return the rows that an argument holds, as copies; None where it holds none."""
    if isinstance(value, Mapping):
        return [dict(value)]
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        return [dict(row) for row in value]
    for name, arguments in (("to_dicts", ()), ("to_pylist", ()), ("to_dict", ("records",))):  # Polars, pyarrow, pandas
        if hasattr(value, "columns") and callable(read := getattr(value, name, None)):
            return [dict(row) for row in read(*arguments)]
    return None


def _outputs(result: Any, rows: int) -> list[Any]:
    """Return one output for each row; None for each where that cannot be told."""
    if hasattr(result, "tolist") and hasattr(result, "dtype"):
        result = result.tolist()
    if isinstance(result, list) and len(result) == rows:
        return result
    return [result] if rows == 1 else [None] * rows


def _about(output: Any) -> dict[str, Any] | None:
    """Return what an output says of a row; None where it cannot be read."""
    if hasattr(output, "item") and hasattr(output, "dtype"):
        output = output.item()
    if isinstance(output, _OUTPUTS):
        return {"prediction": output}
    if isinstance(output, tuple) and len(output) == 2:
        return {"prediction": output[0], "score": output[1]}
    if isinstance(output, Mapping):
        found = {name: output[name] for name in ("prediction", "score", "id") if output.get(name) is not None}
        return found or None
    return None
