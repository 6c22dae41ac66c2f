"""The file of one account that holds what its messages say: blocks, one behind the other, only ever added to.

Who adds holds the file's lock (`flock`), and goes without where another process has it. A file is known by its inode,
size and time: while these are as they were left here it need not be read again. What another hand did to it is found by
checksums, where it is looked at: what lies behind a damaged header is lost, and so is a block that is not whole.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from twisted.logger import Logger

from mailbox_d.store.index.text_block import HEADER_SIZE, Block, unpack_header

_PREAMBLE = struct.Struct("=8sd")
"""What the file is, and since when: seconds since 1970."""
_MAGIC = b"mbdtext1"

OCTETS_MAX = 1 << 30
"""Of a file, where nobody says."""

_NEARLY_FULL = 0.99

_REST_SECONDS = 60.0
"""How long a file that cannot be had is let be."""

_DOUBT_SECONDS = 0.05
"""A file that somebody else changed so shortly ago may change again without another time."""

State: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size, time of the last change in nanoseconds."""


class _Elsewhere(Exception):
    """Another process has the file now, or has put another one in its place."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in the file as long as it is in this state: blocks, in the order in which they were added."""

    state: State | None
    since: float = 0.0
    """Of the file; nothing is in it where this is 0."""
    blocks: tuple[Block, ...] = ()
    end: int = _PREAMBLE.size
    sound: dict[int, int] = field(default_factory=dict)
    """By a block's offset, a bit for each column that was held against its checksum. Who adds to the file hands it on:
    two of the same are one file.
    """


class TextFile:
    """One account's texts. Safe for threads; nothing raised here leaves it but by `OSError` of a reader."""

    _log = Logger()

    def __init__(
        self, path: Path, monotonic: Callable[[], float] = time.monotonic, octets_max: int = OCTETS_MAX
    ) -> None:
        """`octets_max`: what is added ends there."""
        self.path = path
        self._octets_max = octets_max
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._contents: Contents | None = None
        self._unread_until = 0.0
        self._unwritten_until = 0.0

    def contents(self) -> Contents | None:
        """What is in the file now; None where there is none to be had."""
        with self._guard:
            if self._monotonic() < self._unread_until:
                return None
            try:
                return self._looked_at()
            except FileNotFoundError:
                self._contents = None
            except OSError as error:
                self._unread_until = self._rested(error)
            return None

    def is_full(self) -> bool:
        """Whether hardly anything can be added any more."""
        contents = self.contents()
        return (_PREAMBLE.size if contents is None else contents.end) >= _NEARLY_FULL * self._octets_max

    def append(self, blocks: Iterable[bytes]) -> None:
        """Add blocks, if that can be had without waiting, as far as there is room."""
        with self._guard:
            self._try(lambda descriptor: self._add(descriptor, blocks))

    def rewrite(self, chosen: Callable[[int, Contents], Iterable[bytes]]) -> None:
        """Put other blocks in the place of all that there are; they are made of a descriptor and what is in it."""
        with self._guard:
            self._try(lambda descriptor: self._replace(chosen(descriptor, self._looked_at())))

    @contextmanager
    def opened(self, contents: Contents) -> Iterator[int]:
        """A descriptor of the file in a state that is known. Raises `OSError`; `FileNotFoundError` if it is not."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not self.is_known(descriptor, contents):
                raise FileNotFoundError(self.path)
            yield descriptor
        finally:
            os.close(descriptor)

    def is_known(self, descriptor: int, contents: Contents) -> bool:
        """Whether nobody but us has changed the file since this was in it. Raises `OSError`."""
        with self._guard:
            state, now = _state(os.fstat(descriptor)), self._contents
            return state == contents.state or (now is not None and now.sound is contents.sound and now.state == state)

    def close(self) -> None:
        """Forget what was read; the next one who asks reads it again."""
        with self._guard:
            self._contents = None

    def remove(self) -> None:
        """Forget everything."""
        with self._guard:
            self._contents = None
            _unlink(self.path)

    def _looked_at(self) -> Contents:
        """Raises `OSError`."""
        status = self.path.lstat()
        known = self._contents
        if known is not None and _state(status) == known.state:
            return known
        self._contents = None
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(self.path)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            found = _read(descriptor, status)
        finally:
            os.close(descriptor)
        if abs(time.time() - status.st_mtime) >= _DOUBT_SECONDS:
            self._contents = found
        return found

    def _try(self, work: Callable[[int], None]) -> None:
        if self._monotonic() < self._unwritten_until:
            return
        try:
            with self._locked() as descriptor:
                work(descriptor)
        except (_Elsewhere, FileNotFoundError):
            self._contents = None
        except OSError as error:
            self._unwritten_until = self._rested(error)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, opened for writing and locked; made if there is none. Raises `_Elsewhere`, `OSError`."""
        _drop_what_is_no_file(self.path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _Elsewhere from None
            if not os.path.samestat(os.fstat(descriptor), self.path.lstat()):
                raise _Elsewhere
            yield descriptor
        finally:
            os.close(descriptor)

    def _add(self, descriptor: int, blocks: Iterable[bytes]) -> None:
        known = self._begun(descriptor)
        added: list[Block] = []
        end = known.end
        try:
            for octets in blocks:
                block = unpack_header(octets[:HEADER_SIZE], end)
                if block is None or end + len(octets) > self._octets_max:
                    continue
                _write(descriptor, octets, end)
                added.append(block)
                end += len(octets)
        except OSError:
            os.ftruncate(descriptor, known.end)
            raise
        state = _state(os.fstat(descriptor))
        self._contents = Contents(state, known.since, (*known.blocks, *added), end, known.sound)

    def _begun(self, descriptor: int) -> Contents:
        """What is in the file, which ends behind its last whole block from now on."""
        known = self._looked_at()
        if known.since == 0.0:
            known = Contents(None, time.time())
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _PREAMBLE.pack(_MAGIC, known.since), 0)
        elif os.fstat(descriptor).st_size > known.end:
            os.ftruncate(descriptor, known.end)
        return known

    def _replace(self, blocks: Iterable[bytes]) -> None:
        aside = self.path.with_name(self.path.name + ".new")
        _unlink(aside)
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            end = os.pwrite(descriptor, _PREAMBLE.pack(_MAGIC, time.time()), 0)
            for octets in blocks:
                _write(descriptor, octets, end)
                end += len(octets)
            aside.rename(self.path)
            self._contents = _read(descriptor, os.fstat(descriptor))
        except OSError:
            _unlink(aside)
            raise
        finally:
            os.close(descriptor)

    def _rested(self, error: OSError) -> float:
        """Until when the file is let be."""
        self._contents = None
        self._log.warn("There are no texts at {path} for a while: {why}", path=str(self.path), why=str(error))
        return self._monotonic() + _REST_SECONDS


def _read(descriptor: int, status: os.stat_result) -> Contents:
    """Go through the file from block to block. Raises `OSError`."""
    state = _state(status)
    preamble = os.pread(descriptor, _PREAMBLE.size, 0)
    if len(preamble) < _PREAMBLE.size or not preamble.startswith(_MAGIC):
        return Contents(state)
    blocks, end = list[Block](), _PREAMBLE.size
    while True:
        block = unpack_header(os.pread(descriptor, HEADER_SIZE, end), end)
        if block is None or end + block.size > status.st_size:
            return Contents(state, _PREAMBLE.unpack(preamble)[1] or 1.0, tuple(blocks), end)
        blocks.append(block)
        end += block.size


def _write(descriptor: int, octets: bytes, offset: int) -> None:
    with memoryview(octets) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(descriptor, view[done:], offset + done)


def _state(status: os.stat_result) -> State:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _drop_what_is_no_file(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            path.unlink()


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
