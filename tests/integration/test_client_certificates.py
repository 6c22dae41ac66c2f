"""Users log in by certificates, with clients that nobody here wrote; who has none, or a bad one, has a password."""

from __future__ import annotations

import imaplib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.integration.authority import Authority, Pair, now
from tests.integration.certificate_programs import (
    IMPLICIT,
    UPGRADED,
    Shown,
    curl,
    gsasl,
    is_asked,
    mbsync,
    msmtp,
    mutt,
    s_client,
)
from tests.integration.daemon import Daemon, running
from tests.integration.ports import HOST
from tests.integration.reading import trust
from tests.integration.site import ALICE, BOB, PASSWORD, Site, make_site

CONFIGURED = """\
login:
  mechanisms: [PLAIN, LOGIN, EXTERNAL]
  client_certificates: {ca: users-authority.pem, crl: users-authority.crl}
"""
EVERY_KIND = (*IMPLICIT, *UPGRADED)
SERVICES = {"submissions": "submission", "imaps": "imap", "pop3s": "pop3"}


class Issuing:
    """An authority, what it made for whom, and the daemon's folder in which it is told of."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.authority = Authority("Users' authority")
        self.authority.write(site.folder, "users-authority")
        self.revoke()

    def revoke(self, *pairs: Pair) -> None:
        (self.site.folder / "users-authority.crl").write_bytes(self.authority.revoke(*pairs))

    def show(self, pair: Pair, stem: str = "client") -> Shown:
        return Shown(*pair.write(self.folder, stem))

    def alice(self) -> Shown:
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION]
        return self.show(self.authority.issue(ALICE, common_name="Alice", uses=uses))


@pytest.fixture(scope="module")
def issuing(tmp_path_factory: pytest.TempPathFactory) -> Issuing:
    folder = tmp_path_factory.mktemp("certificates")
    site = make_site(folder / "site")
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("\nlogin:\n", f"\n{CONFIGURED}", 1))
    return Issuing(site, folder)


@pytest.fixture(scope="module")
def daemon(issuing: Issuing) -> Iterator[Daemon]:
    with running(issuing.site) as served:
        yield served


@pytest.fixture
def site(daemon: Daemon) -> Site:
    return daemon.site


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_curl(daemon: Daemon, site: Site, issuing: Issuing, kind: str) -> None:
    line = f"login: service={SERVICES.get(kind, kind)} peer={HOST} user={ALICE} mechanism=EXTERNAL"
    before = daemon.log_text().count(line)
    assert curl(site, kind, issuing.alice()) == ""
    assert daemon.log_text().count(line) == before + 1
    assert curl(site, kind, issuing.alice(), BOB)


@pytest.mark.parametrize("kind", ["imap", "imaps", "pop3", "pop3s"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", ["mail.example.org", "mail.example.net"])
def test_openssl(site: Site, issuing: Issuing, kind: str, version: str, name: str) -> None:
    said, told = {
        "imap": ("a AUTHENTICATE EXTERNAL =\nb LOGOUT\n", "a OK"),
        "pop3": ("AUTH EXTERNAL =\nQUIT\n", " messages"),
    }[kind.removesuffix("s")]
    assert told in s_client(site, kind, issuing.alice(), said, version, "-servername", name)
    assert "not offered" in s_client(site, kind, None, said, version, "-servername", name)


@pytest.mark.parametrize("kind", ["submission", "submissions"])
def test_msmtp(site: Site, issuing: Issuing, tmp_path: Path, kind: str) -> None:
    assert msmtp(site, kind, issuing.alice(), tmp_path)


def test_mbsync(site: Site, issuing: Issuing, tmp_path: Path) -> None:
    assert mbsync(site, issuing.alice(), tmp_path) == ""


@pytest.mark.parametrize("kind", ["imap", "submission"])
def test_gsasl(site: Site, issuing: Issuing, kind: str) -> None:
    assert gsasl(site, kind, issuing.alice())
    assert not gsasl(site, kind, issuing.alice(), BOB)


def test_mutt(daemon: Daemon, site: Site, issuing: Issuing, tmp_path: Path) -> None:
    line = f"login: service=imap peer={HOST} user={ALICE} mechanism=EXTERNAL"
    before = daemon.log_text().count(line)
    mutt(site, issuing.alice(), tmp_path)
    assert daemon.log_text().count(line) == before + 1


def by_imaplib(site: Site, shown: Shown) -> str:
    context = trust(site)
    context.load_cert_chain(shown.certificate, shown.key)
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=context, timeout=60) as session:
        return session.authenticate("EXTERNAL", lambda said: b"")[0]


def test_imaplib(site: Site, issuing: Issuing) -> None:
    assert by_imaplib(site, issuing.alice()) == "OK"
    below = Authority("Between", issuing.authority)
    with pytest.raises(imaplib.IMAP4.error):  # there is no list of what that one has revoked
        by_imaplib(site, issuing.show(below.issue(ALICE)))


@pytest.mark.parametrize("kind", ["imaps", "pop3", "submission"])
def test_who_shows_none_has_a_password(site: Site, kind: str) -> None:
    assert curl(site, kind, None, BOB, "PLAIN", PASSWORD) == ""
    assert curl(site, kind, None, BOB)


BAD = {
    "expired": lambda authority: authority.expired(ALICE),
    "not_yet_valid": lambda authority: authority.not_yet_valid(ALICE),
    "for_servers": lambda authority: authority.issue(ALICE, uses=[ExtendedKeyUsageOID.SERVER_AUTH]),
    "without_a_name": lambda authority: authority.issue(common_name=ALICE),
    "for_a_host": lambda authority: authority.issue("alice.example.org"),
    "for_two": lambda authority: authority.issue(ALICE, BOB),
    "for_nobody": lambda authority: authority.issue("nobody@example.org"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", ["imaps", "submission"])
def test_attack_41_a_bad_one_logs_nobody_in_and_keeps_nobody_out(
    site: Site, issuing: Issuing, bad: str, kind: str
) -> None:
    shown = issuing.show(BAD[bad](issuing.authority))
    assert curl(site, kind, shown)
    assert curl(site, kind, shown, login="PLAIN", secret=PASSWORD) == ""


def test_one_that_nobody_here_made_ends_the_handshake(daemon: Daemon, site: Site, issuing: Issuing) -> None:
    shown = issuing.show(Authority("Users' authority").issue(ALICE))
    for kind in ("imaps", "pop3", "submission"):
        assert "lert" in curl(site, kind, shown, login="PLAIN", secret=PASSWORD)
    assert daemon.log_text().count(f"the certificate of {HOST} is not taken: ") >= 3


def test_other_servers_are_not_asked(site: Site) -> None:
    assert [kind for kind in (*EVERY_KIND, "smtp") if not is_asked(site, kind)] == ["smtp"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_that_a_client_has_kept_is_nobody_s(
    site: Site, issuing: Issuing, tmp_path: Path, version: str
) -> None:
    """Neither is it taken, nor does it end the handshake, nor does a certificate come back with it."""
    said, kept = "a AUTHENTICATE EXTERNAL =\nb LOGOUT\n", tmp_path / "session.pem"
    assert "a OK" in s_client(site, "imaps", issuing.alice(), said, version, "-sess_out", kept)
    for kind in ("imaps", "pop3s"):
        again = s_client(site, kind, None, "x CAPABILITY\nCAPA\nQUIT\ny LOGOUT\n", version, *_kept(kept))
        assert "EXTERNAL" not in again
        assert "PLAIN" in again


def _kept(session: Path) -> list[str | Path]:
    return ["-sess_in", session] if session.exists() and session.stat().st_size else []


def test_authorities_and_lists_are_read_again(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("\nlogin:\n", f"\n{CONFIGURED}", 1))
    issuing = Issuing(site, tmp_path)
    pair, other = issuing.authority.issue(ALICE), issuing.authority.issue(ALICE)
    with running(site) as daemon:
        assert curl(site, "imaps", issuing.show(pair)) == ""
        issuing.revoke(pair)
        daemon.hang_up()
        _await(lambda: curl(site, "imaps", issuing.show(pair)) != "")
        assert f"the certificate of {HOST} is not taken: it was revoked" in daemon.log_text()
        assert curl(site, "imaps", issuing.show(other, "other")) == ""
        (site.folder / "users-authority.crl").write_bytes(issuing.authority.revoke(expires=now() - timedelta(days=1)))
        daemon.hang_up()
        _await(lambda: curl(site, "imaps", issuing.show(other, "other")) != "")
        assert curl(site, "imaps", issuing.show(other, "other"), login="PLAIN", secret=PASSWORD) == ""
        issuing.authority = Authority("The next one")
        issuing.authority.write(site.folder, "users-authority")
        issuing.revoke()
        daemon.hang_up()
        _await(lambda: curl(site, "imaps", issuing.alice()) == "")


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
