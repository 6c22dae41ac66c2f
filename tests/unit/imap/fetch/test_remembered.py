"""FETCH's answers come from the index where it has them, and never differ from what would be looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.imap.fetch import remembered
from mailbox_d.imap.fetch.contents import ContentLimits, Contents, Told
from mailbox_d.imap.fetch.remembered import told
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import INBOX, Index, Mailbox, WireReader
from mailbox_d.wire.imap.cursor import Cursor, GrammarLimits
from mailbox_d.wire.imap.fetch import BodySection, FetchAttribute, Section, SectionText, parse_fetch_attributes

ALICE = EmailAddress.parse("alice@example.org")
_TEXTS = (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)
THUNDERBIRD = b"BODY.PEEK[HEADER.FIELDS (From To Subject Date Message-ID)]"


class HeldIndex(Index):
    """In memory, and counts."""

    def __init__(self) -> None:
        self.said: dict[bytes, dict[int, bytes]] = {}

    def remembered(self, attribute: bytes, uids: Sequence[int]) -> Mapping[int, bytes]:
        known = self.said.get(attribute, {})
        return {uid: known[uid] for uid in uids if uid in known}

    def remember(self, attribute: bytes, said: Mapping[int, bytes]) -> None:
        self.said.setdefault(attribute, {}).update(said)

    def attributes(self) -> Sequence[bytes]:
        return list(self.said)

    def unknown(self, attribute: bytes) -> Sequence[int]:
        return ()

    def paths(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        return {}

    def tidy(self) -> None:
        pass


class Opened:
    """A mailbox that takes note of what is opened."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.opened: list[int] = []
        self._mailbox = mailbox

    def read(self, uid: int) -> WireReader:
        self.opened.append(uid)
        return self._mailbox.read(uid)


@pytest.fixture
def mailbox() -> Mailbox:
    mailbox = MemoryStore().account(ALICE).open(INBOX)
    for number in range(1, 9):
        append(mailbox, b"Subject: number %d\r\nFrom: a@example.org\r\n\r\nhello %d\r\n" % (number, number))
    return mailbox


def append(mailbox: Mailbox, octets: bytes) -> None:
    delivery = mailbox.append()
    delivery.write(octets)
    delivery.commit(all_or_nothing=True)


def attributes(text: bytes) -> tuple[FetchAttribute, ...]:
    return parse_fetch_attributes(Cursor(text, 0, (), GrammarLimits()))


def asked(index: Index, mailbox: Mailbox, uids: Sequence[int], text: bytes, limits: ContentLimits | None = None) -> str:
    """What is told of all of these messages, in as many turns as it takes; then which of them were opened."""
    opened = Opened(mailbox)
    contents = Contents(opened, limits or ContentLimits())
    answers, waiting = [], list(uids)
    while waiting:
        found = told(index, contents, waiting, attributes(text))
        assert found
        answers += found
        waiting = waiting[len(found) :]
    for each in answers:
        if isinstance(each, Told):
            contents.give_back(each)
    pieces = [(each.uid, each.pieces) if isinstance(each, Told) else each for each in answers]
    return f"{pieces} opened: {opened.opened}"


def looked_up(mailbox: Mailbox, uids: Sequence[int], text: bytes) -> str:
    return asked(HeldIndex(), mailbox, uids, text).partition(" opened")[0]


@pytest.mark.parametrize(
    "text",
    [b"ENVELOPE", b"(ENVELOPE BODYSTRUCTURE)", b"BODY", THUNDERBIRD, b"BODY.PEEK[HEADER]", b"(RFC822.HEADER BODY[])"],
)
def test_a_second_time_tells_the_same(mailbox: Mailbox, text: bytes) -> None:
    index = HeldIndex()
    first = asked(index, mailbox, range(1, 9), text)
    second = asked(index, mailbox, range(1, 9), text)
    assert first.partition(" opened")[0] == second.partition(" opened")[0] == looked_up(mailbox, range(1, 9), text)
    assert second.endswith("opened: []") == (b"BODY[]" not in text)


@given(st.lists(st.integers(1, 8), unique=True), st.lists(st.integers(1, 8), unique=True), st.integers(1, 3))
@settings(deadline=None)
def test_whatever_is_known_the_answer_is_that_of_a_look(
    known: list[int], wanted: list[int], messages_a_turn: int
) -> None:
    mailbox = MemoryStore().account(ALICE).open(INBOX)
    for number in range(1, 9):
        append(mailbox, b"Subject: number %d\r\n\r\n" % number)
    mailbox.expunge([3, 6])
    index = HeldIndex()
    asked(index, mailbox, known, b"ENVELOPE")
    limits = ContentLimits(messages_a_turn=messages_a_turn)
    answer = asked(index, mailbox, wanted, b"ENVELOPE", limits)
    assert answer.partition(" opened")[0] == looked_up(mailbox, wanted, b"ENVELOPE")
    assert answer.endswith(f"opened: {[uid for uid in wanted if uid not in known or uid in (3, 6)]}")


@pytest.mark.parametrize("text", [b"BODY.PEEK[]", b"BODY.PEEK[TEXT]", b"BODY.PEEK[1]", b"BODY.PEEK[HEADER]<0.5>"])
def test_bodies_and_pieces_are_not_remembered(mailbox: Mailbox, text: bytes) -> None:
    index = HeldIndex()
    asked(index, mailbox, [1], text)
    assert not index.said


def test_a_header_without_some_fields_is_not_remembered() -> None:
    """It is almost all of a header, as often as somebody makes up a field that is not in it."""
    limits = MimeLimits()
    of, but = (BodySection(Section(text=text, fields=(b"A",))) for text in _TEXTS)
    assert remembered.name_of((of,), limits) and remembered.name_of((but,), limits) is None
    assert remembered.name_of((of, but), limits) is None


def test_a_long_header_is_not_remembered(mailbox: Mailbox) -> None:
    append(mailbox, b"Subject: x\r\nX-Long: %b\r\n\r\n" % bytes(20000).replace(b"\0", b"x"))
    index = HeldIndex()
    asked(index, mailbox, [9], b"BODY.PEEK[HEADER]")
    assert not any(index.said.values())


def test_attributes_in_another_order_and_other_limits_are_another_answer(mailbox: Mailbox) -> None:
    index = HeldIndex()
    asked(index, mailbox, [1], b"(ENVELOPE BODY)")
    asked(index, mailbox, [1], b"(BODY ENVELOPE)")
    limits = replace(ContentLimits(), mime=MimeLimits(depth=3))
    asked(index, mailbox, [1], b"(ENVELOPE BODY)", limits)
    assert len(index.said) == 3


def test_a_maildir_remembers_across_a_restart(tmp_path: Path) -> None:
    mailbox = MaildirStore(tmp_path).account(ALICE).open(INBOX)
    for number in range(20):
        append(mailbox, b"Subject: number %d\r\n\r\n" % number)
    uids = range(1, 21)
    first = asked(mailbox.index, mailbox, uids, b"(ENVELOPE BODYSTRUCTURE)")
    again = MaildirStore(tmp_path).account(ALICE).open(INBOX)
    second = asked(again.index, again, uids, b"(ENVELOPE BODYSTRUCTURE)")
    assert second.endswith("opened: []")
    assert first.partition(" opened")[0] == second.partition(" opened")[0]


def test_no_more_is_told_at_once_than_a_turn_has_room_for(mailbox: Mailbox) -> None:
    for _ in range(300):
        append(mailbox, b"X-Long: %b\r\n\r\n" % (b"x" * 10_000))
    index = HeldIndex()
    asked(index, mailbox, range(1, 309), b"BODY.PEEK[HEADER]")
    contents = Contents(Opened(mailbox), ContentLimits())
    found = told(index, contents, range(1, 309), attributes(b"BODY.PEEK[HEADER]"))
    assert sum(len(each.pieces[0]) for each in found) < 2_000_000


def test_attributes_of_a_megabyte_leave_nothing_behind(mailbox: Mailbox) -> None:
    large = BodySection(Section(text=SectionText.HEADER_FIELDS, fields=(b"x" * 1_000_000,)), peek=True)
    before = remembered._name_of.cache_info().currsize
    assert remembered.name_of((large,), MimeLimits()) is None
    assert remembered._name_of.cache_info().currsize == before
