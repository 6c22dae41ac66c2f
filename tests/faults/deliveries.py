"""Messages that can be told apart and checked whole, and clients that deliver them until the server goes away."""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import smtplib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.site import ALICE, BOB, HOST, UNLIMITED_HOST, Site

SIZES = (300, 2_000, 2_000, 20_000, 20_000, 150_000)
"""Octets of the bodies, each equally often."""

ALIAS_OF_BOTH = "sales@example.org"
IDENTITY = re.compile(rb"^X-Delivery: (\S+)\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A message known by its identity, from which all of its octets follow."""

    identity: str

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom the envelope names: one user, or now and then an alias of both."""
        return (random.Random(self.identity).choice((ALICE, BOB, ALICE, BOB, ALIAS_OF_BOTH)),)

    @property
    def users(self) -> tuple[str, ...]:
        """Who must have a copy."""
        return (ALICE, BOB) if self.recipients == (ALIAS_OF_BOTH,) else self.recipients

    @property
    def octets(self) -> bytes:
        size = SIZES[int(hashlib.sha256(self.identity.encode()).hexdigest(), 16) % len(SIZES)]
        digits = hashlib.shake_128(self.identity.encode()).hexdigest(size // 2)
        lines = "\r\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
        return f"Subject: {self.identity}\r\nX-Delivery: {self.identity}\r\n\r\n{lines}\r\nthe end\r\n".encode()


def identity_of(octets: bytes) -> str:
    """The identity in a stored message; empty in one that is too torn to have it."""
    found = IDENTITY.search(octets)
    return found[1].decode() if found else ""


def is_whole(octets: bytes) -> bool:
    """Whether a stored file, LF or CRLF, ends in all that its identity stands for."""
    return octets.replace(b"\r\n", b"\n").endswith(Numbered(identity_of(octets)).octets.replace(b"\r\n", b"\n"))


class Crew:
    """Clients that deliver at the same time, each one message after the other over one connection, until it breaks."""

    def __init__(self, site: Site, name: str, size: int) -> None:
        self.answered: list[str] = []
        """Identities of the messages that were answered 250."""
        self.begun: list[str] = []
        self._site = site
        self._change = threading.Condition()
        self._threads = [threading.Thread(target=self._deliver, args=(f"{name}.{n}",)) for n in range(size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for_answers(self, count: int, seconds: float = 60) -> None:
        """Return when so many messages were answered in all."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.answered) >= count, seconds), "the server does not answer"

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _deliver(self, name: str) -> None:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self._deliver_until_it_breaks(name)

    def _deliver_until_it_breaks(self, name: str) -> None:
        source = (UNLIMITED_HOST, 0)
        with smtplib.SMTP(HOST, self._site.ports["smtp"], timeout=60, source_address=source) as client:
            for number in range(100_000):
                message = Numbered(f"{name}.{number}")
                self._note(self.begun, message)
                client.sendmail("sender@example.com", message.recipients, message.octets)
                self._note(self.answered, message)

    def _note(self, where: list[str], message: Numbered) -> None:
        with self._change:
            where.append(message.identity)
            self._change.notify_all()


class Inbox:
    """What has been seen of one user's Maildir; each file is read once."""

    def __init__(self, user: str, site: Site) -> None:
        self.user, self.site = user, site
        self.seen: set[str] = set()
        self.identities: list[str] = []
        self.torn: list[Path] = []

    def look(self) -> None:
        """Read the files that are new since the last look."""
        for path in self.site.message_files(self.user):
            if (unique := path.name.partition(":")[0]) not in self.seen:
                self.seen.add(unique)
                self._read(path)

    def missing(self, answered: Sequence[str]) -> set[str]:
        return {one for one in answered if self.user in Numbered(one).users} - set(self.identities)

    def _read(self, path: Path) -> None:
        octets = path.read_bytes()
        if is_whole(octets):
            self.identities.append(identity_of(octets))
        else:
            self.torn.append(path)
