"""Renaming, removing and taking in a folder's messages, under its lock, beside programs that may work without one."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from twisted.logger import Logger

from mailbox_d.errors import MailboxBusy, MailError
from mailbox_d.store.copying import Copied, all_flags
from mailbox_d.store.disk import Disk
from mailbox_d.store.dotlock import Held
from mailbox_d.store.filename import join_name, sort_letters
from mailbox_d.store.files import FileSystem, find, forget
from mailbox_d.store.folder import Folder
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.keywords import KeywordsFile
from mailbox_d.store.listing import Place
from mailbox_d.store.ports import Flags
from mailbox_d.store.usage import file_octets

_BREATH = 1000
"""After how many files of one command the lock is looked at."""

Put: TypeAlias = Callable[[FileSystem, bytes, bytes], None]
"""Makes a file of that name, which nothing has, out of another one. Raises `FileExistsError`."""

_TRIES = 4
"""How often messages that are all to be moved are looked for where other programs rename them."""


class FolderFiles:
    """The files behind a view; whatever was done before a fault is noted in the view."""

    _log = Logger()

    def __init__(self, disk: Disk, folder: Folder, view: FolderView) -> None:
        self.folder = folder
        self._disk = disk
        self._files = disk.files
        self._view = view

    def rename(
        self,
        lock: Held,
        uids: Iterable[int],
        combine: Callable[[bytes], bytes],
        may_change: Callable[[int], bool] = lambda uid: True,
    ) -> None:
        """Give messages the letters that `combine` makes of theirs; those in `new` move to `cur`.

        Each is asked about by `may_change`, and again where another program has just changed it.
        """
        missed = self._rename_once(lock, uids, combine, may_change)
        if missed:
            self._view.catch_up(lock, whole=True)
            self._rename_once(lock, missed, combine, may_change)

    def unlink(self, lock: Held, uids: Iterable[int], removed: dict[int, int]) -> None:
        """Remove messages. Into `removed` go those that this call removed and no other program, and their octets.

        Where the disk reports a fault and the file is not certain to be there still, it counts as removed.
        """
        missed = self._unlink_once(lock, uids, removed)
        if missed:
            self._view.catch_up(lock, whole=True)
            self._unlink_once(lock, missed, removed)

    def take_in(self, lock: Held, copies: Sequence[Copied], put: Put, *, keeps_names: bool) -> dict[int, int]:
        """Put messages in their places, durable, and give them UIDs; those of the copies by those of the messages.

        `put` makes a file out of a copy's. Whatever is raised, nothing is left.
        """
        self._view.meanings.learn_what_fits(all_flags(copies))
        arrivals: list[tuple[Place, int]] = []
        try:
            letters = self._letters_here(copies)
            for count, copy in enumerate(copies, 1):
                if count % _BREATH == 0:
                    lock.check()
                place = self._take_in_one(copy, letters[copy.flags, copy.letters], put, keeps_name=keeps_names)
                arrivals.append((place, copy.wire_octets))
            self.sync({place.is_new for place, _ in arrivals})
            given = self._view.add_own(arrivals)
        except (OSError, MailError):
            for place, _ in arrivals:
                forget(self._files, self._view.path(place))
            raise
        return dict(zip([copy.uid for copy in copies], given, strict=True))

    def take_back(self, lock: Held, uids: Iterable[int]) -> None:
        """Remove what was just taken in, even if the lock was lost since: nobody else has a right to it."""
        missed = self._unlink_once(None, uids, {})
        if missed:
            self._view.catch_up(lock, whole=True)
            self._unlink_once(None, missed, {})

    def sync(self, halves: Iterable[bool]) -> None:
        """Make entries durable, of `new` (true) and `cur` (false)."""
        for is_new in halves:
            self._disk.directories.sync(self.folder.new if is_new else self.folder.cur)

    def move_all(self, lock: Held, goal: Folder) -> None:
        """Move every message into the `cur` of another folder, which is new and locked too, durable.

        Each message is in one of the two at any time. Whatever is raised, all are put back but those that another
        program took from there, or the disk does not give back.
        """
        moved: dict[int, tuple[bytes, bytes]] = {}
        try:
            self._chase_all(lock, goal, moved)
            self._disk.directories.sync(goal.cur)
            self.sync({False, True})
        except BaseException:
            self._put_back(moved.values())
            self._view.catch_up(lock, whole=True)
            raise
        self._view.note_removed([uid for uid in moved if uid in self._view.listing.messages])

    def _letters_here(self, copies: Iterable[Copied]) -> dict[tuple[Flags, bytes], bytes]:
        """The letters that copies have in this folder, by their flags and by those that are none."""
        different = {(copy.flags, copy.letters) for copy in copies}
        keywords = self._view.meanings.keywords
        return {(flags, others): sort_letters(keywords.letters(flags) + others) for flags, others in different}

    def _take_in_one(self, copy: Copied, letters: bytes, put: Put, *, keeps_name: bool) -> Place:
        """Put a copy where it is to lie; Dovecot too keeps the name, by which it knows messages again, where it can."""
        place = Place.arriving(copy.base, letters)
        if keeps_name and self._view.takes_name(place):
            try:
                put(self._files, copy.path, self._view.path(place))
            except FileExistsError:
                pass
            else:
                return place
        place = Place.arriving(self._disk.unique.sized(copy.octets, copy.wire_octets), letters)
        put(self._files, copy.path, self._view.path(place))
        return place

    def _rename_once(
        self, lock: Held, uids: Iterable[int], combine: Callable[[bytes], bytes], may_change: Callable[[int], bool]
    ) -> list[int]:
        """Rename what is where it should be; returns the others."""
        moves: list[tuple[int, Place]] = []
        missed: list[int] = []
        combined: dict[bytes, bytes] = {}
        try:
            for uid, place in self._places(lock, uids):
                letters = combined.get(place.letters)
                if letters is None:
                    letters = combined[place.letters] = sort_letters(combine(place.letters))
                goal = Place(join_name(place.base, letters), place.base, letters, False)
                if not may_change(uid) or goal == place:
                    continue
                try:
                    if self._rename_one(place, goal):
                        moves.append((uid, goal))
                except FileNotFoundError:
                    missed.append(uid)
        finally:
            self._view.note_moves(moves)
        return missed

    def _chase_all(self, lock: Held, goal: Folder, moved: dict[int, tuple[bytes, bytes]]) -> None:
        """Move every message, with the keywords; into `moved` goes from where to where each was. Raises `MailboxBusy`
        where other programs keep renaming one."""
        for _ in range(_TRIES):
            KeywordsFile(self._files, goal).write(self._view.meanings.keywords)
            if not self._move_once(lock, goal, moved):
                return
            self._view.catch_up(lock, whole=True)
        raise MailboxBusy("The mailbox is in use by another program", cause="it keeps renaming a message")

    def _move_once(self, lock: Held, goal: Folder, moved: dict[int, tuple[bytes, bytes]]) -> bool:
        """Move what is where it should be; whether anything was not."""
        missed = False
        for uid, place in self._places(lock, [uid for uid in self._view.listing.messages if uid not in moved]):
            path, there = self._view.path(place), goal.cur + b"/" + join_name(place.base, place.letters)
            try:
                self._files.rename_new(path, there)
            except FileNotFoundError:
                missed = True
            else:
                moved[uid] = (path, there)
        lock.check()
        return missed

    def _put_back(self, moved: Iterable[tuple[bytes, bytes]]) -> None:
        for path, there in moved:
            try:
                self._files.rename_new(there, path)
            except OSError as error:
                self._log.warn("Leaving {path} where it was moved: {error}", path=there, error=str(error))

    def _rename_one(self, place: Place, goal: Place) -> bool:
        """Rename a file, unless it cannot have that name: too long, or that of another, which would be destroyed."""
        try:
            self._files.rename_new(self._view.path(place), self._view.path(goal))
        except FileExistsError:
            why = "there is a second file of this name"
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            why = "the name would be too long"
        else:
            return True
        self._log.warn("Leaving the flags of {name}: {why}", name=goal.base, why=why)
        return False

    def _unlink_once(self, lock: Held | None, uids: Iterable[int], removed: dict[int, int]) -> list[int]:
        """Remove what is where it should be; returns the others."""
        own: dict[int, int] = {}
        missed: list[int] = []
        try:
            for uid, place in self._places(lock, uids):
                path = self._view.path(place)
                octets = file_octets(self._files, path, place.base) or 0
                try:
                    self._files.unlink(path)
                except FileNotFoundError:
                    missed.append(uid)
                    continue
                except OSError:
                    own.update({} if self._is_there(path) else {uid: octets})
                    raise
                own[uid] = octets
        finally:
            removed.update(own)
            self._view.note_removed(own)
        return missed

    def _is_there(self, path: bytes) -> bool:
        """Whether a file is certain to be there."""
        try:
            return find(self._files, path) is not None
        except OSError:
            return False

    def _places(self, lock: Held | None, uids: Iterable[int]) -> Iterable[tuple[int, Place]]:
        """Where messages lie. Taking long, it says that the lock's holder lives."""
        for count, found in enumerate(self._view.listing.places(dict.fromkeys(uids)), 1):
            if lock is not None and count % _BREATH == 0:
                lock.check()
            yield found
