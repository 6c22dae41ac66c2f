"""The index is fed in the background with what clients asked for, and never with anything that is not so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.imap.fetch import feeding as index_feeding
from mailbox_d.imap.fetch.child import answers, question, work
from mailbox_d.imap.fetch.contents import ContentLimits, Contents
from mailbox_d.imap.fetch.feeding import IndexFeeding
from mailbox_d.imap.fetch.remembered import attributes_of, name_of, told
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.children import ChildFailed
from mailbox_d.net.lanes import InlineLane, Lane
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX
from mailbox_d.wire.imap.cursor import Cursor, GrammarLimits
from mailbox_d.wire.imap.fetch import FetchAttribute, parse_fetch_attributes
from tests.unit.imap.noting_lane import NotingLane

ALICE = EmailAddress.parse("alice@example.org")
LIMITS = MimeLimits()
LANE = InlineLane()
HEADERS = b"BODY.PEEK[HEADER.FIELDS (Subject From)]"


class Workers:
    """Do the work at once, and take note of it; `failing` are those that die of it, by place."""

    def __init__(self, failing: Sequence[int] = ()) -> None:
        self.asked: list[int] = []
        self._failing = failing

    async def run(self, asked: Sequence[bytes]) -> list[bytes]:
        self.asked.append(len(asked) - 2 - int(asked[1]))
        if len(self.asked) - 1 in self._failing:
            raise ChildFailed
        return work(asked)


def attributes(text: bytes) -> tuple[FetchAttribute, ...]:
    return parse_fetch_attributes(Cursor(text, 0, (), GrammarLimits()))


def name(text: bytes) -> bytes:
    found = name_of(attributes(text), LIMITS)
    assert found is not None
    return found


@pytest.fixture
def mailbox(tmp_path: Path) -> MaildirMailbox:
    mailbox = MaildirStore(tmp_path).account(ALICE).open(INBOX)
    fill(mailbox, 60)
    return mailbox


def fill(mailbox: MaildirMailbox, count: int) -> None:
    for number in range(count):
        delivery = mailbox.append()
        delivery.write(b"Subject: number %d\r\nFrom: bob@example.org\r\n\r\nhello\r\n" % number)
        delivery.commit(all_or_nothing=True)


def looked_up(mailbox: MaildirMailbox, uid: int, text: bytes) -> bytes:
    (answer,) = Contents(mailbox, ContentLimits()).told([uid], attributes(text))
    return b"".join(answer.pieces)  # type: ignore[union-attr, misc]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


def fed(mailbox: MaildirMailbox, workers: Workers, lane: Lane = LANE) -> IndexFeeding:
    feeding = IndexFeeding(workers, LIMITS, monotonic=CLOCK)
    feeding.startService()
    feeding.want(mailbox, lane)
    return feeding


@pytest.mark.parametrize("text", [b"ENVELOPE", b"(ENVELOPE BODYSTRUCTURE)", HEADERS, b"(BODY[HEADER] RFC822.HEADER)"])
def test_a_name_tells_what_it_stands_for(text: bytes) -> None:
    found = attributes_of(name(text), LIMITS)
    assert found is not None
    assert name_of(found, LIMITS) == name(text)


@pytest.mark.parametrize("text", [b"", b"1 00000000 ENVELOPE", b"0 ENVELOPE", name(b"ENVELOPE") + b" )(", b"\xff"])
def test_a_name_of_another_form_stands_for_nothing(text: bytes) -> None:
    assert attributes_of(text, LIMITS) is None
    assert attributes_of(name(b"ENVELOPE"), MimeLimits(depth=7)) is None


def test_what_a_client_asked_for_is_worked_out_for_all_other_messages(mailbox: MaildirMailbox) -> None:
    contents = Contents(mailbox, ContentLimits())
    told(mailbox.index, contents, [7], attributes(HEADERS))
    told(mailbox.index, contents, [8], attributes(b"ENVELOPE"))
    fed(mailbox, Workers())
    for text in (HEADERS, b"ENVELOPE"):
        known = mailbox.index.remembered(name(text), range(1, 61))
        assert known == {uid: looked_up(mailbox, uid, text) for uid in range(1, 61)}
        assert not mailbox.index.unknown(name(text))


def test_where_nobody_asked_for_anything_nothing_is_done(mailbox: MaildirMailbox) -> None:
    workers = Workers()
    fed(mailbox, workers)
    assert workers.asked == []


def test_for_a_few_messages_no_child_is_troubled(mailbox: MaildirMailbox) -> None:
    told(mailbox.index, Contents(mailbox, ContentLimits()), range(1, 41), attributes(HEADERS))
    workers = Workers()
    fed(mailbox, workers)
    assert workers.asked == []


def test_it_goes_piece_by_piece_and_one_that_fails_is_left_out(
    mailbox: MaildirMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_feeding, "_PIECE", 25)
    told(mailbox.index, Contents(mailbox, ContentLimits()), [1], attributes(HEADERS))
    workers = Workers(failing=[1])
    feeding = fed(mailbox, workers)
    assert workers.asked == [25, 25, 9]
    assert list(mailbox.index.unknown(name(HEADERS))) == list(range(11, 36)), "the newest come first"
    monkeypatch.setattr(index_feeding, "_WORTH", 1)
    feeding.want(mailbox, LANE)
    assert len(workers.asked) == 3, "it was seen to just now"
    CLOCK.now += 301
    feeding.want(mailbox, LANE)
    assert workers.asked[3:] == [25]
    assert not mailbox.index.unknown(name(HEADERS))


def test_messages_that_go_or_cannot_be_read_meanwhile_have_no_answers(mailbox: MaildirMailbox, tmp_path: Path) -> None:
    paths = list(mailbox.index.paths([1, 2, 3, 99]).values())
    assert len(paths) == 3
    os.unlink(paths[0])
    os.unlink(paths[2])
    os.mkfifo(paths[2])
    said = answers(work(question(LIMITS, [name(b"ENVELOPE"), b"unknown"], paths)), 2)
    assert said == [[b"", b""], [looked_up(mailbox, 2, b"ENVELOPE"), b""], [b"", b""]]


def test_a_message_that_has_no_answer_to_be_kept_is_not_worked_on_again(mailbox: MaildirMailbox) -> None:
    delivery = mailbox.append()
    delivery.write(b"X-Long: %b\r\n\r\n" % (b"x" * 20_000))
    delivery.commit(all_or_nothing=True)
    text = b"BODY.PEEK[HEADER]"
    told(mailbox.index, Contents(mailbox, ContentLimits()), [1], attributes(text))
    fed(mailbox, Workers())
    assert not mailbox.index.unknown(name(text))
    assert sorted(mailbox.index.remembered(name(text), range(1, 62))) == list(range(1, 61))


def test_the_end_of_the_daemon_ends_it(mailbox: MaildirMailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_feeding, "_PIECE", 10)
    told(mailbox.index, Contents(mailbox, ContentLimits()), [1], attributes(HEADERS))
    waiting: Deferred[None] = Deferred()

    class Slow(Workers):
        async def run(self, asked: Sequence[bytes]) -> list[bytes]:
            await waiting
            return await super().run(asked)

    workers = Slow()
    feeding = fed(mailbox, workers)
    feeding.stopService()
    waiting.callback(None)
    assert workers.asked == [10]


def test_the_work_counts_for_the_user_who_opened_the_mailbox(mailbox: MaildirMailbox) -> None:
    told(mailbox.index, Contents(mailbox, ContentLimits()), [1], attributes(HEADERS))
    lane = NotingLane()
    fed(mailbox, Workers(), lane.of("alice@example.org"))
    assert not mailbox.index.unknown(name(HEADERS))
    assert set(lane.users) == {("alice@example.org",)}
