"""Large answers, piece by piece: the next is made when the one before has been sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from watchkeeper.server.limits import Lane


class Streamed(StreamingResponse):
    """An answer from an iterator of bytes, all made in one and the same thread, which ends however the answer ends.

    Made by :meth:`begin`, which makes the first piece, so that what fails at once is still told as a problem.
    """

    _thread: ThreadPoolExecutor
    _pieces: Iterator[bytes]

    @classmethod
    async def begin(cls, lane: Lane, pieces: Iterator[bytes], media_type: str) -> Streamed:
        """Make the first piece, and return the answer."""
        thread = ThreadPoolExecutor(1, "watchkeeper-stream")
        try:
            first = await _next(lane, thread, pieces)
        except BaseException:
            _end(thread, pieces)
            raise
        made = cls(_rest(lane, thread, pieces, first), media_type=media_type)
        made._thread, made._pieces = thread, pieces
        return made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            _end(self._thread, self._pieces)


async def _rest(
    lane: Lane, thread: ThreadPoolExecutor, pieces: Iterator[bytes], first: bytes | None
) -> AsyncIterator[bytes]:
    piece = first
    while piece is not None:
        yield piece
        piece = await _next(lane, thread, pieces)


async def _next(lane: Lane, thread: ThreadPoolExecutor, pieces: Iterator[bytes]) -> bytes | None:
    async with lane.turn():
        return await asyncio.get_running_loop().run_in_executor(thread, next, pieces, None)


def _end(thread: ThreadPoolExecutor, pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        with contextlib.suppress(RuntimeError):  # the interpreter is ending
            thread.submit(close)
    thread.shutdown(wait=False)
