"""Messages to recipients elsewhere and here that can be told apart, users who submit them, and servers that take them.

A recipient's address says what its server does with it: `take` takes it, `later` refuses it once for now, `never` for
good, so that its sender gets a report.
"""

from __future__ import annotations

import contextlib
import random
import re
import smtplib
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.deliveries import Numbered, is_whole
from tests.integration.bad_peer import BadPeer, Taken
from tests.integration.sending import submission
from tests.integration.site import ALICE, BOB, Site

DOMAINS = {"a.example": "127.0.0.11", "b.example": "127.0.0.12", "c.example": "127.0.0.13"}
RECORDS = "".join(f"{domain} MX 10 mx.{domain}\nmx.{domain} A {address}\n" for domain, address in DOMAINS.items())
REPORTED = re.compile(rb"^Final-Recipient: *rfc822; *(\S+)", re.MULTILINE | re.IGNORECASE)
MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message known by its identity, from which its recipients and its octets follow."""

    identity: str

    @property
    def recipients(self) -> tuple[str, ...]:
        """Two to six elsewhere, and now and then a user here."""
        chance = random.Random(self.identity)
        kinds = [chance.choice(("take", "take", "take", "later", "never")) for _ in range(chance.randint(2, 6))]
        elsewhere = {f"{kind}.{self.identity}@{chance.choice(tuple(DOMAINS))}" for kind in kinds}
        return (*sorted(elsewhere), *([BOB] * (chance.random() < 0.3)))

    @property
    def octets(self) -> bytes:
        fields = (
            f"Date: Mon, 2 Nov 2026 12:00:00 +0000\r\nFrom: {ALICE}\r\nMessage-ID: <{self.identity}@example.org>\r\n"
        )
        return fields.encode() + Numbered(self.identity).octets


class Users:
    """Threads of one user that submit at the same time, each so many messages, until the server goes away."""

    def __init__(self, site: Site, name: str, *, size: int, each: int) -> None:
        self.answered: list[str] = []
        """Identities of the messages that were answered 250."""
        self.begun: list[str] = []
        self.refused: list[str] = []
        """What was answered otherwise."""
        self._site, self._each = site, each
        self._threads = [threading.Thread(target=self._submit, args=(f"{name}.{n}",)) for n in range(size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def are_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _submit(self, name: str) -> None:
        with contextlib.suppress(OSError, smtplib.SMTPServerDisconnected):
            try:
                self._submit_until_it_breaks(name)
            except smtplib.SMTPException as error:
                self._note_refusal(error)

    def _submit_until_it_breaks(self, name: str) -> None:
        with submission(self._site, implicit=True) as client:
            for number in range(self._each):
                letter = Letter(f"{name}.{number}")
                self.begun.append(letter.identity)
                assert client.sendmail(ALICE, letter.recipients, letter.octets) == {}
                self.answered.append(letter.identity)

    def _note_refusal(self, error: smtplib.SMTPException) -> None:
        if not isinstance(error, smtplib.SMTPServerDisconnected):
            self.refused.append(repr(error))


class Servers:
    """Servers elsewhere, one a domain."""

    def __init__(self, port: int) -> None:
        self._asked: set[str] = set()
        self.peers = {
            domain: BadPeer(address=address, port=port, recipient_reply=self._reply)
            for domain, address in DOMAINS.items()
        }

    def _reply(self, recipient: str) -> str | None:
        kind = recipient.partition(".")[0]
        if kind == "never":
            return "550 5.1.1 Nobody is called so"
        if kind == "later" and recipient not in self._asked:
            self._asked.add(recipient)
            return "450 4.2.0 Not now"
        return None

    @property
    def taken(self) -> list[Taken]:
        return [taken for peer in self.peers.values() for taken in list(peer.messages)]

    def wait_until_left(self) -> None:
        """Wait until nobody is connected: what was sent whole is taken, what was not is not."""
        for peer in self.peers.values():
            peer.wait_until_alone()

    def counts(self) -> Counter[str]:
        """How often each recipient's server has taken its message."""
        return Counter(recipient for taken in self.taken for recipient in taken.recipients)


@contextmanager
def servers(port: int) -> Iterator[Servers]:
    found = Servers(port)
    with ExitStack() as stack:
        for peer in found.peers.values():
            stack.enter_context(peer)
        yield found


def torn(taken: Iterable[Taken]) -> list[Taken]:
    """What is not the message that its recipients are to have, byte for byte behind its trace field."""
    return [one for one in taken if not _is_right(one)]


def _is_right(taken: Taken) -> bool:
    identity = taken.recipients[0].partition(".")[2].rpartition("@")[0]
    letter = Letter(identity)
    trace = taken.octets.removesuffix(letter.octets)
    return (
        taken.octets.endswith(letter.octets)
        and re.fullmatch(rb"Received: [^\r\n]+\r\n([ \t][^\r\n]+\r\n)*", trace) is not None
        and set(taken.recipients) <= set(letter.recipients)
    )


@dataclass(slots=True)
class Reports:
    """The reports that a user has, each file read once; and what else lies there."""

    site: Site
    user: str
    seen: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """By file name: the report's Message-ID, and the recipients that it tells of."""

    def look(self) -> None:
        for path in self.site.message_files(self.user):
            unique = path.name.partition(":")[0]
            if unique not in self.seen:
                self.seen[unique] = read_report(path)

    def copies(self) -> Counter[str]:
        """How often each report is there, by Message-ID."""
        return Counter(message_id for message_id, _ in self.seen.values())


def read_report(path: Path) -> tuple[str, tuple[str, ...]]:
    """Its Message-ID, and the recipients that it tells of."""
    octets = path.read_bytes()
    found = MESSAGE_ID.search(octets)
    return found[1].decode() if found else "", tuple(one.decode() for one in REPORTED.findall(octets))


class Allowance:
    """How often something may be there: once, and once more for each kill that fell between its coming and the note
    of it."""

    def __init__(self) -> None:
        self.allowed: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def kill(self, counts: Counter[str], waiting: Collection[str]) -> set[str]:
        """What came since the kill before, and waits all the same."""
        fresh = {one for one in waiting if counts[one] > self._before[one]}
        self.allowed.update(fresh)
        self._before = Counter(counts)
        return fresh

    def excess(self, counts: Counter[str]) -> list[str]:
        """What is there more often."""
        return [one for one, number in counts.items() if number > 1 + self.allowed[one]]


def here(site: Site) -> Counter[str]:
    """The letters that bob has, by identity, each whole."""
    counts: Counter[str] = Counter()
    for path in site.message_files(BOB):
        octets = path.read_bytes()
        assert is_whole(octets), f"{path} is not whole"
        found = MESSAGE_ID.search(octets)
        assert found is not None
        counts[found[1].decode().strip("<>").partition("@")[0]] += 1
    return counts
