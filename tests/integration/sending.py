"""Submitting one message with each client program, over TLS, as alice to bob."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.integration.mail import Mail
from tests.integration.programs import require, run
from tests.integration.reading import trust
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site

Send: TypeAlias = Callable[[Site, Mail, Path, bool], None]
"""(site, mail, folder for files, TLS from the first byte rather than STARTTLS)."""


@contextmanager
def submission(site: Site, *, implicit: bool, user: str = ALICE) -> Iterator[smtplib.SMTP]:
    """A submission session over TLS, logged in."""
    client: smtplib.SMTP
    if implicit:
        client = smtplib.SMTP_SSL(HOST, site.ports["submissions"], context=trust(site), timeout=60)
    else:
        client = smtplib.SMTP(HOST, site.ports["submission"], timeout=60)
        client.starttls(context=trust(site))
    with client:
        client.login(user, PASSWORD)
        yield client


def envelope_options(mail: Mail) -> list[str]:
    return ["BODY=8BITMIME"] * mail.eight_bit + ["SMTPUTF8"] * mail.utf8_header


def by_smtplib(site: Site, mail: Mail, folder: Path, implicit: bool) -> None:
    with submission(site, implicit=implicit) as client:
        assert client.sendmail(ALICE, [BOB], mail.octets, mail_options=envelope_options(mail)) == {}


def by_curl(site: Site, mail: Mail, folder: Path, implicit: bool) -> None:
    scheme, kind = ("smtps", "submissions") if implicit else ("smtp", "submission")
    message = folder / "message"
    message.write_bytes(mail.octets)
    trusted = ["--ssl-reqd", "--cacert", site.certificate, "--user", f"{ALICE}:{PASSWORD}"]
    envelope = ["--mail-from", ALICE, "--mail-rcpt", BOB, "--upload-file", message]
    run([require("curl"), "-sS", *trusted, *envelope, f"{scheme}://localhost:{site.ports[kind]}"])


def by_swaks(site: Site, mail: Mail, folder: Path, implicit: bool) -> None:
    """swaks ends the last line itself."""
    message = folder / "message"
    message.write_bytes(mail.octets.removesuffix(b"\r\n"))
    kind, option = ("submissions", "--tls-on-connect") if implicit else ("submission", "--tls")
    server = ["--server", "localhost", "--port", str(site.ports[kind]), option]
    trusted = ["--tls-verify", "--tls-ca-path", site.certificate]
    login = ["--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD]
    envelope = ["--from", ALICE, "--to", BOB, "--data", f"@{message}"]
    run([require("swaks"), *server, *trusted, *login, *envelope, "--hide-all"])


def by_msmtp(site: Site, mail: Mail, folder: Path, implicit: bool) -> None:
    """msmtp reads the message with LF line ends, as a local program hands it over."""
    account = folder / "msmtprc"
    settings = {
        "host": "localhost",
        "port": site.ports["submissions" if implicit else "submission"],
        "tls": "on",
        "tls_starttls": "off" if implicit else "on",
        "tls_trust_file": site.certificate,
        "auth": "on",
        "user": ALICE,
        "password": PASSWORD,
        "from": ALICE,
    }
    account.write_text("".join(f"{name} {value}\n" for name, value in {"account default": "", **settings}.items()))
    account.chmod(0o600)
    run([require("msmtp"), f"--file={account}", BOB], stdin=mail.octets.replace(b"\r\n", b"\n"))
