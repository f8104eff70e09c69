"""The loop closed, over a real store: what seals do to incidents, who is told, and what people do about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from story import DELAY, MONITORS, SCHEMA, Story, opened, outcome, registered, settings_of, start_of, tell
from traffic import TARGET

from watchkeeper.errors import Conflict, InputError, InvalidMonitors, UnknownModel
from watchkeeper.pipeline import responding, windows
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import MeasurementQuery

FINE = Story(5)
FAULT = Story(13, fault=(4, 5, 6), season=0)
GAP = Story(16, fault=(4, 5, 6, 7, 8, 9), gap=(6, 7, 8))
ACCURACY = "model: credit\nwindow: {every: 1d, zone: Europe/Berlin}\nmonitors: [{metric: roc_auc}]\n"
SOON = timedelta(hours=1)


@contextmanager
def told(folder: Path, story: Story, **given: Any) -> Iterator[Pipeline]:
    """Give a pipeline that heard a whole story."""
    with opened(folder, **given) as pipeline:
        tell(pipeline, story.sent())
        yield pipeline


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Give a pipeline that heard of the fault, for tests that only read."""
    with told(tmp_path_factory.mktemp("fault"), FAULT) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Give a pipeline that heard of the gap, for tests that only read."""
    with told(tmp_path_factory.mktemp("gap"), GAP) as pipeline:
        yield pipeline


def the_one(pipeline: Pipeline) -> dict[str, Any]:
    """Return the only incident, whole."""
    (found,) = pipeline.incidents("default")
    return pipeline.incident("default", found["id"])


def kinds(incident: dict[str, Any]) -> list[str]:
    return [entry["kind"] for entry in incident["timeline"] if entry["kind"] != "notified"]


# --- by sealed windows ------------------------------------------------------------------------------------------------


def test_a_fault_opens_one_incident_that_says_why_and_ends_when_it_does(faulty: Pipeline) -> None:
    found, verdicts = the_one(faulty), faulty.verdicts(TARGET, "day", None, None)
    assert (found["cause"], found["severity"], found["state"]) == ("model", "critical", "resolved")
    assert found["window"] == [start_of(4), start_of(5)]
    assert [column["column"] for column in found["columns"]] == ["amount"], "it is warm, as it was before"
    assert found["title"] == "ROC AUC is critical, and amount moved"
    segments = [finding["segment"] for finding in found["findings"]]
    assert segments[0] is None, "the worst of all rows first"
    assert {"city=Ulm", "city=Bonn", "city=Köln"} <= set(segments), "the others joined a day later"
    said = kinds(found)
    assert (said[0], said[-1]) == ("opened", "resolved")
    assert said.count("quiet") == 1 and "evidence" in said
    alarming = [v["start"] for v in verdicts if v["monitor"] == "roc_auc" and v["verdict"] == "critical"]
    assert alarming[0] == start_of(4) and len(alarming) >= 3, "these were one incident"
    assert [n["kind"] for n in found["notifications"]] == ["opened", "resolved"]
    assert datetime.fromisoformat(found["opened"]) >= datetime.fromisoformat(start_of(5)) + DELAY


def test_where_nothing_is_wrong_nothing_opens(tmp_path: Path) -> None:
    with told(tmp_path, FINE) as pipeline:
        assert pipeline.incidents("default") == []
        assert {v["verdict"] for v in pipeline.verdicts(TARGET, "day", None, None)} <= {"ok", "not enough data"}


def test_days_without_rows_are_missing_traffic_and_no_recovery(gappy: Pipeline) -> None:
    by_cause = {i["cause"]: gappy.incident("default", i["id"]) for i in gappy.incidents("default")}
    verdicts = gappy.verdicts(TARGET, "day", None, None)
    assert len(by_cause) == 2
    missing, wrong = by_cause["traffic"], by_cause["model"]
    assert (missing["severity"], missing["window"]) == ("critical", [start_of(6), start_of(7)])
    assert missing["state"] == "resolved"
    assert missing["findings"][0]["words"] == "Traffic has no data: the window has no rows"
    assert wrong["window"][0] == start_of(4)
    seen = {v["start"]: v for v in verdicts if v["monitor"] == "roc_auc"}
    assert [seen[start_of(day)]["verdict"] for day in (6, 7, 8)] == ["not enough data"] * 3
    assert seen[start_of(6)]["findings"][0]["state"] == "no data"
    quiet = [e["at"] for e in wrong["timeline"] if e["kind"] in {"quiet", "resolved"}]
    assert all(at > start_of(10) for at in quiet), "it stands until what comes after the gap is fine"
    assert [n["kind"] for n in wrong["notifications"]] == ["opened", "resolved"]


def test_the_gap_would_catch_a_build_that_judges_by_what_it_saw_before_the_first_seal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "_look_again", lambda connection: None)
    with told(tmp_path, Story(7, gap=(1, 2, 3))) as pipeline:
        assert len(pipeline.incidents("default")) != 1


def test_days_without_rows_right_after_the_first_are_seen_as_well(tmp_path: Path) -> None:
    with told(tmp_path, Story(6, gap=(1, 2, 3))) as pipeline:
        found = the_one(pipeline)
        starts = {v["start"] for v in pipeline.verdicts(TARGET, "day", None, None)}
    assert (found["cause"], found["window"][0]) == ("traffic", start_of(1))
    assert starts == {start_of(day) for day in range(5)}


def test_what_another_version_served_is_no_missing_traffic_and_what_none_did_is(tmp_path: Path) -> None:
    """Version 3 serves, then 4, then 3 again; then nobody calls either for two days (as after a promotion, or its end)."""
    story = Story(9, gap=(6, 7))
    with opened(tmp_path) as pipeline:
        registered(pipeline, replace(TARGET, version="4"), None)
        for version, first, last in (("3", 0, 2), ("4", 2, 4), ("3", 4, 9)):
            pipeline.set_serving(TARGET, version)
            some = story.before(last)[len(story.before(first)) :] if last < 9 else story.from_(first)
            tell(pipeline, some, replace(TARGET, version=version))
        found = the_one(pipeline)
    assert (found["cause"], found["window"][0]) == ("traffic", start_of(6))


def test_a_version_that_nobody_ever_calls_once_it_serves_is_missing_traffic(tmp_path: Path) -> None:
    new = replace(TARGET, version="4")
    with opened(tmp_path) as pipeline:
        registered(pipeline, new, None)
        tell(pipeline, FINE.before(2))
        pipeline.set_serving(TARGET, "4")
        tell(pipeline, Story(6, gap=(0, 1, 2, 3, 4)).sent(), new)
        found = the_one(pipeline)
    assert (found["cause"], found["version"]) == ("traffic", "4")
    assert found["window"][0] == start_of(3), "the third day had an hour of the old one"


@pytest.mark.parametrize("story", [FAULT, GAP], ids=["fault", "gap"])
@pytest.mark.parametrize("how", ["one by one", "restarted", "hours"])
def test_what_is_concluded_does_not_depend_on_how_it_came(
    tmp_path: Path, faulty: Pipeline, gappy: Pipeline, story: Story, how: str
) -> None:
    whole = faulty if story is FAULT else gappy
    expected, numbers = outcome(whole), measured(whole)
    settings: dict[str, Any] = {"one by one": {"group_rows": 1}, "hours": {"base": "hour"}}.get(how, {})
    first, second = (story.before(5), story.from_(5)) if how == "restarted" else (story.sent(), [])
    with opened(tmp_path / "other", **settings) as pipeline:
        tell(pipeline, first)
    with Pipeline.open(tmp_path / "other", settings_of(**settings)) as pipeline:
        tell(pipeline, second)
        found = outcome(pipeline)
        alike(measured(pipeline), numbers)
    alike(found["incidents"], expected["incidents"])
    alike(found["verdicts"], expected["verdicts"])
    assert len(found["incidents"]) == (1 if story is FAULT else 2)


def measured(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return what was known of each day at its seal."""
    query = MeasurementQuery(TARGET, every="day", revisions="sealed")
    found = pipeline.measurements(query).drop_columns(["revision", "known_at"]).to_pylist()
    return sorted(
        found,
        key=lambda row: str([row[n] for n in ("window_start", "metric", "column", "segment", "params", "source")]),
    )


def alike(found: Any, expected: Any) -> None:
    """Compare values; floats may differ by 1e-9."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            alike(found[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            alike(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    else:
        assert found == expected


def test_a_replay_says_what_really_happened(gappy: Pipeline) -> None:
    replayed = gappy.replay_monitors(TARGET, MONITORS)
    happened = gappy.incidents("default")[::-1]
    other = gappy.replay_monitors(TARGET, MONITORS.replace("role: evidence", "role: incident"))
    lax = gappy.replay_monitors(TARGET, MONITORS.replace("< 0.7, critical: < 0.65", "< 0.01"))
    days = [v["start"] for v in gappy.verdicts(TARGET, "day", None, None) if v["monitor"] == "traffic"]
    assert len(gappy.incidents("default")) == len(happened), "it only reads"
    expected = [(i["cause"], i["severity"], i["window"][0], i["resolved"] is not None) for i in happened]
    said = [(i["cause"], i["severity"], i["window"], i["resolved"] is not None) for i in replayed["incidents"]]
    assert said == expected
    assert [day["start"] for day in replayed["days"]] == days
    assert replayed["windows"] == len(days)
    assert [day["start"] for day in replayed["days"] if day["incident"]] == [i["window"][0] for i in happened]
    assert [i["cause"] for i in lax["incidents"]] == ["traffic"]
    assert other["findings_by_monitor"].keys() >= {"roc_auc", "wasserstein", "traffic"}


# --- the budget -------------------------------------------------------------------------------------------------------


def test_two_models_share_the_budget(tmp_path: Path) -> None:
    """Each spends half from the day on which there are two, the one whose monitors were read before too."""
    second = replace(TARGET, model="cards")
    with opened(tmp_path, monitors=ACCURACY) as pipeline:
        tell(pipeline, FINE.before(3))
        registered(pipeline, second, ACCURACY.replace("credit", "cards"))
        tell(pipeline, FINE.from_(3))
        tell(pipeline, FINE.sent(), second)
        spent = {m: [v["findings"][0]["alpha"] for v in pipeline.verdicts(t, "day", None, None)]
                 for m, t in (("credit", TARGET), ("cards", second))}  # fmt: skip
    assert spent["credit"] == pytest.approx([1 / 600] * 2 + [1 / 1200] * 2)
    assert spent["cards"] == pytest.approx([1 / 1200] * 4)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((None, None, None), (1 / 3, 1 / 3, 1 / 3)), ((0.8, None, None), (0.8, 0.1, 0.1)), ((0.5, 0.5, None), (0.5, 0.5, 0.0)),
        ((0.9, 0.9, None), (0.5, 0.5, 0.0)), ((0.2, 0.1, 0.3), (0.2, 0.1, 0.3)),
    ],
)  # fmt: skip
def test_what_files_say_and_what_they_leave_is_never_more_than_the_budget(
    tmp_path: Path, shares: tuple[float | None, ...], expected: tuple[float, ...]
) -> None:
    with Pipeline.open(tmp_path, settings_of()) as pipeline:
        for name, share in zip("abc", shares, strict=True):
            target = replace(TARGET, model=name)
            pipeline.register(target, SCHEMA.to_dict(), "event")
            budget = f"budget: {{share: {share}}}\n" if share is not None else ""
            pipeline.apply_monitors(target, ACCURACY.replace("credit", name) + budget, "ada")
        with pipeline.database.reading() as connection:
            found = [pipeline.rules.stored(connection, m) for m in pipeline.catalog.models_of("default")]
    assert [f.share for f in found if f is not None] == pytest.approx(expected)


# --- monitors ---------------------------------------------------------------------------------------------------------


def test_suggested_monitors_are_in_force_until_somebody_applies_some(tmp_path: Path) -> None:
    with told(tmp_path, FAULT, monitors=None) as pipeline:
        standing = pipeline.monitors(TARGET)
        assert standing is not None
        assert (standing["revision"], standing["author"], standing["created"]) == (0, "default", None)
        assert standing["text"] == pipeline.suggest_monitors(TARGET)
        found = the_one(pipeline)
        assert (found["cause"], found["columns"][0]["column"]) == ("model", "amount")
        watched = {v["monitor"] for v in pipeline.verdicts(TARGET, "day", None, None)}
        assert watched == {m["name"] for m in standing["document"]["monitors"]}


def test_each_change_of_monitors_is_a_revision(tmp_path: Path) -> None:
    with opened(tmp_path, monitors=None) as pipeline:
        plan = pipeline.plan_monitors(TARGET, ACCURACY)
        assert {change["what"] for change in plan["changes"]} == {"added"}
        first = pipeline.apply_monitors(TARGET, ACCURACY, "ada")
        same = pipeline.apply_monitors(TARGET, ACCURACY, "bob")
        assert (first["revision"], same) == (1, first), "nothing changed, so it is still hers"
        tell(pipeline, FINE.before(3))
        assert pipeline.plan_monitors(TARGET, ACCURACY)["changes"] == []
        assert pipeline.plan_monitors(TARGET, MONITORS)["changes"] != []
        second = pipeline.apply_monitors(TARGET, MONITORS, "bob")
        assert (second["revision"], second["author"], second["text"]) == (2, "bob", MONITORS)
        tell(pipeline, FINE.from_(3))
        audited = [(a["what"], a["actor"], a["detail"]) for a in pipeline.audit("default")[::-1]]
        assert audited == [("monitors.apply", "ada", {"revision": 1}), ("monitors.apply", "bob", {"revision": 2})]
        verdicts = pipeline.verdicts(TARGET, "day", None, None)
        with pytest.raises(InvalidMonitors, match="'cards'"):
            pipeline.apply_monitors(TARGET, ACCURACY.replace("credit", "cards"), "eve")
    by_day = {start_of(day): {v["monitor"] for v in verdicts if v["start"] == start_of(day)} for day in range(4)}
    assert by_day[start_of(1)] == {"roc_auc"}, "by what was in force at its seal"
    assert by_day[start_of(3)] == {"roc_auc", "traffic", "wasserstein", "lasting", "jensen_shannon"}
    with Pipeline.open(tmp_path, settings_of()) as pipeline:
        assert pipeline.monitors(TARGET) | {"warnings": []} == second


# --- people -----------------------------------------------------------------------------------------------------------


def test_somebody_looks_and_says_it_is_over(tmp_path: Path) -> None:
    with opened(tmp_path) as pipeline:
        tell(pipeline, FAULT.before(7))
        number = the_one(pipeline)["id"]
        assert pipeline.acknowledge("default", number, "ada", "on it")["state"] == "acknowledged"
        with pytest.raises(Conflict):
            pipeline.acknowledge("default", number, "bob")
        ended = pipeline.resolve("default", number, "bob", "the feed is fixed")
        assert ended["state"] == "resolved"
        with pytest.raises(Conflict):
            pipeline.resolve("default", number, "bob")
        with pytest.raises(UnknownModel):
            pipeline.resolve("others", number, "bob")
        people = [(e["kind"], e["actor"], e["text"]) for e in ended["timeline"] if e["actor"] != "server"]
        assert people == [
            ("acknowledged", "ada", "ada looks at it: on it."),
            ("resolved", "bob", "bob resolved it: the feed is fixed."),
        ]
        assert [n["kind"] for n in ended["notifications"]] == ["opened", "resolved"]
        audited = [(a["what"], a["actor"], a["target"]) for a in pipeline.audit("default")[::-1]]
        assert audited[1:] == [
            ("incident.acknowledge", "ada", str(number)), ("incident.resolve", "bob", str(number)),
        ]  # fmt: skip
        assert pipeline.audit_intact() is None
        tell(pipeline, FAULT.from_(7))
        assert len(pipeline.incidents("default")) == 2, "the fault lasts, so it opens anew"


def test_what_is_acknowledged_goes_on_and_ends_by_itself(tmp_path: Path) -> None:
    with opened(tmp_path) as pipeline:
        tell(pipeline, FAULT.before(7))
        pipeline.acknowledge("default", the_one(pipeline)["id"], "ada")
        tell(pipeline, FAULT.from_(7))
        assert the_one(pipeline)["state"] == "resolved"


def test_what_is_written_of_an_incident_is_written_with_who_is_saidor_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("no more ink")

    with opened(tmp_path) as pipeline:
        tell(pipeline, FAULT.before(7))
        before, audited = the_one(pipeline), pipeline.audit("default")
        with monkeypatch.context() as patch:
            patch.setattr(responding, "enqueue", fails)
            with pytest.raises(RuntimeError, match="ink"):
                pipeline.resolve("default", before["id"], "ada")
        assert (the_one(pipeline), pipeline.audit("default")) == (before, audited)
        pipeline.resolve("default", before["id"], "ada")
        assert len(pipeline.audit("default")) == len(audited) + 1


def test_a_silenced_model_opens_incidents_and_tells_nobody(tmp_path: Path) -> None:
    with opened(tmp_path) as pipeline:
        tell(pipeline, FAULT.before(4))
        until = datetime.now(UTC) + SOON
        made = pipeline.silence("default", model="credit", until=until, reason="maintenance", actor="ada")
        assert pipeline.silences("default") == [made]
        tell(pipeline, FAULT.from_(4))
        found = the_one(pipeline)
        assert (found["state"], found["notifications"]) == ("resolved", [])
        assert kinds(found)[:3].count("silenced") == 1
        pipeline.unsilence("default", made["id"], "bob")
        assert pipeline.silences("default") == []
        audited = [(a["what"], a["actor"]) for a in pipeline.audit("default")[::-1]]
        assert audited[1:] == [("silence.create", "ada"), ("silence.end", "bob")]


def test_a_silence_of_one_monitor_leaves_the_others(tmp_path: Path) -> None:
    with opened(tmp_path) as pipeline:
        tell(pipeline, GAP.before(4))
        pipeline.silence("default", model="credit", monitor="roc_auc", until=datetime.now(UTC) + SOON, reason="known",
                         actor="ada")  # fmt: skip
        tell(pipeline, GAP.from_(4))
        sent = {
            i["cause"]: pipeline.incident("default", i["id"])["notifications"] for i in pipeline.incidents("default")
        }
    assert sent["model"] == []
    assert [n["kind"] for n in sent["traffic"]] == ["opened", "resolved"]


def test_what_opened_before_a_silence_is_said_to_be_over_all_the_same(tmp_path: Path) -> None:
    with opened(tmp_path) as pipeline:
        tell(pipeline, FAULT.before(7))
        number = the_one(pipeline)["id"]
        pipeline.silence("default", model="credit", until=datetime.now(UTC) + SOON, reason="enough", actor="ada")
        assert pipeline.incident("default", number)["silenced"]
        tell(pipeline, FAULT.from_(7))
        assert [n["kind"] for n in the_one(pipeline)["notifications"]] == ["opened", "resolved"]


def test_a_silence_needs_an_end_and_a_reason(tmp_path: Path) -> None:
    with opened(tmp_path) as pipeline:
        with pytest.raises(InputError, match="future"):
            pipeline.silence("default", model="credit", until=datetime.now(UTC) - SOON, reason="x", actor="ada")
        with pytest.raises(InputError, match="reason"):
            pipeline.silence("default", model="credit", until=datetime.now(UTC) + SOON, reason=" ", actor="ada")
        with pytest.raises(UnknownModel):
            pipeline.unsilence("default", 7, "ada")
        assert pipeline.silences("default") == []
