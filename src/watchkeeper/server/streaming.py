"""Large answers, piece by piece: the next is made when the one before has been sent."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from watchkeeper.server.limits import Lane


class Streamed(StreamingResponse):
    """An answer from an iterator of bytes, which is closed however the answer ends.

    Made by :meth:`begin`, which makes the first piece, so that what fails at once is still told as a problem.
    """

    _end: Callable[[], None]

    @classmethod
    async def begin(
        cls, lane: Lane, pieces: Iterator[bytes], media_type: str, done: Callable[[], None] | None = None
    ) -> Streamed:
        """Make the first piece in a thread of ``lane``, and return the answer; ``done`` is called at its end, once.

        Where all was made it is called before the last bytes go out: who has read the answer to its end may ask again at once.
        """
        left = [done] if done else []

        def over(*_: object) -> None:
            while left:
                left.pop()()

        def end() -> None:
            lane.post(functools.partial(_close, pieces)).add_done_callback(over)

        try:
            first = await lane.run(functools.partial(next, pieces, None), begun=True)
        except BaseException:
            end()
            raise
        made = cls(_rest(lane, pieces, first, over), media_type=media_type)
        made._end = end
        return made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


async def _rest(
    lane: Lane, pieces: Iterator[bytes], first: bytes | None, over: Callable[[], None]
) -> AsyncIterator[bytes]:
    piece = first
    while piece is not None:
        yield piece
        piece = await lane.run(functools.partial(next, pieces, None), begun=True)
    over()


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
