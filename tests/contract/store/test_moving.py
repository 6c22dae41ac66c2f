"""Moves, copies and expunges of the same messages at a time, in every store."""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from mailbox_d.errors import MailboxBusy, MessageGone, NoSuchMailbox
from mailbox_d.store.ports import INBOX, Arrived, Change, Expunged, FlagAction, Mailbox, Store
from tests.contract.store.mailboxes import ALICE, SEEN, append, archive, inbox, uids

NAMES = (INBOX, "Archive", "Trash")
MESSAGES = 12
ROUNDS = 25
THREADS = 6


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def three(store: Store) -> list[Mailbox]:
    account = store.account(ALICE)
    for name in NAMES[1:]:
        account.create(name)
    return [account.open(name) for name in NAMES]


def fill(mailbox: Mailbox) -> None:
    """Messages of which each has a size of its own, by which it is known again."""
    for number in range(MESSAGES):
        append(mailbox, b"x" * number + b"\r\n")


def held(mailboxes: list[Mailbox]) -> Counter[int]:
    """How often each message is there, by its size."""
    for mailbox in mailboxes:
        mailbox.refresh()
    return Counter(message.size for mailbox in mailboxes for message in mailbox.messages())


def patiently(action: Callable[[], object]) -> None:
    """Do what a session does that finds a mailbox busy."""
    while True:
        try:
            action()
        except MailboxBusy:
            continue
        return


@contextmanager
def in_the_midst(goal: Mailbox, action: Callable[[], object]) -> Iterator[None]:
    """Let another session act when the first copy has come to `goal`; it may have to wait until the move is over."""
    other = threading.Thread(target=patiently, args=(action,))

    def begin() -> None:
        other.start()
        other.join(0.2)

    feed = goal.feed(begin)
    yield
    feed.close()
    other.join()


def test_of_two_sessions_that_move_a_message_one_does(store: Store) -> None:
    source, archived, trash = three(store)
    append(source, flags=SEEN)
    taken: list[object] = []
    with in_the_midst(archived, lambda: taken.append(source.move([1], trash))):
        moved = source.move([1], archived)
    assert sorted([moved, *taken], key=len) == [{}, {1: 1}]  # type: ignore[arg-type, list-item]
    assert sum(held([source, archived, trash]).values()) == 1


def test_of_two_sessions_that_move_a_message_to_the_same_mailbox_one_does(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    taken: list[object] = []
    with in_the_midst(goal, lambda: taken.append(source.move([1], goal))):
        moved = source.move([1], goal)
    assert ([moved, *taken].count({}), len(uids(goal)), uids(source)) == (1, 1, [])


def test_a_message_is_moved_or_expunged(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    expunged: set[int] = set()
    with in_the_midst(goal, lambda: expunged.update(source.expunge([1]))):
        moved = source.move([1], goal)
    assert (len(moved), len(uids(goal))) == ((0, 0) if expunged else (1, 1))


def test_a_message_that_another_session_moved_first_is_gone(store: Store) -> None:
    source, archived, trash = three(store)
    append(source)
    append(source)
    assert source.move([1], trash) == {1: 1}
    with pytest.raises(MessageGone):
        source.move([1, 2], archived, strict=True)
    assert source.move([1, 2], archived) == {2: 1}
    assert source.move([1, 2], archived) == {}
    assert [uids(mailbox) for mailbox in (source, archived, trash)] == [[], [1], [1]]


def test_a_move_within_one_mailbox_gives_a_new_uid(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    feed = mailbox.feed()
    assert mailbox.move([1], mailbox) == {1: 2}
    mailbox.refresh()
    assert uids(mailbox) == [2]
    assert [type(change) for change in feed.take()] == [Expunged, Arrived]


def test_nothing_is_taken_out_of_a_mailbox_that_was_removed(store: Store) -> None:
    source, goal = archive(store), inbox(store)
    append(source)
    store.account(ALICE).delete("Archive")
    with pytest.raises(NoSuchMailbox):
        source.copy([1], goal)
    with pytest.raises(NoSuchMailbox):
        source.move([1], goal)
    assert uids(goal) == []


@dataclass
class Session:
    """One that does something at random, over and over; it counts what became more and less, by the messages' sizes."""

    mailboxes: list[Mailbox]
    verbs: str
    chance: random.Random
    balance: Counter[int] = field(default_factory=Counter)
    faults: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        for _ in range(ROUNDS):
            source, goal = (self.chance.choice(self.mailboxes) for _ in range(2))
            verb = self.chance.choice(self.verbs.split())
            try:
                patiently(lambda: self.act(verb, source, goal))  # noqa: B023
            except Exception as error:
                self.faults.append(error)
                return

    def act(self, verb: str, source: Mailbox, goal: Mailbox) -> None:
        size_of = {message.uid: message.size for message in source.messages()}
        assert len(size_of) <= MESSAGES + THREADS * ROUNDS, "they become more and more"
        if verb == "expunge":
            self.balance.subtract(size_of[uid] for uid in source.expunge(list(size_of)[:1]))
        elif verb == "copy":
            self.balance.update(size_of[uid] for uid in source.copy(list(size_of)[:1], goal))
        elif verb == "flag":
            source.change_flags(size_of, FlagAction.ADD, SEEN)
        else:
            source.move(size_of, goal)


def at_work(mailboxes: list[Mailbox], verbs: str) -> Counter[int]:
    """What many sessions at a time made more and less, once they are done."""
    sessions = [Session(mailboxes, verbs, random.Random(number)) for number in range(THREADS)]
    threads = [threading.Thread(target=session.run) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [fault for session in sessions for fault in session.faults] == []
    balance: Counter[int] = Counter()
    for session in sessions:
        balance.update(session.balance)
    return balance


@pytest.mark.usefixtures("hurried")
def test_messages_that_many_sessions_move_about_are_there_once(store: Store) -> None:
    mailboxes = three(store)
    fill(mailboxes[0])
    once = held(mailboxes)
    at_work(mailboxes, "move move flag")
    assert held(mailboxes) == once


@pytest.mark.usefixtures("hurried")
def test_what_was_copied_moved_and_expunged_at_a_time_adds_up(store: Store) -> None:
    mailboxes = three(store)
    fill(mailboxes[0])
    expected = held(mailboxes)
    expected.update(at_work(mailboxes, "move copy expunge flag"))
    assert held(mailboxes) == +expected


@pytest.mark.usefixtures("hurried")
def test_what_sessions_are_told_of_moved_messages_adds_up(store: Store) -> None:
    mailboxes = three(store)
    fill(mailboxes[0])
    feeds = [mailbox.feed() for mailbox in mailboxes]
    known = [{message.uid for message in feed.messages} for feed in feeds]
    at_work(mailboxes, "move")
    for feed, uids_known in zip(feeds, known, strict=True):
        for change in feed.take():
            _follow(uids_known, change)
    assert [sorted(uids_known) for uids_known in known] == [uids(mailbox) for mailbox in mailboxes]


def _follow(known: set[int], change: Change) -> None:
    if isinstance(change, Arrived):
        assert change.message.uid not in known
        known.add(change.message.uid)
    elif isinstance(change, Expunged):
        known.remove(change.uid)
