"""SEARCH by what is kept of messages finds what a look at each of them finds, neither more nor less."""

# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.imap.search import recorded as search_recorded
from mailbox_d.imap.search.content import ContentSearch
from mailbox_d.imap.search.keeping import Keeping
from mailbox_d.imap.search.program import Operator, Verdict, bits_of, evaluate, indexes_of, program_of
from mailbox_d.imap.search.record import name_of, packed, record_of, unpacked
from mailbox_d.imap.search.recorded import RecordedSearch
from mailbox_d.imap.search.text import fold
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.message_file import HeldMessage
from mailbox_d.store.ports import COLUMNS, INBOX, Mailbox, WireReader
from mailbox_d.wire.imap.search import And, Before, Body, Clock, Header, Not, On, Or, SearchKey, Text, Younger
from tests.unit.imap.odd_mail import CHARSETS, TEXTS, corpus

ALICE = EmailAddress.parse("alice@example.org")
LIMITS = MimeLimits()
KEPT = 50_000
"""Octets: a few messages of the corpus say more."""


class Reads:
    """A mailbox that counts what is opened."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.opened: list[int] = []
        self.texts = mailbox.texts
        self.internal_date = mailbox.internal_date
        self._mailbox = mailbox

    def read(self, uid: int) -> WireReader:
        self.opened.append(uid)
        return self._mailbox.read(uid)


def filled(path: Path, messages: Sequence[bytes]) -> Mailbox:
    mailbox = MaildirStore(path, newline="crlf").account(ALICE).open(INBOX)
    for number, message in enumerate(messages):
        delivery = mailbox.append(internal_date=1e9 + number * 86400)
        delivery.write(message)
        delivery.commit(all_or_nothing=True)
    return mailbox


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Mailbox:
    return filled(tmp_path_factory.mktemp("mail"), corpus())


def brute(mailbox: Mailbox, key: SearchKey) -> list[int]:
    """By content alone."""
    uids = mailbox.messages().uids
    return looked_up(Reads(mailbox), ContentSearch(program_of(key), {}, 1e9, now=2e9), range(len(uids)), uids)


def looked_up(reads: Reads, content: ContentSearch, indexes: Sequence[int], uids: Sequence[int]) -> list[int]:
    turn = content.turn(reads, [(index, uids[index]) for index in indexes])  # type: ignore[arg-type]
    assert not turn.failed
    return list(turn.matching)


def searched(reads: Reads, uids: Sequence[int], key: SearchKey) -> list[int]:
    """As `imap.search` does it: by what is kept, then by content, which is kept."""
    program, everything = program_of(key), bits_of(range(len(uids)))
    keys = [leaf for leaf in dict.fromkeys(program) if not isinstance(leaf, Operator)]
    search = RecordedSearch(name_of(LIMITS, KEPT), uids, keys, 0.0)
    while (known := search.turn(reads)) is None:  # type: ignore[arg-type]
        pass
    verdict = evaluate(program, lambda leaf: known.get(leaf, Verdict(0, everything)), everything)
    undecided = list(indexes_of(verdict.possible & ~verdict.certain))
    keeping = Keeping.of(reads, [uids[index] for index in undecided], LIMITS, KEPT)  # type: ignore[arg-type]
    content = ContentSearch(program, known, 1e9, keeping=keeping, now=2e9)
    found = looked_up(reads, content, undecided, uids)
    keeping.write(reads)  # type: ignore[arg-type]
    return sorted([*found, *indexes_of(verdict.certain)])


def found(mailbox: Mailbox, key: SearchKey) -> list[int]:
    return searched(Reads(mailbox), mailbox.messages().uids, key)


def check(mailbox: Mailbox, key: SearchKey) -> None:
    assert found(mailbox, key) == brute(mailbox, key)


NEEDLES = [
    "", "e", "E", "ss", "ß", "ς", "σίσυφος", "ΣΊΣΥΦΟΣ", "i", "ı", "İ", "I", "\u0301", "\u0323",
    "e\u0301\u0323", "カ", "ガ", "ｶﾞ", "漢", "각", "จำ", "ำ", "ffi", "ﬃ", "1", "½", "é", "tiếng",
    "tie\u0302\u0301ng", "👩", "\u200d", "\u200f", "%s", "_", "%", "'", "\"", "\\", ".*", "[", "--",
    "(a|b)", "булок", "чаю", "fox; 100", "tail", "lang lang", "ende", "zero", "subject: forged",
    "forged", "subject:", "subject: s", ": c", "b: c", "nested", "hidden octets", "attachment.bin",
    "</p>", "name in eight bits", "5.1.1", "bob@example.org, ann", "org\r\n", "\r\n", "preamble",
    "\ufffd", "überlauf ffi", "\u0344", "\u0f73",
]  # fmt: skip
FIELDS = [
    "Subject",
    "FROM",
    "to",
    "Cc",
    "Bcc",
    "X-Odd\0name",
    "X-Odd",
    "Date",
    "",
    "x-a",
    "X-A: b",
    "Content-Type",
    "subject ",
]


@pytest.mark.parametrize("needle", NEEDLES)
def test_what_is_found_by_what_is_kept_is_what_a_look_finds(mailbox: Mailbox, needle: str) -> None:
    for key in (Text(needle), Body(needle), *(Header(name, needle) for name in FIELDS)):
        check(mailbox, key)


def test_long_needles_are_found_in_long_texts(mailbox: Mailbox) -> None:
    for needle in ("lang " * 14_000, "a" * 70_000):
        check(mailbox, Body(needle))


def test_days_are_those_of_the_message(mailbox: Mailbox) -> None:
    for day in (date(1, 1, 1), date(2000, 2, 1), date(2013, 2, 14), date(2020, 2, 21), date(9999, 12, 31)):
        check(mailbox, Before(Clock.SENT, day))
        check(mailbox, On(Clock.SENT, day))
        check(mailbox, Not(Before(Clock.SENT, day)))
        check(mailbox, Not(Before(Clock.INTERNAL, day)))


@st.composite
def pieces_of_text(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from([*TEXTS, *(f"{one}\r\n{two}" for one, two in pairwise(TEXTS))]))
    start = draw(st.integers(0, len(text)))
    return text[start : start + draw(st.integers(1, 12))]


def leaves() -> st.SearchStrategy[SearchKey]:
    texts = pieces_of_text() | st.sampled_from(NEEDLES[:50])
    days = st.dates(date(2000, 1, 1), date(2070, 1, 1))
    return st.one_of(
        st.builds(Text, texts),
        st.builds(Body, texts),
        st.builds(Header, st.sampled_from(FIELDS), texts),
        st.builds(Before, st.sampled_from(Clock), days),
        st.builds(On, st.sampled_from(Clock), days),
        st.builds(Younger, st.integers(1, 2_000_000_000)),
    )


def keys() -> st.SearchStrategy[SearchKey]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(Or, inner, inner),
            st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=5,
    )


@given(keys())
@settings(deadline=None, max_examples=150)
def test_any_program_finds_the_same(mailbox: Mailbox, key: SearchKey) -> None:
    check(mailbox, key)


def test_what_was_looked_at_is_not_read_again(tmp_path: Path) -> None:
    mailbox = filled(tmp_path, corpus()[:30])
    uids = mailbox.messages().uids
    for key, opened in (
        (Header("subject", "fox"), 30),
        (Header("subject", "булок"), 0),
        (Header("x-odd", "булок"), 0),
        (Text("fox"), 30),
        (Or(Body("булок"), Not(Text("nowhere"))), 0),
        (Before(Clock.SENT, date(2013, 2, 14)), 0),
    ):
        reads = Reads(mailbox)
        searched(reads, uids, key)
        assert len(reads.opened) == opened
    again = MaildirStore(tmp_path).account(ALICE).open(INBOX)
    reads = Reads(again)
    assert searched(reads, uids, Text("fox")) == brute(mailbox, Text("fox"))
    assert not reads.opened


def test_of_messages_that_say_too_much_the_beginning_is_kept(tmp_path: Path) -> None:
    long = b"Subject: long\r\n\r\n" + b"much text " * KEPT
    mailbox = filled(tmp_path, [long, b"Subject: short\r\n\r\nlittle text"])
    for _ in range(2):
        reads = Reads(mailbox)
        assert searched(reads, [1, 2], Body("text much")) == [0]
    assert reads.opened == [1]
    reads = Reads(mailbox)
    assert searched(reads, [1, 2], Header("subject", "long")) == [0]
    assert not reads.opened


def test_messages_that_are_gone_or_new_are_seen_as_they_are(tmp_path: Path) -> None:
    mailbox = filled(tmp_path, [b"Subject: number %d\r\n\r\nbody" % number for number in range(6)])
    uids = mailbox.messages().uids
    assert found(mailbox, Text("number")) == [0, 1, 2, 3, 4, 5]
    mailbox.expunge([2, 3])
    assert searched(Reads(mailbox), uids, Text("number")) == [0, 3, 4, 5]
    delivery = mailbox.append()
    delivery.write(b"Subject: number 7\r\n\r\n")
    delivery.commit(all_or_nothing=True)
    reads = Reads(mailbox)
    assert searched(reads, mailbox.messages().uids, Text("number")) == [0, 1, 2, 3, 4]
    assert reads.opened == [7]


def test_many_keys_are_looked_for_some_at_a_time(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_recorded, "_DIGITS", 3 * len(mailbox.messages()) + 10)
    looked_for: list[int] = []
    look = type(mailbox.texts).look
    monkeypatch.setattr(type(mailbox.texts), "look", lambda *args: looked_for.append(len(args[3])) or look(*args))
    check(mailbox, And(tuple(Not(Text(f"nowhere {number}")) for number in range(8))))
    assert looked_for == [3, 3, 2]


def test_rows_of_other_limits_are_other_rows(tmp_path: Path) -> None:
    assert len({name_of(MimeLimits(depth=depth), kept) for depth in (10, 20) for kept in (1000, 2000)}) == 4


def test_a_row_has_its_columns_in_folded_utf_8() -> None:
    row = record_of(HeldMessage(b"Subject: GR\xc3\x9c\xc3\x9fE\r\nDate: 1 Jan 2020\r\n\r\nBody"), LIMITS, 1000)
    assert row.columns[0] == b"\xfe" + fold("GRÜßE").encode()
    assert row.columns[5] == b"\xfe" + fold("subject: GRÜßE").encode() + b"\xfedate: 1 jan 2020"
    assert row.columns[6] == b"\xfebody"
    assert (row.number, row.final) == (date(2020, 1, 1).toordinal(), True)
    assert record_of(HeldMessage(b"Subject: long\r\n\r\n"), LIMITS, 15).columns == (None,) * COLUMNS


@pytest.mark.parametrize("message", [b"", b"Subject: x\r\n\r\nbody", b"Subject: " + b"x" * KEPT])
def test_a_row_goes_from_one_process_to_another(message: bytes) -> None:
    row = record_of(HeldMessage(message), LIMITS, KEPT)
    octets = packed(row)
    assert unpacked(octets) == row
    assert unpacked(packed(replace(row, final=False))) == replace(row, final=False)
    assert unpacked(octets[:-1]) is unpacked(octets + b"x") is unpacked(b"") is None


def test_the_corpus_is_odd_enough() -> None:
    mail = b"".join(corpus())
    assert all(charset.encode() in mail for charset in CHARSETS)
