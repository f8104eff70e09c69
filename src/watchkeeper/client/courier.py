"""Carries batches to the server, or to disk while it is away: one thread for each process and logger."""

from __future__ import annotations

import _thread
import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from watchkeeper.client.batch import ARROW, Batch, Row, line
from watchkeeper.client.complaints import Complaints
from watchkeeper.client.intake import Intake
from watchkeeper.client.journal import Journal
from watchkeeper.client.meter import MEASURES, Meter
from watchkeeper.client.packing import ROW_COST, Packer
from watchkeeper.client.patience import BARRED, FOREVER, Patience, trouble
from watchkeeper.client.plan import Plan
from watchkeeper.client.spool import Full, Spool
from watchkeeper.client.stats import Stats, Tally
from watchkeeper.client.wire import Line, Reply

ADOPT_EVERY, DISK_AGAIN = 60.0, 3.0
MOST_WAITING = 8 * 2**20


class Gone(Exception):
    """Somebody else has taken over what the thread had."""


@dataclass(slots=True)
class Ticket:
    """Somebody who waits until everything is delivered."""

    end: float
    lock: _thread.LockType = field(default_factory=_thread.allocate_lock)
    tried: bool = False
    delivered: bool = False


class Courier:
    """What one logger owns in one process; a forked child makes itself another.

    The thread works under one lock, which it lets go while it waits for the server or for rows; whoever takes it then
    finds everything in order.

    Attributes
    ----------
    intake, journal
        Where rows come in: through memory, or through a file.
    thread
        The thread's identity; 0 until it runs.
    """

    def __init__(self, plan: Plan, complaints: Complaints) -> None:
        self._plan, self._complaints, self._tally = plan, complaints, Tally()
        self.intake = Intake(plan.settings, self._start, self.nudge)
        meter = Meter() if plan.settings.process_metrics and MEASURES else None
        self._packer = Packer(self.intake, plan, self._tally, meter)
        self._spool = Spool(plan.spool, plan.settings.spool_bytes, self._tally)
        self.journal = Journal(self._spool, self._packer.batch_id, plan.settings.batch_rows, meter)
        self._line = (
            Line(plan.address, plan.key, self._meanwhile, plan.settings.flush_interval) if plan.address else None
        )
        self._patience = Patience()
        self._waiting: deque[Batch] = deque()
        self._tickets: deque[Ticket] = deque()
        self._wake, self._work = _thread.allocate_lock(), _thread.allocate_lock()
        self._wake.acquire()
        self._next_adoption = self._disk_again = 0.0
        self._refused_before = 0
        self._next_cut = time.monotonic() + plan.settings.flush_interval
        self._end: float | None = None
        self._disk_fault: OSError | None = None
        self._disk_down = ""
        self.thread = 0

    def check_spool(self) -> None:
        """Make sure that rows can survive the process, where they are to; raises OSError."""
        if self._plan.settings.durability == "disk":
            self._spool.check()

    def nudge(self) -> None:
        """Wake the thread."""
        with contextlib.suppress(RuntimeError):  # it is awake
            self._wake.release()

    def take(self, target: str, row: Row, size: int = 0) -> None:
        """Take a row that is plain already; where rows are to survive the process, it is on disk afterwards."""
        if self._plan.settings.durability == "memory" or self.intake.closed or not self._append(target, row):
            self.intake.take(target, row, size)

    def hand_over(self, target: str, body: bytes, rows: int) -> None:
        """Take a batch of a table; waits for room in memory as long as a request may take, then it is lost."""
        batch = Batch(self._packer.batch_id(), target, body, rows, ARROW)
        end = time.monotonic() + self._plan.settings.deadline
        while not self.intake.submit(batch):
            if self.intake.closed or time.monotonic() >= end:
                self.intake.lose("closed" if self.intake.closed else "queue full", rows)
                return
            time.sleep(0.005)

    def flush(self, timeout: float) -> bool:
        """Wait until everything handed in so far is delivered; whether it was in time, and nothing refused since the last."""
        if _thread.get_ident() == self.thread or self.intake.closed:
            return False
        self.intake.begin()
        ticket = Ticket(time.monotonic() + timeout)
        ticket.lock.acquire()
        self._tickets.append(ticket)
        self.nudge()
        ticket.lock.acquire(timeout=max(0.0, timeout))
        return ticket.delivered

    def finish(self, end: float) -> bool:
        """Deliver until shortly before ``end`` (monotonic seconds), then put on disk what is left; whether nothing was."""
        if self.intake.closed:
            return False
        self._end = end - min(0.3, max(0.0, end - time.monotonic()) / 4)
        delivered = bool(self.intake.wake_at) and self.flush(self._end - time.monotonic())
        self.intake.closed = True
        self.intake.wake_at = -1  # from now on every row has to ask
        self.nudge()
        if self._work.acquire(timeout=max(0.1, end - time.monotonic())):
            with contextlib.suppress(Exception):
                self._cut()
                self._store()
            self._leave()
            self._work.release()
        return delivered

    def stats(self) -> Stats:
        """Return the counters as they are now."""
        held = self._work.acquire(timeout=1.0)
        try:
            self._count()
            here = self.intake.waiting() + self.journal.rows
            tally, waiting = self._tally, sum(batch.rows for batch in self._waiting)
            return Stats(
                logged=tally.taken + here,
                adopted=tally.adopted,
                delivered=tally.delivered,
                quarantined=tally.quarantined,
                refused=tally.refused,
                spooled=self._spool.rows,
                pending=here + waiting,
                dropped={reason: rows for reason, rows in tally.dropped.items() if rows},
                cut=tally.cut,
                unreadable=tally.unreadable,
                retries=tally.retries,
                last_error=tally.last_error,
            )
        finally:
            if held:
                self._work.release()

    def forget(self) -> None:
        """In a forked child: let go of everything that belongs to the parent."""
        if self._line is not None:
            self._line.forget()
        self.journal.forget()
        self._spool.forget()

    def _append(self, target: str, row: Row) -> bool:
        """Write a row to the journal; whether it is dealt with."""
        text = line(row)
        self.intake.begin()
        try:
            if text is None:
                self.intake.lose("too large")
            else:
                self.journal.append(target, text)
        except Full:
            self.intake.lose("spool full")
        except OSError as error:
            self._disk_fault = error
            return False
        self._disk_down = ""
        return True

    def _start(self) -> None:
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError as error:  # the process ends, or may have no more threads
            self._trouble(
                "thread", f"Watchkeeper cannot start its thread ({error}); rows go to disk when the process ends."
            )

    def _run(self) -> None:
        self.thread = _thread.get_ident()
        with contextlib.suppress(Gone):
            while not self.intake.closed:
                self._wake.acquire(timeout=self._idle())
                with self._work:
                    self._turn()

    def _idle(self) -> float:
        """Return for how long there is nothing to do."""
        now = time.monotonic()
        until_cut = max(0.0, self._next_cut - now)
        if len(self._spool) or self._waiting:
            return min(until_cut, max(self._patience.wait(awaited=bool(self._tickets)), 0.0 if self._line else 1.0))
        return until_cut

    def _turn(self) -> None:
        try:
            tickets = [self._tickets.popleft() for _ in range(len(self._tickets))]
            self._next_cut = time.monotonic() + self._plan.settings.flush_interval
            self._check()
            self._adopt()
            self._cut()
            if not self._patience.wait(awaited=bool(tickets)) or (
                self._patience.may_hurry() and not all(t.tried for t in tickets)
            ):
                self._deliver()
            if (
                self._patience.wait()
                or sum(len(batch.body) for batch in self._waiting) > MOST_WAITING
                or not self._line
            ):
                self._store()
            self._answer(tickets)
        except Gone:
            raise
        except Exception as error:  # nothing may end the thread
            self._next_cut = time.monotonic() + 1.0
            self._trouble(
                "courier", f"Watchkeeper's client has met a fault of its own: {type(error).__name__}: {error}"
            )

    def _adopt(self) -> None:
        if time.monotonic() >= self._next_adoption:
            self._next_adoption = time.monotonic() + ADOPT_EVERY
            with self._disk():
                self._spool.adopt()

    def _check(self) -> None:
        if self.intake.closed:
            raise Gone

    def _answer(self, tickets: list[Ticket]) -> None:
        done, refused = not (len(self._spool) or self._waiting), self._tally.refused
        fine = done and refused == self._refused_before
        for ticket in tickets:
            ticket.tried, ticket.delivered = True, fine
            if done or time.monotonic() >= ticket.end:
                self._refused_before = refused
                ticket.lock.release()
            else:
                self._tickets.append(ticket)

    def _count(self) -> None:
        """Take over what threads of the host have noted."""
        for reason, rows in self.intake.losses().items():
            self._tally.taken += rows
            self._drop(rows, reason)
        if self._disk_fault is not None:
            self._refused_by_disk(self._disk_fault)
            self._disk_fault = None
        for _ in range(len(self.intake.flaws)):
            cut, unreadable = self.intake.flaws.popleft()
            self._tally.cut += cut
            self._tally.unreadable += unreadable

    def _cut(self) -> None:
        """Make batches of what has gathered."""
        self._count()
        for path, rows in self.journal.harvest():
            self._tally.taken += rows
            self._spool.enlist(path, rows)
        self._waiting.extend(self._packer.batches())

    def _deliver(self) -> None:
        """Send the oldest first, until all is sent, the server will not have it, or it is time to cut again."""
        while self._line is not None and (len(self._spool) or self._waiting):
            if len(self._spool) and self._waiting:
                self._store()
            batch = None
            with self._disk():
                batch = self._spool.first()
            batch = batch or next(iter(self._waiting), None)
            if batch is None or not self._send(self._line, batch):
                return
            if time.monotonic() >= self._next_cut or len(self.intake.queue) >= self.intake.wake_at:
                return

    def _send(self, connection: Line, batch: Batch) -> bool:
        """Send a batch; whether it is dealt with."""
        headers = {"Content-Type": batch.content_type, "Idempotency-Key": batch.id, "Accept": "application/json"}
        headers |= batch.usage.headers() if batch.usage is not None else {}
        seconds = self._plan.settings.deadline
        if self._end is not None:
            seconds = min(seconds, max(0.01, self._end - time.monotonic()))
        self._work.release()
        try:
            reply = connection.ask(("POST", batch.target), headers, batch.body, seconds)
        finally:
            self._work.acquire()
        self._check()
        if 200 <= reply.status < 300 and _receipt(reply):
            return self._delivered(reply, batch)
        if reply.status in FOREVER:
            return self._refused(reply, batch)
        self._tally.retries += 1
        self._patience.failed(reply)
        if reply.status == 404 and batch.target.startswith("labels") and len(self._spool) + len(self._waiting) > 1:
            self._put_last(batch)
        again = " They are tried again about once a minute." if reply.status in BARRED else ""
        self._trouble(f"server {reply.status}", f"{trouble(reply)} {self._disk_down or 'Rows are kept.'}{again}")
        return False

    def _delivered(self, reply: Reply, batch: Batch) -> bool:
        self._patience.succeeded()
        rejected = reply.said.get("rejected")
        bad = min(rejected, batch.rows) if isinstance(rejected, int) else 0
        self._tally.delivered += batch.rows - bad
        self._tally.quarantined += bad
        if bad:
            listed = reply.said.get("quarantined")
            first = listed[0] if isinstance(listed, list) and listed else ""
            self._complaints.say("quarantine", f"The server has refused {bad} of {batch.rows} rows, the first: {first}")
        self._discard(batch)
        return True

    def _put_last(self, batch: Batch) -> None:
        """Have labels of a model that is not there yet wait behind what may hold its first predictions."""
        try:
            self._spool.put(replace(batch, id=self._packer.batch_id()))
        except (Full, OSError):
            return
        self._discard(batch)

    def _discard(self, batch: Batch) -> None:
        """Forget a batch, wherever it is by now."""
        if self._waiting and self._waiting[0] is batch:
            self._waiting.popleft()
        else:
            with self._disk():
                self._spool.remove(batch.id)

    def _meanwhile(self) -> None:
        """Put rows on disk while the server keeps us waiting, for what is in memory dies with the process."""
        with self._work:
            self._check()
            self._next_cut = time.monotonic() + self._plan.settings.flush_interval
            self._cut()
            self._store()

    def _refused(self, reply: Reply, batch: Batch) -> bool:
        self._patience.succeeded()
        self._tally.refused += batch.rows
        self._discard(batch)
        with self._disk():
            self._spool.set_aside(batch, "refused")
        self._trouble("refused", trouble(reply) + " These rows are set aside and not sent again.")
        return True

    def _store(self) -> None:
        """Put on disk what waits in memory; keep a bounded part of it there where the disk refuses."""
        while self._waiting and (time.monotonic() >= self._disk_again or self.intake.closed):
            try:
                self._spool.put(self._waiting[0])
                self._disk_down = ""
            except Full:
                self._drop(self._waiting[0].rows, "spool full")
            except OSError as error:
                self._refused_by_disk(error)
                break
            self._waiting.popleft()
        most = self._plan.settings.queue_bytes // ROW_COST
        while sum(len(batch.body) for batch in self._waiting) > most:
            self._drop(self._waiting.pop().rows, "memory full")

    def _leave(self) -> None:
        """Let go of everything; what is in memory still is lost."""
        for batch in self._waiting:
            self._drop(batch.rows, "exit")
        self._waiting.clear()
        with contextlib.suppress(OSError):
            self._spool.close()
        if self._line is not None:
            self._line.close()

    def _drop(self, rows: int, reason: str) -> None:
        self._tally.dropped[reason] += rows
        said = f"Watchkeeper has dropped {self._tally.dropped[reason]} rows so far: {reason}."
        self._complaints.say(reason, said)

    def _trouble(self, cause: str, sentence: str) -> None:
        self._tally.last_error = sentence
        self._complaints.say(cause, sentence)

    def _refused_by_disk(self, error: OSError) -> None:
        self._disk_again = time.monotonic() + DISK_AGAIN
        lost = ", and are lost with the process" if self._plan.settings.durability == "disk" else ""
        self._disk_down = f"The spool cannot be used ({error}); rows wait in memory{lost}."
        self._trouble("spool", self._disk_down)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Say what the disk refuses, and go on."""
        try:
            yield
        except OSError as error:
            self._refused_by_disk(error)


def _receipt(reply: Reply) -> bool:
    """Whether a reply says that the batch is stored, and does not come from some other server."""
    return not {"batch", "rows", "accepted"}.isdisjoint(reply.said)
