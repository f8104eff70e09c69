"""Every route that changes anything writes exactly one record of who did it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from fake import FakePipeline
from live import Live, Serve

import watchkeeper as wk
from watchkeeper.server.policy import POLICY

YAML = {"text": "model: m\nmonitors:\n  - {metric: roc_auc}\n"}
SILENCE = {"model": "m", "until": "2036-01-01T00:00:00Z", "reason": "moving"}
NO_RECORD = {
    ("POST", "/api/v1/predictions"), ("POST", "/api/v1/labels"),  # rows, not deeds
    ("POST", "/api/v1/monitors/check"), ("POST", "/api/v1/monitors/plan"), ("POST", "/api/v1/monitors/replay"),
}  # fmt: skip
"""What is no GET and changes nothing that anybody would be asked about."""
DEEDS: list[tuple[str, str, str, Any, str]] = [
    ("POST", "/api/v1/keys", "", {"name": "n", "role": "viewer"}, "key.create"),
    ("DELETE", "/api/v1/keys/{id}", "/api/v1/keys/k2", None, "key.revoke"),
    ("GET", "/api/v1/backup", "", None, "backup.export"),
    ("PUT", "/api/v1/versions", "/api/v1/versions?model=m&version=1", {}, "version.register"),
    ("PUT", "/api/v1/reference", "/api/v1/reference?model=m&version=1", b"profile", "reference.set"),
    ("PUT", "/api/v1/serving", "/api/v1/serving?model=m", {"version": "1"}, "serving.set"),
    ("PUT", "/api/v1/monitors", "", YAML, "monitors.apply"),
    ("POST", "/api/v1/incidents/{id}/acknowledge", "/api/v1/incidents/1/acknowledge", {"note": "me"}, "incident.acknowledged"),
    ("POST", "/api/v1/incidents/{id}/resolve", "/api/v1/incidents/1/resolve", None, "incident.resolved"),
    ("POST", "/api/v1/silences", "", SILENCE, "silence.add"),
    ("DELETE", "/api/v1/silences/{id}", "/api/v1/silences/1", None, "silence.end"),
    ("POST", "/api/v1/channels/{name}/test", "/api/v1/channels/console/test", None, "channel.test"),
    ("POST", "/api/v1/actions/{id}/approve", "/api/v1/actions/a1/approve", {"evidence": "e1"}, "action.approve"),
    ("POST", "/api/v1/actions/{id}/refuse", "/api/v1/actions/a1/refuse", None, "action.refuse"),
    ("POST", "/api/v1/actions/{id}/stop", "/api/v1/actions/a1/stop", None, "action.stop"),
    ("POST", "/api/v1/actions/halt", "", None, "actions.halt"),
    ("POST", "/api/v1/actions/resume", "", None, "actions.resume"),
    ("POST", "/api/v1/session/link", "", None, "session.link"),
    ("POST", "/api/v1/session", "", "a key", "session.login"),
    ("DELETE", "/api/v1/session", "", "a page", "session.logout"),
]  # fmt: skip


def profile() -> bytes:
    table = pa.table({"x": [1.0, 2.0, 3.0] * 20, "y": [0, 1, 0] * 20, "score": [0.2, 0.7, 0.4] * 20})
    return wk.profile(table, wk.Schema(target="y", score="score")).to_bytes()


def act(served: Live, method: str, address: str, body: Any) -> int:
    """Do a deed as an admin; some need more than a key."""
    if body == "a key":
        return served.ask(method, address, body={"key": served.secrets["admin"]}).status
    if body == "a page":
        return served.ask(method, address, headers=served.page("admin")).status
    if isinstance(body, bytes):
        return served.ask(method, address, "admin", profile(), {"Content-Type": "application/octet-stream"}).status
    return served.ask(method, address, "admin", body).status


def test_every_route_that_changes_anything_is_a_deed_or_said_to_be_none() -> None:
    changing = {entry for entry in POLICY if entry[0] not in {"GET", "HEAD"}}
    assert changing == {(method, path) for method, path, *_ in DEEDS if method != "GET"} | NO_RECORD


@pytest.mark.parametrize(("method", "path", "address", "body", "what"), DEEDS, ids=[deed[-1] for deed in DEEDS])
def test_one_deed_is_one_record(
    serve: Serve, pipeline: FakePipeline, method: str, path: str, address: str, body: Any, what: str
) -> None:
    served = serve()
    if what in {"serving.set", "silence.end"}:  # which need something to be there
        served.ask("PUT", "/api/v1/versions?model=m&version=1", "admin", {})
        served.ask("POST", "/api/v1/silences", "admin", SILENCE)
    before = len(pipeline.records)
    status = act(served, method, address or path, body)
    assert 200 <= status < 300
    assert [(r["what"], r["actor"], r["project"]) for r in pipeline.records[before:]] == [(what, "admin", "default")]
    secrets = {*served.secrets.values()}
    assert not any(secret in str(pipeline.records) for secret in secrets)


def test_what_is_refused_leaves_no_record(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    for method, path, address, body, _ in DEEDS:
        if body not in ("a key", "a page"):
            sent = profile() if isinstance(body, bytes) else body
            form = {"Content-Type": "application/octet-stream"} if isinstance(body, bytes) else {}
            assert served.ask(method, address or path, "viewer", sent, form).status == 403
    assert served.ask("DELETE", "/api/v1/keys/none", "admin").status == 404
    assert served.ask("POST", "/api/v1/session", body={"key": "wk_wrong"}).status == 401
    assert served.ask("POST", "/api/v1/incidents/2/resolve", "admin").status == 409
    assert pipeline.records == []


def test_records_are_read_a_page_at_a_time(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    for number in range(5):
        pipeline.note_audit("default", "me", "key.create", str(number))
    pipeline.note_audit("other", "them", "key.create", "x")
    found = served.ask("GET", "/api/v1/audit?limit=3", "viewer").json["audit"]
    assert [r["target"] for r in found] == ["4", "3", "2"]
    rest = served.ask("GET", f"/api/v1/audit?before={found[-1]['seq']}", "viewer").json["audit"]
    assert [r["target"] for r in rest] == ["1", "0"]
    assert served.ask("GET", "/api/v1/audit/check", "viewer").json == {"intact": True, "first_broken": None}
