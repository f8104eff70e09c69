"""A file of monitors that cannot be used is refused with the place, what is wrong there, and the nearest word."""

from __future__ import annotations

import pytest

from watchkeeper.errors import InvalidMonitors
from watchkeeper.response.monitors import Monitors

MONITORS = [
    ("", ": needs a metric"),
    ("metric: roc_aucc", ".metric: does not know the metric 'roc_aucc'. Did you mean 'roc_auc'?"),
    ("metric: f1, detct: risk", ": does not know the key 'detct'. Did you mean 'detect'?"),
    ("metric: f1, role: evidense", ".role: does not know the value 'evidense'. Did you mean 'evidence'?"),
    ("metric: f1, least_rows: -1", ".least_rows: should be a whole number"),
    ("metric: f1, least_rows: true", ".least_rows: should be a whole number"),
    ("metric: f1, name: ''", ".name: should be a text"),
    ("metric: f1, columns: [a]", ".columns: f1 is not of columns"),
    ("metric: psi, columns: []", ".columns: names no column"),
    ("metric: psi, columns: [a, a]", ".columns: names something twice"),
    ("metric: psi, columns: [1]", ".columns[0]: should be a text"),
    ("metric: psi, segments: [a]", ".segments: psi is not measured by segment"),
    ("metric: psi, source: estimated", ".source: psi needs no labels"),
    ("metric: f1, detect: rsik", ".detect: does not know the detector 'rsik'. Did you mean 'risk'?"),
    ("metric: f1, detect: {}", ".detect: needs exactly one detector"),
    ("metric: f1, detect: {risk: {}, zscore: {}}", ".detect: needs exactly one detector"),
    ("metric: f1, detect: {risk: {tolerence: 1}}", ".detect.risk: does not know the key 'tolerence'. Did you mean"),
    ("metric: f1, detect: {risk: {tolerance: -1}}", ".detect.risk.tolerance: should be a number"),
    ("metric: f1, detect: {risk: {tolerance: .inf}}", ".detect.risk.tolerance: should be a number"),
    ("metric: f1, detect: {risk: , m_of_n: [3, 2]}", ".detect.m_of_n: should be two numbers"),
    ("metric: f1, detect: {risk: , refractory: often}", ".detect.refractory: 'often' is no length of time"),
    ("metric: f1_weighted, detect: risk", ".detect: needs a tolerance"),
    ("metric: psi, detect: risk", ".detect: psi has no value in the reference"),
    ("metric: psi, detect: calibrated", ".detect: psi has no smallest change"),
    ("metric: latency_p99, detect: calibrated", ".detect: latency_p99 comes without a p-value"),
    ("metric: f1, detect: {zscore: {windows: 4}}", ".detect.zscore.windows: should be a whole"),
    ("metric: f1, detect: {threshold: {}}", ".detect.threshold: needs a bound"),
    ("metric: f1, detect: {threshold: {warning: 0.8}}", ".detect.threshold.warning: should be a text"),
    ("metric: f1, detect: {threshold: {warning: '> 1ms'}}", ".detect.threshold.warning: 1ms does not fit"),
    (
        "metric: f1, detect: {threshold: {warning: '< 1', critical: '> 1'}}",
        ".detect.threshold: has warning and critical on",
    ),
    (
        "metric: f1, detect: {threshold: {warning: '< 1', clear: '< 1'}}",
        ".detect.threshold: clear must point the other way",
    ),
]
REST = [
    ("monitor: []", "the file: does not know the key 'monitor'. Did you mean 'monitors'?"),
    ("window: {every: 1 day}", "window.every: does not know the length '1 day'"),
    ("window: {zone: Mars}", "window.zone: 'Mars' is not an IANA time zone"),
    ("clock: sun", "clock: does not know the value 'sun'"),
    ("reference: {}", "reference: needs exactly one"),
    ("reference: {range: [2013-04-01, 2013-03-01]}", "reference.range: should be two days"),
    ("reference: {range: [2013-04-31, 2013-06-01]}", "reference.range[0]: '2013-04-31' is no day"),
    ("budget: often", "budget: 'often' is no rate"),
    ("budget: {share: 2}", "budget.share: should be a number from 0 to 1"),
    ("schema: {tarjet: y}", "schema: does not know the key 'tarjet'. Did you mean 'target'?"),
    ("schema: {task: guess}", "schema: does not know the key 'guess'"),
    ("schedule: {otherwise: {every: soon}}", "schedule.otherwise.every: 'soon' is no length"),
    ("schedule: {otherwise: {sample: 2}}", "schedule.otherwise.sample: should be a number from 0 to 1"),
    ("respond: [{}]", "respond[0]: needs channels to notify or an action"),
    (
        "respond: [{notify: [a], on: {monitor: f2}}]",
        "respond[0].on.monitor: does not know the monitor 'f2'. Did you mean 'f1'?",
    ),
    ("respond: [{act: {then: nothing}}]", "respond[0].act: needs the name of an action"),
    ("respond: [{act: {do: x, limit: 1.5 per day}}]", "respond[0].act.limit: '1.5 per day' should be a whole number"),
    ("respond: [{act: {do: x, approve: nobody}}]", "respond[0].act.approve: does not know the value 'nobody'"),
    ("respond: [{act: {do: x, command: [rm]}}]", "respond[0].act: does not know the key 'command'"),
]
TEXTS = [
    ("model: x", "the file: needs 'monitors'"),
    ("{model: x, monitors: []}", "monitors: has no entry"),
    ("{model: x, monitors: {a: b}}", "monitors: should be a list, but is keys and values"),
    ("{model: x, monitors: [{metric: f1}, {metric: f1}]}", "monitors[1]: is called 'f1', as is another"),
    ("{model: x, monitors: [f1]}", "monitors[0]: should hold keys and values, but holds 'f1'"),
    ("{model: x, model: y}", "line 1, column 12: the key 'model' comes twice"),
    ("model: &x y\nmonitors: *x", "line 2, column 11: aliases are not read"),
    ("model: !!timestamp 2001-01-01", "line 1, column 8: tags are not read"),
    ("model: !!python/object/apply:os.system [ls]", "line 1, column 8: tags are not read"),
    ("model: [", "line 1, column 9: expected the node content"),
    ("1: 2", "line 1, column 1: a key must be a text, not 1"),
    ("- model", "The file of monitors must hold keys and values"),
    ("", "The file of monitors must hold keys and values"),
    ("a: " + "[" * 3000, "it is nested too deeply"),
    ("a: " + "x" * 300_000, "has 300,003 characters"),
    ("a: \x00", "special characters are not allowed"),
]


def refused(text: str) -> str:
    with pytest.raises(InvalidMonitors) as error:
        Monitors.from_yaml(text)
    return str(error.value)


@pytest.mark.parametrize(("monitor", "said"), MONITORS, ids=range(len(MONITORS)))
def test_a_monitor(monitor: str, said: str) -> None:
    text = "model: x\nmonitors: [{metric: roc_auc}, {%s}]" % monitor  # noqa: UP031  # braces all over
    assert refused(text).startswith(f"monitors[1]{said}")


@pytest.mark.parametrize(("setting", "said"), REST, ids=range(len(REST)))
def test_a_setting(setting: str, said: str) -> None:
    assert refused(f"model: x\nmonitors: [{{metric: f1}}]\n{setting}").startswith(said)


@pytest.mark.parametrize(("text", "said"), TEXTS, ids=range(len(TEXTS)))
def test_a_text(text: str, said: str) -> None:
    assert said in refused(text)
