"""A mailbox in a Maildir: every change is made on disk under the folder's lock, then told to the sessions."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeVar

from twisted.logger import Logger

from mailbox_d.errors import MailError, MessageGone, NoSuchMailbox, StorageFault
from mailbox_d.store.append import MaildirAppend
from mailbox_d.store.changes import ChangeFeed
from mailbox_d.store.copying import Copied, Copies, all_flags
from mailbox_d.store.disk import Disk
from mailbox_d.store.dotlock import Dotlock
from mailbox_d.store.draft import Draft, Staged
from mailbox_d.store.filename import join_name, sort_letters
from mailbox_d.store.files import find, forget, storage_faults
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.folder_files import FolderFiles
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.listing import Place
from mailbox_d.store.message_file import open_message
from mailbox_d.store.ports import FlagAction, Flags, Mailbox, Message, Status, Target, WireReader

T = TypeVar("T")

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_BREATH = 1000
"""After how many files of one command the lock is looked at."""

_TRIES = 4
"""How often a file that other programs keep renaming is looked for."""


class MaildirMailbox(Mailbox):
    """One folder, shared by the sessions that have it open. `target` names it in receipts."""

    _log = Logger()

    def __init__(self, disk: Disk, folder: Folder, target: Target) -> None:
        self.name = target.mailbox
        self._disk = disk
        self._folder = folder
        self._target = target
        self._view = FolderView(disk, folder)
        self._files = FolderFiles(disk.files, self._view)
        self._figures: tuple[Sequence[Message], int, int] = ((), 0, 0)

    @property
    def uid_validity(self) -> int:
        return self._view.header.uid_validity

    @storage_faults
    def refresh(self) -> None:
        with self._turn():
            self._require_alive()
            if self._has_moved():
                self._catch_up()

    def messages(self) -> Sequence[Message]:
        return self._view.listing.snapshot()

    def status(self) -> Status:
        messages, unseen, size = self._count()
        return Status(
            messages=len(messages),
            unseen=unseen,
            recent=len(self._view.recent),
            uid_next=self._view.uid_next,
            uid_validity=self.uid_validity,
            size=size,
        )

    @storage_faults
    def recent(self, *, claim: bool) -> Collection[int]:
        if not claim:
            return frozenset(self._view.recent)
        if self._view.listing.in_new:
            self._empty_new()
        with self._turn():
            claimed = frozenset(self._view.recent)
            self._view.recent.clear()
        return claimed

    def keywords_full(self) -> bool:
        return self._view.keywords.is_full()

    def feed(self, changed: Callable[[], None] | None = None) -> ChangeFeed:
        with self._turn():
            return self._view.feeds.open(self._view.listing.snapshot(), changed)

    @storage_faults
    def read(self, uid: int) -> WireReader:
        return self._with_file(uid, lambda path, base: open_message(self._disk.files, path, base))

    @storage_faults
    def internal_date(self, uid: int) -> float:
        return self._with_file(uid, lambda path, _: self._disk.files.lstat(path).st_mtime)

    @storage_faults
    def unique_ids(self) -> Mapping[int, bytes]:
        with self._turn():
            return self._view.unique_ids()

    @storage_faults
    def change_flags(self, uids: Collection[int], action: FlagAction, flags: Flags) -> Mapping[int, Flags]:
        with self._changing() as lock:
            if action is not FlagAction.REMOVE:
                self._view.learn(flags)
            self._files.rename(lock, uids, _combination(action, flags, self._view.keywords))
            messages = self._view.listing.messages
            return {uid: messages[uid].flags for uid in uids if uid in messages}

    @storage_faults
    def expunge(self, uids: Collection[int]) -> Collection[int]:
        with self._changing() as lock:
            return self._files.unlink(lock, uids)

    @storage_faults
    def copy(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        goal = _of_the_same_kind(destination)
        copies = Copies(self._disk, goal._folder)
        try:
            for uid in sorted(set(uids)):
                self._link_into(copies, uid, strict=strict)
            return goal._take_in(copies.done, keeps_names=goal._folder != self._folder) if copies.done else {}
        finally:
            copies.discard()

    @storage_faults
    def move(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        copied = self.copy(uids, destination, strict=strict)
        try:
            self.expunge(copied)
        except MailError:
            self._take_back(copied, destination)
            raise
        return copied

    def append(self, *, flags: Flags = frozenset(), internal_date: float | None = None) -> MaildirAppend:
        return MaildirAppend(self._disk, self._folder, self._target, internal_date, partial(self._save, flags))

    def move_all(self, goal: Folder) -> None:
        """Move every message into a folder that was made for them, flags and all."""
        with self._changing() as lock, self._disk.locks.hold(goal):
            self._files.move(lock, list(self._view.listing.messages), goal)
            self._disk.directories.sync(goal.cur)
            self._disk.directories.sync(self._folder.cur)

    @property
    def is_gone(self) -> bool:
        """Whether another mailbox, or none, is now where this one was."""
        return self._view.is_gone

    def end(self) -> None:
        """The mailbox was removed or renamed: whoever still has it open finds none."""
        self._view.is_gone = True

    def wake(self) -> None:
        """A message was delivered here, which the next look will find: tell whoever waits for one."""
        self._view.feeds.wake()

    def _link_into(self, copies: Copies, uid: int, *, strict: bool) -> None:
        message = self._view.listing.messages.get(uid)
        try:
            if message is None:
                raise MessageGone("The message is gone")
            size, keywords = message.size, self._view.keywords
            self._with_file(uid, lambda path, _: copies.add(uid, path, keywords, size))
        except MessageGone:
            if strict:
                raise

    def _take_in(self, copies: Sequence[Copied], *, keeps_names: bool) -> Mapping[int, int]:
        """Put what lies in `tmp` in its place and give it UIDs. Raises `MailboxBusy` having changed nothing."""
        published: list[bytes] = []
        with self._changing() as lock:
            self._view.learn_what_fits(all_flags(copies))
            arrivals = []
            try:
                for count, copy in enumerate(copies, 1):
                    if count % _BREATH == 0:
                        lock.check()
                    place = self._place_of(copy, keeps_name=keeps_names)
                    self._disk.files.rename(copy.path, self._view.path(place))
                    published.append(self._view.path(place))
                    arrivals.append((place, copy.wire_octets))
                self._sync({place.is_new for place, _ in arrivals})
                given = self._view.add_own(arrivals)
            except (OSError, MailError):
                for path in published:
                    forget(self._disk.files, path)
                raise
        return dict(zip([copy.uid for copy in copies], given, strict=True))

    def _place_of(self, copy: Copied, *, keeps_name: bool) -> Place:
        """Where a copy is to lie; Dovecot too keeps the name, by which it knows messages again, where it can."""
        letters = sort_letters(self._view.keywords.letters(copy.flags) + copy.letters)
        place = _place(copy.base, letters)
        if keeps_name and self._view.takes_name(place):
            return place
        return _place(self._disk.unique.sized(copy.octets, copy.wire_octets), letters)

    def _take_back(self, copied: Mapping[int, int], destination: Mailbox) -> None:
        """Remove the copies of messages that are certain to lie here still. Raises `StorageFault` where that fails."""
        places = {uid: self._view.listing.place(uid) for uid in copied}
        here = {uid for uid, place in places.items() if place and find(self._disk.files, self._view.path(place))}
        try:
            destination.expunge([copied[uid] for uid in here])
        except MailError as error:
            raise StorageFault("Some messages are in both mailboxes now", cause=str(error)) from error

    def _sync(self, halves: Collection[bool]) -> None:
        """Make entries durable, of `new` (true) and `cur` (false)."""
        for is_new in halves:
            self._disk.directories.sync(self._folder.new if is_new else self._folder.cur)

    def _save(self, flags: Flags, draft: Draft, staged: Staged, base: bytes) -> int:
        """Put a staged message in its place and give it a UID. Raises `MailboxBusy` having changed nothing."""
        with self._changing():
            self._view.learn(flags)
            letters = sort_letters(self._view.keywords.letters(flags))
            place = _place(base, letters)
            path = self._view.path(place)
            draft.publish(staged, path)
            try:
                self._sync({place.is_new})
                return self._view.add_own([(place, staged.wire_octets)])[0]
            except (OSError, MailError):
                forget(self._disk.files, path)
                raise

    @contextmanager
    def _changing(self) -> Iterator[Dotlock]:
        """Hold the folder, in step with the disk, for a change."""
        with self._turn():
            self._require_alive()
            with self._disk.locks.hold(self._folder) as lock:
                if self._has_moved():
                    self._view.catch_up(lock)
                lock.check()
                try:
                    yield lock
                finally:
                    self._view.stamp_own()

    def _empty_new(self) -> None:
        """Move what lies in `new` to `cur`. A disk that has no room for that can be read all the same."""
        try:
            with self._changing() as lock:
                self._files.rename(lock, list(self._view.listing.in_new), lambda letters: letters)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._log.warn("Leaving messages of {folder} in new: {error}", folder=self._folder.path, error=str(error))

    def _turn(self) -> AbstractContextManager[None]:
        """Hold the mailbox against other threads. Raises `MailboxBusy`: who waits long keeps a thread from others."""
        return self._disk.locks.hold_inside(self._folder.cur)

    def _require_alive(self) -> None:
        if self._view.is_gone:
            raise NoSuchMailbox("The mailbox is gone")

    def _has_moved(self) -> bool:
        try:
            return self._view.has_moved()
        except FileNotFoundError:
            require_folder(self._disk.files, self._folder)
            return True

    def _catch_up(self, *, whole: bool = False) -> None:
        try:
            with self._disk.locks.hold(self._folder) as lock:
                self._view.catch_up(lock, whole=whole)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._log.warn("Looking at {folder} without its lock: {error}", folder=self._folder.path, error=str(error))
            self._view.look_without_lock()

    def _with_file(self, uid: int, action: Callable[[bytes, bytes], T]) -> T:
        """Do something with a message's file; where it is not, look for where it went."""
        for _ in range(_TRIES):
            place = self._view.listing.place(uid)
            if place is None:
                raise MessageGone("The message is gone")
            try:
                return action(self._view.path(place), place.base)
            except FileNotFoundError:
                if self._view.listing.place(uid) == place:
                    self._look_for_moved()
        raise StorageFault("The message cannot be read now", cause="its file keeps moving")

    def _look_for_moved(self) -> None:
        with self._turn():
            self._require_alive()
            self._has_moved()
            self._catch_up(whole=True)

    def _count(self) -> tuple[Sequence[Message], int, int]:
        """The messages, how many of them are unseen, and their size; counted once for each state."""
        messages = self._view.listing.snapshot()
        if self._figures[0] is not messages:
            unseen = sum("\\Seen" not in message.flags for message in messages)
            self._figures = messages, unseen, sum(message.size for message in messages)
        return self._figures


def _place(base: bytes, letters: bytes) -> Place:
    """Where a message lies that comes with these letters: without any, it is new."""
    return Place(join_name(base, letters) if letters else base, base, letters, is_new=not letters)


def _of_the_same_kind(mailbox: Mailbox) -> MaildirMailbox:
    if not isinstance(mailbox, MaildirMailbox):
        raise TypeError("messages are copied within one store")
    return mailbox


def _combination(action: FlagAction, flags: Flags, keywords: Keywords) -> Callable[[bytes], bytes]:
    """How the letters of a message change. Letters that mean nothing here are left alone."""
    given = keywords.letters(flags)
    if action is FlagAction.ADD:
        return lambda letters: letters + given
    if action is FlagAction.REMOVE:
        return lambda letters: letters.translate(None, given)
    return lambda letters: letters.translate(None, keywords.meaning(letters)) + given
