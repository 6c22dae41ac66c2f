"""A site whose first domain is served by a real OpenLDAP server, and each protocol's way in."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.integration.daemon import Daemon
from tests.integration.reading import trust
from tests.integration.site import ALICE, HOST, PASSWORD, UNLIMITED_HOST, Site
from tests.integration.slapd import SECRET, Slapd

LONG = 60.0


def sample() -> dict[str, object]:
    """The contract's sample of a directory, which stands in comments there."""
    lines = (Path(__file__).parent.parent / "contract/site/mailboxd.yaml").read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.strip() == "# directory:")
    text = "\n".join(line.replace("# ", "", 1) for line in lines[start : start + 9])
    keys: dict[str, object] = yaml.safe_load(text)["directory"]["ldap"]
    return keys


def realm_keys(slapd: Slapd, scheme: str = "ldaps", **more: object) -> dict[str, object]:
    """The sample with the server's place filled in, and `more` keys."""
    return {**sample(), "uris": [slapd.uris[scheme]], **more}


def use(site: Site, slapd: Slapd, keys: dict[str, object]) -> None:
    """Have the site's first domain served by the directory."""
    (site.folder / "ldap-ca.pem").write_bytes(slapd.authority.read_bytes())
    (site.folder / "ldap.secret").write_text(SECRET + "\n")
    (site.folder / "ldap.secret").chmod(0o600)
    configuration = yaml.safe_load(site.configuration.read_text())
    configuration["realms"]["directory"] = {"ldap": keys}
    configuration["domains"]["example.org"]["realm"] = "directory"
    site.configuration.write_text(yaml.safe_dump(configuration))


@dataclass
class Place:
    """A daemon and the directory that it asks."""

    daemon: Daemon
    slapd: Slapd

    @property
    def site(self) -> Site:
        return self.daemon.site


def at_rcpt(site: Site, address: str) -> int:
    """What another server is told of a recipient."""
    with smtplib.SMTP(HOST, site.ports["smtp"], timeout=LONG, source_address=(UNLIMITED_HOST, 0)) as client:
        client.ehlo()
        client.mail("someone@example.com")
        return client.rcpt(address)[0]


def by_imap(site: Site, user: str = ALICE, password: str = PASSWORD) -> str:
    with imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=LONG) as client:
        try:
            return client.login(user, password)[0]
        except imaplib.IMAP4.error as error:
            return str(error)


def by_pop3(site: Site, user: str = ALICE, password: str = PASSWORD) -> str:
    client = poplib.POP3_SSL(HOST, site.ports["pop3s"], context=trust(site), timeout=LONG)
    try:
        client.user(user)
        said = client.pass_(password).decode()
        client.quit()  # so that the maildrop is free for the next one
        return said
    except poplib.error_proto as error:
        return str(error)
    finally:
        client.close()


def by_submission(site: Site, user: str = ALICE, password: str = PASSWORD) -> int:
    with smtplib.SMTP_SSL(HOST, site.ports["submissions"], context=trust(site), timeout=LONG) as client:
        client.ehlo()
        try:
            return client.login(user, password)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


def assert_serves(site: Site) -> None:
    assert at_rcpt(site, ALICE) == 250
    assert at_rcpt(site, "nobody@example.org") == 550
    assert by_imap(site) == "OK"
    assert by_pop3(site).startswith("+OK")
    assert by_submission(site) == 235


def assert_unavailable(site: Site) -> None:
    """Nobody is told that an address or a password is wrong."""
    assert at_rcpt(site, ALICE) == 451
    assert "[UNAVAILABLE]" in by_imap(site)
    assert "[SYS/TEMP]" in by_pop3(site)
    assert by_submission(site) == 454
