"""A Maildir that other programs work on, and what may lie in it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy, MessageGone, NoSuchMailbox, StorageFault
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.dotlock import LockTimes
from mailbox_d.store.files import FileSystem
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.marks import LookTimes
from mailbox_d.store.ports import (
    INBOX,
    Arrived,
    Block,
    Expunged,
    FlagAction,
    Flagged,
    Message,
    Receipt,
    Refusal,
    Target,
)
from tests.contract.store.mailboxes import told

ALICE = EmailAddress.parse("alice@example.org")
SEEN = frozenset({"\\Seen"})
ALWAYS_LOOK = StoreSettings(looks=LookTimes(doubtful=1e9, again=0))
"""A directory is read again at every refresh: tests change it faster than its time moves."""


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    path = tmp_path / "example.org/alice/Maildir"
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


@pytest.fixture
def store(tmp_path: Path) -> MaildirStore:
    return MaildirStore(tmp_path, settings=ALWAYS_LOOK)


def fresh(tmp_path: Path) -> MaildirMailbox:
    """The mailbox as another process would see it."""
    return MaildirStore(tmp_path, settings=ALWAYS_LOOK).account(ALICE).open(INBOX)


def inbox(store: MaildirStore) -> MaildirMailbox:
    return store.account(ALICE).open(INBOX)


def put(maildir: Path, name: str, body: bytes = b"a\nb\n", part: str = "cur") -> Path:
    path = maildir / part / name
    path.write_bytes(body)
    return path


def uidlist(maildir: Path) -> list[str]:
    return os.fsdecode((maildir / "dovecot-uidlist").read_bytes()).splitlines()


def write_uidlist(maildir: Path, *lines: str, header: str = "3 V1700000000 N1 G" + "ab" * 16, end: str = "\n") -> None:
    (maildir / "dovecot-uidlist").write_text("\n".join([header, *lines]) + end)


def listed(mailbox: MaildirMailbox) -> dict[int, bytes]:
    def read(uid: int) -> bytes:
        reader = mailbox.read(uid)
        try:
            return reader.read(0, 100_000)
        finally:
            reader.close()

    return {message.uid: read(message.uid) for message in mailbox.messages()}


# What lies on disk


def test_files_without_uid_are_listed_in_the_order_of_their_names(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "30.M1.h:2,S", b"3\n")
    put(maildir, "9.M2.h", b"1\n", "new")
    put(maildir, "9.M10.h:2,", b"2\n")
    assert listed(inbox(store)) == {1: b"1\r\n", 2: b"2\r\n", 3: b"3\r\n"}
    assert uidlist(maildir)[1:] == ["1 :9.M2.h", "2 :9.M10.h", "3 :30.M1.h"]


def test_a_file_is_served_with_crlf_and_its_size_is_that(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "1.h", b"a\nb\r\nc\rd")
    mailbox = inbox(store)
    assert listed(mailbox) == {1: b"a\r\nb\r\nc\rd"}
    assert mailbox.messages()[0].size == 9


def test_a_name_that_lies_about_sizes_does_not_make_the_reader_lie(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "1.h,S=3,W=400", b"a\nb\n")
    put(maildir, "2.h,S=999999,W=999999", b"a\n" * 70_000)
    mailbox = inbox(store)
    for uid, size in ((1, 6), (2, 210_000)):
        reader = mailbox.read(uid)
        assert reader.size == size == len(reader.read(0, 10**6))
        reader.close()


def test_a_wrong_wire_size_of_a_large_file_is_a_fault_and_no_short_message(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "2.h,S=140000,W=210001", b"a\n" * 70_000)
    reader = inbox(store).read(1)
    with pytest.raises(StorageFault):
        reader.read(0, 10**6)
    reader.close()


def test_a_file_that_shrinks_while_it_is_read_is_a_fault(maildir: Path, store: MaildirStore) -> None:
    path = put(maildir, "2.h,S=140000,W=210000", b"a\n" * 70_000)
    reader = inbox(store).read(1)
    os.truncate(path, 100_000)
    with pytest.raises(StorageFault):
        reader.read(0, 10**6)
    reader.close()


def test_when_a_message_came_is_looked_up_once(maildir: Path, store: MaildirStore) -> None:
    path = put(maildir, "1.a:2,")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    mailbox = inbox(store)
    mailbox.refresh()
    assert mailbox.internal_date(1) == 1_000_000_000
    os.utime(path, (1_100_000_000, 1_100_000_000))
    assert mailbox.internal_date(1) == 1_000_000_000
    mailbox.expunge([1])
    with pytest.raises(MessageGone):
        mailbox.internal_date(1)


def test_files_are_the_owner_s_alone(maildir: Path, store: MaildirStore, tmp_path: Path) -> None:
    other = EmailAddress.parse("new@example.org")
    delivery = store.deliver([Block(b"", (Target(other),))])
    delivery.write(b"a\r\n")
    delivery.commit(all_or_nothing=True)
    store.account(other).create("Folder")
    store.account(other).open(INBOX).append().commit(all_or_nothing=True)
    for path in (tmp_path / "example.org/new").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) in (0o700, 0o600, 0o444), path


def test_lf_or_crlf_on_disk_with_both_sizes_in_the_name(tmp_path: Path) -> None:
    for newline, content, sizes in (("lf", b"a\nb\n", "S=4,W=6"), ("crlf", b"a\r\nb\r\n", "S=6,W=6")):
        store = MaildirStore(tmp_path / newline, newline=newline)
        delivery = store.deliver([Block(b"", (Target(ALICE),))])
        delivery.write(b"a\r\nb\r\n")
        (receipt,) = delivery.commit(all_or_nothing=True)
        assert isinstance(receipt, Receipt)
        path = tmp_path / newline / "example.org/alice/Maildir/new" / receipt.name
        assert path.read_bytes() == content
        assert receipt.name.endswith(sizes)


def test_the_copies_of_a_block_are_one_file(tmp_path: Path, store: MaildirStore) -> None:
    people = [EmailAddress.parse(f"u{number}@example.org") for number in range(3)]
    delivery = store.deliver([Block(b"", tuple(map(Target, people)))])
    delivery.write(b"x\r\n")
    delivery.commit(all_or_nothing=True)
    files = list(tmp_path.glob("example.org/*/Maildir/new/*"))
    assert len(files) == 3
    assert len({path.stat().st_ino for path in files}) == 1


# Attack 121: what is no message


def test_attack_121_links_pipes_and_folders_are_never_messages(
    maildir: Path, store: MaildirStore, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    (maildir / "cur/1.link:2,").symlink_to(secret)
    (maildir / "new/2.link").symlink_to(secret)
    (maildir / "new/3.dangling").symlink_to("nowhere")
    (maildir / "cur/4.folder:2,").mkdir()
    os.mkfifo(maildir / "new/5.pipe")
    put(maildir, "6.good", part="new")
    mailbox = inbox(store)
    assert list(listed(mailbox)) == [1]
    mailbox.recent(claim=True)
    assert (maildir / "new/5.pipe").is_fifo()


def test_attack_121_a_message_replaced_by_a_link_or_pipe_is_not_read(
    maildir: Path, store: MaildirStore, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    path = put(maildir, "1.h:2,")
    mailbox = inbox(store)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(StorageFault):
        mailbox.read(1)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StorageFault):
        mailbox.read(1)


@pytest.mark.parametrize("part", ["new", "tmp", "cur"])
def test_attack_121_a_part_of_the_maildir_that_is_a_link_is_not_followed(
    maildir: Path, store: MaildirStore, tmp_path: Path, part: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (maildir / part).rmdir()
    (maildir / part).symlink_to(elsewhere)
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(b"x\r\n")
    (outcome,) = delivery.commit(all_or_nothing=False)
    assert isinstance(outcome, Refusal) and isinstance(outcome.error, StorageFault)
    with pytest.raises(StorageFault):
        inbox(store)
    assert list(elsewhere.iterdir()) == []


def test_attack_121_odd_names_are_served_or_passed_over(maildir: Path, store: MaildirStore) -> None:
    good = {b"1.h:2,\xff", b"2.\xff\xfe", b"3.h:2,SSSS,,??", b"4." + b"x" * 253, b"5.h:9,what", b"6 with spaces"}
    bad = {b".hidden", b"7.\n8 :x", b"8.\r", b":2,S"}
    for name in good | bad:
        Path(os.fsdecode(bytes(maildir / "cur") + b"/" + name)).write_bytes(name)
    mailbox = inbox(store)
    assert len(mailbox.messages()) == len(good)
    mailbox.change_flags(range(1, 7), FlagAction.ADD, SEEN)
    mailbox.change_flags(range(1, 7), FlagAction.REMOVE, SEEN)
    mailbox.recent(claim=True)
    assert set(listed(mailbox)) == {1, 2, 3, 4, 5, 6}
    assert len(uidlist(maildir)) == 1 + len(good)
    mailbox.expunge(range(1, 7))
    assert {os.fsencode(path.name) for path in (maildir / "cur").iterdir()} == bad


def test_unknown_letters_are_kept(maildir: Path, store: MaildirStore, tmp_path: Path) -> None:
    put(maildir, "1.h:2,PSXq")
    mailbox = inbox(store)
    assert mailbox.messages()[0].flags == SEEN
    mailbox.change_flags([1], FlagAction.REPLACE, frozenset({"\\Flagged", "Work"}))
    assert [path.name for path in (maildir / "cur").iterdir()] == ["1.h:2,FPXqr"]
    assert (maildir / "dovecot-keywords").read_text() == "17 Work\n"
    assert fresh(tmp_path).messages()[0].flags == {"\\Flagged", "Work"}


def test_two_files_of_one_name_lose_neither(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "1.h:2,", b"one\n")
    put(maildir, "1.h:2,S", b"two\n")
    mailbox = inbox(store)
    assert len(mailbox.messages()) == 1
    mailbox.change_flags([1], FlagAction.REPLACE, SEEN)
    mailbox.change_flags([1], FlagAction.REPLACE, frozenset())
    assert {path.read_bytes() for path in (maildir / "cur").iterdir()} == {b"one\n", b"two\n"}


# The uidlist


def test_names_for_pop3_clients_are_those_of_the_list(maildir: Path, store: MaildirStore) -> None:
    for name in ("1.a", "2.b", "3.c"):
        (maildir / "cur" / f"{name}:2,").write_bytes(b"x")
    write_uidlist(maildir, "7 :1.a", "9 Pold-2 S1 :2.b", "10 W1 P :3.c", "11 Pgone :4.d")
    mailbox = inbox(store)
    mailbox.refresh()
    assert mailbox.unique_ids() == {9: b"old-2", 10: b"3.c"}


def test_uids_of_another_program_s_list_are_kept(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "1.a:2,S")
    put(maildir, "2.b", part="new")
    write_uidlist(maildir, "7 :1.a", "9 P3 :2.b")
    mailbox = inbox(store)
    assert list(listed(mailbox)) == [7, 9]
    assert (mailbox.uid_validity, mailbox.status().uid_next) == (1_700_000_000, 10)


def test_the_next_uid_is_above_the_header_and_every_line(maildir: Path, store: MaildirStore) -> None:
    write_uidlist(maildir, "7 :1.gone", header="3 V1700000000 N40")
    assert inbox(store).status().uid_next == 40
    put(maildir, "5.h")
    mailbox = inbox(store)
    mailbox.refresh()
    assert list(listed(mailbox)) == [40]


def test_sizes_in_the_list_are_used(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "1.a:2,")
    write_uidlist(maildir, "7 S4 W6 :1.a")
    assert [message[:3] for message in inbox(store).messages()] == [(7, frozenset(), 6)]


def test_a_torn_line_is_never_glued_to_the_next(maildir: Path, store: MaildirStore, tmp_path: Path) -> None:
    for name in ("1.a", "2.b", "3.c"):
        put(maildir, f"{name}:2,")
    write_uidlist(maildir, "1 G1f :1.a", "2 :2.b", "3 :3.", end="")
    assert list(listed(inbox(store))) == [1, 2, 3]
    assert uidlist(maildir)[1:] == ["1 G1f :1.a", "2 :2.b", "3 :3.c"]
    assert list(listed(fresh(tmp_path))) == [1, 2, 3]


def test_attack_123_a_damaged_list_is_mended_and_no_trusted_uid_changes(
    maildir: Path, store: MaildirStore, tmp_path: Path
) -> None:
    for name in ("1.a", "2.b", "3.c", "4.d"):
        put(maildir, f"{name}:2,")
    write_uidlist(
        maildir, "10 P1 Zx :1.a", "junk", "20 :2.b", "4294967294 :3.c", "20 :4.d", "21 :4.d", "30 :../../etc/passwd"
    )
    mailbox = inbox(store)
    assert set(listed(mailbox)) == {10, 20, 21, 22}
    assert uidlist(maildir)[1].startswith("10 P1 Zx :1.a")
    before = listed(mailbox)
    assert listed(fresh(tmp_path)) == before


@pytest.mark.parametrize("extension", ["", "S4 "], ids=["plain lines", "with extensions"])
def test_attack_123_a_name_listed_twice_leaves_the_uids_ascending(
    maildir: Path, store: MaildirStore, extension: str
) -> None:
    for name in ("a", "b"):
        put(maildir, f"{name},S=4,W=6:2,")
    write_uidlist(maildir, f"1 {extension}:a,S=4,W=6", "5 :b,S=4,W=6", "6 :a,S=4,W=6")
    assert [message.uid for message in inbox(store).messages()] == [5, 6]


def test_used_up_uids_begin_anew_under_another_uidvalidity(maildir: Path, store: MaildirStore, tmp_path: Path) -> None:
    put(maildir, "1.a:2,")
    put(maildir, "2.b:2,")
    write_uidlist(maildir, "4294967294 :1.a")
    mailbox = inbox(store)
    assert list(listed(mailbox)) == [1, 2]
    assert mailbox.uid_validity != 1_700_000_000
    assert fresh(tmp_path).uid_validity == mailbox.uid_validity


def test_fault_19_a_lost_list_gives_another_uidvalidity_and_all_messages(maildir: Path, tmp_path: Path) -> None:
    put(maildir, "1.a:2,")
    before = fresh(tmp_path).uid_validity
    (maildir / "dovecot-uidlist").unlink()
    mailbox = fresh(tmp_path)
    assert mailbox.uid_validity != before
    assert list(listed(mailbox)) == [1]


def test_fault_18_a_list_lost_under_an_open_session_is_written_again(
    maildir: Path, store: MaildirStore, tmp_path: Path
) -> None:
    put(maildir, "1.a:2,")
    write_uidlist(maildir, "7 :1.a")
    mailbox = inbox(store)
    (maildir / "dovecot-uidlist").unlink()
    mailbox.refresh()
    assert list(listed(mailbox)) == [7]
    again = fresh(tmp_path)
    assert (again.uid_validity, list(listed(again))) == (1_700_000_000, [7])


def test_lines_of_removed_messages_are_swept_out(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "90.a:2,")
    write_uidlist(maildir, *(f"{uid} :{uid}.gone" for uid in range(1, 90)), "90 Px :90.a")
    inbox(store)
    assert uidlist(maildir)[1:] == ["90 Px :90.a"]
    assert " N91 " in uidlist(maildir)[0]


def test_every_appended_line_is_whole_and_dovecot_s(maildir: Path, store: MaildirStore) -> None:
    mailbox = inbox(store)
    inode = (maildir / "dovecot-uidlist").stat().st_ino
    names = []
    for _ in range(3):
        (receipt,) = mailbox.append(flags=SEEN).commit(all_or_nothing=True)
        names.append(receipt.name)  # type: ignore[union-attr]
    assert uidlist(maildir)[1:] == [f"{uid} :{name}" for uid, name in enumerate(names, 1)]
    assert (maildir / "dovecot-uidlist").stat().st_ino == inode


# Other programs at work under an open session


@pytest.fixture
def shared(maildir: Path, store: MaildirStore) -> Iterator[tuple[Path, MaildirMailbox]]:
    for name in ("1.a", "2.b", "3.c"):
        put(maildir, f"{name},S=4,W=6:2,", name.encode() + b"\n"[:1])
    write_uidlist(maildir, "1 :1.a,S=4,W=6", "2 :2.b,S=4,W=6", "3 :3.c,S=4,W=6")
    yield maildir, inbox(store)


def test_fault_20_renamed_removed_and_added_files_are_told(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    feed = mailbox.feed()
    (maildir / "cur/1.a,S=4,W=6:2,").rename(maildir / "cur/1.a,S=4,W=6:2,FS")
    (maildir / "cur/2.b,S=4,W=6:2,").unlink()
    put(maildir, "9.x,S=4,W=6", part="new")
    mailbox.refresh()
    assert told(feed) == [
        Expunged(2),
        Flagged(1, frozenset({"\\Flagged", "\\Seen"})),
        Arrived(Message(4, frozenset(), 6)),
    ]


def test_fault_20_a_moved_message_is_read_where_it_went(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    feed = mailbox.feed()
    (maildir / "cur/1.a,S=4,W=6:2,").rename(maildir / "cur/1.a,S=4,W=6:2,S")
    assert listed(mailbox)[1] == b"1.a\r\n"
    assert list(feed.take()) == [Flagged(1, SEEN)]


def test_fault_20_a_removed_message_is_gone_and_never_another(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    (maildir / "cur/1.a,S=4,W=6:2,").unlink()
    put(maildir, "0.new,S=4,W=6:2,", b"new\n")
    with pytest.raises(MessageGone):
        mailbox.read(1)
    assert listed(mailbox) == {2: b"2.b\r\n", 3: b"3.c\r\n", 4: b"new\r\n"}


def test_fault_20_flags_change_and_expunge_what_another_program_renamed(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    mailbox.refresh()
    (maildir / "cur/1.a,S=4,W=6:2,").rename(maildir / "cur/1.a,S=4,W=6:2,F")
    (maildir / "cur/2.b,S=4,W=6:2,").rename(maildir / "cur/2.b,S=4,W=6:2,F")
    assert mailbox.change_flags([1], FlagAction.ADD, SEEN)[1].flags == {"\\Seen", "\\Flagged"}
    assert set(mailbox.expunge([2])) == {2}
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == ["1.a,S=4,W=6:2,FS", "3.c,S=4,W=6:2,"]


def test_a_message_that_came_back_gets_another_uid(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    path = maildir / "cur/1.a,S=4,W=6:2,"
    path.rename(maildir / "saved")
    mailbox.refresh()
    (maildir / "saved").rename(path)
    mailbox.refresh()
    assert list(listed(mailbox)) == [2, 3, 4]


@pytest.mark.parametrize("reopened", [False, True])
def test_a_message_that_came_back_stands_once_in_the_list(
    shared: tuple[Path, MaildirMailbox], tmp_path: Path, reopened: bool
) -> None:
    """Dovecot complains of a name that stands there twice."""
    maildir, mailbox = shared
    path = maildir / "cur/1.a,S=4,W=6:2,"
    path.rename(maildir / "saved")
    mailbox.refresh()
    if reopened:
        mailbox = MaildirStore(tmp_path).account(ALICE).open(INBOX)
    (maildir / "saved").rename(path)
    mailbox.refresh()
    assert (maildir / "dovecot-uidlist").read_text().count("1.a,S=4,W=6") == 1


def test_lines_appended_by_another_program_give_their_uids(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    put(maildir, "9.x,S=4,W=6:2,S")
    with (maildir / "dovecot-uidlist").open("a") as file:
        file.write("17 :9.x,S=4,W=6\n")
    mailbox.refresh()
    assert [message.uid for message in mailbox.messages()] == [1, 2, 3, 17]
    assert mailbox.status().uid_next == 18


def test_a_list_that_another_program_rewrote_is_taken_over(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    feed = mailbox.feed()
    (maildir / "dovecot-uidlist").unlink()
    write_uidlist(maildir, "1 :1.a,S=4,W=6", "3 :3.c,S=4,W=6", "5 :2.b,S=4,W=6")
    mailbox.refresh()
    assert [message.uid for message in mailbox.messages()] == [1, 3, 5]
    assert told(feed) == [Expunged(2), Arrived(Message(5, frozenset(), 6))]


def test_another_uidvalidity_ends_the_session(shared: tuple[Path, MaildirMailbox], store: MaildirStore) -> None:
    maildir, mailbox = shared
    (maildir / "dovecot-uidlist").unlink()
    write_uidlist(maildir, "1 :3.c,S=4,W=6", header="3 V1700000001 N1")
    with pytest.raises(NoSuchMailbox):
        mailbox.refresh()
    with pytest.raises(NoSuchMailbox):
        mailbox.expunge([1])
    assert inbox(store).uid_validity == 1_700_000_001


def test_new_keyword_names_change_what_letters_mean(shared: tuple[Path, MaildirMailbox]) -> None:
    maildir, mailbox = shared
    (maildir / "cur/1.a,S=4,W=6:2,").rename(maildir / "cur/1.a,S=4,W=6:2,b")
    mailbox.refresh()
    assert mailbox.messages()[0].flags == frozenset()
    (maildir / "dovecot-keywords").write_text("0 A\n1 B\n")
    mailbox.refresh()
    assert mailbox.messages()[0].flags == {"B"}


def test_a_folder_removed_by_another_program_ends_the_session(store: MaildirStore, maildir: Path) -> None:
    account = store.account(ALICE)
    account.create("a")
    mailbox = account.open("a")
    (maildir / ".a").rename(maildir / ".b")
    with pytest.raises(NoSuchMailbox):
        mailbox.refresh()
    assert [listed.name for listed in account.mailboxes()] == [INBOX, "b"]


def test_a_bare_folder_of_another_program_is_completed(store: MaildirStore, maildir: Path) -> None:
    (maildir / ".Bare").mkdir()
    assert not store.account(ALICE).open("Bare").messages()
    assert sorted(path.name for path in (maildir / ".Bare").iterdir()) == ["cur", "dovecot-uidlist", "new", "tmp"]


def test_folders_that_name_no_mailbox_are_not_listed(store: MaildirStore, maildir: Path, tmp_path: Path) -> None:
    for name in [".&AC4ALg-", ".&bad", ".a..b", "..DOVECOT-TRASHED", ".INBOX", ".\x7f", ".cur", "plain"]:
        (maildir / name).mkdir()
    (maildir / ".link").symlink_to(tmp_path)
    (maildir / ".file").touch()
    assert [listed.name for listed in store.account(ALICE).mailboxes()] == [INBOX]


def test_a_lock_of_another_program_is_busy_and_changes_nothing(
    shared: tuple[Path, MaildirMailbox], store: MaildirStore
) -> None:
    maildir, mailbox = shared
    mailbox.refresh()
    append = mailbox.append()
    append.write(b"x\r\n")
    lock = maildir / "dovecot-uidlist.lock"
    lock.write_text("1:elsewhere")
    before = sorted(path.name for path in maildir.rglob("*"))
    for operation in (
        lambda: mailbox.change_flags([1], FlagAction.ADD, SEEN),
        lambda: mailbox.expunge([1]),
        mailbox.refresh,
        lambda: append.commit(all_or_nothing=False),
    ):
        with pytest.raises(MailboxBusy):
            operation()
    after = sorted(path.name for path in maildir.rglob("*") if path.parent.name != "tmp")
    assert after == before
    assert len(mailbox.messages()) == 3
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.commit(all_or_nothing=True)
    lock.unlink()
    (receipt,) = append.commit(all_or_nothing=True)
    assert isinstance(receipt, Receipt) and receipt.uid in (4, 5)
    assert list((maildir / "tmp").iterdir()) == []


def test_a_message_in_new_moves_to_cur_with_its_first_session(maildir: Path, store: MaildirStore) -> None:
    put(maildir, "1.a", part="new")
    put(maildir, "2.b:2,S", part="new")
    mailbox = inbox(store)
    assert set(mailbox.recent(claim=True)) == {1, 2}
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == ["1.a:2,", "2.b:2,S"]
    assert [message.flags for message in mailbox.messages()] == [frozenset(), SEEN]


def test_files_left_in_tmp_are_swept_when_they_are_old(maildir: Path, tmp_path: Path) -> None:
    left = put(maildir, "1.left", part="tmp")
    (maildir / "tmp/2.left/cur").mkdir(parents=True)
    os.utime(left, (1, 1))
    fresh(tmp_path)
    assert left.exists(), "an APPEND with an old date is not an old file"
    MaildirStore(tmp_path, settings=StoreSettings(stale_after=-1)).account(ALICE).open(INBOX)
    assert list((maildir / "tmp").iterdir()) == []


def test_a_mailbox_at_work_does_not_keep_other_threads(tmp_path: Path) -> None:
    """They are the lane's: while they waited for one user's large mailbox, all other users would."""
    started, go_on = threading.Event(), threading.Event()

    class SlowFiles(FileSystem):
        slow = False

        def names(self, directory: bytes) -> list[bytes]:
            if self.slow:
                started.set()
                assert go_on.wait(10)
            return super().names(directory)

    files = SlowFiles()
    mailbox = inbox(MaildirStore(tmp_path, files=files, settings=replace(ALWAYS_LOOK, locks=LockTimes(patience=0.01))))
    files.slow = True
    at_work = threading.Thread(target=mailbox.refresh)
    at_work.start()
    assert started.wait(10)
    for waiting in (mailbox.refresh, mailbox.feed, lambda: mailbox.expunge([1])):
        with pytest.raises(MailboxBusy):
            waiting()
    go_on.set()
    at_work.join(10)
    mailbox.refresh()


def test_two_stores_on_one_maildir_agree(maildir: Path, tmp_path: Path) -> None:
    one, two = fresh(tmp_path), fresh(tmp_path)
    for number in range(20):
        ours, theirs = (one, two) if number % 2 else (two, one)
        ours.append(flags=frozenset({f"k{number % 5}"})).commit(all_or_nothing=True)
        theirs.refresh()
        theirs.change_flags([number + 1], FlagAction.ADD, SEEN)
    one.refresh()
    two.refresh()
    assert [message[:3] for message in one.messages()] == [message[:3] for message in two.messages()]
    assert [message.uid for message in one.messages()] == list(range(1, 21))
    assert all("\\Seen" in message.flags and len(message.flags) == 2 for message in one.messages())
