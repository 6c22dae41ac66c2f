"""APPEND onto the disk: whatever a client does in the middle of it, nothing is left of a message that was not taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from typing_extensions import ParamSpec

from mailbox_d.imap import incoming
from mailbox_d.imap.account import IMAPAccount
from mailbox_d.imap.incoming import HELD_MAX, Addressed
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.net.lanes import InlineLane
from mailbox_d.store.maildir_store import MaildirStore
from tests.dialogues.imap_server import ANN, imap_connection, imap_service
from tests.dialogues.memory import Connection

P = ParamSpec("P")
T = TypeVar("T")
MAIL = b"Subject: x\r\n\r\nline\r\n"
LITERAL8 = b"~{%d+}\r\n%b"
LITERAL = b"{%d+}\r\n%b"
IN_UTF8 = b"UTF8 (~{%d+}\r\n%b)"


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    """A session over a Maildir that keeps next to nothing in memory, with UTF8=ACCEPT enabled."""
    service = imap_service(MaildirStore(tmp_path, hold=4), limits=IMAPLimits(message_size=100))
    connection = imap_connection(service, secure=True)
    connection.connect()
    connection.send(b"a LOGIN ann@example.org secret\r\na ENABLE UTF8=ACCEPT\r\n")
    assert b"a OK ENABLE" in connection.transport.take()
    return connection


def said(connection: Connection, octets: bytes) -> list[bytes]:
    connection.send(octets)
    return connection.transport.take().splitlines()


def messages(root: Path) -> list[bytes]:
    """The octets of every file in a Maildir's own folders."""
    found = (path for folder in ("new", "cur", "tmp") for path in root.glob(f"**/{folder}/*"))
    return [path.read_bytes() for path in found]


@pytest.mark.parametrize("form", [LITERAL, LITERAL8, IN_UTF8])
def test_attack_65_a_connection_that_breaks_in_mid_message_leaves_nothing(
    form: bytes, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "HELD_MAX", 1)
    octets = b"b APPEND INBOX " + form % (len(MAIL), MAIL)
    connection.send(octets[:-5])
    assert messages(tmp_path) != []
    connection.protocol.connectionLost(Failure(ConnectionDone()))
    assert messages(tmp_path) == []


@pytest.mark.parametrize(
    ("octets", "answers"),
    [
        (b"b APPEND INBOX {5+}\r\n" + MAIL + b"\r\n", [b"b BAD Nothing may follow the message"]),
        (b"b APPEND INBOX ~{5+}\r\n" + MAIL, [b"b BAD Nothing may follow the message"]),
        (b"b APPEND INBOX UTF8 (~{5+}\r\n" + MAIL, [b"b BAD The message ends with a closing parenthesis"]),
        (b"b APPEND INBOX UTF8 (~{5+}\r\nhello\r\n", [b"b BAD The message ends with a closing parenthesis"]),
        (b"b APPEND INBOX ~{5+}\r\nhell\0\r\n", [b"b NO [UNKNOWN-CTE] A message with NUL in it is not kept"]),
        (b"b APPEND INBOX ~{101+}\r\n" + b"x" * 101 + b"\r\n", [b"b NO [TOOBIG] The message is too large"]),
        (b"b APPEND INBOX CATENATE (TEXT {5+}\r\nhello)\r\n", [b"b BAD Expected the message as a literal"]),
        (b'b APPEND INBOX CATENATE (URL "/bob/INBOX/;UID=1")\r\n', [b"b BAD Expected the message as a literal"]),
        (b"b APPEND INBOX" + b" {1+}\r\nx" * 999 + b"\r\n", [b"b BAD Nothing may follow the message"]),
        (b'b APPEND INBOX "01-Jan-0000 00:00:00 +0000" {5+}\r\nhello\r\n', [b"b BAD There is no such date and time"]),
    ],
)
def test_attack_65_a_message_that_is_refused_leaves_nothing(
    octets: bytes, answers: list[bytes], connection: Connection, tmp_path: Path
) -> None:
    told = said(connection, octets)
    assert [line.partition(b";")[0] for line in told[: len(answers)]] == answers
    assert messages(tmp_path) == []


def test_attack_65_a_size_that_lies_swallows_no_more_than_it_says(connection: Connection, tmp_path: Path) -> None:
    told = said(connection, b"b APPEND INBOX {15+}\r\nhello\r\nc NOOP\r\n\r\nd NOOP\r\n")
    assert told[-1] == b"d OK NOOP completed"
    assert not any(line.startswith(b"c ") for line in told)
    assert [octets.replace(b"\r\n", b"\n") for octets in messages(tmp_path)] == [b"hello\nc NOOP\n"]


@pytest.mark.parametrize("year", [b"0001", b"1969", b"2038", b"9999"])
def test_attack_65_a_date_far_away_is_kept_or_refused(year: bytes, connection: Connection, tmp_path: Path) -> None:
    told = said(connection, b'b APPEND INBOX "01-Jan-%b 00:00:00 +0000" {5+}\r\nhello\r\n' % year)
    assert told[-1].startswith((b"b OK", b"b NO"))
    kept = [b"hello"] if told[-1].startswith(b"b OK") else []
    assert [octets.strip() for octets in messages(tmp_path)] == kept
    said(connection, b"c SELECT INBOX\r\n")
    assert said(connection, b"d FETCH 1:* INTERNALDATE\r\n")[-1].startswith((b"d OK", b"d BAD"))


@pytest.mark.parametrize("form", [LITERAL, LITERAL8, IN_UTF8])
def test_a_message_is_the_same_however_it_is_written_and_cut(
    form: bytes, connection: Connection, tmp_path: Path
) -> None:
    octets = b"b APPEND INBOX " + form % (len(MAIL), MAIL) + b"\r\n"
    for place in range(1, len(octets)):
        connection.send(octets[:place])
        assert b"APPEND completed" in b"".join(said(connection, octets[place:]))
    assert {stored.replace(b"\r\n", b"\n") for stored in messages(tmp_path)} == {MAIL.replace(b"\r\n", b"\n")}
    assert len(messages(tmp_path)) == len(octets) - 1


class CountingLane(InlineLane):
    """Counts the pieces of work."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.count += 1
        return await super().run(work, *args, **kwargs)


@pytest.mark.parametrize(("octets", "trips"), [(1, 1), (HELD_MAX - 1, 1), (HELD_MAX, 3), (2 * HELD_MAX, 4)])
def test_a_small_message_goes_to_the_lane_once(octets: int, trips: int, tmp_path: Path) -> None:
    lane = CountingLane()
    account = IMAPAccount(MaildirStore(tmp_path).account(ANN), lane)

    async def append() -> object:
        incoming = account.append(Addressed("INBOX", frozenset(), None, octets))
        if not incoming.is_small:
            await incoming.begin()
        for start in range(0, octets, HELD_MAX):
            await incoming.write(b"x" * min(HELD_MAX, octets - start))
        return await incoming.commit()

    outcomes: list[Any] = []
    Deferred.fromCoroutine(append()).addCallback(outcomes.append)
    assert outcomes[0][0].uid == 1
    assert lane.count == trips


def test_a_message_goes_into_the_mailbox_that_has_taken_the_place_of_another(
    connection: Connection, tmp_path: Path
) -> None:
    said(connection, b"b CREATE Work\r\n")
    before = said(connection, b"c APPEND Work {5+}\r\nhello\r\n")[-1]
    (folder,) = tmp_path.glob("**/.Work")
    uids = folder / "dovecot-uidlist"
    shutil.rmtree(folder / "new")
    (folder / "new").mkdir()
    uids.unlink()
    uids.write_text("3 V7 N9 G0123456789abcdef0123456789abcdef\n")
    assert b"APPENDUID" in before
    assert said(connection, b"d APPEND Work {5+}\r\nhello\r\n")[-1] == b"d OK [APPENDUID 7 9] APPEND completed"


def test_a_mailbox_that_goes_while_a_large_message_comes_is_to_be_made_first(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "HELD_MAX", 8)
    said(connection, b"b CREATE Work\r\n")
    assert said(connection, b"c APPEND Work {60+}\r\nhe") == []
    (folder,) = tmp_path.glob("**/.Work")
    shutil.rmtree(folder)
    assert said(connection, b"l" * 30 + b"\r\n" * 14)[-1].startswith(b"c NO [TRYCREATE]")


def test_a_mailbox_that_is_gone_by_the_time_that_the_message_has_come_is_to_be_made_first(
    connection: Connection, tmp_path: Path
) -> None:
    said(connection, b"b CREATE Work\r\n")
    said(connection, b"c APPEND Work {5+}\r\nhe")
    (folder,) = tmp_path.glob("**/.Work")
    shutil.rmtree(folder)
    assert said(connection, b"llo\r\n")[-1].startswith(b"c NO [TRYCREATE]")
