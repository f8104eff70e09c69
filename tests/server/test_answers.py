"""What is read: JSON without NaN, Arrow, bytes; metrics whose number of series is bounded."""

from __future__ import annotations

import math
import re

import pyarrow as pa
from fake import FakePipeline
from live import Live, Serve

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.counts import BUCKETS

UNDESCRIBED = ("/api/v1/openapi.json", "/", "/login", "/assets/{name}")
ARROW = "application/vnd.apache.arrow.stream"
LINE = re.compile(
    r'^[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$'
)


def known(served: Live, model: str = "m") -> None:
    served.ask("POST", f"/api/v1/predictions?model={model}&version=1", "ingest", {"predictions": [{"prediction": 1}]})


def test_measurements_are_the_same_in_both_forms(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    known(served)
    pipeline.table = pa.table({"n": range(20_001), "value": [math.nan if i % 7 == 0 else i / 3 for i in range(20_001)]})
    as_json = served.ask("GET", "/api/v1/measurements?model=m", "viewer")
    assert as_json.headers["content-type"] == "application/json"
    assert as_json.headers["transfer-encoding"] == "chunked"
    as_arrow = served.ask("GET", "/api/v1/measurements?model=m", "viewer", headers={"Accept": ARROW})
    assert as_arrow.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(as_arrow.body).read_all()
    assert table.equals(pipeline.table) or table["n"].equals(pipeline.table["n"])
    records = as_json.json["measurements"]
    assert [r["n"] for r in records] == list(range(20_001))
    assert records[7]["value"] is None
    assert records[8]["value"] == 8 / 3


def test_a_table_without_rows_is_one_too(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    known(served)
    pipeline.table = pipeline.table.slice(0, 0)
    assert served.ask("GET", "/api/v1/measurements?model=m", "viewer").json == {"measurements": []}
    empty = served.ask("GET", "/api/v1/measurements?model=m", "viewer", headers={"Accept": ARROW}).body
    assert pa.ipc.open_stream(empty).read_all().schema == pipeline.table.schema


def test_what_fails_before_the_first_piece_is_still_a_problem(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    pipeline.fail = ZeroDivisionError("planted")  # a generator fails only once it is asked
    for _ in range(3):
        assert served.ask("GET", "/api/v1/backup", "admin").status == 500
    pipeline.fail = None
    assert served.ask("GET", "/api/v1/backup", "admin").body == b"a tar"


def test_the_real_store_answers_every_question(real: Live) -> None:
    known(real, "asked")
    query = "?model=asked&version=1&start=2020-01-01T00:00:00%2B02:00"
    for path, name in (
        ("models", "models"), ("versions?model=asked", "versions"), (f"windows{query}&every=month", "windows"),
        (f"measurements{query}&metric=roc_auc&metric=psi&revisions=all", "measurements"), ("keys", "keys"),
    ):  # fmt: skip
        answer = real.ask("GET", f"/api/v1/{path}", "admin")
        assert answer.status == 200, answer.body
        assert isinstance(answer.json[name], list)
    assert real.ask("GET", "/api/v1/serving?model=asked", "ingest").json.keys() == {"version"}
    assert real.ask("GET", "/api/v1/windows?model=asked&version=9", "viewer").status == 404
    tar = real.ask("GET", "/api/v1/backup", "admin")
    assert tar.headers["content-type"] == "application/x-tar"
    assert b"watchkeeper.db" in tar.body[:4096]


def test_metrics_are_in_the_text_format_and_hold_together(real: Live) -> None:
    known(real)
    answer = real.ask("GET", "/metrics", "viewer")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert [line for line in values if not LINE.match(line)] == []
    assert len({line.rpartition(" ")[0] for line in values}) == len(values)
    buckets = [int(line.rpartition(" ")[2]) for line in values if "acknowledgement_seconds_bucket" in line]
    assert buckets == sorted(buckets)
    assert len(buckets) == len(BUCKETS) + 1
    assert buckets[-1] >= 1
    assert any(line.startswith('watchkeeper_model_rows{model="m"') for line in values)


def test_the_number_of_series_is_bounded_whatever_is_asked(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    for number in range(150):
        pipeline.models_known["default", f'm{number}"\n\\'] = {"model": f'm{number}"\n\\', "rows": 1}
    for number in range(20):
        served.ask("GET", f"/nowhere/{number}", "viewer")
        served.ask(f"WORD{number}", "/healthz")
        served.ask("DELETE", f"/api/v1/keys/{number}", "admin")
    lines = served.ask("GET", "/metrics", "viewer").body.decode().splitlines()
    assert sum("watchkeeper_model_rows{" in line for line in lines) == 100
    assert sum("watchkeeper_http_requests_total{" in line for line in lines) == 3
    assert 'path="other",status="404"} 20' in "\n".join(lines)
    assert [line for line in lines if not line.startswith("#") and not LINE.match(line)] == []


def test_one_backup_at_a_time_and_the_next_when_it_is_done(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    limits = served.app.state.services.limits
    limits.one_backup.claim()
    answer = served.ask("GET", "/api/v1/backup", "admin")
    assert answer.status == 429
    assert "backup" in answer.json["detail"]
    limits.one_backup.release()
    for _ in range(3):
        assert served.ask("GET", "/api/v1/backup", "admin").status == 200


def test_the_description_names_every_route_and_status() -> None:
    from watchkeeper.server.app import create_app
    from watchkeeper.server.policy import POLICY

    described = create_app(FakePipeline()).openapi()
    operations = {(m.upper(), path) for path, methods in described["paths"].items() for m in methods}
    assert operations == POLICY.keys() - {("GET", path) for path in UNDESCRIBED}
    for (method, path), roles in POLICY.items():
        if (method, path) in operations:
            said = described["paths"][path][method.lower()]
            assert {"403", "500"} <= said["responses"].keys()
            assert said.get("security") == (None if roles else [])
            assert said["description"]


def test_a_pipeline_is_what_the_server_asks_for() -> None:
    from watchkeeper.server import ports

    for port in (
        ports.Intake, ports.Register, ports.Catalogue, ports.Measured, ports.Monitoring, ports.Foresight,
        ports.Incidents, ports.Silences, ports.Outbound, ports.Acts, ports.Decides, ports.Trail,
    ):  # fmt: skip
        asked = [name for name in vars(port) if not name.startswith("_")]
        assert len(asked) <= 4
        assert [name for name in asked if not callable(getattr(Pipeline, name, None))] == []
