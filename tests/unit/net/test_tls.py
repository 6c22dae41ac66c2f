"""Handshakes: versions, ciphers, names, foreign protocols, and what nobody may do."""

from __future__ import annotations

import ssl
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL

from mailbox_d.net.certificates import Certificates, PairFiles
from mailbox_d.net.tls import ALPN_PROTOCOLS, ServerTls, server_context
from tests.unit.net.pki import new_pair, write_pair
from tests.unit.net.tls_peers import Client, RawClient, Server, client_context

NO_APPLICATION_PROTOCOL = 120
PROTOCOL_VERSION = 70
HANDSHAKE_FAILURE = 40


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    return Certificates(
        [
            PairFiles(*write_pair(folder, "org", ["mail.example.org", "example.org"])),
            PairFiles(*write_pair(folder, "net", ["mail.example.net", "*.wild.example.net"])),
        ]
    )


@pytest.fixture
def server(certificates: Certificates) -> Server:
    return Server(certificates.context("imap"))


def test_a_handshake_and_octets_both_ways(server: Server) -> None:
    client = Client(server, "mail.example.org").shake_hands()
    assert client.say(b"a NOOP\r\n") == b"a NOOP\r\n"
    assert client.tls.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail.example.org", "mail.example.org"),
        ("example.org", "mail.example.org"),
        ("mail.example.net", "mail.example.net"),
        ("MAIL.Example.NET", "mail.example.net"),
        ("a.wild.example.net", "mail.example.net"),
        ("a.b.wild.example.net", "mail.example.org"),
        ("wild.example.net", "mail.example.org"),
        ("other.example", "mail.example.org"),
        (None, "mail.example.org"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_name_asked_for_chooses_the_certificate(
    server: Server, name: str | None, expected: str, version: ssl.TLSVersion
) -> None:
    client = Client(server, name, client_context(maximum_version=version)).shake_hands()
    assert client.names[0] == expected
    assert client.say(b"x") == b"x"


@pytest.mark.parametrize(
    "name",
    [
        b"unknown.example",
        b"x" * 255,
        b"..",
        b"../../etc/passwd",
        b"a/../b",
        b"/etc/letsencrypt/live/mail.example.net",
        b"*",
        b"*.",
        b".",
        b".example.net",
        b"mail.example.net.",
        b"b\xc3\xbccher.example",
        b"xn--bcher-kva.example",
        b"\xff\xfe",
        b"127.0.0.1",
        b"[::1]",
        b"mail.example.net\r\n",
        b"%s%n{0}",
    ],
)
def test_attack_50_a_strange_name_gets_the_default_certificate(server: Server, name: bytes) -> None:
    assert RawClient(server, name).shake_hands().names[0] == "mail.example.org"


@pytest.mark.parametrize("name", [b"mail\0example.net", b"mail.example.net\0", b"\0" * 10, b"a" * 300])
def test_attack_50_a_name_that_no_client_can_send_ends_in_an_alert(server: Server, name: bytes) -> None:
    hello = RawClient(server, b"n" * min(len(name), 255)).hello()
    if len(name) <= 255:
        hello = hello.replace(b"n" * len(name), name, 1)
    else:  # the list and the name in it say more octets than there are
        at = hello.index(b"n" * 255)
        hello = hello[: at - 2] + len(name).to_bytes(2, "big") + hello[at:]
    server.exchange(hello)
    assert server.alert is not None
    assert server.closed


def test_attack_51_many_names_leave_nothing_behind(certificates: Certificates) -> None:
    before = len(certificates._shelf.by_name)
    default = certificates.choose(None)
    assert all(certificates.choose(b"n%d.example" % n) is default for n in range(100_000))
    assert len(certificates._shelf.by_name) == before


def test_attack_52_a_choice_that_throws_ends_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    thrown: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *fault: thrown.append(fault[0]))

    def choose(name: bytes | None) -> SSL.Context:
        if name is not None:
            raise KeyError(name)
        return context

    certificate, key = new_pair(["mail.example.org"])
    context = server_context(load_pem_x509_certificates(certificate), load_pem_private_key(key, None), choose)
    server = Server(ServerTls(choose))
    with pytest.raises(ssl.SSLError):
        Client(server, "mail.example.org").shake_hands()
    assert thrown == [KeyError]
    assert server.alert is not None
    assert server.closed
    assert Client(Server(ServerTls(choose))).shake_hands().names == ["mail.example.org"]


@pytest.mark.parametrize("protocol", ALPN_PROTOCOLS)
@pytest.mark.parametrize(
    "offered", [["http/1.1"], ["h2", "http/1.1"], ["ftp"], ["IMAP"], ["imap2"], ["xmpp-client"], ["managesieve"]]
)
@pytest.mark.parametrize("name", [None, "mail.example.net"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_attack_49_foreign_protocols_end_in_alert_120(
    certificates: Certificates, protocol: str, offered: list[str], name: str | None, version: ssl.TLSVersion
) -> None:
    server = Server(certificates.context(protocol))
    with pytest.raises(ssl.SSLError):
        Client(server, name, client_context(set_alpn_protocols=offered, maximum_version=version)).shake_hands()
    assert server.alert == NO_APPLICATION_PROTOCOL
    assert server.closed


@pytest.mark.parametrize("protocol", ALPN_PROTOCOLS)
@pytest.mark.parametrize("name", [None, "mail.example.net"])
def test_a_protocol_of_ours_is_chosen_among_others(certificates: Certificates, protocol: str, name: str | None) -> None:
    server = Server(certificates.context(protocol))
    context = client_context(set_alpn_protocols=["http/1.1", protocol])
    client = Client(server, name, context).shake_hands()
    assert client.tls.selected_alpn_protocol() == protocol


def test_submission_goes_also_by_the_name_of_smtp(certificates: Certificates) -> None:
    client = Client(Server(certificates.context("submission")), None, client_context(set_alpn_protocols=["smtp"]))
    assert client.shake_hands().tls.selected_alpn_protocol() == "smtp"


def test_a_client_without_alpn_is_served(server: Server) -> None:
    assert Client(server).shake_hands().tls.selected_alpn_protocol() is None


def test_a_listener_without_a_protocol_lets_clients_name_what_they_like(certificates: Certificates) -> None:
    server = Server(certificates.context("lmtp"))
    client = Client(server, None, client_context(set_alpn_protocols=["http/1.1"])).shake_hands()
    assert client.tls.selected_alpn_protocol() is None


def test_two_listeners_do_not_share_their_protocols(certificates: Certificates) -> None:
    imap, pop3 = Server(certificates.context("imap")), Server(certificates.context("pop3"))
    assert Client(imap, None, client_context(set_alpn_protocols=["imap"])).shake_hands()
    assert Client(pop3, None, client_context(set_alpn_protocols=["pop3"])).shake_hands()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_attack_53_old_versions_are_refused(server: Server, version: ssl.TLSVersion) -> None:
    context = client_context(
        set_ciphers="ALL:@SECLEVEL=0", minimum_version=ssl.TLSVersion.TLSv1, maximum_version=version
    )
    with pytest.raises(ssl.SSLError):
        Client(server, "mail.example.org", context).shake_hands()
    assert server.alert == PROTOCOL_VERSION


@pytest.mark.parametrize("ciphers", ["aNULL", "eNULL", "AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA256"])
def test_attack_53_weak_ciphers_are_refused(server: Server, ciphers: str) -> None:
    context = client_context(set_ciphers=f"{ciphers}:@SECLEVEL=0", maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError):
        Client(server, "mail.example.org", context).shake_hands()
    assert server.alert == HANDSHAKE_FAILURE


def test_attack_53_nothing_is_compressed(server: Server) -> None:
    assert Client(server).shake_hands().tls.compression() is None


def test_attack_53_renegotiation_is_refused(server: Server) -> None:
    client = RawClient(server, b"mail.example.org", version=SSL.TLS1_2_VERSION).shake_hands()
    ours = server.protocol._tlsConnection
    client.tls.renegotiate()
    with pytest.raises(SSL.Error, match="no renegotiation"):
        client.until_done(client.tls.do_handshake)
    assert ours.total_renegotiations() == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("second", "name"), [("imap", "mail.example.org"), ("smtp", "mail.example.net")])
def test_attack_54_a_session_is_never_resumed(
    certificates: Certificates, version: ssl.TLSVersion, second: str, name: str
) -> None:
    context = client_context(maximum_version=version)
    first = Client(Server(certificates.context("imap")), "mail.example.org", context).shake_hands()
    first.say(b"x")
    session = first.tls.session
    again = Client(Server(certificates.context(second)), name, context, session=session).shake_hands()
    assert again.tls.session_reused is False
    assert again.names[0] == name
    assert again.say(b"y") == b"y"


def test_garbage_is_no_handshake(server: Server) -> None:
    server.exchange(b"GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n")
    assert server.closed
    assert b"GET" not in server.sent


def test_attack_55_a_handshake_may_come_one_octet_at_a_time(server: Server) -> None:
    client = RawClient(server, b"mail.example.net")
    answer = b"".join(server.exchange(bytes([octet])) for octet in client.hello())
    client.tls.bio_write(answer)
    assert client.shake_hands().names[0] == "mail.example.net"
