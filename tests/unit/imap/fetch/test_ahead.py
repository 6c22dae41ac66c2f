"""Children work ahead of a long FETCH; whatever they do, its answers are those that would be looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from mailbox_d.address import EmailAddress
from mailbox_d.imap.fetch.ahead import AheadLimits, Crew, FetchAhead, Wanted
from mailbox_d.imap.fetch.child import work
from mailbox_d.imap.fetch.contents import ContentLimits, Contents, Told
from mailbox_d.imap.fetch.remembered import name_of, told
from mailbox_d.imap.mailbox import IMAPMailbox
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.children import ChildFailed
from mailbox_d.net.lanes import InlineLane
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX
from mailbox_d.wire.imap.fetch import FetchItem
from tests.dialogues.imap_server import imap_connection, imap_service
from tests.unit.imap.noting_lane import NotingLane

ASKED = (FetchItem.ENVELOPE, FetchItem.BODYSTRUCTURE)
NAME = name_of(ASKED, MimeLimits()) or b""
COUNT = 30
UIDS = range(1, COUNT + 1)
LIMITS = AheadLimits(worth=1, piece=4, window=12)
Child: TypeAlias = Callable[[Sequence[bytes]], list[bytes]]


class Workers:
    """A child that answers when it is let, in the order in which it was asked."""

    def __init__(self, child: Child = work) -> None:
        self.asked: list[list[int]] = []
        self.forgotten = 0
        self._child = child
        self._waiting: list[tuple[Deferred[list[bytes]], Sequence[bytes]]] = []

    async def run(self, asked: Sequence[bytes]) -> list[bytes]:
        self.asked.append([number_of(path) for path in asked[3:]])
        answer: Deferred[list[bytes]] = Deferred(self._forget)
        self._waiting.append((answer, asked))
        return await answer

    def _forget(self, unwanted: Deferred[list[bytes]]) -> None:
        self.forgotten += 1
        self._waiting = [(answer, asked) for answer, asked in self._waiting if answer is not unwanted]

    def answer(self) -> None:
        answer, asked = self._waiting.pop(0)
        try:
            answered = self._child(asked)
        except ChildFailed as error:
            answer.errback(error)
        else:
            answer.callback(answered)


def number_of(path: bytes) -> int:
    """Which message this is, by its subject."""
    return int(Path(path.decode()).read_bytes().split(b"number ")[1].split(b"\n")[0])


@pytest.fixture
def mailbox(tmp_path: Path) -> MaildirMailbox:
    mailbox = MaildirStore(tmp_path).account(EmailAddress.parse("alice@example.org")).open(INBOX)
    for number in UIDS:
        delivery = mailbox.append()
        delivery.write(b"Subject: number %d\r\nFrom: bob@example.org\r\n\r\nhello\r\n" % number)
        delivery.commit(all_or_nothing=True)
    return mailbox


def ahead_of(mailbox: MaildirMailbox, workers: Workers, limits: AheadLimits = LIMITS) -> FetchAhead:
    wanted = Wanted(NAME, COUNT, lambda some: UIDS[some.start : some.stop], MimeLimits())
    return FetchAhead(Crew(workers, 1), InlineLane(), limits, mailbox, wanted)


def looked_up(mailbox: MaildirMailbox) -> dict[int, bytes]:
    contents = Contents(mailbox, ContentLimits())
    return {uid: answer(contents.told([uid], ASKED)[0]) for uid in UIDS}


def answer(told: object) -> bytes:
    assert isinstance(told, Told)
    return b"".join(piece for piece in told.pieces if isinstance(piece, bytes))


def test_they_begin_at_the_far_end_of_a_window_and_go_on_behind_it_where_the_ends_have_met(
    mailbox: MaildirMailbox,
) -> None:
    workers = Workers()
    ahead = ahead_of(mailbox, workers)
    ahead.go_on(2)
    assert workers.asked == [[9, 10, 11, 12]]
    for _ in range(6):
        workers.answer()
    assert workers.asked[1:3] == [[7, 8], [21, 22, 23, 24]], "four are left to FETCH itself"
    assert workers.asked[3:] == [[17, 18, 19, 20], [13, 14, 15, 16], [27, 28, 29, 30], [25, 26]]
    workers.answer()
    ahead.go_on(3)
    assert len(workers.asked) == 7, "everything is done"
    assert ahead.take(range(1, 8)) == {7: looked_up(mailbox)[7]}
    assert ahead.take(UIDS) == {uid: octets for uid, octets in looked_up(mailbox).items() if uid > 7}
    assert ahead.take(UIDS) == {}


def test_what_waits_is_bounded_and_they_go_on_when_it_was_taken(mailbox: MaildirMailbox) -> None:
    workers = Workers()
    held = sum(len(looked_up(mailbox)[uid]) for uid in (9, 10, 11))
    ahead = ahead_of(mailbox, workers, AheadLimits(piece=4, window=12, held=held))
    ahead.go_on(0)
    workers.answer()
    ahead.go_on(0)
    assert list(ahead.take([12])) == [12]
    ahead.go_on(0)
    assert len(workers.asked) == 1, "three are still as much as may be held"
    ahead.take([11])
    ahead.go_on(0)
    assert len(workers.asked) == 2


def test_what_the_index_has_is_not_worked_out_again(mailbox: MaildirMailbox) -> None:
    told(mailbox.index, Contents(mailbox, ContentLimits()), range(5, 12), ASKED)
    workers = Workers()
    ahead_of(mailbox, workers).go_on(0)
    assert workers.asked == [[12]]


def test_what_fetch_has_come_to_is_given_up_and_other_work_taken(mailbox: MaildirMailbox) -> None:
    workers = Workers()
    ahead = ahead_of(mailbox, workers)
    ahead.go_on(0)
    ahead.go_on(8)
    assert workers.forgotten == 0
    ahead.go_on(9)
    assert workers.forgotten == 1
    assert workers.asked == [[9, 10, 11, 12], [21, 22, 23, 24]]
    workers.answer()
    assert list(ahead.take(UIDS)) == [21, 22, 23, 24]


def test_the_end_of_fetch_is_theirs(mailbox: MaildirMailbox) -> None:
    workers = Workers()
    ahead = ahead_of(mailbox, workers)
    ahead.go_on(0)
    with capturedLogs() as logged:
        ahead.stop()
        ahead.go_on(1)
    assert workers.forgotten == 1
    assert len(workers.asked) == 1
    assert logged == []


def dies(_: Sequence[bytes]) -> list[bytes]:
    raise ChildFailed


def says_too_little(asked: Sequence[bytes]) -> list[bytes]:
    return work(asked)[1:]


@pytest.mark.parametrize("child", [dies, says_too_little])
def test_one_that_fails_is_asked_for_nothing_more(mailbox: MaildirMailbox, child: Child) -> None:
    workers = Workers(child)
    ahead = ahead_of(mailbox, workers)
    ahead.go_on(0)
    with capturedLogs() as logged:
        workers.answer()
    assert [event["log_level"].name for event in logged] == ["warn"]
    ahead.go_on(0)
    assert len(workers.asked) == 1
    assert ahead.take(UIDS) == {}


def says_nothing(asked: Sequence[bytes]) -> list[bytes]:
    return [b""] * (len(asked) - 3)


def says_too_much(asked: Sequence[bytes]) -> list[bytes]:
    return [b"x" * (16 * 1024 + 1)] * (len(asked) - 3)


@pytest.mark.parametrize("child", [work, dies, says_too_little, says_nothing, says_too_much])
@pytest.mark.parametrize("answers_a_turn", [0, 1, 3])
def test_fetch_tells_what_it_would_look_up(mailbox: MaildirMailbox, child: Child, answers_a_turn: int) -> None:
    expected = looked_up(mailbox)
    workers, contents = Workers(child), Contents(mailbox, ContentLimits(messages_a_turn=2, octets_a_turn=1 << 10))
    ahead = ahead_of(mailbox, workers)
    found: dict[int, bytes] = {}
    while len(found) < COUNT:
        some = told(mailbox.index, contents, UIDS[len(found) :], ASKED, ahead.take)
        found.update((uid, answer(each)) for uid, each in zip(UIDS[len(found) :], some, strict=False))
        ahead.go_on(len(found))
        for _ in range(answers_a_turn):
            if workers._waiting:
                workers.answer()
    assert found == expected
    assert mailbox.index.remembered(NAME, UIDS) == expected
    assert (contents.turns < COUNT / 2) == (child is work and answers_a_turn > 0), "it need not look up everything"


def said(tmp_path: Path, crew: Crew | None, ahead: AheadLimits, commands: Sequence[bytes]) -> list[bytes]:
    """What a server answers to a new session of somebody with 30 messages."""
    limits = IMAPLimits(ahead=ahead, contents=ContentLimits(messages_a_turn=2))
    service = replace(imap_service(MaildirStore(tmp_path), limits=limits), crew=crew)
    connection = imap_connection(service, secure=True)
    connection.connect()
    connection.send(b"a LOGIN ann@example.org secret\r\nb EXAMINE INBOX\r\n")
    connection.transport.take()
    for command in commands:
        connection.send(command)
    return connection.transport.take().splitlines()


class Ready(Workers):
    """Children that have answered at once."""

    async def run(self, asked: Sequence[bytes]) -> list[bytes]:
        answer = Deferred.fromCoroutine(super().run(asked))
        self.answer()
        return await answer


@pytest.mark.parametrize("command", [b"FETCH 1:* (ENVELOPE BODYSTRUCTURE)", b"UID FETCH 1:* (FLAGS ENVELOPE UID)"])
@pytest.mark.parametrize(
    ("limits", "asks"), [(LIMITS, True), (AheadLimits(worth=29), False), (AheadLimits(held=0), False)]
)
def test_a_client_is_told_the_same(
    tmp_path: Path, mailbox: MaildirMailbox, command: bytes, limits: AheadLimits, asks: bool
) -> None:
    (tmp_path / "example.org/alice").rename(tmp_path / "example.org/ann")
    workers = Ready()
    lines = [said(tmp_path, crew, limits, [b"c " + command + b"\r\n"]) for crew in (Crew(workers), None)]
    assert lines[0] == lines[1]
    assert len(lines[0]) == COUNT + 1
    assert bool(workers.asked) == asks
    asked = len(workers.asked)
    assert said(tmp_path, Crew(workers), limits, [b"c " + command + b"\r\n"]) == lines[0]
    assert len(workers.asked) == asked, "what is in the index is asked of nobody"


def test_nobody_waits_for_a_child_that_hangs(tmp_path: Path, mailbox: MaildirMailbox) -> None:
    (tmp_path / "example.org/alice").rename(tmp_path / "example.org/ann")
    workers = Workers()
    said(tmp_path, Crew(workers), LIMITS, [b"c FETCH 1:* ENVELOPE\r\n"])
    assert workers.forgotten == len(workers.asked) > 0, "FETCH did all of it meanwhile, and waits for nobody"


def test_what_is_looked_up_ahead_counts_for_the_user_whose_fetch_it_is(mailbox: MaildirMailbox) -> None:
    lane, workers = NotingLane(), Workers()
    wanted = Wanted(NAME, COUNT, lambda some: UIDS[some.start : some.stop], MimeLimits())
    opened = IMAPMailbox(mailbox, lane.of("alice@example.org"), read_only=True)
    opened.ahead(Crew(workers, 2), LIMITS, wanted).go_on(0)
    assert len(workers.asked) == 2
    assert lane.users == [("alice@example.org",)] * 2


def test_answers_that_the_index_learned_meanwhile_keep_no_room(mailbox: MaildirMailbox) -> None:
    workers, contents = Workers(), Contents(mailbox, ContentLimits())
    held = sum(map(len, looked_up(mailbox).values())) // 2
    ahead = ahead_of(mailbox, workers, AheadLimits(piece=4, window=12, held=held))
    ahead.go_on(0)
    for _ in range(3):
        workers.answer()
    told(mailbox.index, contents, range(1, 13), ASKED)
    assert len(told(mailbox.index, contents, range(1, 13), ASKED, ahead.take)) == 12
    ahead.go_on(12)
    while workers._waiting:
        workers.answer()
    assert sum(len(ahead.take([uid])) for uid in UIDS if uid <= 12) == 0
    assert sum(len(ahead.take([uid])) for uid in UIDS if uid > 16) == 14
