"""Coming back to a mailbox with what one knew of it (RFC 7162 section 3.2.5)."""

from __future__ import annotations

import time

import pytest

from mailbox_d.errors import MailboxBusy
from mailbox_d.imap.vanished import Vanished
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.ports import FlagAction
from mailbox_d.wire.imap.commands import SequenceMatch
from mailbox_d.wire.imap.sequence import SequenceSet
from tests.dialogues.imap_server import ANN, imap_connection, imap_service
from tests.dialogues.memory import Connection

SEEN = frozenset({r"\Seen"})
DELETED = frozenset({r"\Deleted"})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def mailbox(store: MemoryStore) -> MemoryMailbox:
    """Ten messages, with the mod-sequences 2 to 11."""
    mailbox = store.account(ANN).open("INBOX")
    for _ in range(10):
        mailbox.add(b"x")
    return mailbox


def logged_in(store: MemoryStore, *lines: bytes) -> Connection:
    connection = imap_connection(imap_service(store), secure=True)
    connection.connect()
    for line in (b"0 LOGIN ann@example.org secret", b"1 ENABLE QRESYNC", *lines):
        said(connection, line)
    return connection


def said(connection: Connection, line: bytes) -> list[bytes]:
    connection.send(line + b"\r\n")
    told: list[bytes] = connection.transport.take().splitlines()
    return told


def resynced(store: MemoryStore, mailbox: MemoryMailbox, known: bytes) -> list[bytes]:
    """What a client is told behind what every SELECT tells."""
    told = said(logged_in(store), b"s SELECT INBOX (QRESYNC (%d %b))" % (mailbox.uid_validity, known))
    at = next(index for index, line in enumerate(told) if b"HIGHESTMODSEQ" in line)
    assert told[-1] == b"s OK [READ-WRITE] SELECT completed"
    return told[at + 1 : -1]


def test_what_happened_since_is_told(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    mailbox.change_flags([4], FlagAction.ADD, SEEN)
    mailbox.expunge([2, 3, 7])
    mailbox.add(b"x")
    assert resynced(store, mailbox, b"11") == [
        b"* VANISHED (EARLIER) 2:3,7",
        b"* 2 FETCH (UID 4 FLAGS (\\Recent \\Seen) MODSEQ (12))",
        b"* 8 FETCH (UID 11 FLAGS (\\Recent) MODSEQ (14))",
    ]
    assert resynced(store, mailbox, b"13") == [b"* 8 FETCH (UID 11 FLAGS () MODSEQ (14))"]
    assert resynced(store, mailbox, b"14") == []


def test_of_known_uids_alone(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    mailbox.change_flags([1, 4], FlagAction.ADD, SEEN)
    mailbox.expunge([2, 3, 7])
    mailbox.add(b"x")
    assert resynced(store, mailbox, b"11 3:5,7:9") == [
        b"* VANISHED (EARLIER) 3,7",
        b"* 2 FETCH (UID 4 FLAGS (\\Recent \\Seen) MODSEQ (12))",
    ]


@pytest.mark.parametrize("number", [b"0", b"99", b"9223372036854775807"])
def test_who_names_a_number_that_was_never_told_is_told_all(
    store: MemoryStore, mailbox: MemoryMailbox, number: bytes
) -> None:
    mailbox.expunge(range(1, 10))
    assert resynced(store, mailbox, number + b" 2:4294967295") == [
        b"* VANISHED (EARLIER) 2:9",
        b"* 1 FETCH (UID 10 FLAGS (\\Recent) MODSEQ (11))",
    ]


def test_sequence_match_data_spare_what_is_confirmed(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    """Where it is not known when messages went (RFC 7162 section 3.2.5.2)."""
    mailbox.expunge([1, 2, 6, 8])
    told = resynced(store, mailbox, b"99 1:10 (1,3:4 3,5,7)")
    assert told[0] == b"* VANISHED (EARLIER) 8"
    assert resynced(store, mailbox, b"99 1:10 (1,3:4 4,5:6)")[0] == b"* VANISHED (EARLIER) 6,8"
    assert resynced(store, mailbox, b"99 1:10 (900:901 4:5)")[0] == b"* VANISHED (EARLIER) 1:2,6,8"
    assert resynced(store, mailbox, b"99 (1:2 3:4)")[0] == b"* VANISHED (EARLIER) 6,8"


def test_an_empty_mailbox_has_nothing_to_tell(store: MemoryStore) -> None:
    mailbox = store.account(ANN).open("INBOX")
    assert resynced(store, mailbox, b"99") == []
    assert resynced(store, mailbox, b"1 1:500") == []


def test_what_came_since_the_client_was_told_is_not_gone(mailbox: MemoryMailbox) -> None:
    assert Vanished(0, range(1, 9)).ranges(mailbox) == []
    mailbox.expunge([3])
    assert Vanished(0, (1, 2, 4)).ranges(mailbox) == [(3, 3)]
    assert Vanished(11, (1, 2, 3)).ranges(mailbox) == []


def test_attack_69_many_ranges_and_uids_cost_little(mailbox: MemoryMailbox) -> None:
    ranges = tuple((uid, uid) for uid in range(1, 2_000_000, 2))
    everything = SequenceSet(((1, 4294967295),))
    before = time.process_time()
    assert Vanished(0, range(1, 11), SequenceSet(ranges)).ranges(mailbox) == []
    assert Vanished(0, range(1, 11), match=SequenceMatch(everything, everything)).ranges(mailbox) == []
    assert Vanished(0, range(2, 1_000_002, 2), everything).ranges(mailbox) == []
    assert time.process_time() - before < 60


def test_messages_gone_in_another_session_are_told_by_uid(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.expunge([2, 3, 9])
    assert said(connection, b"a FETCH 1 UID") == [b"* 1 FETCH (UID 1)", b"a OK FETCH completed"]
    assert said(connection, b"b NOOP") == [b"* VANISHED 2:3,9", b"b OK NOOP completed"]


def test_nobody_is_told_that_messages_went_which_they_never_heard_of(
    store: MemoryStore, mailbox: MemoryMailbox
) -> None:
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.expunge([mailbox.add(b"x")])
    assert said(connection, b"b NOOP") == [b"b OK NOOP completed"]


def test_a_client_knows_how_far_it_knows_all_while_a_removal_is_held_back(
    store: MemoryStore, mailbox: MemoryMailbox
) -> None:
    """RFC 7162 sections 3.2 and 6: a number told in FETCH is above that of a removal that may not be told yet."""
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.expunge([2])
    assert said(connection, b"a STORE 1 +FLAGS.SILENT (\\Seen)") == [
        b"* 1 FETCH (UID 1 MODSEQ (13))",
        b"* OK [HIGHESTMODSEQ 11] Highest mod-sequence",
        b"a OK STORE completed",
    ]
    assert said(connection, b"b FETCH 1 UID") == [b"* 1 FETCH (UID 1)", b"b OK FETCH completed"]
    assert said(connection, b"c FETCH 1 MODSEQ")[1:2] == [b"* OK [HIGHESTMODSEQ 11] Highest mod-sequence"]
    assert said(connection, b"d NOOP") == [
        b"* VANISHED 2",
        b"* OK [HIGHESTMODSEQ 13] Highest mod-sequence",
        b"d OK NOOP completed",
    ]
    assert said(connection, b"e NOOP") == [b"e OK NOOP completed"]


def test_uid_search_by_number_keeps_the_numbers(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.expunge([2])
    assert said(connection, b"a UID SEARCH NOT (SEEN 1:5)")[-1:] == [b"a OK SEARCH completed"]
    assert b"* VANISHED 2" in said(connection, b"b UID SEARCH UID 1:5")


def test_news_that_cannot_be_had_hold_the_number_back(
    store: MemoryStore, mailbox: MemoryMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.change_flags([5], FlagAction.ADD, SEEN)

    def busy(mailbox: MemoryMailbox, **options: object) -> None:
        raise MailboxBusy("busy")

    change_flags = MemoryMailbox.change_flags

    def changed(mailbox: MemoryMailbox, *args, **options):  # type: ignore[no-untyped-def]
        now = change_flags(mailbox, *args, **options)
        for look in ("refresh", "recent"):
            monkeypatch.setattr(MemoryMailbox, look, busy)
        return now

    monkeypatch.setattr(MemoryMailbox, "change_flags", changed)
    assert said(connection, b"a STORE 1 +FLAGS.SILENT (\\Seen)") == [
        b"* 1 FETCH (UID 1 MODSEQ (13))",
        b"* OK [HIGHESTMODSEQ 11] Highest mod-sequence",
        b"a OK STORE completed",
    ]


def test_some_are_gone_and_some_have_changed(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    """RFC 7162 section 3.1.3, example 11."""
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.change_flags([2], FlagAction.ADD, DELETED)
    mailbox.expunge([4])
    assert said(connection, b"a STORE 1:4 (UNCHANGEDSINCE 11) +FLAGS.SILENT (\\Seen)") == [
        b"* 1 FETCH (UID 1 MODSEQ (14))",
        b"* 3 FETCH (UID 3 MODSEQ (14))",
        b"* 2 FETCH (UID 2 FLAGS (\\Deleted \\Recent) MODSEQ (12))",
        b"* OK [HIGHESTMODSEQ 12] Highest mod-sequence",
        b"a NO [MODIFIED 2] Some of these messages are gone",
    ]


def test_flags_that_were_numbered_anew_are_not_told_but_known(store: MemoryStore, mailbox: MemoryMailbox) -> None:
    connection = logged_in(store, b"s SELECT INBOX")
    mailbox.change_flags([1], FlagAction.ADD, SEEN)
    mailbox.change_flags([1], FlagAction.REMOVE, SEEN)
    assert said(connection, b"a NOOP") == [b"a OK NOOP completed"]
    assert said(connection, b"b FETCH 1 MODSEQ")[0] == b"* 1 FETCH (MODSEQ (13))"
