"""Channels over real sockets: what they send, what they bear, and how long."""

from __future__ import annotations

import io
import itertools
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from receiver import SECRET, Mailbox, Receiver, alert, answering
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from watchkeeper.errors import ChannelFailed
from watchkeeper.response import signing
from watchkeeper.response.addresses import Allowed, parse_url
from watchkeeper.response.channels.apprise import AppriseChannel
from watchkeeper.response.channels.console import ConsoleChannel
from watchkeeper.response.channels.webhook import WebhookChannel

LOCAL = Allowed.read(["127.0.0.1"])
TLS = Path(__file__).parent / "tls"
OTHER = signing.new_secret()


def hook(port: int, *secrets: str, **changes: Any) -> WebhookChannel:
    keys = tuple(signing.key_of(secret) for secret in secrets)
    return WebhookChannel("hook", parse_url(f"http://127.0.0.1:{port}/hook"), keys, LOCAL, **changes)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.mark.parametrize("secrets", [[SECRET], [OTHER, SECRET], [SECRET, OTHER], [SECRET.removeprefix("whsec_")]])
def test_a_webhook_is_genuine_for_the_public_verifier(receiver: Receiver, secrets: list[str]) -> None:
    for n in range(20):
        hook(receiver.port, *secrets).notify(alert(key=f"a-{n}", text="ünïcode ☂ \x00\U0001f600" * n))
    assert [message.genuine for message in receiver.messages] == [True] * 20
    assert [message.id for message in receiver.messages] == [f"a-{n}" for n in range(20)]
    assert {message.headers["Host"] for message in receiver.messages} == {f"127.0.0.1:{receiver.port}"}


def test_with_another_secret_or_none_it_is_not(receiver: Receiver) -> None:
    hook(receiver.port, OTHER).notify(alert())
    hook(receiver.port).notify(alert())
    assert [message.genuine for message in receiver.messages] == [False, False]
    assert "webhook-signature" not in receiver.messages[1].headers


def test_a_changed_or_old_message_is_refused_by_the_public_verifier(receiver: Receiver) -> None:
    hook(receiver.port, SECRET).notify(alert())
    verifier, message = Webhook(SECRET), receiver.messages[0]
    for change in ({"webhook-id": "other"}, {"webhook-timestamp": str(int(time.time()) - 1)}):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(message.raw, message.headers | change)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(message.raw + b" ", message.headers)
    old = signing.headers([signing.key_of(SECRET)], "a", int(time.time()) - 301, b"{}")
    with pytest.raises(WebhookVerificationError, match="too old"):
        verifier.verify(b"{}", old)


def test_the_body_says_it_all_and_its_words_are_inert(receiver: Receiver) -> None:
    hook(receiver.port, SECRET).notify(alert(title="<b>x</b>\r\n@here", evidence=[{"column": "a<b"}]))
    body = receiver.messages[0].body
    assert body["type"] == "incident.opened"
    assert body["timestamp"] == "2013-07-01T01:00:00+00:00"
    told = body["data"]
    assert (told["key"], told["incident"], told["model"], told["version"]) == ("7-opened-1", 7, "late-flights", "3")
    assert told["title"] == "‹b›x‹/b› ＠here"
    assert told["text"].endswith("\nhttp://127.0.0.1:8640/incidents/7")
    assert told["evidence"] == [{"column": "a<b"}]


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (400, False),
        (401, True),
        (403, True),
        (404, True),
        (410, False),
        (422, False),
        (429, True),
        (500, True),
        (503, True),
    ],
)
def test_an_answer_says_whether_to_try_again_and_nothing_of_it_is_shown(
    receiver: Receiver, status: int, again: bool
) -> None:
    receiver.answer = lambda message: status
    with pytest.raises(ChannelFailed) as failed:
        hook(receiver.port).notify(alert())
    assert failed.value.again is again
    assert failed.value.why == f"it answered {status}"


def say(*pieces: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    """Return a talk that says pieces, perhaps slowly."""

    def talk(line: socket.socket) -> None:
        line.recv(1 << 16)
        wait = threading.Event()
        for piece in pieces:
            line.sendall(piece)
            wait.wait(pause)

    return talk


def hang(line: socket.socket) -> None:
    while line.recv(1 << 16):
        pass


@pytest.mark.parametrize(
    "talk",
    [
        hang,
        say(*(bytes([b]) for b in b"HTTP/1.1 200 " + b"x" * 500), pause=0.05),
        say(b"HTTP/1.1 200 OK\r\n", *(b"x: y\r\n" for _ in range(90)), pause=0.05),
        say(*(b"HTTP/1.1 100 Continue\r\n\r\n" for _ in range(500)), pause=0.05),
    ],
    ids=["silence", "a byte now and then", "a header now and then", "go on and on"],
)
def test_ten_seconds_are_for_all_of_it(talk: Callable[[socket.socket], None]) -> None:
    with answering(talk) as port:
        began = time.monotonic()
        with pytest.raises(ChannelFailed, match=r"did not answer within 0\.5 s") as failed:
            hook(port, deadline=0.5).notify(alert())
        assert time.monotonic() - began < 5
    assert failed.value.again


def test_a_timeout_for_each_read_would_be_caught() -> None:
    """The control: the same slow server keeps a socket's own timeout from ever passing."""
    talk = say(*(bytes([b]) for b in b"HTTP/1.1 200 " + b"x" * 10), pause=0.05)
    with answering(talk) as port, socket.create_connection(("127.0.0.1", port), timeout=0.2) as line:
        line.sendall(b"POST / HTTP/1.1\r\n\r\n")
        began = time.monotonic()
        while line.recv(1):
            pass
        assert time.monotonic() - began > 0.8


@pytest.mark.parametrize(
    "talk",
    [
        say(b"HTTP/1.1 999999 x\r\n\r\n"),
        say(b"SSH-2.0-OpenSSH_9.6\r\n"),
        say(b""),
        say(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n"),
        say(b"HTTP/1.1 200 " + b"x" * (1 << 17)),
    ],
    ids=["status", "another protocol", "nothing", "headers", "a long line"],
)
def test_what_is_no_http_is_a_failure_like_another(talk: Callable[[socket.socket], None]) -> None:
    with answering(talk) as port, pytest.raises(ChannelFailed, match=r"cannot be reached|answered") as failed:
        hook(port, deadline=5.0).notify(alert())
    assert "SSH" not in str(failed.value)


def test_of_an_endless_answer_at_most_64_kib_are_read() -> None:
    sent = []

    def flood(line: socket.socket) -> None:
        line.recv(1 << 16)
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        sent.extend(line.send(b"x" * 65536) for _ in itertools.repeat(None))

    with answering(flood) as port:
        hook(port).notify(alert())
        assert sum(sent) < 64 << 20  # what lay in the buffers of two sockets


def test_a_slow_body_after_a_good_status_has_arrived() -> None:
    with answering(
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", *(b"x" for _ in range(100)), pause=0.05)
    ) as port:
        hook(port, deadline=0.5).notify(alert())


def test_a_look_up_that_hangs_is_left_to_itself() -> None:
    go = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        go.wait(20)
        return []

    began = time.monotonic()
    with pytest.raises(ChannelFailed, match="did not answer within"):
        hook(9, deadline=0.3, resolve=resolve).notify(alert())
    assert time.monotonic() - began < 5
    go.set()


def test_the_next_address_is_tried_when_the_first_does_not_answer(receiver: Receiver) -> None:
    opened = Allowed.read(["hooks.example"])
    url = parse_url(f"http://hooks.example:{receiver.port}/")
    WebhookChannel("hook", url, allowed=opened, resolve=lambda h, p: ["127.0.0.2", "127.0.0.1"]).notify(alert())
    assert receiver.messages[0].headers["Host"] == f"hooks.example:{receiver.port}"


def tls_receiver() -> tuple[Receiver, list[str | None]]:
    names: list[str | None] = []
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    trust.sni_callback = lambda line, name, context: names.append(name)
    return Receiver(trust=trust), names


def test_tls_asks_for_the_name_at_the_address_that_was_checked() -> None:
    receiver, names = tls_receiver()
    trust = ssl.create_default_context(cafile=str(TLS / "cert.pem"))
    for name, resolved in (("hooks.example", 1), ("other.example", 1)):
        url = parse_url(f"https://{name}:{receiver.port}/")
        asked: list[str] = []

        def resolve(host: str, port: int, asked: list[str] = asked) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"]

        channel = WebhookChannel("hook", url, (signing.key_of(SECRET),), LOCAL, trust, resolve=resolve)
        if name == "hooks.example":
            channel.notify(alert())
        else:
            with pytest.raises(ChannelFailed, match="certificate is not trusted"):
                channel.notify(alert())
        assert len(asked) == resolved
    receiver.close()
    assert names == ["hooks.example", "other.example"]
    assert [message.genuine for message in receiver.messages] == [True]
    assert receiver.messages[0].headers["Host"] == f"hooks.example:{receiver.port}"


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    receiver, _ = tls_receiver()
    url = parse_url(f"https://hooks.example:{receiver.port}/")
    channel = WebhookChannel("hook", url, allowed=LOCAL, resolve=lambda h, p: ["127.0.0.1"])
    with pytest.raises(ChannelFailed, match="certificate is not trusted: self-signed"):
        channel.notify(alert())
    receiver.close()
    assert receiver.messages == []


def test_a_handshake_that_hangs_ends_at_the_deadline() -> None:
    with answering(hang) as port, pytest.raises(ChannelFailed, match="did not answer within"):
        WebhookChannel("hook", parse_url(f"https://127.0.0.1:{port}/"), allowed=LOCAL, deadline=0.5).notify(alert())


def test_the_console_says_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "watchkeeper.alerts"):
        ConsoleChannel().notify(alert(title="roc_auc fell\r\n\x1b[31mERROR forged line\x1b[0m"))
    assert [record.message for record in caplog.records] == [
        "opened: roc_auc fell ［31mERROR forged line ［0m http://127.0.0.1:8640/incidents/7"
    ]
    stream = io.StringIO()
    ConsoleChannel("console", stream).notify(alert("resolved", url=None))
    assert stream.getvalue() == "resolved: late-flights: roc_auc fell\n"
    stream.close()
    with pytest.raises(ChannelFailed, match="stream is closed"):
        ConsoleChannel("console", stream).notify(alert())


HOSTILE = (
    "{{7*7}} {{''.__class__}} @channel <!here> <@U1> [x](javascript:alert(1)) ![i](http://evil/) `x` *b*"
    "\r\nBcc: all@example.com"
)
of_apprise = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, as it is loaded


@of_apprise
def test_mail_by_apprise_has_one_subject_and_no_markup() -> None:
    box = Mailbox()
    with answering(box.talk) as port:
        url = f"mailto://127.0.0.1:{port}/?from=watch@example.com&to=you@example.com&mode=insecure"
        channel = AppriseChannel("mail", url)
        assert channel.kind == "mailto"
        channel.notify(alert(title=HOSTILE, text=f"<script>alert(1)</script> {HOSTILE}"))
    import email
    from email.header import decode_header, make_header

    message = email.message_from_string(box.letters[0])
    subject = str(make_header(decode_header(message["Subject"])))
    assert message["Bcc"] is None and "Bcc: all＠example.com" in " ".join(subject.split())
    for part in message.walk():
        if not part.is_multipart():
            text = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            assert not set("@`*{}[]") & set(text.replace("&nbsp;", "")), text
            assert "<script" not in text


@of_apprise
def test_chat_by_apprise_gets_inert_words_and_says_when_it_fails() -> None:
    plain = Receiver()
    AppriseChannel("chat", f"json://127.0.0.1:{plain.port}/").notify(alert(title=HOSTILE, text=HOSTILE))
    told = plain.messages[0].body
    assert "\n" not in told["title"]
    for words in (told["title"], told["message"].rpartition("\n")[0]):
        assert not set("@<>[]`*{}\r") & set(words), words
        assert "://" not in words
    plain.answer = lambda message: 500
    with pytest.raises(ChannelFailed, match="json did not take it"):
        AppriseChannel("chat", f"json://127.0.0.1:{plain.port}/").notify(alert())
    plain.close()
    with pytest.raises(ChannelFailed, match="cannot read its URL for nosuch") as failed:
        AppriseChannel("chat", "nosuch://secret-token").notify(alert())
    assert "secret-token" not in str(failed.value)


def test_without_apprise_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(ChannelFailed, match=r"pip install '\.\[notify\]'") as failed:
        AppriseChannel("chat", "slack://a/b/c").notify(alert())
    assert failed.value.again


def test_nothing_that_is_shown_of_a_channel_holds_its_secrets() -> None:
    shown = repr(hook(9, SECRET)) + repr(AppriseChannel("chat", "slack://token/b/c"))
    assert "hook" in shown
    assert "token" not in shown and "keys" not in shown and "http" not in shown


@pytest.mark.parametrize("secret", ["", "whsec_", "short", "whsec_not base64!", "c2hvcnQ=", "A" * 200])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes"):
        signing.key_of(secret)


def test_an_alert_survives_as_plain_values() -> None:
    made = alert(evidence=[{"metric": "roc_auc", "value": None}])
    assert type(made).from_dict(json.loads(json.dumps(made.to_dict())) | {"of_later": 1}) == made
