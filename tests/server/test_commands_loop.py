"""Commands about monitors, incidents, silences, actions, channels, the audit log and logging in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake import FakePipeline
from live import Live, Serve

from watchkeeper.cli import run

YAML = "model: m\nmonitors:\n  - {metric: roc_auc}\n"
Where = list[str]


@pytest.fixture
def served(serve: Serve) -> Live:
    return serve()


@pytest.fixture
def where(served: Live) -> Where:
    return ["--url", served.url, "--key", served.secrets["admin"]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "monitors.yaml").write_text(YAML)
    return tmp_path / "monitors.yaml"


def call(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    """Run a command that ends with a code, and return what it said."""
    capsys.readouterr()
    ended = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert ended == code, out + err
    assert "Traceback" not in err
    return out + err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> Any:
    return json.loads(call(capsys, *arguments, "--json", code=code))


def test_monitors(capsys: pytest.CaptureFixture[str], where: Where, file: Path, tmp_path: Path) -> None:
    assert "because it has labels" in call(capsys, "monitors", "suggest", "m", *where)
    assert "replay" in call(capsys, "monitors", "suggest", "m", "-o", tmp_path / "new.yaml", *where)
    assert (tmp_path / "new.yaml").read_text().startswith("model: m")
    assert "1 monitors for m" in call(capsys, "monitors", "check", file, *where)
    assert as_json(capsys, "monitors", "check", file, *where) == {"model": "m", "monitors": 1}
    assert "metric: roc_auc" in call(capsys, "monitors", "plan", file, *where)
    assert as_json(capsys, "monitors", "plan", file, *where)["changes"][0]["what"] == "added"
    said = call(capsys, "monitors", "replay", file, *where)
    assert "1 incidents in 90 windows, 0.08 a week" in said
    assert "roc_auc fell" in said
    assert as_json(capsys, "monitors", "replay", file, *where)["windows"] == 90
    assert "Revision 1" in call(capsys, "monitors", "apply", file, *where)
    assert as_json(capsys, "monitors", "apply", file, *where)["revision"] == 2


def test_a_file_that_cannot_be_used_ends_with_64(
    capsys: pytest.CaptureFixture[str], where: Where, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("modle: m\n")
    for command in ("check", "plan", "apply", "replay"):
        assert "'modle'" in call(capsys, "monitors", command, tmp_path / "bad.yaml", *where, code=64)
    assert "no file" in call(capsys, "monitors", "check", tmp_path / "none.yaml", *where, code=64)
    assert "cannot be read" in call(capsys, "monitors", "check", tmp_path, *where, code=64)
    (tmp_path / "latin.yaml").write_bytes(b"model: \xff\n")
    assert "cannot be read" in call(capsys, "monitors", "check", tmp_path / "latin.yaml", *where, code=64)
    assert "cannot be written" in call(capsys, "monitors", "suggest", "m", "-o", tmp_path, *where, code=64)


def test_a_file_is_checked_without_a_server(capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path) -> None:
    pytest.importorskip("watchkeeper.response.monitors")
    assert as_json(capsys, "monitors", "check", file) == {"model": "m", "monitors": 1}
    (tmp_path / "bad.yaml").write_text(YAML.replace("monitors", "monitorz"))
    assert "monitors" in call(capsys, "monitors", "check", tmp_path / "bad.yaml", code=64)


def test_incidents_and_the_exit_code(capsys: pytest.CaptureFixture[str], where: Where, pipeline: FakePipeline) -> None:
    listed = call(capsys, "incidents", "list", *where, code=2)
    assert "roc_auc fell (1)" in listed
    assert "(2)" not in listed
    assert [i["id"] for i in as_json(capsys, "incidents", "list", "--all", *where, code=2)] == [1, 2]
    pipeline.found[1]["severity"] = "warning"
    assert as_json(capsys, "incidents", "list", *where, code=1)[0]["id"] == 1
    shown = call(capsys, "incidents", "show", 1, *where)
    for words in ("0.71, not 0.80", "wind", "It opened."):
        assert words in shown
    assert as_json(capsys, "incidents", "show", 2, *where)["state"] == "resolved"
    assert "acknowledged" in call(capsys, "incidents", "ack", 1, "--note", "I look.", *where)
    assert "409" in call(capsys, "incidents", "ack", 1, *where, code=64)
    call(capsys, "incidents", "list", *where, code=1)  # somebody looks, and it is wrong all the same
    assert "resolved" in call(capsys, "incidents", "resolve", 1, *where)
    assert "No incident is open" in call(capsys, "incidents", "list", *where)
    assert "no incident '9'" in call(capsys, "incidents", "show", 9, *where, code=64)
    assert pipeline.records[0]["detail"] == {"note": "I look."}


def test_silences(capsys: pytest.CaptureFixture[str], where: Where) -> None:
    add = ["silence", "add", "m", "--reason", "moving", *where]
    made = as_json(capsys, *add, "--for", "2h", "--monitor", "roc_auc")
    assert made["monitor"] == "roc_auc"
    assert "silence end 2" in call(capsys, *add, "--until", "2036-01-01T00:00:00Z")
    assert "moving" in call(capsys, "silence", "list", *where)
    assert len(as_json(capsys, "silence", "list", *where)) == 2
    assert "ended" in call(capsys, "silence", "end", 1, *where)
    assert len(as_json(capsys, "silence", "list", *where)) == 1
    for wrong in (["--for", "soon"], ["--for", "2h", "--until", "x"], [], ["--until", "tomorrow"]):
        assert "such as" in call(capsys, *add, *wrong, code=64)


def test_actions(capsys: pytest.CaptureFixture[str], where: Where, pipeline: FakePipeline) -> None:
    assert "awaiting approval" in call(capsys, "actions", "list", *where)
    assert as_json(capsys, "actions", "list", "--state", "kept", *where) == []
    pipeline.deeds["a1"] |= {"rule": {"do": "retrain"}, "log": "epoch 1"}
    shown = call(capsys, "actions", "show", "a1", *where)
    assert "epoch 1" in shown
    assert "e1" in shown
    assert as_json(capsys, "actions", "show", "a1", *where)["evidence"] == "e1"
    assert "evidence has changed" in call(capsys, "actions", "approve", "a1", "--evidence", "e0", *where, code=64)
    assert "running" in call(capsys, "actions", "approve", "a1", *where)
    assert "stopped" in call(capsys, "actions", "stop", "a1", *where)
    assert "refused" in call(capsys, "actions", "refuse", "a1", *where)
    assert "No action is begun" in call(capsys, "actions", "halt", *where)
    assert pipeline.halted
    assert "again" in call(capsys, "actions", "resume", *where)
    assert not pipeline.halted
    assert "no action 'a b'" in call(capsys, "actions", "show", "a b", *where, code=64)


def test_channels(capsys: pytest.CaptureFixture[str], where: Where) -> None:
    assert "console" in call(capsys, "channels", "list", *where)
    assert as_json(capsys, "channels", "list", *where)[0]["state"] == "fine"
    assert "took the test" in call(capsys, "channels", "test", "console", *where)
    assert as_json(capsys, "channels", "test", "console", *where)["sent"]
    assert "nobody answers" in call(capsys, "channels", "test", "broken", *where, code=64)
    assert "'console'" in call(capsys, "channels", "test", "consol", *where, code=64)


def test_the_audit_log(
    capsys: pytest.CaptureFixture[str], where: Where, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nobody did anything" in call(capsys, "audit", "list", *where)
    call(capsys, "actions", "halt", *where)
    assert "actions.halt" in call(capsys, "audit", "list", *where)
    assert as_json(capsys, "audit", "list", "--limit", 1, *where)[0]["actor"] == "admin"
    assert "as it was written" in call(capsys, "audit", "verify", *where)
    monkeypatch.setattr(pipeline, "audit_intact", lambda: 7)
    assert "The record 7" in call(capsys, "audit", "verify", *where, code=2)
    assert as_json(capsys, "audit", "verify", *where, code=2) == {"intact": False, "first_broken": 7}


def test_login(capsys: pytest.CaptureFixture[str], served: Live, where: Where, tmp_path: Path) -> None:
    url, _, token = call(capsys, "login", *where).strip().partition("#")
    assert url == f"{served.url}/login"
    assert served.ask("POST", "/api/v1/session", body={"token": token}).json["role"] == "admin"
    assert as_json(capsys, "login", *where)["url"].startswith(f"{served.url}/login#")
    assert "watchkeeper serve" in call(capsys, "login", "--store", tmp_path, code=64)


def test_a_number_that_is_none_is_said_with_where_they_are(capsys: pytest.CaptureFixture[str], where: Where) -> None:
    said = call(capsys, "incidents", "show", "foo", *where, code=64)
    assert "'foo' is not the number of an incident; 'watchkeeper incidents list' shows them." in said
    assert "'watchkeeper silence list'" in call(capsys, "silence", "end", "0", *where, code=64)


def test_incidents_of_one_state(capsys: pytest.CaptureFixture[str], where: Where) -> None:
    for state, number in (("open", 1), ("resolved", 2)):
        assert [i["id"] for i in as_json(capsys, "incidents", "list", "--state", state, *where, code=2)] == [number]
    assert "No incident is acknowledged." in call(
        capsys, "incidents", "list", "--state", "acknowledged", *where, code=2
    )
