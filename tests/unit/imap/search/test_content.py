"""The keys of SEARCH that a message itself answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from itertools import count

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault
from mailbox_d.imap.search.content import ContentSearch
from mailbox_d.imap.search.message import fields, sent_day
from mailbox_d.imap.search.program import program_of
from mailbox_d.imap.search.text import Needles
from mailbox_d.mime.scanner import StructureScanner
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.store.ports import Target
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.search import parse_search_key

RICH = "\r\n".join(
    (
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>",
        "To: ann@example.org,",
        " bob@example.org",
        "Date: Sat, 1 Feb 2020 23:59:00 -0800",
        "Subject: =?utf-8?b?R3LDvMOf?= =?utf-8?b?ZQ==?=",
        "Received: one",
        "Received: two",
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "preamble",
        "--b",
        "Content-Type: text/plain; charset=iso-8859-1",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Die B=FCcher sind al=",
        "le da.",
        "--b",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment; filename=report.html",
        "",
        "PGI+R2VoZWltPC9iPg==",
        "--b",
        "Content-Type: application/octet-stream",
        "",
        "opaque",
        "--b",
        "Content-Type: message/rfc822",
        "",
        "Subject: within",
        "",
        "innermost",
        "--b--",
    )
).encode()


def matches(key: str, message: bytes = RICH, *, now: float | None = None) -> bool:
    mailbox = MemoryMailbox(Target(EmailAddress.parse("ann@example.org")), 1)
    uid = mailbox.add(message, internal_date=1_000_000_000.0)
    program = program_of(parse_search_key(Cursor(key.encode())))
    search = ContentSearch(program, {}, 1.0, now=now)
    turn = search.turn(mailbox, [(0, uid)])
    assert turn.looked_at == 1
    return turn.matching == [0]


@pytest.mark.parametrize(
    "key",
    [
        'FROM "jörg"',
        "FROM JOERG@EXAMPLE",
        "TO bob",
        'TO ", bob@"',
        'SUBJECT "grüsse"',
        "HEADER Received two",
        'HEADER DATE ""',
        'BODY "bücher sind alle"',
        "BODY geheim",
        "BODY report.html",
        "BODY within",
        "BODY innermost",
        'TEXT "jörg"',
        "TEXT innermost",
        'NOT BODY "jörg"',
        "NOT BODY opaque",
        "NOT CC ann",
        "NOT BCC ann",
        "ON 9-Sep-2001",
        "SINCE 9-Sep-2001",
        "BEFORE 10-Sep-2001",
        "NOT BEFORE 9-Sep-2001",
        "SENTON 1-Feb-2020",
        "SENTSINCE 1-Feb-2020",
        "NOT SENTBEFORE 1-Feb-2020",
        "SENTBEFORE 2-Feb-2020",
        "OR FROM nobody (OR BODY innermost TO nobody)",
    ],
)
def test_a_key_matches(key: str) -> None:
    assert matches(key)


def test_nothing_is_found_across_two_fields() -> None:
    for text in ("ay", "a y", "xa:", "xay: yb"):
        assert not matches(f'TEXT "{text}"', b"X: xa\r\nY: yb\r\n\r\n")
    assert matches('TEXT "y: YB"', b"X: xa\r\nY: yb\r\n\r\n")


def test_younger_and_older_are_told_from_now() -> None:
    assert matches("YOUNGER 60", now=1_000_000_059.0)
    assert matches("OLDER 60", now=1_000_000_061.0)
    assert not matches("YOUNGER 60", now=1_000_000_061.0)


def test_a_message_without_a_date_is_of_no_day() -> None:
    assert not matches("SENTON 1-Feb-2020", b"Date: whenever\r\n\r\n")


def test_what_costs_less_decides_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.imap.search.content.StructureScanner", None)
    assert matches("FROM joerg OR BODY x ON 9-Sep-2001")
    assert not matches("BODY x FROM nobody")


def test_a_message_that_is_gone_does_not_match() -> None:
    mailbox = MemoryMailbox(Target(EmailAddress.parse("ann@example.org")), 1)
    search = ContentSearch(program_of(parse_search_key(Cursor(b"NOT BODY x"))), {}, 1.0)
    assert search.turn(mailbox, [(0, 7)]).matching == []


def search_for(key: str, seconds: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> ContentSearch:
    return ContentSearch(program_of(parse_search_key(Cursor(key.encode()))), {}, seconds, monotonic=monotonic)


def ticking() -> Callable[[], float]:
    """A clock that goes on by a second whenever it is looked at."""
    ticks = count()
    return lambda: float(next(ticks))


class Reading(MemoryMailbox):
    """A mailbox whose messages take a second each to be opened; it knows which are open."""

    seconds = 0.0

    def __init__(self) -> None:
        super().__init__(Target(EmailAddress.parse("ann@example.org")), 1)
        self.opened: list[HeldMessage] = []

    def read(self, uid: int) -> HeldMessage:
        self.seconds += 1.0
        self.opened.append(super().read(uid))
        return self.opened[-1]


def test_attack_63_a_turn_ends_when_its_time_is_over() -> None:
    mailbox = Reading()
    messages = [(index, mailbox.add(RICH)) for index in range(10)]
    search = search_for("TEXT grusse", 3.0, lambda: mailbox.seconds)
    assert search.turn(mailbox, messages).looked_at == 2
    assert len(mailbox.opened) == 3
    assert search.turn(mailbox, messages[2:]).looked_at == 3
    assert len(mailbox.opened) == 6


KEYS = " ".join(f"NOT BODY key{number}" for number in range(800))
LONG = b"Content-Type: text/plain\r\n\r\n" + b"some line of text\r\n" * 20_000


def test_attack_63_many_keys_in_a_long_message_are_looked_for_in_many_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    look = Needles._look

    def watched(needles: Needles, some: list[str], folded: str) -> None:
        nonlocal most
        most = max(most, len(some) * len(folded))
        look(needles, some, folded)

    monkeypatch.setattr(Needles, "_look", watched)
    mailbox = Reading()
    messages = [(0, mailbox.add(LONG)), (1, mailbox.add(LONG + b"key799"))]
    search = search_for(KEYS, 9.0, ticking())
    turns, matching = 0, []
    while messages:
        turn = search.turn(mailbox, messages)
        matching += turn.matching
        messages = messages[turn.looked_at :]
        turns += 1
    assert matching == [0]
    assert turns > 30
    assert most <= 1 << 20
    assert len(mailbox.opened) == 2


def test_attack_63_a_search_that_is_given_up_leaves_no_message_open() -> None:
    mailbox = Reading()
    messages = [(0, mailbox.add(LONG))]
    search = search_for(KEYS, 3.0, ticking())
    assert search.turn(mailbox, messages).looked_at == 0
    assert mailbox.opened[0].read(0, 1) == b"C"
    search.close()
    assert mailbox.opened[0].read(0, 1) == b""


def test_attack_63_a_large_key_is_found_and_costs_a_bounded_step() -> None:
    needle = "long" * 100_000
    assert matches(f'BODY "{needle}"', b"\r\n" + needle.encode() + b"\r\n")
    assert not matches(f'TEXT "{needle}x"', b"\r\n" + needle.encode() + b"\r\n")


def test_a_message_that_cannot_be_read_does_not_match_and_is_told() -> None:
    class Broken(Reading):
        def read(self, uid: int) -> HeldMessage:
            if uid == 2:
                raise StorageFault("I/O error")
            return super().read(uid)

    mailbox = Broken()
    messages = [(index, mailbox.add(RICH)) for index in range(3)]
    turn = search_for("NOT BODY nowhere").turn(mailbox, messages)
    assert (turn.looked_at, list(turn.matching)) == (3, [0, 2])
    assert [(failed.uid, type(failed.error)) for failed in turn.failed] == [(2, StorageFault)]


def test_a_fault_of_ours_stands_for_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def scan_but_one(scanner: StructureScanner, data: bytes) -> None:
        if data.startswith(b"X"):
            raise RecursionError

    monkeypatch.setattr(StructureScanner, "feed", scan_but_one)
    mailbox = Reading()
    messages = [(0, mailbox.add(b"\r\n")), (1, mailbox.add(b"X: y\r\n")), (2, mailbox.add(b"\r\n"))]
    turn = search_for("NOT BODY x").turn(mailbox, messages)
    assert (turn.looked_at, list(turn.matching), len(turn.failed)) == (3, [0, 2], 1)
    assert all(reader.read(0, 1) == b"" for reader in mailbox.opened)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (b"Sat, 1 Feb 2020 23:59:00 -0800", date(2020, 2, 1)),
        (b"01 february 99", date(1999, 2, 1)),
        (b"1 Feb 20", date(2020, 2, 1)),
        (b"Sat, 30 Feb 2020 00:00:00 +0000", None),
        (b"32 Foo 2020", None),
        (b"", None),
        (b" " * 100_000 + b"1 Feb 2020", None),
    ],
)
def test_the_day_that_a_date_field_tells(value: bytes, day: date | None) -> None:
    assert sent_day(value) == day


def test_fields_are_unfolded() -> None:
    header = b"A: 1\r\n 2\r\nno field\r\nB :3\r\n\r\n"
    assert list(fields(header)) == [(b"a", b"1 2"), (b"b", b"3")]
