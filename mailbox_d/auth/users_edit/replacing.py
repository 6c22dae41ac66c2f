"""The file of users, replaced by an edited one: under a lock, whole or not at all, durable."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from mailbox_d.auth.users_edit.changes import CannotEdit, Change
from mailbox_d.auth.users_edit.edited_text import edited_from, value_of
from mailbox_d.auth.users_file import DEFAULT_LIMITS, UsersFileLimits, read_users
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.source import Plain
from mailbox_d.store.files import FileSystem, find, forget, parent, read_whole

Plan: TypeAlias = Callable[[Plain], Sequence[Change]]
"""From what the file says to what is to change in it, in this order. It may raise what it likes; nothing is written."""

_BOM = "\ufeff"
_PAUSE = 0.05
_RIGHTS = ("system.posix_acl_access", "security.selinux")
"""Extended attributes that say who may read a file, beside its owner, group and mode."""


@dataclass(frozen=True, slots=True)
class Editing:
    """How a file is edited: `patience` is for how many seconds another one's lock is waited for."""

    files: FileSystem
    limits: UsersFileLimits = DEFAULT_LIMITS
    patience: float = 5.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def edit_users(path: Path, plan: Plan, editing: Editing | None = None) -> None:
    """Make the changes of a plan in the users file at `path`; a plan without any writes nothing. Blocks.

    Raises `CannotEdit`, `ConfigurationError` where the file is at fault, before or after, and `OSError`; then the file
    is as it was, except where only its folder could not be made durable.
    """
    editing = editing or Editing(FileSystem())
    real = os.fsencode(path.resolve())
    with _locked(editing, real):
        before = editing.files.lstat(real)
        text = _read(editing, real, path)
        after = _after(text, plan, editing.limits)
        if after != text:
            _replace(editing, real, before, after.encode("utf-8"), path)


def _read(editing: Editing, real: bytes, path: Path) -> str:
    read_users(path, editing.limits)  # a file that the daemon would refuse is no ground to build on
    octets = read_whole(editing.files, real, editing.limits.document.size)
    if octets is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return octets.decode("utf-8")


def _after(text: str, plan: Plan, limits: UsersFileLimits) -> str:
    mark, text = text[: text.startswith(_BOM)], text.removeprefix(_BOM)
    value = value_of(text, limits.document)
    changes = plan(value)
    return mark + (edited_from(text, value, changes, limits.document) if changes else text)


def _replace(editing: Editing, real: bytes, before: os.stat_result, content: bytes, path: Path) -> None:
    """Put the content in the file's place, if the daemon's reader takes it and nobody else wrote meanwhile."""
    files = editing.files
    fresh = _beside(real, b"new")
    forget(files, fresh)  # of an edit that was killed
    try:
        _write_like(files, fresh, content, real, before)
        _require_readable(Path(os.fsdecode(fresh)), path, editing.limits)
        if _identity(files.lstat(real)) != _identity(before):
            raise CannotEdit(f"{path} was changed by somebody else meanwhile: try again")
        files.rename(fresh, real)
    except BaseException:
        forget(files, fresh)
        raise
    files.fsync_directory(parent(real))


def _beside(real: bytes, what: bytes) -> bytes:
    return parent(real) + b"/.%s.%s" % (real.rpartition(b"/")[2], what)


def _write_like(files: FileSystem, fresh: bytes, content: bytes, real: bytes, like: os.stat_result) -> None:
    """A new file of the same owner, group, mode and further rights; it is its owner's alone until it has them."""
    descriptor = files.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        _own_like(files, descriptor, like)
        for name in _RIGHTS:
            wanted = files.attribute(real, name)
            if files.attribute(descriptor, name) != wanted:  # also one that the folder gives to what is made in it
                files.set_attribute(descriptor, name, wanted)
        files.chmod(descriptor, like.st_mode & 0o777)
        files.write(descriptor, content)
        files.fsync(descriptor)
    finally:
        files.close(descriptor)


def _own_like(files: FileSystem, descriptor: int, like: os.stat_result) -> None:
    status = files.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (like.st_uid, like.st_gid):
        files.chown(descriptor, like.st_uid, like.st_gid)


def _require_readable(fresh: Path, path: Path, limits: UsersFileLimits) -> None:
    """Raises `ConfigurationError` with places in the file as it would be."""
    try:
        read_users(fresh, limits)
    except ConfigurationError as error:
        raise ConfigurationError(replace(fault, file=str(path)) for fault in error.faults) from None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def _locked(editing: Editing, real: bytes) -> Iterator[None]:
    """Hold the lock beside the file. Its lock file stays: who waits for it has it open."""
    files, until, like = editing.files, editing.clock() + editing.patience, editing.files.lstat(real)
    descriptor = _open_lock(files, real, like)
    try:
        _mend_lock(files, descriptor, like)
        while not files.try_lock(descriptor):
            if editing.clock() >= until:
                raise CannotEdit(f"{os.fsdecode(real)} is being changed by somebody else: try again later")
            editing.sleep(_PAUSE)
        yield
    finally:
        files.close(descriptor)


def _open_lock(files: FileSystem, real: bytes, like: os.stat_result) -> int:
    lock = real + b".lock"
    if find(files, lock) is None:
        with suppress(FileExistsError):  # somebody else was quicker
            _make_lock(files, lock, _beside(real, b"lock.%d" % os.getpid()), like)
    return files.open(lock, os.O_RDWR)


def _make_lock(files: FileSystem, lock: bytes, fresh: bytes, like: os.stat_result) -> None:
    """It is the same one's as the file before it has its name: root is not to shut others out."""
    forget(files, fresh)
    descriptor = files.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        _own_like(files, descriptor, like)
        files.rename_new(fresh, lock)
    except BaseException:
        forget(files, fresh)
        raise
    finally:
        files.close(descriptor)


def _mend_lock(files: FileSystem, descriptor: int, like: os.stat_result) -> None:
    """Give a lock file that somebody else made to the file's owner; nothing else that has its name."""
    status = files.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size == 0:
        with suppress(PermissionError):  # who may open it may hold it
            _own_like(files, descriptor, like)
