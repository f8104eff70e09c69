"""Whether a file of monitors fits what it names: columns of the model, and the operator's channels and actions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from watchkeeper.errors import InvalidMonitors, nearest
from watchkeeper.pipeline.catalog import Version
from watchkeeper.response.document import unknown
from watchkeeper.response.monitors import Monitors


def check(monitors: Monitors, versions: Sequence[Version]) -> None:
    """Check the segments and columns that monitors name.

    Parameters
    ----------
    monitors
        The file.
    versions
        Of its model; what any of their schemas has may be named. Nothing is checked while none has a schema.

    Raises
    ------
    InvalidMonitors
        No schema has it; names the nearest that is there.
    """
    schemas = [v.schema for v in versions if v.schema is not None]
    if not schemas:
        return
    cut = tuple(dict.fromkeys(name for s in schemas for name in s.cuts()))
    columns = tuple(dict.fromkeys(name for s in schemas for name in s.kinds))
    for number, monitor in enumerate(monitors.monitors):
        for name in monitor.segments:
            if name not in cut:
                raise InvalidMonitors(f"monitors[{number}].segments", _segment(name, cut))
        for name in () if monitor.columns in {None, "all"} else monitor.columns or ():
            if name not in columns:
                raise InvalidMonitors(f"monitors[{number}].columns", unknown("the column", name, columns))


def strangers(monitors: Monitors, channels: Collection[str], actions: Collection[str]) -> list[str]:
    """Return a sentence for each channel and action that rules name and the operator's file does not have."""
    named = dict.fromkeys(name for rule in monitors.respond for name in rule.notify)
    acts = dict.fromkeys(rule.act.do for rule in monitors.respond if rule.act is not None)
    found = [_stranger("channel", name, channels) for name in named if name not in channels]
    return found + [_stranger("action", name, actions) for name in acts if name not in actions]


def _stranger(what: str, name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    hint = f"Did you mean {near!r}? " if near else ""
    becomes = "the console is told instead" if what == "channel" else "it is not done"
    there = f"It has: {', '.join(sorted(known))}." if known else f"It has no {what}."
    return f"The operator's file has no {what} {name!r}; until it has, {becomes}. {hint}{there}"


def _segment(name: str, cut: tuple[str, ...]) -> str:
    if cut:
        return unknown("the segment", name, cut)
    return f"names the segment {name!r}, but the model's schema has no segments; register a version with some."
