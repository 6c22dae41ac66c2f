"""The disk says no at one step or another: nothing half done is ever visible, and the error says whose fault it is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import StorageFault, StorageFull
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import INBOX, Block, FlagAction, Mailbox, Receipt, Refusal, Target
from tests.faults.store_files import ERRNOS, FailingFiles

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
BODY = b"Subject: x\r\n\r\nhello\r\n"
HOLDS = {"memory": 1000, "spool": 5}


def read(mailbox: Mailbox) -> list[bytes]:
    bodies = []
    for message in mailbox.messages():
        reader = mailbox.read(message.uid)
        bodies.append(reader.read(0, reader.size))
        reader.close()
    return bodies


def inbox(root: Path, address: EmailAddress = ALICE) -> Mailbox:
    return MaildirStore(root).account(address).open(INBOX)


def prepared(root: Path) -> None:
    for address in (ALICE, BOB):
        MaildirStore(root).account(address)


def deliver(store: MaildirStore, *, all_or_nothing: bool) -> tuple[object, ...]:
    blocks = [Block(b"A: a\r\n", (Target(ALICE), Target(BOB))), Block(b"B: b\r\n", (Target(ALICE),))]
    delivery = store.deliver(blocks)
    try:
        delivery.write(BODY[:10])
        delivery.write(BODY[10:])
        return delivery.commit(all_or_nothing=all_or_nothing)
    finally:
        delivery.abort()


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob("tmp/*"))


@pytest.mark.parametrize("code", ERRNOS, ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_faults_6_to_11_a_delivery_that_fails_at_any_step_leaves_nothing(tmp_path: Path, code: int, hold: int) -> None:
    expected = StorageFull if code in (errno.ENOSPC, errno.EDQUOT) else StorageFault
    for number in range(1, 100):
        root = tmp_path / str(number)
        prepared(root)
        files = FailingFiles(number, code)
        store = MaildirStore(root, files=files, hold=hold)
        files.armed = True
        if not _survives(store, files, expected):
            assert not list(root.rglob("new/*")), files.failed
            files.armed = False
            deliver(store, all_or_nothing=True)
        assert files.failed is None or files.failed.operation == "unlink" or not leftovers(root)
        assert read(inbox(root)) == [b"A: a\r\n" + BODY, b"B: b\r\n" + BODY]
        assert read(inbox(root, BOB)) == [b"A: a\r\n" + BODY]
        if files.failed is None:
            break
    assert number > 10


def _survives(store: MaildirStore, files: FailingFiles, expected: type[StorageFault]) -> bool:
    """Whether the delivery got through: past a failure to clean up, or with another recipient's Maildir as its host."""
    try:
        deliver(store, all_or_nothing=True)
    except StorageFault as fault:
        assert type(fault) is expected
        assert fault.temporary
        return False
    assert files.failed is None or files.failed.operation in ("unlink", "open", "write")
    return True


@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_each_copy_stands_for_itself_where_not_all_or_nothing(tmp_path: Path, hold: int) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        prepared(root)
        files = FailingFiles(number, errno.EIO)
        store = MaildirStore(root, files=files, hold=hold)
        files.armed = True
        try:
            outcomes = deliver(store, all_or_nothing=False)
        except StorageFault:
            assert files.failed is not None and files.failed.operation in ("open", "write")
            continue
        if files.failed is None:
            break
        told = {ALICE: 0, BOB: 0}
        for outcome in outcomes:
            assert isinstance(outcome, Receipt | Refusal)
            told[outcome.target.address] += isinstance(outcome, Receipt)
        assert {address: len(read(inbox(root, address))) for address in told} == told, files.failed
        assert sum(told.values()) >= 1
    assert number > 10


def test_fault_11_one_unusable_maildir_is_no_other_recipient_s_fault(tmp_path: Path) -> None:
    for hold in HOLDS.values():
        root = tmp_path / str(hold)
        prepared(root)
        broken = f"{root}/example.org/alice"
        files = FailingFiles(1, errno.EACCES, lambda call: call.path.startswith(broken), always=True)  # noqa: B023
        files.armed = True
        store = MaildirStore(root, files=files, hold=hold)
        refused, received, refused_too = deliver(store, all_or_nothing=False)
        assert isinstance(refused, Refusal) and isinstance(refused_too, Refusal)
        assert isinstance(received, Receipt)
        assert read(inbox(root, BOB)) == [b"A: a\r\n" + BODY]


def test_fault_9_a_failed_fsync_is_never_tried_again_on_the_same_file(tmp_path: Path) -> None:
    prepared(tmp_path)
    files = FailingFiles(1, errno.EIO, lambda call: call.operation == "fsync")
    files.armed = True
    store = MaildirStore(tmp_path, files=files)
    delivery = store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(BODY)
    with pytest.raises(StorageFault):
        delivery.commit(all_or_nothing=True)
    assert not leftovers(tmp_path)
    assert not list(tmp_path.rglob("new/*"))


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM], ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_what_cannot_be_linked_is_copied(tmp_path: Path, code: int, hold: int) -> None:
    prepared(tmp_path)
    files = FailingFiles(1, code, lambda call: call.operation == "link", always=True)
    files.armed = True
    deliver(MaildirStore(tmp_path, files=files, hold=hold), all_or_nothing=True)
    assert read(inbox(tmp_path, BOB)) == [b"A: a\r\n" + BODY]
    assert read(inbox(tmp_path)) == [b"A: a\r\n" + BODY, b"B: b\r\n" + BODY]
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("code", ERRNOS, ids=lambda code: errno.errorcode[code])
def test_an_append_that_fails_at_any_step_is_all_or_nothing_and_the_mailbox_goes_on(tmp_path: Path, code: int) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        files = FailingFiles(number, code)
        mailbox = MaildirStore(root, files=files).account(ALICE).open(INBOX)
        _append(mailbox, b"first\r\n")
        files.armed = True
        try:
            uid = _append(mailbox, BODY, frozenset({"\\Seen", "Work"}))
        except StorageFault:
            uid = None
        files.armed = False
        mailbox.refresh()
        expected = [b"first\r\n"] + ([BODY] if uid else [])
        assert read(mailbox) == expected, files.failed
        after = _append(mailbox, b"after\r\n")
        assert after > (uid or 1)
        again = inbox(root)
        assert again.messages() == mailbox.messages(), files.failed
        assert read(again) == [*expected, b"after\r\n"]
        assert not list(root.rglob("*.lock")), files.failed
        if files.failed is None:
            break
    assert number > 10


def _append(mailbox: Mailbox, body: bytes, flags: frozenset[str] = frozenset()) -> int:
    delivery = mailbox.append(flags=flags)
    delivery.write(body)
    (receipt,) = delivery.commit(all_or_nothing=True)
    assert isinstance(receipt, Receipt) and receipt.uid is not None
    return receipt.uid


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS], ids=lambda code: errno.errorcode[code])
def test_flags_and_expunges_that_fail_half_way_are_told_as_far_as_they_went(tmp_path: Path, code: int) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        files = FailingFiles(number, code)
        mailbox = MaildirStore(root, files=files).account(ALICE).open(INBOX)
        for count in range(3):
            _append(mailbox, b"%d\r\n" % count)
        files.armed = True
        try:
            mailbox.change_flags([1, 2, 3], FlagAction.ADD, frozenset({"\\Seen", "Work"}))
            mailbox.expunge([1, 2])
        except StorageFault:
            pass
        files.armed = False
        mailbox.change_flags([3], FlagAction.ADD, frozenset())
        assert inbox(root).messages() == mailbox.messages(), files.failed
        if files.failed is None:
            break
    assert number > 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=lambda code: errno.errorcode[code])
def test_fault_6_a_full_or_read_only_disk_can_still_be_read(tmp_path: Path, code: int) -> None:
    mailbox = inbox(tmp_path)
    _append(mailbox, BODY)
    deliver(MaildirStore(tmp_path), all_or_nothing=True)
    writing = {"write", "rename", "link", "mkdir", "unlink", "utime"} if code == errno.EROFS else {"write", "mkdir"}
    files = FailingFiles(
        1,
        code,
        lambda call: call.operation in writing or (call.operation == "open" and "/Maildir/tmp/" in call.path),
        always=True,
    )
    files.armed = True
    reading = MaildirStore(tmp_path, files=files).account(ALICE).open(INBOX)
    assert read(reading)[0] == BODY
    assert reading.recent(claim=True) == {1}
    reading.refresh()
    with pytest.raises(StorageFault):
        reading.change_flags([1], FlagAction.ADD, frozenset({"\\Seen", "Work"}))
    files.armed = False
    reading.refresh()
    assert [message.uid for message in reading.messages()] == [1, 2, 3]
    assert inbox(tmp_path).messages() == reading.messages()


def test_fault_8_one_unreadable_message_is_a_fault_of_its_own_and_not_gone(tmp_path: Path) -> None:
    mailbox = inbox(tmp_path)
    for count in range(2):
        _append(mailbox, b"%d\r\n" % count)
    files = FailingFiles(1, errno.EIO, lambda call: call.operation == "read" and "Q" in call.path)
    reading = MaildirStore(tmp_path, files=files).account(ALICE).open(INBOX)
    files.armed = True
    with pytest.raises(StorageFault):
        reading.read(1)
    assert read(reading) == [b"0\r\n", b"1\r\n"]


def test_folders_that_cannot_be_made_or_removed_leave_no_half(tmp_path: Path) -> None:
    for number in range(1, 100):
        root = tmp_path / str(number)
        files = FailingFiles(number, errno.EIO)
        account = MaildirStore(root, files=files).account(ALICE)
        account.create("old/below")
        _append(account.open("old/below"), BODY)
        files.armed = True
        try:
            account.create("made")
            account.rename("old/below", "other")
            account.delete("made")
        except StorageFault:
            pass
        files.armed = False
        names = {listed.name for listed in account.mailboxes() if listed.selectable}
        assert len(names & {"old/below", "other"}) == 1, files.failed
        for name in names - {INBOX, "made"}:
            assert read(account.open(name)) == [BODY]
        if files.failed is None:
            break
    assert number > 10
