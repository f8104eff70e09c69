"""Work ahead of the consumer, in one background thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")


class _End:
    """Stands after the last item; carries what the producer died of, if anything."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetched(iterator: Iterator[T], depth: int = 1) -> Generator[T, None, None]:
    """Yield the items of ``iterator`` in order while a thread works out up to ``depth`` of the next ones.

    The thread starts with the first item asked for and has ended when this generator has: read to the end, closed,
    dropped, or stopped by an exception of ``iterator``, which is passed on. ``iterator`` runs and is closed in that
    thread, so it must not be tied to the calling one.

    Parameters
    ----------
    depth
        Items kept ready, at least 1; the memory they take is the price.
    """
    ready: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    worker = threading.Thread(target=_produce, args=(iterator, ready, stop), name="watchkeeper-prefetch", daemon=True)
    worker.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        _end(worker, ready, stop)


def _produce(iterator: Iterator[T], ready: queue.Queue[T | _End], stop: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in iterator:
            ready.put(item)
            if stop.is_set():
                break
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
    except BaseException as caught:  # passed on to the consumer, whatever it is
        error = caught
    if not stop.is_set():
        ready.put(_End(error))


def _end(worker: threading.Thread, ready: queue.Queue[T | _End], stop: threading.Event) -> None:
    """Stop ``worker`` and wait for it; emptying the queue frees a put that waits for room."""
    stop.set()
    while worker.is_alive():
        while not ready.empty():
            ready.get_nowait()
        worker.join(timeout=0.01)
