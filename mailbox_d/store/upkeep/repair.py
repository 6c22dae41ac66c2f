"""What can be put right without a risk is put right, under the folder's lock; the rest is told.

Where a message has to get another name, the list is replaced first and the file renamed then: the process that ends
between the two costs a UID, and never a message. Sessions that have such a mailbox open are told that it was replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from mailbox_d.errors import MailError
from mailbox_d.store import maildirsize
from mailbox_d.store.disk import Disk
from mailbox_d.store.dotlock import Held
from mailbox_d.store.filename import join_name, split_name
from mailbox_d.store.files import find, forget, make_directories
from mailbox_d.store.folder import Folder
from mailbox_d.store.folder_tree import sweep
from mailbox_d.store.keywords import Keywords, KeywordsFile
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.message_file import measure_both
from mailbox_d.store.ports import Target
from mailbox_d.store.subscriptions import SubscriptionsFile, nameless
from mailbox_d.store.uidlist_file import UidListFile
from mailbox_d.store.upkeep import list_checks
from mailbox_d.store.upkeep.account_checks import LOCK_STALE_AFTER
from mailbox_d.store.upkeep.accounts import AccountPlace, MailboxPlace, address_of, mailboxes
from mailbox_d.store.upkeep.caches import Caches
from mailbox_d.store.upkeep.findings import BY_HAND, Finding, Kind
from mailbox_d.store.upkeep.inspection import Inspection, Named, inspect, look
from mailbox_d.store.upkeep.steps import Mended, Trouble, Work, one_by_one, patiently, reason
from mailbox_d.store.upkeep.verification import Verification, known_to_index

_LISTING = frozenset(
    {
        Kind.LIST_MISSING,
        Kind.LIST_HEADER,
        Kind.LIST_TORN,
        Kind.LIST_LINE,
        Kind.LIST_ORDER,
        Kind.LIST_NAME_TWICE,
        Kind.UNLISTED,
        Kind.DEAD_LOCK,
    }
)
"""What a look at the mailbox puts right by itself."""

_NAMES = frozenset({Kind.TWO_FILES, Kind.UNLISTABLE})
_KEYWORDS = frozenset({Kind.KEYWORD_NAMELESS, Kind.KEYWORDS_DAMAGED})

_INDEX_ROWS = frozenset({Kind.INDEX_DAMAGED, Kind.INDEX_GONE})

_BREATH = 1000
"""After how many files the lock is looked at."""

Ended = Callable[[Folder], None]
"""Tells sessions of this process that a folder was replaced under them."""


class Repair:
    """Looks at accounts as `verification` does, and mends what it finds."""

    def __init__(self, disk: Disk, verification: Verification, ended: Ended) -> None:
        self._disk = disk
        self._verification = verification
        self._ended = ended

    def accounts(self, places: Iterable[AccountPlace], only: str | None = None) -> Work[None]:
        """Every account, or the one mailbox of that name in each."""
        return one_by_one(places, lambda place: self._account(place, only), only)

    def _account(self, place: AccountPlace, only: str | None) -> Work[None]:
        if only is None:
            findings: list[Finding] = []
            yield from _collecting(self._verification.outside_mailboxes(place), findings)
            for finding in findings:
                yield from self._account_finding(finding, place)
        for each in mailboxes(self._disk, place, only):
            had_parts = yield from self._looked_and_mended(each)
            if not had_parts:
                yield from self._looked_and_mended(each)

    def _looked_and_mended(self, place: MailboxPlace) -> Work[bool]:
        """Mend what is found; whether there was a whole folder to look at."""
        findings: list[Finding] = []
        yield from _collecting(self._verification.mailbox(place), findings)
        yield from self.mailbox(place, findings)
        return all(finding.kind is not Kind.PART_MISSING for finding in findings)

    def mailbox(self, place: MailboxPlace, findings: Sequence[Finding]) -> Work[None]:
        """Mend what was found in a mailbox. What was missing is made first, since nothing can be locked without."""
        mender = MailboxRepair(self._disk, place, self._verification.caches, self._ended)
        for kinds, mend in mender.steps():
            concerned = [finding for finding in findings if finding.kind in kinds]
            if concerned:
                yield from self._together(concerned, mend)
        yield from (finding for finding in findings if finding.kind.repair == BY_HAND)

    def _together(self, findings: Sequence[Finding], mend: Callable[[Sequence[Finding]], str]) -> Work[None]:
        """Mend findings of one kind in one go, and say so of each."""
        first = findings[0]
        try:
            did = yield from patiently(lambda: mend(findings))
        except (OSError, MailError) as error:
            yield from findings
            yield Trouble(first.user, first.mailbox, reason(error))
            return
        yield from (Mended(each.kind.label, each.user, each.mailbox, each.path, did) for each in findings)

    def _account_finding(self, finding: Finding, place: AccountPlace) -> Work[None]:
        if finding.kind.repair == BY_HAND:
            yield finding
        else:
            yield from self._together([finding], lambda _: self._mend_account(finding, place))

    def _mend_account(self, finding: Finding, place: AccountPlace) -> str:
        if finding.kind is Kind.SUBSCRIPTIONS:
            file = SubscriptionsFile(self._disk.files, place.maildir, clock=self._disk.clock)
            file.drop(frozenset(nameless(file.content())))
            return "wrote it anew without lines that are no names"
        if finding.kind is Kind.TEXT_DAMAGED:
            return self._verification.caches.mend_texts(place.maildir)
        status = find(self._disk.files, finding.path)
        is_taken_anew = status is not None and abs(self._disk.clock() - status.st_mtime) <= LOCK_STALE_AFTER
        if finding.kind is Kind.DEAD_LOCK and is_taken_anew:
            return "left it: somebody has taken it anew"
        with suppress(FileNotFoundError):
            self._disk.files.unlink(finding.path)
        return "removed it"


class MailboxRepair:
    """What is done about the findings in one mailbox; each step says what it did. Steps raise `MailboxBusy` having
    changed nothing, `OSError`, `MailError`."""

    def __init__(self, disk: Disk, place: MailboxPlace, caches: Caches, ended: Ended) -> None:
        self._disk = disk
        self._place = place
        self._folder = place.folder
        self._caches = caches
        self._ended = ended

    def steps(self) -> Sequence[tuple[frozenset[Kind], Callable[[Sequence[Finding]], str]]]:
        """In order: what is mended first makes the next possible."""
        return (
            (frozenset({Kind.PART_MISSING}), self._make_parts),
            (frozenset({Kind.OPEN_TO_OTHERS}), self._shut),
            (_NAMES, self._rename),
            (_LISTING, self._catch_up),
            (frozenset({Kind.WRONG_SIZE}), self._give_true_sizes),
            (frozenset({Kind.UID_NEXT_LOW}), self._raise_uid_next),
            (_KEYWORDS, self._name_keywords),
            (frozenset({Kind.LEFTOVER}), self._sweep),
            (_INDEX_ROWS, lambda _: self._caches.mend_index(inspect(self._disk, self._folder))),
            (
                frozenset({Kind.TEXT_GONE}),
                lambda _: self._caches.mend_texts(self._folder.maildir, inspect(self._disk, self._folder)),
            ),
        )

    @contextmanager
    def _held(self) -> Iterator[tuple[Held, Inspection]]:
        """The folder as it is, and remains meanwhile: its lock is held. Raises `MailboxBusy`, `OSError`."""
        with self._disk.locks.hold(self._folder) as lock:
            seen = look(self._disk, self._folder)
            lock.check()
            yield lock, seen

    def _make_parts(self, findings: Sequence[Finding]) -> str:
        for finding in findings:
            make_directories(self._disk.files, finding.path)
        self._look_afresh()
        return "made it"

    def _shut(self, findings: Sequence[Finding]) -> str:
        for finding in findings:
            descriptor = self._disk.files.open(finding.path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                mode = self._disk.files.fstat(descriptor).st_mode
                self._disk.files.chmod(descriptor, mode & 0o7770)
            finally:
                self._disk.files.close(descriptor)
        return "shut it to others"

    def _rename(self, findings: Sequence[Finding]) -> str:
        """Give files names of their own: they become messages with new UIDs."""
        with self._held() as (_, seen):
            paths = {each.path: each for each in seen.files}
            for finding in findings:
                each = paths.get(finding.path)
                if each is not None:
                    self._rename_file(each, self._disk.unique.sized(*measure_both(self._disk.files, each.path)))
        self._look_afresh()
        return "gave it a name of its own, and a new UID"

    def _catch_up(self, findings: Sequence[Finding]) -> str:
        self._look_afresh()
        if all(finding.kind is Kind.DEAD_LOCK for finding in findings):
            return "removed it"
        return "wrote or completed the list, with every UID that could be kept"

    def _give_true_sizes(self, findings: Sequence[Finding]) -> str:
        """Rename what has wrong sizes in its name, and keep the UIDs by listing the new names first.

        A session that has the mailbox open knows messages by their names, and would give those with new ones new UIDs:
        it is shut out while it has nothing under way.
        """
        sizes = dict(self._measured(findings))
        with self._disk.locks.hold_inside(self._folder.cur), self._held() as (lock, seen):
            self._ended(self._folder)
            taken = set(seen.by_base)
            shown = [each for each in seen.by_base.values() if each.base in sizes]
            renamed = {each.base: self._true_base(each.base, *sizes[each.base], taken) for each in shown}
            self._list_as(seen, renamed)
            self._rename_listed(lock, seen, shown, renamed)
            self._disk.files.fsync_directory(self._folder.cur)
            self._disk.files.fsync_directory(self._folder.new)
        forget(self._disk.files, self._folder.maildir + b"/" + maildirsize.FILE_NAME)  # it was counted by the names
        self._look_afresh()
        self._caches.mend_index(inspect(self._disk, self._folder))  # it went by the names
        return "gave it a name with its true sizes"

    def _rename_listed(
        self, lock: Held, seen: Inspection, shown: Sequence[Named], renamed: Mapping[bytes, bytes]
    ) -> None:
        """Give files the names that the list has by now. What keeps its name, since another program renamed it
        meanwhile or the disk would not have it, is listed by that again."""
        done: dict[bytes, bytes] = {}
        try:
            for count, each in enumerate(shown, 1):
                with suppress(FileNotFoundError):
                    self._rename_file(each, renamed[each.base])
                    done[each.base] = renamed[each.base]
                if count % _BREATH == 0:
                    lock.check()
        except OSError:
            self._list_as(seen, done)
            raise
        if len(done) < len(shown):
            self._list_as(seen, done)

    def _measured(self, findings: Sequence[Finding]) -> Iterator[tuple[bytes, tuple[int, int]]]:
        """The sizes of files by base name; of one that was renamed meanwhile nothing is said, and nothing done."""
        for finding in findings:
            with suppress(FileNotFoundError):
                base, _ = split_name(finding.path.rpartition(b"/")[2])
                yield base, measure_both(self._disk.files, finding.path)

    def _true_base(self, base: bytes, octets: int, wire: int, taken: set[bytes]) -> bytes:
        """The name with other sizes; a new one where that is taken."""
        stem = base.partition(b",S=")[0].partition(b",W=")[0]
        wanted = stem + b",S=%d,W=%d" % (octets, wire)
        if not stem or wanted in taken or len(wanted) > 200:
            wanted = self._disk.unique.sized(octets, wire)
        taken.add(wanted)
        return wanted

    def _list_as(self, seen: Inspection, renamed: Mapping[bytes, bytes]) -> None:
        """Write the list with other names for some messages, which keep their UIDs and what other programs said."""
        rows = [
            (uid, seen.lines.extensions.get(base, b""), renamed.get(base, base))
            for base, uid in seen.lines.uid_of.items()
        ]
        self._write_list(seen, rows, seen.uid_next)

    def _write_list(self, seen: Inspection, rows: Iterable[tuple[int, bytes, bytes]], uid_next: int) -> None:
        file = UidListFile(self._disk.files, self._folder, self._disk.settings.uidlist_octets_max)
        file.replace(replace(seen.header, next_uid=uid_next), rows)

    def _raise_uid_next(self, findings: Sequence[Finding]) -> str:
        with self._held() as (_, seen):
            uid_next = max(seen.uid_next, known_to_index(self._disk, seen) + 1)
            rows = [(uid, seen.lines.extensions.get(base, b""), base) for base, uid in seen.lines.uid_of.items()]
            self._write_list(seen, rows, uid_next)
        return f"the next UID is {uid_next}"

    def _name_keywords(self, findings: Sequence[Finding]) -> str:
        """Keep what the file says, and give the names to nameless letters that Dovecot gives them too."""
        with self._held() as (_, seen):
            keywords = Keywords.parse(seen.keywords or b"")
            letters = bytes(set().union(*(each.letters for each in seen.files)))
            unknown = {index: f"unknown-{index}" for index in list_checks.nameless(letters, keywords)}
            KeywordsFile(self._disk.files, self._folder, self._disk.clock).write(
                Keywords({**keywords.names, **unknown})
            )
        return "wrote dovecot-keywords anew"

    def _sweep(self, findings: Sequence[Finding]) -> str:
        sweep(self._disk, self._folder)
        left = [finding.path for finding in findings if find(self._disk.files, finding.path) is not None]
        if left:
            raise OSError(f"{os.fsdecode(left[0])} cannot be removed")
        return "removed it"

    def _rename_file(self, each: Named, base: bytes) -> None:
        """Give a file another base name where it lies; what lies in `new` may have letters too."""
        directory = self._folder.new if each.is_new else self._folder.cur
        name = join_name(base, each.letters) if not each.is_new or each.letters else base
        self._disk.files.rename(each.path, directory + b"/" + name)

    def _look_afresh(self) -> None:
        """What every program does that opens the mailbox: list what is unlisted, write the list anew where it must."""
        address = address_of(AccountPlace(self._place.user, self._folder.maildir))
        MaildirMailbox(self._disk, self._folder, Target(address, self._place.mailbox)).refresh()


def _collecting(work: Work[None], into: list[Finding]) -> Work[None]:
    """Do work, and keep its findings instead of telling them."""
    answered = None
    while True:
        try:
            step = work.send(answered)
        except StopIteration:
            return
        answered = None
        if isinstance(step, Finding):
            into.append(step)
        else:
            answered = yield step
