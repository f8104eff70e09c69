"""People come in by a link or a key, and only the server's own page may use what their browser keeps."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from fake import FakePipeline
from live import Answer, Live, Serve, live
from test_problems import check

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.app import create_app
from watchkeeper.server.attempts import SPAN, Attempts
from watchkeeper.server.services import services_in
from watchkeeper.server.sessions import LINK_LIFE, Links, Sessions
from watchkeeper.server.settings import ServerSettings
from watchkeeper.server.token import make_token

SESSION = "/api/v1/session"


def link(served: Live, who: str = "admin") -> str:
    """Return the token of a new login link."""
    made = served.ask("POST", f"{SESSION}/link", who)
    assert made.status == 201, made.body
    path, _, token = made.json["path"].partition("#")
    assert path == "/login"  # the token is in no request
    return str(token)


def login(served: Live, **said: str) -> Answer:
    return served.ask("POST", SESSION, body=dict(said), headers={"Origin": served.url})


def cookie(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def page(served: Live, answer: Answer, **changed: str | None) -> dict[str, str]:
    """Return the headers of a request of the page; None leaves one out."""
    sent = {"Cookie": cookie(answer), "Origin": served.url, "X-Watchkeeper": "page"}
    return {
        name: value for name, value in (sent | {k.replace("_", "-"): v for k, v in changed.items()}).items() if value
    }


def test_a_link_logs_in_once_and_the_cookie_is_as_good_as_the_key(serve: Serve) -> None:
    served = serve()
    token = link(served)
    answer = login(served, token=token)
    assert answer.status == 200
    assert (answer.json["name"], answer.json["role"], answer.json["project"]) == ("admin", "admin", "default")
    left = datetime.fromisoformat(answer.json["expires"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    parts = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(r"watchkeeper=wks_[0-9a-f]{64}", parts[0])
    assert parts[1:] == ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]
    assert served.ask("GET", "/api/v1/keys", headers=page(served, answer)).status == 200
    made = served.ask("POST", "/api/v1/keys", body={"name": "x", "role": "viewer"}, headers=page(served, answer))
    assert made.status == 201
    again = login(served, token=token)
    assert "watchkeeper login" in check(again, 401)
    assert "set-cookie" not in again.headers


def test_a_key_logs_in_with_its_own_role_and_project(serve: Serve) -> None:
    served = serve()
    viewer = login(served, key=served.secrets["viewer"])
    assert viewer.json["role"] == "viewer"
    assert served.ask("GET", SESSION, headers=page(served, viewer)).json == viewer.json
    check(served.ask("GET", "/api/v1/keys", headers=page(served, viewer)), 403)
    assert login(served, key=served.secrets["elsewhere"]).json["project"] == "other"
    assert "ingest" in check(login(served, key=served.secrets["ingest"]), 403)
    assert served.ask("GET", SESSION, "ingest").json["expires"] is None
    for who in ("wrong", "revoked", "expired"):
        check(login(served, key=served.secrets[who]), 401)


@pytest.mark.parametrize("said", [{}, {"token": "a", "key": "b"}, {"secret": "a"}, {"token": "x" * 201}])
def test_what_is_no_login_is_said(serve: Serve, said: dict[str, str]) -> None:
    check(login(serve(), **said), 422)


def test_an_id_that_somebody_planted_is_never_taken_over(serve: Serve) -> None:
    served = serve()
    planted = {"Cookie": f"watchkeeper=wks_{'0' * 64}", "Origin": served.url}
    answer = served.ask("POST", SESSION, body={"token": link(served)}, headers=planted)
    assert cookie(answer) != planted["Cookie"]
    check(served.ask("GET", SESSION, headers=planted), 401)
    second = served.ask("POST", SESSION, body={"token": link(served)}, headers=page(served, answer))
    assert cookie(second) != cookie(answer)  # rotated, and the one before has ended
    check(served.ask("GET", SESSION, headers=page(served, answer)), 401)
    both = {"Cookie": f"{cookie(second)}; watchkeeper=wks_{'0' * 64}"}
    assert served.ask("GET", SESSION, headers=both).status == 401  # which of them is the browser's own, nobody knows
    assert served.ask("GET", SESSION, headers={"Cookie": f"a=b; {cookie(second)};c"}).status == 200


def test_who_logs_out_is_out(serve: Serve) -> None:
    served = serve()
    answer = login(served, token=link(served))
    gone = served.ask("DELETE", SESSION, headers=page(served, answer))
    assert gone.status == 204
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert "has ended" in check(served.ask("GET", SESSION, headers=page(served, answer)), 401)
    check(served.ask("DELETE", SESSION, "admin"), 404)


def test_a_session_ends_with_its_key(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    served.secrets["brief"], key = pipeline.keys.create("brief", "admin")
    answer, token = login(served, key=served.secrets["brief"]), link(served, "brief")
    assert served.ask("GET", SESSION, headers=page(served, answer)).status == 200
    assert pipeline.keys.revoke(key.id)
    check(served.ask("GET", SESSION, headers=page(served, answer)), 401)
    check(login(served, token=token), 401)


def test_a_session_outlives_the_server_but_not_its_twelve_hours(tmp_path: object) -> None:
    pipeline, now = FakePipeline(), datetime.now(UTC)
    _, key = pipeline.keys.create("me", "viewer")
    secret, _ = Sessions(pipeline.database, pipeline.keys).begin(key)
    found = Sessions(pipeline.database, pipeline.keys).find(secret)
    assert found is not None
    assert found[1].name == "me"
    later = Sessions(pipeline.database, pipeline.keys, now=lambda: now + timedelta(hours=12, seconds=1))
    assert later.find(secret) is None
    fresh, _ = later.begin(key)
    with pipeline.database.reading() as connection:
        kept = connection.execute("SELECT digest, key_id FROM session").fetchall()
    assert len(kept) == 1  # the one that expired was forgotten
    assert all(part.encode() not in kept[0][0] for part in (secret, fresh))
    for _ in range(60):
        later.begin(key)
    with pipeline.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone()[0] == 50


def test_links_are_good_once_for_ten_minutes_and_bounded() -> None:
    now = [0.0]
    links = Links(lambda: now[0])
    first, late = links.make("k"), links.make("k")
    assert links.use(first) == "k"
    assert links.use(first) is None
    now[0] = LINK_LIFE
    assert links.use(late) is None
    oldest, *_, newest = [links.make(f"k{n}") for n in range(65)]
    assert (links.use(oldest), links.use(newest)) == (None, "k64")


def test_the_link_that_serve_prints_is_an_admins() -> None:
    token = make_token()
    with live(create_app(FakePipeline(), token=token)) as served:
        services = services_in(served.app)
        answer = login(served, token=services.links.make(token.key.id))
        assert (answer.json["role"], answer.json["name"]) == ("admin", "this machine")
        assert served.ask("GET", "/api/v1/keys", headers=page(served, answer)).status == 200


def crossings(served: Live, answer: Answer) -> list[str]:
    """Return every request with the cookie that should have been refused and was not."""
    elsewhere = f"http://localhost:{served.port + 1}"  # another port of this machine: browsers send it the cookie
    wrong: list[dict[str, str | None]] = [
        {"Origin": "null"}, {"Origin": "http://evil.com"}, {"Origin": elsewhere}, {"Origin": None},
        {"Origin": f"http://localhost:{served.port}"},  # called 127.0.0.1 in this very request
        {"X_Watchkeeper": None}, {"X_Watchkeeper": "curl"}, {"X_Watchkeeper": None, "User_Agent": "Mozilla/5.0"},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    ]  # fmt: skip
    found = []
    for method, path in (
        ("POST", "/api/v1/keys"), ("PUT", "/api/v1/serving?model=m"), ("DELETE", "/api/v1/keys/none"),
        ("DELETE", SESSION), ("POST", "/api/v1/actions/halt"), ("PATCH", "/api/v1/keys"), ("DELETE", "/api/v1/silences/1"),
    ):  # fmt: skip
        for changed in wrong:
            status = served.ask(method, path, headers=page(served, answer, **changed)).status
            found += [] if status == 403 else [f"{method} {path} {changed}: {status}"]
    for changed in wrong:
        reads = page(served, answer, **{"X_Watchkeeper": None, **changed})
        if "Origin" in changed or "Sec_Fetch_Site" in changed:
            status = served.ask("GET", "/api/v1/keys", headers=reads).status
            found += [] if status == (403 if reads.get("Origin") else 200) else [f"GET {changed}: {status}"]
    return found


def test_no_other_page_can_use_the_cookie(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    answer = login(served, token=link(served))
    before = len(pipeline.records)
    assert crossings(served, answer) == []
    assert not pipeline.halted
    assert len(pipeline.records) == before
    assert served.ask("GET", SESSION, headers=page(served, answer)).status == 200


def test_that_would_see_a_server_that_trusts_every_cookie(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchkeeper.server import callers

    served = serve()
    answer = login(served, token=link(served))
    monkeypatch.setattr(callers, "page_trouble", lambda request, settings: None)
    assert len(crossings(served, answer)) > 5


def test_a_key_needs_no_page(serve: Serve) -> None:
    served = serve()
    answer = login(served, token=link(served))
    sent = {"Cookie": cookie(answer)}  # it was sent on purpose, so it counts, and not the cookie
    assert served.ask("POST", "/api/v1/keys", "admin", {"name": "x", "role": "viewer"}, sent).status == 201
    check(served.ask("GET", "/api/v1/models", "wrong", headers=page(served, answer)), 401)


def test_no_other_page_logs_anybody_in(serve: Serve) -> None:
    served = serve()
    token = link(served)
    for origin in (f"http://localhost:{served.port + 1}", "null", "http://evil.com"):
        answer = served.ask("POST", SESSION, body={"token": token}, headers={"Origin": origin})
        check(answer, 403)
    assert login(served, token=token).status == 200


def test_with_tls_the_cookie_is_secure_and_the_page_too() -> None:
    pipeline = FakePipeline()
    settings = ServerSettings(hosts=frozenset({"watch.example.org", "127.0.0.1"}), secure=True, cookie="__Host-w")
    with live(create_app(pipeline, settings)) as served:
        served.secrets["admin"], _ = pipeline.keys.create("a", "admin")
        sent = {"Host": "watch.example.org", "Origin": "https://watch.example.org"}
        answer = served.ask("POST", SESSION, body={"token": link(served)}, headers=sent)
        assert answer.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Secure")
        sent |= {"Cookie": cookie(answer), "X-Watchkeeper": "page"}
        assert served.ask("POST", f"{SESSION}/link", headers=sent).status == 201
        assert (
            served.ask("POST", f"{SESSION}/link", headers=sent | {"Origin": "https://watch.example.org:443"}).status
            == 201
        )
        check(served.ask("POST", f"{SESSION}/link", headers=sent | {"Origin": "http://watch.example.org"}), 403)


def test_a_proxy_that_does_tls_unasked_makes_the_cookie_secure_too(serve: Serve) -> None:
    served = serve(hosts=frozenset({"watch.example.org", "127.0.0.1"}))
    sent = {"Host": "watch.example.org", "Origin": "https://watch.example.org"}
    answer = served.ask("POST", SESSION, body={"token": link(served)}, headers=sent)
    assert answer.headers["set-cookie"].endswith("; Secure")


def test_guesses_are_few_and_services_are_not_touched(serve: Serve) -> None:
    served = serve(most_failed_logins=3)
    token = link(served)
    for _ in range(3):
        check(login(served, token="wko_guess"), 401)
    answer = login(served, token=token)
    assert "wait" in check(answer, 429)
    assert 0 < int(answer.headers["retry-after"]) <= SPAN + 1
    check(login(served, key=served.secrets["admin"]), 429)  # a good one is not looked at either
    assert served.ask("GET", "/api/v1/models", "viewer").status == 200
    check(served.ask("GET", "/api/v1/models", "wrong"), 401)


def test_attempts_are_counted_by_network_and_forgotten() -> None:
    now = [0.0]
    attempts = Attempts(2, lambda: now[0])
    for address in ("2001:db8::1", "2001:db8::ffff"):
        attempts.note(address)
    assert attempts.wait("2001:db8::abcd") == SPAN
    assert attempts.wait("2001:db8:0:1::1") == 0
    attempts.note("192.0.2.1")
    attempts.note("::ffff:192.0.2.1")
    assert attempts.wait("192.0.2.1") == SPAN
    assert attempts.wait("192.0.2.2") == attempts.wait("") == 0
    now[0] = SPAN
    assert attempts.wait("192.0.2.1") == 0
    for number in range(5000):
        attempts.note(f"10.0.{number // 256}.{number % 256}")
    assert len(attempts._failed) == 4096


def test_a_session_over_the_real_store(real: Live) -> None:
    answer = login(real, token=link(real))
    assert real.ask("GET", "/api/v1/keys", headers=page(real, answer)).status == 200
    assert isinstance(services_in(real.app).pipeline, Pipeline)
    assert real.ask("DELETE", SESSION, headers=page(real, answer)).status == 204
    check(real.ask("GET", "/api/v1/keys", headers=page(real, answer)), 401)
