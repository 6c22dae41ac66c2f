"""Every kind of fault is planted, found, repaired where it can be, and found no more; no message is lost by it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, NoSuchMailbox
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.dotlock import LockTimes
from mailbox_d.store.files import FileSystem
from mailbox_d.store.folder import Folder
from mailbox_d.store.index.answers import Answers, MailboxKey
from mailbox_d.store.ledger import Ledger
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import COLUMNS, INBOX, Row
from mailbox_d.store.upkeep.accounts import every_account
from mailbox_d.store.upkeep.findings import BY_HAND, Kind
from mailbox_d.store.upkeep.repair import Repair
from mailbox_d.store.upkeep.steps import Mended, Trouble
from mailbox_d.store.upkeep.verification import Verification
from tests.unit.store.upkeep.driving import ALICE, BODY, SIZES, TEXT_NAME, WIRE, Site, driven, message

OLD = time.time() - 48 * 3600
NEVER = 2_000_000_000


def dead_process() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def uidlist(site: Site, edit: Callable[[bytes], bytes]) -> None:
    path = site.maildir / "dovecot-uidlist"
    path.write_bytes(edit(path.read_bytes()))


def lines_of(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def plant_part_missing(site: Site) -> None:
    (site.archive / "tmp").rmdir()


def plant_not_a_folder(site: Site) -> None:
    (site.archive / "tmp").rmdir()
    (site.archive / "tmp").symlink_to("/tmp")


def plant_nameless_folder(site: Site) -> None:
    for part in ("cur", "new", "tmp"):
        (site.maildir / ".A&B" / part).mkdir(parents=True)


def plant_list_unreadable(site: Site) -> None:
    (site.archive / "dovecot-uidlist").unlink()
    (site.archive / "dovecot-uidlist").mkdir()


def plant_list_missing(site: Site) -> None:
    (site.maildir / "dovecot-uidlist").unlink()


def plant_list_header(site: Site) -> None:
    uidlist(site, lambda content: b"1 1234 9\n" + b"".join(lines_of(content)[1:]).replace(b" :", b" "))


def plant_list_torn(site: Site) -> None:
    uidlist(site, lambda content: content + b"4 :17000")


def plant_list_line(site: Site) -> None:
    uidlist(site, lambda content: content.replace(b"\n2 :", b"\njunk\n2 :"))


def plant_list_order(site: Site) -> None:
    uidlist(site, lambda content: b"".join([*lines_of(content)[:2], *reversed(lines_of(content)[2:])]))


def plant_list_name_twice(site: Site) -> None:
    uidlist(site, lambda content: content + b"4 :" + lines_of(content)[1].partition(b":")[2])


def plant_uid_next_low(site: Site) -> None:
    mailbox = site.open()
    message(site.maildir, "1700000009.M9P1.host", "new")
    mailbox.refresh()
    last = mailbox.messages().uids[-1]
    mailbox.index.remember(b"ENVELOPE", {last: b"said"})
    uidlist(site, lambda content: b"".join(lines_of(content)[:-1]))
    (site.maildir / f"new/1700000009.M9P1.host{SIZES.decode()}").unlink()


def plant_unlisted(site: Site) -> None:
    message(site.maildir, "1700000009.M9P1.host:2,S")


def plant_two_files(site: Site) -> None:
    message(site.maildir, "1700000001.M1P1.host", "new")


def plant_unlistable(site: Site) -> None:
    message(site.maildir, "1700000009.M9P1.ho\nst:2,S")


def plant_no_message(site: Site) -> None:
    (site.maildir / "cur/1700000009.M9P1.host:2,S").symlink_to("/etc/passwd")


def rename_to_size(site: Site, size: bytes) -> None:
    found = next(iter(sorted((site.maildir / "cur").iterdir())))
    before = SIZES.decode()
    assert before in found.name
    uidlist(site, lambda content: content.replace(found.name.partition(":")[0].encode(), size_name(found, size)))
    found.rename(found.with_name(found.name.replace(before, size.decode())))


def size_name(path: Path, size: bytes) -> bytes:
    return path.name.partition(":")[0].encode().replace(SIZES, size)


def plant_wrong_size(site: Site) -> None:
    rename_to_size(site, b",S=%d,W=%d" % (len(BODY) + 5, len(WIRE) + 5))


def plant_wrong_size_on_the_wire(site: Site) -> None:
    rename_to_size(site, b",S=%d,W=%d" % (len(BODY), len(BODY) + 1))


def plant_keyword_nameless(site: Site) -> None:
    found = next(iter(sorted((site.maildir / "cur").iterdir())))
    found.rename(found.with_name(found.name + "c"))


def plant_keywords_damaged(site: Site) -> None:
    (site.maildir / "dovecot-keywords").write_bytes(b"0 first\njunk\n0 again\n77 far\n")


def plant_open_to_others(site: Site) -> None:
    site.maildir.chmod(0o755)


def plant_shut(site: Site) -> None:
    next((site.maildir / "cur").iterdir()).chmod(0o200)


def plant_foreign(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(next((site.maildir / "cur").iterdir()), 65534, 65534)


def plant_dead_lock(site: Site) -> None:
    lock = site.maildir / "dovecot-uidlist.lock"
    lock.write_text(f"{dead_process()}:{socket.gethostname()}")
    os.utime(lock, (OLD, OLD))


def plant_dead_lock_of_subscriptions(site: Site) -> None:
    lock = site.maildir / "subscriptions.lock"
    lock.write_text("")
    os.utime(lock, (OLD, OLD))


def plant_subscriptions(site: Site) -> None:
    site.account.subscribe("Archive")
    path = site.maildir / "subscriptions"
    path.write_bytes(path.read_bytes() + b"A&B\n")


def plant_maildirsize(site: Site) -> None:
    path = site.maildir / "maildirsize"
    path.write_bytes(b"0S\n100 1\njunk\n")
    os.utime(path, (OLD, OLD))


def plant_maildirsize_wrong(site: Site) -> None:
    (site.maildir / "maildirsize").write_bytes(b"0S\n%d 6\n" % (6 * len(BODY)))


def plant_index_damaged(site: Site) -> None:
    site.open().index.remember(b"ENVELOPE", {1: b"said", 2: b"said too"})
    with contextlib.closing(sqlite3.connect(site.maildir / "mailboxd.index")) as db, db:
        db.execute("UPDATE answer SET octets = ? WHERE octets = ?", (b"lied", b"said"))


def plant_index_gone(site: Site) -> None:
    mailbox = site.open()
    mailbox.index.remember(b"ENVELOPE", {1: b"said"})
    header = lines_of((site.maildir / "dovecot-uidlist").read_bytes())[0]
    uidlist(site, lambda content: content.replace(b" N%d" % header_next(header), b" N5000", 1))
    guid = re.findall(rb" G([0-9a-f]+)", header)[0]
    answers = Answers(site.store.disk.indexes.of(bytes(site.maildir)), MailboxKey(guid, mailbox.uid_validity))
    answers.remember(b"ENVELOPE", [(uid, b"gone", b"said") for uid in range(100, 1200)])


def header_next(header: bytes) -> int:
    return int(re.findall(rb" N(\d+)", header)[0])


def keep_texts(site: Site, age: float) -> Path:
    rows = {uid: Row((b"\xfesaid",) * COLUMNS, 700_000) for uid in (1, 2, 3)}
    site.open().texts.remember(TEXT_NAME, rows)
    path = site.maildir / "mailboxd.text"
    with path.open("r+b") as file:
        file.seek(8)
        file.write(struct.pack("=d", time.time() - age))
    return path


def plant_text_damaged(site: Site) -> None:
    path = keep_texts(site, 0)
    content = path.read_bytes()
    path.write_bytes(content[:-3] + b"?" + content[-2:])


def plant_text_damaged_of_an_unfinished_block(site: Site) -> None:
    path = keep_texts(site, 0)
    path.write_bytes(path.read_bytes() + b"the beginning of a block")


def plant_text_gone(site: Site) -> None:
    keep_texts(site, 30 * 86400)
    site.open().expunge([2])


PLANTS: dict[str, tuple[Kind, Callable[[Site], None]]] = {
    name.removeprefix("plant_"): (kind, plant)
    for name, plant in list(globals().items())
    if name.startswith("plant_")
    for kind in Kind
    if name.removeprefix("plant_").split("_on_")[0].split("_of_")[0].replace("_", "-") == kind.label
}


def test_there_is_a_plant_for_every_kind() -> None:
    assert {kind for kind, _ in PLANTS.values()} == set(Kind) - {Kind.INDEX_WRONG, Kind.LEFTOVER}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "maildirs")


def test_nothing_is_wrong_with_a_store_that_is_in_order(site: Site) -> None:
    assert (site.verify(), site.verify(deep=True)) == ([], [])
    assert not any(isinstance(step, Trouble | Mended) for step in site.repair(deep=True))


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_found_repaired_and_found_no_more(site: Site, name: str) -> None:
    kind, plant = PLANTS[name]
    if kind is not Kind.SHUT:
        kept = {bytes(body) for body in site.bodies().values()}
    plant(site)
    before = tree(site.root)
    found = site.verify(deep=True)
    assert {finding.kind for finding in found} == {kind}, found
    if kind is not Kind.DEAD_LOCK:
        assert tree(site.root) == before
    told = site.repair(deep=True)
    if kind.repair == BY_HAND:
        assert [step for step in told if isinstance(step, Mended)] == []
        assert {finding.kind for finding in site.verify(deep=True)} == {kind}
        return
    assert {step.label for step in told if isinstance(step, Mended)} == {kind.label} or kind is Kind.DEAD_LOCK
    assert site.verify(deep=True) == []
    assert kept <= set(site.bodies().values())


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        str(path): path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None
        for path in root.rglob("*")
        if "mailboxd.index" not in path.name
    }


@pytest.mark.parametrize("name", ["wrong_size", "wrong_size_on_the_wire", "list_torn", "list_line", "list_name_twice"])
def test_a_repair_keeps_every_uid_that_can_be_kept(site: Site, name: str) -> None:
    before = site.uids[INBOX]
    validity = site.open().uid_validity
    PLANTS[name][1](site)
    site.repair(deep=True)
    mailbox = site.open()
    assert mailbox.uid_validity == validity
    assert len(set(mailbox.messages().uids) & set(before)) >= len(before) - (name == "list_name_twice")
    assert len(mailbox.messages()) == len(before)


def test_uids_that_were_given_are_not_given_again_after_a_repair(site: Site) -> None:
    plant_uid_next_low(site)
    site.repair()
    message(site.maildir, "1700000010.M1P1.host", "new")
    assert site.open().messages().uids == (1, 2, 3, 5)


def test_a_list_out_of_order_loses_one_uid_and_no_more(site: Site) -> None:
    plant_list_order(site)
    site.repair()
    uids = site.open().messages().uids
    assert len(uids) == 3 and len(set(uids) & {1, 2, 3}) == 2


def test_what_lies_in_tmp_for_too_long(site: Site) -> None:
    (site.maildir / "tmp/1690000000.M1P1.host").write_bytes(b"half")
    assert site.verify() == []
    site.settings = StoreSettings(stale_after=-1.0)
    assert [finding.kind for finding in site.verify()] == [Kind.LEFTOVER]
    assert [step.label for step in site.repair() if isinstance(step, Mended)] == ["leftover"]
    assert site.verify() == []
    assert list((site.maildir / "tmp").iterdir()) == []


def test_one_mailbox_alone(site: Site) -> None:
    plant_unlisted(site)
    assert site.verify(only="Archive") == []
    assert [finding.kind for finding in site.verify(only="INBOX")] == [Kind.UNLISTED]
    (trouble,) = [step for step in site.told(only="Nothing") if isinstance(step, Trouble)]
    assert "There is no such mailbox" in trouble.why


def test_a_mailbox_that_a_living_program_holds_is_trouble_and_keeps_nobody_from_the_others(site: Site) -> None:
    lock = site.maildir / "dovecot-uidlist.lock"
    lock.write_text(f"{os.getppid()}:{socket.gethostname()}")
    message(site.archive, "1700000009.M9P1.host:2,S")
    told = site.told()
    assert [step.mailbox for step in told if isinstance(step, Trouble)] == [INBOX]
    assert [step.kind for step in told if hasattr(step, "kind")] == [Kind.UNLISTED]
    assert lock.exists()


def test_a_repair_leaves_the_account_to_its_user_s_quota(site: Site) -> None:
    """Two ledgers of one Maildir would each know half of what comes."""
    store = MaildirStore(site.root)
    asked: list[str] = []
    ledgers = store.disk.ledgers
    of = ledgers.of

    def noting(address: EmailAddress, maildir: bytes) -> Ledger:
        asked.append(str(address))
        return of(address, maildir)

    ledgers.of = noting  # type: ignore[method-assign]
    plant_unlisted(site)
    repair = Repair(store.disk, Verification(store.disk), store.end)
    driven(repair.accounts(every_account(store.disk, store.layout)))
    assert set(asked) == {"alice@example.org"}


def test_sizes_that_were_wrong_are_counted_anew(site: Site) -> None:
    plant_wrong_size(site)
    (site.maildir / "maildirsize").write_bytes(b"1000S\n105 3\n")
    site.repair()
    assert not (site.maildir / "maildirsize").exists()


def test_a_session_that_has_a_repaired_mailbox_open_is_told_and_finds_the_same_uids(site: Site) -> None:
    store = MaildirStore(site.root)
    mailbox = store.account(ALICE).open(INBOX)
    rename_to_size(site, b",S=1,W=1")
    repair = Repair(store.disk, Verification(store.disk), store.end)
    driven(repair.accounts(every_account(store.disk, store.layout)))
    with pytest.raises(NoSuchMailbox):
        mailbox.refresh()
    assert store.account(ALICE).open(INBOX).messages().uids == site.uids[INBOX]


def test_no_session_looks_between_the_new_names_and_its_end(site: Site) -> None:
    """One that did would take the messages with new names for others, and give them new UIDs."""
    patient = StoreSettings(locks=LockTimes(patience=30.0))
    store = MaildirStore(site.root, settings=patient)
    mailbox = store.account(ALICE).open(INBOX)
    rename_to_size(site, b",S=1,W=1")
    outcomes: list[object] = []

    def look() -> None:
        try:
            outcomes.append(mailbox.refresh())
        except MailError as error:
            outcomes.append(type(error))

    session = threading.Thread(target=look)

    def ended(folder: Folder) -> None:
        session.start()
        session.join(0.2)  # it waits for us; one that did not would be far by then
        store.end(folder)

    driven(Repair(store.disk, Verification(store.disk), ended).accounts(every_account(store.disk, store.layout)))
    session.join()
    assert outcomes == [NoSuchMailbox]
    assert site.open().messages().uids == site.uids[INBOX]


def test_what_was_behind_a_missing_part_is_repaired_in_the_same_run(site: Site) -> None:
    plant_part_missing(site)
    (site.archive / "cur/1700000009.M9P1.host,S=1,W=1:2,S").write_bytes(BODY)
    labels = [step.label for step in site.repair() if isinstance(step, Mended)]
    assert labels == ["part-missing", "wrong-size"]
    assert site.verify() == []


@pytest.mark.parametrize("fault", ["renamed", "refused"])
def test_no_uid_but_that_of_a_file_that_cannot_be_renamed_is_touched_by_true_sizes(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    for path in sorted((site.maildir / "cur").iterdir()):
        path.write_bytes(path.read_bytes() + b"more\n")
    renamed = list[bytes]()

    def rename(self: FileSystem, source: bytes, destination: bytes) -> None:
        if b"/cur/" in source:
            renamed.append(source)
        if len(renamed) == 2 and source == renamed[-1]:
            if fault == "refused":
                raise PermissionError(13, "Permission denied", source)
            os.rename(source, source + b"F")  # another program does, which asks for no lock
        really(self, source, destination)

    really = FileSystem.rename
    monkeypatch.setattr(FileSystem, "rename", rename)
    site.repair()
    monkeypatch.undo()
    assert len(renamed) >= 2
    assert site.open().messages().uids == site.uids[INBOX]


def test_what_cannot_be_removed_is_not_said_to_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.maildir / "tmp/1690000000.M1P1.host").write_bytes(b"half")
    plant_maildirsize(site)
    site.settings = StoreSettings(stale_after=-1.0)

    def refuse(self: FileSystem, path: bytes) -> None:
        if path.endswith((b"/maildirsize", b".M1P1.host")):
            raise PermissionError(13, "Permission denied", path)
        unlink(self, path)

    unlink = FileSystem.unlink
    monkeypatch.setattr(FileSystem, "unlink", refuse)
    told = site.repair()
    monkeypatch.undo()
    assert not [step for step in told if isinstance(step, Mended)]
    assert {finding.kind for finding in site.verify()} == {Kind.LEFTOVER, Kind.MAILDIRSIZE}
