"""Monitors, incidents, silences, channels and actions, as they go in and out over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fake import FakePipeline
from live import Live, Serve
from test_problems import check

from watchkeeper.client.connection import connect
from watchkeeper.errors import ServerRefused
from watchkeeper.server.services import services_in

YAML = "model: m\nmonitors:\n  - {metric: roc_auc}\n"


def test_monitors_are_suggested_checked_planned_replayed_and_applied(serve: Serve) -> None:
    served = serve()
    assert "suggestion" in check(served.ask("GET", "/api/v1/monitors?model=m", "viewer"), 404)
    text = served.ask("GET", "/api/v1/monitors/suggestion?model=m", "viewer").json["text"]
    assert "because" in text
    for path, key in (("check", "monitors"), ("plan", "changes"), ("replay", "windows")):
        assert key in served.ask("POST", f"/api/v1/monitors/{path}", "viewer", {"text": text}).json
    applied = served.ask("PUT", "/api/v1/monitors", "admin", {"text": text}).json
    assert (applied["revision"], applied["author"]) == (1, "admin")
    assert served.ask("GET", "/api/v1/monitors?model=m", "viewer").json == applied
    assert served.ask("PUT", "/api/v1/monitors?model=m", "admin", {"text": text}).json["revision"] == 2
    check(served.ask("PUT", "/api/v1/monitors?model=n", "admin", {"text": text}), 409)
    assert "'modle'" in check(served.ask("POST", "/api/v1/monitors/check", "viewer", {"text": "x: y"}), 422)
    assert served.ask("GET", "/api/v1/verdicts?model=m&every=hour", "viewer").json["verdicts"][0]["name"] == "hour"


def test_one_replay_at_a_time(serve: Serve) -> None:
    served = serve()
    only = services_in(served.app).limits.one_replay
    only.claim()
    assert "replay" in check(served.ask("POST", "/api/v1/monitors/replay", "viewer", {"text": YAML}), 429)
    only.release()
    for text in (YAML, "x: y", YAML):  # one that fails gives its place back too
        served.ask("POST", "/api/v1/monitors/replay", "viewer", {"text": text})
    assert served.ask("POST", "/api/v1/monitors/replay", "viewer", {"text": YAML}).status == 200


def test_incidents_are_listed_acknowledged_and_resolved(serve: Serve) -> None:
    served = serve()
    listed = served.ask("GET", "/api/v1/incidents", "viewer").json["incidents"]
    assert [i["id"] for i in listed] == [1, 2]
    for query, ids in (("state=open", [1]), ("state=resolved", [2]), ("model=n", []), ("limit=1", [1])):
        found = served.ask("GET", f"/api/v1/incidents?{query}", "viewer").json["incidents"]
        assert [i["id"] for i in found] == ids
    assert served.ask("GET", "/api/v1/incidents/1", "viewer").json == listed[0]
    assert served.ask("GET", "/api/v1/incidents", "elsewhere").json == {"incidents": []}
    check(served.ask("GET", "/api/v1/incidents/1", "elsewhere"), 404)
    done = served.ask("POST", "/api/v1/incidents/1/acknowledge", "admin", {"note": "I look."})
    assert (done.status, done.json["state"]) == (200, "acknowledged")
    check(served.ask("POST", "/api/v1/incidents/1/acknowledge", "admin"), 409)
    assert served.ask("POST", "/api/v1/incidents/1/resolve", "admin").json["state"] == "resolved"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "incidents/0", None, 422), ("GET", "incidents/x", None, 422), ("GET", f"incidents/{2**63}", None, 422),
        ("GET", "incidents/99", None, 404), ("GET", "incidents?state=closed", None, 422),
        ("POST", "incidents/1/acknowledge", {"nota": "x"}, 422), ("POST", "incidents/1/resolve", b"x", 415),
        ("POST", "silences", {"model": "m", "until": "tomorrow", "reason": "x"}, 422),
        ("POST", "silences", {"model": "m", "until": "2036-01-01T00:00:00Z", "reason": ""}, 422),
        ("DELETE", "silences/7", None, 404), ("POST", "channels/nowhere/test", None, 404),
        ("POST", "channels/broken/test", None, 502), ("GET", "actions/b", None, 404), ("GET", "actions?state=x", None, 422),
        ("POST", "actions/a1/approve", {"evidence": "another"}, 409), ("POST", "actions/a1/approve", None, 415),
        ("POST", "monitors/check", {"text": ""}, 422), ("GET", "audit?limit=0", None, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(serve: Serve, method: str, path: str, body: Any, status: int) -> None:
    check(serve().ask(method, f"/api/v1/{path}", "admin", body), status)


def test_silences_are_made_listed_and_ended(serve: Serve) -> None:
    served = serve()
    said = {"model": "m", "monitor": "roc_auc", "until": "2036-01-01T00:00:00+02:00", "reason": "The feed is moved."}
    made = served.ask("POST", "/api/v1/silences", "admin", said)
    assert made.status == 201
    assert made.json["until"] == "2035-12-31T22:00:00+00:00"
    assert served.ask("GET", "/api/v1/silences", "viewer").json == {"silences": [made.json]}
    check(served.ask("DELETE", f"/api/v1/silences/{made.json['id']}", "elsewhere"), 404)
    assert served.ask("DELETE", f"/api/v1/silences/{made.json['id']}", "admin").status == 204
    assert served.ask("GET", "/api/v1/silences", "viewer").json == {"silences": []}


def test_channels_and_actions(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    assert served.ask("GET", "/api/v1/channels", "viewer").json["channels"][0]["name"] == "console"
    assert served.ask("POST", "/api/v1/channels/console/test", "admin").json["sent"]
    assert served.ask("GET", "/api/v1/actions?state=awaiting%20approval", "viewer").json["actions"][0]["id"] == "a1"
    assert served.ask("GET", "/api/v1/actions?state=kept", "viewer").json == {"actions": []}
    assert served.ask("POST", "/api/v1/actions/a1/approve", "admin", {"evidence": "e1"}).json["state"] == "running"
    assert served.ask("POST", "/api/v1/actions/a1/stop", "admin").json["state"] == "stopped"
    assert served.ask("POST", "/api/v1/actions/a1/refuse", "admin").json["state"] == "refused"
    assert served.ask("POST", "/api/v1/actions/halt", "admin").json == {"halted": True}
    assert pipeline.halted
    assert "every project" in check(served.ask("POST", "/api/v1/actions/resume", "elsewhere"), 403)
    assert served.ask("POST", "/api/v1/actions/resume", "admin").json == {"halted": False}


def test_from_python(serve: Serve) -> None:
    served = serve()
    wk = connect(served.url, served.secrets["admin"])
    assert [i["id"] for i in wk.incidents(state="open", model="m")] == [1]
    assert wk.incident(2)["state"] == "resolved"
    assert wk.actions(state="awaiting approval")[0]["name"] == "retrain"
    assert wk.monitors("m") is None
    assert wk.apply_monitors(YAML)["revision"] == 1
    applied = wk.monitors("m")
    assert applied is not None
    assert applied["text"] == YAML
    assert wk.request("POST", "incidents/1/resolve", said={"note": "over"})["state"] == "resolved"
    with pytest.raises(ServerRefused, match="404"):
        wk.incident(3)
    with pytest.raises(ServerRefused, match="403"):
        connect(served.url, served.secrets["ingest"]).monitors("m")


def bodies(served: Live, path: str, who: str | None) -> tuple[Any, Any]:
    return served.ask("GET", path, who), served.ask("HEAD", path, who)


def test_head_is_get_without_the_body(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    served.ask("PUT", "/api/v1/versions?model=m&version=1", "admin", {})
    for path, who in (
        ("/healthz", None), ("/readyz", None), ("/metrics", "viewer"), ("/api/v1/models", "viewer"),
        ("/api/v1/measurements?model=m", "viewer"), ("/api/v1/backup", "admin"), ("/api/v1/models", None),
        ("/api/v1/incidents/9", "viewer"), ("/nowhere", "viewer"), ("/api/v1/keys", "viewer"), ("/", None),
    ):  # fmt: skip
        get, head = bodies(served, path, who)
        assert (head.status, head.body) == (get.status, b""), path
        volatile = {"date", "content-length"} if path == "/metrics" else {"date"}
        assert {k: v for k, v in head.headers.items() if k not in volatile} == {
            k: v for k, v in get.headers.items() if k not in volatile
        }
    assert served.ask("HEAD", "/api/v1/predictions", "admin").status == 405
    pipeline.fail = ZeroDivisionError("planted")
    assert (served.ask("HEAD", "/api/v1/models", "viewer").status) == 500
    raw = f"HEAD /api/v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.secrets['viewer']}\r\n"
    pipeline.fail = None
    twice = served.raw(f"{raw}\r\n{raw}Connection: close\r\n\r\n".encode())  # the connection goes on
    assert twice.count(b"HTTP/1.1 200") == 2
