"""The queue's files: messages, what became of their recipients, and what was set aside.

No step leaves a state from which a message could be lost or one that is finished be due again:

- A message is written and synced in `tmp`, renamed into `messages`, and that directory is synced: then it is durable.
- What became of a recipient is a line in `outcomes`, synced, and its directory where the file is new.
- A message whose last recipients have their outcome needs no such line: its file is removed. That removal is durable
  with the next sync of `messages`, which every new message brings, and `sync_removals` within a second or so. Until
  then a loss of power (not the process's end) lets the message be sent once more; to wait for a sync of its own would
  cost more than all else. Only when the removal is durable are its lines removed: what comes back knows all that was
  noted of it.
- Lines without a message are of a finished one, and are swept.

Blocking code, for lanes; safe for threads, but for two that change the same message.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from twisted.logger import Logger

from mailbox_d.printable import one_line
from mailbox_d.queue.content import MessageContent, open_entry
from mailbox_d.queue.folders import IDENTIFIER, LOG_SUFFIX, Folders
from mailbox_d.queue.message_file import DamagedMessage, read_message
from mailbox_d.queue.outcomes import LINE_OCTETS_MAX, Change, MessageState
from mailbox_d.store.files import find, forget, remove_tree, write_new

_LOG_OCTETS_MAX = 512 * 1024 * 1024
"""Of one message's outcomes, however many recipients it has; far more than any takes."""

_LINES_EACH = 5
"""Outcomes of more than this many lines for each recipient have been written anew, but for the first `_REWRITE_OCTETS`:
at a quarter of it that is worth it, and at most as much is added once."""

_PIECE_OCTETS = 256 * 1024
"""That are read at once."""

_REWRITE_OCTETS = 1024 * 1024
"""Outcomes that take this much are written anew, if that makes them half as long."""

_REMOVALS_MAX = 1000
"""Of messages with lines, whose removal is not durable yet."""


class Spool:
    """Reads, notes and removes. Every method may raise `OSError`."""

    _log = Logger()

    def __init__(self, folders: Folders, *, changes: bool = True) -> None:
        """Where it `changes` nothing, what is damaged is told and left."""
        self._changes = changes
        self.folders = folders
        self.set_aside_count = 0
        self._files = folders.files
        self._guard = threading.Lock()
        self._removed: list[str] = []
        self._leaving: set[str] = set()
        """Messages with lines that are being removed, until that is durable and the lines are gone."""
        self._has_removals = False

    def content(self, identifier: str) -> MessageContent | None:
        """A message's octets; None where there is none, or it is damaged and was set aside now."""
        path = self.folders.message(identifier)
        try:
            content = MessageContent(self._files, path, partial(self.set_aside, path))
        except FileNotFoundError:
            return None
        except DamagedMessage as error:
            self.set_aside(path, str(error))
            return None
        if not content.top.is_of(identifier):
            content.close()
            self.set_aside(path, "it is another message")
            return None
        return content

    def state(self, identifier: str) -> MessageState | None:
        """A message with all that became of it; None where there is none, or it is damaged and was set aside now."""
        content = self.content(identifier)
        if content is None:
            return None
        content.close()
        try:
            state = MessageState(read_message(content.top, identifier))
        except DamagedMessage as error:
            self.set_aside(self.folders.message(identifier), str(error))
            return None
        self._read_log(state)
        return state

    def names(self) -> Iterator[bytes]:
        """What lies where messages should, in no order; of what comes and goes meanwhile, some."""
        return self._files.each_name(self.folders.messages)

    def states(self) -> Iterator[MessageState]:
        """All messages, as the disk has them; none where there was no queue. What cannot be read is passed over."""
        if find(self._files, self.folders.messages) is None:
            return
        for name in self.names():
            if IDENTIFIER.fullmatch(name):
                with suppress(OSError):
                    if state := self.state(name.decode("ascii")):
                        yield state

    def append(self, state: MessageState, change: Change, *, durable: bool = True) -> None:
        """Note what became of some of a message's recipients, and let it hold. Where this fails nothing has changed."""
        lines = change.lines()
        if state.log_octets + len(lines) <= _REWRITE_OCTETS or not self._rewrite(state, state.lines(change)):
            self._add_lines(state, lines, durable=durable)
        state.apply(change)

    def remove(self, state: MessageState) -> None:
        """Remove a message that is finished; durable after `sync_removals`."""
        identifier = state.message.identifier
        with self._guard:
            if state.log_octets:
                self._leaving.add(identifier)
        try:
            self._files.unlink(self.folders.message(identifier))
        except FileNotFoundError:
            pass
        except BaseException:
            with self._guard:
                self._leaving.discard(identifier)
            raise
        state.is_removed = True
        with self._guard:
            self._has_removals = True
            if state.log_octets:
                self._removed.append(identifier)
            are_many = len(self._removed) >= _REMOVALS_MAX
        if are_many:
            with suppress(OSError):
                self.sync_removals()

    def sync_removals(self) -> None:
        """Make sure that no message that was removed comes back; then remove their lines."""
        with self._guard:
            if not self._has_removals:
                return
            removed, self._removed, self._has_removals = self._removed, [], False
        try:
            self.folders.directories.sync(self.folders.messages)
        except BaseException:
            with self._guard:
                self._removed += removed
                self._has_removals = True
            raise
        for identifier in removed:
            forget(self._files, self.folders.log(identifier))
        with self._guard:
            self._leaving.difference_update(removed)

    def sweep_log(self, name: bytes) -> None:
        """Remove lines whose message is gone, durably; set aside what is none of ours."""
        path = self.folders.outcomes + b"/" + name
        identifier = name.removesuffix(LOG_SUFFIX)
        if not name.endswith(LOG_SUFFIX) or not IDENTIFIER.fullmatch(identifier):
            self.set_aside(path, "it is called like nothing here")
        elif find(self._files, self.folders.messages + b"/" + identifier) is None and not self._leaves(identifier):
            forget(self._files, path)

    def _leaves(self, identifier: bytes) -> bool:
        """Whether a message might come back; to be asked once it is missed, for `remove` says so before."""
        with self._guard:
            return identifier.decode("ascii") in self._leaving

    def sweep_tmp(self, name: bytes, before: float) -> None:
        """Remove what nobody has touched since."""
        path = self.folders.tmp + b"/" + name
        status = find(self._files, path)
        if status is not None and status.st_mtime < before:
            remove_tree(self._files, path)

    def set_aside(self, path: bytes, why: str) -> None:
        """Put away what is damaged or does not belong here, for the operator."""
        self.set_aside_count += 1
        is_gone = self._changes and self.folders.set_aside(path)
        whither = "set aside" if is_gone else "damaged, and left where it is"
        self._log.error("{path} in the queue is {whither}: {why}", path=one_line(path), whither=whither, why=why)

    def set_aside_unless_file(self, path: bytes) -> None:
        """Put away what others could wait for ever to open, or follow to somewhere else."""
        status = find(self._files, path)
        if status is not None and not stat.S_ISREG(status.st_mode):
            self.set_aside(path, "it is no file")

    def _read_log(self, state: MessageState) -> None:
        """Take in what became of its recipients. What is there and is no file says nothing."""
        path = self.folders.log(state.message.identifier)
        try:
            descriptor = open_entry(self._files, path)
        except FileNotFoundError:
            return
        except DamagedMessage as error:
            self.set_aside(path, str(error))
            return
        try:
            status = self._files.fstat(descriptor)
            is_one = stat.S_ISREG(status.st_mode) and status.st_size <= _log_octets_max(state)
            damaged = state.read(self._pieces(descriptor, status.st_size)) if is_one else 0
        finally:
            self._files.close(descriptor)
        if not is_one:
            self.set_aside(path, "it is no file, or too large")
        if damaged:
            self._log.warn("{count} outcomes in {path} are damaged", count=damaged, path=one_line(path))

    def _pieces(self, descriptor: int, octets: int) -> Iterator[bytes]:
        for offset in range(0, octets, _PIECE_OCTETS):
            yield self._files.read(descriptor, offset, min(_PIECE_OCTETS, octets - offset))

    def _add_lines(self, state: MessageState, lines: bytes, *, durable: bool) -> None:
        path = self.folders.log(state.message.identifier)
        descriptor = self._files.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            torn, state.is_torn = state.is_torn, True
            self._files.write(descriptor, b"\n" + lines if torn else lines)
            if durable:
                self._files.fsync(descriptor)
        finally:
            self._files.close(descriptor)
        if state.log_octets == 0:
            self.folders.directories.sync(self.folders.outcomes)
        state.is_torn = False
        state.log_octets += len(lines) + torn

    def _rewrite(self, state: MessageState, lines: bytes) -> bool:
        """Write the lines anew; false where that would not make them much shorter."""
        if len(lines) > (_REWRITE_OCTETS + state.log_octets) // 4:
            return False
        path = self.folders.new_in_tmp()
        write_new(self._files, path, lines)
        try:
            self._files.rename(path, self.folders.log(state.message.identifier))
        except OSError:
            forget(self._files, path)
            raise
        self.folders.directories.sync(self.folders.outcomes)
        state.log_octets, state.is_torn = len(lines), False
        return True


def _log_octets_max(state: MessageState) -> int:
    """What the lines of a message take at most."""
    most = _LINES_EACH * LINE_OCTETS_MAX * len(state.message.envelope.recipients)
    return min(_REWRITE_OCTETS + most, _LOG_OCTETS_MAX)
