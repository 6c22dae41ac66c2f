"""LIST and LSUB over many mailboxes, and beside what goes wrong."""

from __future__ import annotations

import pytest
from twisted.logger import capturedLogs, formatEvent

from mailbox_d.errors import StorageFault
from mailbox_d.imap.account import Folders
from mailbox_d.imap.listing import Listing
from mailbox_d.imap.server import IMAPServer
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store.memory import MemoryAccount, MemoryStore
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.names import tree
from mailbox_d.store.ports import SpecialUse
from mailbox_d.wire.imap.listing import List, ListSelection
from mailbox_d.wire.imap.patterns import MailboxPattern
from tests.dialogues.imap_server import ANN, filled_store
from tests.unit.imap.talking import logged_in, said

DEEP = ["/".join(["a"] * depth) for depth in range(1, 31)]


def deep_store() -> MemoryStore:
    store = MemoryStore()
    for name in DEEP:
        store.account(ANN).create(name)
        store.account(ANN).subscribe(name)
    return store


def test_attack_62_each_name_is_held_once_against_a_pattern_of_wildcards(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []
    matches = MailboxPattern.matches

    def counted(pattern: MailboxPattern, name: str) -> bool:
        held.append(name)
        return matches(pattern, name)

    monkeypatch.setattr(MailboxPattern, "matches", counted)
    connection = logged_in(deep_store())
    assert said(connection, b'b LIST "" "' + b"*%" * 900 + b'"')[-1] == b"b OK LIST completed"
    assert sorted(held) == sorted(["INBOX", *DEEP])
    assert len(said(connection, b'c LIST "" "' + b"*%/" * 30 + b'"')) == 1


def test_attack_62_patterns_together_have_a_longest() -> None:
    connection = logged_in(deep_store())
    patterns = b" ".join([b"a" * 100] * 21)
    assert said(connection, b'b LIST "" (' + patterns + b")") == [b"b NO [CANNOT] The pattern is too long"]
    assert said(connection, b'c LSUB "" ' + b"*a" * 1001) == [b"c NO [CANNOT] The pattern is too long"]


@pytest.mark.parametrize("command", [b'LIST "" *', b'LSUB "" *', b'LIST "" (a* INBOX) RETURN (STATUS (MESSAGES))'])
def test_many_names_are_told_in_slices(command: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    give_way = IMAPServer.give_way

    async def counted(server: IMAPServer) -> None:
        turns.append(1)
        await give_way(server)

    whole = said(logged_in(deep_store()), b"b " + command)
    monkeypatch.setattr(IMAPServer, "give_way", counted)
    assert said(logged_in(deep_store(), IMAPLimits(names_a_slice=10)), b"b " + command) == whole
    assert len(turns) >= 3


def test_figures_that_cannot_be_had_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = logged_in(filled_store())

    def fail(mailbox: MemoryMailbox) -> None:
        raise StorageFault("I/O error")

    monkeypatch.setattr(MemoryMailbox, "refresh", fail)
    assert said(connection, b'b LIST "" INBOX RETURN (STATUS (MESSAGES))') == [
        b'* LIST (\\HasNoChildren) "/" INBOX',
        b"b OK LIST completed",
    ]


@pytest.mark.parametrize(
    "command", [b'LIST "" INBOX RETURN (STATUS (MESSAGES))', b"STATUS INBOX (MESSAGES)", b"SELECT INBOX"]
)
def test_attack_67_what_the_disk_says_stays_on_its_line_of_the_log(
    command: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = logged_in(filled_store())

    def fail(mailbox: MemoryMailbox) -> None:
        raise StorageFault("I/O error", cause="No such file: 'a\nINFO all is well'")

    monkeypatch.setattr(MemoryMailbox, "refresh", fail)
    with capturedLogs() as events:
        said(connection, b"b " + command)
    [line] = filter(None, map(formatEvent, events))
    assert "INFO" in line
    assert "\n" not in line


@pytest.mark.parametrize("command", [b'LSUB "" *', b'LIST (SUBSCRIBED) "" *', b'LIST "" * RETURN (SUBSCRIBED)'])
@pytest.mark.parametrize("enabled", [b"", b"UTF8=ACCEPT"])
def test_attack_67_what_another_program_subscribed_to_is_told_if_it_is_a_name(
    command: bytes, enabled: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed = ["a\r\n* BYE", "a\0b", "ü\u2028", "INBOX"]
    monkeypatch.setattr(MemoryAccount, "subscriptions", lambda account: subscribed)
    connection = logged_in(filled_store())
    said(connection, b"e ENABLE X " + enabled)
    told = said(connection, b"b " + command)
    assert b"".join(told).count(b"INBOX") == 1
    assert {line for line in told if b"INBOX" not in line} <= {
        b'* LIST (\\HasChildren \\Noselect \\NonExistent) "/" Archive',
        b'* LIST (\\HasNoChildren) "/" Archive/2024',
        b"b OK LIST completed",
        b"b OK LSUB completed",
    }


def test_recursive_matching_looks_below_names_that_do_not_exist() -> None:
    folders = Folders(tree(["Work"]), ["gone/a/b", "Work"])
    command = List("", ("%",), frozenset({ListSelection.SUBSCRIBED, ListSelection.RECURSIVEMATCH}), extended=True)
    listing = Listing(folders, command)
    assert list(listing.names) == ["Work", "gone", "gone/a", "gone/a/b"]
    assert listing.find("gone").below == (b"SUBSCRIBED",)
    assert not listing.find("gone").chosen
    assert listing.find("Work").below == ()


def test_a_name_that_is_above_others_alone_is_told_only_if_one_of_them_is_not() -> None:
    folders = Folders(tree(["Work"]), ["gone/a/b", "gone/c", "Work/x"])
    command = List("", ("*",), frozenset({ListSelection.SUBSCRIBED, ListSelection.RECURSIVEMATCH}), extended=True)
    listing = Listing(folders, command)
    everything = ["Work", "Work/x", "gone", "gone/a", "gone/a/b", "gone/c"]
    assert sorted(listing.names) == everything
    assert listing.told(dict.fromkeys(everything)) == ["Work/x", "gone/a/b", "gone/c"]
    assert listing.told(dict.fromkeys(["Work", "gone", "gone/a", "gone/c"])) == ["Work", "gone", "gone/a", "gone/c"]
    assert listing.told(dict.fromkeys(["gone", "gone/a/b"])) == ["gone", "gone/a/b"]


def test_a_mailbox_whose_use_cannot_be_kept_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(account: MemoryAccount, name: str, use: SpecialUse) -> None:
        raise StorageFault("Not written")

    monkeypatch.setattr(MemoryAccount, "assign_special_use", fail)
    connection = logged_in(filled_store())
    assert said(connection, b"b CREATE a (USE (\\Sent))") == [b"b NO [UNAVAILABLE] Not written"]
    assert said(connection, b'c LIST "" a') == [b"c OK LIST completed"]


def test_a_mailbox_above_that_exists_already_is_no_fault() -> None:
    store = filled_store()
    account: MemoryAccount = store.account(ANN)
    account.create("a")
    assert said(logged_in(store), b"b CREATE a/b/c") == [b"b OK CREATE completed"]
    assert [listed.name for listed in account.mailboxes() if listed.selectable] == [
        "INBOX",
        "Archive/2024",
        "a",
        "a/b",
        "a/b/c",
    ]
