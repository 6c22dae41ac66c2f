"""A table of certificates and demands, each a real handshake, and what the connection is then worth (attack 48)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from mailbox_d.relay.ports import Host, Security, TlsDemand, TlsState
from mailbox_d.relay.tls.handshakes import OutgoingTls
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import Authority, Pair, forged, now, self_signed
from tests.unit.relay.handshakes import connect, shake_hands

NAME = "mx.example.org"
HOST = Host(NAME, 25, (IPv4Address("192.0.2.1"),))
VERIFIED = TlsDemand(Security.AUTHENTICATED, (NAME,), policy="mta-sts")

ROOT = Authority()
BELOW = Authority("Authority below", ROOT)
OTHER = Authority("Authority of others")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> OutgoingTls:
    return OutgoingTls(ROOT.write(tmp_path_factory.mktemp("ca")))


def state_of(tls: OutgoingTls, pair: Pair, demand: TlsDemand = VERIFIED, host: Host = HOST) -> TlsState:
    return shake_hands(tls.handshake(host, demand), pair.context())[0]


def without_chain(pair: Pair) -> Pair:
    return Pair(pair.certificate, pair.key)


@pytest.mark.parametrize(
    "pair",
    [
        ROOT.issue(NAME),
        BELOW.issue(NAME),
        ROOT.issue("other.example.org", NAME),
        ROOT.issue("*.example.org"),
        ROOT.issue("MX.Example.ORG"),
        ROOT.issue("192.0.2.1", NAME),
    ],
)
@pytest.mark.parametrize("demand", [VERIFIED, TlsDemand(), TlsDemand(Security.ENCRYPTED, (NAME,))])
def test_right_certificates_authenticate(tls: OutgoingTls, pair: Pair, demand: TlsDemand) -> None:
    state = state_of(tls, pair, demand)
    assert (state.security, state.problem, state.failure) == (Security.AUTHENTICATED, "", "")
    assert state.version.startswith("TLSv1.3 TLS_")


@pytest.mark.parametrize(
    ("make", "failure", "problem"),
    [
        (
            lambda: ROOT.issue("mx.example.net"),
            "certificate-host-mismatch",
            "for mx.example.net, not for mx.example.org",
        ),
        (lambda: ROOT.issue("*.mx.example.org"), "certificate-host-mismatch", "not for mx.example.org"),
        (lambda: ROOT.issue("*.org"), "certificate-host-mismatch", "not for mx.example.org"),
        (lambda: ROOT.issue("example.org"), "certificate-host-mismatch", "not for mx.example.org"),
        (lambda: ROOT.issue("192.0.2.1"), "certificate-host-mismatch", "for no name"),
        (lambda: ROOT.issue(common_name=NAME), "certificate-host-mismatch", "for no name"),
        (lambda: ROOT.expired(NAME), "certificate-expired", "has expired"),
        (lambda: ROOT.not_yet_valid(NAME), "certificate-not-trusted", "not valid yet"),
        (lambda: OTHER.issue(NAME), "certificate-not-trusted", "authority that is not trusted"),
        (lambda: OTHER.expired(NAME), "certificate-not-trusted", "authority that is not trusted"),
        (lambda: OTHER.issue(NAME, with_root=True), "certificate-not-trusted", "authority that is not trusted"),
        (lambda: self_signed(NAME), "certificate-not-trusted", "by itself alone"),
        (lambda: forged(ROOT, NAME), "certificate-not-trusted", "signature is wrong"),
        (lambda: without_chain(BELOW.issue(NAME)), "certificate-not-trusted", "authority that is not trusted"),
        (
            lambda: forged(Authority("too old", ROOT, expires=now() - timedelta(days=1)), NAME),
            "certificate-not-trusted",
            "signature is wrong",
        ),
    ],
)
@pytest.mark.parametrize("demand", [VERIFIED, TlsDemand()])
def test_attack_48_wrong_certificates_encrypt_and_say_why(
    tls: OutgoingTls, make: Callable[[], Pair], failure: str, problem: str, demand: TlsDemand
) -> None:
    state = state_of(tls, make(), demand)
    assert (state.security, state.failure) == (Security.ENCRYPTED, failure)
    assert problem in state.problem


def test_a_certificate_of_one_who_is_no_authority_vouches_for_nothing(tls: OutgoingTls) -> None:
    """A server's own certificate signs another one."""
    impostor = Authority("Authority in disguise", ROOT)
    leaf = ROOT.issue("elsewhere.example")
    impostor.name, impostor._key, impostor.certificate = leaf.certificate.subject, leaf.key, leaf.certificate
    assert state_of(tls, impostor.issue(NAME)).failure == "certificate-not-trusted"


def record(pair: Pair, usage: int, selector: int, matching: int) -> TLSA:
    return TLSA(*pair.tlsa(usage, selector, matching))


def by_dane(*records: TLSA) -> TlsDemand:
    return TlsDemand(Security.AUTHENTICATED, (NAME, "example.org"), records, "dane")


FIELDS = [(selector, matching) for selector in (0, 1) for matching in (0, 1, 2)]


@pytest.mark.parametrize(("selector", "matching"), FIELDS)
@pytest.mark.parametrize(
    "pair", [self_signed("elsewhere.example"), OTHER.expired(NAME), ROOT.issue(NAME), self_signed()]
)
def test_dane_ee_asks_for_neither_names_nor_times_nor_authorities(
    tls: OutgoingTls, pair: Pair, selector: int, matching: int
) -> None:
    state = state_of(tls, pair, by_dane(record(pair, 3, selector, matching)))
    assert (state.security, state.problem) == (Security.AUTHENTICATED, "")


@pytest.mark.parametrize(("selector", "matching"), FIELDS)
def test_dane_ta_trusts_what_is_below_it(tls: OutgoingTls, selector: int, matching: int) -> None:
    below = Authority("below", OTHER)
    for pair in (OTHER.issue(NAME, with_root=True), below.issue(NAME, with_root=True), below.issue("example.org")):
        anchor = below.pair if pair.chain == below.chain else OTHER.pair
        state = state_of(tls, pair, by_dane(record(anchor, 2, selector, matching)))
        assert (state.security, state.problem) == (Security.AUTHENTICATED, "")


@pytest.mark.parametrize("selector", [0, 1])
def test_an_anchor_that_is_whole_in_the_record_need_not_be_sent(tls: OutgoingTls, selector: int) -> None:
    demand = by_dane(record(OTHER.pair, 2, selector, 0))
    assert state_of(tls, OTHER.issue(NAME), demand).security is Security.AUTHENTICATED
    assert state_of(tls, Authority("below", OTHER).issue(NAME), demand).security is Security.AUTHENTICATED
    assert state_of(tls, ROOT.issue(NAME), demand).failure == "tlsa-invalid"
    assert state_of(tls, OTHER.expired(NAME), demand).failure == "certificate-expired"


@pytest.mark.parametrize(
    ("make", "records", "failure"),
    [
        (lambda: ROOT.issue(NAME), [record(ROOT.issue(NAME), 3, 1, 1)], "tlsa-invalid"),
        (lambda: ROOT.issue(NAME, with_root=True), [record(OTHER.pair, 2, 1, 1)], "tlsa-invalid"),
        (lambda: OTHER.issue(NAME), [record(OTHER.pair, 2, 1, 1)], "tlsa-invalid"),
        (
            lambda: OTHER.issue("mx.example.net", with_root=True),
            [record(OTHER.pair, 2, 0, 1)],
            "certificate-host-mismatch",
        ),
    ],
)
def test_attack_48_what_fits_no_record_is_not_authenticated(
    tls: OutgoingTls, make: Callable[[], Pair], records: list[TLSA], failure: str
) -> None:
    """Though an authority that is trusted vouches for some of them."""
    state = state_of(tls, make(), by_dane(*records))
    assert (state.security, state.failure) == (Security.ENCRYPTED, failure)


def test_below_an_anchor_certificates_expire(tls: OutgoingTls) -> None:
    pair = OTHER.expired(NAME)
    with_root = Pair(pair.certificate, pair.key, (OTHER.certificate,))
    assert state_of(tls, with_root, by_dane(record(OTHER.pair, 2, 0, 1))).failure == "certificate-expired"


@pytest.mark.parametrize(("selector", "matching"), [field for field in FIELDS if field != (1, 0)])
def test_a_servers_own_certificate_is_no_anchor(tls: OutgoingTls, selector: int, matching: int) -> None:
    """But by a key in the record, which has signed it."""
    pair = self_signed(NAME)
    assert state_of(tls, pair, by_dane(record(pair, 2, selector, matching))).failure == "tlsa-invalid"


@pytest.mark.parametrize("matching", [0, 1])
def test_below_an_anchor_a_server_is_no_authority(tls: OutgoingTls, matching: int) -> None:
    """Whoever has a certificate of the anchor's for another name signs one for ours with it."""
    impostor = Authority("Authority in disguise", OTHER)
    leaf = OTHER.issue("elsewhere.example")
    impostor.name, impostor._key, impostor.certificate = leaf.certificate.subject, leaf.key, leaf.certificate
    pair = impostor.issue(NAME, with_root=True)
    assert state_of(tls, pair, by_dane(record(OTHER.pair, 2, 1, matching))).failure == "certificate-not-trusted"


USES = {"servers": [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH], "clients": [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]}
USES |= {"both": USES["servers"] + USES["clients"], "anything": [x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]}


@pytest.mark.parametrize("use", USES)
def test_a_certificate_is_for_servers(tls: OutgoingTls, use: str) -> None:
    """By an authority for servers explicitly (RFC 5280 leaves "anything" to us, OpenSSL says no)."""
    pair = ROOT.issue(NAME, uses=USES[use], with_root=True)
    right = use in ("servers", "both")
    assert state_of(tls, pair).failure == ("" if right else "certificate-not-trusted")
    below = state_of(tls, pair, by_dane(record(ROOT.pair, 2, 0, 1)))
    assert below.failure == ("" if use != "clients" else "certificate-not-trusted")
    assert state_of(tls, pair, by_dane(record(pair, 3, 0, 1))).failure == ""


@pytest.mark.parametrize("demand", [VERIFIED, TlsDemand()])
def test_a_short_key_authenticates_nobody_whatever_is_demanded(tls: OutgoingTls, demand: TlsDemand) -> None:
    """Else a server that nothing was demanded of would have had what it has no more when that is demanded."""
    for size, failure in ((1024, "certificate-not-trusted"), (2048, "")):
        pair = ROOT.issue(NAME, key=rsa.generate_private_key(65537, size))
        context = pair.context(level=0)
        assert shake_hands(tls.handshake(HOST, demand), context)[0].failure == failure
        by_record = by_dane(record(pair, 3, 1, 1))
        assert shake_hands(tls.handshake(HOST, by_record), context)[0].failure == ""


def test_names_of_servers_that_are_none_fit_no_certificate(tls: OutgoingTls) -> None:
    for name in ("", "münchen.example", "x" * 300, "a b", "192.0.2.1", "."):
        assert state_of(tls, ROOT.issue("192.0.2.1", NAME), TlsDemand(), Host(name, 25, ())).security < 2


def test_the_server_hears_the_name_it_is_asked_by(tls: OutgoingTls) -> None:
    assert shake_hands(tls.handshake(HOST, VERIFIED), ROOT.issue(NAME).context())[1].get_servername() == NAME.encode()
    pair = ROOT.issue(NAME)
    demand = TlsDemand(Security.AUTHENTICATED, ("other.example.org", NAME), (record(pair, 3, 1, 1),), "dane")
    _, server = shake_hands(tls.handshake(HOST, demand), pair.context())
    assert server.get_servername() == b"other.example.org"
    by_address = Host("192.0.2.1", 25, ())
    _, server = shake_hands(tls.handshake(by_address, TlsDemand()), ROOT.issue(NAME).context())
    assert server.get_servername() is None


@pytest.mark.parametrize(
    ("make", "errors"),
    [
        (lambda: OTHER.expired(NAME), 1),
        (lambda: without_chain(BELOW.expired(NAME)), 1),
        (lambda: OTHER.issue(NAME, with_root=True), 1),
        (lambda: forged(ROOT, NAME), 1),
        (lambda: ROOT.expired(NAME), 1),
        (lambda: forged(Authority("too old", ROOT, expires=now() - timedelta(days=1)), NAME), 2),
        (lambda: ROOT.issue(NAME), 0),
    ],
)
def test_whose_certificate_nobody_vouches_for_is_looked_at_no_further(
    tls: OutgoingTls, make: Callable[[], Pair], errors: int
) -> None:
    """What OpenSSL does after that, such as names against constraints, takes as long as the server likes."""
    ours, _ = connect(tls.handshake(HOST, VERIFIED), make().context())
    assert len(ours.errors) == errors


def test_keys_are_not_exchanged_by_groups_that_the_server_makes(tls: OutgoingTls) -> None:
    """One of 10,000 bits holds up all other mail for a second."""
    pair = ROOT.issue(NAME, key=rsa.generate_private_key(65537, 2048))
    for cipher, is_taken in ((b"kECDHE", True), (b"kRSA", True), (b"kDHE", False)):
        server = pair.context(most=SSL.TLS1_2_VERSION)
        server.set_cipher_list(cipher)
        if is_taken:
            assert shake_hands(tls.handshake(HOST, TlsDemand()), server)[0].security is Security.AUTHENTICATED
            continue
        with pytest.raises(SSL.Error):
            shake_hands(tls.handshake(HOST, TlsDemand()), server)


def test_tls_1_1_is_none(tls: OutgoingTls) -> None:
    old = ROOT.issue(NAME).context(least=SSL.TLS1_VERSION, most=SSL.TLS1_1_VERSION)
    with pytest.raises(SSL.Error):
        shake_hands(tls.handshake(HOST, TlsDemand()), old)


def test_tls_1_2_will_do(tls: OutgoingTls) -> None:
    state, _ = shake_hands(tls.handshake(HOST, VERIFIED), ROOT.issue(NAME).context(most=SSL.TLS1_2_VERSION))
    assert state.version.startswith("TLSv1.2 ECDHE-")
    assert state.security is Security.AUTHENTICATED


def test_the_systems_authorities_know_no_authority_of_ours() -> None:
    assert state_of(OutgoingTls(), ROOT.issue(NAME)).failure == "certificate-not-trusted"


def test_a_file_of_authorities_without_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("nothing")
    with pytest.raises(SSL.Error):
        OutgoingTls(path)


@pytest.mark.parametrize(("between", "security"), [(5, Security.AUTHENTICATED), (20, Security.ENCRYPTED)])
def test_a_chain_has_so_many_authorities_and_no_more(tls: OutgoingTls, between: int, security: Security) -> None:
    """Each of them is a signature to be checked, in the reactor's thread."""
    authority = ROOT
    for number in range(between):
        authority = Authority(f"below {number}", authority)
    state = state_of(tls, authority.issue(NAME), TlsDemand())
    assert state.security is security
