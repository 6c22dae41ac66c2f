"""Editing the users file while the disk says no: the file is the old one or the new one, whole."""

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.auth.users_edit.changes import CannotEdit, Put
from mailbox_d.auth.users_edit.edits import add_user, remove_user, replace_password, set_user
from mailbox_d.auth.users_edit.replacing import Editing, edit_users
from mailbox_d.auth.users_file import read_users
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.store.files import FileSystem
from tests.faults.store_files import ERRNOS, OPERATIONS, Call, FailingFiles, MortalFiles, RecordingFiles

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
OLD = '# people\nusers:\n  alice@example.org: {password: "{PLAIN}x"}\n'
NEW = '# people\nusers:\n  alice@example.org: {password: "{PLAIN}x", enabled: false}\n'
DISABLE = set_user(ALICE, "enabled", False)
NO_BOB = repr(CannotEdit("there is no user bob@example.org"))
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    path.write_text(OLD)
    path.chmod(0o2640)
    return path


def editing(files: FileSystem, **more: Any) -> Editing:
    return Editing(files, patience=0.0, **more)


def folder(path: Path) -> set[str]:
    return {entry.name for entry in path.parent.iterdir()} - {"users.yaml.lock"}


def _can_fail(call: Call) -> bool:
    """Whatever is said of it, to close a lock gives it back."""
    return call.operation in OPERATIONS and (call.operation != "close" or not call.path.endswith(".lock"))


def test_each_operation_that_fails_leaves_the_old_file(path: Path) -> None:
    recording = RecordingFiles()
    edit_users(path, DISABLE, editing(recording))
    assert "rename" in [call.operation for call in recording.calls]
    for number in range(1, len(recording.calls) + 1):
        path.write_text(OLD)
        code = ERRNOS[number % len(ERRNOS)]
        files = FailingFiles(number, code, _can_fail)
        files.armed = True
        allowed = {NEW}
        try:
            edit_users(path, DISABLE, editing(files))
        except OSError as error:
            assert error.errno == code and files.failed is not None
            allowed = {OLD, NEW} if files.failed.operation in ("fsync_directory", "close") else {OLD}
        assert path.read_text() in allowed, files.failed
        assert folder(path) == {"users.yaml"}, files.failed
        edit_users(path, DISABLE, editing(FileSystem()))
        assert path.read_text() == NEW and folder(path) == {"users.yaml"}


@pytest.mark.parametrize("before", [True, False])
def test_a_process_that_ends_at_any_step_leaves_one_or_the_other(path: Path, *, before: bool) -> None:
    for number in range(1, 20):
        path.write_text(OLD)
        if (child := os.fork()) == 0:
            files = MortalFiles(number, before=before)
            files.armed = True
            edit_users(path, DISABLE, editing(files))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert path.read_text() in (OLD, NEW)
        edit_users(path, DISABLE, editing(FileSystem()))
        assert path.read_text() == NEW
        assert folder(path) == {"users.yaml"}
        if status == 0:
            assert number > 8
            return
    pytest.fail("it never ends")


def as_user(user: int, work: Callable[[], object]) -> str:
    """What this user gets who does it: nothing, or an error."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        try:
            work()
        except BaseException as error:
            os.write(writing, repr(error).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as said:
        return said.read().decode()


@pytest.fixture
def daemons() -> Iterator[Path]:
    """A users file in a folder where the user 4711 may look, theirs both."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o700)
        path = Path(folder) / "users.yaml"
        path.write_text(OLD)
        path.chmod(0o600)
        for made in (Path(folder), path):
            os.chown(made, 4711, 4711)
        yield path


@only_root
def test_root_who_is_killed_at_any_step_shuts_nobody_out(daemons: Path) -> None:
    lock = daemons.parent / "users.yaml.lock"
    for number in range(1, 30):
        lock.unlink(missing_ok=True)
        if (child := os.fork()) == 0:
            files = MortalFiles(number, before=False)
            files.armed = True
            edit_users(daemons, add_user(BOB, {"password": "{PLAIN}y"}), editing(files))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for plan in (set_user(BOB, "quota", "1 GiB"), remove_user(BOB)):
            assert as_user(4711, lambda plan=plan: edit_users(daemons, plan)) in ("", NO_BOB)  # type: ignore[misc]
        if status == 0:
            return
    pytest.fail("it never ends")


@only_root
def test_a_lock_that_somebody_else_made_is_given_to_the_owner_of_the_file(daemons: Path) -> None:
    lock = daemons.parent / "users.yaml.lock"
    lock.touch(0o600)
    assert "PermissionError" in as_user(4711, lambda: edit_users(daemons, DISABLE))
    edit_users(daemons, DISABLE)
    assert (lock.stat().st_uid, lock.stat().st_gid) == (4711, 4711)


@only_root
def test_what_is_no_lock_file_is_given_to_nobody(daemons: Path) -> None:
    lock, secret = daemons.parent / "users.yaml.lock", daemons.parent / "secret"
    secret.touch(0o600)
    lock.hardlink_to(secret)
    edit_users(daemons, DISABLE)
    secret.with_name("full").write_text("of root's")
    secret.with_name("full").replace(lock)
    edit_users(daemons, set_user(ALICE, "enabled", None))
    assert secret.stat().st_uid == lock.stat().st_uid == 0


@only_root
def test_who_may_not_give_the_file_away_leaves_no_lock(daemons: Path) -> None:
    daemons.parent.chmod(0o777)
    daemons.chmod(0o666)
    assert "PermissionError" in as_user(4712, lambda: edit_users(daemons, DISABLE))
    assert {entry.name for entry in daemons.parent.iterdir()} == {"users.yaml"}


def acl(*entries: tuple[int, int, int]) -> bytes:
    """The kernel's form of an access control list: tag, rights and number of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, rights, who) for tag, rights, who in entries)


OWNER, USER, GROUP, MASK, OTHER, NOBODY = 1, 2, 4, 0x10, 0x20, 0xFFFFFFFF
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
READABLE = acl((OWNER, 6, NOBODY), (USER, 4, 4711), (GROUP, 0, NOBODY), (MASK, 4, NOBODY), (OTHER, 0, NOBODY))


def give(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            pytest.skip("this file system has no access control lists")
        raise


def test_an_access_control_list_stays(path: Path) -> None:
    give(path, ACCESS, READABLE)
    edit_users(path, DISABLE)
    assert path.read_text() == NEW and os.getxattr(path, ACCESS) == READABLE
    assert stat.S_IMODE(path.stat().st_mode) == 0o640  # the list's mask: the group itself may nothing


def test_what_the_folder_gives_to_new_files_is_not_given_to_this_one(path: Path) -> None:
    give(path.parent, DEFAULT, READABLE)
    edit_users(path, DISABLE)
    assert path.read_text() == NEW and ACCESS not in os.listxattr(path)


def test_where_an_access_control_list_cannot_be_kept_nothing_is_written(path: Path) -> None:
    give(path, ACCESS, READABLE)
    files = FailingFiles(1, errno.EPERM, lambda call: call.operation == "set_attribute")
    files.armed = True
    with pytest.raises(PermissionError):
        edit_users(path, DISABLE, editing(files))
    assert path.read_text() == OLD and folder(path) == {"users.yaml"}


def test_what_is_new_is_on_the_disk_before_it_has_the_name_and_the_name_after(path: Path) -> None:
    files = RecordingFiles()
    edit_users(path, DISABLE, editing(files))
    steps = [call.operation for call in files.calls if ".lock" not in call.path]
    assert steps.index("write") < steps.index("fsync") < steps.index("rename") < steps.index("fsync_directory")


def test_mode_and_links_stay(path: Path) -> None:
    link = path.parent / "link.yaml"
    link.symlink_to(path)
    edit_users(link, DISABLE)
    assert link.is_symlink() and path.read_text() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE((path.parent / "users.yaml.lock").stat().st_mode) == 0o600


@only_root
def test_the_owner_stays_and_has_the_lock_too(path: Path) -> None:
    os.chown(path, 4711, 4712)
    edit_users(path, DISABLE)
    for made in (path, path.parent / "users.yaml.lock"):
        assert (made.stat().st_uid, made.stat().st_gid) == (4711, 4712)


def test_whoever_comes_second_waits_and_is_told(path: Path) -> None:
    with (path.parent / "users.yaml.lock").open("wb") as lock:
        assert FileSystem().try_lock(lock.fileno())
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        with pytest.raises(CannotEdit, match="is being changed by somebody else"):
            edit_users(path, DISABLE, Editing(FileSystem(), patience=5.0, clock=lambda: now[0], sleep=sleep))
        assert 5.0 <= now[0] < 6.0
    edit_users(path, DISABLE)
    assert path.read_text() == NEW


def test_of_many_at_the_same_time_nobody_loses_anything(path: Path) -> None:
    """Each child adds users of its own; the lock has one after the other write."""
    patient, children, each = Editing(FileSystem(), patience=60.0), 4, 5
    pids = []
    for child in range(children):
        if (pid := os.fork()) == 0:
            for number in range(each):
                address = EmailAddress.parse(f"user{child}-{number}@example.org")
                edit_users(path, add_user(address, {"password": "{PLAIN}x"}), patient)
            os._exit(0)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * children
    assert len(read_users(path).logins) == 1 + children * each
    assert path.read_text().startswith(OLD) and folder(path) == {"users.yaml"}


def test_what_an_editor_wrote_meanwhile_is_not_lost(path: Path) -> None:
    class Beside(RecordingFiles):
        def after(self, call: Call) -> None:
            if call.operation == "fsync":
                path.write_text(OLD + "# an editor's\n")

    with pytest.raises(CannotEdit, match="changed by somebody else meanwhile"):
        edit_users(path, DISABLE, editing(Beside()))
    assert path.read_text() == OLD + "# an editor's\n" and folder(path) == {"users.yaml"}


def test_a_byte_order_mark_and_line_ends_stay(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + OLD.replace("\n", "\r\n").encode())
    edit_users(path, DISABLE)
    assert path.read_bytes() == b"\xef\xbb\xbf" + NEW.replace("\n", "\r\n").encode()
    assert not read_users(path).logins[ALICE].user.enabled


def test_what_the_daemon_would_refuse_is_not_written(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"users\.yaml:3:52: users\.alice@example\.org\.quota"):
        edit_users(path, lambda _: [Put(("users", "alice@example.org", "quota"), "much")])
    with pytest.raises(CannotEdit, match="there already"):
        edit_users(path, add_user(EmailAddress.parse("ALICE@example.org"), {"password": "{PLAIN}y"}))
    assert path.read_text() == OLD and folder(path) == {"users.yaml"}


def test_a_file_with_a_fault_is_not_built_upon(path: Path) -> None:
    path.write_text(OLD + "nonsense: 1\n")
    with pytest.raises(ConfigurationError, match="nonsense"):
        edit_users(path, DISABLE)


def test_a_plan_without_changes_writes_nothing(path: Path) -> None:
    before = path.stat()
    edit_users(path, set_user(ALICE, "enabled", None))
    assert path.stat() == before


def test_a_password_is_replaced_only_where_it_is_the_one_known(path: Path) -> None:
    known = StoredPassword.parse("{PLAIN}x")
    replace_password(path, ALICE, known, "{PLAIN}y")
    with pytest.raises(CannotEdit, match="changed meanwhile"):
        replace_password(path, ALICE, known, "{PLAIN}z")
    with pytest.raises(CannotEdit, match="no user"):
        replace_password(path, BOB, known, "{PLAIN}z")
    assert '"{PLAIN}y"' in path.read_text()


def test_a_password_that_is_replaced_waits_for_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr(FileSystem, "try_lock", lambda _, descriptor: tries.append(descriptor))
    with pytest.raises(CannotEdit, match="is being changed by somebody else"):
        replace_password(path, ALICE, StoredPassword.parse("{PLAIN}x"), "{PLAIN}y")
    assert len(tries) == 1 and path.read_text() == OLD


def test_the_disk_is_full(path: Path) -> None:
    files = FailingFiles(1, errno.ENOSPC, lambda call: call.operation == "write")
    files.armed = True
    with pytest.raises(OSError, match="No space"):
        edit_users(path, DISABLE, editing(files))
    assert path.read_text() == OLD and folder(path) == {"users.yaml"}
