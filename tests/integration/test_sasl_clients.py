"""Clients that nobody here wrote log in by every mechanism that passwords allow, over every protocol."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, running
from tests.integration.ports import HOST
from tests.integration.programs import require, run
from tests.integration.reading import trust
from tests.integration.sasl_programs import TLS_1_2, curl, gsasl, mbsync, msmtp, mutt, swaks
from tests.integration.site import ALICE, PASSWORD, Site, make_site
from tests.unit.wire.sasl.scram_client import Client

PLAIN_USER = ALICE
SCRAM_USER = "carol@example.org"
ARGON_USER = "dora@example.org"
SCRAM, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
MAIL_KINDS = ("imap", "submission")
EVERY_KIND = ("submissions", "imaps", "pop3s")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A site that serves SCRAM too, with a user for each way of keeping a password."""
    site = make_site(tmp_path_factory.mktemp("sasl") / "site")
    text = site.configuration.read_text()
    served = "login:\n  mechanisms: [PLAIN, LOGIN, SCRAM-SHA-256]\n"
    site.configuration.write_text(text.replace("\nlogin:\n", f"\n{served}", 1))
    users = site.folder / "users.yaml"
    more = "".join(
        f'  {user}:\n    password: "{stored_by_dovecot(scheme)}"\n'
        for user, scheme in ((SCRAM_USER, "SCRAM-SHA-256"), (ARGON_USER, "ARGON2ID"))
    )
    users.write_text(users.read_text().replace("\naliases:\n", f"\n{more}\naliases:\n", 1))
    with running(site) as served_site:
        yield served_site


@pytest.fixture
def site(daemon: Daemon) -> Site:
    return daemon.site


def stored_by_dovecot(scheme: str) -> str:
    """The password as Dovecot would keep it."""
    return run([require("doveadm"), "pw", "-s", scheme, "-p", PASSWORD]).stdout.decode().strip()


# -- gsasl --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAIL_KINDS)
@pytest.mark.parametrize("user", [PLAIN_USER, SCRAM_USER])
def test_gsasl_binds_the_exchange_to_its_connection(site: Site, daemon: Daemon, kind: str, user: str) -> None:
    """With TLS 1.3 by tls-exporter, with TLS 1.2 by tls-unique."""
    assert gsasl(site, kind, PLUS, user)
    assert gsasl(site, kind, PLUS, user, priority=TLS_1_2)
    assert f"login: service={kind} peer={HOST} user={user} mechanism={PLUS}\n" in daemon.log_text()


@pytest.mark.parametrize("kind", MAIL_KINDS)
def test_gsasl_takes_the_best_mechanism(site: Site, kind: str) -> None:
    assert gsasl(site, kind, "", SCRAM_USER)


@pytest.mark.parametrize("kind", MAIL_KINDS)
@pytest.mark.parametrize("mechanism", [SCRAM, "PLAIN", "LOGIN"])
def test_gsasl_without_binding(site: Site, kind: str, mechanism: str) -> None:
    assert gsasl(site, kind, mechanism, SCRAM_USER, binds=False)


def test_attack_39_gsasl_that_was_told_of_no_mechanism_with_binding(site: Site) -> None:
    """It says `y`: it would have bound the exchange, and somebody took the mechanism off the list."""
    assert not gsasl(site, "imap", SCRAM, SCRAM_USER)


@pytest.mark.parametrize("mechanism", [PLUS, "PLAIN", "LOGIN"])
def test_gsasl_with_a_wrong_password(site: Site, daemon: Daemon, mechanism: str) -> None:
    assert not gsasl(site, "submission", mechanism, SCRAM_USER, "guess")
    assert f"login failed: service=submission peer={HOST} user={SCRAM_USER}" in daemon.log_text()


def test_who_has_no_keys_logs_in_with_the_password_alone(site: Site) -> None:
    assert gsasl(site, "submission", "PLAIN", ARGON_USER)
    assert not gsasl(site, "submission", PLUS, ARGON_USER)


# -- msmtp, mbsync, mutt ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["submission", "submissions"])
@pytest.mark.parametrize("mechanism", ["scram-sha-256", "plain", "login"])
def test_msmtp(site: Site, tmp_path: Path, kind: str, mechanism: str) -> None:
    assert msmtp(site, kind, mechanism, SCRAM_USER, tmp_path)


def test_msmtp_with_a_wrong_password(site: Site, tmp_path: Path) -> None:
    assert not msmtp(site, "submission", "scram-sha-256", SCRAM_USER, tmp_path, "guess")


@pytest.mark.parametrize("mechanism", [SCRAM, "PLAIN", "LOGIN"])
def test_mbsync(site: Site, tmp_path: Path, mechanism: str) -> None:
    """By way of libsasl2."""
    assert mbsync(site, mechanism, SCRAM_USER, tmp_path)


def test_mbsync_with_a_wrong_password(site: Site, tmp_path: Path) -> None:
    assert not mbsync(site, SCRAM, SCRAM_USER, tmp_path, "guess")


@pytest.mark.parametrize(("protocol", "service"), [("imap", "imap"), ("pop", "pop3")])
def test_mutt(daemon: Daemon, tmp_path: Path, protocol: str, service: str) -> None:
    line = f"login: service={service} peer={HOST} user={PLAIN_USER} mechanism={SCRAM}\n"
    before = daemon.log_text().count(line)
    mutt(daemon.site, protocol, "scram-sha-256", PLAIN_USER, tmp_path)
    assert daemon.log_text().count(line) == before + 1


# -- curl, swaks, Python ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("user", [SCRAM_USER, ARGON_USER])
def test_curl(site: Site, kind: str, mechanism: str, user: str) -> None:
    assert curl(site, kind, mechanism, user)


def test_curl_with_a_wrong_password(site: Site) -> None:
    assert not curl(site, "pop3s", "LOGIN", SCRAM_USER, "guess")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(site: Site, mechanism: str) -> None:
    assert swaks(site, mechanism, SCRAM_USER)
    assert swaks(site, mechanism, ARGON_USER)


@pytest.mark.parametrize("method", ["auth_plain", "auth_login"])
def test_smtplib(site: Site, method: str) -> None:
    with smtplib.SMTP_SSL(HOST, site.ports["submissions"], context=trust(site), timeout=60) as client:
        client.ehlo()
        client.user, client.password = SCRAM_USER, PASSWORD
        mechanism = method.removeprefix("auth_").upper()
        assert client.auth(mechanism, getattr(client, method))[0] == 235


def test_imaplib_and_scram(site: Site) -> None:
    """imaplib drives the exchange; what is said in it comes from a client written from the RFC."""
    client = Client(PASSWORD.encode(), user=SCRAM_USER.encode())
    messages: list[Callable[[bytes], bytes | None]]
    messages = [lambda said: client.first, client.final, lambda said: b"" if client.believes(said) else None]
    turns = iter(messages)
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60) as session:
        assert session.authenticate(SCRAM, lambda said: next(turns)(said))[0] == "OK"


# -- what no program at hand does, over the wire ------------------------------------------------------------------


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class Spoken:
    """Exchanges over POP3, one after another on one connection."""

    def __init__(self, site: Site, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> None:
        context = trust(site)
        context.maximum_version = newest
        self._session = poplib.POP3_SSL(HOST, site.ports["pop3s"], context=context, timeout=60)

    def begin(self, mechanism: str, client: Client) -> bytes:
        """The server's first message. Raises `poplib.error_proto`."""
        return self.answer(f"AUTH {mechanism} {encoded(client.first)}")

    def answer(self, line: str | bytes) -> bytes:
        """What the server says next. Raises `poplib.error_proto`."""
        said: bytes = self._session._shortcmd(line if isinstance(line, str) else encoded(line))  # type: ignore[attr-defined]
        return base64.b64decode(said[2:]) if said.startswith(b"+ ") else said

    def certificate(self) -> bytes:
        """The server's, in DER."""
        return self._session.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined, no-any-return]

    def last_words(self) -> bytes:
        """What the server says before it closes the connection."""
        said: bytes = self._session.file.read()
        return said


@pytest.fixture
def spoken(site: Site) -> Spoken:
    return Spoken(site)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_an_exchange_bound_to_the_certificate(site: Site, newest: ssl.TLSVersion) -> None:
    spoken = Spoken(site, newest)
    bound = hashlib.sha256(spoken.certificate()).digest()
    client = Client(PASSWORD.encode(), b"p=tls-server-end-point,,", bound, SCRAM_USER.encode())
    assert client.believes(spoken.answer(client.final(spoken.begin(PLUS, client))))
    assert spoken.answer("").startswith(b"+OK")


def test_attack_39_a_binding_that_is_another_connection_s(spoken: Spoken) -> None:
    client = Client(PASSWORD.encode(), b"p=tls-exporter,,", b"x" * 32, SCRAM_USER.encode())
    server_first = spoken.begin(PLUS, client)
    with pytest.raises(poplib.error_proto, match="Wrong user or password"):
        spoken.answer(client.final(server_first))


def test_attack_39_what_another_connection_said(site: Site, spoken: Spoken) -> None:
    client = Client(PASSWORD.encode(), user=SCRAM_USER.encode())
    final = client.final(Spoken(site).begin(SCRAM, client))
    spoken.begin(SCRAM, client)
    with pytest.raises(poplib.error_proto, match="Wrong user or password"):
        spoken.answer(final)


def test_attack_39_a_kind_of_binding_that_the_connection_has_not(spoken: Spoken) -> None:
    with pytest.raises(poplib.error_proto, match="not served"):
        spoken.begin(PLUS, Client(header=b"p=tls-unique,,"))
    with pytest.raises(poplib.error_proto, match="not what the mechanism"):
        spoken.begin(SCRAM, Client(header=b"p=tls-exporter,,"))


def test_attack_39_wrong_proofs_end_the_connection(spoken: Spoken) -> None:
    for user in (SCRAM_USER, "nobody@example.org", ARGON_USER):
        client = Client(b"guess", user=user.encode())
        server_first = spoken.begin(SCRAM, client)
        with pytest.raises(poplib.error_proto, match="Wrong user or password"):
            spoken.answer(client.final(server_first))
    assert spoken.last_words() == b"-ERR Too many bad commands or failed logins\r\n"


def test_salts_are_the_same_after_a_restart(own_daemon: Daemon) -> None:
    """Whoever compares them does not learn who is a user and who is not."""
    site = own_daemon.site
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("\nlogin:\n", "\nlogin:\n  mechanisms: [SCRAM-SHA-256]\n", 1))
    own_daemon.restart()
    before = [salt(site, user) for user in (PLAIN_USER, "nobody@example.org")]
    own_daemon.restart()
    assert [salt(site, user) for user in (PLAIN_USER, "nobody@example.org")] == before


def salt(site: Site, user: str) -> bytes:
    return Spoken(site).begin(SCRAM, Client(user=user.encode())).split(b",")[1]
