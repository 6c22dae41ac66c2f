"""Clients of IMAP and POP3 that change mailboxes until the server goes away, and know what must be there then."""

from __future__ import annotations

import imaplib
import poplib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.faults.deliveries import Numbered, identity_of, is_whole
from tests.integration.reading import checked
from tests.integration.site import ALICE, BOB, HOST, PASSWORD, Site

APPENDED = re.compile(rb"APPENDUID \d+ (\d+)")


class Until:
    """A thread that works until its connection breaks."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        self.trouble = ""
        """What went wrong before the connection broke."""
        self._thread = threading.Thread(target=self._work_until_it_breaks)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def work(self) -> None:
        """For subclasses."""

    def _work_until_it_breaks(self) -> None:
        try:
            self.work()
        except (OSError, EOFError, imaplib.IMAP4.abort, poplib.error_proto):
            return
        except Exception as error:
            self.trouble = repr(error)


class MailboxWork(Until):
    """APPENDs messages to Alice's INBOX, and flags, copies, moves or expunges each. Sets hold their identities: those
    answered OK, and (`moving`, `going`, `copying`) those of operations that were begun.
    """

    def __init__(self, site: Site, name: str) -> None:
        super().__init__(site, name)
        self.kept, self.flagged, self.copied, self.moved, self.gone = (set[str]() for _ in range(5))
        self.begun, self.copying, self.moving, self.going = (set[str]() for _ in range(4))

    def work(self) -> None:
        client = imaplib.IMAP4(HOST, self.site.ports["imap"], timeout=60)
        client.login(ALICE, PASSWORD)
        for name in ("Moved", "Copied"):
            client.create(name)
        checked(client.select("INBOX"))  # type: ignore[arg-type]
        for number in range(100_000):
            identity = f"{self.name}.{number}"
            uid = self._append(client, identity)
            [self._flag, self._copy, self._move, self._expunge][number % 4](client, identity, uid)

    def _append(self, client: imaplib.IMAP4, identity: str) -> str:
        self.begun.add(identity)
        status, data = client.append("INBOX", "", "", Numbered(identity).octets)
        found = APPENDED.search(data[0] or b"")
        assert status == "OK" and found is not None
        self.kept.add(identity)
        return found[1].decode()

    def _flag(self, client: imaplib.IMAP4, identity: str, uid: str) -> None:
        self._do(client, "STORE", uid, "+FLAGS", "(\\Flagged Work)")
        self.flagged.add(identity)

    def _copy(self, client: imaplib.IMAP4, identity: str, uid: str) -> None:
        self.copying.add(identity)
        self._do(client, "COPY", uid, "Copied")
        self.copied.add(identity)

    def _move(self, client: imaplib.IMAP4, identity: str, uid: str) -> None:
        self.moving.add(identity)
        self._do(client, "MOVE", uid, "Moved")
        self.moved.add(identity)

    def _expunge(self, client: imaplib.IMAP4, identity: str, uid: str) -> None:
        self.going.add(identity)
        self._do(client, "STORE", uid, "+FLAGS", "(\\Deleted)")
        self._do(client, "EXPUNGE", uid)
        self.gone.add(identity)

    def _do(self, client: imaplib.IMAP4, *words: str) -> None:
        checked(client.uid(*words))


class MaildropWork(Until):
    """Fetches Bob's messages over POP3 and deletes them, some at a time; QUIT says whether they are gone."""

    def __init__(self, site: Site, name: str) -> None:
        super().__init__(site, name)
        self.going, self.gone = set[str](), set[str]()

    def work(self) -> None:
        while True:
            client = poplib.POP3(HOST, self.site.ports["pop3"], timeout=60)
            client.user(BOB)
            client.pass_(PASSWORD)
            count, _ = client.stat()
            identities = [self._fetch(client, number) for number in range(1, min(count, 5) + 1)]
            self.going.update(identities)
            client.quit()
            self.gone.update(identities)

    def _fetch(self, client: poplib.POP3, number: int) -> str:
        _, lines, _ = client.retr(number)
        octets = b"\r\n".join(lines) + b"\r\n"
        assert is_whole(octets)
        client.dele(number)
        return identity_of(octets)


def identities_in(folder: Path) -> Iterator[tuple[str, str]]:
    """The messages of a Maildir folder, each whole: identity and letters."""
    for path in [*folder.glob("new/*"), *folder.glob("cur/*")]:
        octets = path.read_bytes()
        assert is_whole(octets), f"{path} is torn"
        yield identity_of(octets), path.name.partition(":2,")[2]


def faults_of(work: MailboxWork, maildir: Path) -> Iterator[str]:
    """What of a client's messages is not as it was told."""
    yield from [f"{work.name}: {work.trouble}"] if work.trouble else []
    here, there, copies = (Counter(dict(_counted(maildir / part, work.name))) for part in ("", ".Moved", ".Copied"))
    letters = dict(identities_in(maildir))
    for identity in work.kept - work.going - work.moving:
        if (here[identity], there[identity]) != (1, 0):
            yield f"{identity} was kept, and is there {here[identity]} and {there[identity]} times"
    yield from (f"{one} was moved" for one in work.moved if (here[one], there[one]) != (0, 1))
    yield from (f"{one} is in neither mailbox" for one in work.moving if not here[one] + there[one])
    yield from (f"{one} was expunged" for one in work.gone if here[one])
    yield from (f"{one} was copied" for one in work.copied if copies[one] != 1)
    yield from (
        f"{one} is there twice" for one, count in (here + copies).items() if count > 1 and one not in work.copying
    )
    yield from (f"{one} was flagged" for one in work.flagged if "F" not in letters[one])
    yield from (f"{one} was never sent" for one in here if one not in work.begun)


def _counted(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    counts = Counter(identity for identity, _ in identities_in(folder))
    return ((identity, count) for identity, count in counts.items() if identity.startswith(f"{name}."))
