"""The keys of SEARCH that a message itself answers."""

from __future__ import annotations

from datetime import date

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.imap.search_content import ContentSearch, fields, sent_day
from mailbox_d.imap.search_program import program_of
from mailbox_d.store.memory_mailbox import MemoryMailbox
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


def test_younger_and_older_are_told_from_now() -> None:
    assert matches("YOUNGER 60", now=1_000_000_059.0)
    assert matches("OLDER 60", now=1_000_000_061.0)
    assert not matches("YOUNGER 60", now=1_000_000_061.0)


def test_a_message_without_a_date_is_of_no_day() -> None:
    assert not matches("SENTON 1-Feb-2020", b"Date: whenever\r\n\r\n")


def test_what_costs_less_decides_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox_d.imap.search_content.scan", None)
    assert matches("FROM joerg OR BODY x ON 9-Sep-2001")
    assert not matches("BODY x FROM nobody")


def test_a_message_that_is_gone_does_not_match() -> None:
    mailbox = MemoryMailbox(Target(EmailAddress.parse("ann@example.org")), 1)
    search = ContentSearch(program_of(parse_search_key(Cursor(b"NOT BODY x"))), {}, 1.0)
    assert search.turn(mailbox, [(0, 7)]).matching == []


def test_attack_63_a_turn_ends_when_its_time_is_over() -> None:
    mailbox = MemoryMailbox(Target(EmailAddress.parse("ann@example.org")), 1)
    messages = [(index, mailbox.add(RICH)) for index in range(10)]
    clock = iter(range(100))
    program = program_of(parse_search_key(Cursor(b"TEXT grusse")))
    search = ContentSearch(program, {}, 3.0, monotonic=lambda: float(next(clock)))
    assert search.turn(mailbox, messages).looked_at == 3


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
