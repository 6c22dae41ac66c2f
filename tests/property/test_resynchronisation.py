"""Whoever comes back with what it knew of a mailbox knows all again (RFC 7162), whatever has happened meanwhile.

Clients with QRESYNC connect, change, are cut off and come back with UIDVALIDITY, mod-sequence and UIDs, to one of two
servers that share a Maildir. Beside them other programs rename and remove files; servers are replaced by new ones, the
index is deleted, replaced by an older one, damaged or kept busy, and the clock is set. After each coming back the
client's picture, UIDs and flags, is that of the directory, and no mailbox ever says a lower HIGHESTMODSEQ than before.

`MAILBOXD_RESYNC_STEPS` says how many steps are played, `MAILBOXD_RESYNC_SEED` from which seed on.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mailbox_d.store import history
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.index import index_file
from mailbox_d.store.index.history_rows import HistoryRows
from mailbox_d.store.index.void_notes import VoidNotes
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.marks import LookTimes
from mailbox_d.store.mod_sequences import ModSequences
from tests.dialogues.imap_server import ANN, imap_connection, imap_service
from tests.dialogues.memory import Connection
from tests.property.untagged import items, responses

STEPS = int(os.environ.get("MAILBOXD_RESYNC_STEPS", "3000"))
A_PLAY = 120
FLAGS = (rb"\Seen", rb"\Flagged", rb"\Deleted", rb"\Answered", b"work")
LETTERS = "DFRST"
_HIGHEST = re.compile(rb"\[HIGHESTMODSEQ ([0-9]+)\]")
_VALIDITY = re.compile(rb"\[UIDVALIDITY ([0-9]+)\]")
_UIDNEXT = re.compile(rb"\[UIDNEXT ([0-9]+)\]")

Flags = frozenset[bytes]


class Missed(AssertionError):
    """A client does not know what it should."""


@dataclass
class Clock:
    """The time of all servers, which may be set."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 0.000_01
        return self.now


@dataclass
class Client:
    """What one client keeps between its connections, and the connection that it has."""

    name: str
    connection: Connection | None = None
    uid_validity: int = 0
    highest: int = 0
    flags: dict[int, Flags] = field(default_factory=dict)
    seen: int = 0
    """The highest MODSEQ since the last tagged response."""
    said: int | None = None
    """The HIGHESTMODSEQ since then."""
    commands: int = 0
    uid_next: int = 1


def combined(verb: bytes, given: Flags, before: Flags) -> Flags:
    if verb == b"FLAGS":
        return given
    return before | given if verb == b"+FLAGS" else before - given


class Play:
    """The play of one seed."""

    def __init__(self, seed: int, root: Path) -> None:
        self.seed = seed
        self.root = root
        self.random = random.Random(seed)
        self.clock = Clock()
        self.talk: deque[str] = deque(maxlen=60)
        self.stores = [self._store(), self._store()]
        self.maildir = root / "example.org" / "ann" / "Maildir"
        self.stores[0].account(ANN).open("INBOX")
        self.clients = [Client(name) for name in "AB"]
        self.highest = 0
        self.aside: Path | None = None
        self.reader: sqlite3.Connection | None = None
        self.delivered = self.asides = 0
        self.expected: Callable[[Flags], Flags] | None = None
        """What a client takes flags to be that it changes silently."""

    def run(self, steps: int) -> None:
        for _ in range(steps):
            step = self.random.choices(*self._steps())[0]
            self.talk.append(f"-- {step.__name__}")
            step()
        for client in self.clients:
            self._cut(client)
            self._connect(client)
        self.let_index_go()

    def _steps(self) -> tuple[list[Callable[[], None]], list[int]]:
        weights: dict[Callable[[], None], int] = {
            self.come_back: 16,
            self.cut_off: 6,
            self.store_flags: 14,
            self.store_by_number: 6,
            self.expunge: 5,
            self.append: 8,
            self.noop: 8,
            self.fetch_by_number: 5,
            self.other_program_renames: 8,
            self.other_program_and_back: 4,
            self.other_program_unlinks: 4,
            self.other_program_delivers: 4,
            self.replace_server: 4,
            self.delete_index: 2,
            self.damage_index: 2,
            self.put_index_aside: 2,
            self.put_index_back: 2,
            self.keep_index_busy: 3,
            self.let_index_go: 4,
            self.set_clock: 3,
        }
        return list(weights), list(weights.values())

    # What is played

    def come_back(self) -> None:
        client = self.random.choice(self.clients)
        self._cut(client)
        self._connect(client)

    def cut_off(self) -> None:
        self._cut(self.random.choice(self.clients))

    def store_flags(self) -> None:
        client, uids = self._some()
        if client and uids:
            verb = self.random.choice([b"FLAGS", b"+FLAGS", b"-FLAGS"])
            silent = self.random.choice([b"", b".SILENT"])
            flags = b" ".join(self.random.sample(FLAGS, self.random.randrange(3)))
            since = self.random.choice([b"", b"", b"(UNCHANGEDSINCE %d) " % client.highest])
            named = b",".join(b"%d" % uid for uid in uids)
            self.expected = partial(combined, verb, frozenset(flags.split())) if silent else None
            self._command(client, b"UID STORE %b %b%b%b (%b)" % (named, since, verb, silent, flags))
            self.expected = None

    def store_by_number(self) -> None:
        """While it is answered nobody may be told that messages are gone."""
        client, _ = self._some()
        if client and client.flags:
            self.expected = partial(combined, b"+FLAGS", frozenset({b"work"}))
            self._command(client, b"STORE 1 +FLAGS.SILENT (work)")
            self.expected = partial(combined, b"-FLAGS", frozenset({b"work"}))
            self._command(client, b"STORE 1 -FLAGS.SILENT (work)")
            self.expected = None

    def expunge(self) -> None:
        client, _ = self._some()
        if client:
            self._command(client, b"EXPUNGE")

    def append(self) -> None:
        client, _ = self._some()
        if client and len(self._disk()) < 15:
            self._command(client, b"APPEND INBOX (\\Flagged) {5+}\r\nhello")

    def noop(self) -> None:
        client, _ = self._some()
        if client:
            self._command(client, b"NOOP")

    def fetch_by_number(self) -> None:
        client, _ = self._some()
        if client and client.flags:
            self._command(client, b"FETCH 1 (UID MODSEQ)")

    def _files(self, count: int) -> list[Path]:
        found = sorted((self.maildir / "cur").iterdir())
        return self.random.sample(found, min(count, len(found)))

    def _rename(self, path: Path, letters: str) -> Path:
        goal = path.with_name(path.name.partition(":2,")[0] + ":2," + letters)
        if path.exists():
            path.rename(goal)
        return goal

    def other_program_renames(self) -> None:
        for path in self._files(2):
            self._rename(path, "".join(sorted(self.random.sample(LETTERS, self.random.randrange(3)))))

    def other_program_and_back(self) -> None:
        """Away and back again, seen in between by some."""
        for path in self._files(1):
            letters = path.name.partition(":2,")[2]
            other = self._rename(path, "".join(sorted(set(letters) ^ {"F"})))
            self.random.choice([self.noop, self.come_back, self.replace_server])()
            if other.exists():
                self._rename(other, letters)

    def other_program_unlinks(self) -> None:
        for path in self._files(1):
            path.unlink()

    def other_program_delivers(self) -> None:
        if len(self._disk()) < 15:
            self.delivered += 1
            (self.maildir / "new" / f"{1_700_000_000 + self.delivered}.x{self.delivered}.host").write_bytes(b"hello\n")

    def replace_server(self) -> None:
        """One of the processes ends, and another one begins; whoever was connected is cut off."""
        which = self.random.randrange(2)
        for client in self.clients:
            if client.connection is not None and client.connection.store is self.stores[which]:  # type: ignore[attr-defined]
                self._cut(client)
        self.stores[which] = self._store()

    def delete_index(self) -> None:
        for path in self.maildir.glob("mailboxd.index*"):
            path.unlink()

    def damage_index(self) -> None:
        path = self.maildir / "mailboxd.index"
        if path.exists() and path.stat().st_size:
            with path.open("r+b") as file:
                for _ in range(self.random.randrange(1, 4)):
                    at = self.random.randrange(path.stat().st_size)
                    file.seek(at)
                    octet = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([octet ^ 1 << self.random.randrange(8)]))

    def put_index_aside(self) -> None:
        path = self.maildir / "mailboxd.index"
        if path.exists():
            self.asides += 1
            self.aside = self.root / f"aside{self.asides}"
            shutil.copy(path, self.aside)
            self.aside.with_suffix(".kept").hardlink_to(path)  # its inode is nobody else's from now on

    def put_index_back(self) -> None:
        """An older one, as a restored backup is: another file of the same name."""
        if self.aside is not None:
            shutil.copy(self.aside, self.maildir / "restored")
            (self.maildir / "restored").rename(self.maildir / "mailboxd.index")

    def keep_index_busy(self) -> None:
        """As a backup does that reads it: nothing can be written to it."""
        self.let_index_go()
        path = self.maildir / "mailboxd.index"
        with suppress(sqlite3.Error):
            if path.exists():
                self.reader = sqlite3.connect(path, isolation_level=None)
                self.reader.execute("BEGIN")
                self.reader.execute("SELECT count(*) FROM history").fetchone()

    def let_index_go(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def set_clock(self) -> None:
        self.clock.now += self.random.choice([-3600.0, 86400.0, -10 * 365 * 86400.0, 10.0, 700.0])

    # The servers

    def _store(self) -> MaildirStore:
        settings = StoreSettings(looks=LookTimes(doubtful=1e12, again=0.0, spared=0.0), expunges_kept=6)
        store = MaildirStore(self.root, settings=settings)
        store._disk = replace(store._disk, clock=self.clock)
        return store

    def _cut(self, client: Client) -> None:
        if client.connection is not None:
            client.connection.protocol.connectionLost(Failure(ConnectionDone()))
            client.connection = None

    def _connect(self, client: Client) -> None:
        """Come back with what is known; then everything must be known."""
        store = self.random.choice(self.stores)
        connection = imap_connection(imap_service(store), secure=True)
        connection.store = store  # type: ignore[attr-defined]
        connection.connect()
        connection.transport.take()
        client.connection = connection
        self._command(client, b"LOGIN ann@example.org secret")
        self._command(client, b"ENABLE QRESYNC")
        verb = self.random.choice([b"SELECT", b"EXAMINE"]) if self.random.random() < 0.2 else b"SELECT"
        known = b""
        if client.flags and self.random.random() < 0.7:
            known = b" " + b",".join(b"%d" % uid for uid in sorted(client.flags))
        before = client.uid_next
        if client.uid_validity and client.highest:
            resync = b" (QRESYNC (%d %d%b))" % (client.uid_validity, client.highest, known)
            self._command(client, verb + b" INBOX" + resync)
        else:
            self._command(client, verb + b" INBOX")
            before = 1
        self._command(client, b"UID FETCH %d:* (FLAGS)" % before)  # what it heard of, or did not, and never asked for
        client.uid_next = max([client.uid_next, *(uid + 1 for uid in client.flags)])
        if client.highest < self.highest:
            self._fail(f"HIGHESTMODSEQ fell from {self.highest} to {client.highest}")
        self.highest = client.highest
        self._compare(client)

    def _compare(self, client: Client) -> None:
        on_disk = self._disk()
        if client.flags != on_disk:
            self._fail(f"{client.name} knows {client.flags}, and there is {on_disk}")

    def _disk(self) -> dict[int, Flags]:
        """Each listed message's flags, read without the store."""
        uids: dict[str, int] = {}
        for line in (self.maildir / "dovecot-uidlist").read_text().splitlines()[1:]:
            uid, _, base = line.partition(" ")
            uids[base.rpartition(":")[2]] = int(uid)
        keywords: dict[str, bytes] = {}
        if (self.maildir / "dovecot-keywords").exists():
            for line in (self.maildir / "dovecot-keywords").read_bytes().splitlines():
                index, _, name = line.partition(b" ")
                keywords[chr(ord("a") + int(index))] = name
        names = {**dict(zip("DFRST", (rb"\Draft", rb"\Flagged", rb"\Answered", rb"\Seen", rb"\Deleted"), strict=True))}
        found = {}
        for path in [*(self.maildir / "cur").iterdir(), *(self.maildir / "new").iterdir()]:
            base, _, letters = path.name.partition(":2,")
            if base in uids:
                found[uids[base]] = frozenset((names | keywords)[letter] for letter in letters)
        return found

    # What clients say and hear

    def _some(self) -> tuple[Client | None, list[int]]:
        connected = [client for client in self.clients if client.connection is not None]
        if not connected:
            return None, []
        client = self.random.choice(connected)
        uids = sorted(client.flags)
        return client, self.random.sample(uids, min(len(uids), self.random.randrange(1, 3)))

    def _command(self, client: Client, line: bytes) -> bytes:
        connection = client.connection
        assert connection is not None
        client.commands += 1
        tag = b"%b%d" % (client.name.encode(), client.commands)
        self.talk.append(f"{client.name}> {line!r}")
        connection.send(tag + b" " + line + b"\r\n")
        said: bytes = connection.transport.take()
        for told in said.splitlines():
            self.talk.append(f"{client.name}< {told!r}")
        for response in responses(said):
            self._hear(client, response.kind, response.text, response.number)
        if not said.splitlines() or not said.splitlines()[-1].startswith((tag, b"* BYE")):
            self._fail(f"no answer: {said!r}")
        self._conclude(client)
        return said

    def _hear(self, client: Client, kind: bytes, text: bytes, number: int | None) -> None:
        if kind == b"FETCH":
            told = items(text)
            uid = int(told[b"UID"])  # type: ignore[arg-type]
            if b"FLAGS" in told:
                client.flags[uid] = frozenset(told[b"FLAGS"]) - {rb"\Recent"}  # type: ignore[arg-type]
            elif self.expected is not None and uid in client.flags:
                client.flags[uid] = self.expected(client.flags[uid])
            if b"MODSEQ" in told:
                client.seen = max(client.seen, int(told[b"MODSEQ"][0]))  # type: ignore[arg-type]
        elif kind == b"VANISHED":
            for low, _, high in (each.partition(b":") for each in text.rpartition(b" ")[2].split(b",")):
                for uid in range(int(low), int(high or low) + 1):
                    client.flags.pop(uid, None)
        elif kind == b"OK":
            self._hear_ok(client, text)

    def _hear_ok(self, client: Client, text: bytes) -> None:
        if found := _HIGHEST.search(text):
            client.said = int(found[1])
        if found := _VALIDITY.search(text):
            if client.uid_validity not in (0, int(found[1])):
                self._fail("another UIDVALIDITY")
            client.uid_validity = int(found[1])

    def _conclude(self, client: Client) -> None:
        """A tagged response has come (RFC 7162 section 6)."""
        if client.said is not None:
            client.highest = client.said
        else:
            client.highest = max(client.highest, client.seen)
        client.said, client.seen = None, 0

    def _fail(self, complaint: str) -> None:
        raise Missed(f"seed {self.seed}: {complaint}\n" + "\n".join(self.talk))


def plays(root: Path, steps: int) -> None:
    first = int(os.environ.get("MAILBOXD_RESYNC_SEED") or random.SystemRandom().randrange(10**9))
    for seed in range(first, first + max(1, steps // A_PLAY)):
        Play(seed, root / str(seed)).run(A_PLAY)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an index that is busy, nor lets it rest for long."""
    for name, seconds in (("_PATIENCE_SECONDS", 0.0), ("_BUSY_SECONDS", 0.0), ("_BUSY_REST_SECONDS", 0.01)):
        monkeypatch.setattr(index_file, name, seconds)


def test_whoever_comes_back_knows_all(tmp_path: Path) -> None:
    plays(tmp_path, STEPS)


def is_missed(root: Path, complaint: str) -> None:
    """Some play out of a few finds the fault."""
    for seed in range(60):
        try:
            Play(seed, root / str(seed)).run(A_PLAY)
        except Missed as found:
            assert complaint in str(found)
            return
    pytest.fail("the fault was not found")


def test_changes_that_nobody_saw_and_that_get_no_number_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchanged(before: dict[int, bytes], now: dict[int, bytes], other: bytes) -> dict[int, bytes]:
        return {uid: letters for uid, letters in now.items() if uid not in before}

    monkeypatch.setattr(history, "_changed", unchanged)
    is_missed(tmp_path, "")


def test_a_process_that_believes_to_be_alone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HistoryRows, "are_ours", lambda rows: True)
    is_missed(tmp_path, "")


def test_a_restored_index_that_is_believed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HistoryRows, "_context", lambda rows, key: b"")
    is_missed(tmp_path, "")


def test_numbers_by_the_clock_alone_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModSequences, "next", lambda numbers, above: int(numbers._clock() * 1e6))
    is_missed(tmp_path, "")


def test_a_history_that_could_not_be_written_and_is_believed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VoidNotes, "add", lambda notes, guid: None)
    is_missed(tmp_path, "")
