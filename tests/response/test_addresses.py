"""Where the server may connect to: no spelling of an internal address, no name and no second answer gets there (B10)."""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver import Canary, Receiver, alert

from watchkeeper.errors import ChannelFailed
from watchkeeper.response.addresses import Allowed, checked, parse_url
from watchkeeper.response.channels import pinned, webhook
from watchkeeper.response.channels.webhook import WebhookChannel

PUBLIC = "93.184.215.14"
NAMES = {
    "evil.example": ["127.0.0.1"], "six.example": ["::1"], "mapped.example": ["::ffff:127.0.0.1"],
    "mixed.example": [PUBLIC, "127.0.0.1"], "mixed-six.example": [PUBLIC, "::1"], "zero.example": ["0.0.0.0"],
    "any-six.example": ["::"], "private.example": ["10.0.0.5"], "metadata.example": ["169.254.169.254"],
    "metadata-six.example": ["fd00:ec2::254"], "nat64.example": ["64:ff9b::7f00:1"], "sixtofour.example": ["2002:7f00:1::"],
    "teredo.example": ["2001:0:7f00:1::1"], "cgnat.example": ["100.64.0.1"], "multicast.example": ["224.0.0.1"],
    "linklocal.example": ["fe80::1%lo"], "compatible.example": ["::127.0.0.1"], "azure.example": ["168.63.129.16"],
    "alibaba.example": ["100.100.100.200"], "localhost": ["127.0.0.1", "::1"], "broadcast.example": ["255.255.255.255"],
    "site.example": ["fec0::1"], "local-nat64.example": ["64:ff9b:1::7f00:1"], "xn--lcalhost-n0a.example": ["127.0.0.1"],
}  # fmt: skip
CORPUS = """
127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 017700000001 0177.0.0.1 0177.0.0.01 0x7f000001 0x7f.0.0.1 0x7F.0x0.0x0.0x1
127.000.000.001 127.0.0.01 0 0.0.0.0 00.0.0.0 127.255.255.254 [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1]
[::ffff:7f00:1] [::127.0.0.1] [64:ff9b::127.0.0.1] [2002:7f00:1::] [::1%25lo] localhost LOCALHOST localhost. LocalHost.
169.254.169.254 2852039166 0xa9fea9fe [fd00:ec2::254] [fe80::a9fe:a9fe] 10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1
224.0.0.1 255.255.255.255 [fec0::1] [ff02::1] evil.example six.example mapped.example mixed.example mixed-six.example
zero.example any-six.example private.example metadata.example metadata-six.example nat64.example sixtofour.example
teredo.example cgnat.example multicast.example linklocal.example compatible.example azure.example alibaba.example
broadcast.example site.example local-nat64.example xn--lcalhost-n0a.example evil.example. EVIL.EXAMPLE
""".split()
ODD = [
    "https://good.example@127.0.0.1:{port}/", "https://127.0.0.1:{port}@good.example/", "https://user:word@evil.example:{port}/",
    "https://good.example\\@127.0.0.1:{port}/", "https://127.0.0.1:{port}\\.good.example/", "https://good.example#@evil.example/",
    "https://good.example:80#@127.0.0.1:{port}/", "https://127。0。0。1:{port}/", "https://①②⑦.0.0.1:{port}/",
    "https://%6c%6f%63%61lhost:{port}/", "https://127.0.0.1%00.good.example:{port}/", "https:///127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/", "https://127.0.0.1:{port}:443/", "https://[127.0.0.1]:{port}/", "https:// 127.0.0.1:{port}/",
    "https://evil.example\t:{port}/", "https://evil.example:{port}\r\nX: y/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/", "unix:///run/docker.sock", "https://evil.example:0/", "https://evil.example:99999/",
    "https://:{port}/", "https://-evil.example:{port}/", "https://evil..example:{port}/", "//127.0.0.1:{port}/", "",
]  # fmt: skip


def resolve(host: str, port: int) -> list[str]:
    """Answer for names above, and for what the system takes for a number as it does."""
    if host in NAMES:
        return NAMES[host]
    if not re.fullmatch(r"[0-9a-fx.:]+", host):
        raise socket.gaierror(8, "no such name")
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.close()


def urls(port: int) -> list[str]:
    plain = [f"{scheme}://{host}:{port}/hook" for host in CORPUS for scheme in ("https", "http")]
    return plain + [odd.format(port=port) for odd in ODD]


def unguarded(url: str) -> None:
    """Post as a program without a guard would; but not beyond this machine."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    for text in resolve(host, parts.port or 80):
        address = ipaddress.ip_address(text)
        if address.is_loopback or address.is_unspecified or text == "::ffff:127.0.0.1":
            line = http.client.HTTPConnection(text, parts.port, timeout=5)
            line.request("POST", "/")
            line.getresponse().read()
            line.close()


def test_no_url_of_the_corpus_reaches_the_canary(canary: Canary) -> None:
    tried = urls(canary.port)
    assert len(tried) > 150
    for url in tried:
        with pytest.raises((ValueError, ChannelFailed)) as refused:
            WebhookChannel("hook", parse_url(url), resolve=resolve, deadline=5.0).notify(alert())
        assert "reached" not in str(refused.value), f"{url} was tried: {refused.value}"
    assert canary.reached == 0


def test_without_the_guard_the_corpus_reaches_the_canary(canary: Canary) -> None:
    for url in urls(canary.port):
        try:
            unguarded(url)
        except (OSError, ValueError, http.client.HTTPException):
            continue
    assert canary.reached > 60


class Sockets(socket.socket):
    """Connects within this machine, and notes whom else it was to connect to."""

    asked: list[str] = []  # noqa: RUF012

    def connect(self, address: Any) -> None:
        self.asked.append(address[0])
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError(111, "Connection refused")
        super().connect(address)


class Rebinding:
    """Answers a public address first, then one of this machine."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [PUBLIC] if self.asked == 1 else ["127.0.0.1"]


def rebind(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, list[str]]:
    """Notify through a name that changes its mind; return look-ups, whom the canary saw, and who was asked."""
    monkeypatch.setattr(Sockets, "asked", [])
    monkeypatch.setattr(pinned.socket, "socket", Sockets)
    name = Rebinding()
    channel = WebhookChannel("hook", parse_url(f"https://rebinding.example:{canary.port}/"), resolve=name, deadline=5.0)
    with pytest.raises(ChannelFailed):
        channel.notify(alert())
    return name.asked, canary.reached, Sockets.asked


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rebind(canary, monkeypatch) == (1, 0, [PUBLIC])


def test_checking_and_then_looking_up_again_would_be_caught(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(url: Any, allowed: Any, again: Any) -> tuple[str, ...]:
        checked(url, allowed, again)
        return tuple(again(url.host, url.port))

    monkeypatch.setattr(webhook, "checked", twice)
    asked, reached, _ = rebind(canary, monkeypatch)
    assert asked == 2 and reached == 1


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{0,30}(:[0-9]{0,6})?(/.*)?", fullmatch=True))
def test_whatever_is_read_as_a_url_has_a_host_that_can_be_read_in_one_way(text: str) -> None:
    try:
        url = parse_url(text)
    except ValueError:
        return
    assert re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+(\d+\.\d+\.\d+\.\d+)?", url.host)
    assert 0 < url.port < 65536
    assert re.fullmatch(r"/[!-~]*", url.target)
    if url.host.rpartition(".")[2].isdigit():
        assert str(ipaddress.IPv4Address(url.host)) == url.host


@given(st.ip_addresses())
def test_no_address_but_a_global_one_passes(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    try:
        checked(parse_url("https://hooks.example/"), Allowed(), lambda host, port: [str(address)])
    except ValueError:
        return
    assert address.is_global and not address.is_multicast
    mapped = (
        getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or getattr(address, "teredo", None)
    )
    assert mapped is None


def test_a_redirect_is_not_followed(canary: Canary) -> None:
    receiver = Receiver()
    receiver.location = f"http://127.0.0.1:{canary.port}/latest/meta-data"
    channel = WebhookChannel(
        "hook", parse_url(f"http://127.0.0.1:{receiver.port}/"), allowed=Allowed.read(["127.0.0.1"])
    )
    for status in (301, 302, 303, 307, 308):
        receiver.answer = lambda message, status=status: status
        with pytest.raises(ChannelFailed, match=f"answered {status}; redirects are not followed"):
            channel.notify(alert())
    receiver.close()
    assert canary.reached == 0


def test_proxies_of_the_environment_are_not_used(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    receiver = Receiver()
    url = parse_url(f"http://127.0.0.1:{receiver.port}/")
    WebhookChannel("hook", url, allowed=Allowed.read(["127.0.0.1"])).notify(alert())
    receiver.close()
    assert len(receiver.messages) == 1
    assert canary.reached == 0


@pytest.mark.parametrize(
    ("url", "allow", "addresses", "passes"),
    [
        ("https://hooks.example/", [], [PUBLIC], True),
        ("https://hooks.example/", [], ["2606:2800:21f:cb07::1"], True),
        ("http://hooks.example/", [], [PUBLIC], False),
        ("http://hooks.example/", ["hooks.example"], [PUBLIC], True),
        ("http://hooks.example/", ["HOOKS.example."], [PUBLIC], True),
        ("http://sub.hooks.example/", ["hooks.example"], [PUBLIC], False),
        ("https://intern.example/", ["10.1.0.0/16"], ["10.1.2.3"], True),
        ("https://intern.example/", ["10.1.0.0/16"], ["10.2.2.3"], False),
        ("https://intern.example/", ["10.1.0.0/16"], ["10.1.2.3", "10.2.2.3"], False),
        ("https://intern.example/", ["intern.example"], ["10.1.2.3", "10.2.2.3"], True),
        ("https://127.0.0.1/", ["127.0.0.1"], ["127.0.0.1"], True),
        ("https://127.0.0.1/", ["127.0.0.2"], ["127.0.0.1"], False),
        ("https://[::1]/", ["::1"], ["::1"], True),
        ("https://[::1]/", ["[::1]"], ["::1"], True),
        ("https://intern.example/", ["127.0.0.1"], ["::ffff:127.0.0.1"], False),
    ],
)
def test_what_the_operator_opens_is_open_and_no_more(
    url: str, allow: list[str], addresses: list[str], passes: bool
) -> None:
    def look() -> tuple[str, ...]:
        return checked(parse_url(url), Allowed.read(allow), lambda host, port: addresses)

    if passes:
        assert look() == tuple(addresses)
    else:
        with pytest.raises(ValueError, match="allow"):
            look()


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "10.0.0.1/8", "*.example.com", "http://x/", "a b", "0x7f.1"])
def test_an_entry_that_opens_nothing_exact_is_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        Allowed.read([entry])


def test_a_host_without_an_address_is_no_reason_to_connect() -> None:
    with pytest.raises(OSError, match="no address"):
        checked(parse_url("https://hooks.example/"), Allowed(), lambda host, port: [])
