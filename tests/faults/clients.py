"""Clients of IMAP and POP3 that change mailboxes until the server goes away, and know what must be there then."""

from __future__ import annotations

import imaplib
import poplib
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


class FolderOnDisk:
    """What is in a Maildir folder, by identity: how often it is there, and the letters. Each file is read once."""

    def __init__(self, path: Path) -> None:
        self.counts, self.letters = Counter[str](), dict[str, str]()
        self._path = path
        self._identities = dict[str, str]()

    def look(self) -> None:
        """Note what is there now. Raises `AssertionError` where a message is torn."""
        found = [self._read(path) for path in [*self._path.glob("new/*"), *self._path.glob("cur/*")]]
        self.counts, self.letters = Counter(identity for identity, _ in found), dict(found)

    def _read(self, path: Path) -> tuple[str, str]:
        base, _, letters = path.name.partition(":2,")
        if base not in self._identities:
            octets = path.read_bytes()
            assert is_whole(octets), f"{path} is torn"
            self._identities[base] = identity_of(octets)
        return self._identities[base], letters


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The three of the user whose messages are worked on."""

    inbox: FolderOnDisk
    moved: FolderOnDisk
    copied: FolderOnDisk

    @classmethod
    def at(cls, maildir: Path) -> Mailboxes:
        return cls(*(FolderOnDisk(maildir / name) for name in ("", ".Moved", ".Copied")))

    def look(self) -> None:
        for folder in (self.inbox, self.moved, self.copied):
            folder.look()

    def faults_of(self, work: MailboxWork) -> Iterator[str]:
        """What of a client's messages is not as it was told."""
        here, there, copies = self.inbox.counts, self.moved.counts, self.copied.counts
        yield from [f"{work.name}: {work.trouble}"] if work.trouble else []
        for one in work.kept - work.going - work.moving:
            if (here[one], there[one]) != (1, 0):
                yield f"{one} was kept, and is there {here[one]} and {there[one]} times"
        yield from (f"{one} was moved" for one in work.moved if (here[one], there[one]) != (0, 1))
        yield from (f"{one} is in neither mailbox" for one in work.moving if not here[one] + there[one])
        yield from (f"{one} was expunged" for one in work.gone if here[one])
        yield from (f"{one} was copied" for one in work.copied if copies[one] != 1)
        twice = (one for one in work.begun - work.copying if here[one] > 1 or copies[one])
        yield from (f"{one} is there twice" for one in twice)
        yield from (f"{one} was flagged" for one in work.flagged if "F" not in self.inbox.letters.get(one, ""))

    def never_sent(self, works: Sequence[MailboxWork]) -> Iterator[str]:
        """What is there and was sent by none of these clients and no delivery."""
        prefixes = {work.name: work.begun for work in works}
        for one in self.inbox.counts:
            begun = prefixes.get(one.rpartition(".")[0])
            if begun is not None and one not in begun:
                yield f"{one} was never sent"
