"""What applying a file would change."""

from __future__ import annotations

from typing import Any

from watchkeeper.response.monitors import Monitors
from watchkeeper.response.plan import plan


def watched(*monitors: dict[str, Any], **rest: Any) -> Monitors:
    return Monitors.from_dict({"model": "m", "monitors": list(monitors)} | rest)


def test_nothing_changes() -> None:
    assert plan(watched({"metric": "f1"}), watched({"metric": "f1", "role": "incident"}, clock="wall")) == []


def test_added_removed_and_changed() -> None:
    old = watched({"metric": "f1"}, {"metric": "psi"})
    new = watched({"metric": "f1", "detect": {"risk": {"tolerance": 0.1}}}, {"metric": "recall"})
    changed, added, removed = plan(old, new)
    assert changed == {
        "what": "changed",
        "monitor": "f1",
        "from": {"detect": {"risk": {"tolerance": 0.05, "relative": False}}},
        "to": {"detect": {"risk": {"tolerance": 0.1, "relative": False}}},
    }
    assert (added["what"], added["monitor"], added["from"], added["to"]["metric"]) == (
        "added",
        "recall",
        None,
        "recall",
    )
    assert (removed["what"], removed["monitor"], removed["to"]) == ("removed", "psi", None)


def test_settings() -> None:
    changes = plan(
        watched({"metric": "f1"}), watched({"metric": "f1"}, budget="2 per year", window={"zone": "Asia/Tokyo"})
    )
    assert changes == [
        {"what": "changed", "setting": "window", "from": {"zone": None}, "to": {"zone": "Asia/Tokyo"}},
        {"what": "changed", "setting": "budget", "from": "1 per 600 days", "to": "2 per year"},
    ]


def test_the_first_file_adds_everything() -> None:
    changes = plan(None, watched({"metric": "f1"}))
    assert {change["what"] for change in changes} == {"added"}
    assert [change["monitor"] for change in changes if "monitor" in change] == ["f1"]
