"""Renaming and removing a folder's messages, under its lock, beside programs that may do the same without one."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from twisted.logger import Logger

from mailbox_d.store.dotlock import Dotlock
from mailbox_d.store.filename import join_name, sort_letters
from mailbox_d.store.files import FileSystem, find
from mailbox_d.store.folder import Folder
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.keywords import KeywordsFile
from mailbox_d.store.listing import Place


class FolderFiles:
    """The files behind a view; whatever was done before a fault is noted in the view."""

    _log = Logger()

    def __init__(self, files: FileSystem, view: FolderView) -> None:
        self._files = files
        self._view = view

    def rename(self, lock: Dotlock, uids: Iterable[int], combine: Callable[[bytes], bytes]) -> None:
        """Give messages the letters that `combine` makes of theirs; those in `new` move to `cur`."""
        missed = self._rename_once(lock, uids, combine)
        if missed:
            self._view.catch_up(lock, whole=True)
            self._rename_once(lock, missed, combine)

    def unlink(self, lock: Dotlock, uids: Iterable[int]) -> frozenset[int]:
        """Remove messages; returns those that were there to be removed."""
        removed, missed = self._unlink_once(lock, uids)
        if missed:
            self._view.catch_up(lock, whole=True)
            removed += self._unlink_once(lock, missed)[0]
        return frozenset(removed)

    def move(self, lock: Dotlock, uids: Iterable[int], goal: Folder) -> None:
        """Move messages into the `cur` of another folder, which is locked too and shall have this one's keywords."""
        KeywordsFile(self._files, goal).write(self._view.keywords)
        moved: list[int] = []
        try:
            for uid, place in self._places(lock, uids):
                name = join_name(place.base, place.letters)
                self._files.rename(self._view.path(place), goal.cur + b"/" + name)
                moved.append(uid)
        finally:
            self._view.note_removed(moved)

    def _rename_once(self, lock: Dotlock, uids: Iterable[int], combine: Callable[[bytes], bytes]) -> list[int]:
        """Rename what is where it should be; returns the others."""
        moves: list[tuple[int, Place]] = []
        missed: list[int] = []
        try:
            for uid, place in self._places(lock, uids):
                letters = sort_letters(combine(place.letters))
                goal = Place(join_name(place.base, letters), place.base, letters, is_new=False)
                if goal == place or not self._may_become(goal):
                    continue
                try:
                    self._files.rename(self._view.path(place), self._view.path(goal))
                    moves.append((uid, goal))
                except FileNotFoundError:
                    missed.append(uid)
        finally:
            self._view.note_moves(moves)
        return missed

    def _unlink_once(self, lock: Dotlock, uids: Iterable[int]) -> tuple[list[int], list[int]]:
        removed: list[int] = []
        missed: list[int] = []
        try:
            for uid, place in self._places(lock, uids):
                try:
                    self._files.unlink(self._view.path(place))
                    removed.append(uid)
                except FileNotFoundError:
                    missed.append(uid)
        finally:
            self._view.note_removed(removed)
        return removed, missed

    def _places(self, lock: Dotlock, uids: Iterable[int]) -> Iterable[tuple[int, Place]]:
        """Where messages lie. Taking long, it says that the lock's holder lives."""
        for count, uid in enumerate(dict.fromkeys(uids), 1):
            if count % 1000 == 0:
                lock.check()
            place = self._view.listing.place(uid)
            if place is not None:
                yield uid, place

    def _may_become(self, goal: Place) -> bool:
        """Whether a file can have this name: not too long, and not that of another file, which would be destroyed."""
        try:
            if find(self._files, self._view.path(goal)) is None:
                return True
            why = "there is a second file of this name"
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            why = "the name would be too long"
        self._log.warn("Leaving the flags of {name}: {why}", name=goal.base, why=why)
        return False
