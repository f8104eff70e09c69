"""Every route of the live table, for every kind of caller: what is not expressly allowed is refused."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from fake import FakePipeline
from live import Live, live
from starlette.responses import Response

from watchkeeper.server import gate, policy
from watchkeeper.server.app import create_app
from watchkeeper.server.services import services_in
from watchkeeper.server.token import make_token, read_token, remove_token, write_token

# Written down apart from the policy on purpose: both have to agree with each other and with the documentation.
EXPECTED = {
    "GET /healthz": "public",
    "GET /readyz": "public",
    "GET /metrics": "viewer admin",
    "GET /api/v1/openapi.json": "ingest viewer admin",
    "POST /api/v1/predictions": "ingest admin",
    "POST /api/v1/labels": "ingest admin",
    "PUT /api/v1/versions": "ingest admin",
    "PUT /api/v1/reference": "ingest admin",
    "GET /api/v1/serving": "ingest viewer admin",
    "PUT /api/v1/serving": "admin",
    "GET /api/v1/models": "viewer admin",
    "GET /api/v1/versions": "viewer admin",
    "GET /api/v1/windows": "viewer admin",
    "GET /api/v1/measurements": "viewer admin",
    "GET /api/v1/profiles": "viewer admin",
    "GET /api/v1/distributions": "viewer admin",
    "GET /api/v1/quarantine": "viewer admin",
    "GET /api/v1/keys": "admin",
    "POST /api/v1/keys": "admin",
    "DELETE /api/v1/keys/{id}": "admin",
    "GET /api/v1/backup": "admin",
    "POST /api/v1/session": "public",
    "GET /api/v1/session": "ingest viewer admin",
    "DELETE /api/v1/session": "ingest viewer admin",
    "POST /api/v1/session/link": "admin",
    "GET /api/v1/monitors": "viewer admin",
    "PUT /api/v1/monitors": "admin",
    "GET /api/v1/monitors/suggestion": "viewer admin",
    "POST /api/v1/monitors/check": "viewer admin",
    "POST /api/v1/monitors/plan": "viewer admin",
    "POST /api/v1/monitors/replay": "viewer admin",
    "GET /api/v1/verdicts": "viewer admin",
    "GET /api/v1/incidents": "viewer admin",
    "GET /api/v1/incidents/{id}": "viewer admin",
    "POST /api/v1/incidents/{id}/acknowledge": "admin",
    "POST /api/v1/incidents/{id}/resolve": "admin",
    "GET /api/v1/silences": "viewer admin",
    "POST /api/v1/silences": "admin",
    "DELETE /api/v1/silences/{id}": "admin",
    "GET /api/v1/channels": "viewer admin",
    "POST /api/v1/channels/{name}/test": "admin",
    "GET /api/v1/actions": "viewer admin",
    "GET /api/v1/actions/{id}": "viewer admin",
    "POST /api/v1/actions/{id}/approve": "admin",
    "POST /api/v1/actions/{id}/refuse": "admin",
    "POST /api/v1/actions/{id}/stop": "admin",
    "POST /api/v1/actions/halt": "admin",
    "POST /api/v1/actions/resume": "admin",
    "GET /api/v1/audit": "viewer admin",
    "GET /api/v1/audit/check": "viewer admin",
    "GET /api/v1/events": "viewer admin",
    "GET /api/v1/views/{page}": "viewer admin",
    "GET /": "public",
    "GET /login": "public",
    "GET /assets/{name}": "public",
}
ROLES = ("ingest", "viewer", "admin", "elsewhere")
STRANGERS = (None, "wrong", "nonsense", "revoked", "expired")
QUERY = "?model=m&version=1&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"


def cell(served: Live, method: str, path: str, who: str | None) -> int:
    """Return the status of a request by somebody, by key or from the page of a session."""
    name, _, by = (who or "").partition(" by ")
    headers = {} if who is None else {"Authorization": f"Bearer {served.secrets[name]}"}
    if by:
        headers = served.page(name)
    return served.head(method, path, headers).status


def mismatches(served: Live) -> list[str]:
    """Return every cell of the matrix that is not as expected; HEAD stands where GET does."""
    found = []
    table = list(policy.names_of(served.app.routes))
    for method, path in (*table, *(("HEAD", path) for method, path in table if method == "GET")):
        allowed = EXPECTED.get(f"{'GET' if method == 'HEAD' else method} {path}", "nobody")
        address = re.sub(r"\{\w+\}", "nothing", path) + QUERY
        for who in (*STRANGERS, *ROLES, *(f"{role} by session" for role in ("viewer", "admin"))):
            status = cell(served, method, address, who)
            role = (who or "").partition(" ")[0].replace("elsewhere", "nobody" if path in policy.BEYOND else "admin")
            if allowed == "public":
                right = status not in {401, 403}
            elif who in STRANGERS:
                right = status == 401
            else:
                right = (status == 403) == (role not in allowed.split()) and status != 401
            if not right:
                found.append(f"{method} {path} as {who}: {status}")
    return found


def test_every_route_is_expected_and_every_expected_route_is_there(real: Live) -> None:
    assert {f"{method} {path}" for method, path in policy.names_of(real.app.routes)} == EXPECTED.keys()


def test_every_caller_may_do_what_they_may_and_no_more(real: Live) -> None:
    assert mismatches(real) == []


def test_the_matrix_would_see_a_route_that_is_open_by_mistake(real: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(policy.POLICY, ("GET", "/metrics"), policy.PUBLIC)
    assert {m.split(" as ")[0] for m in mismatches(real)} == {"GET /metrics", "HEAD /metrics"}


def test_the_matrix_would_see_that_roles_are_not_looked_at(real: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_check_role", lambda key, way: None)
    assert len(mismatches(real)) > 10


def test_who_is_refused_is_told_how_to_ask(real: Live) -> None:
    answer = real.ask("GET", "/api/v1/models")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in answer.json["detail"]
    assert "revoked" in real.ask("GET", "/api/v1/models", "revoked").json["detail"]


@pytest.mark.parametrize("header", ["Basic d2s6d2s=", "Bearer", "Bearer ", "wk_1", "Bearer a b", ""])
def test_what_is_no_bearer_key_is_refused(real: Live, header: str) -> None:
    assert real.ask("GET", "/api/v1/models", headers={"Authorization": header}).status == 401


def test_two_keys_at_once_are_none(real: Live) -> None:
    line = f"Authorization: Bearer {real.secrets['admin']}\r\n"
    got = real.raw(f"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{line}{line}\r\n".encode())
    assert got.startswith(b"HTTP/1.1 401")


def test_a_path_that_is_not_there_needs_a_key_too(real: Live) -> None:
    assert real.ask("GET", "/docs").status == 401
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/models/", "/api/v1", "/%2e%2e/etc/passwd"):
        assert real.ask("GET", path, "viewer").status == 404


def test_a_revoked_key_is_refused_by_the_next_request(real: Live) -> None:
    made = real.ask("POST", "/api/v1/keys", "admin", {"name": "short-lived", "role": "viewer"})
    assert made.status == 201
    real.secrets["short-lived"] = made.json["secret"]
    assert real.ask("GET", "/api/v1/models", "short-lived").status == 200
    assert real.ask("DELETE", f"/api/v1/keys/{made.json['key']['id']}", "admin").status == 204
    assert real.ask("GET", "/api/v1/models", "short-lived").status == 401
    assert real.ask("DELETE", f"/api/v1/keys/{made.json['key']['id']}", "admin").status == 404
    assert made.json["secret"] not in real.ask("GET", "/api/v1/keys", "admin").body.decode()


def test_the_last_admin_key_is_revoked_by_force_alone(real: Live) -> None:
    real.secrets["alone"], last = services_in(real.app).pipeline.keys.create("alone", "admin", "a project")
    place = f"/api/v1/keys/{last.id}"
    refused = real.ask("DELETE", place, "alone")
    assert (refused.status, "last admin key" in refused.json["detail"]) == (409, True)
    made = real.ask("POST", "/api/v1/keys", "alone", {"name": "one more", "role": "admin"})
    assert real.ask("DELETE", f"/api/v1/keys/{made.json['key']['id']}", "alone").status == 204
    assert real.ask("DELETE", place, "alone").status == 409
    assert real.ask("DELETE", f"{place}?force=true", "alone").status == 204
    assert real.ask("GET", "/api/v1/models", "alone").status == 401


def test_a_key_that_would_have_expired_already_is_not_made(real: Live) -> None:
    for past in ("2020-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"):
        answer = real.ask("POST", "/api/v1/keys", "admin", {"name": "late", "role": "viewer", "expires": past})
        assert (answer.status, "past" in answer.json["detail"]) == (422, True)
    assert "late" not in real.ask("GET", "/api/v1/keys", "admin").body.decode()


def test_a_project_sees_nothing_of_another(real: Live) -> None:
    row = {"predictions": [{"id": "1", "prediction": 1}]}
    assert real.ask("POST", "/api/v1/predictions?model=mine&version=1", "ingest", row).status == 200
    assert [m["model"] for m in real.ask("GET", "/api/v1/models", "elsewhere").json["models"]] == []
    assert real.ask("GET", "/api/v1/versions?model=mine", "elsewhere").status == 404
    assert "mine" not in real.ask("GET", "/metrics", "elsewhere").body.decode()
    assert {k["project"] for k in real.ask("GET", "/api/v1/keys", "elsewhere").json["keys"]} == {"other"}
    foreign = real.ask("GET", "/api/v1/keys", "admin").json["keys"][0]["id"]
    assert real.ask("DELETE", f"/api/v1/keys/{foreign}", "elsewhere").status == 404
    refused = real.ask("GET", "/api/v1/backup", "elsewhere")
    assert refused.status == 403
    assert "every project" in refused.json["detail"]


async def _new() -> Response:
    return Response("secret")


def test_a_route_that_nobody_spoke_of_keeps_the_server_from_starting() -> None:
    app = create_app(FakePipeline())
    app.add_api_route("/api/v1/new", _new, methods=["GET"])
    with pytest.raises(RuntimeError, match="GET /api/v1/new"):
        policy.check_routes(app.routes)

    async def begin() -> None:
        async with app.router.lifespan_context(app):
            pass

    with start_blocking_portal() as portal, pytest.raises(RuntimeError, match="GET /api/v1/new"):
        portal.call(begin)


def test_a_route_that_nobody_spoke_of_is_refused_even_if_it_comes_later() -> None:
    pipeline = FakePipeline()
    app = create_app(pipeline)
    secret, _ = pipeline.keys.create("boss", "admin")

    async def ask() -> tuple[int, int]:
        transport = httpx.ASGITransport(app)  # without the lifespan, in which the server would not have started
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            app.add_api_route("/api/v1/new", _new, methods=["GET"])
            bare = await client.get("/api/v1/new")
            keyed = await client.get("/api/v1/new", headers={"Authorization": f"Bearer {secret}"})
        return bare.status_code, keyed.status_code

    with start_blocking_portal() as portal:  # not in this thread, where the browser of other tests leaves a loop
        assert portal.call(ask) == (401, 403)


def test_a_mounted_application_counts_as_a_route() -> None:
    app = create_app(FakePipeline())
    app.mount("/inner", create_app(FakePipeline()))
    with pytest.raises(RuntimeError, match="/inner"):
        policy.check_routes(app.routes)


def test_the_local_token_is_an_admins_and_of_this_user_only(tmp_path: Path) -> None:
    token = make_token()
    write_token(tmp_path, token)
    assert (tmp_path / "local.token").stat().st_mode & 0o777 == 0o600
    assert read_token(tmp_path) == (token.secret, None)
    with live(create_app(FakePipeline(), token=token)) as served:
        served.secrets = {"local": token.secret, "near": token.secret[:-1] + ("0" if token.secret[-1] != "0" else "1")}
        assert served.ask("GET", "/api/v1/keys", "local").status == 200
        assert served.ask("GET", "/api/v1/keys", "near").status == 401
        assert served.ask("GET", "/api/v1/keys", headers={"Authorization": "Bearer wkl_"}).status == 401
    remove_token(tmp_path)
    assert read_token(tmp_path) is None
    assert token.secret not in repr(token)
