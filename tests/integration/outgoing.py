"""A site whose outgoing mail goes to servers of the tests: a DNS server of theirs tells where these are.

All of them listen on one port, each on a loopback address of its own.
"""

from __future__ import annotations

import email
import email.policy
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from tests.integration.daemon import Daemon
from tests.integration.fake_dns import FakeDns, serving
from tests.integration.ports import HOST, free_ports
from tests.integration.sending import submission
from tests.integration.site import ALICE, Site, make_site

ELSEWHERE, OTHER = "127.0.0.11", "127.0.0.12"
"""Addresses for servers elsewhere."""

RECORDS = f"""\
elsewhere.example MX 10 mx.elsewhere.example
mx.elsewhere.example A {ELSEWHERE}
other.example MX 10 mx.other.example
mx.other.example A {OTHER}
"""

SETTINGS = """\
queue:
  resolver: "{resolver}"
  port: {port}
  allowed_addresses: [127.0.0.0/8]
  retry_after: 1 s
  retry_most: 2 s
"""
ARRIVAL_SECONDS = 30.0


@dataclass(slots=True)
class OutgoingSite:
    """The site, its daemon (not started yet), the DNS that it asks, and the port of servers elsewhere."""

    site: Site
    daemon: Daemon
    dns: FakeDns
    port: int

    @property
    def queued(self) -> list[Path]:
        """The messages that wait."""
        return sorted((self.site.folder / "state/queue/messages").iterdir())

    def wait_until_empty(self) -> None:
        """Wait until nothing is queued any more. Raises `AssertionError` with the daemon's log."""
        self.wait_until_queued(0)

    def wait_until_queued(self, count: int) -> None:
        """Wait until so many messages are queued and no more."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while len(self.queued) != count:
            assert time.monotonic() < deadline, self.daemon.log_tail(40)
            time.sleep(0.02)

    def wait_for_mail(self, user: str = ALICE, count: int = 1) -> list[EmailMessage]:
        """Wait until a user has so many messages; all of them."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while len(files := self.site.message_files(user)) < count:
            assert time.monotonic() < deadline, self.daemon.log_tail(40)
            time.sleep(0.02)
        return [_parsed(path) for path in files]

    def send(
        self,
        *recipients: str,
        text: str = "Hello",
        sender: str = ALICE,
        mail_options: tuple[str, ...] = (),
        rcpt_options: tuple[str, ...] = (),
        subject: str = "Outward",
    ) -> None:
        """Submit one message as its sender."""
        to = ", ".join(recipients)
        octets = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()
        with submission(self.site, implicit=False, user=sender) as client:
            assert client.sendmail(sender, recipients, octets, mail_options, rcpt_options) == {}

    def receive(self, recipient: str, *, sender: str = "stranger@far.example", octets: bytes | None = None) -> None:
        """Have a stranger's server bring a message."""
        message = octets or f"From: {sender}\r\nSubject: Inward\r\n\r\nHello\r\n".encode()
        with smtplib.SMTP(HOST, self.site.ports["smtp"]) as client:
            assert client.sendmail(sender, [recipient], message) == {}


@contextmanager
def outgoing_site(
    folder: Path,
    *,
    records: str = RECORDS,
    settings: str = "",
    limits: str = "",
    further: str = "",
    aliases: str = "",
    secure: bool = False,
) -> Iterator[OutgoingSite]:
    """`settings`: lines below `queue`, which may give a key of `SETTINGS` anew; `limits`: the same below `limits`;
    `further`: sections; `aliases`: lines below the realm's; `secure`: DNS vouches for its answers."""
    site = make_site(folder / "site")
    (port,) = free_ports(1)
    with serving(records, secure=secure) as dns:
        queue = _merged(SETTINGS.format(resolver=dns.address, port=port), settings)
        text = _limited(site.configuration.read_text(), limits)
        site.configuration.write_text(text[: text.index("\nqueue:")] + "\n" + queue + further)
        users = site.folder / "users.yaml"
        users.write_text(users.read_text() + aliases)
        daemon = Daemon(site)
        try:
            yield OutgoingSite(site, daemon, dns, port)
        finally:
            if daemon.process is not None and not daemon.ended:
                daemon.stop()


def _merged(text: str, settings: str) -> str:
    return _without(text, settings) + settings


def _limited(text: str, limits: str) -> str:
    before, heading, after = text.partition("\nlimits:\n")
    assert heading
    return before + heading + limits + _without(after, limits)


def _without(text: str, settings: str) -> str:
    """The text without the keys that are given anew."""
    for key in re.findall(r"^  (\w+):", settings, re.MULTILINE):
        text = re.sub(rf"^  {key}:.*\n", "", text, flags=re.MULTILINE)
    return text


def _parsed(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message
