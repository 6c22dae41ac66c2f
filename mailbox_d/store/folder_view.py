"""What this process knows of a folder, and how it catches up with the disk.

Under the folder's lock the list is read on, the directories are read where they changed, both are compared with what
is in memory, and messages without a UID get one. Every difference is told to the feeds.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import NoReturn

from twisted.logger import Logger

from mailbox_d.errors import MailError, NoSuchMailbox, StorageFault
from mailbox_d.store.changes import Feeds
from mailbox_d.store.disk import Disk
from mailbox_d.store.dotlock import Held
from mailbox_d.store.filename import arrival, letters_of, wire_size
from mailbox_d.store.files import find
from mailbox_d.store.folder import Folder
from mailbox_d.store.history import History
from mailbox_d.store.index.answers import MailboxKey
from mailbox_d.store.index.history_rows import HistoryRows
from mailbox_d.store.index.index_file import IndexFile
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.listing import Difference, Listing, Place
from mailbox_d.store.marks import Marks, Seen
from mailbox_d.store.meanings import Meanings
from mailbox_d.store.message_file import measure
from mailbox_d.store.numbering import Numbering
from mailbox_d.store.ports import Arrived, Change, Message
from mailbox_d.store.uidlist_file import Found
from mailbox_d.store.watching import Watched

_IGNORED_MAX = 1000
"""How many names that are no messages a mailbox remembers, so as to log each once."""

_NAME_MAX = 255
"""Octets of a file's name."""

_READINGS = 3
"""How often directories are read that change meanwhile and lack names."""


class FolderView:
    """One folder in memory. All methods but the plain readers are called under the mailbox's own lock."""

    _log = Logger()

    def __init__(self, disk: Disk, folder: Folder, index: IndexFile) -> None:
        self.listing = Listing()
        self.feeds = Feeds(self._is_quiet)
        self.recent: set[int] = set()
        self.is_gone = False
        self.numbering = Numbering(disk, folder, self.listing, self._end)
        rows = HistoryRows(index, self.key)
        self.history = History(disk.mod_sequences.of(folder.maildir), rows, disk.settings.expunges_kept)
        self.meanings = Meanings(disk, folder, self.history.meanings_changed)
        self._disk = disk
        self._folder = folder
        looks = disk.settings.looks
        self._marks = Marks(disk.files, folder, looks, disk.clock)
        self._watched = Watched(disk.watcher, folder, looks.spared, self.feeds.wake)
        self._is_behind = False
        self._has_come = False
        self._ignored: set[bytes] = set()

    def key(self) -> MailboxKey:
        """By which the mailbox is known, as long as its UIDs stand for the same messages."""
        return MailboxKey(self.numbering.header.guid, self.numbering.header.uid_validity)

    def has_moved(self, *, watch: bool = True) -> bool:
        """Whether the disk may hold something else than we know. Who is about to change it does not `watch` anew: it
        would be told of that alone."""
        if self._is_quiet():
            return False
        if watch:
            self._watched.begin(is_wanted=self.feeds.has_listeners())
        if self._has_come or self._marks.look() != self._marks.last or self._is_behind or self._marks.is_due():
            return True
        if not self._marks.is_doubtful():
            self._watched.done()
        return False

    def catch_up(self, lock: Held, *, whole: bool = False) -> None:
        """Read what changed. Raises `OSError`, `NoSuchMailbox` where another mailbox has taken the folder's place."""
        self._has_come = False
        seen = self._marks.look()
        whole = whole or self._is_behind or self._marks.is_due() or seen.cur != self._marks.last.cur
        is_certain = not self._marks.is_doubtful()
        self._read_keywords(seen)
        whole = self._read_list() or whole
        difference = self._compare_with(seen, whole)
        self._apply(difference)
        self.numbering.settle()
        self._is_behind = not self._give_uids(list(difference.unlisted.values()), lock)
        self._marks.stamp(replace(seen, uidlist=self._marks.look().uidlist), whole=whole)
        if whole or is_certain:
            self._watched.done()

    def look_without_lock(self) -> None:
        """Show what can be shown on a disk that takes no lock: the messages that have a UID. Raises `OSError`."""
        self._read_keywords(self._marks.look())
        self._read_list(may_write=False)
        if not self.numbering.is_loaded():
            raise StorageFault("The mail store is not available now", cause="no UIDs, and no room to write any")
        difference = self._compare(whole=True)
        difference.gone.clear()
        self._apply(difference)

    def takes_name(self, place: Place) -> bool:
        """Whether a file that comes from elsewhere may have this name: no message that we know of has had it."""
        is_known = place.base in self.listing.bases() or self.numbering.is_dead(place.base)
        return not is_known and len(place.name) <= _NAME_MAX

    def add_own(self, arrivals: Sequence[tuple[Place, int]]) -> list[int]:
        """Give UIDs to messages, with their sizes, whose files are in their places and durable. Raises `OSError`."""
        uids = self.list_own([place for place, _ in arrivals])
        self.show_own(uids, arrivals)
        return uids

    def list_own(self, places: Sequence[Place]) -> list[int]:
        """Give UIDs to files that are in their places, and that nobody is told of before `show_own`. Raises `OSError`.

        Where they are taken away again the UIDs are spent.
        """
        uids = self._give(places)
        self.numbering.die(place.base for place in places)
        return uids

    def show_own(self, uids: Sequence[int], arrivals: Sequence[tuple[Place, int]]) -> None:
        """Messages are there, with these sizes, whose files and lines are durable. Raises `OSError`."""
        places = [place for place, _ in arrivals]
        mod_sequence = self.history.note({uid: place.letters for uid, place in zip(uids, places, strict=True)})
        messages = [
            Message(uid, self.meanings.flags(place.letters), size, mod_sequence)
            for uid, (place, size) in zip(uids, arrivals, strict=True)
        ]
        in_new = [uid for uid, place in zip(uids, places, strict=True) if place.is_new]
        self.listing.add(messages, [place.name for place in places], in_new)
        self.numbering.live(place.base for place in places)
        self.recent.update(uids)
        self._tell(map(Arrived, messages))

    def delivered(self) -> None:
        """A message was delivered here, which the next look will find, whatever it sees of the directory's time."""
        self._has_come = True
        self.feeds.wake()

    @contextmanager
    def adding_to_new(self) -> Iterator[None]:
        """Files of our own come into `new` meanwhile, and nothing else, for all that its times show: what is known of
        it need not be read again at once. It is soon, for something else may have come between them."""
        was_known = self._marks.knows_new()
        yield
        if was_known:
            self._stamp(self._marks.stamp_new)

    def note_moves(self, moves: Iterable[tuple[int, Place]]) -> None:
        """Files were renamed: note names and flags, and tell."""
        moved = list(moves)
        self.listing.move(moved)
        messages, flags = self.listing.messages, self.meanings.flags
        changed = {uid: place.letters for uid, place in moved if messages[uid].flags != flags(place.letters)}
        if changed:
            number = self.history.note(changed)
            self._tell(self.listing.set_flags([(uid, flags(letters)) for uid, letters in changed.items()], number))

    def note_removed(self, uids: Iterable[int]) -> None:
        """Messages are gone: forget them, and tell."""
        removed = list(uids)
        if not removed:
            return
        places = map(self.listing.place, removed)
        self.numbering.die(place.base for place in places if place is not None)
        number = self.history.note({}, removed)
        self._tell([self.listing.remove(uid, number) for uid in removed])
        self.recent.difference_update(removed)

    def check_history(self) -> None:
        """See whether another process has told what was not seen here: then everything has changed now."""
        if not self.history.check():
            self._tell([])

    def stamp_own(self) -> None:
        """The disk changed by our own doing, under the lock."""
        self._stamp(self._marks.stamp_own)

    def _stamp(self, stamp: Callable[[], None]) -> None:
        """What cannot be looked at is read anew by the next look: what was done is done."""
        try:
            stamp()
        except (OSError, MailError) as error:
            self._log.warn("Cannot look at {folder}: {error}", folder=self._folder.path, error=str(error))
            self._is_behind = True

    def path(self, place: Place) -> bytes:
        return (self._folder.new if place.is_new else self._folder.cur) + b"/" + place.name

    def _tell(self, changes: Iterable[Change], letters: Sequence[bytes] | None = None) -> None:
        """What has changed is noted in the listing by now: see that it is written down, then tell it. `letters` are all
        messages' where these are at hand."""
        state = partial(self._state, letters)
        renumbered = self._renumbered()
        self.history.settle(state)
        if self.history.has_lost_track:
            renumbered = self._renumbered()
            self.history.settle(state)
        self.feeds.publish(chain(changes, renumbered))

    def _renumbered(self) -> Sequence[Change]:
        """Every message, where all have changed now for all that is known."""
        if not self.history.has_lost_track:
            return ()
        self.history.has_lost_track = False
        return self.listing.renumber(self.history.highest)

    def _state(self, letters: Sequence[bytes] | None) -> tuple[Sequence[int], Sequence[bytes], Sequence[int], Keywords]:
        messages = self.listing.messages
        numbers = [message.mod_sequence for message in messages.values()]
        return list(messages), letters or self.listing.letters(), numbers, self.meanings.keywords

    def _is_quiet(self) -> bool:
        """Whether it is certain, without a look at the disk, that it holds nothing else than we know."""
        return not (self.is_gone or self._is_behind or self._has_come) and self._watched.is_quiet()

    def _read_keywords(self, seen: Seen) -> None:
        if seen.keywords == self._marks.last.keywords:
            return
        self.meanings.read()
        places = ((uid, self.listing.place(uid)) for uid in list(self.listing.messages))
        self.note_moves([(uid, place) for uid, place in places if place is not None])

    def _read_list(self, *, may_write: bool = True) -> bool:
        """Read the list on; whether all directories must be read again for it."""
        found = self.numbering.read(may_write=may_write)
        if found is Found.REPLACED:
            self.note_removed(self.numbering.contradicted())
            self.numbering.forget_dead()
        return found in (Found.MISSING, Found.REPLACED)

    def _give(self, places: Sequence[Place]) -> list[int]:
        """UIDs for files, durable. Raises `OSError`: then what is on the list by now is read before anything else."""
        try:
            return self.numbering.give([place.base for place in places])
        except OSError:
            self._is_behind = True
            raise

    def _end(self, why: str) -> NoReturn:
        self.is_gone = True
        raise NoSuchMailbox("The mailbox was replaced by another one", cause=why)

    def _compare_with(self, seen: Seen, whole: bool) -> Difference:
        """Compare with the directories, last seen so. While a program renames files without the lock, a reading may
        miss names that are there: gone is what every reading missed."""
        difference = self._compare(whole)
        for _ in range(_READINGS - 1):
            if not (difference.gone or self._lacks_listed(difference)) or not self._marks.may_have_changed(seen):
                break
            before, seen = difference, self._marks.look()
            difference = self._compare(whole=True)
            difference.take_in(before)
        return difference

    def _lacks_listed(self, difference: Difference) -> bool:
        """Whether the list has lines for messages that were not found."""
        lines = self.numbering.lines
        return len(difference.found) < len(lines) and any(
            uid not in difference.found for base, uid in lines.items() if base not in self.listing.bases()
        )

    def _compare(self, whole: bool) -> Difference:
        new = self._names(self._folder.new)
        cur = self._names(self._folder.cur) if whole else None
        difference = self.listing.compare(new, cur, self.numbering.lines)
        if not whole and (difference.gone or len(difference.found) < len(self.numbering.lines)):
            return self._compare(whole=True)
        irregular = [place for place in difference.unlisted.values() if not self._is_regular(place)]
        for place in irregular:
            del difference.unlisted[place.base]
        self._log_ignored([*difference.ignored, *irregular])
        return difference

    def _is_regular(self, place: Place) -> bool:
        """Whether a file is one that may become a message: no link, pipe, device or directory."""
        status = find(self._disk.files, self.path(place))
        return status is not None and stat.S_ISREG(status.st_mode)

    def _names(self, directory: bytes) -> Sequence[bytes]:
        return [name for name in self._disk.files.names(directory) if name[:1] != b"."]

    def _log_ignored(self, places: Iterable[Place]) -> None:
        for place in places:
            if place.name not in self._ignored and len(self._ignored) < _IGNORED_MAX:
                self._ignored.add(place.name)
                self._log.warn("Ignoring {path}: no message, or one of two by the same name", path=self.path(place))

    def _apply(self, difference: Difference) -> None:
        self.note_moves(difference.moved)
        self.note_removed(difference.gone)
        self._arrive(difference.found, difference.found_new)

    def _arrive(self, found: Mapping[int, bytes], in_new: Collection[int]) -> None:
        """Messages have come: their UIDs, ascending, and the names of their files. Column by column: it is often all
        of a mailbox's."""
        if not found and self.history.is_begun:
            return
        names = list(found.values())
        parts = [name.partition(b":") for name in names]
        bases, infos = [base for base, _, _ in parts], [info for _, _, info in parts]
        letters_in = {info: letters_of(info) for info in set(infos)}
        flags_of = {info: self.meanings.flags(of) for info, of in letters_in.items()}
        letters = list(map(letters_in.__getitem__, infos))
        sizes: list[int | None] = list(map(wire_size, bases))
        if None in sizes:
            sizes = [self._size(*row, in_new) for row in zip(found, names, sizes, strict=True)]
        numbers = self._numbers(found, letters)
        rows = zip(found, map(flags_of.__getitem__, infos), sizes, numbers, strict=True)
        messages = list(map(Message._make, rows))
        self.listing.add(messages, names, in_new, bases)
        self.recent.update(in_new)
        self._tell(map(Arrived, messages), letters if len(messages) == len(self.listing.messages) else None)

    def _numbers(self, uids: Collection[int], letters: Sequence[bytes]) -> Sequence[int]:
        """The mod-sequences of messages that have come, or of all that there are when the mailbox is first read."""
        if not self.history.is_begun:
            return self.history.begin(list(uids), letters, self.meanings.keywords)
        return [self.history.note(dict(zip(uids, letters, strict=True)))] * len(uids)

    def _size(self, uid: int, name: bytes, known: int | None, in_new: Collection[int]) -> int:
        return self._look_up_size(Place.of(name, is_new=uid in in_new)) if known is None else known

    def _look_up_size(self, place: Place) -> int:
        """The size on the wire of a message whose name does not tell it: as the list says, or the file itself."""
        listed = self.numbering.wire_size(place.base)
        if listed is not None:
            return listed
        try:
            return measure(self._disk.files, self.path(place))
        except (OSError, MailError) as error:
            self._log.warn("Cannot tell the size of {name}: {error}", name=place.name, error=str(error))
            return 0

    def _give_uids(self, unlisted: Sequence[Place], lock: Held) -> bool:
        """List messages that have no UID yet, oldest first; false where the disk would not have it."""
        if not self.numbering.has_to_write([place.base for place in unlisted]):
            return True
        lock.check()
        ordered = sorted(unlisted, key=lambda place: arrival(place.base))
        try:
            numbered = list(zip(self._give(ordered), ordered, strict=True))
        except OSError as error:
            if not self.numbering.is_listed:
                raise
            self._log.warn("Cannot list new messages in {folder}: {error}", folder=self._folder.path, error=str(error))
            return False
        self._arrive({uid: place.name for uid, place in numbered}, [uid for uid, place in numbered if place.is_new])
        return True
