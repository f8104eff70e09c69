"""Streams of events: what changed in the key's project, and nothing missed, whoever leaves and comes back."""

from __future__ import annotations

import json
import socket
import threading
import time

from fake import FakePipeline
from live import Live, Serve, live
from test_problems import check

from watchkeeper.server.app import create_app
from watchkeeper.server.services import services_in
from watchkeeper.server.settings import ServerSettings

EVENTS = "/api/v1/events"


def bearer(served: Live, who: str = "viewer", **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.secrets[who]}"} | {k.replace("_", "-"): v for k, v in more.items()}


def none_open(served: Live) -> None:
    """Wait until no stream counts as open."""
    end = time.monotonic() + 10
    while services_in(served.app).feed._open:
        assert time.monotonic() < end


def test_what_changes_is_told_to_its_project_alone(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    with served.follow(bearer(served)) as stream:
        assert stream.answer.status == 200
        assert stream.answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        assert stream.answer.getheader("Cache-Control") == "no-store"
        assert stream.next()["retry"] == "2000"
        begun = stream.next()["id"]
        pipeline.changes.publish("incident", "other", "theirs")
        pipeline.changes.publish("measured", "default", "m", "production")
        found = stream.event()
        assert (found["event"], json.loads(found["data"])) == (
            "change", {"what": "measured", "model": "m", "environment": "production"},
        )  # fmt: skip
        pipeline.changes.publish("channel", "default")
        assert json.loads(stream.event()["data"])["what"] == "channel"
    with served.follow(bearer(served, Last_Event_ID=begun)) as stream:
        assert [json.loads(stream.event()["data"])["what"] for _ in range(2)] == ["measured", "channel"]
    with served.follow(bearer(served, "elsewhere", Last_Event_ID=begun)) as stream:
        assert json.loads(stream.event()["data"])["model"] == "theirs"


def test_who_missed_something_is_told_to_fetch_everything(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    with served.follow(bearer(served)) as stream:
        stream.next()
        begun = stream.next()["id"]
    for _ in range(1001):
        pipeline.changes.publish("measured", "default", "m")
    for last in (begun, "0badf00d-1000", "nonsense", f"{begun.partition('-')[0]}-9999"):
        with served.follow(bearer(served, Last_Event_ID=last)) as stream:
            found = stream.event()
            assert found["event"] == "reset"
            pipeline.changes.publish("action", "default", "m")
            assert json.loads(stream.event()["data"])["what"] == "action"
    check(served.ask("GET", EVENTS, "viewer", headers={"Last-Event-ID": "x" * 65}), 422)


def test_a_stream_is_told_that_the_server_is_there(serve: Serve) -> None:
    served = serve(heartbeat=0.05)
    with served.follow(bearer(served)) as stream:
        assert [stream.next() for _ in range(4)][2:] == [{"": "here"}] * 2


def test_a_page_follows_with_its_cookie_until_the_session_ends(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve(heartbeat=0.05)
    headers = served.page("viewer")
    with served.follow({"Cookie": headers["Cookie"]}) as stream:
        stream.next()
        stream.next()
        assert served.ask("DELETE", "/api/v1/session", headers=headers).status == 204
        pipeline.changes.publish("incident", "default", "secret")
        left = b"".join(stream.answer.readlines())
    assert b"secret" not in left


def test_streams_are_few_and_let_go_of_their_places(serve: Serve) -> None:
    served = serve(most_streams=2, heartbeat=0.05)
    with served.follow(bearer(served)), served.follow(bearer(served)):
        answer = served.ask("GET", EVENTS, "viewer")
        check(answer, 429)
        assert int(answer.headers["retry-after"]) > 0
    none_open(served)
    served.follow(bearer(served)).close()


def test_head_of_a_stream_ends(serve: Serve) -> None:
    served = serve()
    answer = served.ask("HEAD", EVENTS, "viewer")
    assert (answer.status, answer.body) == (200, b"")
    none_open(served)


def test_streams_end_when_the_server_does() -> None:
    pipeline = FakePipeline()
    secret, _ = pipeline.keys.create("v", "viewer")
    ended = threading.Event()
    with live(create_app(pipeline, ServerSettings(heartbeat=600))) as served:
        stream = served.follow({"Authorization": f"Bearer {secret}"})

        def read() -> None:
            while stream.next():
                pass
            ended.set()

        reader = threading.Thread(target=read)
        stream.next()
        reader.start()
        began = time.monotonic()
    assert time.monotonic() - began < 4  # six seconds would be the server's patience with requests that do not end
    reader.join(10)
    assert ended.is_set()
    stream.close()


def test_who_does_not_read_takes_no_memory_and_keeps_nobody_waiting(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    with socket.create_connection((served.host, served.port), timeout=30) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.secrets['viewer']}\r\n\r\n"
        line.sendall(head.encode())
        line.recv(100)
        with served.follow(bearer(served)) as stream:
            stream.next()
            stream.next()
            for number in range(3000):
                pipeline.changes.publish("measured", "default", f"{'m' * 200}{number}")
            pipeline.changes.publish("action", "default", "last")
            while (found := stream.event())["event"] != "reset":  # which tells of all up to then, where it was too slow
                if json.loads(found["data"])["what"] == "action":
                    break
    assert served.ask("GET", "/healthz").status == 200
