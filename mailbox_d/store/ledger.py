"""What each account holds, kept in its `maildirsize` by all who add and remove messages.

Dovecot keeps the same file and asks for no lock, so what it says is believed within bounds (`Ledger`), and whatever
goes wrong with it costs a count of the account's names. A line is appended before a message is put in its place, in
one step with the look whether it fits: of many that come at once, no more are taken than there is room for. No line is
synced: after a loss of power the file may tell of less or more than there is, so what was written before the machine's
boot is not believed. Where Dovecot has appended since, it is, until Dovecot's own rules have all counted again.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakValueDictionary

from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.errors import OverQuota
from mailbox_d.store.boot import boot_time
from mailbox_d.store.files import FileSystem, find, forget, write_new
from mailbox_d.store.maildirsize import (
    FILE_NAME,
    OCTETS_MAX,
    STALE_AFTER,
    Balance,
    format_balance,
    format_change,
    parse,
)
from mailbox_d.store.ports import Quota, QuotaLimits, Usage
from mailbox_d.store.quota import AccountLimits, QuotaRules
from mailbox_d.store.unique import UniqueNames
from mailbox_d.store.usage import Counted, maildir_usage, total

_NOTHING = Usage(0, 0)
_TRIES = 3
"""How often all is counted while other programs append to the file."""

Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size and time of a file: while they are the same, so is what it says."""


@dataclass(frozen=True, slots=True)
class LedgerTimes:
    """Seconds: how long a count waits for messages that are just put in place, renamed or removed; between two counts
    that may show no more than the one before."""

    patience: float = 0.5
    recount_pause: float = 10.0


@dataclass(frozen=True, slots=True)
class _Known:
    """What the file of this identity says."""

    identity: Identity
    modified: float
    balance: Balance


class Claim:
    """Room for messages that are just put in their places. It is closed once they are there, or are not to be."""

    def __init__(self, close: Callable[[Usage], None], wanted: Usage) -> None:
        self._close = close
        self._wanted = wanted
        self._is_open = True

    def close(self, *, kept: bool) -> None:
        """Keep the room, or give it back; the first word counts."""
        if self._is_open:
            self._is_open = False
            self._close(_NOTHING if kept else _negative(self._wanted))


class Ledger:
    """One account's. The file is believed while it has the right limits, no bad line, no sum below zero, is not too
    long, has been written since the machine's boot, and unless it says that the account is full when that may have
    changed: behind the first line or after a quarter of an hour. While messages are put in their places, renamed or
    removed, nobody counts but who has waited for long, and other programs: what they counted is counted again.

    Where there are no limits, nothing is counted; a file that is there is kept up to date all the same.
    """

    _log = Logger()

    def __init__(
        self,
        files: FileSystem,
        maildir: bytes,
        limits: Callable[[], QuotaLimits | None],
        rules: QuotaRules,
        times: LedgerTimes,
        unique: UniqueNames,
        clock: Callable[[], float],
        booted: Callable[[], float] = boot_time,
    ) -> None:
        self._files = files
        self._maildir = maildir
        self._path = maildir + b"/" + FILE_NAME
        self._limits = limits
        self._rules = rules
        self._times = times
        self._unique = unique
        self._clock = clock
        self._booted = booted
        self._turn = threading.Condition()
        self._known: _Known | None = None
        self._under_way = 0
        self._is_suspect = False
        """Whether the file may be wrong though it looks right, and could not be removed."""
        self._is_uncertain = False
        """Whether messages came and went while they were counted."""
        self._counted_at = float("-inf")

    def quota(self) -> Quota | None:
        """What the account may hold and holds; None where there is no limit. Raises `OSError`."""
        limits = self._limits()
        if limits is None:
            return None
        with self._turn:
            return Quota(limits, self._usage(limits, _NOTHING))

    def has_room(self, octets: int, messages: int = 1) -> bool:
        """Whether so much still fits. Raises `OSError`."""
        limits = self._limits()
        if limits is None:
            return True
        with self._turn:
            return self._fits(limits, Usage(octets, messages))

    def require_room(self, octets: int, messages: int = 1) -> None:
        """Raises `OverQuota`, `OSError`."""
        if not self.has_room(octets, messages):
            raise _over_quota(self._maildir)

    def claim(self, octets: int, messages: int = 1) -> Claim:
        """Take room for messages. Raises `OverQuota`, `OSError`."""
        wanted = Usage(octets, messages)
        limits = self._limits()
        with self._turn:
            if limits is not None and not self._fits(limits, wanted):
                raise _over_quota(self._maildir)
            self._note(wanted)
            self._under_way += 1
        return Claim(self._end, wanted)

    @contextmanager
    def adding(self, octets: int, messages: int = 1) -> Iterator[None]:
        """Room for messages that are put in their places meanwhile; given back where anything is raised."""
        claim = self.claim(octets, messages)
        try:
            yield
        except BaseException:
            claim.close(kept=False)
            raise
        claim.close(kept=True)

    @contextmanager
    def changing(self) -> Iterator[list[Usage]]:
        """Messages are moved or removed meanwhile; what is put into the list is gone, whatever is raised."""
        with self._turn:
            self._under_way += 1
        removed: list[Usage] = []
        try:
            yield removed
        finally:
            self._end(_negative(total(removed)))

    def _end(self, change: Usage) -> None:
        with self._turn:
            self._under_way -= 1
            self._turn.notify_all()
            if change != _NOTHING:
                self._note(change)

    def _fits(self, limits: QuotaLimits, wanted: Usage) -> bool:
        return self._rules.admit(limits, self._usage(limits, wanted), wanted)

    def _usage(self, limits: QuotaLimits, wanted: Usage) -> Usage:
        """What there is; counted where the file cannot be believed, above all where it says that there is no room."""
        balance = self._believed(limits, wanted)
        if balance is None and self._under_way:
            self._turn.wait_for(lambda: not self._under_way, self._times.patience)
            balance = self._believed(limits, wanted)
        return self._count(limits) if balance is None else balance.usage

    def _believed(self, limits: QuotaLimits, wanted: Usage) -> Balance | None:
        known = self._look()
        if known is None or self._is_suspect or known.balance.limits != limits or known.modified < self._booted():
            return None
        return None if self._is_doubtful(known, limits, wanted) else known.balance

    def _is_doubtful(self, known: _Known, limits: QuotaLimits, wanted: Usage) -> bool:
        """Whether a count may show something else that matters. Who can send small messages could else have all counted
        at each."""
        now = self._clock()
        if abs(now - self._counted_at) < self._times.recount_pause:
            return False
        if self._is_uncertain and not self._under_way:
            return True
        may_be_less = known.balance.lines > 1 or abs(now - known.modified) > STALE_AFTER
        return may_be_less and not self._rules.admit(limits, known.balance.usage, wanted)

    def _look(self) -> _Known | None:
        """What the file says; None where it says nothing that makes sense."""
        try:
            status = find(self._files, self._path)
            if status is None or not stat.S_ISREG(status.st_mode):
                self._known = None
            elif self._known is None or self._known.identity != _identity(status):
                self._known = self._read()
        except OSError as error:
            self._log.warn("Cannot read {path}: {error}", path=self._path, error=str(error))
            self._known = None
        return self._known

    def _read(self) -> _Known | None:
        descriptor = self._files.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = self._files.fstat(descriptor)
            balance = parse(self._files.read(descriptor, 0, OCTETS_MAX + 1))
        finally:
            self._files.close(descriptor)
        return None if balance is None else _Known(_identity(status), status.st_mtime, balance)

    def _count(self, limits: QuotaLimits) -> Usage:
        """Count the account's messages and begin the file anew."""
        self._is_suspect = True
        counted = self._counted()
        self._is_uncertain = not counted.is_certain or self._under_way > 0
        self._counted_at = self._clock()
        self._is_suspect = not self._write(limits, counted.usage)
        return counted.usage

    def _counted(self) -> Counted:
        """What there is, counted while nobody appended to the file, if that can be had."""
        usage = _NOTHING
        for _ in range(_TRIES):
            before = self._current_identity()
            usage, is_certain = maildir_usage(self._files, self._maildir)
            if self._current_identity() == before:
                return Counted(usage, is_certain)
        return Counted(usage, False)

    def _current_identity(self) -> Identity | None:
        status = find(self._files, self._path)
        return None if status is None else _identity(status)

    def _write(self, limits: QuotaLimits, usage: Usage) -> bool:
        """Begin the file anew; false where that failed."""
        self._known = None
        aside = self._maildir + b"/tmp/" + self._unique.bare()
        try:
            status = write_new(self._files, aside, format_balance(limits, usage))
            self._files.rename(aside, self._path)
        except FileNotFoundError:
            return False  # there is no Maildir yet
        except OSError as error:
            self._log.warn("Cannot write {path}: {error}", path=self._path, error=str(error))
            forget(self._files, aside)
            return False
        self._known = _Known(_identity(status), status.st_mtime, Balance(limits, usage, 1))
        return True

    def _note(self, change: Usage) -> None:
        """Append what came or went. No fault keeps mail from where it goes: the file is removed, or never believed."""
        try:
            self._append(change)
        except OSError as error:
            self._log.warn("Cannot append to {path}: {error}", path=self._path, error=str(error))
            self._known = None
            self._is_suspect = not forget(self._files, self._path) or self._is_suspect

    def _append(self, change: Usage) -> None:
        known, self._known = self._known, None
        before = find(self._files, self._path)
        if before is None or not stat.S_ISREG(before.st_mode) or before.st_size > OCTETS_MAX:
            return
        line = format_change(*change)
        descriptor = self._files.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        try:
            self._files.write(descriptor, line)
            after = self._files.fstat(descriptor)
        finally:
            self._files.close(descriptor)
        was_alone = (after.st_ino, after.st_size) == (before.st_ino, before.st_size + len(line))
        if known is not None and known.identity == _identity(before) and was_alone:
            self._known = _changed(known, after, change)


class Ledgers:
    """The ledgers of all accounts. The last `kept` ones stay in memory when nobody uses them."""

    def __init__(
        self,
        files: FileSystem,
        rules: QuotaRules,
        times: LedgerTimes,
        unique: UniqueNames,
        clock: Callable[[], float],
        kept: int,
    ) -> None:
        self._files = files
        self._rules = rules
        self._times = times
        self._unique = unique
        self._clock = clock
        self._kept_max = kept
        self._guard = threading.Lock()
        self._used: WeakValueDictionary[tuple[EmailAddress, bytes], Ledger] = WeakValueDictionary()
        self._kept: OrderedDict[tuple[EmailAddress, bytes], Ledger] = OrderedDict()

    def of(self, address: EmailAddress, maildir: bytes) -> Ledger:
        """The ledger of the account at `maildir`, whose user's own address this is. Who has the Maildir after another
        one has their own quota."""
        key = address, maildir
        with self._guard:
            ledger = self._used.get(key)
            if ledger is None:
                ledger = self._used[key] = self._make(address, maildir)
            self._kept[key] = ledger
            self._kept.move_to_end(key)
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
            return ledger

    def _make(self, address: EmailAddress, maildir: bytes) -> Ledger:
        limits = AccountLimits(self._rules, address)
        return Ledger(self._files, maildir, limits, self._rules, self._times, self._unique, self._clock)


def _over_quota(maildir: bytes) -> OverQuota:
    return OverQuota("The mailbox is full", cause=f"the quota of {os.fsdecode(maildir)!r} is used up")


def _negative(usage: Usage) -> Usage:
    return Usage(-usage.octets, -usage.messages)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _changed(known: _Known, status: os.stat_result, change: Usage) -> _Known | None:
    """What the file says with one more line; None where that makes no sense."""
    before = known.balance
    usage = total([before.usage, change])
    if min(usage) < 0:
        return None
    return _Known(_identity(status), status.st_mtime, Balance(before.limits, usage, before.lines + 1))
