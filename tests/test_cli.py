"""The command line as a user meets it: in a process of its own, with exit codes and sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from scored import scored_table
from watchkeeper.cli import run

ROLES = ["--timestamp", "when", "--target", "label", "--prediction", "prediction", "--score", "score"]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_compare_exits_with_the_verdict(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    html, document = tmp_path / "r.html", tmp_path / "r.json"
    code, out, _ = call(capsys, "compare", *files, *ROLES, "--segment", "city", "--html", html, "--json", document)
    assert code == 2
    assert "CRITICAL" in out
    assert "ROC AUC" in out
    assert json.loads(document.read_text())["verdict"] == "critical"
    assert html.read_text().startswith("<!doctype html>")
    assert call(capsys, "compare", files[0], files[0], *ROLES)[0] == 0


def test_json_to_standard_output_is_only_json(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "compare", *files, *ROLES, "--json", "-")
    assert json.loads(out)["format"] == "watchkeeper.view/1"
    assert code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compare", "nowhere.parquet", "nowhere.parquet"], "There is no file at 'nowhere.parquet'"),
        (["compare", "{ref}", "{cut}"], "cannot be read"),
        (["compare", "{ref}", "{none}"], "has no rows"),
        (["compare", "{ref}", "{ref}", "--target", "lable"], "Did you mean 'label'?"),
        (["compare", "{ref}"], "Missing argument 'CURRENT'"),
        (["compare", "{ref}", "{ref}", "--alpha", "2"], "between 0 and 1"),
        (["compare", "{ref}", "{ref}", "--zone", "Mars/Base", "--timestamp", "when"], "not an IANA time zone"),
        (["compare", "{ref}", "{ref}", "--html", "{ref}/x.html"], "cannot be written"),
        (["compare", "{ref}", "{ref}", "--schema", "{yaml}"], "Did you mean 'target'?"),
        (["comprae", "{ref}", "{ref}"], "Did you mean 'compare'?"),
        (["profile", "show", "{ref}"], "not a whole Watchkeeper profile"),
        (["profile", "mrege"], "Did you mean 'merge'?"),
        (["profile", "merge", "nowhere.profile", "-o", "x.profile"], "There is no file"),
    ],
)
def test_wrong_use_and_input_end_in_one_sentence(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    reference = files[0]
    places = {
        "ref": reference,
        "cut": tmp_path / "cut.parquet",
        "none": tmp_path / "none.parquet",
        "yaml": tmp_path / "s.yaml",
    }
    places["cut"].write_bytes(reference.read_bytes()[:-500])
    pq.write_table(scored_table(10, 1).slice(0, 0), places["none"])
    places["yaml"].write_text("targte: label\n")
    code, _, err = call(capsys, *(a.format(**places) for a in arguments))
    assert code == 64
    assert sentence in err
    assert "Traceback" not in err
    assert err.startswith("Error: ")


def test_profiles_are_made_merged_and_shown(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = [tmp_path / "a.profile", tmp_path / "b.profile"]
    schema = tmp_path / "schema.yaml"
    schema.write_text("timestamp: when\ntarget: label\nprediction: prediction\nscore: score\n")
    for path, profile in zip((files[0], files[0]), made, strict=True):
        assert call(capsys, "profile", "make", path, "-o", profile, "--schema", schema)[0] == 0
    assert call(capsys, "profile", "merge", *made, "-o", tmp_path / "c.profile")[0] == 0
    code, out, _ = call(capsys, "profile", "show", tmp_path / "c.profile", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 8_000
    code, out, _ = call(capsys, "profile", "show", tmp_path / "c.profile")
    assert "8,000 rows" in out
    assert "city" in out
    assert call(capsys, "compare", made[0], made[1])[0] == 0


def test_doctor_finds_a_whole_installation(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "doctor", "--json")
    assert code == 0
    findings = {f["what"]: f["state"] for f in json.loads(out)}
    assert findings["page"] == "fine"
    assert "BROKEN" not in call(capsys, "doctor")[1]
    extras = {f["said"].split()[0] for f in json.loads(out) if f["what"].startswith("extra")}
    assert {"fastapi", "uvicorn", "apprise"} <= extras


def test_an_error_of_ours_is_a_sentence_and_70(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("watchkeeper.monitor.compare_profiles", fail)
    code, _, err = call(capsys, "compare", *files)
    assert code == 70
    assert "planted" in err
    assert "Traceback" not in err
    assert "Traceback" in call(capsys, "--traceback", "compare", *files)[2]


def test_it_runs_as_a_process_with_colour_off_in_a_pipe(files: tuple[Path, Path]) -> None:
    command = [sys.executable, "-c", "from watchkeeper.cli import main; main()", "compare", *map(str, files), *ROLES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "\x1b[" not in done.stdout
    assert done.stderr == ""


def test_the_terminal_table_keeps_its_numbers_whole_in_a_narrow_terminal(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "79")
    _, out, _ = call(capsys, "compare", *files, *ROLES)
    line = next(line for line in out.splitlines() if line.strip().startswith("ROC AUC") and "(" in line)
    assert line.count("(") == line.count(")") == 2
    assert max(map(len, out.splitlines())) <= 79
    monkeypatch.delenv("COLUMNS")
    assert "expected (CBPE)" in call(capsys, "compare", *files, *ROLES)[1]
