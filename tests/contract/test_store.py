"""What every store does, whether on disk or in memory."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import (
    AddressError,
    MailboxBusy,
    MailboxExists,
    MailboxNameError,
    MailError,
    MessageGone,
    NoSuchMailbox,
    TooManyKeywords,
)
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import (
    INBOX,
    Arrived,
    Block,
    Expunged,
    FlagAction,
    Flagged,
    Mailbox,
    Message,
    Receipt,
    Refusal,
    SpecialUse,
    Store,
    Target,
)

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
BODY = b"Subject: tea\r\n\r\nWhen?\r\n"
SEEN = frozenset({"\\Seen"})

MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda root: MemoryStore(),
    "lf": lambda root: MaildirStore(root),
    "crlf": lambda root: MaildirStore(root, newline="crlf"),
    "spooled": lambda root: MaildirStore(root, hold=4),
}


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MAKERS[request.param](tmp_path / "maildirs")


def deliver(store: Store, *targets: Target, body: bytes = BODY, header: bytes = b"") -> None:
    delivery = store.deliver([Block(header, targets or (Target(ALICE),))])
    delivery.write(body)
    outcomes = delivery.commit(all_or_nothing=True)
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)


def append(mailbox: Mailbox, body: bytes = BODY, **options: object) -> int:
    delivery = mailbox.append(**options)  # type: ignore[arg-type]
    delivery.write(body)
    (receipt,) = delivery.commit(all_or_nothing=True)
    assert isinstance(receipt, Receipt) and receipt.uid is not None
    return receipt.uid


def inbox(store: Store, address: EmailAddress = ALICE) -> Mailbox:
    return store.account(address).open(INBOX)


def content(mailbox: Mailbox, uid: int) -> bytes:
    reader = mailbox.read(uid)
    try:
        whole = reader.read(0, reader.size + 1)
        assert len(whole) == reader.size
        assert b"".join(reader.chunks()) == whole
        return whole
    finally:
        reader.close()


def uids(mailbox: Mailbox) -> list[int]:
    return [message.uid for message in mailbox.messages()]


# Delivery


def test_a_delivered_message_is_read_back_as_it_came(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    (message,) = mailbox.messages()
    assert message == Message(1, frozenset(), len(BODY))
    assert content(mailbox, 1) == BODY


def test_each_block_has_its_header_in_front(store: Store) -> None:
    delivery = store.deliver(
        [
            Block(b"Delivered-To: a\r\n", (Target(ALICE),)),
            Block(b"Delivered-To: b\r\nX: y\r\n", (Target(BOB),)),
        ]
    )
    delivery.write(BODY[:7])
    delivery.write(BODY[7:])
    assert len(delivery.commit(all_or_nothing=True)) == 2
    assert content(inbox(store), 1) == b"Delivered-To: a\r\n" + BODY
    assert content(inbox(store, BOB), 1) == b"Delivered-To: b\r\nX: y\r\n" + BODY


def test_all_targets_of_a_block_get_the_message(store: Store) -> None:
    people = [EmailAddress.parse(f"user{number}@example.org") for number in range(20)]
    deliver(store, *map(Target, people))
    assert [content(inbox(store, address), 1) for address in people] == [BODY] * 20


def test_outcomes_come_in_the_order_of_blocks_and_targets(store: Store) -> None:
    targets = [Target(ALICE), Target(BOB), Target(ALICE)]
    delivery = store.deliver([Block(b"", tuple(targets[:2])), Block(b"X: y\r\n", tuple(targets[2:]))])
    delivery.write(BODY)
    assert [outcome.target for outcome in delivery.commit(all_or_nothing=False)] == targets


def test_an_aborted_delivery_leaves_nothing(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(BODY)
    delivery.abort()
    delivery.abort()
    assert not inbox(store).messages()


def test_abort_after_commit_is_harmless(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(BODY)
    delivery.commit(all_or_nothing=True)
    delivery.abort()
    assert content(inbox(store), 1) == BODY


def test_a_missing_mailbox_refuses_its_own_copy_only(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE, "Nowhere"), Target(ALICE)))])
    delivery.write(BODY)
    refused, received = delivery.commit(all_or_nothing=False)
    assert isinstance(refused, Refusal) and isinstance(refused.error, NoSuchMailbox)
    assert isinstance(received, Receipt)
    assert content(inbox(store), 1) == BODY


def test_a_missing_mailbox_refuses_everything_when_all_or_nothing(store: Store) -> None:
    delivery = store.deliver([Block(b"", (Target(ALICE), Target(ALICE, "Nowhere")))])
    delivery.write(BODY)
    with pytest.raises(NoSuchMailbox):
        delivery.commit(all_or_nothing=True)
    assert not inbox(store).messages()


def test_delivery_into_another_mailbox(store: Store) -> None:
    store.account(ALICE).create("Lists/Tea")
    deliver(store, Target(ALICE, "Lists/Tea"))
    assert content(store.account(ALICE).open("Lists/Tea"), 1) == BODY
    assert not inbox(store).messages()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\n",
        b"\r",
        b"no end",
        b"a\nb\r\n",
        b"a\r\r\nb",
        b"a\rb\r\n",
        b"\r\n\r\r\r\n\n\r",
        b"a\r\n" * 3 + b"\n",
        bytes(range(256)),
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_any_octets_come_back_however_they_were_cut(store: Store, body: bytes, piece: int) -> None:
    delivery = store.deliver([Block(b"X: y\r\n", (Target(ALICE),)), Block(b"Z: y\r\n", (Target(BOB),))])
    for start in range(0, len(body), piece):
        delivery.write(body[start : start + piece])
    delivery.commit(all_or_nothing=True)
    assert content(inbox(store), 1) == b"X: y\r\n" + body
    assert content(inbox(store, BOB), 1) == b"Z: y\r\n" + body
    assert inbox(store).messages()[0].size == len(body) + 6


def test_equal_addresses_share_an_account(store: Store) -> None:
    deliver(store, Target(EmailAddress.parse("Alice@EXAMPLE.org")))
    assert len(inbox(store).messages()) == 1


@pytest.mark.parametrize(
    "local_part", ["..", ".", "a/b", "../x", "", "a\0b", ".hidden", "\N{TWO DOT LEADER}", "a\N{FULLWIDTH SOLIDUS}b"]
)
def test_attack_122_a_name_that_is_no_folder_has_no_account(store: Store, local_part: str) -> None:
    with pytest.raises(AddressError):
        store.account(EmailAddress(local_part, "example.org"))
    if local_part.isascii():
        with pytest.raises(AddressError):
            store.account(EmailAddress("alice", local_part))
    delivery = store.deliver([Block(b"", (Target(EmailAddress(local_part, "example.org")), Target(ALICE)))])
    delivery.write(BODY)
    refused, received = delivery.commit(all_or_nothing=False)
    assert isinstance(refused, Refusal) and isinstance(received, Receipt)


def test_attack_122_compatible_spellings_are_one_account(store: Store) -> None:
    deliver(store, Target(EmailAddress("\N{FULLWIDTH LATIN SMALL LETTER B}ob", "example.org")))
    deliver(store, Target(EmailAddress("BOB", "example.org")))
    assert uids(inbox(store, BOB)) == [1, 2]


def test_many_threads_deliver_and_nothing_is_lost(store: Store) -> None:
    def work(number: int) -> None:
        for count in range(10):
            deliver(store, body=b"%d-%d\r\n" % (number, count))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mailbox = inbox(store)
    found = {content(mailbox, uid) for uid in uids(mailbox)}
    assert found == {b"%d-%d\r\n" % (number, count) for number in range(8) for count in range(10)}
    assert uids(mailbox) == list(range(1, 81))


def test_free_octets_is_a_size(store: Store) -> None:
    assert store.free_octets() > 0


# Append


def test_append_tells_the_uid(store: Store) -> None:
    mailbox = inbox(store)
    assert append(mailbox) == 1
    assert append(mailbox, flags=SEEN) == 2
    assert uids(mailbox) == [1, 2]
    assert content(mailbox, 2) == BODY


def test_append_keeps_flags_and_date(store: Store) -> None:
    mailbox = inbox(store)
    flags = frozenset({"\\Seen", "\\Flagged", "$Forwarded"})
    uid = append(mailbox, flags=flags, internal_date=1_000_000_000.0)
    assert mailbox.messages()[0].flags == flags
    assert mailbox.internal_date(uid) == 1_000_000_000.0
    assert inbox(store).messages()[0].flags == flags


def test_uids_follow_deliveries_and_appends_alike(store: Store) -> None:
    mailbox = inbox(store)
    deliver(store)
    mailbox.refresh()
    append(mailbox)
    deliver(store)
    mailbox.refresh()
    assert uids(mailbox) == [1, 2, 3]
    assert mailbox.status().uid_next == 4


def test_a_uid_is_never_used_again(store: Store) -> None:
    mailbox = inbox(store)
    last = [append(mailbox) for _ in range(3)][-1]
    mailbox.expunge([last])
    assert append(mailbox) == last + 1


def test_a_27th_keyword_refuses_an_append(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox, flags=frozenset(f"k{number:02}" for number in range(26)))
    with pytest.raises(TooManyKeywords):
        append(mailbox, flags=frozenset({"k26"}))
    delivery = mailbox.append(flags=frozenset({"k26"}))
    delivery.write(BODY)
    (refused,) = delivery.commit(all_or_nothing=False)
    assert isinstance(refused, Refusal)
    assert len(mailbox.messages()) == 1


# Reading


def test_read_by_offset(store: Store) -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(30_000))
    deliver(store, body=body)
    reader = inbox(store).read(1)
    assert reader.size == len(body)
    for offset in (0, 1, 65_535, 65_536, 65_537, 200_000, len(body) - 1, len(body), 17):
        assert reader.read(offset, 1000) == body[offset : offset + 1000]
    assert b"".join(reader.chunks(70_000, 150_000)) == body[70_000:220_000]
    assert max(map(len, reader.chunks())) <= 128 * 1024
    reader.close()


def test_a_message_that_is_not_there_is_gone(store: Store) -> None:
    mailbox = inbox(store)
    with pytest.raises(MessageGone):
        mailbox.read(1)
    uid = append(mailbox)
    mailbox.expunge([uid])
    with pytest.raises(MessageGone):
        mailbox.read(uid)
    with pytest.raises(MessageGone):
        mailbox.internal_date(uid)


# Flags


def test_flags_are_replaced_added_and_removed(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox, flags=frozenset({"\\Draft"}))
    assert mailbox.change_flags([uid], FlagAction.ADD, SEEN) == {uid: {"\\Draft", "\\Seen"}}
    assert mailbox.change_flags([uid], FlagAction.REMOVE, frozenset({"\\Draft"})) == {uid: {"\\Seen"}}
    assert mailbox.change_flags([uid], FlagAction.REPLACE, frozenset({"$Junk"})) == {uid: {"$Junk"}}
    assert mailbox.change_flags([uid], FlagAction.REPLACE, frozenset()) == {uid: frozenset()}
    assert mailbox.messages()[0].flags == frozenset()


def test_flags_change_only_on_messages_that_are_there(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    assert mailbox.change_flags([uid, 77], FlagAction.ADD, SEEN) == {uid: SEEN}


def test_flags_that_no_message_can_have_are_passed_over(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox, flags=frozenset({"\\Recent", "\\Seen"}))
    assert mailbox.change_flags([uid], FlagAction.ADD, frozenset({"\\Recent", "\\Other"})) == {uid: SEEN}


def test_keywords_are_one_in_any_case(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox, flags=frozenset({"$Work"}))
    assert mailbox.change_flags([uid], FlagAction.ADD, frozenset({"$WORK"})) == {uid: {"$Work"}}
    assert mailbox.change_flags([uid], FlagAction.REMOVE, frozenset({"$work"})) == {uid: frozenset()}


def test_a_27th_keyword_changes_nothing(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    assert not mailbox.keywords_full()
    mailbox.change_flags([uid], FlagAction.ADD, frozenset(f"k{number:02}" for number in range(26)))
    assert mailbox.keywords_full()
    with pytest.raises(TooManyKeywords):
        mailbox.change_flags([uid], FlagAction.REPLACE, frozenset({"\\Seen", "k26"}))
    assert len(mailbox.messages()[0].flags) == 26


def test_removing_an_unknown_keyword_needs_no_letter(store: Store) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    mailbox.change_flags([uid], FlagAction.ADD, frozenset(f"k{number:02}" for number in range(26)))
    assert len(mailbox.change_flags([uid], FlagAction.REMOVE, frozenset({"k26"}))[uid]) == 26


@pytest.mark.parametrize("keyword", ["a b", "a\nb", "", "é", "a(b", "x" * 201])
def test_what_is_no_keyword_is_refused(store: Store, keyword: str) -> None:
    mailbox = inbox(store)
    uid = append(mailbox)
    with pytest.raises(MailError):
        mailbox.change_flags([uid], FlagAction.ADD, frozenset({keyword}))
    assert mailbox.messages()[0].flags == frozenset()


def test_threads_that_add_different_flags_lose_none(store: Store) -> None:
    mailbox = inbox(store)
    for _ in range(5):
        append(mailbox)
    flags = ["\\Seen", "\\Flagged", "\\Draft", "\\Answered"]

    def work(flag: str) -> None:
        missing = [1, 2, 3, 4, 5]
        while missing:
            with contextlib.suppress(MailboxBusy):
                mailbox.change_flags(missing[:1], FlagAction.ADD, frozenset({flag}))
                del missing[0]

    threads = [threading.Thread(target=work, args=(flag,)) for flag in flags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message.flags for message in mailbox.messages()] == [frozenset(flags)] * 5


# Expunge, recent, status


def test_expunge_removes_what_is_there(store: Store) -> None:
    mailbox = inbox(store)
    for _ in range(3):
        append(mailbox)
    assert set(mailbox.expunge([1, 3, 9])) == {1, 3}
    assert set(mailbox.expunge([1])) == set()
    assert uids(mailbox) == [2]
    assert uids(inbox(store)) == [2]


def test_recent_is_told_once(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    assert set(mailbox.recent(claim=False)) == {1, 2}
    assert set(mailbox.recent(claim=True)) == {1, 2}
    assert set(mailbox.recent(claim=True)) == set()
    deliver(store)
    mailbox.refresh()
    assert set(mailbox.recent(claim=True)) == {3}
    assert content(mailbox, 3) == BODY


def test_status_counts(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    status = mailbox.status()
    assert (status.messages, status.unseen, status.recent, status.uid_next) == (2, 1, 2, 3)
    assert status.size == 2 * len(BODY)
    assert status.uid_validity == mailbox.uid_validity > 0
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert mailbox.status().unseen == 0


# Feeds


def test_every_session_is_told_what_changed(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    append(mailbox)
    feeds = [mailbox.feed(), inbox(store).feed()]
    mailbox.change_flags([2], FlagAction.ADD, SEEN)
    mailbox.expunge([1])
    deliver(store)
    mailbox.refresh()
    for feed in feeds:
        assert list(feed.take()) == [Expunged(1), Flagged(2, SEEN), Arrived(Message(3, frozenset(), len(BODY)))]
        assert list(feed.take()) == []


def test_a_feed_begins_with_what_is_there(store: Store) -> None:
    deliver(store)
    feed = inbox(store).feed()
    assert list(feed.take()) == []


def test_a_feed_goes_on_where_its_messages_end(store: Store) -> None:
    """What came between the two would be an arrival that is known, and its expunge never told."""
    mailbox = inbox(store)
    append(mailbox)
    feed = mailbox.feed()
    append(mailbox)
    mailbox.expunge([2])
    assert [message.uid for message in feed.messages] == [1]
    assert list(feed.take()) == []


def test_a_feed_tells_the_last_flags_once(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox)
    feed = mailbox.feed()
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    mailbox.change_flags([1], FlagAction.ADD, frozenset({"\\Flagged"}))
    mailbox.change_flags([1], FlagAction.REMOVE, SEEN)
    assert list(feed.take()) == [Flagged(1, frozenset({"\\Flagged"}))]


def test_what_did_not_change_is_not_told(store: Store) -> None:
    mailbox = inbox(store)
    append(mailbox, flags=SEEN)
    feed = mailbox.feed()
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert list(feed.take()) == []


def test_what_came_and_went_is_not_told(store: Store) -> None:
    mailbox = inbox(store)
    feed = mailbox.feed()
    append(mailbox)
    append(mailbox)
    mailbox.change_flags([1, 2], FlagAction.ADD, SEEN)
    mailbox.expunge([1])
    assert list(feed.take()) == [Arrived(Message(2, SEEN, len(BODY)))]


def test_a_closed_feed_collects_nothing(store: Store) -> None:
    mailbox = inbox(store)
    feed = mailbox.feed()
    feed.close()
    append(mailbox)
    assert list(feed.take()) == []


# Folders


def names(store: Store) -> list[str]:
    return [listed.name for listed in store.account(ALICE).mailboxes()]


def test_inbox_is_always_there(store: Store) -> None:
    account = store.account(ALICE)
    assert names(store) == [INBOX]
    assert account.open("inbox").name == INBOX
    with pytest.raises(MailboxNameError):
        account.delete("InBox")
    with pytest.raises(MailboxExists):
        account.create("inbox")


def test_parents_that_exist_only_by_name_are_not_selectable(store: Store) -> None:
    account = store.account(ALICE)
    account.create("Work/2024/May")
    account.create("Work/2024")
    listed = {entry.name: (entry.selectable, entry.children) for entry in account.mailboxes()}
    assert listed == {
        INBOX: (True, False),
        "Work": (False, True),
        "Work/2024": (True, True),
        "Work/2024/May": (True, False),
    }
    with pytest.raises(NoSuchMailbox):
        account.open("Work")


def test_mailboxes_come_in_the_order_of_their_levels(store: Store) -> None:
    account = store.account(ALICE)
    for name in ["b", "a-z", "a/b", "a"]:
        account.create(name)
    assert names(store) == [INBOX, "a", "a/b", "a-z", "b"]


def test_names_in_any_script(store: Store) -> None:
    account = store.account(ALICE)
    account.create("Entwürfe/日本 & co")
    assert names(store) == [INBOX, "Entwürfe", "Entwürfe/日本 & co"]
    assert account.open("Entwürfe/日本 & co").name == "Entwürfe/日本 & co"


def test_a_mailbox_is_made_once(store: Store) -> None:
    account = store.account(ALICE)
    account.create("a")
    with pytest.raises(MailboxExists):
        account.create("a")


def test_every_mailbox_has_a_uidvalidity_of_its_own(store: Store) -> None:
    account = store.account(ALICE)
    seen = {inbox(store).uid_validity}
    for _ in range(5):
        account.create("a")
        seen.add(account.open("a").uid_validity)
        account.delete("a")
    assert len(seen) == 6


def test_delete_leaves_what_lies_below(store: Store) -> None:
    account = store.account(ALICE)
    account.create("a")
    account.create("a/b")
    account.delete("a")
    assert [entry.selectable for entry in account.mailboxes()] == [True, False, True]
    with pytest.raises(NoSuchMailbox):
        account.delete("a")


def test_a_deleted_mailbox_is_gone_for_those_who_have_it_open(store: Store) -> None:
    account = store.account(ALICE)
    account.create("a")
    mailbox = account.open("a")
    account.delete("a")
    with pytest.raises(NoSuchMailbox):
        mailbox.refresh()
    with pytest.raises(NoSuchMailbox):
        append(mailbox)
    account.create("a")
    with pytest.raises(NoSuchMailbox):
        mailbox.refresh()
    assert not account.open("a").messages()


def test_rename_takes_all_below_and_keeps_uids(store: Store) -> None:
    account = store.account(ALICE)
    account.create("a")
    account.create("a/b")
    account.create("ab")
    validity = account.open("a/b").uid_validity
    append(account.open("a/b"), flags=frozenset({"$Work"}))
    account.rename("a", "z/y")
    assert names(store) == [INBOX, "ab", "z", "z/y", "z/y/b"]
    moved = account.open("z/y/b")
    assert (moved.uid_validity, uids(moved), moved.messages()[0].flags) == (validity, [1], frozenset({"$Work"}))
    assert content(moved, 1) == BODY


def test_rename_refuses_what_cannot_be(store: Store) -> None:
    account = store.account(ALICE)
    account.create("a")
    account.create("b")
    account.create("c/a")
    for old, new, error in [
        ("none", "x", NoSuchMailbox),
        ("a", "b", MailboxExists),
        ("a", INBOX, MailboxExists),
        ("a", "a/b", MailboxNameError),
        ("a", "../x", MailboxNameError),
    ]:
        with pytest.raises(error):
            account.rename(old, new)
    assert names(store) == [INBOX, "a", "b", "c", "c/a"]


def test_renaming_inbox_moves_its_messages(store: Store) -> None:
    deliver(store)
    mailbox = inbox(store)
    append(mailbox, flags=frozenset({"\\Seen", "$Work"}))
    feed = mailbox.feed()
    store.account(ALICE).rename(INBOX, "Old")
    assert names(store) == [INBOX, "Old"]
    assert list(feed.take()) == [Expunged(1), Expunged(2)]
    old = store.account(ALICE).open("Old")
    assert [message.flags for message in old.messages()] == [frozenset(), frozenset({"\\Seen", "$Work"})]
    assert content(old, 1) == BODY


BAD_NAMES = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "../x",
    "a/../../b",
    "/etc",
    "~root",
    "cur",
    "new",
    "tmp",
    "a/tmp",
    ".",
    "..",
    "a.b",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "\ud800",
    "x" * 300,
    "ü" * 120,
    "/".join("a" * 1000),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_attack_61_names_that_no_mailbox_can_have(store: Store, name: str) -> None:
    account = store.account(ALICE)
    account.create("good")
    for refused in (
        lambda: account.create(name),
        lambda: account.rename("good", name),
        lambda: account.delete(name),
        lambda: account.subscribe(name),
    ):
        with pytest.raises(MailboxNameError):
            refused()
    with pytest.raises(NoSuchMailbox):
        account.open(name)
    assert names(store) == [INBOX, "good"]


@pytest.mark.parametrize(
    "name",
    ["\N{LATIN SMALL LETTER DOTLESS I}nbox", "&AC4ALg-", "&AC8-", "&", "a&b", "&-", "Q&A", "a b", 'a"b', "a%b", "a*b"],
)
def test_attack_61_encoded_dots_and_slashes_are_only_letters(store: Store, name: str) -> None:
    account = store.account(ALICE)
    account.create(name)
    assert names(store) == [INBOX, name]


# Special use


def test_the_uses_of_mailboxes_are_kept_and_go_along_when_they_are_renamed(store: Store) -> None:
    account = store.account(ALICE)
    assert account.special_uses() is None
    account.create("Entwürfe/neu")
    account.create("Sent")
    account.assign_special_uses({"Entwürfe/neu": SpecialUse.DRAFTS, "Sent": SpecialUse.SENT, "None": SpecialUse.JUNK})
    account.rename("Entwürfe", "Drafts")
    account.delete("Sent")
    uses = {"Drafts/neu": SpecialUse.DRAFTS, "Sent": SpecialUse.SENT, "None": SpecialUse.JUNK}
    assert store.account(ALICE).special_uses() == uses
    account.assign_special_uses({})
    assert store.account(ALICE).special_uses() == {}
    with pytest.raises(MailboxNameError):
        account.assign_special_uses({"../x": SpecialUse.JUNK})


# Subscriptions


def test_subscriptions_are_kept(store: Store) -> None:
    account = store.account(ALICE)
    for name in ["INBOX", "Lists/日本", "gone"]:
        account.subscribe(name)
    account.subscribe("inbox")
    assert sorted(store.account(ALICE).subscriptions()) == ["INBOX", "Lists/日本", "gone"]
    account.subscribe("gone", False)
    account.subscribe("never", False)
    assert sorted(store.account(ALICE).subscriptions()) == ["INBOX", "Lists/日本"]


# Copying and moving


def archive(store: Store) -> Mailbox:
    account = store.account(ALICE)
    with contextlib.suppress(MailboxExists):
        account.create("Archive")
    return account.open("Archive")


def test_a_copy_has_text_flags_and_date_of_the_message(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(goal)
    first = append(source, flags=frozenset({"\\Seen", "work"}), internal_date=1e9)
    second = append(source, b"Subject: b\r\n\r\n", internal_date=2e9)
    assert source.copy([second, first], goal) == {first: 2, second: 3}
    flags = {message.uid: message.flags for message in goal.messages()}
    assert flags == {1: frozenset(), 2: frozenset({"\\Seen", "work"}), 3: frozenset()}
    assert (content(goal, 2), goal.internal_date(2)) == (BODY, 1e9)
    assert (content(goal, 3), goal.internal_date(3)) == (b"Subject: b\r\n\r\n", 2e9)
    assert uids(source) == [first, second]
    assert sorted(goal.recent(claim=False)) == [1, 2, 3]


def test_a_copy_within_one_mailbox_and_a_second_one(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source, flags=SEEN)
    assert source.copy([1], source) == {1: 2}
    assert source.copy([1, 2], goal) == {1: 1, 2: 2}
    assert source.copy([1, 2], goal) == {1: 3, 2: 4}
    again = store.account(ALICE).open("Archive")
    assert [content(again, uid) for uid in uids(again)] == [BODY] * 4
    assert {message.flags for message in again.messages()} == {SEEN}


def test_a_copy_that_was_removed_can_be_made_again(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    source.copy([1], goal)
    goal.expunge([1])
    assert source.copy([1], goal) == {1: 2}
    goal.refresh()
    assert uids(goal) == [2]


def test_what_is_gone_is_left_out_of_a_copy_or_keeps_all_from_being_made(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    append(source)
    source.expunge([1])
    with pytest.raises(MessageGone):
        source.copy([1, 2], goal, strict=True)
    assert uids(goal) == []
    assert source.copy([1, 2, 7], goal) == {2: 1}
    assert source.copy([1], goal) == {}


def test_nothing_is_copied_into_a_mailbox_that_was_removed(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(source)
    store.account(ALICE).delete("Archive")
    with pytest.raises(NoSuchMailbox):
        source.copy([1], goal)
    with pytest.raises(NoSuchMailbox):
        source.move([1], goal)
    assert uids(source) == [1]


def test_a_keyword_for_which_there_is_no_room_is_not_copied(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    append(goal, flags=frozenset(f"k{number}" for number in range(25)))
    append(source, flags=frozenset({"\\Flagged", "K3", "one", "two"}))
    source.copy([1], goal)
    assert goal.messages()[1].flags == {"\\Flagged", "k3", "one"}


def test_a_moved_message_is_in_the_other_mailbox_alone(store: Store) -> None:
    source, goal = inbox(store), archive(store)
    feed, other = source.feed(), goal.feed()
    append(source, flags=SEEN)
    append(source)
    feed.take()
    assert source.move([1, 9], goal) == {1: 1}
    assert (uids(source), uids(goal)) == ([2], [1])
    assert list(feed.take()) == [Expunged(1)]
    assert list(other.take()) == [Arrived(Message(1, SEEN, len(BODY)))]
    assert content(goal, 1) == BODY


def test_two_threads_that_move_in_opposite_directions_lose_nothing(store: Store) -> None:
    one, two = inbox(store), archive(store)
    append(one)

    def carry(source: Mailbox, goal: Mailbox) -> None:
        for _ in range(20):
            with contextlib.suppress(MailboxBusy):
                source.move([message.uid for message in source.messages()], goal)

    threads = [threading.Thread(target=carry, args=pair) for pair in [(one, two), (two, one)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content(mailbox, uid) for mailbox in (one, two) for uid in uids(mailbox)] == [BODY]


# Who waits for news


def test_a_change_wakes_each_feed_once_until_it_is_taken(store: Store) -> None:
    mailbox = inbox(store)
    woken: list[str] = []
    feed = mailbox.feed(lambda: woken.append("a"))
    other = mailbox.feed(lambda: woken.append("b"))
    append(mailbox)
    append(mailbox)
    assert sorted(woken) == ["a", "b"]
    feed.take()
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    assert sorted(woken) == ["a", "a", "b"]
    other.close()
    feed.take()
    mailbox.expunge([1])
    assert sorted(woken) == ["a", "a", "a", "b"]
    feed.take()
    mailbox.change_flags([2], FlagAction.REMOVE, SEEN)
    assert len(woken) == 4


def test_a_delivery_wakes_whoever_has_the_mailbox_open(store: Store) -> None:
    mailbox = inbox(store)
    woken: list[bool] = []
    feed = mailbox.feed(lambda: woken.append(True))
    deliver(store, Target(BOB))
    assert not woken
    deliver(store)
    assert woken == [True]
    mailbox.refresh()
    assert [type(change) for change in feed.take()] == [Arrived]
    assert woken == [True]
