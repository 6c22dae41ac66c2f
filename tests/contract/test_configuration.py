"""The contract: the files under `site/` are taken as they stand, in this version and every later one.

Keys may be added to them, none may change its meaning. Only the certificates are made here.
"""

from __future__ import annotations

import re
import shutil
from ipaddress import ip_network
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.config.endpoints import TcpEndpoint, UnixEndpoint
from mailbox_d.config.load import load
from mailbox_d.config.model import CertificatePair, Configuration
from mailbox_d.ctl.self_signed import make_certificate

SITE = Path(__file__).parent / "site"
LOOPBACK = "127.0.0.1"
COMMENTED = "directory|ldap|uris|ca|starttls|bind_dn|bind_password_file|base|user_filter"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copytree(SITE, tmp_path, dirs_exist_ok=True)
    make_certificate(tmp_path / "tls", ("mail.example.org",))
    make_certificate(tmp_path / "tls", ("mail.example.net",))
    (tmp_path / "users.yaml").chmod(0o600)
    return tmp_path


@pytest.fixture
def configuration(site: Path) -> Configuration:
    loaded = load(site / "mailboxd.yaml")
    assert loaded.warnings == ()
    return loaded.configuration


def test_the_name_and_the_folders(configuration: Configuration, site: Path) -> None:
    assert configuration.hostname == "mail.example.org"
    assert configuration.storage.maildirs == site / "maildirs"
    assert configuration.storage.state == site / "state"
    assert configuration.storage.newline == "lf"


@pytest.mark.parametrize(
    ("kind", "port"),
    [
        ("smtp", 2525),
        ("submission", 2587),
        ("submissions", 2465),
        ("imap", 2143),
        ("imaps", 2993),
        ("pop3", 2110),
        ("pop3s", 2995),
    ],
)
def test_tcp_listeners(configuration: Configuration, kind: str, port: int) -> None:
    (endpoint,) = getattr(configuration.listeners, kind)
    assert isinstance(endpoint, TcpEndpoint)
    assert (endpoint.port, endpoint.interface) == (port, LOOPBACK)


def test_lmtp_listens_on_a_socket_below_the_folder(configuration: Configuration, site: Path) -> None:
    (endpoint,) = configuration.listeners.lmtp
    assert isinstance(endpoint, UnixEndpoint)
    assert endpoint.path == site / "state/lmtp.sock"


def test_certificates_in_their_order(configuration: Configuration, site: Path) -> None:
    assert configuration.tls.certificates == tuple(
        CertificatePair(certificate=str(site / f"tls/{name}.pem"), key=str(site / f"tls/{name}.key"))
        for name in ("mail.example.org", "mail.example.net")
    )
    assert configuration.tls.directory is None


def test_realms_and_domains_in_their_order(configuration: Configuration, site: Path) -> None:
    assert configuration.realms["staff"].yaml == site / "users.yaml"
    assert configuration.realms["staff"].ldap is None
    assert list(configuration.domains) == ["example.org", "example.net"]
    assert {domain.realm for domain in configuration.domains.values()} == {"staff"}
    assert configuration.domains["example.org"].catch_all is None
    assert configuration.domains["example.net"].catch_all == EmailAddress.parse("bob@example.net")


def test_login_limits_and_queue(configuration: Configuration) -> None:
    assert configuration.login.allow_plaintext is True
    assert configuration.limits.message_size == 50 * 1024 * 1024
    assert configuration.limits.exempt == (ip_network("127.0.0.2"),)
    assert configuration.limits.connections_per_user == 20
    assert configuration.limits.messages_per_user_per_day == 1000
    assert configuration.queue.relay is None
    assert configuration.queue.resolver is None
    assert configuration.queue.port == 25


def test_what_stands_in_comments_is_taken_as_well(site: Path) -> None:
    file = site / "mailboxd.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    uncommented = [_uncomment(line) for line in lines]
    assert sum(before != after for before, after in zip(lines, uncommented, strict=True)) == 10
    text = "\n".join(uncommented).replace("/etc/letsencrypt/live", "live")
    text = text.replace(
        "relay: null", "relay: {host: smtp.example.com, port: 587, username: u, password_file: ldap.secret}"
    )
    file.write_text(text.replace("resolver: null", 'resolver: "127.0.0.1:5353"'), encoding="utf-8")
    (site / "live/mail.example.org").mkdir(parents=True)
    shutil.copy(site / "tls/mail.example.org.pem", site / "live/mail.example.org/fullchain.pem")
    shutil.copy(site / "tls/mail.example.org.key", site / "live/mail.example.org/privkey.pem")
    shutil.copy(site / "tls/mail.example.org.pem", site / "ldap-ca.pem")
    shutil.copy(site / "tls/mail.example.org.key", site / "ldap.secret")

    configuration = load(file).configuration

    assert configuration.tls.directory == site / "live"
    ldap = configuration.realms["directory"].ldap
    assert ldap is not None
    assert ldap.uris == ("ldaps://ldap.example.net",)
    assert ldap.ca == site / "ldap-ca.pem"
    assert ldap.starttls == "required"
    assert ldap.bind_dn == "cn=mailboxd,ou=services,dc=example,dc=net"
    assert ldap.bind_password_file == site / "ldap.secret"
    assert ldap.base == "ou=people,dc=example,dc=net"
    assert ldap.user_filter == "(&(objectClass=inetOrgPerson)(mail={address}))"
    assert configuration.queue.relay is not None
    assert configuration.queue.relay.host == "smtp.example.com"
    assert configuration.queue.resolver is not None
    assert (configuration.queue.resolver.host, configuration.queue.resolver.port) == ("127.0.0.1", 5353)


def _uncomment(line: str) -> str:
    """A line that holds nothing but a commented key, without its comment sign."""
    return re.sub(rf"^( +)# ( *(?:{COMMENTED}):)", r"\1\2", line)
