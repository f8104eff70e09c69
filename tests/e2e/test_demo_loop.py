"""The demo in two of its nine months: a planted fault, one incident, one retraining, and all of it told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.client.connection import Connection
from watchkeeper.demo import fault

FAULT_DAY = f"{fault.BEGAN:%Y-%m-%d}"


class Demo:
    """The demo as a person starts it, in a process of its own, until it waits for that person."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "watchkeeper", "demo", "--folder", "here", "--months", "2"]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder
        )
        self.said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        else:
            raise AssertionError(self.said)
        self.summary: dict[str, Any] = json.loads((folder / "here" / "summary.json").read_text(encoding="utf-8"))
        self.page = re.findall(r"^Page +(\S+)", self.said, re.MULTILINE)[0]

    def end(self) -> int:
        """Interrupt it, as Ctrl-C does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        self.said += self.process.communicate(timeout=60)[0]
        return self.process.returncode


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("loop"))
    yield made
    assert made.end() == 0, made.said


@pytest.fixture(scope="module")
def incident(demo: Demo) -> dict[str, Any]:
    """The one that began with the fault."""
    found = [i for i in demo.summary["incidents"] if i["opened"] >= FAULT_DAY and i["cause"] == "model"]
    assert len(found) == 1, [i["title"] for i in demo.summary["incidents"]]
    return found[0]


def test_the_fault_opens_one_incident_within_days(incident: dict[str, Any]) -> None:
    assert incident["severity"] == "critical"
    assert (incident["opened"][:7], int(incident["opened"][8:10])) <= ("2013-05", fault.BEGAN.day + 4)
    assert incident["findings"][0]["metric"] == "accuracy"


def test_the_columns_whose_units_changed_explain_it(incident: dict[str, Any]) -> None:
    named = [column["column"] for column in incident["columns"]]
    assert named[0] in fault.COLUMNS
    assert len(set(named[:5]) & set(fault.COLUMNS)) >= 4


def test_one_retraining_is_promoted_and_the_incident_ends(demo: Demo, incident: dict[str, Any]) -> None:
    (action,) = [a for a in incident["actions"] if a["state"] == "promoted"]
    comparison = action["result"]["comparison"]
    assert comparison["metric"] == "accuracy"
    assert comparison["better"] is True
    assert incident["state"] == "resolved"
    versions = {version["version"]: version for version in demo.summary["versions"]}
    assert versions[action["result"]["candidate"]["version"]]["rows"] > 1_000
    kinds = [entry["kind"] for entry in incident["timeline"]]
    for kind in ("opened", "evidence", "notified", "action", "promoted", "resolved"):
        assert kind in kinds, kinds
    assert kinds.index("opened") < kinds.index("promoted") < kinds.index("resolved")


def test_the_receiver_heard_of_it_signed_and_once(demo: Demo, incident: dict[str, Any]) -> None:
    heard = [alert["kind"] for alert in demo.summary["webhooks"]["received"] if alert["incident"] == incident["id"]]
    assert heard[0] == "opened"
    assert heard[-1] == "resolved"
    assert len(heard) == len(set(heard))
    assert demo.summary["webhooks"]["refused"] == 0
    assert {n["state"] for n in incident["notifications"]} <= {"sent", "replaced"}


def test_the_page_waits_behind_a_link_that_works_once(demo: Demo) -> None:
    url, _, token = demo.page.partition("/login#")
    connection = Connection(url)
    assert connection.request("POST", "session", {}, {"token": token})
    with pytest.raises(Exception, match="was used"):
        connection.request("POST", "session", {}, {"token": token})
