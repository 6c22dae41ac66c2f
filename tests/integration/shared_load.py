"""A load on one account through two servers at once, and a record of everything they told about its messages.

Each message says its number. What is done with it goes by that: some are moved to and fro, some are expunged (each by
clients of one server alone, since Dovecot's MOVE does not ask whether another one moved the message first), the others
stay in INBOX and are flagged, by clients of both. Each of these clients has flags of its own, so it is known how every
message ends.
"""

from __future__ import annotations

import hashlib
import random
import re
import smtplib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.account import Account
from tests.integration.imap_lines import ImapLines, Said
from tests.integration.site import ALICE

INBOX = b"INBOX"
ELSEWHERE = b'"Woanders &APw-"'
COPIES = b'"Kopien"'
MAILBOXES = (INBOX, ELSEWHERE, COPIES)

KINDS = 8
"""Messages of number 0 and 1 of so many are moved, by the first and the second server; 2 and 3 are expunged."""
MOVED, EXPUNGED = (0, 1), (2, 3)
BATCH = 8

_NUMBER = re.compile(rb"^X-Number: (\d+)\r\n", re.MULTILINE)
_EXPUNGED = re.compile(rb"\* (\d+) EXPUNGE")
_EXISTS = re.compile(rb"\* (\d+) EXISTS")
_NUMBERED = re.compile(rb"\* (\d+) FETCH \(")
_FETCHED = re.compile(rb"\* \d+ FETCH \(")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_APPENDED = re.compile(rb"APPENDUID (\d+) (\d+)")
_COPIED = re.compile(rb"COPYUID (\d+) ([\d:,]+) ([\d:,]+)")


class Record:
    """What was sent, done and told; shared by all clients."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.counts: dict[str, int] = defaultdict(int)
        self.bodies: dict[tuple[bytes, int], set[str]] = defaultdict(set)
        """What was read under a UID: one digest, if all is well."""
        self.numbers: dict[tuple[bytes, int], set[int]] = defaultdict(set)
        self.validities: dict[bytes, set[int]] = defaultdict(set)
        self.sent: set[int] = set()
        self.doubtful: dict[str, Counter[int]] = defaultdict(Counter)
        """How often something was done with a message whose outcome nobody was told, by what it was."""
        self.expunged: set[int] = set()
        self.copied: dict[int, int] = defaultdict(int)
        self.flags: dict[tuple[int, str], bool] = {}
        self.doubtful_flags: set[tuple[int, str]] = set()
        self._next = 0

    def number(self, kinds: Collection[int] = range(KINDS)) -> int:
        """A number for another message."""
        with self.guard:
            self._next += 1
            while self._next % KINDS not in kinds:
                self._next += 1
            return self._next

    def saw(self, mailbox: bytes, uid: int, number: int) -> None:
        with self.guard:
            self.numbers[mailbox, uid].add(number)

    def read(self, mailbox: bytes, uid: int, octets: bytes) -> int:
        """Note what was read under a UID; the message's number."""
        found = _NUMBER.search(octets)
        assert found is not None, octets[:500]
        with self.guard:
            self.numbers[mailbox, uid].add(int(found[1]))
            self.bodies[mailbox, uid].add(hashlib.sha256(octets).hexdigest())
        return int(found[1])

    def kinds_of(self, mailbox: bytes, uid: int) -> set[int]:
        """Of which kind the message is that has this UID: one, if all is well."""
        return {number % KINDS for number in self.numbers.get((mailbox, uid), ())}

    def counted(self, what: str, times: int = 1) -> None:
        with self.guard:
            self.counts[what] += times

    def some(self, mailbox: bytes, kinds: Collection[int], besides: Collection[int] = ()) -> dict[int, int]:
        """A few messages of these kinds, the newest among them: their numbers by UID."""
        with self.guard:
            found = [
                (uid, next(iter(numbers)))
                for (where, uid), numbers in list(self.numbers.items())[-400:]
                if where == mailbox and next(iter(numbers)) % KINDS in kinds and not numbers & set(besides)
            ]
        return dict(random.sample(found, min(len(found), BATCH)))


@dataclass(slots=True)
class Side:
    """A server as its clients see it, the first or the second; its clients' own flags."""

    name: str
    index: int
    port: int
    lmtp_socket: Path
    flags: tuple[tuple[str, ...], ...]
    may_vanish: bool = False


@dataclass(slots=True)
class Load:
    """Clients of two servers, each in a thread of its own, until they are told to stop."""

    record: Record
    sides: tuple[Side, Side]
    pause: float = 0.0
    stopping: threading.Event = field(default_factory=threading.Event)
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load runs for as long as the block. Raises `AssertionError` where a client was told something wrong."""
        threads = [threading.Thread(target=self._work, args=job, daemon=True) for job in self._jobs()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join(200)
        assert self.faults == []
        assert not any(thread.is_alive() for thread in threads)

    def _jobs(self) -> Iterator[tuple[Side, Callable[[ImapLines, Side], None]]]:
        for side in self.sides:
            yield side, self._deliver
            yield side, self._append
            yield side, self._watch
            yield side, self._mirror
            yield side, self._move
            yield side, self._expunge
            yield side, self._copy
            for flags in side.flags:
                yield side, self._flagging(flags)

    def _work(self, side: Side, job: Callable[[ImapLines, Side], None]) -> None:
        """Do a job again and again; where the server may be killed, with a new connection after each loss."""
        while not self.stopping.is_set():
            client: ImapLines | None = None
            try:
                client = ImapLines(side.port, ALICE)
                while not self.stopping.is_set():
                    job(client, side)
                    self.stopping.wait(self.pause)
            except (ConnectionError, smtplib.SMTPServerDisconnected, TimeoutError) as error:
                if not side.may_vanish:
                    self.faults.append(f"{side.name}: {error!r}")
                    return
                time.sleep(0.05)
            except Exception as error:
                self.faults.append(f"{side.name}: {error!r}")
                raise
            finally:
                if client is not None:
                    client.close()

    def _deliver(self, _: ImapLines, side: Side) -> None:
        """A few messages over LMTP, in one session."""
        with smtplib.LMTP(str(side.lmtp_socket)) as client:
            for _message in range(BATCH):
                number = self.record.number()
                with self._doubting("sent", [number]):
                    assert client.sendmail("a@example.com", [ALICE], _message_of(number)) == {}
                self.record.sent.add(number)
                self.record.counted(f"{side.name}: delivered")
                self.stopping.wait(self.pause)

    def _append(self, client: ImapLines, side: Side) -> None:
        number = self.record.number()
        flags = rb" (\Seen Kept)" if number % 3 else b""
        with self._doubting("sent", [number]):
            answer = client.do(b"APPEND %b%b" % (INBOX, flags), _message_of(number))
        self.record.sent.add(number)
        if flags:
            self.record.flags[number, "Kept"] = True
        found = _APPENDED.search(answer[-1].line)
        assert found is not None, answer[-1]
        self.record.validities[INBOX].add(int(found[1]))
        self.record.saw(INBOX, int(found[2]), number)
        self.record.counted(f"{side.name}: appended")

    def _watch(self, client: ImapLines, side: Side) -> None:
        """Read INBOX on, from its beginning, while everything changes."""
        client.do(b"SELECT " + INBOX)
        highest = 0
        for _ in range(20):
            for said in client.do(b"UID FETCH %d:* (UID FLAGS BODY.PEEK[])" % (highest + 1)):
                if said.literals and (found := _UID.search(said.line)):
                    self.record.read(INBOX, int(found[1]), said.literals[0])
                    highest = max(highest, int(found[1]))
                    self.record.counted(f"{side.name}: read")
            if self.stopping.wait(max(self.pause, 0.05)):
                return

    def _mirror(self, client: ImapLines, side: Side) -> None:
        """Know INBOX by what is told of it alone, as clients do that keep it: numbers never lead to another message."""
        mirror: list[int] = []
        _reflect(mirror, client.do(b"SELECT " + INBOX))
        for _ in range(40):
            if 0 in mirror:
                _reflect(mirror, client.do(b"FETCH %d:* (UID FLAGS)" % (mirror.index(0) + 1)))
            _reflect(mirror, client.do(b"NOOP"))
            self.record.counted(f"{side.name}: looked")
            if self.stopping.wait(max(self.pause, 0.05)):
                break
        _reflect(mirror, client.do(b"FETCH 1:* (UID)"))
        known = [uid for uid in mirror if uid]
        assert known == sorted(set(known))

    def _flagging(self, flags: tuple[str, ...]) -> Callable[[ImapLines, Side], None]:
        def flag(client: ImapLines, side: Side) -> None:
            """Set or clear flags of a few messages that stay where they are."""
            chosen = self.record.some(INBOX, range(4, KINDS))
            if not chosen:
                return
            client.do(b"SELECT " + INBOX)
            for _ in range(10):
                self._flag(client, side, flags, chosen)
                chosen = self.record.some(INBOX, range(4, KINDS)) or chosen
                if self.stopping.wait(self.pause):
                    return

        return flag

    def _flag(self, client: ImapLines, side: Side, flags: tuple[str, ...], chosen: dict[int, int]) -> None:
        """Every message that was in the client's view is told with its flags; others are left alone."""
        is_set = random.random() < 0.6
        command = b"UID STORE %b %bFLAGS (%b)" % (_set_of(chosen), b"+" if is_set else b"-", " ".join(flags).encode())
        all_flags = [(number, each) for number in chosen.values() for each in flags]
        try:
            stored = dict(_flags_told(client.do(command)))
        except BaseException:
            self.record.doubtful_flags.update(all_flags)
            raise
        for uid, number in chosen.items():
            if uid in stored:
                assert all((each in stored[uid]) is is_set for each in flags), (stored[uid], flags, is_set)
                self.record.flags.update({(number, each): is_set for each in flags})
                self.record.doubtful_flags.difference_update((number, each) for each in flags)
                self.record.counted(f"{side.name}: flags changed", len(flags))

    def _move(self, client: ImapLines, side: Side) -> None:
        """Move messages of this server's out of INBOX, and back."""
        for source, goal in ((INBOX, ELSEWHERE), (ELSEWHERE, INBOX)):
            validity, chosen = self._selected(client, source, [MOVED[side.index]])
            if not chosen:
                continue
            with self._doubting("moved", chosen.values()):
                answer = client.do(b"UID MOVE %b %b" % (_set_of(chosen), goal))
            moved = self._note_copies(answer, goal, chosen)
            assert moved == set(chosen.values()), f"not moved: {set(chosen.values()) - moved}"
            self.record.validities[source].add(validity)
            self.record.counted(f"{side.name}: moved", len(chosen))

    def _copy(self, client: ImapLines, side: Side) -> None:
        """Copy messages that stay, each once."""
        kinds = [kind for kind in range(4, KINDS) if kind % 2 == side.index]
        _, chosen = self._selected(client, INBOX, kinds, besides=self.record.copied)
        if chosen:
            with self._doubting("copied", chosen.values()):
                answer = client.do(b"UID COPY %b %b" % (_set_of(chosen), COPIES))
            for number in self._note_copies(answer, COPIES, chosen):
                self.record.copied[number] += 1
            self.record.counted(f"{side.name}: copied", len(chosen))

    def _expunge(self, client: ImapLines, side: Side) -> None:
        validity, chosen = self._selected(client, INBOX, [EXPUNGED[side.index]], besides=self.record.expunged)
        if chosen:
            self.record.validities[INBOX].add(validity)
            with self._doubting("expunged", chosen.values()):
                client.do(rb"UID STORE %b +FLAGS.SILENT (\Deleted)" % _set_of(chosen))
                client.do(b"UID EXPUNGE " + _set_of(chosen))
            self.record.expunged.update(chosen.values())
            self.record.counted(f"{side.name}: expunged", len(chosen))

    def _selected(
        self, client: ImapLines, mailbox: bytes, kinds: Collection[int], besides: Collection[int] = ()
    ) -> tuple[int, dict[int, int]]:
        """Select a mailbox: its UIDVALIDITY, and a few messages that are in it now, numbers by UID."""
        answer = client.do(b"SELECT " + mailbox)
        validity = next(int(word[1]) for said in answer if (word := re.search(rb"UIDVALIDITY (\d+)", said.line)))
        here = client.do(b"UID SEARCH ALL")[0].line.split()[2:]
        chosen = {
            uid: number
            for uid in map(int, here)
            for number in self.record.numbers.get((mailbox, uid), ())
            if number % KINDS in kinds and number not in besides
        }
        return validity, dict(random.sample(list(chosen.items()), min(BATCH, len(chosen))))

    def _note_copies(self, answer: Iterable[Said], goal: bytes, chosen: dict[int, int]) -> set[int]:
        """The numbers of the messages that COPYUID tells of."""
        numbers: set[int] = set()
        for said in answer:
            if found := _COPIED.search(said.line):
                self.record.validities[goal].add(int(found[1]))
                for uid, new_uid in zip(_uids(found[2]), _uids(found[3]), strict=True):
                    self.record.saw(goal, new_uid, chosen[uid])
                    numbers.add(chosen[uid])
        return numbers

    @contextmanager
    def _doubting(self, what: str, numbers: Iterable[int]) -> Iterator[None]:
        """What becomes of these messages is not known if the block does not end."""
        try:
            yield
        except BaseException:
            self.record.doubtful[what].update(numbers)
            raise


def _reflect(mirror: list[int], answer: Iterable[Said]) -> None:
    """Take responses into a list of UIDs by message number; 0 where it is not known yet."""
    for said in answer:
        if exists := _EXISTS.fullmatch(said.line):
            assert int(exists[1]) >= len(mirror), f"{said.line!r} of {len(mirror)} messages"
            mirror += [0] * (int(exists[1]) - len(mirror))
        elif expunged := _EXPUNGED.fullmatch(said.line):
            assert int(expunged[1]) <= len(mirror), f"{said.line!r} of {len(mirror)} messages"
            del mirror[int(expunged[1]) - 1]
        elif (fetched := _NUMBERED.match(said.line)) and (uid := _UID.search(said.line)):
            known = mirror[int(fetched[1]) - 1]
            assert known in (0, int(uid[1])), f"{said.line!r}, which was UID {known}"
            mirror[int(fetched[1]) - 1] = int(uid[1])


def _message_of(number: int) -> bytes:
    body = f"{hashlib.sha256(str(number).encode()).hexdigest()}\r\n" * (1 + number % 40)
    return f"From: a@example.com\r\nSubject: Number {number}\r\nX-Number: {number}\r\n\r\n{body}".encode()


def _flags_told(answer: Iterable[Said]) -> Iterator[tuple[int, frozenset[str]]]:
    for said in answer:
        if _FETCHED.match(said.line):
            uid, flags = _UID.search(said.line), _FLAGS.search(said.line)
            if uid is not None and flags is not None:
                yield int(uid[1]), frozenset(flags[1].decode().split())


def _set_of(uids: Iterable[int]) -> bytes:
    return b",".join(b"%d" % uid for uid in sorted(uids))


def _uids(text: bytes) -> list[int]:
    ranges = (part.partition(b":") for part in text.split(b","))
    return [uid for first, _, last in ranges for uid in range(int(first), int(last or first) + 1)]


def check(record: Record, account: Account) -> None:
    """Compare what was told with what is there in the end. Raises `AssertionError`."""
    here: dict[bytes, Counter[int]] = {mailbox: Counter() for mailbox in MAILBOXES}
    flags: dict[int, frozenset[str]] = {}
    for mailbox in MAILBOXES:
        for message in account.mailboxes[mailbox.decode().strip('"')].messages:
            number = record.read(mailbox, message.uid, message.octets)
            here[mailbox][number] += 1
            if mailbox == INBOX:
                flags[number] = message.flags
    _check_uids(record)
    _check_messages(record, here)
    wrong = {
        (number, flag): is_set
        for (number, flag), is_set in record.flags.items()
        if number in flags and (flag in flags[number]) is not is_set and (number, flag) not in record.doubtful_flags
    }
    assert wrong == {}, "flags that are not as they were set last"


def _check_uids(record: Record) -> None:
    """A UID is one message's for ever, and a message that stays where it is has one UID."""
    assert {uid: found for uid, found in record.numbers.items() if len(found) != 1} == {}, "UIDs of several messages"
    assert {uid: found for uid, found in record.bodies.items() if len(found) != 1} == {}, "messages that changed"
    assert {mailbox: found for mailbox, found in record.validities.items() if len(found) != 1} == {}
    uids: dict[int, set[int]] = defaultdict(set)
    for (mailbox, uid), (number,) in record.numbers.items():
        if mailbox == INBOX and number % KINDS not in MOVED:
            uids[number].add(uid)
    assert {number: found for number, found in uids.items() if len(found) != 1} == {}, "messages with another UID"


def _check_messages(record: Record, here: dict[bytes, Counter[int]]) -> None:
    """Every message that was sent and not expunged is there once, and its copies."""
    there = here[INBOX] + here[ELSEWHERE]
    least, most = Counter(record.sent - record.expunged), Counter(record.sent - record.expunged)
    most.update(record.doubtful["sent"])
    most.update(record.doubtful["moved"])
    least.subtract(record.doubtful["expunged"])
    assert {number for number in least if there[number] < least[number]} == set(), "messages that are lost"
    assert {number for number in there if there[number] > most[number]} == set(), "messages that are there twice"
    copies = here[COPIES]
    most = Counter(record.copied)
    assert {number for number in most if copies[number] < most[number]} == set(), "copies that are lost"
    most.update(record.doubtful["copied"])
    assert {number for number in copies if copies[number] > most[number]} == set(), "copies that are there twice"
