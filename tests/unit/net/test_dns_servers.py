"""Which DNS servers are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.config.scalars import ServerAddress
from mailbox_d.net.dns_servers import DnsServer, dns_servers

SYSTEM = """\
# made by somebody
search example.org
nameserver 127.0.0.53
nameserver	192.0.2.53 trailing words
nameserver not-an-address
nameserver
options edns0 trust-ad
nameserver 2001:db8::53
nameserver 192.0.2.54
"""


@pytest.fixture
def resolv_conf(tmp_path: Path) -> Path:
    path = tmp_path / "resolv.conf"
    path.write_text(SYSTEM)
    return path


def test_the_system_s_first_three_are_asked_and_those_on_this_machine_believed(resolv_conf: Path) -> None:
    assert dns_servers(None, None, resolv_conf=resolv_conf) == (
        DnsServer("127.0.0.53", 53, True),
        DnsServer("192.0.2.53", 53, False),
        DnsServer("2001:db8::53", 53, False),
    )


@pytest.mark.parametrize("believed", [True, False])
def test_the_operator_may_say_who_is_believed(resolv_conf: Path, believed: bool) -> None:
    servers = dns_servers(None, believed, resolv_conf=resolv_conf)
    assert [server.is_believed for server in servers] == [believed] * 3


@pytest.mark.parametrize(("host", "believed"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
def test_a_configured_one_is_asked_alone(resolv_conf: Path, host: str, believed: bool) -> None:
    configured = ServerAddress(host, 5353)
    assert dns_servers(configured, None, resolv_conf=resolv_conf) == (DnsServer(host, 5353, believed),)


@pytest.mark.parametrize("text", ["", "search x\n", "nameserver\n", "\xff\0nameserver ::1"])
def test_who_names_none_has_one_on_this_machine(tmp_path: Path, text: str) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(text.encode("latin-1"))
    for there in (path, tmp_path / "none", tmp_path):
        assert dns_servers(None, None, resolv_conf=there) == (DnsServer("127.0.0.1", 53, True),)
