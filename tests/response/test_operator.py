"""The operator's file: what it may say, what is refused and where, and that a broken one changes nothing."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from watchkeeper.errors import InvalidMonitors
from watchkeeper.response import signing
from watchkeeper.response.channels.webhook import WebhookChannel
from watchkeeper.response.operator import NAME, Operator, OperatorFile

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WHOLE = f"""
channels:
  oncall: {{url: "slack://tokenA/tokenB/tokenC"}}
  mail: {{url: {{file: mail.secret}}}}
  hook: {{webhook: "http://127.0.0.1:9/x", secret: "{SECRET}", allow: ["127.0.0.1"]}}
  turning: {{webhook: "https://hooks.example/x", secret: [{{file: new.secret}}, "{SECRET}"]}}
  console: {{}}
actions:
  retrain:
    {{command: [python, train.py, --trees, 100], timeout: 2h, folder: jobs, environment: {{TOKEN: {{file: new.secret}}, N: 3}}}}
  rollback: {{command: [./rollback]}}
allow_hosts: [intern.example, 10.1.0.0/16]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / NAME
    path.write_text(text)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "mail.secret").write_text("mailto://me:word@example.com\n")
    (tmp_path / "new.secret").write_text(signing.new_secret())
    return tmp_path


def test_all_that_it_may_say(folder: Path) -> None:
    write(folder, WHOLE)
    found = Operator.load(folder)
    assert {name: channel.kind for name, channel in found.channels.items()} == {
        "oncall": "slack", "mail": "mailto", "hook": "webhook", "turning": "webhook", "console": "console",
    }  # fmt: skip
    assert all(name == channel.name for name, channel in found.channels.items())
    hook, turning = found.channels["hook"], found.channels["turning"]
    assert isinstance(hook, WebhookChannel) and isinstance(turning, WebhookChannel)
    assert hook.keys == (signing.key_of(SECRET),)
    assert len(turning.keys) == 2 and turning.keys[1] == signing.key_of(SECRET)
    assert hook.allowed.hosts == {"intern.example"}
    assert [str(network) for network in hook.allowed.networks] == ["10.1.0.0/16", "127.0.0.1/32"]
    retrain = found.actions["retrain"]
    assert retrain.command == ("python", "train.py", "--trees", "100")
    assert (retrain.timeout, retrain.folder) == (7200.0, folder / "jobs")
    assert dict(retrain.environment) == {"TOKEN": (folder / "new.secret").read_text(), "N": "3"}
    assert found.actions["rollback"].timeout == 3600.0
    assert found.actions["rollback"].folder is None


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "actions: {}\n", "channels:\n"])
def test_without_channels_there_is_the_console(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path, text)
    assert list(Operator.load(tmp_path).channels) == ["console"]


def test_channels_that_are_named_are_all_there_are(tmp_path: Path) -> None:
    write(tmp_path, "channels: {chat: {url: 'slack://a/b/c'}}")
    assert list(Operator.load(tmp_path).channels) == ["chat"]


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("chanels: {}", "the file", "Did you mean 'channels'?"),
        ("channels: {hook: {webhok: 'https://a.example/'}}", "channels.hook", "Did you mean 'webhook'?"),
        ("channels: {hook: {}}", "channels.hook", "needs one of webhook and url"),
        ("channels: {hook: {secret: x}}", "channels.hook", "needs one of"),
        ("channels: {hook: {url: 'slack://a', webhook: 'https://a.example/'}}", "channels.hook", "needs one of"),
        ("channels: {hook: {url: 'slack://a', secret: x}}", "channels.hook", "needs one of"),
        ("channels: {hook: {url: 'https://a.example/'}}", "channels.hook.url", "say webhook instead"),
        ("channels: {hook: {url: nothing}}", "channels.hook.url", "URL of apprise"),
        ("channels: {hook: {webhook: 'https://me:word@a.example/'}}", "channels.hook.webhook", "user name or password"),
        ("channels: {hook: {webhook: 'https://0x7f.1/'}}", "channels.hook.webhook", ""),
        ("channels: {hook: {webhook: 'ftp://a.example/'}}", "channels.hook.webhook", "https://example.com/hook"),
        ("channels: {hook: {webhook: 'https://a.example/', secret: short}}", "channels.hook.secret", "24 to 64"),
        ("channels: {hook: {webhook: 'https://a.example/', secret: []}}", "channels.hook.secret", "hold a secret"),
        ("channels: {hook: {webhook: 'https://a.example/', secret: [short]}}", "channels.hook.secret[0]", "24 to 64"),
        ("channels: {hook: {webhook: {file: gone}}}", "channels.hook.webhook", "cannot be read: No such file"),
        ("channels: {hook: {webhook: {env: HOOK}}}", "channels.hook.webhook", "does not know the key 'env'"),
        ("channels: {hook: {webhook: 'https://a.example/', allow: ['*.example']}}", "channels.hook.allow", "exact hosts"),
        ("channels: {hook: {webhook: 'https://a.example/', ca: watchkeeper.yaml}}", "channels.hook.ca", "no certificates"),
        ("channels: {'a b': {url: 'slack://a'}}", "channels.a b", "letters, digits"),
        ("allow_hosts: [10.0.0.1/8]", "allow_hosts", "exact hosts"),
        ("actions: {retrain: {}}", "actions.retrain", "needs a command"),
        ("actions: {retrain: {comand: [x]}}", "actions.retrain", "Did you mean 'command'?"),
        ("actions: {retrain: {command: python train.py}}", "actions.retrain.command", "should be a list"),
        ("actions: {retrain: {command: []}}", "actions.retrain.command", "begin with a program"),
        ("actions: {retrain: {command: [x, [y]]}}", "actions.retrain.command[1]", "should be a text"),
        ("actions: {retrain: {command: [x], timeout: soon}}", "actions.retrain.timeout", "no length of time"),
        ("actions: {retrain: {command: [x], timeout: 8d}}", "actions.retrain.timeout", "longer than 7 days"),
        ("actions: {retrain: {command: [x], folder: gone}}", "actions.retrain.folder", "there is no folder"),
        ("actions: {retrain: {command: [x], environment: {'A=B': c}}}", "actions.retrain.environment.A=B", "variable"),
        ("channels: {a: {url: 'slack://a'}, a: {url: 'slack://b'}}", "line 1, column 35", "comes twice"),
        ("channels: [", "line 1, column 12", ""),
    ],
)  # fmt: skip
def test_what_it_may_not_say_is_refused_with_its_place(tmp_path: Path, text: str, where: str, says: str) -> None:
    write(tmp_path, text)
    with pytest.raises(InvalidMonitors) as refused:
        Operator.load(tmp_path)
    assert refused.value.where == where
    assert says in refused.value.why


@pytest.mark.parametrize("content", ["", "two\nlines-of-secret", "x" * 9000, "tab\tsecret"])
def test_no_error_quotes_a_secret(tmp_path: Path, content: str) -> None:
    (tmp_path / "it").write_text(content)
    quoted = content.replace("\n", "\\n").replace("\t", "\\t")
    for text in ("{file: it}", f'"{quoted}"'):
        write(tmp_path, f"channels: {{a: {{url: {text}}}}}")
        with pytest.raises(InvalidMonitors, match="one line of at most 8192") as refused:
            Operator.load(tmp_path)
        assert "secret" not in str(refused.value) and "xxx" not in str(refused.value)


def test_a_change_counts_at_once_and_a_broken_one_not(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(folder, "channels: {first: {url: 'slack://a'}}")
    file = OperatorFile(folder)
    first = file.current()
    assert list(first.channels) == ["first"]
    assert file.current() is first
    path.write_text("channels: {first: {ulr: 'slack://a'}}")
    with caplog.at_level(logging.ERROR, "watchkeeper"):
        assert [file.current() for _ in range(3)] == [first] * 3
    assert file.problem is not None and "Did you mean 'url'?" in file.problem
    assert len(caplog.records) == 1
    replaced = folder / "other"
    replaced.write_text("channels: {other: {url: 'slack://a'}}")
    replaced.replace(path)
    assert list(file.current().channels) == ["other"]
    assert file.problem is None
    path.unlink()
    assert list(file.current().channels) == ["console"]


def test_a_broken_file_at_the_start_leaves_the_console(folder: Path) -> None:
    write(folder, "channels: [")
    file = OperatorFile(folder)
    assert list(file.current().channels) == ["console"]
    assert file.problem is not None


def test_what_can_be_read_counts_and_all_that_is_wrong_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        folder,
        "{channels: {fine: {url: 'slack://a'}, gone: {url: {file: no.secret}}, typo: {ulr: x}}, chanels: {}, "
        "actions: {good: {command: [x]}, bad: {comand: [x]}}}",
    )
    file = OperatorFile(folder)
    with caplog.at_level(logging.ERROR, "watchkeeper"):
        assert (list(file.current().channels), list(file.current().actions)) == (["fine"], ["good"])
    assert "only what else it says counts" in caplog.text
    assert file.problem is not None
    for part in ("'channels'?", "channels.gone.url: ", "'url'?", "'command'?"):
        assert part in file.problem
    with pytest.raises(InvalidMonitors) as refused:
        Operator.load(folder)
    assert str(refused.value) == file.problem


def test_a_channel_that_breaks_stays_as_it_was_and_its_neighbours_change(folder: Path) -> None:
    path = write(folder, "{channels: {a: {url: 'slack://a'}, b: {url: 'slack://b'}}, actions: {go: {command: [x]}}}")
    file = OperatorFile(folder)
    first = file.current()
    path.write_text("{channels: {a: {ulr: 'slack://a'}, c: {url: 'slack://c'}}, actions: {go: {command: [other, z]}}}")
    after = file.current()
    assert list(after.channels) == ["a", "c"] and after.channels["a"] is first.channels["a"]
    assert after.actions["go"].command == ("other", "z")
    assert file.problem is not None and "channels.a" in file.problem


@pytest.mark.parametrize("text", ["channels: [", "channels: {hook: {ulr: 'slack://a'}}", "channels: [a]"])
def test_where_nothing_can_be_read_the_log_does_not_speak_of_a_last_good_one(
    folder: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    write(folder, text)
    file = OperatorFile(folder)
    with caplog.at_level(logging.ERROR, "watchkeeper"):
        assert list(file.current().channels) == ["console"]
    assert "until it is mended there is only the console" in caplog.text and file.problem is not None


def test_a_secret_that_changes_in_its_file_counts(folder: Path) -> None:
    write(folder, "channels: {hook: {webhook: 'https://a.example/', secret: {file: new.secret}}}")
    file = OperatorFile(folder)
    before = file.current().channels["hook"]
    (folder / "new.secret").write_text(SECRET)
    os.utime(folder / "new.secret", ns=(1, 1))
    after = file.current().channels["hook"]
    assert isinstance(before, WebhookChannel) and isinstance(after, WebhookChannel)
    assert before.keys != after.keys == (signing.key_of(SECRET),)


def test_what_the_docs_show_can_be_loaded(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "be-told.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    write(tmp_path, found[1])
    (tmp_path / "hook.secret").write_text(f"{signing.new_secret()}\n")
    (tmp_path / "mail.secret").write_text("mailto://me:word@example.com\n")
    (tmp_path / "slack.secret").write_text("slack://a/b/c\n")
    assert [c.kind for c in Operator.load(tmp_path).channels.values()] == [
        "console",
        "webhook",
        "webhook",
        "mailto",
        "slack",
    ]
