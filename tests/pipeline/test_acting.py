"""An action from its decision to its end: what the command gets, what becomes of what it leaves, and what is said of it."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from acted import BROKEN_FROM, DAYS, TARGET, Made, World, made_once, request_of, start_of

from watchkeeper.pipeline.acting_candidate import reference_left
from watchkeeper.pipeline.acting_export import schema_of
from watchkeeper.pipeline.overview import Overview
from watchkeeper.profiles.profile import Profile
from watchkeeper.response.operator import ActionSpec
from watchkeeper.response.rule import Act

DRY = Act("retrain", "promote_if_better", "auto", dry_run=True)


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_once(tmp_path_factory)


def test_a_better_challenger_serves_and_the_timeline_says_why(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better) as world:
        number = world.propose()
        world.run()
        action = world.get(number)
        assert action["state"] == "promoted"
        assert world.retrained() == [number]
        assert world.pipeline.serving(TARGET) == "2"
        assert action["result"]["candidate"] == {"version": "2", "artefact": "file:///models/2"}
        assert action["result"]["comparison"]["better"]
        assert action["log"].startswith("training act-")
        first, *_, last = world.said()
        assert first.startswith("retrain is proposed: roc_auc: fell from .9 to .5.")
        assert "roc_auc" in last and "360 held-out rows of 3 days" in last and "Version 2 serves instead of 1" in last
        starts = [target for what, target in world.audited() if what == "action.start"]
        ends = [target for what, target in world.audited() if what == "action.end"]
        assert starts == ends == [number]
        kinds = {change.what for change in world.changes.since(0, 0)[1]}
        assert {"action", "incident", "serving"} <= kinds
        reference = world.pipeline.catalog.version(replace(TARGET, version="2")).reference
        assert reference is not None
        assert reference.rows == 360
    with World(tmp_path / "store", made.better) as again:  # and after a restart
        assert again.pipeline.serving(TARGET) == "2"
        model = again.pipeline.catalog.model(TARGET)
        first, second = Overview(again.pipeline.database, again.pipeline.catalog).history(model).changes
        assert (first[1], second) == ("1", (model.now(), "2")), "from the replay's own time on"


def test_one_that_is_not_better_is_not_promoted(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.worse) as world:
        number = world.propose()
        world.run()
        assert world.get(number)["state"] == "kept"
        assert world.pipeline.serving(TARGET) == "1"
        assert "Version 1 is kept" in world.said()[-1]
        assert "95 % interval" in world.said()[-1]


def test_where_the_rule_says_nothing_nothing_is_promoted(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better) as world:
        number = world.propose(act=Act("retrain", "nothing", "auto"))
        world.run()
        assert world.get(number)["state"] == "kept"
        assert "as the rule says" in world.said()[-1]
        assert world.pipeline.serving(TARGET) == "1"


def test_what_the_command_gets(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better) as world:
        number = world.propose(act=DRY)
        world.run()
        request = request_of(world, number)
        assert request["decision"] == number
        assert request["serving"] == "1"
        assert request["columns"]["features"] == ["amount"]
        training = pq.read_table(world.path(number, "training.parquet"))
        held = pq.read_table(world.path(number, "holdout_rows.parquet"))
        for table, part in ((training, "training"), (held, "holdout")):
            assert set(table.column_names) == {"id", "when", "amount", "bad"}  # not what the serving version said
            assert table.num_rows == request[part]["rows"]
            assert table["bad"].null_count == 0
            expected = made.rows.filter(pc.is_in(made.rows["id"], table["id"].combine_chunks())).sort_by("id")
            got = table.sort_by("id")
            assert got["amount"].to_pylist() == expected["amount"].to_pylist()
            assert got["bad"].to_pylist() == [str(v) for v in expected["bad"].to_pylist()]
        assert pc.max(training["when"]).as_py() < pc.min(held["when"]).as_py()
        assert pc.max(training["when"]).as_py().timestamp() * 1e6 > start_of(BROKEN_FROM + 2)  # some of the new days
        assert pc.max(held["when"]).as_py().timestamp() * 1e6 > start_of(DAYS - 1)
        assert stat.S_IMODE(world.path(number, "").stat().st_mode) == 0o700


def test_a_dry_run_does_all_but_the_last_step(made: Made, tmp_path: Path) -> None:
    requests = []
    for name, act in (("dry", DRY), ("real", Act("retrain", "promote_if_better", "auto"))):
        (tmp_path / name).mkdir()
        with World(made.copy(tmp_path / name), made.better) as world:
            number = world.propose(act=act)
            world.run()
            requests.append(world.path(number, "request.json").read_bytes())
            if name == "dry":
                assert world.get(number)["state"] == "dry run"
                assert world.retrained() == []
                assert "would have run" in world.said()[-1]
                assert world.pipeline.serving(TARGET) == "1"
    assert requests[0] == requests[1]


def test_a_command_finds_little_in_its_environment(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_KEY", "wk_secret")
    told = tmp_path / "told.json"
    code = f"import json, os; json.dump([dict(os.environ), os.getcwd()], open({str(told)!r}, 'w'))"
    with World(made.copy(tmp_path), made.better) as world:
        command = ("python", "-I", "-c", code)
        world.actions = {"retrain": ActionSpec("retrain", command, folder=tmp_path, environment={"MINE": "$HOME; 1"})}
        number = world.propose(act=Act("retrain", "nothing", "auto"))
        world.run()
        assert world.get(number)["state"] == "kept", world.said()
        environment, folder = json.loads(told.read_text())
        assert set(environment) - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "MINE", "WATCHKEEPER_ACTION_DIR"}
        assert environment["MINE"] == "$HOME; 1"  # no shell had it
        assert folder == str(tmp_path)


@pytest.mark.parametrize(
    ("how", "words"),
    [("fails", "exit code 1"), ("sleeps", "the time that it may take was over"), ("leaves nothing", "candidate.json")],
)
def test_a_command_that_fails_says_so(made: Made, tmp_path: Path, how: str, words: str) -> None:
    with World(made.copy(tmp_path), made.better, how=how, timeout=0.5 if how == "sleeps" else 30.0) as world:
        number = world.propose()
        world.run()
        assert world.get(number)["state"] == "failed"
        assert words in world.said()[-1]
        assert world.get(number)["log"].splitlines()[-1] == (
            "out of cheese" if how == "fails" else f"training {number}"
        )
        assert world.pipeline.serving(TARGET) == "1"


@pytest.mark.parametrize(
    ("command", "folder"), [(("no-such-program",), None), ((sys.executable,), Path("/no/such/folder"))]
)
def test_a_command_that_cannot_begin_says_so(
    made: Made, tmp_path: Path, command: tuple[str, ...], folder: Path | None
) -> None:
    with World(made.copy(tmp_path)) as world:
        world.actions = {"retrain": ActionSpec("retrain", command, folder=folder)}
        number = world.propose()
        world.run()
        assert world.get(number)["state"] == "failed"
        assert "o such file or directory" in world.said()[-1]


def test_output_is_kept_up_to_a_cap_and_its_end_always(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better, how="floods") as world:
        number = world.propose()
        world.run()
        assert world.get(number)["state"] == "promoted"
        assert 1 << 20 < world.path(number, "output.log").stat().st_size < 1.2 * (1 << 20)
        assert world.get(number)["log"].endswith("the very end")
        assert len(world.get(number)["log"]) <= 8 << 10


def test_somebody_who_moved_the_alias_meanwhile_is_not_overruled(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better, how="waits") as world:
        number = world.propose()
        world.acting.start()
        world.pipeline.register(replace(TARGET, version="by hand"), None, None)
        world.pipeline.set_serving(TARGET, "by hand")
        Path(f"{world.ledger}.go").touch()
        world.run()
        assert world.get(number)["state"] == "kept"
        assert world.pipeline.serving(TARGET) == "by hand"
        assert "it came to serve while retrain was running" in world.said()[-1]


def test_rows_are_removed_once_an_action_went_to_its_end(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better) as world:
        number = world.propose()
        world.run()
        assert sorted(p.name for p in world.path(number, "").iterdir() if p.suffix == ".parquet") == ["holdout.parquet"]


def test_a_reference_that_the_command_left_must_be_held_out(made: Made, tmp_path: Path) -> None:
    with World(made.copy(tmp_path), made.better) as world:
        number = world.propose(act=DRY)
        world.run()
        schema, folder = schema_of(world.version), world.path(number, "")
        rows = made.rows.set_column(made.rows.column_names.index("bad"), "bad", made.rows["bad"].cast(pa.string()))
        pq.write_table(rows, folder / "reference.parquet")
        with pytest.raises(Exception, match="rows of the training"):
            reference_left(folder, folder / "training.parquet", schema)
        held = pq.read_table(world.path(number, "holdout_rows.parquet"))["id"].combine_chunks()
        pq.write_table(rows.filter(pc.is_in(rows["id"], held)), folder / "reference.parquet")
        content, words = reference_left(folder, folder / "training.parquet", schema)
        assert content is not None
        assert Profile.from_bytes(content).rows == 360
        assert "held out" in words
        (folder / "reference.profile").write_bytes(content[:-10])
        with pytest.raises(Exception, match=r"reference\.profile cannot be used"):
            reference_left(folder, folder / "training.parquet", schema)
