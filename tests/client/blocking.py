"""A program that logs from an asyncio loop, and prints what its loop's thread did that may block."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path

from watchkeeper.client.logger import Logger
from watchkeeper.client.settings import Settings

WATCHED = ("open", "socket.", "os.", "shutil.", "subprocess.", "sqlite3.", "time.sleep", "fcntl.", "http.", "urllib.")


def main(url: str, spool: str, block: str) -> None:
    loops, seen = threading.get_ident(), []
    log = Logger("late-flights", "3", url=url, key="wk_test", settings=Settings(spool=spool, queue_rows=2_000))
    log.prediction({"x": 0}, 1)  # whatever is done once only
    watching = False

    def hook(event: str, args: tuple[object, ...]) -> None:
        if watching and threading.get_ident() == loops and event.startswith(WATCHED):
            seen.append(f"{event} {args!r}"[:200])

    sys.addaudithook(hook)

    @log.observe
    async def predict(features: dict[str, object]) -> int:
        await asyncio.sleep(0)
        return 1

    async def serve() -> None:
        nonlocal watching
        watching = True
        for place in range(5_000):  # more than the queue holds: full or not, a call returns at once
            identity = log.prediction({"place": place}, 1)
            log.label(identity, 1)
            await predict({"place": place})
            if block == "yes" and place == 100:
                log.flush(0.1)
                Path(__file__).read_bytes()  # what this test must catch
        watching = False

    asyncio.run(serve())
    print(
        json.dumps({"seen": seen, "logged": log.stats.logged, "dropped": sum(log.stats.dropped.values())}), flush=True
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
