"""What this process knows of a folder, and how it catches up with the disk.

Under the folder's lock the list is read on, the directories are read where they changed, both are compared with what
is in memory, and messages without a UID get one. Every difference is told to the feeds.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
from mailbox_d.store.keywords import Keywords, KeywordsFile
from mailbox_d.store.listing import Difference, Listing, Place
from mailbox_d.store.marks import Marks, Seen
from mailbox_d.store.message_file import measure
from mailbox_d.store.ports import Arrived, Change, Flags, Message
from mailbox_d.store.uidlist import UID_MAX, Header, Lines, extension
from mailbox_d.store.uidlist_file import Found, UidListFile
from mailbox_d.store.uidvalidity import next_uid_validity
from mailbox_d.store.watching import Watched

_DEAD_SHARE = 0.25
"""The share of lines without a message from which on a list is written anew."""

_IGNORED_MAX = 1000
"""How many names that are no messages a mailbox remembers, so as to log each once."""

_NAME_MAX = 255
"""Octets of a file's name."""

_DEAD_LINES_MIN = 20
"""Fewer such lines than this are let be."""


class FolderView:
    """One folder in memory. All methods but the plain readers are called under the mailbox's own lock."""

    _log = Logger()

    def __init__(self, disk: Disk, folder: Folder, index: IndexFile) -> None:
        self.listing = Listing()
        self.feeds = Feeds(self._is_quiet)
        self.keywords = Keywords()
        self.recent: set[int] = set()
        self.header = Header()
        self.is_gone = False
        rows = HistoryRows(index, lambda: MailboxKey(self.header.guid, self.header.uid_validity))
        self.history = History(disk.mod_sequences.of(folder.maildir), rows, disk.settings.expunges_kept)
        self._disk = disk
        self._folder = folder
        looks = disk.settings.looks
        self._marks = Marks(disk.files, folder, looks, disk.clock)
        self._watched = Watched(disk.watcher, folder, looks.spared, self.feeds.wake)
        self._list = UidListFile(disk.files, folder, disk.settings.uidlist_octets_max)
        self._keywords_file = KeywordsFile(disk.files, folder, disk.clock)
        self._flags_of: dict[bytes, Flags] = {}
        self._lines: dict[bytes, int] = {}
        self._extensions: dict[bytes, bytes] = {}
        self._line_count = 0
        self._dead: set[bytes] = set()
        """Names on the list that no file has any more: one that comes back must not stand there twice."""
        self._next_uid = 1
        self._has_list = False
        self._wants_rewrite = False
        self._is_behind = False
        self._has_come = False
        self._ignored: set[bytes] = set()

    @property
    def uid_next(self) -> int:
        return self._next_uid

    def is_loaded(self) -> bool:
        return self.header.uid_validity != 0

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
        difference = self._compare(whole)
        self._apply(difference)
        if not self._lines.keys() <= self.listing.bases().keys():
            self._dead.update(self._lines.keys() - self.listing.bases().keys())
        self._lines = {}
        self._is_behind = not self._give_uids(list(difference.unlisted.values()), lock)
        self._marks.stamp(replace(seen, uidlist=self._marks.look().uidlist), whole=whole)
        if whole or is_certain:
            self._watched.done()

    def look_without_lock(self) -> None:
        """Show what can be shown on a disk that takes no lock: the messages that have a UID. Raises `OSError`."""
        self._read_keywords(self._marks.look())
        self._read_list(may_write=False)
        if not self.is_loaded():
            raise StorageFault("The mail store is not available now", cause="no UIDs, and no room to write any")
        difference = self._compare(whole=True)
        difference.gone.clear()
        self._apply(difference)

    def flags(self, letters: bytes) -> Flags:
        """The flags that letters stand for; equal ones are one object."""
        known = self._flags_of.get(letters)
        if known is None:
            known = self._flags_of[letters] = self.keywords.flags(letters)
        return known

    def learn(self, flags: Iterable[str]) -> None:
        """See that every keyword among the flags has a letter. Raises `TooManyKeywords`, `MailError`, `OSError`."""
        wanted = [flag for flag in flags if not flag.startswith("\\")]
        spent = bytes({letter for letters in self._flags_of for letter in letters if ord("a") <= letter <= ord("z")})
        keywords = self.keywords.with_names(wanted, spent)
        if keywords != self.keywords:
            self._keywords_file.write(keywords)
            self._take_keywords(keywords)

    def learn_what_fits(self, flags: Flags) -> None:
        """As `learn`; a keyword that cannot be had here is passed over. Raises `OSError`."""
        for wanted in (flags, *({flag} for flag in sorted(flags))):
            try:
                self.learn(wanted)
            except MailError as error:
                self._log.warn(
                    "Not all keywords fit into {folder}: {error}", folder=self._folder.path, error=str(error)
                )
            else:
                if wanted is flags:
                    return

    def takes_name(self, place: Place) -> bool:
        """Whether a file that comes from elsewhere may have this name: no message that we know of has had it."""
        is_known = place.base in self.listing.bases() or place.base in self._dead
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
        self._require_room(len(places))
        uids = list(range(self._next_uid, self._next_uid + len(places)))
        self._write_lines([(uid, place.base) for uid, place in zip(uids, places, strict=True)])
        self._next_uid += len(uids)
        self._dead.update(place.base for place in places)
        return uids

    def show_own(self, uids: Sequence[int], arrivals: Sequence[tuple[Place, int]]) -> None:
        """Messages are there, with these sizes, whose files and lines are durable. Raises `OSError`."""
        places = [place for place, _ in arrivals]
        mod_sequence = self.history.note({uid: place.letters for uid, place in zip(uids, places, strict=True)})
        messages = [
            Message(uid, self.flags(place.letters), size, mod_sequence)
            for uid, (place, size) in zip(uids, arrivals, strict=True)
        ]
        in_new = [uid for uid, place in zip(uids, places, strict=True) if place.is_new]
        self.listing.add(messages, [place.name for place in places], in_new)
        self._dead.difference_update(place.base for place in places)
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
            self._marks.stamp_new()

    def note_moves(self, moves: Iterable[tuple[int, Place]]) -> None:
        """Files were renamed: note names and flags, and tell."""
        moved = list(moves)
        self.listing.move(moved)
        messages, flags = self.listing.messages, self.flags
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
        self._dead.update(place.base for place in places if place is not None)
        number = self.history.note({}, removed)
        self._tell([self.listing.remove(uid, number) for uid in removed])
        self.recent.difference_update(removed)

    def check_history(self) -> None:
        """See whether another process has told what was not seen here: then everything has changed now."""
        if not self.history.check():
            self._tell([])

    def stamp_own(self) -> None:
        """The disk changed by our own doing, under the lock. What cannot be looked at is read anew by the next look:
        what was done is done."""
        try:
            self._marks.stamp_own()
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
        return list(messages), letters or self.listing.letters(), numbers, self.keywords

    def _is_quiet(self) -> bool:
        """Whether it is certain, without a look at the disk, that it holds nothing else than we know."""
        return not (self.is_gone or self._is_behind or self._has_come) and self._watched.is_quiet()

    def _read_keywords(self, seen: Seen) -> None:
        if seen.keywords == self._marks.last.keywords:
            return
        self._take_keywords(self._keywords_file.read())
        places = ((uid, self.listing.place(uid)) for uid in list(self.listing.messages))
        self.note_moves([(uid, place) for uid, place in places if place is not None])

    def _take_keywords(self, keywords: Keywords) -> None:
        if keywords != self.keywords:
            self.history.meanings_changed()
        self.keywords = keywords
        self._flags_of = {letters: keywords.flags(letters) for letters in self._flags_of}

    def _read_list(self, *, may_write: bool = True) -> bool:
        """Read the uidlist on; whether all directories must be read again for it."""
        reading = self._list.read()
        self._wants_rewrite = self._wants_rewrite or reading.torn or reading.lines.damaged
        if reading.found is Found.MISSING:
            self._has_list = False
            self._take_header(self.header, may_write)
            return True
        if reading.found is Found.REPLACED:
            self._has_list = True
            self._take_header(reading.header, may_write)
            self._take_all_lines(reading.lines)
        elif reading.found is Found.GROWN:
            self._take_more_lines(reading.lines)
        self._next_uid = max(self._next_uid, reading.header.next_uid, reading.lines.highest + 1)
        return reading.found is Found.REPLACED

    def _take_all_lines(self, lines: Lines) -> None:
        self._lines, self._extensions, self._line_count = dict(lines.uid_of), lines.extensions, lines.count
        self.note_removed([uid for base, uid in self.listing.bases().items() if lines.uid_of.get(base) != uid])
        self._dead.clear()

    def _take_more_lines(self, lines: Lines) -> None:
        self._lines.update(lines.uid_of)
        self._extensions.update(lines.extensions)
        self._line_count += lines.count

    def _take_header(self, header: Header, may_write: bool) -> None:
        """Take over a list's header; what it does not say is kept from memory, or made."""
        known = self.header.uid_validity
        if known and header.uid_validity and header.uid_validity != known:
            self._end("the UIDVALIDITY changed")
        validity = header.uid_validity or known
        if may_write and not (validity and header.guid and self._has_list):
            self._wants_rewrite = True
            validity = validity or self._new_validity()
        guid = header.guid or self.header.guid or secrets.token_hex(16).encode()
        self.header = Header(validity, header.next_uid, guid, header.others)

    def _new_validity(self) -> int:
        return next_uid_validity(self._disk.files, self._folder.maildir, self._disk.clock)

    def _require_room(self, count: int) -> None:
        """See that there are UIDs left; where there are none, all messages begin anew under another UIDVALIDITY."""
        if self._next_uid + count - 1 <= UID_MAX:
            return
        self.header = replace(self.header, uid_validity=self._new_validity(), next_uid=1)
        self._list.replace(self.header, [])
        self._next_uid = 1
        if self.listing.messages:
            self._end("the UIDs were used up")

    def _end(self, why: str) -> NoReturn:
        self.is_gone = True
        raise NoSuchMailbox("The mailbox was replaced by another one", cause=why)

    def _compare(self, whole: bool) -> Difference:
        new = self._names(self._folder.new)
        cur = self._names(self._folder.cur) if whole else None
        difference = self.listing.compare(new, cur, self._lines)
        if not whole and (difference.gone or len(difference.found) < len(self._lines)):
            return self._compare(whole=True)
        irregular = [place for place in difference.unlisted.values() if not self._is_regular(place)]
        for place in irregular:
            del difference.unlisted[place.base]
        self._log_ignored([*difference.ignored, *irregular])
        return difference

    def unique_ids(self) -> dict[int, bytes]:
        """The uidlist's `P` by UID: what POP3 clients called a message where it was before. Dovecot writes one without
        a value where that was the file's base name (`pop3_uidl_format = %g`)."""
        if not self._extensions:
            return {}
        uid_of = self.listing.bases()
        named = ((base, extension(found, b"P")) for base, found in self._extensions.items() if base in uid_of)
        return {uid_of[base]: unique_id or base for base, unique_id in named if unique_id is not None}

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
        flags_of = {info: self.flags(of) for info, of in letters_in.items()}
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
            return self.history.begin(list(uids), letters, self.keywords)
        return [self.history.note(dict(zip(uids, letters, strict=True)))] * len(uids)

    def _size(self, uid: int, name: bytes, known: int | None, in_new: Collection[int]) -> int:
        return self._look_up_size(Place.of(name, is_new=uid in in_new)) if known is None else known

    def _look_up_size(self, place: Place) -> int:
        """The size on the wire of a message whose name does not tell it: as the list says, or the file itself."""
        listed = extension(self._extensions.get(place.base, b""), b"W")
        if listed is not None and listed.isdigit():
            return int(listed)
        try:
            return measure(self._disk.files, self.path(place))
        except (OSError, MailError) as error:
            self._log.warn("Cannot tell the size of {name}: {error}", name=place.name, error=str(error))
            return 0

    def _give_uids(self, unlisted: Sequence[Place], lock: Held) -> bool:
        """List messages that have no UID yet, oldest first; false where the disk would not have it."""
        comes_back = not self._dead.isdisjoint(place.base for place in unlisted)
        self._wants_rewrite = self._wants_rewrite or comes_back or self._is_mostly_dead()
        if not unlisted and not self._wants_rewrite:
            return True
        lock.check()
        try:
            self._require_room(len(unlisted))
            ordered = sorted(unlisted, key=lambda place: arrival(place.base))
            numbered = list(enumerate(ordered, self._next_uid))
            self._write_lines([(uid, place.base) for uid, place in numbered])
        except OSError as error:
            if not self._has_list:
                raise
            self._log.warn("Cannot list new messages in {folder}: {error}", folder=self._folder.path, error=str(error))
            return False
        self._next_uid += len(numbered)
        self._arrive({uid: place.name for uid, place in numbered}, [uid for uid, place in numbered if place.is_new])
        return True

    def _is_mostly_dead(self) -> bool:
        dead = self._line_count - len(self.listing.messages)
        return dead > _DEAD_LINES_MIN and dead >= _DEAD_SHARE * self._line_count

    def _write_lines(self, numbered: Sequence[tuple[int, bytes]]) -> None:
        """Put further messages on the list, durable; the list is written anew where it should be.

        What a failed attempt left in the file is read back before anything else is done: its UIDs are spent.
        """
        try:
            if self._wants_rewrite:
                self._rewrite(numbered)
            elif numbered:
                self._list.append(numbered)
                self._line_count += len(numbered)
        except OSError:
            self._is_behind = self._wants_rewrite = True
            raise

    def _rewrite(self, numbered: Sequence[tuple[int, bytes]]) -> None:
        listed = ((uid, self._extensions.get(base, b""), base) for base, uid in self.listing.bases().items())
        rows = [*listed, *((uid, b"", base) for uid, base in numbered)]
        self._list.replace(replace(self.header, next_uid=self._next_uid + len(numbered)), rows)
        self._has_list, self._wants_rewrite, self._line_count = True, False, len(rows)
        self._dead.clear()
