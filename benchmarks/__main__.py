"""Print what things cost, and how often alarms are false: ``python -m benchmarks [compare] [sketches] ...``, or all of them.

Ratios are taken within one run, on one machine, in alternation; absolute times are for orientation.
"""

from __future__ import annotations

import sys

from benchmarks import client, compare, install, page, service, sketches, start, statistics, training

PARTS = {
    "compare": compare.main,
    "sketches": sketches.main,
    "start": start.main,
    "client": client.main,
    "service": service.main,
    "page": page.main,
    "install": install.main,
    "statistics": statistics.main,
    "training": training.main,
}


def main(names: list[str]) -> int:
    if names[:1] == ["statistics"]:  # its parts are named after it
        return statistics.main(names[1:])
    if names[:1] == ["training"]:
        return training.main(names[1:])
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 64
    for name in names or PARTS:
        PARTS[name]()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
