"""Commands end to end: against a server by address and key, by its store's folder, and with no server at all."""

from __future__ import annotations

import csv
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_process import Process, process

from scored import scored_table
from watchkeeper.cli import run
from watchkeeper.pipeline.pipeline import Pipeline

ROLES = ["--timestamp", "when", "--prediction", "prediction", "--score", "score", "--id", "id"]
ROWS = 3000
Where = list[str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with predictions, their labels and a reference."""
    folder = tmp_path_factory.mktemp("files")
    table = scored_table(ROWS, 1)
    ids = pa.array([f"row-{number}" for number in range(ROWS)])
    when = table["when"]
    pq.write_table(table.drop(["label"]).append_column("id", ids), folder / "predictions.parquet")
    pq.write_table(
        pa.table({"id": ids, "label": table["label"], "timestamp": when, "extra": ids}), folder / "labels.parquet"
    )
    pq.write_table(scored_table(ROWS, 2), folder / "reference.parquet")
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """Return a server's store, address and first key."""
    store = tmp_path_factory.mktemp("served") / "store"
    with process(store) as started:
        found = store, *_said(started)
        yield found
        assert started.end()[0] == 0


def _said(started: Process) -> tuple[str, str]:
    key = started.wait_for("Key")
    return started.wait_for("Serving"), key


@pytest.fixture(params=["address", "folder", "no server"])
def where(request: pytest.FixtureRequest, served: tuple[Path, str, str], tmp_path: Path) -> Where:
    store, url, key = served
    if request.param == "address":
        return ["--url", url, "--key", key]
    return ["--store", str(store if request.param == "folder" else tmp_path / "store")]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, out, err = call(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_a_replay_from_files_to_measurements(
    capsys: pytest.CaptureFixture[str], where: Where, files: Path, request: pytest.FixtureRequest
) -> None:
    model = f"flights {request.node.callspec.id}"
    reference = ["reference", "set", model, files / "reference.parquet", "--version", "1", *where]
    code, out, err = call(capsys, *reference, *ROLES[:-2], "--target", "label", "--segment", "city")
    assert (code, f"{ROWS:,} rows" in out) == (0, True), err
    log = ["log", files / "predictions.parquet", "--model", model, *where]
    sent = as_json(capsys, *log, "--version", "1", "--clock", "event", *ROLES)
    assert (sent["rows"], sent["accepted"], sent["rejected"], sent["replayed"]) == (ROWS, ROWS, 0, 0)
    assert as_json(capsys, *log, *ROLES)["replayed"] == ROWS  # the version that serves; the same rows again
    labels = as_json(capsys, "log", files / "labels.parquet", "--model", model, "--labels", *where)
    assert (labels["rows"], labels["accepted"]) == (ROWS, ROWS)
    pause, end = threading.Event(), time.monotonic() + 60
    while True:
        (found,) = [m for m in as_json(capsys, "models", *where) if m["model"] == model]
        measured = as_json(capsys, "measurements", model, "--metric", "roc_auc", "--every", "day", *where)
        if found["labels"] == ROWS and any(m["source"] == "realised" for m in measured):
            break
        assert time.monotonic() < end
        pause.wait(0.1)
    assert (found["rows"], found["labels"], found["serving"]) == (ROWS, ROWS, "1")
    assert {m["metric"] for m in measured} == {"roc_auc"}
    code, out, _ = call(capsys, "measurements", model, "--metric", "roc_auc", *where)
    assert "realised" in out
    code, out, err = call(capsys, "measurements", model, *where)
    assert (code, len(out.splitlines())) == (0, 101)
    assert "earlier ones are left out; --all or --json shows them." in err
    assert len(call(capsys, "measurements", model, "--all", *where)[1].splitlines()) > 101
    assert "flights" in call(capsys, "models", *where)[1]
    looked = as_json(capsys, "measurements", model, "--metric", "accuracy", "--sequence", *where)
    assert looked
    for row in looked:
        assert row["sequence_low"] <= row["low"] <= row["value"] <= row["high"] <= row["sequence_high"]
    said = call(capsys, "measurements", model, "--metric", "roc_auc", "--revisions", "all", *where)[1].splitlines()[0]
    assert "revision" in said
    assert "known at" in said
    check_questions_that_find_nothing(capsys, model, where)
    check_listings(capsys, model, where)


def test_a_file_of_which_nobody_says_the_time_is_not_put_into_this_hour(
    capsys: pytest.CaptureFixture[str], where: Where, files: Path
) -> None:
    log = ["log", files / "predictions.parquet", "--model", "untold", "--version", "1", *where]
    code, _, err = call(capsys, *log)
    assert (code, "did you mean --timestamp when?" in err, "--timestamp now" in err) == (64, True, True), err
    assert as_json(capsys, *log, "--timestamp", "now")["accepted"] == ROWS


def check_questions_that_find_nothing(capsys: pytest.CaptureFixture[str], model: str, where: Where) -> None:
    """Check that a name that does not exist is no answer of 'nothing'."""
    for question, words in (
        ("--metric rocauc", "Did you mean 'roc_auc'?"),
        ("--segment city", "Did you mean 'city="),
        ("--column nope", "There is no column 'nope'."),
    ):
        code, _, err = call(capsys, "measurements", model, *question.split(), *where)
        assert (code, words in err) == (64, True), err
    code, out, _ = call(capsys, "measurements", model, "--metric", "mae", *where)
    assert (code, "mae was not measured" in out) == (0, True)
    assert "roc_auc" in out


def check_listings(capsys: pytest.CaptureFixture[str], model: str, where: Where) -> None:
    """Check what is listed of a model: versions, windows, refused rows, and what serves."""
    assert [v["version"] for v in as_json(capsys, "versions", model, *where)] == ["1"]
    assert f"{ROWS:,} rows" in call(capsys, "versions", model, *where)[1]
    assert sum(w["rows"] for w in as_json(capsys, "windows", model, *where)) == ROWS
    assert "sealed at" in call(capsys, "windows", model, "--every", "week", *where)[1]
    assert "no window" in call(capsys, "windows", model, "--start", "2031-01-01T00:00:00Z", *where)[1]
    assert as_json(capsys, "quarantine", model, *where) == []
    assert "No row was refused." in call(capsys, "quarantine", model, *where)[1]
    assert as_json(capsys, "serving", model, *where)["version"] == "1"
    assert "Version 1 serves." in call(capsys, "serving", model, "--set", "1", *where)[1]
    code, _, err = call(capsys, "serving", model, "--set", "9", *where)
    assert (code, "'9'" in err) == (64, True), err


def test_refused_rows_are_said_and_the_exit_code_is_1(
    capsys: pytest.CaptureFixture[str], where: Where, tmp_path: Path
) -> None:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "timestamp", "prediction"])
        writer.writerows([f"r{n}", "1999-01-01T00:00:00Z" if n == 3 else "", n % 2] for n in range(5))
    log = ["log", tmp_path / "rows.csv", "--model", "refused", "--version", "1", *where]
    code, out, err = call(capsys, *log)
    assert code == 1, err
    assert "refused" in out
    assert "row 3: the timestamp 1999" in out
    told = json.loads(call(capsys, *log, "--json")[1])
    assert told["rejected"] == len(told["reasons"]) > 0
    assert "the timestamp 1999" in call(capsys, "quarantine", "refused", *where)[1]
    assert "refused" in call(capsys, "models", *where)[1].splitlines()[0]


def test_keys_are_made_listed_and_revoked(capsys: pytest.CaptureFixture[str], where: Where) -> None:
    if where[0] == "--store" and not Path(where[1]).exists():
        Pipeline.open(Path(where[1])).close()
    code, secret, err = call(capsys, "keys", "create", "the service", "--role", "ingest", "--days", "7", *where)
    assert code == 0
    assert secret.startswith("wk_")
    assert "shown once" in err
    made = as_json(capsys, "keys", "create", "a page", "--role", "viewer", *where)
    assert made["secret"].startswith(made["key"]["prefix"])
    listed = as_json(capsys, "keys", "list", *where)
    assert secret.strip() not in json.dumps(listed)
    (service,) = [k for k in listed if k["name"] == "the service" and k["revoked"] is None]
    assert service["expires"] is not None
    assert call(capsys, "keys", "revoke", service["id"], *where)[0] == 0
    code, _, err = call(capsys, "keys", "revoke", service["id"], *where)
    assert code == 64
    assert "404" in err
    assert "the service" in call(capsys, "keys", "list", *where)[1]


def test_a_backup_is_whole_and_comes_back(
    capsys: pytest.CaptureFixture[str], served: tuple[Path, str, str], tmp_path: Path
) -> None:
    store, url, key = served
    assert call(capsys, "keys", "create", "kept", "--role", "viewer", "--store", store)[0] == 0
    assert call(capsys, "backup", tmp_path / "b.tar", "--url", url, "--key", key)[0] == 0
    code, _, err = call(capsys, "backup", tmp_path / "b.tar", "--force", "--url", url, "--key", key)
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]
    code, out, _ = call(capsys, "restore", "--verify", tmp_path / "b.tar")
    assert (code, "is whole" in out) == (0, True)
    assert call(capsys, "restore", tmp_path / "b.tar", "--store", tmp_path / "new")[0] == 0
    names = {k["name"] for k in as_json(capsys, "keys", "list", "--store", tmp_path / "new")}
    assert "kept" in names
    cut = (tmp_path / "b.tar").read_bytes()[:-20_000]
    (tmp_path / "cut.tar").write_bytes(cut)
    code, _, err = call(capsys, "restore", "--verify", tmp_path / "cut.tar")
    assert (code, "damaged" in err) == (64, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["models", "--url", "http://127.0.0.1:1"], "Is it running?"),
        (["models", "--url", "ftp://x"], "http://127.0.0.1:8640"),
        (["models", "--store", "{tmp}/nowhere"], "'watchkeeper serve --store"),
        (["models", "--store", "{store}", "--key", "wk_1"], "not both"),
        (["models", "--url", "{url}", "--key", "wk_1"], "This key is not known"),
        (["models", "--url", "{url}"], "This needs a key"),
        (["models", "--url", "{url}"], "Give a key with --key or WATCHKEEPER_KEY"),
        (["measurements", "missing", "--store", "{store}"], "missing"),
        (["measurements", "m", "--store", "{store}", "--start", "yesterday"], "such as"),
        (["log", "{tmp}/none.csv", "--model", "m", "--store", "{store}"], "There is no file"),
        (["log", "{ref}", "--model", "no such", "--store", "{store}"], "--version"),
        (["log", "{ref}", "--model", "m", "--version", "1", "--id", "idd", "--store", "{store}"], "'idd'"),
        (["log", "{ref}", "--model", "m", "--labels", "--store", "{store}"], "'id'"),
        (["reference", "set", "m", "{ref}", "--version", "1", "--target", "labbel", "--store", "{store}"], "'label'"),
        (["restore", "{ref}"], "--verify"),
        (["restore", "--verify", "{ref}"], "it is no backup"),
        (["restore", "--verify", "{tmp}"], "Is a directory"),
        (["restore", "{ref}", "--store", "{store}"], "is not empty; a restore never overwrites: name another folder"),
        (["restore", "{ref}", "--store", "{ref}"], "is a file, and a store is a folder"),
        (["models", "--store", "{ref}"], "is a file, and a store is a folder"),
        (["serve", "--port", "0", "--store", "{ref}"], "is a file, and a store is a folder"),
        (["keys", "create", "x", "--role", "admin", "--store", "{tmp}/typo"], "There is no store in"),
        (["restore", "--verify", "{tmp}/none.tar"], "There is no file"),
        (["backup", "{tmp}/no/b.tar", "--store", "{store}"], "cannot be written"),
        (["restore", "{ref}", "--store", "/proc/nope"], "/proc/nope cannot be written: "),
        (["backup", "{ref}", "--store", "{store}"], "is there already; name another file, or say --force"),
        (["keys", "revoke", "nope", "--store", "{store}"], "There is no key that is not revoked with the id 'nope'"),
        (["keys", "create", "x", "--role", "king", "--store", "{store}"], "king"),
        (["keys", "create", "", "--role", "admin", "--store", "{store}"], "name"),
    ],
)
def test_wrong_use_ends_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
    served: tuple[Path, str, str],
    files: Path,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
) -> None:
    store, url, _ = served
    places = {"tmp": tmp_path, "store": store, "url": url, "ref": files / "reference.parquet"}
    code, _, err = call(capsys, *(a.format(**places) for a in arguments))
    assert code == 64
    assert sentence in err
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    assert "is damaged" not in err
    assert not (tmp_path / "typo").exists()


def test_a_store_that_another_command_has_open_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store"):
        code, _, err = call(capsys, "models", "--store", tmp_path / "store")
    assert (code, "in use by process" in err) == (64, True)


def test_a_link_of_a_running_server_logs_in(capsys: pytest.CaptureFixture[str], served: tuple[Path, str, str]) -> None:
    store, url, _ = served
    made = as_json(capsys, "login", "--store", store)
    assert made["url"].startswith(f"{url}/login#wko_")


def test_the_environment_says_which_server(
    capsys: pytest.CaptureFixture[str], served: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url, key = served
    monkeypatch.setenv("WATCHKEEPER_URL", url)
    monkeypatch.setenv("WATCHKEEPER_KEY", key)
    assert as_json(capsys, "keys", "list")[0]["name"] == "first"


@pytest.mark.parametrize("command", ["serve", "log x.csv --model m --version 1"])
def test_a_missing_package_is_named_with_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = call(capsys, *command.split(), "--store", tmp_path / "store")
    assert (code, "pip install '.[server]' in a clone" in err) == (64, True)
