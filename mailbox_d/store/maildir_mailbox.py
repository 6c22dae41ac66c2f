"""A mailbox in a Maildir: every change is made on disk under the folder's lock, then told to the sessions."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import TypeVar

from twisted.logger import Logger

from mailbox_d.errors import MessageGone, NoSuchMailbox, StorageFault
from mailbox_d.store.append import MaildirAppend
from mailbox_d.store.arriving import Arrival, Arrivals
from mailbox_d.store.changes import ChangeFeed
from mailbox_d.store.copying import Copied, Copies, NotLinkable, link_into_place, originals
from mailbox_d.store.disk import Disk
from mailbox_d.store.dotlock import Dotlock, Dotlocks, Held
from mailbox_d.store.draft import Draft, Staged
from mailbox_d.store.files import storage_faults
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.folder_files import FolderFiles, Put
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.index.mailbox_index import MailboxIndex
from mailbox_d.store.index.mailbox_keys import mailboxes_in
from mailbox_d.store.index.mailbox_texts import MailboxTexts
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.message_file import open_message
from mailbox_d.store.moving import move
from mailbox_d.store.ports import FlagAction, Flags, Mailbox, Message, Snapshot, Status, Target, Usage, WireReader

T = TypeVar("T")

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_TRIES = 4
"""How often a file that other programs keep renaming is looked for."""


class MaildirMailbox(Mailbox):
    """One folder, shared by the sessions that have it open. `target` names it in receipts."""

    _log = Logger()

    def __init__(self, disk: Disk, folder: Folder, target: Target) -> None:
        self.name = target.mailbox
        self.address = target.address
        self._disk = disk
        self._folder = folder
        self._target = target
        index = disk.indexes.of(folder.maildir)
        self._view = FolderView(disk, folder, index)
        self.index = MailboxIndex(index, self._view, self.vanished)
        self.texts = MailboxTexts(
            disk.texts.of(folder.maildir), self._view, partial(mailboxes_in, disk.files, folder.maildir)
        )
        self._files = FolderFiles(disk, folder, self._view)
        self._ledger = disk.ledgers.of(target.address, folder.maildir)
        self._dates: dict[int, float] = {}
        """When messages came, of those that were asked for: it never changes, whatever becomes of the file's time."""
        self._arrivals = Arrivals(disk, self._view, self._files, self._ledger, self._changing)

    @property
    def uid_validity(self) -> int:
        return self._view.numbering.header.uid_validity

    @storage_faults
    def refresh(self) -> None:
        with self._turn():
            self._require_alive()
            if self._has_moved():
                self._catch_up()

    def messages(self) -> Snapshot:
        return self._view.listing.snapshot()

    def status(self) -> Status:
        messages = self.messages()
        return Status(
            messages=len(messages),
            unseen=messages.unseen,
            recent=len(self._view.recent),
            uid_next=self._view.numbering.next_uid,
            uid_validity=self.uid_validity,
            size=messages.size,
            highest_mod_sequence=self._view.history.highest,
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
        return self._view.meanings.keywords.is_full()

    def feed(self, changed: Callable[[], None] | None = None) -> ChangeFeed:
        with self._turn():
            self._view.check_history()
            return self._view.feeds.open(self._view.listing.snapshot(), changed, highest=self._view.history.highest)

    def vanished(self, since: int) -> Collection[int] | None:
        with self._turn():
            return self._view.history.vanished(since)

    @storage_faults
    def read(self, uid: int) -> WireReader:
        return self._with_file(uid, lambda path, base: open_message(self._disk.files, path, base))

    @storage_faults
    def internal_date(self, uid: int) -> float:
        known = self._dates.get(uid)
        if known is None or uid not in self._view.listing.messages:
            known = self._with_file(uid, lambda path, _: self._disk.files.lstat(path).st_mtime)
            self._remember_date(uid, known)
        return known

    @storage_faults
    def unique_ids(self) -> Mapping[int, bytes]:
        with self._turn():
            return self._view.numbering.unique_ids()

    @storage_faults
    def change_flags(
        self, uids: Collection[int], action: FlagAction, flags: Flags, *, unchanged_since: int | None = None
    ) -> Mapping[int, Message]:
        changed_since: set[int] = set()

        def may_change(uid: int) -> bool:
            if unchanged_since is not None and self._view.listing.messages[uid].mod_sequence > unchanged_since:
                changed_since.add(uid)
            return uid not in changed_since

        with self._changing() as lock, self._ledger.changing():
            if action is not FlagAction.REMOVE:
                self._view.meanings.learn(flags)
            self._files.rename(lock, uids, _combination(action, flags, self._view.meanings.keywords), may_change)
            messages = self._view.listing.messages
            return {uid: messages[uid] for uid in uids if uid in messages and uid not in changed_since}

    @storage_faults
    def expunge(self, uids: Collection[int]) -> Collection[int]:
        removed: dict[int, int] = {}
        with self._changing() as lock, self._ledger.changing() as gone:
            try:
                self._files.unlink(lock, uids, removed)
            finally:
                gone.append(Usage(sum(removed.values()), len(removed)))
        return removed.keys()

    @storage_faults
    def copy(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        goal = _of_the_same_kind(destination)
        if goal._folder != self._folder:
            with suppress(NotLinkable):
                return self._put_into(goal, originals(self._disk, self._view, uids, strict=strict), link_into_place)
        with self._linked(uids, goal, strict=strict) as copies:
            return self._put_into(goal, copies.done, copies.put)

    @storage_faults
    def move(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        goal = _of_the_same_kind(destination)
        if goal._folder != self._folder:
            with suppress(NotLinkable), self._changing_with(goal) as lock, self._ledger.changing():
                messages = originals(self._disk, self._view, uids, strict=strict)
                return move(self._files, goal._files, lock, messages, link_into_place) if messages else {}
        with self._linked(uids, goal, strict=strict) as copies:
            if not copies.done:
                return {}
            with self._changing_with(goal) as lock, self._ledger.changing():
                messages = self._still_here(copies.done, strict=strict)
                return move(self._files, goal._files, lock, messages, copies.put)

    @storage_faults
    def append(self, *, flags: Flags = frozenset(), internal_date: float | None = None, size: int = 0) -> MaildirAppend:
        self._ledger.require_room(size)
        return MaildirAppend(self._disk, self._folder, self._target, internal_date, partial(self._save, flags))

    def move_all(self, goal: Folder, make: Callable[[], None], unmake: Callable[[], None]) -> None:
        """Move every message, flags and all, into the folder that `make` makes for them. Whatever is raised, they are
        here again, and the folder is given to `unmake`."""
        with self._changing() as lock:
            make()
            try:
                with self._disk.locks.hold(goal) as other:
                    self._files.move_all(Dotlocks((lock, other)), goal)
            except BaseException:
                unmake()
                raise

    @property
    def is_gone(self) -> bool:
        """Whether another mailbox, or none, is now where this one was."""
        return self._view.is_gone

    def end(self) -> None:
        """The mailbox was removed or renamed: whoever still has it open finds none."""
        self._view.is_gone = True

    def wake(self) -> None:
        """A message was delivered here, which the next look will find: tell whoever waits for one."""
        self._view.delivered()

    def _put_into(self, goal: MaildirMailbox, copies: Sequence[Copied], put: Put) -> Mapping[int, int]:
        """Put messages into another mailbox, if its account has room for them; all or none."""
        if not copies:
            return {}
        wanted = sum(copy.octets for copy in copies), len(copies)
        goal._ledger.require_room(*wanted)  # it may have to count, which is nothing to do while holding a lock
        with goal._changing() as lock, goal._ledger.adding(*wanted):
            return goal._files.take_in(lock, copies, put, keeps_names=goal._folder != self._folder)

    @contextmanager
    def _linked(self, uids: Collection[int], goal: MaildirMailbox, *, strict: bool) -> Iterator[Copies]:
        """Messages as second files in the `tmp` of `goal`, for as long as they are not put in their places."""
        copies = Copies(self._disk, goal._folder)
        try:
            for uid in sorted(set(uids)):
                self._link_into(copies, uid, strict=strict)
            yield copies
        finally:
            copies.discard()

    def _link_into(self, copies: Copies, uid: int, *, strict: bool) -> None:
        message = self._view.listing.messages.get(uid)
        try:
            if message is None:
                raise MessageGone("The message is gone")
            size, keywords = message.size, self._view.meanings.keywords
            self._with_file(uid, lambda path, _: copies.add(uid, path, keywords, size))
        except MessageGone:
            if strict:
                raise

    def _still_here(self, copies: Sequence[Copied], *, strict: bool) -> list[Copied]:
        """The copies of messages that were not taken away since they were linked, with the flags these have by now."""
        places = [(copy, self._view.listing.place(copy.uid)) for copy in copies]
        keywords = self._view.meanings.keywords
        here = [copy.with_letters(place.letters, keywords) for copy, place in places if place is not None]
        if strict and len(here) < len(copies):
            raise MessageGone("The message is gone")
        return here

    def _save(self, flags: Flags, draft: Draft, staged: Staged, base: bytes) -> int:
        """Put a staged message in its place and give it a UID. Raises `MailboxBusy` having changed nothing."""
        self._ledger.require_room(staged.octets)  # it may have to count, which is nothing to do while holding a lock
        return self._arrivals.put(Arrival(draft, staged, base, flags))

    @contextmanager
    def _changing(self) -> Iterator[Dotlock]:
        """Hold the folder, in step with the disk, for a change."""
        with self._turn():
            self._require_alive()
            with self._disk.locks.hold(self._folder) as lock:
                if self._has_moved(watch=False):
                    self._view.catch_up(lock)
                    lock.check()
                try:
                    yield lock
                finally:
                    self._view.stamp_own()

    @contextmanager
    def _changing_with(self, goal: MaildirMailbox) -> Iterator[Held]:
        """Hold this folder and another one, or the same; always in the order of their paths, so that of two who want
        the same two folders neither waits for the other."""
        self._require_alive()
        if goal._folder == self._folder:
            with goal._changing() as lock:
                yield lock
            return
        first, second = sorted((self, goal), key=lambda mailbox: mailbox._folder.path)
        with first._changing() as one, second._changing() as two:
            yield Dotlocks((one, two))

    def _empty_new(self) -> None:
        """Move what lies in `new` to `cur`. A disk that has no room for that can be read all the same."""
        try:
            with self._changing() as lock, self._ledger.changing():
                self._files.rename(lock, list(self._view.listing.in_new), lambda letters: letters)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._log.warn("Leaving messages of {folder} in new: {error}", folder=self._folder.path, error=str(error))

    def _turn(self) -> AbstractContextManager[None]:
        """Hold the mailbox against other threads. Raises `MailboxBusy`: who waits long keeps a thread from others."""
        return self._disk.locks.hold_inside(self._folder.cur)

    def _remember_date(self, uid: int, date: float) -> None:
        messages = self._view.listing.messages
        if len(self._dates) > 2 * len(messages):
            self._dates = {known: self._dates[known] for known in list(self._dates) if known in messages}
        self._dates[uid] = date

    def _require_alive(self) -> None:
        if self._view.is_gone:
            raise NoSuchMailbox("The mailbox is gone")

    def _has_moved(self, *, watch: bool = True) -> bool:
        try:
            return self._view.has_moved(watch=watch)
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
