"""What every store does with accounts that have limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, OverQuota
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import Block, FlagAction, Quota, QuotaLimits, Receipt, Refusal, Store, Target, Usage
from mailbox_d.store.quota import QuotaRules
from tests.contract.store.mailboxes import ALICE, BOB, append, archive, inbox, uids

KIB = 1024
BODY = b"x" * KIB
"""As many octets on the disk as on the wire."""


@dataclass
class Site:
    """A store, and its users' limits, which may change at any time."""

    make: Callable[[QuotaRules], Store]
    limits: dict[EmailAddress, QuotaLimits] = field(default_factory=dict)
    grace: int = 0

    def open(self) -> Store:
        return self.make(QuotaRules(self.limits.get, self.grace))


@pytest.fixture(params=["memory", "lf", "crlf", "spooled"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    kinds: dict[str, Callable[[QuotaRules], Store]] = {
        "memory": lambda rules: MemoryStore(quotas=rules),
        "lf": lambda rules: MaildirStore(tmp_path, quotas=rules),
        "crlf": lambda rules: MaildirStore(tmp_path, newline="crlf", quotas=rules),
        "spooled": lambda rules: MaildirStore(tmp_path, hold=4, quotas=rules),
    }
    return Site(kinds[request.param])


def deliver(store: Store, *people: EmailAddress, size: int = KIB, strict: bool = False) -> list[type[object]]:
    delivery = store.deliver([Block(b"", tuple(map(Target, people or (ALICE,))))])
    delivery.write(b"x" * size)
    try:
        return [type(outcome) for outcome in delivery.commit(all_or_nothing=strict)]
    finally:
        delivery.abort()


def usage(store: Store, address: EmailAddress = ALICE) -> Usage | None:
    quota = store.account(address).quota()
    return quota.usage if quota is not None else None


def test_who_has_no_limit_has_no_quota(site: Site) -> None:
    site.limits[BOB] = QuotaLimits()
    store = site.open()
    assert deliver(store, ALICE, BOB) == [Receipt, Receipt]
    assert (usage(store), usage(store, BOB)) == (None, None)
    assert store.has_room(ALICE, 1 << 60)


def test_a_quota_tells_what_may_be_there_and_what_is(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(10 * KIB, 100)
    store = site.open()
    deliver(store)
    append(inbox(store), BODY)
    quota = store.account(ALICE).quota()
    assert quota is not None
    assert (quota.limits, quota.usage) == (QuotaLimits(10 * KIB, 100), Usage(2 * KIB, 2))


def test_a_delivery_that_does_not_fit_is_refused(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(3 * KIB)
    store = site.open()
    assert [deliver(store) for _ in range(4)] == [[Receipt]] * 3 + [[Refusal]]
    assert usage(store) == Usage(3 * KIB, 3)
    with pytest.raises(OverQuota):
        deliver(store, strict=True)
    assert len(inbox(store).messages()) == 3


def test_messages_have_a_limit_of_their_own(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(None, 2)
    store = site.open()
    assert [deliver(store) for _ in range(3)] == [[Receipt]] * 2 + [[Refusal]]
    assert not store.has_room(ALICE, 0)


def test_several_messages_fit_together_or_not_at_all(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(None, 3)
    store = site.open()
    mailbox, goal = inbox(store), archive(store)
    for _ in range(2):
        append(mailbox, BODY)
    with pytest.raises(OverQuota):
        mailbox.copy([1, 2], goal)
    assert uids(goal) == []
    assert mailbox.copy([1], goal) == {1: 1}


def test_whether_there_is_room(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(3 * KIB)
    store = site.open()
    assert store.has_room(ALICE, 3 * KIB) and not store.has_room(ALICE, 3 * KIB + 1)
    deliver(store)
    assert store.has_room(ALICE, 2 * KIB) and not store.has_room(ALICE, 2 * KIB + 1)


def test_the_message_that_fills_an_account_may_go_beyond_by_the_grace(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(10 * KIB)
    site.grace = 10
    store = site.open()
    deliver(store, size=10 * KIB - 1)
    assert not store.has_room(ALICE, KIB + 2) and store.has_room(ALICE, KIB + 1)
    assert deliver(store, size=KIB + 1) == [Receipt]
    assert usage(store) == Usage(11 * KIB, 2)
    assert deliver(store, size=1) == [Refusal]


def test_who_is_just_full_gets_no_more(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(10 * KIB)
    site.grace = 10
    store = site.open()
    deliver(store, size=10 * KIB)
    assert deliver(store, size=1) == [Refusal]


def test_a_full_account_is_no_fault_of_others(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(100)
    store = site.open()
    assert deliver(store, ALICE, BOB) == [Refusal, Receipt]
    with pytest.raises(OverQuota):
        deliver(store, BOB, ALICE, strict=True)
    assert (len(inbox(store).messages()), len(inbox(store, BOB).messages())) == (0, 1)


def test_what_is_refused_for_another_s_sake_takes_no_room(site: Site) -> None:
    site.limits.update({ALICE: QuotaLimits(10 * KIB), BOB: QuotaLimits(100)})
    store = site.open()
    with pytest.raises(OverQuota):
        deliver(store, ALICE, BOB, strict=True)
    assert usage(store) == Usage(0, 0)


def test_append_is_refused_before_the_message_and_after_it(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(100)
    store = site.open()
    with pytest.raises(OverQuota):
        inbox(store).append(size=101)
    with pytest.raises(OverQuota):
        append(inbox(store), BODY, size=100)
    assert (uids(inbox(store)), usage(store)) == ([], Usage(0, 0))
    assert append(inbox(store), b"x" * 100, size=100) == 1


def test_a_copy_counts_again(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(5 * KIB)
    store = site.open()
    goal = archive(store)
    first, second = append(inbox(store), BODY), append(inbox(store), BODY)
    inbox(store).copy([first, second], goal)
    assert usage(store) == Usage(4 * KIB, 4)
    with pytest.raises(OverQuota):
        inbox(store).copy([first, second], goal)
    assert (uids(goal), usage(store)) == ([1, 2], Usage(4 * KIB, 4))
    inbox(store).copy([first], inbox(store))
    assert usage(store) == Usage(5 * KIB, 5)


def test_a_full_account_can_be_tidied_up(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(4 * KIB)
    store = site.open()
    goal, mailbox = archive(store), inbox(store)
    for _ in range(4):
        append(mailbox, BODY)
    site.limits[ALICE] = QuotaLimits(1)
    assert usage(store) == Usage(4 * KIB, 4)
    assert mailbox.move([1, 2], goal) == {1: 1, 2: 2}
    assert mailbox.move([3], mailbox) == {3: 5}
    mailbox.change_flags([4], FlagAction.ADD, frozenset({"\\Deleted"}))
    store.account(ALICE).rename("Archive", "Old")
    assert usage(store) == Usage(4 * KIB, 4)
    assert set(mailbox.expunge([4, 77])) == {4}
    assert usage(store) == Usage(3 * KIB, 3)
    store.account(ALICE).delete("Old")
    assert usage(store) == Usage(KIB, 1)
    with pytest.raises(OverQuota):
        append(mailbox, b"xx")


def test_inbox_can_be_renamed_when_it_is_full(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(KIB)
    store = site.open()
    append(inbox(store), BODY)
    store.account(ALICE).rename("INBOX", "Old")
    assert (usage(store), uids(store.account(ALICE).open("Old"))) == (Usage(KIB, 1), [1])


def test_limits_change_at_once(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(KIB)
    store = site.open()
    assert [deliver(store), deliver(store)] == [[Receipt], [Refusal]]
    site.limits[ALICE] = QuotaLimits(2 * KIB)
    assert deliver(store) == [Receipt]
    site.limits[ALICE] = QuotaLimits()
    assert deliver(store) == [Receipt]
    site.limits[ALICE] = QuotaLimits(9 * KIB, 3)
    assert (usage(store), deliver(store)) == (Usage(3 * KIB, 3), [Refusal])


def test_limits_of_whom_nothing_is_known_any_more_are_as_they_were(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(KIB)
    store = site.open()
    account = store.account(ALICE)
    del site.limits[ALICE]
    assert [deliver(store), deliver(store)] == [[Receipt], [Refusal]]
    assert account.quota() == Quota(QuotaLimits(KIB), Usage(KIB, 1))
    site.limits[ALICE] = QuotaLimits(2 * KIB)
    assert deliver(store) == [Receipt]
    del site.limits[ALICE]
    assert deliver(store) == [Refusal]


def test_of_many_that_come_at_once_no_more_are_taken_than_there_is_room_for(site: Site) -> None:
    site.limits[ALICE] = QuotaLimits(5 * KIB)
    store = site.open()
    goal = archive(store)
    outcomes: list[type[object]] = []

    def come(number: int) -> None:
        try:
            if number % 2:
                outcomes.extend(deliver(store))
            else:
                append(goal, BODY)
                outcomes.append(Receipt)
        except MailError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=come, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    goal.refresh()
    there = len(inbox(store).messages()) + len(goal.messages())
    assert there == outcomes.count(Receipt) <= 5
    assert usage(store) == Usage(there * KIB, there)
