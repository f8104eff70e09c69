"""What a service holds: it takes predictions and labels, and never raises, blocks or forgets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from watchkeeper.client import lifetime, tables
from watchkeeper.client.batch import Row
from watchkeeper.client.complaints import Complaints
from watchkeeper.client.courier import Courier
from watchkeeper.client.ids import LATEST_MS
from watchkeeper.client.moments import moment, now
from watchkeeper.client.observe import Options, observed
from watchkeeper.client.plan import Watched, make
from watchkeeper.client.serving import Serving
from watchkeeper.client.settings import Settings
from watchkeeper.client.stats import Stats
from watchkeeper.client.values import Snapshot
from watchkeeper.errors import InputError

_SCALARS = frozenset({int, float, str, bool, type(None)})
_ns = time.time_ns
LONG = 1024  # characters of a text, and features of a row, from which a row is looked at more closely
MOST_ID = 256
ELEVEN_DIGITS = 16**10, 16**11  # milliseconds since 1970 from 2004 to 2527, which need no padding to twelve but a 0


class Logger:
    """Hands predictions and labels to a server, from inside the service that makes them.

    Once it is made nothing ever raises into the service or blocks it: rows gather in memory and a thread sends them; while the
    server is away they wait on disk; what has to be given up is counted (:attr:`stats`) and said once a minute through
    ``logging.getLogger("watchkeeper")``. Threads, forks, signal handlers and event loops may all use one logger.

    Parameters
    ----------
    model
        The model's name.
    version
        Its version; a row may name another.
    url, key
        The server and the key. None: ``WATCHKEEPER_URL`` and ``WATCHKEEPER_KEY``.
    environment, stage
        Where it runs; ``stage`` is ``serving``, ``shadow`` or ``canary``.
    settings
        Tuning; None: the defaults.

    Raises
    ------
    InputError
        When it is made, and only then: the model has no name, the stage is none of the three, or rows are to survive the
        process (``durability="disk"``) and the spool cannot be written. A server that is away, a wrong ``url`` or key never
        raise: rows wait on disk, and it is said at once.

    Examples
    --------
    >>> import watchkeeper as wk
    >>> log = wk.Logger("late-flights", version="3", key="wk_...")  # doctest: +SKIP
    >>> id = log.prediction({"distance": 733, "carrier": "UA"}, prediction=1, score=0.83)  # doctest: +SKIP
    >>> log.label(id, 1)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str,
        version: str | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        environment: str = "production",
        stage: str = "serving",
        settings: Settings | None = None,
    ) -> None:
        named = None if version is None else str(version)
        watched = Watched(model=str(model), version=named, environment=str(environment), stage=str(stage))
        self._complaints = Complaints()
        self._plan = make(watched, url, key, settings or Settings())
        for fault in self._plan.faults:
            self._complaints.say(fault, fault)
        self._serving = Serving(self._plan)
        self.renew()
        try:
            self._courier.check_spool()
        except OSError as error:
            why = (
                f"cannot be written ({error}), and durability='disk' keeps rows there: say spool= of a folder that can."
            )
            raise InputError(f"The spool {self._plan.spool} {why}") from error
        lifetime.remember(self)

    def prediction(
        self,
        features: Mapping[str, object],
        prediction: object = None,
        score: object = None,
        *,
        timestamp: object = None,
        latency: float | None = None,
        version: str | None = None,
        segments: Mapping[str, object] | None = None,
        id: object = None,  # noqa: A002 - the word that users type
    ) -> str:
        """Log one prediction, and return the id that its label needs.

        Parameters
        ----------
        features
            Name to value: null, a boolean, a number, a text, a list of numbers. A copy is taken now. Anything else is
            turned into text; texts are cut at 16 KiB.
        prediction
            The predicted class or number.
        score
            The probability of the positive class, or probabilities by class.
        timestamp
            When it was made: a ``datetime`` (a naive one by the local clock), ISO 8601, or a number since 1970. None: now.
        latency
            Seconds it took.
        version
            The version that made it, where it is not the logger's.
        segments
            What is not among the features but should be told apart.
        id
            An id of your own, 256 characters at most; give its label ``prediction_time``. None: one is made, which
            carries the time.
        """
        try:
            plain = timestamp is None and id is None and segments is None and version is None
            if plain and self._quick and type(features) is dict:
                copy = dict(features)
                for value in copy.values():
                    kind = type(value)
                    if (
                        kind is not float
                        and kind is not int
                        and (kind is not str or len(value) > LONG)
                        and value is not None
                        and value is not True
                        and value is not False
                    ):
                        break
                else:
                    timed = latency is None or type(latency) is float
                    if timed and len(copy) <= LONG and type(score) in _SCALARS and type(prediction) in _SCALARS:
                        ns, intake = _ns(), self._intake
                        made = "w0%x%s%x" % (ns // 1000000, self._middle, self._count())  # noqa: UP031 - faster
                        if len(intake.queue) < intake.wake_at or intake.admit():
                            intake.queue.append((None, made, ns, copy, prediction, score, latency))
                        return made
            about = {"prediction": prediction, "score": score, "latency": latency, "segments": segments}
            return self._row(features, about, (timestamp, version, id))
        except Exception as error:  # never into the host
            return self._fault(error)

    def predictions(self, table: object, *, id: str = "id", timestamp: str = "timestamp") -> list[str]:  # noqa: A002
        """Log a table of predictions, and return the ids of its rows.

        Parameters
        ----------
        table
            Anything that exports Arrow (pandas, Polars, pyarrow), or a mapping of name to values. The columns are those
            that the version's schema names, else ``prediction``, ``score``, ``latency``; the others are features.
        id, timestamp
            The columns with the ids and times. Where there is none of that name, one is added: ids made here, and now. A
            version whose ids are in a column of its own needs its name here, for the ids returned are those that labels
            must have; one whose times are has them read without. Times without an offset are in the zone of the version's
            schema, or UTC.
        """
        names = {"id": id, "timestamp": timestamp}
        return self._table(
            lambda: tables.predictions(table, names, self._intake.mint), self._plan.predictions(self._plan.version)
        )

    def label(
        self,
        id: object,  # noqa: A002
        label: object,
        timestamp: object = None,
        prediction_time: object = None,
    ) -> None:
        """Log what turned out to be true.

        Parameters
        ----------
        id
            What :meth:`prediction` returned, or your own.
        label
            The class or number.
        timestamp
            When it became known. None: now.
        prediction_time
            When the prediction was made: helps to find it under an id of your own.
        """
        try:
            snapshot = Snapshot()
            row: Row = {"id": snapshot.text(id)[:MOST_ID], "label": snapshot.scalar(label)}
            row["timestamp"] = _moment(timestamp, snapshot)[1]
            if prediction_time is not None:
                row["prediction_time"] = _moment(prediction_time, snapshot)[1]
            self._take(self._plan.labels(), row, snapshot)
        except Exception as error:  # never into the host
            self._fault(error)

    def labels(self, table: object) -> None:
        """Log a table of labels with the columns ``id``, ``label``, and perhaps ``timestamp``, ``prediction_time``."""
        self._table(lambda: tables.labels(table), self._plan.labels())

    def observe(self, function: Callable[..., Any] | None = None, *, features: Any = None, output: Any = None) -> Any:
        """Log every call of a function, plain or ``async``: inputs, output, seconds, and the error where it fails.

        The function gets and returns what it would without, and its exceptions pass unchanged.

        Parameters
        ----------
        function
            The function; absent in ``@log.observe(...)``.
        features
            Is called with the function's arguments and returns a mapping, a list of mappings or a table. None: the first
            argument where it is one of these, else all arguments by name.
        output
            Is called with what the function returns, and returns what of it to log. None: all of it, which is a number,
            text or boolean (the prediction); a pair (prediction, score); a mapping with ``prediction``, ``score``,
            ``id``; or for several rows a list or array of these.
        """
        options = Options(features, output)
        if function is None:
            return lambda it: observed(self, it, options)
        return observed(self, function, options)

    def serving_version(self) -> str | None:
        """Return the version that should serve, as the server said within the last half minute or when it last answered.

        Waits for half a second the first time. Where the server has never answered it is the logger's own.
        """
        try:
            return self._serving.version()
        except Exception as error:  # never into the host
            self._fault(error)
            return self._plan.version

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that was logged is delivered, ``timeout`` seconds at most; return whether it is.

        False too where the server has refused whole batches for good since the last call; ``stats`` says how many rows.
        """
        try:
            return self._courier.flush(timeout)
        except Exception as error:  # never into the host
            self._fault(error)
            return False

    def close(self) -> None:
        """Deliver what there is within ``exit_budget`` seconds and keep the rest on disk; later rows are refused."""
        try:
            self.finish(time.monotonic() + self._plan.settings.exit_budget)
        except Exception as error:  # never into the host
            self._fault(error)

    @property
    def stats(self) -> Stats:
        """What became of the rows so far."""
        return self._courier.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def exit_budget(self) -> float:
        """Seconds by which the exit of the process may be delayed."""
        return self._plan.settings.exit_budget

    def call(self, features: Any, about: Row) -> None:
        """Log a call of an observed function."""
        if about.keys() <= {"prediction", "score", "latency"}:
            self.prediction(features, about.get("prediction"), about.get("score"), latency=about["latency"])
        else:
            self._row(features, about, (None, None, about.pop("id", None)))

    def unreadable(self) -> None:
        """Count something that could not be read."""
        self._intake.flaws.append((0, 1))

    def finish(self, end: float) -> None:
        """Close by ``end`` (monotonic seconds); the exit of the process asks for this."""
        lifetime.dismiss(self)
        self._courier.finish(end)

    def renew(self) -> None:
        """Begin anew with nothing in hand, in a process that was just made or forked."""
        self._courier = Courier(self._plan, self._complaints)
        self._intake = self._courier.intake
        self._middle, self._count = self._intake.mint.middle, self._intake.mint.count
        self._quick = self._plan.settings.durability == "memory" and ELEVEN_DIGITS[0] <= now()[0] < ELEVEN_DIGITS[1]

    def after_fork(self) -> None:
        """In a forked child: leave to the parent what is the parent's, and begin anew."""
        inherited, closed = self._courier, self._intake.closed
        self._complaints = Complaints()
        self._serving = Serving(self._plan)
        self.renew()
        inherited.forget()
        if closed:
            self._intake.closed, self._intake.wake_at = True, -1

    def _row(self, features: Any, about: Row, given: tuple[object, object, object]) -> str:
        """Log a row of which any part may be anything; ``given`` are its time, version and id."""
        timestamp, version, own = given
        snapshot = Snapshot()
        ms, when = _moment(timestamp, snapshot)
        made = self._intake.mint.at(ms) if own is None else snapshot.text(own)[:MOST_ID]
        row: Row = {"id": made, "timestamp": when, "features": snapshot.features(features)}
        for name, value in about.items():
            if value is not None:
                row[name] = snapshot.score(value) if name in {"score", "segments"} else snapshot.scalar(value)
        named = self._plan.version if version is None else snapshot.text(version)
        self._take(self._plan.predictions(named), row, snapshot)
        return made

    def _take(self, target: str, row: Row, snapshot: Snapshot) -> None:
        if snapshot.cut or snapshot.unreadable:
            self._intake.flaws.append((snapshot.cut, snapshot.unreadable))
        self._courier.take(target, row, snapshot.bytes if snapshot.bytes > 8 * LONG else 0)

    def _table(self, read: Callable[[], tables.Slices], target: str) -> list[str]:
        try:
            found = read()
            for slice_ in found.slices:
                self._courier.hand_over(target, slice_.body, slice_.rows)
            return found.ids
        except Exception as error:  # never into the host
            self._fault(error)
            return []

    def _fault(self, error: Exception) -> str:
        """Count a row that could not be taken, and return an id nevertheless."""
        self._intake.lose(f"unreadable ({type(error).__name__})")
        return self._intake.mint.at(now()[0])


def _moment(value: object, snapshot: Snapshot) -> tuple[int, Any]:
    """Return milliseconds for the id, and the time for the wire: what is no time goes as text, for the server to say so."""
    if value is None:
        return now()
    try:
        ms, wire = moment(value)
        return min(max(ms, 0), LATEST_MS), wire
    except Exception:  # whatever a user's object raises
        return now()[0], snapshot.text(value) or "?"
