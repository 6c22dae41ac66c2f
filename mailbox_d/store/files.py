"""The one door to the disk: every file operation of the store goes through a `FileSystem`.

Tests hand in one that records the calls, fails any of them with any errno, or ends the process at call n. Paths are
bytes, since a Maildir may hold names in no encoding at all. Nothing is ever opened through a symbolic link.
"""

# pathlib holds neither bytes nor descriptors
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH115, PTH208, PTH211

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import ParamSpec, TypeVar

from mailbox_d.errors import StorageFault, StorageFull

P = ParamSpec("P")
T = TypeVar("T")

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

_MAKING = threading.RLock()
"""Held from the making of a directory until it is durable."""

_AT_FDCWD, _NOREPLACE = -100, 1
_NO_SUCH_CALL = frozenset({errno.ENOSYS, errno.EINVAL})
"""What a kernel or a file system says that cannot rename without replacing."""

_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_ATTRIBUTE = frozenset({errno.ENODATA, errno.EOPNOTSUPP})
_NO_LINK = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})


def storage_fault(error: OSError) -> StorageFault:
    """The error as the store's callers know it: full, or another fault on our side."""
    if error.errno in _FULL:
        return StorageFull("Insufficient system storage", cause=str(error))
    return StorageFault("The mail store is not available now", cause=str(error))


def storage_faults(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function of the store's interface raise `StorageFault` where the disk raised `OSError`."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except OSError as error:
            raise storage_fault(error) from error

    return guarded


class FileSystem:
    """File operations as the kernel has them; each may raise `OSError`."""

    def open(self, path: bytes, flags: int) -> int:
        """Open a file, never through a symbolic link; a new one is readable by its owner alone."""
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        """Read up to `length` octets at `offset`; fewer only at the end of the file."""
        piece = os.pread(descriptor, length, offset)
        pieces = [piece]
        while piece and (length := length - len(piece)):
            offset += len(piece)
            piece = os.pread(descriptor, length, offset)
            pieces.append(piece)
        return b"".join(pieces) if len(pieces) > 1 else pieces[0]

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` at the descriptor's position."""
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, memoryview(data)[written:])

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def fsync_directory(self, path: bytes) -> None:
        """Make the directory's entries durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: bytes, destination: bytes) -> None:
        os.rename(source, destination)

    def rename_new(self, source: bytes, destination: bytes) -> None:
        """Rename a file to a name that nothing has. Raises `FileExistsError` where something has it."""
        if _renameat2 is not None and _renameat2(_AT_FDCWD, source, _AT_FDCWD, destination, _NOREPLACE) == 0:
            return
        number = ctypes.get_errno() if _renameat2 is not None else errno.ENOSYS
        if number not in _NO_SUCH_CALL:
            raise OSError(number, os.strerror(number), source, None, destination)
        if find(self, destination) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, destination)
        os.rename(source, destination)

    def link(self, source: bytes, destination: bytes) -> None:
        os.link(source, destination, follow_symlinks=False)

    def symlink(self, text: bytes, path: bytes) -> None:
        """Make a symbolic link that says `text`."""
        os.symlink(text, path)

    def link_text(self, path: bytes) -> bytes | None:
        """What a symbolic link says, None where there is none."""
        try:
            return os.readlink(path)
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise

    def unlink(self, path: bytes) -> None:
        os.unlink(path)

    def mkdir(self, path: bytes) -> None:
        os.mkdir(path, DIRECTORY_MODE)

    def rmdir(self, path: bytes) -> None:
        os.rmdir(path)

    def chmod(self, descriptor: int, mode: int) -> None:
        os.fchmod(descriptor, mode)

    def chown(self, descriptor: int, user: int, group: int) -> None:
        os.fchown(descriptor, user, group)

    def attribute(self, target: int | bytes, name: str) -> bytes | None:
        """An extended attribute of a descriptor or a path; None where it has none of this name."""
        try:
            return os.getxattr(target, name, follow_symlinks=isinstance(target, int))
        except OSError as error:
            if error.errno in _NO_ATTRIBUTE:
                return None
            raise

    def set_attribute(self, descriptor: int, name: str, value: bytes | None) -> None:
        """Let an extended attribute have a value, or be no more."""
        if value is None:
            os.removexattr(descriptor, name)
        else:
            os.setxattr(descriptor, name, value)

    def try_lock(self, descriptor: int) -> bool:
        """Lock an open file until it is closed; false where another one has it. True where the file system has no such
        locks."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno != errno.EWOULDBLOCK
        return True

    def utime(self, target: int | bytes, seconds: float) -> None:
        """Set the time of last modification, of a descriptor or a path."""
        os.utime(target, (seconds, seconds))

    def fstat(self, descriptor: int) -> os.stat_result:
        return os.fstat(descriptor)

    def lstat(self, path: bytes) -> os.stat_result:
        return os.lstat(path)

    def names(self, directory: bytes) -> list[bytes]:
        """The names in a directory, of whatever kind."""
        return os.listdir(directory)

    def each_name(self, directory: bytes) -> Iterator[bytes]:
        """The same one after the other, of a directory that may be large; of what comes and goes meanwhile, some."""
        with os.scandir(directory) as entries:
            for entry in entries:
                yield entry.name

    def directories(self, directory: bytes) -> list[bytes]:
        """The names of the directories in a directory."""
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def free_octets(self, path: bytes) -> int:
        """What the file system that holds `path` has left for a process without privileges."""
        figures = os.statvfs(path)
        return figures.f_bavail * figures.f_frsize


def parent(path: bytes) -> bytes:
    """The directory that holds a path."""
    return path.rpartition(b"/")[0] or b"/"


def find(files: FileSystem, path: bytes) -> os.stat_result | None:
    """The file's status, None where there is no such file."""
    try:
        return files.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_whole(files: FileSystem, path: bytes, limit: int) -> bytes | None:
    """A small file's octets, None where there is no such file. Raises `OSError` (EFBIG) for one above `limit`."""
    try:
        descriptor = files.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        size = files.fstat(descriptor).st_size
        if size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return files.read(descriptor, 0, size)
    finally:
        files.close(descriptor)


def write_new(files: FileSystem, path: bytes, content: bytes) -> os.stat_result:
    """Make a file that must not exist yet, durable (its directory is not); returns its status."""
    descriptor = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        files.write(descriptor, content)
        files.fsync(descriptor)
        return files.fstat(descriptor)
    except OSError:
        forget(files, path)
        raise
    finally:
        files.close(descriptor)


def forget(files: FileSystem, path: bytes) -> bool:
    """Remove a file that may be gone already; false where that failed. For cleaning up behind another fault."""
    try:
        files.unlink(path)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def make_directories(files: FileSystem, path: bytes, *, parents: bool = True) -> None:
    """Make a directory and its parents, durable each, also where another thread is just making them.

    Without `parents`, `FileNotFoundError` is raised where there is no directory to make it in.
    """
    with _MAKING:
        try:
            files.mkdir(path)
        except FileExistsError:
            return
        except FileNotFoundError:
            if not parents:
                raise
            make_directories(files, parent(path))
            make_directories(files, path)
            return
        files.fsync_directory(parent(path))


def remove_tree(files: FileSystem, path: bytes) -> None:
    """Remove a file, or a directory and all below it, following no link. What is gone already is no fault."""
    status = find(files, path)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        forget(files, path)
        return
    with suppress(FileNotFoundError):  # another program may be removing it too
        for name in files.names(path):
            remove_tree(files, path + b"/" + name)
        files.rmdir(path)
