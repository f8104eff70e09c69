"""Host processes of several kinds, run as ``python child.py WHAT URL SPOOL [option...]``; they tell what they did as JSON."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from watchkeeper.client import lifetime
from watchkeeper.client.logger import Logger
from watchkeeper.client.settings import Settings

WATCHDOG = 5.0
_, WHAT, URL, SPOOL, *OPTIONS = sys.argv


def make(**settings: Any) -> Logger:
    return Logger("late-flights", "3", url=URL, key="wk_test", settings=Settings(**{"spool": SPOOL, **settings}))


def tell(**said: Any) -> None:
    print(json.dumps({"at": time.monotonic(), **said}), flush=True)


def wait_for(children: list[int]) -> int:
    """Return how many children had to be killed."""
    hung, end = 0, time.monotonic() + WATCHDOG
    for child in children:
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                hung += 1
                break
            time.sleep(0.002)
    return hung


def fork(log: Logger, rows: int) -> int:
    child = os.fork()
    if child:
        return child
    ids = [log.prediction({"child": os.getpid(), "place": place}, 1) for place in range(rows)]
    (Path(SPOOL) / f"ids-{os.getpid()}").write_text("\n".join(ids))
    log.close()
    os._exit(0)


def forks() -> None:
    """Fork children, each of which logs, while four threads log too."""
    log, stop, ids = make(flush_interval=0.05), threading.Event(), deque()
    ids.append(log.prediction({"parent": "first"}, 1))
    log.flush()

    def busy() -> None:
        while not stop.wait(0.002):
            ids.extend([log.prediction({"parent": True, "place": place}, 1) for place in range(5)])

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    children, hung = [], 0
    for _ in range(int(OPTIONS[0])):
        children.append(fork(log, 20))
        if len(children) == 5:
            hung += wait_for(children)
            children = []
    hung += wait_for(children)
    stop.set()
    for thread in threads:
        thread.join()
    (Path(SPOOL) / "ids-parent").write_text("\n".join(ids))
    log.close()
    tell(hung=hung, rows=len(ids))


LOCKS = (type(threading.Lock()), type(threading.RLock()))


def locks() -> list[Any]:
    """Return every lock that is reachable from the client's modules and objects through objects of its own."""
    found, seen = [], set()
    todo: list[Any] = [m for name, m in sys.modules.items() if name.startswith("watchkeeper.client")]
    todo = [value for module in todo for value in vars(module).values()]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, LOCKS):
            found.append(thing)
        elif isinstance(thing, dict | list | tuple | deque | set) or (
            type(thing).__module__.startswith("watchkeeper") and not isinstance(thing, type)
        ):
            todo += gc.get_referents(thing)
            todo += [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
    return found


def held_locks() -> None:
    """For every lock: another thread holds it while this one forks; the child has to get along."""
    log = make(flush_interval=0.05, exit_budget=0.5, durability=OPTIONS[1])
    log.prediction({"parent": 1}, 1)
    log.flush()
    every, hung = locks(), 0
    for lock in every:
        held, done = threading.Event(), threading.Event()

        def hold(lock: Any = lock, held: threading.Event = held, done: threading.Event = done) -> None:
            got = lock.acquire(timeout=0.5)
            held.set()
            done.wait()
            if got:
                lock.release()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = fork(log, 3)
        hung += wait_for([child])
        done.set()
        thread.join()
    log.close()
    tell(hung=hung, locks=len(every))


def ends() -> None:
    """Log rows and end in the way that is asked for."""
    log = make()
    ids = [log.prediction({"place": place}, 1) for place in range(500)]
    tell(ids=ids)
    way = OPTIONS[0]
    if way == "thread":
        threading.Thread(target=sys.exit).start()
    elif way == "exception":
        raise RuntimeError("as asked")
    elif way == "terminated":
        time.sleep(1.5)
        tell()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)


def killed() -> None:
    """Log rows to disk and die at once, telling each id when its call has returned."""
    log = make(durability="disk", batch_rows=100)
    for place in range(10_000):
        sys.stdout.write(log.prediction({"place": place}, 1) + "\n")
        if place == int(OPTIONS[0]):
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def signals() -> None:
    """Log from a signal handler that lands inside calls of the same logger."""
    log, seen = make(durability=OPTIONS[0]), [0]

    def handler(number: int, frame: object) -> None:
        seen[0] += 1
        log.prediction({"in": "handler"}, 1)

    signal.signal(signal.SIGALRM, handler)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    rows, end = 0, time.monotonic() + 20
    while seen[0] < int(OPTIONS[1]) and time.monotonic() < end:
        log.prediction({"in": "main"}, 1)
        rows += 1
        if rows % 500 == 0:
            log.flush(5)
    signal.setitimer(signal.ITIMER_REAL, 0)
    kept = before == {number: signal.getsignal(number) for number in before}
    log.flush(20)
    log.close()
    tell(logged=rows + seen[0], handled=seen[0], kept=kept, dropped=dict(log.stats.dropped))


def away() -> None:
    """Log for ten simulated minutes at 1,000 rows a second while the server is away; then wait for it to come back."""
    seconds, features = int(OPTIONS[0]), {f"f{place}": place * 0.37 for place in range(10)}
    log = make(flush_interval=0.05, spool_bytes=2**30)
    log.prediction(features)
    log.flush(0.1)
    gc.collect()
    before, most = memory(), 0
    for _ in range(seconds):
        for _ in range(1000):
            log.prediction(features, 1)
        most = max(most, memory())
        while log.stats.pending > 20_000:
            time.sleep(0.005)
    tell(grown=(most - before) / 2**20, rows=seconds * 1000 + 1, spooled=log.stats.spooled)
    sys.stdin.readline()
    delivered = log.flush(60)
    stats = log.stats
    tell(
        delivered=delivered,
        stats=[stats.logged, stats.delivered, stats.spooled, stats.pending],
        dropped=dict(stats.dropped),
    )


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    if "broken" in OPTIONS:
        lifetime.begin_anew = lambda: None
    {
        "forks": forks,
        "locks": held_locks,
        "ends": ends,
        "killed": killed,
        "signals": signals,
        "away": away,
    }[WHAT]()
