"""What a process used of its machine, as it goes with a batch of predictions: to disk, over the wire, into the server."""

from __future__ import annotations

from dataclasses import dataclass

CPU_HEADER, RSS_HEADER = "Watchkeeper-Cpu-Seconds", "Watchkeeper-Rss-Bytes"
_MOST_CPU, _MOST_RSS = 1e8, 2.0**50  # a thousand cores for a day, and a petabyte: what is beyond was never measured
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds since the batch before, in all threads, and bytes in memory now; None for what is not known."""

    cpu_seconds: float | None = None
    rss_bytes: float | None = None

    @classmethod
    def read(cls, cpu_seconds: object, rss_bytes: object) -> Usage | None:
        """Return what numbers or texts from outside say; what cannot be true is taken as not said."""
        cpu, rss = _plausible(cpu_seconds, _MOST_CPU), _plausible(rss_bytes, _MOST_RSS)
        return None if cpu is None and rss is None else cls(cpu, rss)

    def told(self) -> dict[str, float]:
        """Return what is known by name, as it lies on disk."""
        known = {"cpu_seconds": self.cpu_seconds, "rss_bytes": self.rss_bytes}
        return {name: value for name, value in known.items() if value is not None}

    def headers(self) -> dict[str, str]:
        """Return the headers of a request that carries the batch."""
        names = {"cpu_seconds": CPU_HEADER, "rss_bytes": RSS_HEADER}
        return {names[name]: repr(value) for name, value in self.told().items()}


def _plausible(value: object, most: float) -> float | None:
    if not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > _LONGEST):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= most else None  # NaN is neither
