"""A piece of Python in a process of its own: how long it took, and how much memory it had at most."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass

# The peak is the kernel's own for this program; getrusage would count what the parent had before the program began.
_WRAP = """
import json, sys, time
{before}
start = time.perf_counter()
{code}
wall = time.perf_counter() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([wall, int(status["VmHWM"].split()[0]) / 1024]), file=sys.stderr)
"""


@dataclass(frozen=True)
class Cost:
    """Median seconds, and the greatest peak of memory in megabytes."""

    seconds: float
    megabytes: float


def run(code: str, before: str = "pass") -> tuple[float, float]:
    """Run ``code`` after ``before`` and return the seconds of ``code``, and the peak memory of the whole."""
    done = subprocess.run(
        [sys.executable, "-c", _WRAP.format(before=before, code=code)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    seconds, megabytes = json.loads(done.stderr.strip().splitlines()[-1])
    return seconds, megabytes


def alternate(pieces: dict[str, tuple[str, str]], rounds: int) -> dict[str, Cost]:
    """Run pieces (code, before) in turn, once to warm up and then ``rounds`` times."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in pieces}
    for turn in range(rounds + 1):
        for name, (code, before) in pieces.items():
            result = run(code, before)
            if turn:
                seen[name].append(result)
    return {name: Cost(statistics.median(s for s, _ in runs), max(m for _, m in runs)) for name, runs in seen.items()}
