"""Endpoint strings, held against Twisted's own parser."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import endpoints as twisted_endpoints

from mailbox_d.config.endpoints import Endpoint, SystemdEndpoint, TcpEndpoint, UnixEndpoint, parse_endpoint, split
from mailbox_d.config.faults import Refusal

FOLDER = Path("/srv/site")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:25", TcpEndpoint(25)),
        ("tcp:0", TcpEndpoint(0)),
        ("tcp:port=25", TcpEndpoint(25)),
        ("tcp:2525:interface=127.0.0.1", TcpEndpoint(2525, "127.0.0.1")),
        ("tcp:2525:127.0.0.1:10", TcpEndpoint(2525, "127.0.0.1", 10)),
        (r"tcp:25:interface=\:\:", TcpEndpoint(25, "::")),
        (r"tcp:25:interface=2001\:DB8\:\:1:backlog=5", TcpEndpoint(25, "2001:db8::1", 5)),
        ("unix:state/lmtp.sock", UnixEndpoint(FOLDER / "state/lmtp.sock")),
        ("unix:/run/lmtp.sock:mode=600", UnixEndpoint(Path("/run/lmtp.sock"), 0o600)),
        ("unix:address=a:lockfile=0:backlog=7", UnixEndpoint(FOLDER / "a", 0o660, 7, lockfile=False)),
        (r"unix:a\:b\=c\\d", UnixEndpoint(FOLDER / "a:b=c\\d")),
        ("systemd:domain=INET:index=0", SystemdEndpoint("INET", index=0)),
        ("systemd:INET6:3", SystemdEndpoint("INET6", index=3)),
        ("systemd:domain=UNIX:name=lmtp", SystemdEndpoint("UNIX", name="lmtp")),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text, FOLDER) == endpoint


@pytest.mark.parametrize("kind", ["ssl", "tls", "tcp6", "stdio", "fd", "haproxy", "bogus", "TCP", " tcp", ""])
def test_other_kinds_are_refused(kind: str) -> None:
    with pytest.raises(Refusal):
        parse_endpoint(f"{kind}:25", FOLDER)


@pytest.mark.parametrize("kind", ["ssl", "tls"])
def test_tls_is_refused_with_a_hint(kind: str) -> None:
    with pytest.raises(Refusal, match="expected tcp:, as TLS belongs to the service: imaps"):
        parse_endpoint(f"{kind}:993", FOLDER)


@pytest.mark.parametrize(
    "text",
    [
        "tcp",
        "tcp:",
        "tcp:-1",
        "tcp:65536",
        "tcp:٢٥",
        "tcp:25:interface=localhost",
        "tcp:25:interface=::",
        "tcp:25:mode=600",
        "tcp:25:port=26",
        "tcp:25:backlog=1:backlog=2",
        "unix",
        "unix:",
        "unix:a:mode=u+x",
        "unix:a:mode=7777",
        "unix:a:lockfile=yes",
        "unix:" + "a" * 200,
        "unix:a\0b",
        "systemd:domain=INET",
        "systemd:domain=INET:index=0:name=x",
        "systemd:domain=os:index=0",
        "tcp:25\\",
    ],
)
def test_parameters_that_are_not_possible(text: str) -> None:
    with pytest.raises(Refusal):
        parse_endpoint(text, FOLDER)


@pytest.mark.parametrize(
    "endpoint",
    [
        TcpEndpoint(25, "::1", 3),
        TcpEndpoint(25),
        UnixEndpoint(Path("/a:b=c\\d"), 0o600, 9, lockfile=False),
        SystemdEndpoint("INET", name="a:b"),
        SystemdEndpoint("UNIX", index=1),
    ],
)
def test_an_endpoint_is_read_as_it_is_written(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint), FOLDER) == endpoint


@given(st.text(st.sampled_from("ab:=\\"), max_size=20))
def test_strings_are_split_as_twisted_splits_them(text: str) -> None:
    try:
        words, named = split(text)
    except Refusal:
        return
    assert (words, named) == twisted_endpoints._parse(text)


def test_twisted_takes_what_is_written() -> None:
    from twisted.internet.testing import MemoryReactor

    server = twisted_endpoints.serverFromString(MemoryReactor(), str(TcpEndpoint(25, "::1")))
    assert isinstance(server, twisted_endpoints.TCP4ServerEndpoint)
    assert (server._port, server._interface) == (25, "::1")
