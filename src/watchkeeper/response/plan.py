"""What applying a file of monitors would change."""

from __future__ import annotations

from typing import Any

from watchkeeper.response.monitors import Monitors

Change = dict[str, Any]


def plan(old: Monitors | None, new: Monitors) -> list[Change]:
    """Return every change from what is applied to a new file, in the order of the new one; removed monitors last.

    Returns
    -------
    For monitors ``{"what": "added" | "removed" | "changed", "monitor": name, "from": ..., "to": ...}``; of a changed one only
    the keys that differ. For everything else of the file the same with ``"setting"`` in place of ``"monitor"``; the clock is
    left out, for it is the model's.
    """
    before, after = (old.to_dict() if old is not None else {}), new.to_dict()
    was, now = _by_name(before), _by_name(after)
    changes = [_change("setting", key, before.get(key), after.get(key)) for key in _settings(before, after)]
    changes += [_change("monitor", name, was.get(name), value) for name, value in now.items()]
    changes += [_change("monitor", name, value, None) for name, value in was.items() if name not in now]
    return [change for change in changes if change["from"] != change["to"]]


def _by_name(document: dict[str, Any]) -> dict[str, Any]:
    return {monitor["name"]: monitor for monitor in document.get("monitors", [])}


def _settings(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in dict.fromkeys([*after, *before]) if key not in {"monitors", "clock"}]


def _change(kind: str, name: str, before: Any, after: Any) -> Change:
    what = "added" if before is None else "removed" if after is None else "changed"
    if what == "changed" and isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in dict.fromkeys([*after, *before]) if before.get(key) != after.get(key)]
        before, after = ({key: side.get(key) for key in keys} for side in (before, after))
    return {"what": what, kind: name, "from": before, "to": after}
