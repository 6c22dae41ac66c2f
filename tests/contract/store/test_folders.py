"""An account's mailboxes and their names, in every store."""

from __future__ import annotations

import pytest

from mailbox_d.errors import MailboxExists, MailboxNameError, NoSuchMailbox
from mailbox_d.store.ports import INBOX, Expunged, Store
from tests.contract.store.mailboxes import ALICE, BODY, append, content, deliver, inbox, names, uids


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
