"""Whether `maildirsize` says what the messages amount to, though mail comes and goes meanwhile."""

from __future__ import annotations

import os
import stat

from mailbox_d.store import maildirsize
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find
from mailbox_d.store.ports import Usage
from mailbox_d.store.upkeep.accounts import AccountPlace
from mailbox_d.store.upkeep.findings import Finding, Kind
from mailbox_d.store.upkeep.inspection import content_of
from mailbox_d.store.upkeep.steps import Pause, Work
from mailbox_d.store.usage import maildir_usage

_LOOKS = 8
_ALIKE = 3
_PAUSE = 0.4


def quota_faults(disk: Disk, place: AccountPlace) -> Work[None]:
    """Count the names, and compare. Raises `OSError`.

    A line is appended before its message is in its place, and after one is gone: so only a difference is told that is
    the same at several looks, of which each found neither the file nor a folder changed. Where there is no peace to be
    had nothing is told.
    """
    seen: list[Usage] = []
    for _ in range(_LOOKS):
        difference = _difference(disk, place)
        if difference == Usage(0, 0):
            return
        if difference is not None:
            seen.append(difference)
            if seen[-_ALIKE:] == [difference] * _ALIKE:
                octets, messages = difference
                detail = f"{octets:+} octets and {messages:+} messages that are not there"
                yield Finding(Kind.MAILDIRSIZE_WRONG, place.user, "", _path(place), detail)
                return
        yield Pause(_PAUSE)


def _difference(disk: Disk, place: AccountPlace) -> Usage | None:
    """What the file says beyond what there is; nothing where it says nothing, None where either has just changed."""
    before = find(disk.files, _path(place))
    is_file = before is not None and stat.S_ISREG(before.st_mode) and before.st_size <= maildirsize.OCTETS_MAX
    content = content_of(disk, _path(place), maildirsize.OCTETS_MAX) if is_file else None
    balance = None if content is None else maildirsize.parse(content)
    if before is None or balance is None:
        return Usage(0, 0)
    counted = maildir_usage(disk.files, place.maildir)
    after = find(disk.files, _path(place))
    if not counted.is_certain or after is None or _mark(before) != _mark(after):
        return None
    told, there = balance.usage, counted.usage
    return Usage(told.octets - there.octets, told.messages - there.messages)


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _path(place: AccountPlace) -> bytes:
    return place.maildir + b"/" + maildirsize.FILE_NAME
