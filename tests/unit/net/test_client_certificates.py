"""Certificates that clients show: whose they are, which are taken for none, and which end the handshake."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from OpenSSL import SSL
from twisted.logger import LogLevel, capturedLogs, formatEvent

from mailbox_d.config.certificates import LARGEST_PEM, LARGEST_REVOCATIONS
from mailbox_d.config.client_certificates import ClientCertificates
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.net import client_authorities, tls
from mailbox_d.net.certificates import Certificates, PairFiles
from mailbox_d.net.client_authorities import CHAIN_DEPTH
from mailbox_d.net.client_certificates import Shown, shown_on
from tests.dialogues.imap_server import imap_dialogue
from tests.integration.authority import WEEK, Authority, Pair, forged, now, self_signed
from tests.unit.net.pki import replace, write_pair
from tests.unit.net.tls_peers import Client, RawClient, Server, client_context

ALICE = "alice@example.org"
NOBODY = Shown()
BAD_CERTIFICATE, UNKNOWN_CA = 42, 48
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
TLS_1_2 = ssl.TLSVersion.TLSv1_2

each_version = pytest.mark.parametrize("version", VERSIONS, ids=str)


def settings(ca: Path, crl: Path | None = None) -> ClientCertificates:
    return ClientCertificates.model_construct(ca=ca, crl=crl)


class Town:
    """A server with two names, and an authority for its users."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority("Users' authority")
        self.settings = settings(self.authority.write(folder, "users"))
        self.pairs = [PairFiles(*write_pair(folder, name, [f"mail.example.{name}"])) for name in ("org", "net")]
        self._certificates: Certificates | None = None

    @property
    def certificates(self) -> Certificates:
        if self._certificates is None:
            self._certificates = Certificates(self.pairs, clients=self.settings)
        return self._certificates

    def revoke(self, *lists: bytes) -> None:
        """From the next look on, or from the start."""
        replace(self.folder / "users.crl", b"".join(lists))
        self.settings = settings(self.settings.ca, self.folder / "users.crl")

    def context(self, pair: Pair | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """A client's, that shows a certificate."""
        context = client_context(set_ciphers="DEFAULT:@SECLEVEL=0", maximum_version=version)
        if pair is not None:
            context.load_cert_chain(*pair.write(self.folder, "client"))
        return context

    def show(
        self,
        pair: Pair | None,
        name: str | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        protocol: str = "imap",
    ) -> Shown:
        """What the server makes of it. Raises `ssl.SSLError` where the handshake ends."""
        server = Server(self.certificates.context(protocol))
        client = Client(server, name, self.context(pair, version)).shake_hands()
        assert client.say(b"still there") == b"still there"
        return shown(server)

    def refused(self, pair: Pair) -> int | None:
        """The alert with which the handshake ends."""
        server = Server(self.certificates.context("imap"))
        with pytest.raises(ssl.SSLError):
            Client(server, None, self.context(pair, TLS_1_2)).shake_hands()
        assert server.closed
        with pytest.raises(ssl.SSLError):
            self.show(pair)
        assert not shown(server).address
        return server.alert

    def fault(self, pair: Pair) -> str:
        """Why the handshake ends."""
        server = Server(self.certificates.context("imap"))
        with pytest.raises(ssl.SSLError):
            Client(server, None, self.context(pair, TLS_1_2)).shake_hands()
        return shown(server).fault


def shown(server: Server) -> Shown:
    protocol: Any = server.protocol
    return shown_on(protocol.getHandle())


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@each_version
@pytest.mark.parametrize("name", [None, "mail.example.org", "mail.example.net", "elsewhere.example"])
@pytest.mark.parametrize("protocol", ["imap", "pop3", "submission"])
def test_whose_it_is(town: Town, version: ssl.TLSVersion, name: str | None, protocol: str) -> None:
    assert town.show(town.authority.issue(ALICE), name, version, protocol) == Shown(ALICE)


@each_version
def test_who_shows_none_goes_on_without(town: Town, version: ssl.TLSVersion) -> None:
    for name in (None, "mail.example.net"):
        assert town.show(None, name, version) == NOBODY


def test_other_servers_are_not_asked(town: Town) -> None:
    """Port 25 and LMTP."""
    for protocol in ("smtp", "lmtp"):
        assert town.show(town.authority.issue(ALICE), protocol=protocol) == NOBODY


def test_without_the_section_nobody_is_asked(town: Town) -> None:
    town._certificates = Certificates(town.pairs)
    assert town.show(town.authority.issue(ALICE)) == NOBODY


def test_clients_are_told_whose_certificates_are_wanted(town: Town) -> None:
    for name in (b"mail.example.org", b"mail.example.net"):
        client = RawClient(Server(town.certificates.context("imap")), name).shake_hands()
        assert [authority.commonName for authority in client.tls.get_client_ca_list()] == ["Users' authority"]


# -- what a certificate must be ----------------------------------------------------------------------------------


@each_version
@pytest.mark.parametrize("name", [None, "mail.example.net"])
def test_age(town: Town, name: str | None, version: ssl.TLSVersion) -> None:
    """Whoever forgot to renew it has a password too."""
    assert town.show(town.authority.expired(ALICE), name, version) == Shown(fault="it has expired")
    assert town.show(town.authority.not_yet_valid(ALICE), name, version) == Shown(fault="it is not valid yet")


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        ([ExtendedKeyUsageOID.CLIENT_AUTH], Shown(ALICE)),
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH], Shown(ALICE)),
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION], Shown(fault="it is not for clients")),
        ([ExtendedKeyUsageOID.SERVER_AUTH], Shown(fault="it is not for clients")),
    ],
)
def test_what_it_may_be_used_for(town: Town, uses: Sequence[x509.ObjectIdentifier], expected: Shown) -> None:
    assert town.show(town.authority.issue(ALICE, uses=uses)) == expected


def test_a_key_that_is_only_for_enciphering(town: Town) -> None:
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    assert town.show(town.authority.issue(ALICE, more=[usage])) == Shown(fault="it is not for clients")


def test_what_is_revoked(town: Town) -> None:
    good, bad = town.authority.issue(ALICE), town.authority.issue(ALICE)
    town.revoke(town.authority.revoke(bad))
    assert town.show(good) == Shown(ALICE)
    for version in VERSIONS:
        assert town.show(bad, "mail.example.net", version) == Shown(fault="it was revoked")


def test_a_list_that_has_expired_or_is_another_authority_s(town: Town) -> None:
    town.revoke(town.authority.revoke(expires=now() - timedelta(hours=1)))
    fault = "the list of what its authority has revoked has expired"
    assert town.show(town.authority.issue(ALICE)) == Shown(fault=fault)
    town.revoke(Authority("Another").revoke())
    town._certificates = None
    fault = "there is no list of what its authority has revoked"
    assert town.show(town.authority.issue(ALICE)) == Shown(fault=fault)


OF_NO_USE: dict[str, tuple[Callable[[Authority], bytes], str]] = {
    "another_s_signature": (
        lambda _: Authority("Users' authority").revoke(),
        "the list of what its authority has revoked has a wrong signature",
    ),
    "not_yet": (
        lambda authority: authority.revoke(begins=now() + timedelta(days=1)),
        "the list of what its authority has revoked is not valid yet",
    ),
    "unknown_extension": (
        lambda authority: authority.revoke(more=[UNKNOWN]),
        "the list of what its authority has revoked has a critical extension that is not known",
    ),
    "about_authorities_alone": (
        lambda authority: authority.revoke(more=[ABOUT_AUTHORITIES]),
        "there is no list of what its authority has revoked",
    ),
}
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
ABOUT_AUTHORITIES = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)


@pytest.mark.parametrize("kind", OF_NO_USE)
def test_a_list_of_no_use_is_none(town: Town, kind: str) -> None:
    """But its authority's users have passwords."""
    made, fault = OF_NO_USE[kind]
    town.revoke(made(town.authority))
    assert town.show(town.authority.issue(ALICE)) == Shown(fault=fault)


def test_a_list_of_one_that_may_make_none(town: Town) -> None:
    between = Authority("Below", town.authority, revokes=False)
    town.revoke(town.authority.revoke(), between.revoke())
    fault = "its authority may not make lists of what is revoked"
    assert town.show(between.issue(ALICE)) == Shown(fault=fault)


def constrained(above: Authority, allowed: Sequence[str] | None, excluded: Sequence[str] | None) -> Authority:
    """An authority that may make certificates for some mail addresses or hosts alone, or not for some."""
    permitted, others = ([x509.RFC822Name(name) for name in some] if some else None for some in (allowed, excluded))
    return Authority("Below", above, more=[x509.NameConstraints(permitted, others)])


MADE_WRONG: dict[str, tuple[Callable[[Authority], Pair], str]] = {
    "below_one_too_many": (
        lambda authority: Authority("Lower", Authority("Below", authority, most_below=0)).issue(ALICE),
        "its authority may have none below it",
    ),
    "below_an_unknown_extension": (
        lambda authority: Authority("Below", authority, more=[UNKNOWN]).issue(ALICE),
        "it has a critical extension that is not known",
    ),
    "not_among_the_names": (
        lambda authority: constrained(authority, ["example.net"], None).issue(ALICE),
        "it has a name that its authority may not vouch for",
    ),
    "excluded": (
        lambda authority: constrained(authority, None, [ALICE]).issue(ALICE),
        "it has a name that its authority may not vouch for",
    ),
    "by_a_user": (lambda authority: issued_by_a_user(authority), "it is vouched for by one that is no authority's"),
    "a_short_key_and_for_servers": (
        lambda authority: authority.issue(ALICE, uses=[ExtendedKeyUsageOID.SERVER_AUTH], key=SHORT),
        "its key is too short",
    ),
}
SHORT = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize("kind", MADE_WRONG)
def test_what_was_made_wrong_ends_the_handshake(town: Town, kind: str) -> None:
    """The log has what ended it, whatever else was wrong."""
    make, fault = MADE_WRONG[kind]
    assert town.fault(make(town.authority)) == fault


def test_an_authority_between(town: Town) -> None:
    between = Authority("Between", town.authority)
    pair = between.issue(ALICE)
    assert town.show(pair) == Shown(ALICE)
    town.revoke(town.authority.revoke(between.pair), between.revoke())
    town._certificates = None
    assert town.show(pair) == Shown(fault="it was revoked")


@pytest.mark.parametrize(("between", "taken"), [(CHAIN_DEPTH, True), (CHAIN_DEPTH + 1, False)])
def test_a_chain_has_an_end(town: Town, between: int, taken: bool) -> None:
    authority = town.authority
    for number in range(between):
        authority = Authority(f"Between {number}", authority)
    pair = authority.issue(ALICE)
    if taken:
        assert town.show(pair) == Shown(ALICE)
    else:
        assert town.refused(pair) is not None


STRANGERS: dict[str, Callable[[Authority], Pair]] = {
    "another_authority": lambda authority: Authority("Another").issue(ALICE),
    "another_of_the_same_name": lambda authority: Authority("Users' authority").issue(ALICE),
    "self_signed": lambda authority: self_signed(ALICE),
    "forged": lambda authority: forged(authority, ALICE),
    "forged_and_expired": lambda authority: forged_and_expired(authority),
    "issued_by_a_user": lambda authority: issued_by_a_user(authority),
    "a_short_key": lambda authority: authority.issue(ALICE, key=SHORT),
}


def forged_and_expired(authority: Authority) -> Pair:
    impostor = Authority("Users' authority")
    return impostor.expired(ALICE)


def issued_by_a_user(authority: Authority) -> Pair:
    """Who has a certificate makes others with its key."""
    mallory = authority.issue("mallory@example.org", common_name="Mallory")
    impostor = Authority("Mallory")
    impostor._key = mallory.key
    pair = impostor.issue(ALICE)
    return Pair(pair.certificate, pair.key, (mallory.certificate,))


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_no_authority_of_ours_made_ends_the_handshake(town: Town, kind: str) -> None:
    assert town.refused(STRANGERS[kind](town.authority)) is not None


def test_the_system_s_authorities_do_not_count(town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = Authority("The system's")
    monkeypatch.setenv("SSL_CERT_FILE", str(system.write(tmp_path, "system")))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert town.refused(system.issue(ALICE)) == UNKNOWN_CA


# -- whose it is -------------------------------------------------------------------------------------------------


def names(*entries: tuple[int, bytes]) -> x509.UnrecognizedExtension:
    """A subjectAltName as it is: general names by their tags, 1 for rfc822Name (RFC 5280 section 4.2.1.6)."""
    body = b"".join(bytes([0x80 | tag, len(value)]) + value for tag, value in entries)
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes([0x30, len(body)]) + body)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [(2, b"alice.example.org")],
        [(1, b"alice@example.org"), (1, b"bob@example.org")],
        [(1, b"alice@example.org"), (1, b"alice@example.org")],
        [(1, b"alice@example.org\0@example.net")],
        [(1, b"alice@example.org\0")],
        [(1, b"\0")],
        [(1, b"")],
        [(1, b"example.org")],
        [(1, b".example.org")],
        [(1, b"@example.org")],
        [(1, b"alice")],
        [(1, b"Alice <alice@example.org>")],
        [(1, b"alice@example.org, bob@example.org")],
        [(1, b"alice@example.org\r\n")],
        [(1, b" alice@example.org")],
        [(1, "älice@example.org".encode())],
        [(1, "alice@exämple.org".encode())],
        [(1, b"\xe4lice@example.org")],
        [(1, b"*@example.org")] * 2,
    ],
    ids=str,
)
def test_attack_41_without_exactly_one_address_it_is_nobody_s(town: Town, entries: list[tuple[int, bytes]]) -> None:
    told = town.show(town.authority.issue(common_name=ALICE, more=[names(*entries)] if entries else []))
    assert not told.address
    assert told.fault


@pytest.mark.parametrize("name", [b'"alice"@example.org', b'"al\\ice"@example.org'], ids=str)
def test_attack_41_quotes_hide_nobody_from_an_authority_s_constraints(town: Town, name: bytes) -> None:
    """OpenSSL compares local parts to the letter."""
    bounded = constrained(town.authority, None, [ALICE])
    assert town.show(bounded.issue(more=[names((1, name))])) == Shown(fault="The address is spelt otherwise")


def test_attack_41_constraints_of_hosts_know_no_case(town: Town) -> None:
    bounded = constrained(town.authority, None, ["example.org"])
    for name in (b"ALICE@example.org", b"alice@EXAMPLE.org", b'"a b"@example.org'):
        assert town.fault(bounded.issue(more=[names((1, name))])) == MADE_WRONG["excluded"][1]


def test_attack_41_a_common_name_says_nothing(town: Town) -> None:
    pair = town.authority.issue(common_name=ALICE)
    assert town.show(pair) == Shown(fault="it names no mail addresses, not one")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([(1, b"Alice@Example.ORG")], "Alice@example.org"),
        ([(2, b"alice.example.org"), (1, b"alice@example.org")], ALICE),
        ([(1, b"alice@xn--bcher-kva.example")], "alice@xn--bcher-kva.example"),
        ([(1, b"alice+mail@example.org")], "alice+mail@example.org"),
    ],
    ids=str,
)
def test_names_beside_it_say_nothing(town: Town, entries: list[tuple[int, bytes]], expected: str) -> None:
    assert town.show(town.authority.issue(common_name="Bob", more=[names(*entries)])) == Shown(expected)


# -- one connection, and the next --------------------------------------------------------------------------------


@each_version
@pytest.mark.parametrize("second", [None, "bob@example.org", "expired"])
@pytest.mark.parametrize("name", ["mail.example.org", "mail.example.net"])
def test_a_certificate_counts_on_its_own_connection_alone(
    town: Town, version: ssl.TLSVersion, second: str | None, name: str
) -> None:
    """Whatever a client brings along of the first one's session."""
    first = Server(town.certificates.context("imap"))
    client = Client(first, "mail.example.org", town.context(town.authority.issue(ALICE), version)).shake_hands()
    client.say(b"x")
    kept = client.tls.session
    assert shown(first) == Shown(ALICE)
    other = town.authority.expired(ALICE) if second == "expired" else second and town.authority.issue(second)
    context = client.tls.context
    if other:
        context.load_cert_chain(*other.write(town.folder, "other"))
    again = Server(town.certificates.context("pop3"))
    client = Client(again, name, context, session=kept).shake_hands()
    assert client.say(b"y") == b"y"
    assert client.tls.session_reused is False
    expected = {None: Shown(ALICE), "expired": Shown(fault="it has expired")}
    assert shown(again) == expected.get(second, Shown(str(second)))


def test_a_certificate_that_was_not_held_against_our_authorities_says_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would come with a session that is resumed."""
    pair = town.authority.issue(ALICE)
    monkeypatch.setattr(tls, "_judge", lambda *_: True)
    assert town.show(pair) == NOBODY
    monkeypatch.undo()
    assert town.show(pair) == Shown(ALICE)


def test_who_vouches_for_an_authority_does_not_yet_vouch_for_a_client() -> None:
    connection = tls.ServerConnection(SSL.Context(SSL.TLS_METHOD), None)
    told = []
    for depth in (2, 1, 0):
        assert tls._judge(connection, None, 0, depth, 1)
        told.append(connection.vouched)
    assert told == [False, False, True]


@pytest.mark.parametrize(
    ("certificate", "told"),
    [("expired", ["the certificate of 192.168.1.1 is not taken: it has expired"]), (ALICE, [])],
)
@pytest.mark.parametrize("loses", [False, True])
def test_the_log_says_why_a_certificate_is_not_taken(certificate: str, told: list[str], loses: bool) -> None:
    """Whether the handshake goes on or ends by it."""
    connection = imap_dialogue({"certificate": certificate})
    connection.connect()
    connection.send(b"a STARTTLS\r\n")
    with capturedLogs() as events:
        if loses:
            connection.protocol.connectionLost()
        else:
            connection.finish_handshake()
    assert [formatEvent(event) for event in events if "certificate" in event["log_format"]] == told


# -- files that change -------------------------------------------------------------------------------------------


def test_another_authority_is_read_as_certificates_are(town: Town) -> None:
    old, new = town.authority, Authority("The new one")
    assert town.show(old.issue(ALICE)) == Shown(ALICE)
    new.write(town.folder, "next")
    replace(town.settings.ca, (town.folder / "next.pem").read_bytes())
    town.certificates.refresh()
    for name in ("mail.example.org", "mail.example.net"):
        assert town.show(new.issue(ALICE), name) == Shown(ALICE)
        with pytest.raises(ssl.SSLError):
            town.show(old.issue(ALICE), name)


def test_a_revocation_is_read_as_certificates_are(town: Town) -> None:
    pair = town.authority.issue(ALICE)
    town.revoke(town.authority.revoke())
    assert town.show(pair) == Shown(ALICE)
    town.revoke(town.authority.revoke(pair))
    town.certificates.refresh()
    for name in ("mail.example.org", "mail.example.net"):
        assert town.show(pair, name) == Shown(fault="it was revoked")


def test_a_revocation_counts_though_the_server_s_own_files_are_broken(town: Town) -> None:
    pair = town.authority.issue(ALICE)
    town.revoke(town.authority.revoke())
    assert town.show(pair) == Shown(ALICE)
    town.revoke(town.authority.revoke(pair))
    town.pairs[0].key.unlink()
    town.certificates.refresh()
    assert town.show(pair) == Shown(fault="it was revoked")


def test_nothing_is_made_anew_while_nothing_changes(town: Town) -> None:
    before = town.certificates.choose(None)
    town.certificates.refresh()
    assert town.certificates.choose(None) is before


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nMII", None])
def test_a_file_that_is_broken_changes_nothing(town: Town, content: bytes | None) -> None:
    assert town.show(town.authority.issue(ALICE)) == Shown(ALICE)
    if content is None:
        town.settings.ca.unlink()
    else:
        replace(town.settings.ca, content)
    with capturedLogs() as events:
        town.certificates.refresh()
        town.certificates.refresh()
    assert [str(town.settings.ca) in event["fault"] for event in events] == [True]
    assert town.show(town.authority.issue(ALICE)) == Shown(ALICE)


def test_what_cannot_be_read_at_the_start_is_a_fault_of_the_configuration(town: Town) -> None:
    below = Authority("Between", town.authority)
    for certificate in (below.write(town.folder, "below"), town.folder / "missing.pem"):
        with pytest.raises(ConfigurationError) as refusal:
            Certificates(town.pairs, clients=settings(certificate))
        assert [fault.file for fault in refusal.value.faults] == [str(certificate)]
    town.revoke(b"nothing")
    with pytest.raises(ConfigurationError) as refusal:
        Certificates(town.pairs, clients=town.settings)
    assert [fault.file for fault in refusal.value.faults] == [str(town.settings.crl)]


@pytest.mark.parametrize("name", ["ca", "crl"])
def test_a_fault_that_comes_again_is_told_again(town: Town, name: str) -> None:
    town.revoke(town.authority.revoke())
    path: Path = getattr(town.settings, name)
    good, certificates, told = path.read_bytes(), town.certificates, []
    for content in (b"broken", b"broken", good, b"broken"):
        replace(path, content)
        with capturedLogs() as events:
            certificates.refresh()
        told.append(len(events))
    assert told == [1, 0, 0, 1]


@pytest.mark.parametrize("read", ["read_authorities", "read_revocations"])
def test_a_file_that_changes_while_it_is_read_waits_for_the_next_look(
    town: Town, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    pair, other = town.authority.issue(ALICE), Authority("Another")
    town.revoke(town.authority.revoke())
    assert town.show(pair) == Shown(ALICE)
    town.revoke(town.authority.revoke(pair))
    really = getattr(client_authorities, read)

    def torn(path: Path) -> Any:
        found = really(path)
        with (town.folder / "users.pem").open("ab") as file:
            file.write(other.certificate.public_bytes(Encoding.PEM))
        return found

    with monkeypatch.context() as patch, capturedLogs() as events:
        patch.setattr(client_authorities, read, torn)
        town.certificates.refresh()
    assert ["being written just now" in event["fault"] for event in events] == [True]
    assert town.show(pair) == Shown(ALICE)
    town.certificates.refresh()
    assert town.show(pair) == Shown(fault="it was revoked")


def test_a_list_may_be_long(town: Town) -> None:
    bad = town.authority.issue(ALICE)
    town.revoke(town.authority.revoke())
    assert town.show(bad) == Shown(ALICE)
    serials = [x509.random_serial_number() for _ in range(LARGEST_PEM // 50)]
    town.revoke(town.authority.revoke(bad, serials=serials))
    assert (town.folder / "users.crl").stat().st_size > LARGEST_PEM
    town.certificates.refresh()
    assert town.show(bad) == Shown(fault="it was revoked")


def test_a_list_that_is_too_long_is_told_and_the_old_one_counts(town: Town) -> None:
    revoked = town.authority.issue(ALICE)
    town.revoke(town.authority.revoke(revoked))
    assert town.show(revoked) == Shown(fault="it was revoked")
    replace(town.folder / "users.crl", b"\n" * LARGEST_REVOCATIONS + town.authority.revoke())
    with capturedLogs() as events:
        town.certificates.refresh()
    assert [f"bigger than {LARGEST_REVOCATIONS} octets" in event["fault"] for event in events] == [True]
    assert town.show(revoked) == Shown(fault="it was revoked")


def test_the_log_says_when_a_list_is_about_to_expire_and_when_it_has(town: Town) -> None:
    """Once each, also where the next one cannot be read."""
    begins = now()
    times = [begins]
    town.revoke(town.authority.revoke(begins=begins, expires=begins + WEEK))
    certificates = Certificates(town.pairs, clients=town.settings, now=lambda: times[0])
    told = []
    replace(town.folder / "users.crl", b"broken")
    with capturedLogs() as events:
        for days in (1, 5, 5.5, 6, 7, 8):
            times[0] = begins + timedelta(days=days)
            before = len(events)
            certificates.refresh()
            told.append([formatEvent(event) for event in events[before:] if event["log_level"] is LogLevel.warn])
    list_of, on = "Certificates of clients: the list of Users' authority", f"{begins + WEEK:%Y-%m-%d %H:%M} UTC"
    soon, expired = f"{list_of} expires on {on}", f"{list_of} expired on {on}: no certificate of its making is taken"
    assert told == [[], [], [soon], [], [expired], []]


def test_a_list_that_is_renewed_is_warned_of_no_more(town: Town) -> None:
    old, new = now() - timedelta(hours=1), now() + WEEK
    town.revoke(town.authority.revoke(expires=old))
    with capturedLogs() as events:
        certificates = town.certificates
        for lists in ([old, new], [new, old], [new], [old]):
            before = len(events)
            town.revoke(*(town.authority.revoke(expires=expires) for expires in lists))
            certificates.refresh()
            assert len(events) - before == (lists == [old])
    assert len(events) == 2
