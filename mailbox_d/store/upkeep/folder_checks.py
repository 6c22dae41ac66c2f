"""What is wrong with one folder: its parts, its list, its files as far as their status tells."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from mailbox_d.store.disk import Disk
from mailbox_d.store.dotlock import Dotlock
from mailbox_d.store.filename import disk_size, is_listable, wire_size
from mailbox_d.store.files import find
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.upkeep.accounts import MailboxPlace
from mailbox_d.store.upkeep.findings import Finding, Kind
from mailbox_d.store.upkeep.inspection import Inspection, Named, is_plain, missing_parts
from mailbox_d.store.upkeep.list_checks import keyword_faults, list_faults, nameless

_NAME_MAX = 255
_OTHERS = stat.S_IROTH | stat.S_IWOTH
_FILE_NEEDS = stat.S_IRUSR
_FOLDER_NEEDS = stat.S_IRWXU


class FolderChecks:
    """The checks of one folder. All of them only look."""

    def __init__(self, disk: Disk, place: MailboxPlace) -> None:
        self._disk = disk
        self._place = place
        self._owner = os.geteuid()

    def before(self) -> Iterator[Finding]:
        """What can be seen without the lock, and what keeps the lock from being taken."""
        folder = self._place.folder
        missing, wrong = missing_parts(self._disk, folder)
        yield from (self._finding(Kind.PART_MISSING, path) for path in missing)
        yield from (self._finding(Kind.NOT_A_FOLDER, path) for path in wrong)
        if Dotlock(self._disk.files, folder, self._disk.settings.locks, self._disk.clock).is_stale():
            yield self._finding(Kind.DEAD_LOCK, folder.lock)
        for path in (folder.path, folder.cur, folder.new, folder.tmp):
            yield from self._mode_faults(path, _FOLDER_NEEDS, needs_shutting=path == folder.path)

    def is_open(self) -> bool:
        """Whether the folder has its parts, and a list that can be read, so that its lock can be taken and it can be
        looked into."""
        missing, wrong = missing_parts(self._disk, self._place.folder)
        return not (missing or wrong) and self.list_is_readable()

    def list_is_readable(self) -> bool:
        status = find(self._disk.files, self._place.folder.uidlist)
        return status is None or (is_plain(status) and status.st_size <= self._disk.settings.uidlist_octets_max)

    def unreadable_list(self) -> Finding:
        return self._finding(Kind.LIST_UNREADABLE, self._place.folder.uidlist)

    def of_lists(self, seen: Inspection) -> Iterator[Finding]:
        """What is wrong with the list and the keywords."""
        folder = self._place.folder
        if seen.content is None:
            if any(not each.is_new for each in seen.files):
                yield self._finding(Kind.LIST_MISSING, folder.uidlist)
        else:
            yield from (self._finding(kind, folder.uidlist, where) for kind, where in list_faults(seen.content))
        if seen.keywords is not None:
            yield from (self._finding(kind, folder.keywords, where) for kind, where in keyword_faults(seen.keywords))
        keywords = Keywords.parse(seen.keywords or b"")
        letters = bytes(set().union(*(each.letters for each in seen.files)))
        for index in sorted(nameless(letters, keywords)):
            yield self._finding(Kind.KEYWORD_NAMELESS, folder.keywords, f"the letter {chr(ord('a') + index)}")

    def of_names(self, seen: Inspection) -> Iterator[Finding]:
        """What the names alone tell: who has no UID, whose name is taken or none."""
        for each in seen.files:
            if not is_listable(each.base) or len(each.base) > _NAME_MAX:
                yield self._finding(Kind.UNLISTABLE, each.path)
            elif seen.by_base[each.base] is not each:
                yield self._finding(
                    Kind.TWO_FILES, each.path, f"the other is {os.fsdecode(seen.by_base[each.base].path)}"
                )

    def of_files(self, seen: Inspection, files: Iterable[Named]) -> Iterator[Finding]:
        """What the status of some of the files tells. One that is gone by now has been read, moved or removed."""
        for each in files:
            status = find(self._disk.files, each.path)
            if status is None:
                continue
            if not is_plain(status):
                yield self._finding(Kind.NO_MESSAGE, each.path)
                continue
            if self._is_unlisted(each, seen):
                yield self._finding(Kind.UNLISTED, each.path)
            yield from self._size_faults(each, status)
            yield from self._status_faults(each.path, status, _FILE_NEEDS, needs_shutting=False)

    def _is_unlisted(self, each: Named, seen: Inspection) -> bool:
        """Whether a message should have a UID by now. What is amiss with the list or the name is told by itself."""
        if each.is_new or seen.content is None or seen.lines.damaged or not is_listable(each.base):
            return False
        return each.base not in seen.lines.uid_of

    def leftovers(self) -> Iterator[Finding]:
        """What lies in `tmp` for too long."""
        folder = self._place.folder
        for name in self._disk.files.names(folder.tmp):
            path = folder.tmp + b"/" + name
            status = find(self._disk.files, path)
            if status is not None and self._disk.clock() - status.st_ctime > self._disk.settings.stale_after:
                yield self._finding(Kind.LEFTOVER, path)

    def _size_faults(self, each: Named, status: os.stat_result) -> Iterator[Finding]:
        fault = size_fault(each.base, status.st_size)
        if fault:
            yield self._finding(Kind.WRONG_SIZE, each.path, fault)

    def _mode_faults(self, path: bytes, needs: int, *, needs_shutting: bool) -> Iterator[Finding]:
        status = find(self._disk.files, path)
        if status is not None and not stat.S_ISLNK(status.st_mode):
            yield from self._status_faults(path, status, needs, needs_shutting=needs_shutting)

    def _status_faults(
        self, path: bytes, status: os.stat_result, needs: int, *, needs_shutting: bool
    ) -> Iterator[Finding]:
        """Owner and permissions. What lies in a folder that others cannot enter is shut to them by that."""
        if status.st_uid != self._owner:
            yield self._finding(Kind.FOREIGN, path, f"it belongs to the user {status.st_uid}")
        elif status.st_mode & needs != needs:
            yield self._finding(Kind.SHUT, path, f"its mode is {stat.S_IMODE(status.st_mode):o}")
        elif needs_shutting and status.st_mode & _OTHERS:
            yield self._finding(Kind.OPEN_TO_OTHERS, path, f"its mode is {stat.S_IMODE(status.st_mode):o}")

    def _finding(self, kind: Kind, path: bytes, detail: str = "") -> Finding:
        return Finding(kind, self._place.user, self._place.mailbox, path, detail)


def size_fault(base: bytes, octets: int) -> str:
    """What cannot be of the sizes that a name tells, of a file of so many octets; empty where all can be."""
    size, wire = disk_size(base), wire_size(base)
    if size is not None and size != octets:
        return f"it has {octets} octets"
    if wire is not None and not octets <= wire <= 2 * octets:
        return f"of {octets} octets it cannot have {wire} on the wire"
    return ""
