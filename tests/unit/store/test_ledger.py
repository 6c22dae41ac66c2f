"""How an account's `maildirsize` is kept, believed, and begun anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.errors import OverQuota
from mailbox_d.store.files import FileSystem
from mailbox_d.store.ledger import Ledger, LedgerTimes
from mailbox_d.store.ports import Quota, QuotaLimits, Usage
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.unique import UniqueNames
from tests.faults.store_files import ERRNOS, FailingFiles, RecordingFiles

ALICE = EmailAddress.parse("alice@example.org")


class Account:
    """A Maildir with a ledger, a clock and limits that can be set."""

    def __init__(self, root: Path, files: FileSystem | None = None, grace: int = 0) -> None:
        self.maildir = root
        self.limits: QuotaLimits | None = QuotaLimits(1000, 10)
        self.now = 0.0
        self.booted = float("-inf")
        self.files = files or FileSystem()
        self.grace = grace
        for part in ("cur", "new", "tmp"):
            (root / part).mkdir(exist_ok=True)
        self.ledger = self.another()

    def another(self, files: FileSystem | None = None, patience: float = 2.0) -> Ledger:
        """As another process has it."""
        rules = QuotaRules(lambda _: self.limits, self.grace)
        times = LedgerTimes(patience=patience)
        return Ledger(
            files or self.files,
            os.fsencode(self.maildir),
            lambda: rules.limits(ALICE),
            rules,
            times,
            UniqueNames(),
            lambda: self.now,
            lambda: self.booted,
        )

    @property
    def path(self) -> Path:
        return self.maildir / "maildirsize"

    def write(self, content: bytes, age: float = 0.0) -> None:
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(content)
        self.touch(age)

    def touch(self, age: float = 0.0) -> None:
        os.utime(self.path, (self.now - age, self.now - age))

    def put(self, octets: int, name: str = "", folder: str = "", half: str = "new") -> Path:
        directory = self.maildir / folder / half
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / (name or f"{len(list(directory.iterdir()))}.M0P1.host,S={octets},W={octets}")
        path.write_bytes(b"x" * octets)
        return path

    def usage(self) -> Usage:
        quota = self.ledger.quota()
        assert quota is not None
        return quota.usage


@pytest.fixture
def account(tmp_path: Path) -> Account:
    account = Account(tmp_path)
    account.now = 1_000_000.0
    return account


def test_the_first_look_counts_by_names_in_all_folders(account: Account) -> None:
    account.put(10)
    account.put(20, "1.host,S=20:2,S", half="cur")
    account.put(30, "2.host,S=3000,W=5", folder=".Archive.2024", half="cur")
    account.put(40, "3.host")
    account.put(50, "4.host,S=x", folder=".Archive.2024")
    account.put(60, ".hidden,S=60")
    account.put(70, "5.host,S=70", folder="..DOVECOT-TRASHED")
    account.put(80, "6.host,S=80", folder="other")
    account.put(90, "7.host,S=90", half="tmp")
    (account.maildir / "new/directory").mkdir()
    (account.maildir / "new/link").symlink_to("/etc/passwd")
    assert account.usage() == Usage(10 + 20 + 3000 + 40 + 50, 5)
    assert account.path.read_bytes() == b"1000S,10C\n3120 5\n"
    assert not list((account.maildir / "tmp").glob("*Q*"))


def test_what_comes_and_goes_is_appended(account: Account) -> None:
    account.ledger.claim(10).close(kept=True)
    with account.ledger.adding(20, 2):
        pass
    with account.ledger.changing() as removed:
        removed += [Usage(10, 1), Usage(5, 1)]
    with account.ledger.changing():
        pass
    assert account.path.read_bytes() == b"1000S,10C\n0 0\n10 1\n20 2\n-15 -2\n"
    assert account.usage() == Usage(15, 1)


def test_room_that_is_given_back(account: Account) -> None:
    claim = account.ledger.claim(10)
    claim.close(kept=False)
    claim.close(kept=False)
    with pytest.raises(ValueError), account.ledger.adding(20):
        raise ValueError
    assert account.path.read_bytes() == b"1000S,10C\n0 0\n10 1\n-10 -1\n20 1\n-20 -1\n"


def test_what_is_removed_before_a_fault_is_gone(account: Account) -> None:
    account.ledger.claim(10).close(kept=True)
    with pytest.raises(OSError), account.ledger.changing() as removed:
        removed.append(Usage(10, 1))
        raise OSError
    assert account.usage() == Usage(0, 0)


def test_while_nothing_changes_the_file_is_not_read_again(account: Account) -> None:
    files = RecordingFiles()
    ledger = account.another(files)
    ledger.quota()
    ledger.claim(10).close(kept=True)
    files.calls.clear()
    ledger.claim(20).close(kept=True)
    ledger.quota()
    assert [call.operation for call in files.calls] == ["lstat", "lstat", "open", "write", "fstat", "close", "lstat"]


def test_a_count_reads_names_alone(account: Account) -> None:
    for _ in range(50):
        account.put(1)
    files = RecordingFiles()
    account.another(files).quota()
    looked_at = [call for call in files.calls if "/new/" in call.path or "/cur/" in call.path]
    assert looked_at == []


def test_what_others_append_counts(account: Account) -> None:
    other = account.another()
    account.ledger.claim(10).close(kept=True)
    other.claim(20).close(kept=True)
    assert account.usage() == Usage(30, 2)
    account.ledger.claim(5).close(kept=True)
    assert other.quota() == Quota(QuotaLimits(1000, 10), Usage(35, 3))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1000S,10C\n",
        b"1000S,10C\n5 1\nx\n",
        b"1000S,10C\n5 1",
        b"1000S,10C\n-5 1\n",
        b"1S,10C\n5 1\n",
        b"1000S\n5 1\n",
        b"1000S,10C\n" + b"0 0\n" * 1300,
    ],
)
def test_a_file_that_cannot_be_believed_is_begun_anew(account: Account, content: bytes) -> None:
    account.usage()
    account.put(7)
    account.write(content)
    assert account.usage() == Usage(7, 1)
    assert account.path.read_bytes() == b"1000S,10C\n7 1\n"


def test_a_file_that_was_removed_is_made_again(account: Account) -> None:
    account.put(7)
    account.usage()
    account.path.unlink()
    account.ledger.claim(1).close(kept=True)
    assert account.path.read_bytes() == b"1000S,10C\n7 1\n1 1\n"


def test_links_fifos_and_folders_are_no_such_file(account: Account, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    elsewhere.write_bytes(b"1000S,10C\n5 1\n")
    account.put(7)
    account.path.symlink_to(elsewhere)
    assert account.usage() == Usage(7, 1) and not account.path.is_symlink()
    account.path.unlink()
    os.mkfifo(account.path)
    account.ledger.claim(1).close(kept=True)
    assert account.path.read_bytes() == b"1000S,10C\n7 1\n1 1\n"
    account.path.unlink()
    account.path.mkdir()
    assert account.usage() == Usage(7, 1)
    account.ledger.claim(1).close(kept=True)
    assert elsewhere.read_bytes() == b"1000S,10C\n5 1\n"


def test_who_is_said_to_be_full_is_counted_behind_the_first_line(account: Account) -> None:
    account.put(7)
    account.write(b"1000S,10C\n2000 1\n")
    assert account.usage() == Usage(2000, 1)
    account.write(b"1000S,10C\n2000 1\n0 0\n")
    assert account.usage() == Usage(7, 1)


def test_who_is_said_to_be_full_is_counted_after_a_quarter_of_an_hour(account: Account) -> None:
    account.put(7)
    account.write(b"1000S,10C\n2000 1\n", age=899)
    assert account.usage() == Usage(2000, 1)
    account.write(b"1000S,10C\n2000 1\n", age=901)
    assert account.usage() == Usage(7, 1)


def test_who_has_room_is_believed_however_old_the_file_is(account: Account) -> None:
    account.put(7)
    account.write(b"1000S,10C\n500 1\n1 1\n", age=10**6)
    assert account.usage() == Usage(501, 2)


@pytest.mark.parametrize("content", [b"1000S,10C\n500 1\n1 1\n", b"1000S,10C\n2000 1\n"])
def test_what_was_written_before_the_machine_s_boot_is_counted_once(account: Account, content: bytes) -> None:
    """Of lines that were not synced any may be missing after a power cut."""
    account.put(7)
    account.write(content, age=60)
    account.booted = account.now - 59
    assert account.ledger.has_room(993) and not account.ledger.has_room(994)
    assert account.usage() == Usage(7, 1)
    assert account.path.read_bytes() == b"1000S,10C\n7 1\n"
    account.put(7)
    assert account.usage() == Usage(7, 1)


def test_nobody_is_refused_room_that_a_count_would_find(account: Account) -> None:
    account.write(b"1000S,10C\n500 1\n400 1\n")
    assert account.ledger.has_room(200)


def test_the_messages_of_a_full_account_are_not_counted_at_every_refusal(account: Account) -> None:
    account.put(900)
    files = RecordingFiles()
    ledger = account.another(files)
    counts = []
    for _ in range(5):
        ledger.claim(1).close(kept=True)
        files.calls.clear()
        assert not ledger.has_room(200)
        counts.append(any(call.operation == "names" for call in files.calls))
        account.now += 4
    assert counts == [False, False, False, True, False]


def test_what_is_lowered_below_the_usage_bars_new_mail_alone(account: Account) -> None:
    account.put(900)
    account.usage()
    account.limits = QuotaLimits(100)
    with pytest.raises(OverQuota):
        account.ledger.claim(1)
    with account.ledger.changing() as removed:
        removed.append(Usage(900, 1))
    assert account.path.read_bytes() == b"100S\n900 1\n-900 -1\n"
    account.ledger.claim(1).close(kept=True)


def test_without_limits_no_file_is_made_but_one_that_is_there_is_kept(account: Account) -> None:
    account.limits = None
    account.ledger.claim(10).close(kept=True)
    assert account.ledger.quota() is None and not account.path.exists()
    account.write(b"77S\n10 1\n")
    account.ledger.claim(10).close(kept=True)
    with account.ledger.changing() as removed:
        removed.append(Usage(3, 1))
    assert account.path.read_bytes() == b"77S\n10 1\n10 1\n-3 -1\n"


def test_without_limits_the_file_does_not_grow_for_ever(account: Account) -> None:
    account.limits = None
    account.write(b"77S\n" + b"0 0\n" * 1300)
    before = account.path.stat().st_size
    account.ledger.claim(10).close(kept=True)
    assert account.path.stat().st_size == before


def test_with_limits_the_file_does_not_grow_for_ever(account: Account) -> None:
    account.limits = QuotaLimits(10**9)
    for _ in range(2000):
        account.ledger.claim(0, 0).close(kept=True)
    assert account.path.stat().st_size <= 5200


def test_there_need_be_no_maildir_yet(tmp_path: Path) -> None:
    account = Account(tmp_path)
    account.maildir = tmp_path / "nobody"
    assert account.another().has_room(1)
    assert not account.maildir.exists()


class ListeningFiles(FileSystem):
    """Does something when a directory was listed."""

    def __init__(self, then: Callable[[bytes], None]) -> None:
        self.then = then

    def names(self, directory: bytes) -> list[bytes]:
        found = super().names(directory)
        self.then(directory)
        return found


def test_what_another_program_appends_during_a_count_is_counted_once(account: Account) -> None:
    """The count is made again: the message may have come before it was passed by or after."""
    account.put(7)
    account.write(b"1S,10C\n7 1\n")
    arrived: list[int] = []

    def arrive(directory: bytes) -> None:
        if directory.endswith(b"/cur") and not arrived:
            arrived.append(1)
            account.put(5)
            with account.path.open("ab") as file:
                file.write(b"5 1\n")

    ledger = account.another(ListeningFiles(arrive))
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(12, 2))
    assert account.path.read_bytes() == b"1000S,10C\n12 2\n"


def test_what_another_program_is_about_to_put_in_its_place_is_not_forgotten(account: Account) -> None:
    """It has appended its line to the file that is about to be replaced."""
    account.write(b"1S,10C\n7 1\n")
    listed: list[bytes] = []

    def arrive(directory: bytes) -> None:
        listed.append(directory)
        if len(listed) == 2:
            with account.path.open("ab") as file:
                file.write(b"5 1\n")
        elif len(listed) == 3:
            account.put(5)

    assert account.another(ListeningFiles(arrive)).quota() == Quota(QuotaLimits(1000, 10), Usage(5, 1))


def test_a_program_that_appends_all_the_time_keeps_nobody_from_counting(account: Account) -> None:
    account.write(b"1S,10C\n7 1\n")

    def append(directory: bytes) -> None:
        with account.path.open("ab") as file:
            file.write(b"0 0\n")

    assert account.another(ListeningFiles(append)).quota() == Quota(QuotaLimits(1000, 10), Usage(0, 0))


def test_what_was_counted_while_files_were_renamed_is_counted_again(account: Account) -> None:
    """A file that goes from `new` to `cur` between the two listings is met twice."""
    renames = iter(range(3))

    def rename(directory: bytes) -> None:
        path = account.maildir / "new/1.host,S=7"
        if directory.endswith(b"/new") and next(renames, None) is not None:
            path.rename(account.maildir / "cur/1.host,S=7:2,")
        elif directory.endswith(b"/cur") and not path.exists():
            (account.maildir / "cur/1.host,S=7:2,").rename(path)

    account.put(7, "1.host,S=7")
    ledger = account.another(ListeningFiles(rename))
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(14, 2))
    account.now += 11
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(7, 1))


def test_nobody_counts_while_a_message_is_put_in_its_place(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = account.ledger.claim(10)
    account.path.unlink()

    def meanwhile(self: threading.Condition, is_over: Callable[[], bool], patience: float) -> bool:
        assert not is_over()
        account.put(10)
        claim.close(kept=True)
        return is_over()

    monkeypatch.setattr(threading.Condition, "wait_for", meanwhile)
    assert account.usage() == Usage(10, 1)


def test_who_is_kept_waiting_counts_all_the_same_and_counts_again(account: Account) -> None:
    ledger = account.another(patience=0.0)
    claim = ledger.claim(10)
    account.path.unlink()
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(0, 0))
    account.put(10)
    account.now += 20
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(0, 0))
    claim.close(kept=True)
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(10, 1))


@pytest.mark.parametrize("code", ERRNOS)
@pytest.mark.parametrize("always", [False, True])
def test_no_fault_of_the_file_keeps_mail_away_or_is_believed_for_good(
    account: Account, code: int, always: bool
) -> None:
    for number in range(1, 20):
        files = FailingFiles(number, code, always=always)
        ledger = account.another(files)
        ledger.quota()
        files.armed = True
        ledger.claim(10).close(kept=True)
        path = account.put(10)
        with ledger.changing() as removed:
            path.unlink()
            removed.append(Usage(10, 1))
        files.armed = False
        assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(0, 0)), files.failed
        if files.failed is None:
            break
    assert number > 3


def test_half_a_line_is_not_believed(account: Account) -> None:
    class TornFiles(FileSystem):
        def write(self, descriptor: int, data: bytes) -> None:
            if b"123 1" in data:
                super().write(descriptor, data[:3])
                raise OSError(28, "No space left on device")
            super().write(descriptor, data)

    ledger = account.another(TornFiles())
    ledger.claim(123).close(kept=True)
    account.put(123)
    ledger.claim(5).close(kept=True)
    account.put(5)
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(128, 2))


def test_what_another_program_appends_between_a_look_and_our_line_counts(account: Account) -> None:
    class Interrupted(FileSystem):
        def write(self, descriptor: int, data: bytes) -> None:
            if data == b"10 1\n":
                with account.path.open("ab") as file:
                    file.write(b"5 1\n")
            super().write(descriptor, data)

    ledger = account.another(Interrupted())
    ledger.claim(10).close(kept=True)
    assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(15, 2))


def test_a_count_that_cannot_be_kept_is_made_again(account: Account) -> None:
    files = FailingFiles(1, 28, lambda call: call.operation == "rename", always=True)
    files.armed = True
    ledger = account.another(files)
    account.put(7)
    account.write(b"1000S,10C\n2000 1\n0 0\n")
    for _ in range(2):
        assert ledger.quota() == Quota(QuotaLimits(1000, 10), Usage(7, 1))
    assert not list((account.maildir / "tmp").iterdir())
