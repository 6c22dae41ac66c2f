"""A store is looked at, whatever happens in it meanwhile: what is wrong comes out, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from mailbox_d.errors import MailError, NoSuchMailbox
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import FileSystem, find
from mailbox_d.store.index.answers import Answers
from mailbox_d.store.index.open_indexes import FILE_NAME, TEXT_FILE_NAME
from mailbox_d.store.upkeep import contents
from mailbox_d.store.upkeep.account_checks import AccountChecks
from mailbox_d.store.upkeep.accounts import AccountPlace, MailboxPlace, mailboxes
from mailbox_d.store.upkeep.caches import Caches, answers_of
from mailbox_d.store.upkeep.findings import Finding, Kind
from mailbox_d.store.upkeep.folder_checks import FolderChecks, size_fault
from mailbox_d.store.upkeep.inspection import Inspection, identity, inspect
from mailbox_d.store.upkeep.quota_check import quota_faults
from mailbox_d.store.upkeep.steps import Mended, Progress, Trouble, Work, ask, one_by_one, patiently, reason

_SLICE = 500
"""Files that are looked at between two reports of progress."""

_ASKED_AT_ONCE = 4
"""Questions that children are asked together."""

_INDEX_PIECE = 200


class Rework(Protocol):
    """Who knows how what the index says is worked out from messages."""

    def is_known(self, attribute: bytes) -> bool:
        """Whether what is remembered under this name could be worked out now."""

    def question(self, attributes: Sequence[bytes], paths: Sequence[bytes]) -> list[bytes]:
        """What a child is asked, to work it out anew."""

    def answers(self, answered: Sequence[bytes], attributes: int) -> list[Sequence[bytes]]:
        """What it said: message by message, under each name; empty where nothing is to be kept."""


class Verification:
    """Looks at accounts. With `rework` it also reads every message; with `mends_index` it puts right what the index
    says wrong. `text_name`: see `Caches`."""

    def __init__(
        self, disk: Disk, rework: Rework | None = None, *, mends_index: bool = False, text_name: bytes | None = None
    ) -> None:
        self.caches = Caches(disk, text_name)
        self._disk = disk
        self._rework = rework
        self._mends_index = mends_index

    def accounts(self, places: Iterable[AccountPlace], only: str | None = None) -> Work[None]:
        """Every account, or the one mailbox of that name in each."""
        return one_by_one(places, lambda place: self._account(place, only), only)

    def _account(self, place: AccountPlace, only: str | None = None) -> Work[None]:
        """An account and its mailboxes."""
        if only is None:
            yield from self.outside_mailboxes(place)
        for each in mailboxes(self._disk, place, only):
            yield from self.mailbox(each)

    def outside_mailboxes(self, place: AccountPlace) -> Work[None]:
        """What of an account belongs to no mailbox alone."""
        checks: list[Callable[[], Work[None] | Iterator[Finding]]] = [
            *AccountChecks(self._disk, place).all(),
            lambda: quota_faults(self._disk, place),
            lambda: self.caches.of_account(place, deep=self._rework is not None),
        ]
        for check in checks:
            try:
                yield from check()
            except OSError as error:
                yield Trouble(place.user, "", reason(error))

    def mailbox(self, place: MailboxPlace) -> Work[None]:
        """One mailbox; one that is removed or replaced meanwhile was in order."""
        before = identity(self._disk, place.folder)
        try:
            yield from self._mailbox(place)
        except (OSError, MailError) as error:
            is_gone = isinstance(error, FileNotFoundError | NoSuchMailbox)
            if not (is_gone and (before is None or identity(self._disk, place.folder) != before)):
                yield Trouble(place.user, place.mailbox, reason(error))

    def _mailbox(self, place: MailboxPlace) -> Work[None]:
        checks = FolderChecks(self._disk, place)
        yield from checks.before()
        if not checks.list_is_readable():
            yield checks.unreadable_list()
        if not checks.is_open():
            return
        seen = yield from patiently(lambda: inspect(self._disk, place.folder))
        what, total = f"{place.user} {place.mailbox}", len(seen.files)
        yield Progress(what, 0, total)
        yield from checks.of_lists(seen)
        yield from checks.of_names(seen)
        for start in range(0, total, _SLICE):
            yield from checks.of_files(seen, seen.files[start : start + _SLICE])
            yield Progress(what, min(start + _SLICE, total), total)
        yield from checks.leftovers()
        yield from self._uid_next(place, seen)
        yield from self.caches.of_mailbox(place, seen)
        if self._rework is not None:
            yield from self._sizes(place, seen)
            yield from self._index(place, seen, self._rework)

    def _uid_next(self, place: MailboxPlace, seen: Inspection) -> Work[None]:
        """UIDs that were told to clients must not be given again: a list that was restored from a backup would."""
        known = known_to_index(self._disk, seen)
        if known < seen.uid_next:
            return
        seen = yield from patiently(lambda: inspect(self._disk, place.folder))
        if seen.uid_next <= known < 2**31:
            detail = f"UID {known} was given, the next would be {seen.uid_next}"
            yield Finding(Kind.UID_NEXT_LOW, place.user, place.mailbox, place.folder.uidlist, detail)

    def _sizes(self, place: MailboxPlace, seen: Inspection) -> Work[None]:
        """Read every message whose name tells a size on the wire that can be."""
        what, done = f"{place.user} {place.mailbox}, reading", 0
        asked = contents.questions(seen.files)
        for batch in contents.pieces(asked, _ASKED_AT_ONCE):
            answered = yield from ask([question for _, question in batch])
            for (files, _), answer in zip(batch, answered, strict=True):
                for each, sizes in zip(files, contents.measured(answer, len(files)), strict=True):
                    if sizes is None or size_fault(each.base, sizes.octets):
                        continue  # nobody can tell, or it was told
                    if not sizes.belong_to(each.base):
                        detail = f"it has {sizes.octets} octets, {sizes.wire} on the wire"
                        yield Finding(Kind.WRONG_SIZE, place.user, place.mailbox, each.path, detail)
                done += len(files)
                yield Progress(what, done, len(seen.files))

    def _index(self, place: MailboxPlace, seen: Inspection, rework: Rework) -> Work[None]:
        """Work out anew what the index says, and compare."""
        answers = answers_of(self._disk, seen)
        if answers is None:
            return
        paths = {uid: file.path for base, uid in seen.lines.uid_of.items() if (file := seen.by_base.get(base))}
        bases = {uid: base for base, uid in seen.lines.uid_of.items() if uid in paths}
        for attribute in filter(rework.is_known, answers.attributes()):
            said = {uid: octets for uid, octets in answers.remembered(attribute, bases).items() if octets}
            done = 0
            for uids in contents.pieces(said, _INDEX_PIECE):
                question = rework.question([attribute], [paths[uid] for uid in uids])
                (answered,) = yield from ask([question])
                now = rework.answers(answered, 1) if answered is not None else []
                right = {uid: each[0] for uid, each in zip(uids, now, strict=False) if each[0]}
                wrong = {uid: octets for uid, octets in right.items() if octets != said[uid]}
                yield from self._wrong_rows(place, answers, attribute, {uid: bases[uid] for uid in wrong}, wrong)
                done += len(uids)
                yield Progress(f"{place.user} {place.mailbox}, index", done, len(said))

    def _wrong_rows(
        self,
        place: MailboxPlace,
        answers: Answers,
        attribute: bytes,
        bases: Mapping[int, bytes],
        right: Mapping[int, bytes],
    ) -> Work[None]:
        path = place.folder.maildir + b"/" + FILE_NAME.encode()
        if self._mends_index and right:
            answers.remember(attribute, [(uid, bases[uid], octets) for uid, octets in right.items()])
            did = f"worked out anew what it says of {len(right)} messages"
            yield Mended(Kind.INDEX_WRONG.label, place.user, place.mailbox, path, did)
            return
        for uid in right:
            detail = f"of the message with UID {uid}, {attribute.decode('ascii', 'replace')}"
            yield Finding(Kind.INDEX_WRONG, place.user, place.mailbox, path, detail)


def known_to_index(disk: Disk, seen: Inspection) -> int:
    """The highest UID of which the index says something; 0 where it says nothing."""
    answers = answers_of(disk, seen)
    if answers is None:
        return 0
    return max((uid for attribute in answers.attributes() for uid in answers.known(attribute)), default=0)


def index_octets(files: FileSystem, maildir: bytes) -> int:
    """The size of what can be made again of an account: the index, and the text that SEARCH keeps."""
    names = (FILE_NAME, f"{FILE_NAME}-journal", TEXT_FILE_NAME)
    found = (find(files, maildir + b"/" + name.encode()) for name in names)
    return sum(status.st_size for status in found if status is not None)
